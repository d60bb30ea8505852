"""The menu behind ⋯ of a check's messages: each entry opens what its own button would."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.runtime.bot import Bot
from bot.slack.blocks import ids, private
from handlers import customer, review_requests
from handlers.replies import reply

_ENTRIES: Mapping[str, Callable[[Bot, Mapping[str, Any], str], Awaitable[None]]] = {
    ids.REQUEST_REVIEW: review_requests.open_form,
    ids.CUSTOMER_MESSAGE: customer.open_form,
}
"""Given the click and the reference."""


async def chosen(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    action_id, _, ref = str(action["selected_option"]["value"]).partition("|")
    if action_id in _ENTRIES:
        await _ENTRIES[action_id](bot, body, ref)
    else:
        reply(bot, body, private.answer(private.OLD_BUTTON))
