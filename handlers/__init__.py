"""What comes in: Slack's requests, Smile ID's callbacks, health. Each is read, handed to one process, and answered.

Nothing here speaks SQL or Smile ID. The command line hands `bolt`, `web` and `admin` to `bot.runtime.server.serve`.
"""

from handlers.http import admin, web
from handlers.listeners import bolt

__all__ = ["admin", "bolt", "web"]
