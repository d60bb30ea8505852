"""Who waits for the writer, and whose turn it is.

What somebody waits for, a listener before its ack or a callback before its answer, goes before what the bot does of
its own accord. Neither lane keeps the other waiting for ever, and neither grows without end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from bot.errors import DatabaseBusy

if TYPE_CHECKING:
    from storage.engine.group import WriteJob

WAITING_LIMIT = 2_000
"""Most functions that wait in one lane: more than a second's work, and Slack waits for three."""
TURN = 8
"""Of so many functions one is of the lane behind, however many somebody waits for."""

_is_behind: ContextVar[bool] = ContextVar("is_behind", default=False)


@contextmanager
def behind() -> Iterator[None]:
    """Around what nobody waits for. It holds for tasks that are created within, too.

    Whatever does not say so is waited for: a door that is forgotten is too quick, never too slow.
    """
    before = _is_behind.set(True)
    try:
        yield
    finally:
        _is_behind.reset(before)


def is_behind() -> bool:
    """Whether what runs now said that nobody waits for it."""
    return _is_behind.get()


class Lanes:
    """Functions that wait for the writer, in their turn. Belongs to the event loop."""

    def __init__(self) -> None:
        self._first: deque[WriteJob] = deque()
        self._behind: deque[WriteJob] = deque()
        self._passed = 0
        """Functions that somebody waited for and that have run since one of the lane behind did."""

    def __len__(self) -> int:
        return len(self._first) + len(self._behind)

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits for one of them."""
        return bool(self._first)

    def add(self, job: WriteJob) -> None:
        """Have it wait. Raises DatabaseBusy if too many do already: then it is not kept."""
        lane = self._lane(job)
        if len(lane) >= WAITING_LIMIT:
            raise DatabaseBusy(f"nothing was stored: {len(lane)} changes wait for the database already")
        lane.append(job)

    def take(self, most: int) -> list[WriteJob]:
        """The next `most`, in the order in which they are to run; `ran` is to follow."""
        if not self._behind:
            self._passed = 0
        taken: list[WriteJob] = []
        passed = self._passed
        while len(taken) < most and len(self):
            is_theirs = self._behind and (not self._first or passed >= TURN - 1)
            passed = 0 if is_theirs else passed + 1
            taken.append((self._behind if is_theirs else self._first).popleft())
        return taken

    def ran(self, jobs: Sequence[WriteJob], *, left: Sequence[WriteJob]) -> None:
        """What has run of those that were taken, in that order; those that are `left` go back to their places.

        Turns are counted by what ran: a call of many brings some forward, and were the turn lost of one that is left,
        whatever comes first in each group would keep the others out.
        """
        for job in jobs:
            self._passed = 0 if job.is_behind else self._passed + 1
        for job in reversed(left):
            self._lane(job).appendleft(job)

    def _lane(self, job: WriteJob) -> deque[WriteJob]:
        return self._behind if job.is_behind else self._first
