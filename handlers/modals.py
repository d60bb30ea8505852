"""Where a form opens: from a message or the Home tab as a modal, from the Details on top of them, in a row in place.

Of a row of checks each takes the place of the one before, so that a modal never holds more than Slack's three views.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any

import structlog

from bot.errors import Refusal, Refused, SlackError, SlackRefused
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, private, refusals
from bot.slack.blocks.review_forms import Way
from handlers.replies import NOT_THERE, open_modal, reply
from handlers.requests import kind_of, user_of

log = structlog.get_logger(__name__)

_FULL = "push_limit_reached"
"""Three views lie on each other already."""


_SEES_LESS = frozenset(
    {Refusal.NOT_A_REVIEWER, Refusal.OWN_PHOTOS, Refusal.NO_DETAILS, Refusal.UNKNOWN_REF, Refusal.FIND_IS_PERSONAL}
)
"""Whoever hears this sees less than when the modal was opened."""


class Shown(Enum):
    """What became of a view that was to be shown after a click."""

    OPEN = auto()
    CLOSED = auto()
    """Slack did not open it: the person is to be told."""
    LEFT = auto()
    """The modal that was clicked in has gone on, or is closed: nobody waits for it."""


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
    way = replace(Way(), form=secrets.token_hex(6), claimed=claimed)
    pressed = body.get("view") or {}
    if is_next(body):
        kept = Way.load(json.loads(pressed.get("private_metadata") or "{}"))
        return replace(kept, form=way.form, claimed=claimed)
    if is_details(body):
        return replace(way, about=str(pressed["private_metadata"]), below=(str(pressed["id"]),))
    if is_photos(body):
        # They lie on the Details of their check; where three views are open, the form takes their place on them.
        below = (str(pressed["id"]), str(pressed.get("previous_view_id") or ""))
        return replace(way, about=str(pressed["private_metadata"]), below=below)
    return way


async def show(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> Shown:
    """Open it where the click was. Raises Refused where Slack refuses the bot itself."""
    if is_next(body):
        return await _replace(bot, body, view)
    if (body.get("view") or {}).get("type") != "modal":
        return Shown.OPEN if await open_modal(bot, body["trigger_id"], view) is not None else Shown.CLOSED
    try:
        await bot.slack.push_view(trigger_id=body["trigger_id"], view=view)
    except SlackRefused as no:
        if no.code == _FULL:
            return await _replace(bot, body, view)
        return _stays_closed(bot, no)
    except SlackError as closed:
        return _stays_closed(bot, closed)
    return Shown.OPEN


async def show_or_say(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> None:
    """The same; the person hears where it stays closed."""
    if await show(bot, body, view) is Shown.CLOSED:
        reply(bot, body, private.answer(private.EXPIRED))


def shows_a_check(body: Mapping[str, Any]) -> bool:
    """Whether it was pressed in a modal behind which a private message would stay unread."""
    return _callback(body) in (ids.NEXT_VIEW, ids.DETAILS_VIEW, ids.PHOTOS_VIEW, ids.FOUND)


def say(bot: Bot, body: Mapping[str, Any], no: Refused) -> None:
    """A refusal, where the click was: on top of the Details, or above the check that comes next instead."""
    bot.background.spawn(_say(bot, body, no))


async def _say(bot: Bot, body: Mapping[str, Any], no: Refused) -> None:
    try:
        if not await _said(bot, body, no):
            reply(bot, body, refusals.refusal_message(no))
    except Refused as closed:
        # Slack refuses the bot, say.
        reply(bot, body, refusals.refusal_message(closed))


async def _said(bot: Bot, body: Mapping[str, Any], no: Refused) -> bool:
    closed = private.closed_form(refusals.plain_sentence(no))
    if no.code in _SEES_LESS and not is_next(body):
        return await _withdrawn(bot, body, closed)
    if not is_next(body):
        return await lay_on(bot, body, closed) is not None
    try:
        view = await bot.cards.first(user_of(body), told=refusals.sentence(no), skipped=way_of(body).skipped)
    except Refused:
        # No reviewer any more: nothing is to be seen of the next check either.
        view = closed
    return await _replace(bot, body, view) is Shown.OPEN


def sees_no_more(body: Mapping[str, Any], no: Refused) -> bool:
    """Whether nothing that stood open before may be seen now, by what they hear after this click or submit."""
    # After a click of somebody with another role, `say` knows what it was made in, and what of it they may still see.
    is_submit = kind_of(body) == "view_submission"
    return no.code is Refusal.NO_ACCESS or (is_submit and no.code is Refusal.NOT_A_REVIEWER)


def take_away(bot: Bot, body: Mapping[str, Any], no: Refused) -> None:
    """Everything that this person still has open says the refusal: it was opened with a role that they lost.

    A form that was just sent is replaced by the answer to it.
    """
    view = body.get("view") or {}
    if view.get("type") == "home":
        bot.background.spawn(bot.home.opened(user_of(body)))
        return
    lie_open = dict.fromkeys(str(view.get(key) or "") for key in ("id", "previous_view_id", "root_view_id"))
    answered = view.get("id") if kind_of(body) == "view_submission" else ""
    for view_id in lie_open:
        if view_id not in ("", answered):
            bot.background.spawn(_close(bot, view_id, no))


async def _close(bot: Bot, view_id: str, no: Refused) -> None:
    try:
        await bot.slack.update_view(view_id=view_id, view=private.closed_form(refusals.plain_sentence(no)))
    except SlackError as closed:
        log.info("view.closed_meanwhile", error=str(closed))


async def _withdrawn(bot: Bot, body: Mapping[str, Any], closed: Mapping[str, Any]) -> bool:
    """The refusal in place of what this person may no longer see; Details show what they may see now."""
    view, user = body["view"], user_of(body)
    if is_details(body):
        refresh_details(bot, user, str(view["id"]), str(view["private_metadata"]))
        return await lay_on(bot, body, closed) is not None
    if is_photos(body) and (below := view.get("previous_view_id")):
        refresh_details(bot, user, str(below), str(view["private_metadata"]))
    return await _replace(bot, body, closed) is Shown.OPEN


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


async def _replace(bot: Bot, body: Mapping[str, Any], view: Mapping[str, Any]) -> Shown:
    pressed = body["view"]
    try:
        await bot.slack.update_view(view_id=pressed["id"], view=view, hash_=pressed.get("hash"))
    except SlackRefused as no:
        if no.code in NOT_THERE:
            # Pressed twice: the first click has replaced it, and must not be undone by the second.
            log.info("form.replaced_meanwhile", error=no.code)
            return Shown.LEFT
        return _stays_closed(bot, no)
    except SlackError as closed:
        return _stays_closed(bot, closed)
    return Shown.OPEN


def _stays_closed(bot: Bot, closed: SlackError) -> Shown:
    log.warning("form.not_opened", error=str(closed))
    if (refused := bot.causes.refused_by_slack()) is not None:
        # *Try again* would be untrue.
        raise refused from closed
    return Shown.CLOSED


def refresh_below(bot: Bot, user: str, view: Mapping[str, Any], way: Way) -> None:
    """After a form that lay on the Details: they show what has become of the check.

    Not after one of a row: below it are the Details of the first check of that row, which are not this one's.
    """
    below = str(view.get("previous_view_id") or "")
    if below and below in way.below:
        refresh_details(bot, user, below, way.about)


def refresh_details(bot: Bot, user: str, view_id: str, ref: str) -> None:
    """Show the Details as they are now, in the background."""
    bot.background.spawn(_refresh_details(bot, user, view_id, ref))


async def _refresh_details(bot: Bot, user: str, view_id: str, ref: str) -> None:
    try:
        view: Mapping[str, Any] = await bot.details.details_with_links(user, ref)
    except Refused as no:
        # Who lost the role while it stood open reads no more of it.
        bot.refusals.note(user, no, door="details", about=ref)
        view = private.closed_form(refusals.plain_sentence(no))
    try:
        await bot.slack.update_view(view_id=view_id, view=view)
    except SlackError as closed:
        log.info("details.closed_meanwhile", ref=ref, error=str(closed))


def _callback(body: Mapping[str, Any]) -> str:
    return str((body.get("view") or {}).get("callback_id") or "")
