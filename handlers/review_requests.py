"""*Request review*: the form that asks why, and its submission."""

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.review.requests import RequestKind
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, reasons
from handlers import modals
from handlers.requests import ViewState, user_of


async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    await open_form(bot, body, action["value"])


async def open_form(bot: Bot, body: Mapping[str, Any], ref: str) -> None:
    check = await bot.review_requests.may_request(user_of(body), ref)
    await modals.show_or_say(bot, body, reasons.form(check))


async def requested(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    state = ViewState.of(view)
    reason, words = state.value(ids.REASON), state.value(ids.WORDS)
    if faults := reasons.faults(RequestKind.REVIEW, reason, words):
        await ack(response_action="errors", errors=faults)
        return
    await bot.review_requests.request(
        body["user"]["id"], view["private_metadata"], reason=reason, words=words, form_id=view["id"]
    )
    await ack()
