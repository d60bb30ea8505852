"""`/kyc export`: answered at once, delivered by direct message."""

from bot.app import Bot
from bot.blocks import export, private
from bot.domain.outbox import Message


async def asked(bot: Bot, user: str, typed: str) -> Message:
    """The answer to the command."""
    return private.says(export.preparing(await bot.exports.ask(user, typed)))
