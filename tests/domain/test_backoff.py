"""When Smile ID is asked again, and how long a failed try waits: the schedules of the design."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.backoff import confirm_in, first_poll_in, next_poll_in, overdue_level, retry_in

FIVE_MINUTES = timedelta(minutes=5)


def poll_times(*, callbacks: bool, until: timedelta, poll_after: timedelta = FIVE_MINUTES) -> list[timedelta]:
    """When a job that never gets a result is asked about, counted from the zip."""
    at = first_poll_in(callbacks=callbacks, poll_after=poll_after)
    times = []
    while at < until:
        times.append(at)
        at += next_poll_in(at, len(times), callbacks=callbacks, poll_after=poll_after)
    return times


def gaps(times: list[timedelta]) -> list[timedelta]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_without_callbacks_polls_start_after_2_s_and_double_up_to_a_minute() -> None:
    times = poll_times(callbacks=False, until=timedelta(minutes=10))

    assert times[0] == timedelta(seconds=2)
    assert [gap.total_seconds() for gap in gaps(times)[:8]] == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("callbacks", [True, False])
def test_after_an_hour_polls_come_every_quarter_then_hourly_then_daily(callbacks: bool) -> None:
    times = poll_times(callbacks=callbacks, until=timedelta(days=20))
    hour, day, week = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
    for time, gap in zip(times, gaps(times), strict=False):
        if time < hour:
            assert gap <= (FIVE_MINUTES if callbacks else timedelta(minutes=1))
        elif time < day:
            assert gap == timedelta(minutes=15)
        elif time < week:
            assert gap == hour
        else:
            assert gap == day


def test_with_callbacks_one_early_poll_comes_before_those_of_the_setting() -> None:
    times = poll_times(callbacks=True, until=timedelta(hours=1))

    assert times[:3] == [timedelta(seconds=10), FIVE_MINUTES, 2 * FIVE_MINUTES]
    assert set(gaps(times[1:])) == {FIVE_MINUTES}


def test_a_setting_shorter_than_the_early_poll_comes_first() -> None:
    times = poll_times(callbacks=True, until=timedelta(seconds=14), poll_after=timedelta(seconds=4))

    assert [time.total_seconds() for time in times] == [4, 8, 12]


def test_a_long_setting_does_not_stretch_the_polls_of_the_first_hour() -> None:
    wait = next_poll_in(timedelta(minutes=40), 1, callbacks=True, poll_after=timedelta(minutes=40))

    assert wait == timedelta(minutes=15)


@given(
    elapsed=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
    polls=st.integers(0, 10**6),
    callbacks=st.booleans(),
    poll_after=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2)),
)
def test_a_poll_is_never_closer_than_a_second_nor_further_than_a_day(
    elapsed: timedelta,
    polls: int,
    callbacks: bool,
    poll_after: timedelta,
) -> None:
    wait = next_poll_in(elapsed, polls, callbacks=callbacks, poll_after=poll_after)

    assert timedelta(seconds=1) <= wait <= timedelta(days=1)


def test_a_claim_is_confirmed_at_once_then_after_2_5_15_and_60_s_then_with_the_polls() -> None:
    waits = [confirm_in(tries) for tries in range(7)]

    assert waits == [*(timedelta(seconds=n) for n in (0, 2, 5, 15, 60)), None, None]


@pytest.mark.parametrize(("tries", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (9, 256), (10, 300), (60, 300)])
def test_a_failed_try_waits_1_2_4_s_up_to_five_minutes(tries: int, seconds: int) -> None:
    assert retry_in(tries, jitter=0.5) == timedelta(seconds=seconds)


@given(tries=st.integers(0, 10**9), jitter=st.floats(0, 1, exclude_max=True), cap=st.integers(1, 86_400))
def test_jitter_moves_a_wait_by_no_more_than_a_quarter(tries: int, jitter: float, cap: int) -> None:
    middle = retry_in(tries, jitter=0.5, cap=timedelta(seconds=cap))
    wait = retry_in(tries, jitter=jitter, cap=timedelta(seconds=cap))

    assert middle <= timedelta(seconds=cap)
    assert 0.75 * middle <= wait <= 1.25 * middle


@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_waits_do_not_shrink_from_try_to_try_beyond_their_jitter(tries: int, first: float, second: float) -> None:
    assert retry_in(tries + 1, jitter=second) >= 0.6 * retry_in(tries, jitter=first)


@pytest.mark.parametrize(
    ("minutes", "level"), [(0, 0), (4, 0), (5, 1), (9, 1), (10, 2), (19, 2), (20, 3), (40, 4), (6000, 11)]
)
def test_a_long_wait_is_announced_at_its_start_and_at_each_doubling(minutes: int, level: int) -> None:
    assert overdue_level(timedelta(minutes=minutes), FIVE_MINUTES) == level


def test_a_setting_of_zero_does_not_announce_forever() -> None:
    assert overdue_level(timedelta(days=365), timedelta(0)) < 30
