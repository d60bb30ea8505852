"""Reads a report of the managers' figures from the database, for Slack and for machines.

A summary's posts and buttons keep their request as a payload of ids and dates.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import structlog

from bot.access.process import Process
from bot.domain.reporting.day_sums import TypeSums, sums_of
from bot.domain.reporting.durations import LinkFigures
from bot.domain.reporting.figures import Report, days, reach, report
from bot.domain.reporting.periods import Period, PeriodKind, Span
from bot.domain.reporting.summary_command import SummaryRequest
from bot.errors import DatabaseFault
from bot.settings import ReportSettings
from storage import batches, capture_links, check_facts, day_sums, summaries
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

_DAYS_AT_ONCE = 31
"""Whose facts are read, and whose sums are kept, in one transaction each."""


@dataclass(slots=True, kw_only=True, eq=False)
class ReportReader(Process):
    """Reads reports, and keeps the sums of the days that they are made from."""

    few: int = check_facts.MOST_EXAMINED
    """Of so many checks, with those it is compared with, a report is made of the checks themselves."""
    _making: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _left: set[Span] = field(init=False, default_factory=set)
    """Days that hold a check without an outcome, or with an altered record: their facts are read each time."""

    async def read(self, asked: SummaryRequest) -> Report:
        """The figures of a period as they are known now."""
        try:
            await self._sum_up(asked.period)
        except DatabaseFault:
            # The writer may be busy, or the disk full; the same figures come from the facts themselves.
            log.warning("figures.sums_not_kept", exc_info=True)
        return await self.database.read_long(read, asked, settings=self.settings, as_of=self.now(), few=self.few)

    async def _sum_up(self, period: Period) -> None:
        """Sum up the days of a report that have ended and were not summed, or whose facts have changed since."""
        if not await self._lacking(period):
            return
        async with self._making:  # who waited finds them made
            lacking = await self._lacking(period)
            for first in range(0, len(lacking), _DAYS_AT_ONCE):
                chosen, making = lacking[first : first + _DAYS_AT_ONCE], f"{self.rng.getrandbits(64):016x}"
                await self.database.write(day_sums.begin, chosen, making=making)
                made = await self.database.read_long(_made, chosen)
                await self.database.write(day_sums.keep, made, making=making)
                self._left |= set(chosen) - made.keys()

    async def _lacking(self, period: Period) -> Sequence[Span]:
        found = await self.database.read_long(_lacking, period, settings=self.settings, as_of=self.now(), few=self.few)
        return [day for day in found if day not in self._left]


def read(
    tx: Transaction,
    asked: SummaryRequest,
    *,
    settings: ReportSettings,
    as_of: datetime,
    few: int = check_facts.MOST_EXAMINED,
) -> Report:
    """The figures of a period as they are known now, and those of the periods before it; reads only.

    Of many checks each day is summed once (`ReportReader`); what is not, is summed here.
    """
    began = summaries.began(tx)
    needed = days(asked.period, settings.zone, as_of=as_of, began=began)
    still_open, reviews = check_facts.still_open(tx), check_facts.in_review(tx)
    sums = _sums(tx, needed, are_few=check_facts.are_at_most(tx, few, *reach(asked.period, settings.zone)))
    return report(
        still_open,
        asked.period,
        zone=settings.zone,
        as_of=as_of,
        review_due=settings.review_due,
        began=began,
        sums=sums,
        reviews=reviews,
        # After all that is read: by then it is known what is left out.
        altered=check_facts.altered(tx, *asked.period.span(settings.zone)),
        links=LinkFigures.of(
            capture_links.of_period(tx, *asked.period.span(settings.zone), country=asked.country, id_type=asked.id_type)
        ),
        # A file may hold many countries and ID types: it belongs to the figures of all.
        files_since=batches.waiting_since(tx) if not (asked.country or asked.id_type) else (),
        country=asked.country,
        id_type=asked.id_type,
    )


def _sums(tx: Transaction, needed: Sequence[Span], *, are_few: bool) -> Mapping[Span, Sequence[TypeSums]]:
    """Of each of these days: as they are kept, or made of its facts.

    Of few checks the head of each record is examined: then nothing that is kept is read.
    """
    known = tx.altered_so_far()
    sums = {} if are_few else day_sums.kept(tx, needed)
    for run in _runs(needed, sums):
        sums |= sums_of(check_facts.settled(tx, run[0][0], run[-1][1]).facts, run)
    # A record that just proved altered may be in what is kept: once more without it.
    return sums if tx.altered_so_far() == known else _sums(tx, needed, are_few=are_few)


def _runs(needed: Sequence[Span], without: Mapping[Span, object]) -> Iterator[list[Span]]:
    """Days that follow each other, but for those `without`."""
    run: list[Span] = []
    for day in needed:
        if run and (day in without or run[-1][1] != day[0]):
            yield run
            run = []
        if day not in without:
            run.append(day)
    if run:
        yield run


def _lacking(tx: Transaction, period: Period, *, settings: ReportSettings, as_of: datetime, few: int) -> list[Span]:
    """Days that have ended and whose sums are not kept, where they are worth it."""
    needed = days(period, settings.zone, as_of=as_of, began=summaries.began(tx))
    if check_facts.are_at_most(tx, few, *reach(period, settings.zone)):
        return []
    kept = day_sums.which(tx, needed)
    return [day for day in needed if day[1] <= as_of and day not in kept]


def _made(tx: Transaction, chosen: Sequence[Span]) -> dict[Span, str]:
    """The sums of days, to be kept: not of a day with a check that is left out, or that has no outcome yet."""
    made: dict[Span, str] = {}
    for run in _runs(chosen, made):
        found = check_facts.settled(tx, run[0][0], run[-1][1])
        for day, sums in sums_of(found.facts, run).items():
            is_whole = not any(day[0] <= moment < day[1] for moment in found.left_out_at)
            if is_whole and all(one.is_final for one in sums):
                made[day] = day_sums.written(sums)
    return made


def to_payload(asked: SummaryRequest) -> dict[str, str]:
    period = asked.period
    payload = {"kind": period.kind.value, "first": period.first.isoformat(), "last": period.last.isoformat()}
    return payload | {name: value for name, value in (("country", asked.country), ("id_type", asked.id_type)) if value}


def from_payload(payload: Mapping[str, str]) -> SummaryRequest:
    first, last = date.fromisoformat(payload["first"]), date.fromisoformat(payload["last"])
    period = Period(kind=PeriodKind(payload["kind"]), first=first, last=last)
    return SummaryRequest(period=period, country=payload.get("country"), id_type=payload.get("id_type"))
