"""Local days, weeks and months: when they begin, wherever the clocks jump, and which of them are to be told."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.reporting.periods import (
    Period,
    PeriodKind,
    at,
    day_of,
    due,
    month_of,
    name,
    period_of,
    starts,
    week_of,
)

ZONES = [
    *("Africa/Lagos", "Europe/London", "America/New_York", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe"),
    *("America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "America/St_Johns"),
]
DAYS = st.dates(date(2005, 1, 1), date(2030, 12, 31))


@given(zone=st.sampled_from(ZONES), day=DAYS)
@example(zone="Pacific/Apia", day=date(2011, 12, 30))
@example(zone="America/Sao_Paulo", day=date(2018, 11, 4))
@example(zone="America/St_Johns", day=date(2010, 11, 7))
def test_a_day_begins_at_the_first_moment_that_bears_its_date(zone: str, day: date) -> None:
    where = ZoneInfo(zone)
    begins = starts(day, where)
    assert begins.astimezone(where).date() >= day
    assert (begins - timedelta(seconds=1)).astimezone(where).date() < day
    assert begins <= starts(day + timedelta(days=1), where)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Africa/Lagos", date(2026, 3, 29), 24),
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, day: date, hours: int) -> None:
    begins, ends = day_of(day).span(ZoneInfo(zone))
    assert ends - begins == timedelta(hours=hours)


def test_a_skipped_hour_is_the_jump_and_a_repeated_one_is_the_first() -> None:
    london = ZoneInfo("Europe/London")
    assert at(date(2026, 3, 29), time(1, 30), london) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert at(date(2026, 10, 25), time(1, 30), london) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert at(date(2026, 10, 25), time(8), london) == datetime(2026, 10, 25, 8, tzinfo=UTC)


@given(day=DAYS, kind=st.sampled_from([PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH]))
def test_periods_of_a_kind_follow_each_other_without_gap(day: date, kind: PeriodKind) -> None:
    mine = period_of(kind, day)
    assert mine.first <= day <= mine.last
    assert mine.before().last == mine.first - timedelta(days=1)
    assert mine.before() == period_of(kind, mine.first - timedelta(days=1))
    assert mine.before(2) == mine.before().before()


def test_the_days_before_a_range_are_as_many() -> None:
    mine = Period(kind=PeriodKind.RANGE, first=date(2026, 11, 1), last=date(2026, 11, 15))
    assert (mine.before().first, mine.before().last) == (date(2026, 10, 17), date(2026, 10, 31))


@pytest.mark.parametrize(
    ("period", "said"),
    [
        (day_of(date(2026, 11, 2)), "Monday 2 November"),
        (day_of(date(2025, 11, 3)), "Monday 3 November 2025"),
        (week_of(date(2026, 11, 18)), "week of 16 to 22 November"),
        (week_of(date(2026, 12, 1)), "week of 30 November to 6 December"),
        (week_of(date(2025, 12, 30)), "week of 29 December 2025 to 4 January 2026"),
        (month_of(date(2026, 2, 3)), "February 2026"),
        (Period(kind=PeriodKind.RANGE, first=date(2026, 11, 1), last=date(2026, 11, 15)), "1 to 15 November"),
    ],
)
def test_a_period_is_called_as_people_call_it(period: Period, said: str) -> None:
    assert name(period, date(2026, 11, 23)) == said


# Which are due


LAGOS = ZoneInfo("Africa/Lagos")
HOUR = time(8)


def told(
    kind: PeriodKind, since: datetime, now: datetime, after: date | None = None, zone: ZoneInfo = LAGOS
) -> list[date]:
    return [p.first for p in due(kind, zone=zone, hour=HOUR, now=now, since=since, after=after)]


def lagos(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=LAGOS)


def test_a_day_is_due_from_the_hour_of_the_next_day_on() -> None:
    since = lagos(20, 15)
    assert told(PeriodKind.DAY, since, lagos(21, 7, 59)) == []
    assert told(PeriodKind.DAY, since, lagos(21, 8)) == [date(2026, 11, 20)]
    assert told(PeriodKind.DAY, since, lagos(23, 9)) == [date(2026, 11, day) for day in (20, 21, 22)]
    assert told(PeriodKind.DAY, since, lagos(23, 9), after=date(2026, 11, 21)) == [date(2026, 11, 22)]


def test_no_day_before_the_first_start_is_due() -> None:
    assert told(PeriodKind.DAY, lagos(20, 0), lagos(20, 12)) == []
    assert told(PeriodKind.DAY, lagos(19, 23, 59), lagos(20, 12)) == [date(2026, 11, 19)]


def test_a_week_is_due_on_monday_and_a_month_on_the_first() -> None:
    since = datetime(2026, 10, 28, 12, tzinfo=LAGOS)
    assert told(PeriodKind.WEEK, since, lagos(2, 7)) == []
    assert told(PeriodKind.WEEK, since, lagos(2, 8)) == [date(2026, 10, 26)]
    assert told(PeriodKind.MONTH, since, lagos(1, 7)) == []
    assert told(PeriodKind.MONTH, since, lagos(30, 23)) == [date(2026, 10, 1)]


def test_a_day_without_a_moment_is_never_due() -> None:
    apia = ZoneInfo("Pacific/Apia")
    since, now = datetime(2011, 12, 29, 12, tzinfo=apia), datetime(2012, 1, 1, 12, tzinfo=apia)
    assert told(PeriodKind.DAY, since, now, zone=apia) == [date(2011, 12, 29), date(2011, 12, 31)]


@given(
    zone=st.sampled_from(ZONES),
    since=st.integers(0, 7000 * 24).map(lambda hours: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
    steps=st.lists(st.integers(1, 200), max_size=12),
    hour=st.times().map(lambda t: t.replace(microsecond=0)),
)
def test_frequent_or_rare_ticks_find_each_day_once_and_in_order(
    zone: str, since: datetime, steps: list[int], hour: time
) -> None:
    where, now, found, last = ZoneInfo(zone), since, list[date](), None
    for step in steps:
        now += timedelta(hours=step)
        for period in due(PeriodKind.DAY, zone=where, hour=hour, now=now, since=since, after=last):
            found.append(period.first)
            last = period.first
    at_once = [p.first for p in due(PeriodKind.DAY, zone=where, hour=hour, now=now, since=since)]
    assert found == at_once == sorted(set(at_once))
