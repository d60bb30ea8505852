"""*Message for the customer*: opens the texts to copy; what was changed in them is kept nowhere."""

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.runtime.bot import Bot
from bot.slack.blocks import customer
from handlers import modals
from handlers.requests import user_of


async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    await open_form(bot, body, action["value"])


async def open_form(bot: Bot, body: Mapping[str, Any], ref: str) -> None:
    check, texts = await bot.customer_messages.for_check(user_of(body), ref)
    await modals.show_or_say(bot, body, customer.form(check, texts))


async def done(ack: AsyncAck) -> None:
    """*Done* closes it: nothing is sent to anybody."""
    await ack()
