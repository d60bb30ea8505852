"""`/kyc summary` and the button that shares its answer."""

import json
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.app import Bot
from bot.blocks import private
from bot.blocks.thread import Said
from bot.errors import Refused
from handlers.private import tell


async def asked(bot: Bot, user: str, typed: str) -> Said:
    """The answer to the command."""
    try:
        return await bot.summary.answer(user, typed)
    except Refused as no:
        return private.says(no.words)


async def shared(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The figures into the conversation where the answer stands; the answer itself loses its button."""
    await ack()
    try:
        said = await bot.summary.share(body["user"]["id"], body["channel"]["id"], json.loads(action["value"]))
    except Refused as no:
        tell(bot, body, private.says(no.words))
        return
    tell(bot, body, said, in_place=True)
