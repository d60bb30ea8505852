"""Everything the bot says of its own accord: `saying` and `reporting` build it, `delivering` brings it to Slack."""

from bot.outbox.delivering import Outbox
from bot.outbox.reporting import Reporting
from bot.outbox.saying import Saying

__all__ = ["Outbox", "Reporting", "Saying"]
