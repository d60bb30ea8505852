"""`/kyc export`: answered at once, delivered by direct message."""

from bot.domain.outbox import Message
from bot.runtime.factory import Bot
from bot.slack.blocks import export, private


async def asked(bot: Bot, user: str, typed: str) -> Message:
    """The answer to the command."""
    return private.answer(export.preparing(await bot.exports.ask(user, typed)))
