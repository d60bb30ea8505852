"""Home tabs: published when opened and after each change that concerns their person, within Slack's rate limit.

Rights are checked each time a tab is built, since roles change while tabs stay open.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from bot.access.permissions import Permission, Role
from bot.access.process import Process
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.reporting.periods import day_of
from bot.domain.reporting.summary_command import SummaryRequest
from bot.domain.review.review import Review
from bot.errors import SlackError, SlackRateLimited, SlackRefused
from bot.outbox.links import Links
from bot.reporting import report_reader
from bot.slack.blocks import home
from bot.slack.blocks.find import CheckRow
from bot.slack.blocks.home import MINE, QUEUE, HomeFigures, QueuedCheck, ReviewQueue
from bot.slack.client import SlackClient
from storage import checks, home_tabs, reviews
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
RETRY_UNSURE = timedelta(seconds=30)
_NOBODY = frozenset({"user_not_found", "not_allowed_token_type", "user_disabled", "invalid_user_id"})


class BuiltTab(NamedTuple):
    view: Mapping[str, object]
    sees: set[str]
    """The sections in it that show everybody's checks."""
    is_unsure: bool
    """Slack did not say in time which sections are this person's."""


@dataclass(slots=True, kw_only=True, eq=False)
class HomeTab(Process):
    """Builds and publishes Home tabs."""

    slack: SlackClient
    links: Links
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

    async def work(self, due: home_tabs.DueTab) -> None:
        """Publishes one tab if it reads differently; reschedules it on failure."""
        view, sees, is_unsure = await self._build(due.person)
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
        now = self.now()
        again_at = now + RETRY_UNSURE if is_unsure else None
        await self.database.write(
            home_tabs.shown, due.person, view_print=prints[0], sees=sees, again_at=again_at, now=now
        )

    async def _reschedule(self, due: home_tabs.DueTab, wait: timedelta, error: str) -> None:
        log.info("home.not_published", error=error)
        await self.database.write(home_tabs.reschedule, due.person, at=self.now() + wait)

    async def _build(self, person: str) -> BuiltTab:
        yes = Permission.YES
        requester, reviewer, manager, admin = await asyncio.gather(
            self.access.has(person, Role.REQUESTER),
            self.access.has(person, Role.REVIEWER, Role.ADMIN),
            self.access.has(person, Role.MANAGER, Role.ADMIN),
            self.access.has(person, Role.ADMIN),
        )
        mine, queue, today = None, None, None
        if requester is yes:
            mine = await self._rows(await self.database.read(checks.recent, requester=person, limit=MINE))
        if reviewer is yes:
            # Four eyes: checks that an admin requested themselves wait for them too.
            queue = await self._queue(person, overrides=admin is yes)
        if manager is yes:
            today = await self.database.read(self._today)
        is_unsure = Permission.UNKNOWN in (requester, reviewer, manager)
        view = home.home(mine=mine, queue=queue, today=today, ask=self.access.an_admin(), unsure=is_unsure)
        sees = {name for name, permission in (("queue", reviewer), ("today", manager)) if permission is yes}
        return BuiltTab(view, sees, is_unsure)

    async def _queue(self, person: str, *, overrides: bool) -> ReviewQueue:
        def read(tx: Transaction) -> tuple[list[tuple[Check, Review]], int]:
            found, total = reviews.queue(tx, person, overrides=overrides, limit=QUEUE)
            return [(checks.get(tx, review.ref), review) for review in found], total

        first, total = await self.database.read(read)
        rows = await self._rows([check for check, _review in first])
        now = self.now()
        queued = [
            QueuedCheck(row=row, review=review, waited=_coarse(now - review.opened_at))
            for row, (_check, review) in zip(rows, first, strict=True)
        ]
        return ReviewQueue(viewer=person, first=queued, more=total - len(queued))

    def _today(self, tx: Transaction) -> HomeFigures:
        now = self.now()
        day = now.astimezone(self.settings.zone).date()
        today, yesterday = (
            report_reader.read(tx, SummaryRequest(period=day_of(one)), settings=self.settings, as_of=now)
            for one in (day, day - timedelta(days=1))
        )
        return HomeFigures(today=today, yesterday=yesterday)

    async def _rows(self, found: Sequence[Check]) -> list[CheckRow]:
        links = await self.links.threads(found)
        return [
            CheckRow(check=check, entry=self.id_types.find(check.country, check.id_type), link=link)
            for check, link in zip(found, links, strict=True)
        ]


def _coarse(waited: timedelta) -> timedelta:
    """By five minutes, then by hours: otherwise every tab would read differently each time."""
    step = timedelta(minutes=5) if waited < timedelta(hours=3) else timedelta(hours=1)
    return waited - waited % step
