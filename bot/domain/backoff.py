"""When to retry: pure arithmetic over elapsed time, so that a moved clock is all a test needs."""

from datetime import timedelta

CONFIRM_AFTER = tuple(timedelta(seconds=wait) for wait in (0, 2, 5, 15, 60))
"""A final result is confirmed at once, then after these waits; later with the polls."""

EARLY_ASK = timedelta(seconds=10)
"""After the zip, with callbacks: when Smile ID's SDKs have its record under their `return_job_status`. The machine's
result stands there by then, where no callback of it has come; what people at Smile ID still look at is not final.
"""
POLL_FOR = timedelta(days=7)
"""Then a reviewer is asked to check Smile ID's portal, and we poll daily."""
CLAIM_KEEPS = POLL_FOR
"""So long a result that Smile ID's record does not show keeps its check from being erased. Asking goes on."""

LATE_FOR = timedelta(days=14)
"""So long after the end of a check what Smile ID still says is heard. News of a job come within days, and what comes
later stands in Smile ID's portal."""
ASK_LAST_FOR = timedelta(days=1)
"""So much longer the last asking of those days is made until it is answered: one fault must not use it up."""
ASK_LAST_EVERY = timedelta(hours=1)
ASKED_FOR = LATE_FOR + ASK_LAST_FOR
"""By so long after its end nothing is asked any more about a check that was ended without an answer."""

_QUARTER = timedelta(minutes=15)


def confirm_in(tries: int) -> timedelta | None:
    """The wait before the next confirmation, after `tries` of them; None when only the polls remain."""
    return CONFIRM_AFTER[tries] if tries < len(CONFIRM_AFTER) else None


def first_poll_in(*, callbacks: bool, poll_after: timedelta) -> timedelta:
    """How long after the zip was sent job_status is asked first."""
    return min(EARLY_ASK, poll_after) if callbacks else timedelta(seconds=2)


def next_poll_in(elapsed: timedelta, polls: int, *, callbacks: bool, poll_after: timedelta) -> timedelta:
    """The wait after the `polls`-th poll, `elapsed` after the zip was sent.

    Without callbacks 2, 4, 8 … 60 s for an hour; with them, after the early one, at `poll_after` and then as often (at
    most 15 min) for the same hour. Then every 15 min for a day, hourly for a week, then daily.
    """
    if callbacks and elapsed < poll_after:
        return max(timedelta(seconds=1), min(poll_after - elapsed, timedelta(days=1)))
    if elapsed < timedelta(hours=1):
        if callbacks:
            return max(timedelta(seconds=1), min(poll_after, _QUARTER))
        return timedelta(seconds=min(60, 2 ** min(polls, 6)))
    if elapsed < timedelta(days=1):
        return _QUARTER
    return timedelta(hours=1) if elapsed < POLL_FOR else timedelta(days=1)


def retry_in(tries: int, *, jitter: float, cap: timedelta = timedelta(minutes=5)) -> timedelta:
    """The wait before try number `tries` + 1: 1, 2, 4 … s up to `cap`, spread by `jitter` in [0, 1).

    The spread is a quarter to either side, so that many checks that failed together are not retried together.
    """
    base = min(2.0 ** min(max(tries, 1) - 1, 30), cap.total_seconds())
    return timedelta(seconds=base * (0.75 + jitter / 2))


def overdue_level(elapsed: timedelta, poll_after: timedelta) -> int:
    """0 until `poll_after`, then one more at each doubling: how many overdue notices are due."""
    level = 0
    mark = max(poll_after, timedelta(seconds=1))
    while elapsed >= mark:
        level += 1
        mark *= 2
    return level
