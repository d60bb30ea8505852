"""Where a form opens: from a message or the Home tab as a modal, from the Details on top of them, in a row in place.

Of a row of checks each takes the place of the one before, so that a modal never holds more than Slack's three views.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from bot.errors import Refused, SlackError, SlackRefused
from bot.runtime.factory import Bot
from bot.slack.blocks import ids, private, refusals
from bot.slack.blocks.review_forms import Way
from handlers.replies import NOT_THERE, open_modal, reply

log = structlog.get_logger(__name__)

_FULL = "push_limit_reached"
"""Three views lie on each other already."""


def is_details(body: Mapping[str, Any]) -> bool:
    """Whether it was pressed in the Details of a check."""
    return _callback(body) == ids.DETAILS_VIEW


def is_photos(body: Mapping[str, Any]) -> bool:
    """Whether it was pressed below the photos of a check."""
    return _callback(body) == ids.PHOTOS_VIEW


def is_next(body: Mapping[str, Any]) -> bool:
    """Whether it was pressed in the modal that shows the next check."""
    return _callback(body) == ids.NEXT_VIEW


def way_of(body: Mapping[str, Any], *, claimed: str = "") -> Way:
    """How this person came to the form that opens now."""
    kept = json.loads(body["view"].get("private_metadata") or "{}") if is_next(body) else {}
    return replace(Way.load(kept), form=secrets.token_hex(6), claimed=claimed)


async def show(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> bool:
    """Open it where the click was; False where Slack did not. Raises Refused where Slack refuses the bot itself."""
    if is_next(body):
        return await _replace(bot, body, view)
    if (body.get("view") or {}).get("type") != "modal":
        return await open_modal(bot, body["trigger_id"], view) is not None
    try:
        await bot.slack.push_view(trigger_id=body["trigger_id"], view=view)
    except SlackRefused as no:
        if no.code == _FULL:
            return await _replace(bot, body, view)
        return _stays_closed(bot, no)
    except SlackError as closed:
        return _stays_closed(bot, closed)
    return True


async def show_or_say(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> None:
    """The same; the person hears where it stays closed."""
    if not await show(bot, body, view):
        reply(bot, body, private.answer(private.EXPIRED))


async def lay_on(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Show a page on top of the modal clicked in, to be filled later; its id and hash, or None where Slack did not.

    It takes the place of that modal where it cannot lie on it: three are open already, say. From a message it opens by
    itself.
    """
    if (body.get("view") or {}).get("type") != "modal":
        return await open_modal(bot, body["trigger_id"], view)
    try:
        return await bot.slack.push_view(trigger_id=body["trigger_id"], view=view)
    except SlackError as closed:
        log.info("page.not_pushed", error=str(closed))
    try:
        await bot.slack.update_view(view_id=body["view"]["id"], view=view)
    except SlackError as closed:
        log.warning("page.not_opened", error=str(closed))
        return None
    return {"id": body["view"]["id"]}


async def _replace(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> bool:
    pressed = body["view"]
    try:
        await bot.slack.update_view(view_id=pressed["id"], view=view, hash_=pressed.get("hash"))
    except SlackRefused as no:
        if no.code in NOT_THERE:
            # Pressed twice: the first click has replaced it, and must not be undone by the second.
            log.info("form.replaced_meanwhile", error=no.code)
            return True
        return _stays_closed(bot, no)
    except SlackError as closed:
        return _stays_closed(bot, closed)
    return True


def _stays_closed(bot: Bot, closed: SlackError) -> bool:
    log.warning("form.not_opened", error=str(closed))
    if (refused := bot.causes.refused_by_slack()) is not None:
        # *Try again* would be untrue.
        raise refused from closed
    return False


def refresh_below(bot: Bot, user: str, view: Mapping[str, Any], ref: str, *, way: Way | None = None) -> None:
    """After a form that lay on the Details: they show what has become of the check.

    Not after one of a row: below it are the Details of the first check of that row, which are not this one's.
    """
    below = view.get("previous_view_id")
    if below and not (way is not None and way.follows):
        refresh_details(bot, user, below, ref)


def refresh_details(bot: Bot, user: str, view_id: str, ref: str) -> None:
    """Show the Details as they are now, in the background."""
    bot.background.spawn(_refresh_details(bot, user, view_id, ref))


async def _refresh_details(bot: Bot, user: str, view_id: str, ref: str) -> None:
    try:
        view: Mapping[str, Any] = await bot.details.details_with_links(user, ref)
    except Refused as no:
        # Who lost the role while it stood open reads no more of it.
        view = private.closed_form(refusals.plain_sentence(no))
    try:
        await bot.slack.update_view(view_id=view_id, view=view)
    except SlackError as closed:
        log.info("details.closed_meanwhile", ref=ref, error=str(closed))


def _callback(body: Mapping[str, Any]) -> str:
    return str((body.get("view") or {}).get("callback_id") or "")
