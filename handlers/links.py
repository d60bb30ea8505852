"""The buttons of a link with which a customer takes the photos: *New link* and *Withdraw*."""

from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.runtime.bot import Bot
from bot.slack.blocks import capture, private
from handlers.replies import reply
from handlers.requests import user_of


async def renew(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*New link*: the earlier one dies at once, the new one comes by direct message."""
    await ack()
    ref = action["value"]
    await bot.link_actions.renew(user_of(body), ref)
    reply(bot, body, private.answer(capture.ON_ITS_WAY.format(ref=ref)))


async def withdraw(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Withdraw*; its dialog has asked already. The outbox updates the thread and the message with the link."""
    await ack()
    ref = action["value"]
    await bot.link_actions.withdraw(user_of(body), ref)
    reply(bot, body, private.answer(capture.WITHDRAWN.format(ref=ref)))
