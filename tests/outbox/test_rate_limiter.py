"""Slack's rate limits, kept per destination."""

from datetime import UTC, datetime, timedelta

from bot.outbox.rate_limiter import RateLimiter

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Steady:
    def __init__(self) -> None:
        self.now = NOON
        self.wakes: list[timedelta] = []

    def __call__(self) -> datetime:
        return self.now


def limiter_of(steady: Steady) -> RateLimiter:
    return RateLimiter(usual=SECOND / 2, steady=steady, wake_in=steady.wakes.append)


def test_a_destination_waits_half_a_second_at_two_messages_a_second() -> None:
    steady = Steady()
    limiter = limiter_of(steady)
    limiter.pause("C1")
    assert limiter.paused() == {"C1"}
    steady.now += SECOND / 2
    assert limiter.paused() == frozenset()


def test_a_shorter_pause_never_ends_a_longer_one() -> None:
    """The pace of a message comes right after what Slack asked to wait; it must not let the next one through."""
    steady = Steady()
    limiter = limiter_of(steady)
    limiter.pause("C1", 30 * SECOND)
    limiter.pause("C1")
    steady.now += 29 * SECOND
    assert limiter.paused() == {"C1"}
    steady.now += SECOND
    assert limiter.paused() == frozenset()


def test_one_destination_does_not_hold_up_another() -> None:
    limiter = limiter_of(Steady())
    limiter.pause("C1", 30 * SECOND)
    assert "C2" not in limiter.paused()


def test_what_waited_for_a_post_is_woken_when_the_pause_ends_or_at_once_if_it_has() -> None:
    steady = Steady()
    limiter = limiter_of(steady)
    limiter.pause("C1")
    assert steady.wakes == []  # the conversation is taken until it is freed
    limiter.freed("C1")
    assert steady.wakes == [SECOND / 2]
    # Slack's answer took longer to store than the pause was.
    steady.now += SECOND / 2
    limiter.freed("C1")
    assert steady.wakes == [SECOND / 2, timedelta(0)]
