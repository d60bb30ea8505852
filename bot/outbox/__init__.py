"""Everything the bot says of its own accord: `delivering` brings to Slack what the others build."""

from bot.outbox.delivering import Outbox
from bot.outbox.exporting import Exporting
from bot.outbox.reporting import Reporting
from bot.outbox.saying import Saying

__all__ = ["Exporting", "Outbox", "Reporting", "Saying"]
