"""`/kyc list` and `/kyc find`: pages, filters, the search form; rights are checked with every click."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.access.permissions import Sight
from bot.domain.check.check import SearchFilter
from bot.domain.check.fields import clean_field
from bot.domain.outbox import Message
from bot.errors import Refused, SlackError
from bot.queries.search import FILTERS, IN_REVIEW, STATES, QueueRow, SearchForm, SearchResult
from bot.runtime.bot import Bot
from bot.slack.blocks import find, ids, private, refusals, review_queue
from bot.slack.blocks.find import CheckRow, PageCursor
from bot.slack.blocks.review_queue import WaitingCheck
from handlers.replies import open_modal, reply
from handlers.requests import ViewState, about, door_of, user_of

log = structlog.get_logger(__name__)


async def listing(bot: Bot, user: str, typed: str) -> Message:
    word = typed.strip().casefold()
    if word and word not in FILTERS:
        scope = await bot.search.scope(user)
        return private.answer(find.unknown_filter(typed, scope.filters))
    return await _listing(bot, user, PageCursor(shown=word))


async def turned(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Older, newer, or another filter: the list is replaced in place."""
    await ack()
    option = action.get("selected_option")
    turn = PageCursor(shown=option["value"]) if option else PageCursor.load(str(action.get("value") or ""))
    if turn is None or turn.shown not in FILTERS:
        reply(bot, body, private.answer(private.OLD_BUTTON))
        return
    # After a refusal the list stays, and with it the menu to choose something else.
    reply(bot, body, await _listing(bot, body["user"]["id"], turn), in_place=True)


async def _listing(bot: Bot, user: str, turn: PageCursor) -> Message:
    listed = await bot.search.list_checks(user, turn.shown, turn.cursor)
    if listed.queue is not None:
        return review_queue.listing(
            [_waiting(row) for row in listed.queue.rows],
            viewer=user,
            more=listed.queue.more,
            shown=listed.shown,
            offers=listed.offers,
        )
    found = listed.found
    assert found is not None, "a listing is a page of checks or a queue"
    page = found.page
    return find.listing(
        _rows(found), shown=listed.shown, offers=listed.offers, has_older=page.has_older, has_newer=page.has_newer
    )


async def open_form(bot: Bot, body: Mapping[str, Any], typed: str) -> Message | None:
    """Open the search form; a message where it stays closed, or where something was typed that belongs into it."""
    scope = await bot.search.scope(user_of(body))
    form = find.form(
        list(bot.id_types.countries().items()),
        finds_customers=scope.sees_customers,
        finds_others=scope.others is not Sight.RECORD,
    )
    if await open_modal(bot, body["trigger_id"], form) is None:
        return private.answer(private.EXPIRED)
    return private.answer(find.NEVER_AS_TEXT) if typed.strip() else None


async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    """The first page in place of the form."""
    sought = _sought(ViewState.of(view))
    if sought.is_empty:
        await ack(response_action="errors", errors={ids.FIND_REF: find.NOTHING_SOUGHT})
        return
    found = await bot.search.search(body["user"]["id"], sought)
    await ack(response_action="update", view=_results(found))


async def next_page(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Older or newer within what was found: the form's own texts are gone, only references and dates go on."""
    await ack()
    turn = PageCursor.load(str(action.get("value") or ""))
    wanted = _loaded(body["view"].get("private_metadata", ""))
    if turn is None or wanted is None:
        return
    try:
        found = await bot.search.page(body["user"]["id"], wanted, turn.cursor)
        shown = _results(found)
    except Refused as no:
        bot.refusals.note(user_of(body), no, door=door_of(body), about=about(body))
        shown = private.closed_form(refusals.plain_sentence(no))
    try:
        await bot.slack.update_view(view_id=body["view"]["id"], view=shown)
    except SlackError as closed:
        log.info("find.closed_meanwhile", error=str(closed))


def _results(found: SearchResult) -> dict[str, Any]:
    return find.results(
        _rows(found), metadata=_dumped(found.wanted), has_older=found.page.has_older, has_newer=found.page.has_newer
    )


def _waiting(row: QueueRow) -> WaitingCheck:
    return WaitingCheck(row=CheckRow(check=row.check, entry=row.entry, link=row.link), review=row.review)


def _rows(found: SearchResult) -> list[CheckRow]:
    return [
        CheckRow(check=check, entry=entry, link=link, review=review)
        for check, entry, link, review in zip(found.page.checks, found.entries, found.links, found.reviews, strict=True)
    ]


def _sought(state: ViewState) -> SearchForm:
    def value(block_id: str) -> str | None:
        return clean_field(state.value(block_id)) or None

    first, last = value(ids.FIND_FIRST), value(ids.FIND_LAST)
    return SearchForm(
        ref=value(ids.FIND_REF),
        reference=value(ids.FIND_REFERENCE),
        number=value(ids.FIND_NUMBER),
        country=value(ids.FIND_COUNTRY),
        job=value(ids.FIND_JOB),
        requester=value(ids.FIND_REQUESTER),
        first=date.fromisoformat(first) if first else None,
        last=date.fromisoformat(last) if last else None,
        outcome=value(ids.FIND_OUTCOME),
    )


def _dumped(wanted: SearchFilter) -> str:
    """What the next page is of: references, a person, a span; nothing that was typed."""
    outcome = next((name for name, states in STATES.items() if states == wanted.states), None)
    since, until = (moment.isoformat() if moment else None for moment in (wanted.since, wanted.until))
    refs = list(wanted.refs) if wanted.refs is not None else None
    return json.dumps([wanted.requester, outcome, since, until, refs], separators=(",", ":"))


def _loaded(metadata: str) -> SearchFilter | None:
    try:
        requester, outcome, since, until, refs = json.loads(metadata)
        return SearchFilter(
            requester=requester,
            states=STATES.get(outcome or ""),
            undecided=outcome == IN_REVIEW,
            since=datetime.fromisoformat(since).astimezone(UTC) if since else None,
            until=datetime.fromisoformat(until).astimezone(UTC) if until else None,
            refs=refs,
        )
    except (ValueError, TypeError):
        return None
