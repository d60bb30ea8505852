"""Everything the bot says of its own accord: `saying` builds the words, `delivering` brings them to Slack."""

from bot.outbox.delivering import Outbox
from bot.outbox.saying import Saying

__all__ = ["Outbox", "Saying"]
