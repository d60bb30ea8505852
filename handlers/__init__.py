"""What comes in: Slack's requests, Smile ID's callbacks, health. Each is read, handed to one process, and answered.

Nothing here speaks SQL or Smile ID. `bolt`, `web` and `admin` are what the command line hands to `bot.app.serve`.
"""

from handlers.slack import bolt
from handlers.web import admin, web

__all__ = ["admin", "bolt", "web"]
