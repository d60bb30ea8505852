"""Everything the bot says of its own accord: `delivering` brings to Slack what the builders build."""

from bot.outbox.delivering import Outbox

__all__ = ["Outbox"]
