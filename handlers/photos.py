"""*Show photos*, and the request to post them in the thread. Each opening is recorded before anything is shown."""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.errors import Refused, SlackRefused
from bot.runtime.bot import Bot
from bot.slack.blocks import photos, private, refusals
from bot.slack.retry import Retry
from handlers import modals
from handlers.replies import ReplyAddress, reply, run, show
from handlers.requests import user_of

log = structlog.get_logger(__name__)


async def show_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Opens a page that fills itself: a trigger lives three seconds, and Slack is asked about nine files."""
    await ack()
    user, ref = user_of(body), str(action["value"])
    await bot.check_photos.photo_access.open(user, ref)
    shown = await modals.lay_on(bot, body, photos.opening(ref))
    if shown is None:
        reply(bot, body, private.answer(photos.EXPIRED))
        return
    address = ReplyAddress(user=user, request_id=f"photos:{shown['id']}")
    run(bot, address, lambda retry: _fill(bot, retry, shown, user, ref))


async def ask_for_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Stores the request; the page then says that it was made, or why not."""
    await ack()
    user, ref = user_of(body), str(action["value"])
    await bot.check_photos.photo_access.ask(user, ref)
    if not _is_in_modal(body):
        reply(bot, body, private.answer(photos.ASKED))
        return
    page = {"id": body["view"]["id"]}
    address = ReplyAddress(user=user, request_id=f"photos_asked:{page['id']}")
    run(bot, address, lambda retry: _fill(bot, retry, page, user, ref))


def _is_in_modal(body: Mapping[str, Any]) -> bool:
    """A click on the Home tab names a view too, on which nothing can lie."""
    return (body.get("view") or {}).get("type") == "modal"


async def _fill(bot: Bot, retry: Retry, page: Mapping[str, Any], user: str, ref: str) -> None:
    """First with the photos themselves. Slack refuses some for reasons that it keeps; then with links to them."""
    try:
        views = await bot.check_photos.views(user, ref)
    except Refused as no:
        bot.refusals.note(user, no, door="photos", about=ref)
        await show(bot, retry, page, private.closed_form(refusals.plain_sentence(no)))
        return
    try:
        await show(bot, retry, page, views.with_images)
    except SlackRefused as no:
        log.info("photos.shown_as_links", ref=ref, error=no.code)
        await show(bot, retry, page, views.with_links)
