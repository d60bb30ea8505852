"""The managers' summary: scheduled once per channel and period, on request, and shared by a button.

Decides which summaries are due and who may see them; `summary_posts` builds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.outbox import CheckLinks, Post, PostKind
from bot.domain.reporting.figures import Report
from bot.domain.reporting.periods import SCHEDULED_KINDS, Period, PeriodKind, at, due
from bot.domain.reporting.summary_command import SummaryRequest, parse
from bot.errors import Refusal, Refused
from bot.outbox.builders import Follower
from bot.outbox.links import Links
from bot.reporting.report_reader import ReportReader, from_payload, to_payload
from storage import audit, meta, outbox, slack_requests, summaries
from storage.engine.database import Transaction, from_text

READY_AFTER = timedelta(seconds=5)
"""How long Slack usually works on an upload before it can be shown in a message."""
CAUGHT_UP = {PeriodKind.DAY: 3, PeriodKind.WEEK: 1, PeriodKind.MONTH: 1}
"""This many are posted one by one after a long stop; those before in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryAnswer:
    """The figures that a manager asked for."""

    report: Report
    links: Mapping[str, CheckLinks]
    """Of the checks that it names, where Slack answered in time."""
    today: date
    button: Mapping[str, str]
    """The value of the button that shares them: the request, and a number that makes it happen once."""


