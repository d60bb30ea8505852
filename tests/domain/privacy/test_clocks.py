"""The three clocks: how long, by country, and to which moment."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.privacy.clocks import Clock, Period, Periods, Retention
from bot.domain.privacy.purge import is_due

USUAL = Retention(
    photos=Periods.parse("30d"), personal=Periods.parse(" 60 D , ke = 90d "), record=Periods.parse("5y,KE=7y")
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "country", "ended", "over"),
    [
        (Clock.PHOTOS, "KE", "2026-11-28T12:00", "2026-12-28T12:00"),
        (Clock.PERSONAL, "NG", "2026-11-28T12:00", "2027-01-27T12:00"),
        (Clock.PERSONAL, "KE", "2026-11-28T12:00", "2027-02-26T12:00"),
        (Clock.RECORD, "NG", "2026-11-28T12:00", "2031-11-28T12:00"),
        (Clock.RECORD, "KE", "2024-02-29T12:00", "2031-02-28T12:00"),
        (Clock.RECORD, "NG", "2023-02-28T12:00", "2028-02-28T12:00"),
    ],
)
def test_a_time_is_over_to_the_moment(clock: Clock, country: str, ended: str, over: str) -> None:
    assert USUAL.over_at(clock, country, at(ended)) == at(over)


def test_a_record_outlives_what_hangs_on_it() -> None:
    kept = Retention(photos=Periods.parse("1d"), personal=Periods.parse("10y"), record=Periods.parse("5y"))
    assert kept.over_at(Clock.RECORD, "NG", at("2026-11-28")) == at("2036-11-28")


def test_a_period_is_written_as_it_is_read() -> None:
    for text in ("30d", "5y,KE=7y", "5y,KE=7y,GH=6y"):
        assert str(Periods.parse(text)) == text


@given(
    now=st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is the strategy's
    count=st.integers(1, 9),
    unit=st.sampled_from("dy"),
    off=st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=3)),
)
def test_looking_back_passes_over_nothing_that_is_over(now: datetime, count: int, unit: str, off: timedelta) -> None:
    period = Period.parse(f"{count}{unit}")
    ended = period.before(now) + off
    assert period.after(ended) > now or ended <= period.before(now)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (None, "2026-11-28T12:00", True),
        ("2026-11-27T22:59", "2026-11-27T23:01", True),
        # Of a clock that was set back since.
        ("2026-12-28T23:01", "2026-11-28T12:00", True),
        ("2026-11-27T23:01", "2026-11-28T22:59", False),
        ("2026-11-27T23:01", "2026-11-28T23:00", True),
    ],
)
def test_a_purge_is_due_once_a_night_of_the_site(last: str | None, now: str, due: bool) -> None:
    # Three hours before UTC: the night begins at 23:00.
    assert is_due(at(last) if last else None, now=at(now), zone=ZoneInfo("Africa/Nairobi")) is due
