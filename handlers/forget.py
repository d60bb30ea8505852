"""`/kyc forget`: the form that says what goes and what stays, and its submission."""

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.outbox import Message
from bot.runtime.bot import Bot
from bot.slack.blocks import forget, private
from handlers.replies import open_modal
from handlers.requests import user_of


async def open_form(bot: Bot, body: Mapping[str, Any], typed: str) -> Message | None:
    """Open the form; a message where it stays closed."""
    left = await bot.erasures.may_forget(user_of(body), typed)
    view = await open_modal(bot, body["trigger_id"], forget.form(left))
    return None if view else private.answer(private.EXPIRED)


async def confirmed(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    left = await bot.erasures.forget(body["user"]["id"], view["private_metadata"])
    await ack(response_action="update", view=forget.done(left, certified=True))
    # Empties the log, and looks which backups still hold the customer.
    bot.background.spawn(bot.erasures.tick())
