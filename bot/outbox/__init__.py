"""Everything the bot says of its own accord: `delivery` brings to Slack what the builders build."""

from bot.outbox.delivery import Outbox

__all__ = ["Outbox"]
