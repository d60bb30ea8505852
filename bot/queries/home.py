"""Home tabs: published when opened and after each change that concerns their person, within Slack's rate limit.

Rights are checked each time a tab is built, since roles change while tabs stay open.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check, SearchFilter
from bot.domain.outbox import CheckLinks
from bot.domain.reporting.periods import day_of
from bot.domain.reporting.summary_command import SummaryRequest
from bot.domain.review.home_choices import HomeChoices
from bot.domain.review.queue import OpenReview, Queue, QueueFilter
from bot.domain.review.review import Review
from bot.errors import SlackError, SlackRateLimited, SlackRefused
from bot.outbox.links import Links
from bot.queries.search import IN_REVIEW, OWN, STATES
from bot.reporting.report_reader import ReportReader
from bot.slack.blocks import home
from bot.slack.blocks.find import PageCursor
from bot.slack.blocks.home import HomeCheck, HomeFigures, OwnChecks, ReviewQueue
from bot.slack.client import SlackClient
from storage import checks, home_tabs, leases, reviews, search
from storage.engine.database import Transaction
from storage.search import CheckPage

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
RETRY_UNSURE = timedelta(seconds=30)
_NOBODY = frozenset({"user_not_found", "not_allowed_token_type", "user_disabled", "invalid_user_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    check: Check
    review: Review | None
    waits: OpenReview | None = None
    """While its review is open."""


class BuiltTab(NamedTuple):
    view: Mapping[str, object]
    sees: set[str]
    """The sections in it that show everybody's checks."""
    listed: Sequence[Check]
    """Whose customers' data stand in the queue; none for who sees records alone."""
    is_unsure: bool
    """Slack did not say in time which sections are this person's."""