@dataclass(slots=True, kw_only=True, eq=False)
class Summaries(Process):
    links: Links
    reports: ReportReader
    with_charts: bool
    """Whether a picture can be drawn; otherwise none is promised and none is enqueued."""

    async def tick(self) -> None:
        """Post all summaries that are due; a repeat, also after a restart, changes nothing."""
        now, channel = self.now(), self.settings.summary_channel
        if not await self.database.read(_has_begun, channel):
            await self.database.write(summaries.begin, channel, now=now)
        if channel is None:
            return
        if await self.database.read(summaries.is_far_ahead, channel, today=self.today()):
            await self.database.write(summaries.untell_ahead, channel, today=self.today())
        if await self.database.read(self._due, channel, now):
            await self.database.write(self.post_due, channel, now)

    def _due(self, tx: Transaction, channel: str, now: datetime) -> list[Period]:
        since = summaries.since(tx, channel)
        if since is None:
            return []
        return [
            period
            for kind in SCHEDULED_KINDS
            for period in due(
                kind,
                zone=self.settings.zone,
                hour=self.settings.summary_time,
                now=now,
                since=since,
                after=summaries.last_told(tx, channel, kind),
            )
        ]

    def post_due(self, tx: Transaction, channel: str, now: datetime) -> None:
        # Read once more in this transaction: a second schedule may have posted them since.
        found = self._due(tx, channel, now)
        for kind in SCHEDULED_KINDS:
            mine = [period for period in found if period.kind is kind]
            old, new = mine[: -CAUGHT_UP[kind]], mine[-CAUGHT_UP[kind] :]
            passed = [p for p in old if summaries.take(tx, channel, p, how="in_one_line", now=now)]
            if passed:
                _enqueue_older(tx, channel, passed, now)
            for period in new:
                if summaries.take(tx, channel, period, how="told", now=now):
                    key = f"{channel}:{kind.value}:{period.first.isoformat()}"
                    if outbox.find(tx, f"{PostKind.SUMMARY.value}:{key}") is not None:
                        # Posted before its time, when the clock was ahead.
                        key = f"{key}@{now:%Y%m%dT%H%M%S}"
                    doubt = self._in_doubt_since(tx, period)
                    self._enqueue(tx, channel, SummaryRequest(period=period), key=key, in_doubt_since=doubt, now=now)

    def _in_doubt_since(self, tx: Transaction, period: Period) -> datetime | None:
        """The old bot may have posted what fell due before its backup was restored here."""
        restored_at = meta.kept(tx, "restored_at")
        due_at = at(period.last + timedelta(days=1), self.settings.summary_time, self.settings.zone)
        return due_at if restored_at is not None and due_at <= from_text(restored_at) else None

    async def answer(self, user: str, typed: str) -> SummaryAnswer:
        """The figures for a manager's request. Raises Refused."""
        await self._require_manager(user)
        asked = parse(typed, today=self.today(), entries=self.id_types.known())
        once = f"{self.rng.getrandbits(64):016x}"
        self.looked(user, "summary.shown", detail=" ".join(to_payload(asked).values()))
        return await self._answer(asked, {**to_payload(asked), "once": once})

    async def share(self, user: str, channel: str, payload: Mapping[str, str]) -> None:
        """Post the figures that a button names where it was pressed, once. Raises Refused."""
        await self._require_manager(user)
        where = await self.access.channel(channel, user)
        if where is None:
            raise Refused(Refusal.NOT_SURE)
        if where.shared:
            raise Refused(Refusal.SUMMARY_SHARED_CHANNEL)
        if not where.can_post:
            raise Refused(Refusal.SUMMARY_NOT_HERE)
        asked, once = from_payload(payload), str(payload["once"])
        if not await self.database.write(self._share, channel, asked, once=once, by=user, now=self.now()):
            raise Refused(Refusal.SUMMARY_ONCE)

    async def answer_again(self, payload: Mapping[str, str]) -> SummaryAnswer:
        """The current figures of an answer that was shared, for the person who shared it."""
        return await self._answer(from_payload(payload), payload)

    async def _answer(self, asked: SummaryRequest, button: Mapping[str, str]) -> SummaryAnswer:
        report = await self.reports.read(asked)
        links = await self.links.of(waiting.ref for waiting in report.backlog.named)
        return SummaryAnswer(report=report, links=links, today=self.today(), button=button)

    def _share(
        self, tx: Transaction, channel: str, asked: SummaryRequest, *, once: str, by: str, now: datetime
    ) -> bool:
        if not slack_requests.take(tx, f"share:{once}", now=now):
            return False
        self._enqueue(tx, channel, asked, key=f"{channel}:{once}", by=by, now=now)
        detail = " ".join((*to_payload(asked).values(), channel))
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
        """The message, and for its thread the table and, where it can be drawn, the picture."""
        payload = to_payload(asked) | ({"by": by} if by else {})
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

    async def _require_manager(self, user: str) -> None:
        permission = await self.access.may(user, Right.FIGURES)
        permission.require(Refused(Refusal.SUMMARY_NOT_A_MANAGER, admin=self.access.an_admin()))


def followers() -> Mapping[PostKind, Follower]:
    return {PostKind.SUMMARY_CHART: _show_picture}


def _show_picture(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    """Once the picture is in the thread, it is put into the message. Until then the message goes without."""
    file_id = post.payload.get("file")
    if not delivered or file_id is None:
        return
    outbox.enqueue(
        tx,
        PostKind.SUMMARY_PICTURE,
        key=post.id.partition(":")[2],
        destination=post.destination,
        payload={"file": file_id},
        parent_id=post.parent_id,
        due_at=now + READY_AFTER,
        now=now,
    )


def _has_begun(tx: Transaction, channel: str | None) -> bool:
    known = summaries.began(tx) if channel is None else summaries.since(tx, channel)
    return known is not None


def _enqueue_older(tx: Transaction, channel: str, passed: list[Period], now: datetime) -> None:
    first, last = passed[0], passed[-1]
    period = Period(kind=PeriodKind.RANGE, first=first.first, last=last.last)
    outbox.enqueue(
        tx,
        PostKind.SUMMARY_OLDER,
        key=f"{channel}:{first.kind.value}:{first.first.isoformat()}",
        destination=channel,
        payload=to_payload(SummaryRequest(period=period)) | {"unit": first.kind.value, "count": str(len(passed))},
        now=now,
    )
