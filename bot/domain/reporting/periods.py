"""Days, weeks and months of a time zone: when they begin, what they are called, which summaries are due.

A period is named by its local dates; what instants it spans depends on the zone, and is asked when it is needed.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


Span = tuple[datetime, datetime]
"""From one instant up to, not including, another."""


class PeriodKind(StrEnum):
    DAY = "day"
    WEEK = "week"
    """Monday to Sunday (ISO 8601)."""
    MONTH = "month"
    RANGE = "range"
    """Days that somebody named; never summarised on schedule."""


SCHEDULED_KINDS = (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Local days, both ends included."""

    kind: PeriodKind
    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def span(self, zone: ZoneInfo) -> Span:
        """The instants at which it begins and has ended, in UTC."""
        return starts(self.first, zone), starts(self.last + DAY, zone)

    def each_day(self, zone: ZoneInfo) -> list[Span]:
        """Its days; a zone that moved over the date line has one without a single moment, which is left out."""
        begins = [starts(self.first + DAY * n, zone) for n in range(self.days + 1)]
        return [(begin, end) for begin, end in pairwise(begins) if begin < end]

    def before(self, steps: int = 1) -> "Period":
        """As many periods of this kind earlier; of a range, the days just before it."""
        if self.kind is PeriodKind.MONTH:
            months = self.first.year * 12 + self.first.month - 1 - steps
            return month_of(date(months // 12, months % 12 + 1, 1))
        step = timedelta(days=self.days * steps)
        return Period(kind=self.kind, first=self.first - step, last=self.last - step)


def day_of(day: date) -> Period:
    return Period(kind=PeriodKind.DAY, first=day, last=day)


def week_of(day: date) -> Period:
    monday = day - timedelta(days=day.weekday())
    return Period(kind=PeriodKind.WEEK, first=monday, last=monday + 6 * DAY)


def month_of(day: date) -> Period:
    length = calendar.monthrange(day.year, day.month)[1]
    return Period(kind=PeriodKind.MONTH, first=day.replace(day=1), last=day.replace(day=length))


def period_of(kind: PeriodKind, day: date) -> Period:
    """The day, week or month that a day lies in."""
    return {PeriodKind.DAY: day_of, PeriodKind.WEEK: week_of, PeriodKind.MONTH: month_of}[kind](day)


def period_of_days(first: date, last: date) -> Period:
    return Period(kind=PeriodKind.DAY if first == last else PeriodKind.RANGE, first=first, last=last)


def starts(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant at which a local day begins, and the day before it ends, however long it was; see `at`."""
    return at(day, time(0), zone)


def at(day: date, moment: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time of day: the first of two, or the instant of the jump over it."""
    local = datetime.combine(day, moment, tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    # In the gap both readings miss it (PEP 495), one on each side: the jump lies between them.
    before, after = sorted((instant, local.replace(fold=1).astimezone(UTC)))
    old = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old else (before, middle)
    return after.replace(microsecond=0)


def due(
    kind: PeriodKind, *, zone: ZoneInfo, hour: time, now: datetime, since: datetime, after: date | None = None
) -> Iterator[Period]:
    """Periods that ended after `since` and whose summary is due, oldest first: at the hour of the day after each.

    `after` is the first day of one that was summarised already: only later ones follow.
    """
    found = period_of(kind, since.astimezone(zone).date() - DAY)
    if after is not None and after >= found.first:
        found = _next(period_of(kind, after))
    while at(found.last + DAY, hour, zone) <= now:
        begins, ends = found.span(zone)
        # A zone that moved over the date line has a day without a single moment.
        if ends > since and ends > begins:
            yield found
        found = _next(found)


def _next(period: Period) -> Period:
    return period_of(period.kind, period.last + DAY)


def name(period: Period, today: date) -> str:
    """Monday 21 November; with the year where it is not this one."""
    first, last = period.first, period.last
    year = "" if first.year == last.year == today.year else f" {last.year}"
    if period.kind is PeriodKind.MONTH:
        return f"{first:%B %Y}"
    if first == last:
        return f"{first:%A} {first.day} {first:%B}{year}"
    if first.year != last.year:
        days = f"{first.day} {first:%B %Y} to {last.day} {last:%B}"
    elif first.month != last.month:
        days = f"{first.day} {first:%B} to {last.day} {last:%B}"
    else:
        days = f"{first.day} to {last.day} {last:%B}"
    return f"week of {days}{year}" if period.kind is PeriodKind.WEEK else f"{days}{year}"