@dataclass(slots=True, kw_only=True, eq=False)
class HomeTab(Process):
    """Builds and publishes Home tabs."""

    slack: SlackClient
    links: Links
    reports: ReportReader
    steady: Callable[[], datetime]
    _paused_until: datetime | None = field(init=False, default=None)
    """In steady time. Slack's rate limit counts publications of the app, not of a person: all wait for one."""

    async def opened(self, person: str) -> None:
        """Publishes this person's tab now, and keeps it fresh."""
        await self.database.write(home_tabs.opened, person, now=self.now())

    async def tick(self) -> None:
        """Rebuilds every tab that is kept fresh; one that reads the same is not published."""
        await self.database.write(home_tabs.mark_all_due, now=self.now())

    async def claim(self, limit: int) -> Sequence[home_tabs.DueTab]:
        if self._paused_until is not None and self.steady() < self._paused_until:
            return []
        now = self.now()
        return await self.database.write(home_tabs.claim_due, now=now, until=now + LEASE, limit=limit)

    async def give_up(self, due: Sequence[home_tabs.DueTab]) -> None:
        await self.database.write(leases.give_up, "homes", "person", [tab.person for tab in due], now=self.now())

    async def work(self, due: home_tabs.DueTab) -> None:
        """Publishes one tab if it reads differently; reschedules it on failure."""
        view, sees, listed, is_unsure = await self._build(due.person, due.choices)
        prints = await self.database.read(home_tabs.prints_of, json.dumps(view, sort_keys=True))
        try:
            if due.view_print not in prints:
                await self.slack.publish_view(user=due.person, view=view)
        except SlackRateLimited as limited:
            wait = timedelta(seconds=limited.retry_after)
            self._paused_until = self.steady() + wait
            await self._reschedule(due, wait, "rate limited")
            return
        except SlackRefused as no:
            if no.code in _NOBODY:
                await self.database.write(home_tabs.forget, due.person)
                return
            await self._reschedule(due, timedelta(minutes=5), no.code)
            return
        except SlackError as fault:
            await self._reschedule(due, retry_in(1, jitter=self.rng.random()), str(fault))
            return
        if sees and due.is_opened:
            self.looked(due.person, "home.shown", detail="+".join(sorted(sees)))
        if due.is_opened or due.view_print not in prints:
            self.listed(due.person, listed, where="home")
        now = self.now()
        again_at = now + RETRY_UNSURE if is_unsure else None
        await self.database.write(
            home_tabs.shown, due.person, view_print=prints[0], sees=sees, again_at=again_at, now=now
        )

    async def _reschedule(self, due: home_tabs.DueTab, wait: timedelta, error: str) -> None:
        log.info("home.not_published", error=error)
        await self.database.write(home_tabs.reschedule, due.person, at=self.now() + wait, is_opened=due.is_opened)

    async def choose(self, person: str, change: Callable[[HomeChoices], HomeChoices]) -> None:
        """Keeps a filter or a page that somebody chose, and publishes their tab with it."""
        await self.database.write(home_tabs.choose, person, change, now=self.now())

    async def _build(self, person: str, choices: HomeChoices) -> BuiltTab:
        yes = Permission.YES
        requester, reviewer, manager, admin, records = await asyncio.gather(
            self.access.may(person, Right.START),
            self.access.may(person, Right.REVIEW),
            self.access.may(person, Right.FIGURES),
            self.access.may(person, Right.DECIDE, own=True),
            self.access.sees_records(person),
        )
        own, queue, figures = None, None, None
        if requester is yes:
            own = await self._own(person, choices)
        if records is yes:
            queue = await self._queue(person, choices, is_reviewer=reviewer is yes, overrides=admin is yes)
        if manager is yes:
            figures = await self._figures()
        is_unsure = Permission.UNKNOWN in (requester, reviewer, manager, records)
        view = home.home(own=own, queue=queue, figures=figures, ask=self.access.an_admin(), unsure=is_unsure)
        sees = {name for name, permission in (("queue", records), ("today", manager)) if permission is yes}
        listed = [row.check for row in queue.rows] if queue is not None and reviewer is yes else []
        return BuiltTab(view, sees, listed, is_unsure)

    async def _queue(self, person: str, choices: HomeChoices, *, is_reviewer: bool, overrides: bool) -> ReviewQueue:
        """What they may decide; who decides nothing sees all of it, and nothing sealed is opened for them."""
        now, due = self.now(), self.settings.review_due

        def read(tx: Transaction) -> tuple[Queue, Queue, HomeChoices, list[_Found]]:
            found = Queue.of(reviews.open_now(tx), viewer=person, now=now, due=due)
            theirs = found.for_reviewer(overrides=overrides) if is_reviewer else found
            page, kept = _page(theirs, choices)
            return found, theirs, kept, [_read(tx, one, is_whole=is_reviewer) for one in page]

        found, theirs, kept, page = await self.database.read(read)
        links = await self.links.of([one.check.ref for one in page], reader=person)
        rows = [
            replace(self._row(one, links, shows_card=is_reviewer), is_overdue=theirs.is_overdue(one.waits))
            for one in page
            if one.waits is not None
        ]
        return ReviewQueue(
            rows=rows,
            choices=kept,
            matching=theirs.count(kept.queue, kept.country),
            total=len(theirs.found),
            counts={which: theirs.count(which, kept.country) for which in QueueFilter},
            countries=[(self.id_types.country_name(code), code) for code in theirs.countries()],
            due=due,
            own=len(found.found) - len(theirs.found),
            is_reviewer=is_reviewer,
        )

    async def _own(self, person: str, choices: HomeChoices) -> OwnChecks:
        turn = PageCursor.load(choices.own) if choices.own else None
        if turn is None or turn.shown not in home.OWN:
            turn = PageCursor(shown=OWN)
        wanted = SearchFilter(requester=person, states=STATES.get(turn.shown), undecided=turn.shown == IN_REVIEW)

        def read(tx: Transaction) -> tuple[CheckPage, list[_Found]]:
            page = search.page(tx, wanted, size=home.PAGE, cursor=turn.cursor)
            if not page.checks and turn.cursor is not None:
                # The checks of that page are no longer in this list: its beginning, rather than nothing.
                page = search.page(tx, wanted, size=home.PAGE)
            found = reviews.of_checks(tx, [check.ref for check in page.checks])
            return page, [_Found(check=check, review=found.get(check.ref)) for check in page.checks]

        page, found = await self.database.read(read)
        links = await self.links.of([one.check.ref for one in found])
        return OwnChecks(
            rows=[self._row(one, links, shows_card=False) for one in found],
            shown=turn.shown,
            has_older=page.has_older,
            has_newer=page.has_newer,
        )

    def _row(self, one: _Found, links: Mapping[str, CheckLinks], *, shows_card: bool) -> HomeCheck:
        check, known = one.check, links.get(one.check.ref, CheckLinks())
        return HomeCheck(
            check=check,
            entry=self.id_types.find(check.country, check.id_type),
            review=one.review,
            links=known if shows_card else CheckLinks(thread=known.thread),
            waited=_coarse(self.now() - one.waits.opened_at) if one.waits is not None else timedelta(0),
        )

    async def _figures(self) -> HomeFigures:
        today = self.today()
        return HomeFigures(
            today=await self.reports.read(SummaryRequest(period=day_of(today))),
            yesterday=await self.reports.read(SummaryRequest(period=day_of(today - timedelta(days=1)))),
        )


def _page(queue: Queue, choices: HomeChoices) -> tuple[list[OpenReview], HomeChoices]:
    """The reviews of the chosen page; of the last one, where what was decided meanwhile has left fewer."""
    if choices.country not in ("", *queue.countries()) and not queue.matching(choices.queue, choices.country):
        # The last review of that country is done: a filter that the menu no longer offers could not be taken off.
        choices = choices.with_country("")
    matching = queue.matching(choices.queue, choices.country)
    choices = choices.with_page(min(choices.page, max(0, len(matching) - 1) // home.PAGE))
    first = choices.page * home.PAGE
    return matching[first : first + home.PAGE], choices


def _read(tx: Transaction, one: OpenReview, *, is_whole: bool) -> _Found:
    check = checks.find(tx, one.ref, sealed=is_whole)
    assert check is not None
    return _Found(check=check, review=reviews.find(tx, one.ref, sealed=is_whole), waits=one)


def _coarse(waited: timedelta) -> timedelta:
    """By five minutes, then by hours: otherwise every tab would read differently each time."""
    step = timedelta(minutes=5) if waited < timedelta(hours=3) else timedelta(hours=1)
    return waited - waited % step
