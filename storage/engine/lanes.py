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
        self._turn = 0

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
        """The next `most`, in the order in which they are to run."""
        taken: list[WriteJob] = []
        while len(taken) < most and len(self):
            self._turn += 1
            is_theirs = self._behind and (not self._first or self._turn % TURN == 0)
            taken.append((self._behind if is_theirs else self._first).popleft())
        return taken

    def put_back(self, jobs: Sequence[WriteJob]) -> None:
        """The last of those that were taken, which have not run."""
        # The turn goes back with them: were it lost, a long function first in each group would keep the others out.
        self._turn -= len(jobs)
        for job in reversed(jobs):
            self._lane(job).appendleft(job)

    def _lane(self, job: WriteJob) -> deque[WriteJob]:
        return self._behind if job.is_behind else self._first
