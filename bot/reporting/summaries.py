"""The managers' summary: by the clock once per channel and period, to a manager who asks, and shared by a button.

Only what is due is decided here, and who may see it; what it reads like is built where it is shown.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.access.permissions import Access, Role
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import PostKind
from bot.domain.reporting.figures import Report
from bot.domain.reporting.periods import SCHEDULED_KINDS, Period, PeriodKind, at, due
from bot.domain.reporting.summary_command import SummaryRequest, parse
from bot.errors import Refusal, Refused
from bot.reporting import report_reader
from bot.settings import Settings
from storage import audit, meta, outbox, slack_requests, summaries
from storage.engine.database import Database, Transaction, from_text

CAUGHT_UP = {PeriodKind.DAY: 3, PeriodKind.WEEK: 1, PeriodKind.MONTH: 1}
"""As many are told one by one after a long stop; those before in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The figures that a manager asked for."""

    report: Report
    today: date
    button: Mapping[str, str]
    """What the button that shares them holds: the period, and a number that makes it happen once."""


class Summaries:
    """Decides which summaries there are."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        id_types: IDTypes,
        settings: Settings,
        with_charts: bool,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._database = database
        self._access = access
        self._id_types = id_types
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self.with_charts = with_charts
        """Whether a picture can be drawn; otherwise none is promised and none is enqueued."""
        self._now = now
        self._rng = rng

    # By the clock

    async def tick(self) -> None:
        """Have everything told that is due by now; again, at once or after a restart, changes nothing."""
        now, channel = self._now(), self._settings.summary_channel
        if not await self._database.read(self._has_begun, channel):
            await self._database.write(summaries.begin, channel, now=now)
        if channel is None:
            return
        if await self._database.read(summaries.is_far_ahead, channel, today=self._today()):
            await self._database.write(summaries.untell_ahead, channel, today=self._today())
        found: list[Period] = await self._database.read(self._due, channel, now)
        if found:
            await self._database.write(self.tell_due, channel, now)

    @staticmethod
    def _has_begun(tx: Transaction, channel: str | None) -> bool:
        known = summaries.began(tx) if channel is None else summaries.since(tx, channel)
        return known is not None

    def _due(self, tx: Transaction, channel: str, now: datetime) -> list[Period]:
        since = summaries.since(tx, channel)
        if since is None:
            return []
        return [
            period
            for kind in SCHEDULED_KINDS
            for period in due(
                kind,
                zone=self._zone,
                hour=self._settings.summary_time,
                now=now,
                since=since,
                after=summaries.last_told(tx, channel, kind),
            )
        ]

    def tell_due(self, tx: Transaction, channel: str, now: datetime) -> None:
        """Which are due is looked at again: a second schedule may have been here since."""
        found = self._due(tx, channel, now)
        for kind in SCHEDULED_KINDS:
            mine = [period for period in found if period.kind is kind]
            old, new = mine[: -CAUGHT_UP[kind]], mine[-CAUGHT_UP[kind] :]
            passed = [p for p in old if summaries.take(tx, channel, p, how="in_one_line", now=now)]
            if passed:
                self._enqueue_older(tx, channel, passed, now)
            for period in new:
                if summaries.take(tx, channel, period, how="told", now=now):
                    key = f"{channel}:{kind.value}:{period.first.isoformat()}"
                    if outbox.find(tx, f"{PostKind.SUMMARY.value}:{key}") is not None:
                        # Told before its time, by a clock that was ahead.
                        key = f"{key}@{now:%Y%m%dT%H%M%S}"
                    doubt = self._in_doubt_since(tx, period)
                    self._enqueue(tx, channel, SummaryRequest(period=period), key=key, in_doubt_since=doubt, now=now)

    def _in_doubt_since(self, tx: Transaction, period: Period) -> datetime | None:
        """What fell due before a backup was put back may have been told by the bot that the backup was taken from."""
        restored_at = meta.kept(tx, "restored_at")
        told_at = at(period.last + timedelta(days=1), self._settings.summary_time, self._zone)
        return told_at if restored_at is not None and told_at <= from_text(restored_at) else None

    @staticmethod
    def _enqueue_older(tx: Transaction, channel: str, passed: list[Period], now: datetime) -> None:
        first, last = passed[0], passed[-1]
        outbox.enqueue(
            tx,
            PostKind.SUMMARY_OLDER,
            key=f"{channel}:{first.kind.value}:{first.first.isoformat()}",
            destination=channel,
            payload=_note(SummaryRequest(period=Period(kind=PeriodKind.RANGE, first=first.first, last=last.last)))
            | {"unit": first.kind.value, "count": str(len(passed))},
            now=now,
        )

    # To a manager

    async def answer(self, user: str, typed: str) -> Answer:
        """The figures that somebody asked for. Raises Refused."""
        await self._must_be_manager(user)
        asked = parse(typed, today=self._today(), entries=self._id_types.known())
        once = f"{self._rng.getrandbits(64):016x}"
        return await self._answer(asked, {**_note(asked), "once": once})

    async def share(self, user: str, channel: str, payload: Mapping[str, str]) -> None:
        """Post what a button names where it was pressed, once. Raises Refused."""
        await self._must_be_manager(user)
        where = await self._access.channel(channel, user)
        if where is None:
            raise Refused(Refusal.NOT_SURE)
        if where.shared:
            raise Refused(Refusal.SUMMARY_SHARED_CHANNEL)
        if not where.can_post:
            raise Refused(Refusal.SUMMARY_NOT_HERE)
        asked, once = _asked_in(payload), str(payload["once"])
        if not await self._database.write(self._share, channel, asked, once=once, by=user, now=self._now()):
            raise Refused(Refusal.SUMMARY_ONCE)

    async def answer_again(self, payload: Mapping[str, str]) -> Answer:
        """The figures of an answer that was shared, as they are now; for whoever shared it."""
        return await self._answer(_asked_in(payload), payload)

    async def _answer(self, asked: SummaryRequest, button: Mapping[str, str]) -> Answer:
        report = await self._database.read(
            report_reader.read,
            asked.period,
            settings=self._settings,
            as_of=self._now(),
            country=asked.country,
            id_type=asked.id_type,
        )
        return Answer(report=report, today=self._today(), button=button)

    def _share(
        self, tx: Transaction, channel: str, asked: SummaryRequest, *, once: str, by: str, now: datetime
    ) -> bool:
        if not slack_requests.take(tx, f"share:{once}", now=now):
            return False
        self._enqueue(tx, channel, asked, key=f"{channel}:{once}", by=by, now=now)
        detail = " ".join(filter(None, (*_dates(asked.period), asked.country, asked.id_type, channel)))
        audit.record(tx, at=now, actor=by, act="summary.shared", detail=detail)
        return True

    def _enqueue(
        self,
        tx: Transaction,
        channel: str,
        asked: SummaryRequest,
        *,
        key: str,
        now: datetime,
        by: str | None = None,
        in_doubt_since: datetime | None = None,
    ) -> None:
        """The message, and for its thread the file and, where it can be drawn, the picture."""
        payload = _note(asked) | ({"by": by} if by else {})
        opening: str | None = None
        chart = [PostKind.SUMMARY_CHART] if self.with_charts else []
        for kind in (PostKind.SUMMARY, *chart, PostKind.SUMMARY_CSV):
            post = outbox.enqueue(
                tx,
                kind,
                key=key,
                destination=channel,
                payload=payload,
                parent_id=opening,
                in_doubt_since=in_doubt_since,
                now=now,
            )
            opening = opening or post

    async def _must_be_manager(self, user: str) -> None:
        permission = await self._access.has(user, Role.ADMIN, Role.MANAGER)
        permission.require(Refused(Refusal.SUMMARY_NOT_A_MANAGER))

    def _today(self) -> date:
        return self._now().astimezone(self._zone).date()


def _note(asked: SummaryRequest) -> dict[str, str]:
    period = asked.period
    payload = {"kind": period.kind.value, "first": period.first.isoformat(), "last": period.last.isoformat()}
    return payload | {name: value for name, value in (("country", asked.country), ("id_type", asked.id_type)) if value}


def _asked_in(payload: Mapping[str, str]) -> SummaryRequest:
    first, last = date.fromisoformat(payload["first"]), date.fromisoformat(payload["last"])
    period = Period(kind=PeriodKind(payload["kind"]), first=first, last=last)
    return SummaryRequest(period=period, country=payload.get("country"), id_type=payload.get("id_type"))


def _dates(period: Period) -> Iterable[str]:
    return period.kind.value, period.first.isoformat(), period.last.isoformat()
