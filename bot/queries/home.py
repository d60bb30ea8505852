"""Home tabs: shown when they are opened, and anew after each change that concerns somebody, at Slack's pace.

What a person may see is looked up each time a tab is built, since roles change while tabs stand.
"""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from bot.access.permissions import Access, Permission, Role
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDTypes
from bot.domain.reporting.periods import Period, PeriodKind
from bot.domain.review.review import Review
from bot.errors import SlackError, SlackRateLimited, SlackRefused
from bot.reporting import report_reader
from bot.settings import Settings
from bot.slack.blocks import home
from bot.slack.blocks.find import CheckRow
from bot.slack.blocks.home import MINE, QUEUE, HomeFigures, QueuedCheck, ReviewQueue
from bot.slack.client import SlackClient
from storage import checks, home_tabs, reviews
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
UNSURE_AGAIN = timedelta(seconds=30)
LINK_SECONDS = 2.0
LINKS_KEPT = 5_000
_NOBODY = frozenset({"user_not_found", "not_allowed_token_type", "user_disabled", "invalid_user_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeRights:
    """Which sections are a person's; `unsure` where Slack has not answered."""

    mine: bool
    queue: bool
    overrides: bool
    """Four eyes, as an admin: what they asked for themselves waits for them too."""
    today: bool
    unsure: bool

    @property
    def everybodys(self) -> set[str]:
        """The sections that show everybody's checks."""
        return {name for name, seen in (("queue", self.queue), ("today", self.today)) if seen}


class HomeTab:
    """Builds and publishes them."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        access: Access,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
        steady: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._database = database
        self._slack = slack
        self._access = access
        self._id_types = id_types
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._now = now
        self._steady = steady
        self._rng = rng
        self._links: dict[str, str] = {}
        self._paused_until: datetime | None = None
        """In time that is never set. Slack counts the publishings of the app, not of a person: all wait for one."""

    async def opened(self, person: str) -> None:
        """Somebody looks at theirs."""
        await self._database.write(home_tabs.opened, person, now=self._now())

    async def tick(self) -> None:
        """Have every tab that is kept fresh built again; what reads the same is not published."""
        await self._database.write(home_tabs.mark_all_due, now=self._now())

    async def claim(self, limit: int) -> Sequence[home_tabs.DueTab]:
        if self._paused_until is not None and self._steady() < self._paused_until:
            return []
        now = self._now()
        return await self._database.write(home_tabs.claim_due, now=now, until=now + LEASE, limit=limit)

    async def work(self, due: home_tabs.DueTab) -> None:
        """Show one tab anew, if it reads differently; a failure tries again."""
        rights = await self._rights(due.person)
        view = await self._view(due.person, rights)
        prints = await self._database.read(home_tabs.prints_of, json.dumps(view, sort_keys=True))
        try:
            if due.view_print not in prints:
                await self._slack.publish_view(user=due.person, view=view)
        except SlackRateLimited as limited:
            wait = timedelta(seconds=limited.retry_after)
            self._paused_until = self._steady() + wait
            await self._again(due, wait, "rate limited")
            return
        except SlackRefused as no:
            if no.code in _NOBODY:
                await self._database.write(home_tabs.forget, due.person)
                return
            await self._again(due, timedelta(minutes=5), no.code)
            return
        except SlackError as fault:
            await self._again(due, retry_in(1, jitter=self._rng.random()), str(fault))
            return

        def commit(tx: Transaction, now: datetime) -> None:
            home_tabs.shown(tx, due.person, view_print=prints[0], sees=rights.everybodys, now=now)
            if rights.unsure:
                home_tabs.reschedule_earlier(tx, due.person, at=now + UNSURE_AGAIN)

        await self._database.write(commit, self._now())

    async def _again(self, due: home_tabs.DueTab, wait: timedelta, error: str) -> None:
        log.info("home.not_shown", error=error)
        await self._database.write(home_tabs.reschedule, due.person, at=self._now() + wait)

    async def _rights(self, person: str) -> HomeRights:
        requester, reviewer, manager, admin = await asyncio.gather(
            self._access.has(person, Role.REQUESTER),
            self._access.has(person, Role.REVIEWER, Role.ADMIN),
            self._access.has(person, Role.MANAGER, Role.ADMIN),
            self._access.has(person, Role.ADMIN),
        )
        return HomeRights(
            mine=requester is Permission.YES,
            queue=reviewer is Permission.YES,
            overrides=admin is Permission.YES,
            today=manager is Permission.YES,
            unsure=Permission.UNKNOWN in (requester, reviewer, manager),
        )

    async def _view(self, person: str, rights: HomeRights) -> dict[str, object]:
        mine, queue, today = None, None, None
        if rights.mine:
            mine = await self._rows(await self._database.read(checks.recent, requester=person, limit=MINE))
        if rights.queue:
            queue = await self._queue(person, overrides=rights.overrides)
        if rights.today:
            today = await self._database.read(self._today)
        operators = self._access.people(Role.ADMIN)
        ask = operators[0] if operators else None
        return home.home(mine=mine, queue=queue, today=today, ask=ask, unsure=rights.unsure)

    async def _queue(self, person: str, *, overrides: bool) -> ReviewQueue:
        def read(tx: Transaction) -> tuple[list[tuple[Check, Review]], int]:
            found, total = reviews.queue(tx, person, overrides=overrides, limit=QUEUE)
            return [(checks.get(tx, review.ref), review) for review in found], total

        first, total = await self._database.read(read)
        rows = await self._rows([check for check, _review in first])
        now = self._now()
        queued = [
            QueuedCheck(row=row, review=review, waited=_coarse(now - review.opened_at))
            for row, (_check, review) in zip(rows, first, strict=True)
        ]
        return ReviewQueue(viewer=person, first=queued, more=total - len(queued))

    def _today(self, tx: Transaction) -> HomeFigures:
        now = self._now()
        day = now.astimezone(self._zone).date()
        today, yesterday = (
            report_reader.read(tx, Period(kind=PeriodKind.DAY, first=one, last=one), settings=self._settings, as_of=now)
            for one in (day, day - timedelta(days=1))
        )
        return HomeFigures(today=today, yesterday=yesterday)

    async def _rows(self, found: Sequence[Check]) -> list[CheckRow]:
        links = await asyncio.gather(*(self._link(check) for check in found))
        return [
            CheckRow(check=check, entry=self._id_types.find(check.country, check.id_type), link=link)
            for check, link in zip(found, links, strict=True)
        ]

    async def _link(self, check: Check) -> str | None:
        """Kept, since a tab is built often and a message never moves."""
        if check.ref not in self._links:
            link = await self._slack.link(channel=check.channel, ts=check.message_ts, seconds=LINK_SECONDS)
            if link is None:
                return None
            if len(self._links) >= LINKS_KEPT:
                del self._links[next(iter(self._links))]
            self._links[check.ref] = link
        return self._links[check.ref]


def _coarse(waited: timedelta) -> timedelta:
    """By five minutes, then by hours: or else every tab would read differently at every look."""
    step = timedelta(minutes=5) if waited < timedelta(hours=3) else timedelta(hours=1)
    return waited - waited % step
