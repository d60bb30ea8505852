"""Pools on a queue in memory: what they claim, and when."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bot.errors import DatabaseUnusable
from bot.runtime.workers import WorkerPool
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio


class Numbers:
    """A queue of numbers, whose work the test ends."""

    def __init__(self, count: int) -> None:
        self.left = list(range(count))
        self.claims: list[int] = []
        """How many rows each claim gave."""
        self.claimed = asyncio.Event()
        self.most = count
        """Under way at once."""
        self.not_stored = set[int]()
        """Rows whose work the database keeps from its end, once."""
        self._ends: dict[int, asyncio.Event] = {}

    async def claim(self, limit: int) -> list[int]:
        room = min(limit, self.most - len(self._ends))
        taken, self.left = self.left[:room], self.left[room:]
        self._ends |= {number: asyncio.Event() for number in taken}
        self.claims.append(len(taken))
        self.claimed.set()
        return taken

    async def work(self, row: int) -> None:
        await self._ends[row].wait()
        del self._ends[row]
        if row in self.not_stored:
            self.not_stored.remove(row)
            raise DatabaseUnusable("invented")

    async def give_up(self, rows: Sequence[int]) -> None:
        self.left += rows

    async def end(self, count: int) -> None:
        """Let so many come to their end, and whatever follows from it happen."""
        for number in list(self._ends)[:count]:
            self._ends[number].set()
        await at_rest()


async def at_rest() -> None:
    for _turn in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def working(
    numbers: Numbers, *, size: int, holds_back: bool = False, again_in_seconds: float = 60.0
) -> AsyncIterator[WorkerPool[int]]:
    pool = WorkerPool("numbers", numbers, size=size, holds_back=holds_back, again_in_seconds=again_in_seconds)
    pool.start()
    await at_rest()
    try:
        yield pool
    finally:
        await numbers.end(len(numbers.left) + size)
        await pool.stop(timedelta(0))


async def test_the_end_of_work_claims_nothing_when_the_last_claim_took_all_there_was() -> None:
    numbers = Numbers(3)
    async with working(numbers, size=8) as pool:
        await numbers.end(2)
        assert numbers.claims == [3]

        numbers.left = [7]
        pool.wake()
        await at_rest()
        assert numbers.claims == [3, 1]


async def test_a_full_pool_claims_again_whenever_work_ends_until_a_claim_is_not_full() -> None:
    numbers = Numbers(6)
    async with working(numbers, size=4):
        assert numbers.claims == [4]
        await numbers.end(1)
        await numbers.end(3)
        # The second claim was full too, the third was not.
        assert numbers.claims == [4, 1, 1]
        await numbers.end(2)
        assert (numbers.left, numbers.claims) == ([], [4, 1, 1])


async def test_a_queue_that_holds_rows_back_is_asked_after_each_end_of_work() -> None:
    numbers = Numbers(5)
    numbers.most = 2
    async with working(numbers, size=8, holds_back=True):
        assert numbers.claims == [2]
        for left in (2, 1, 0):
            await numbers.end(1)
            assert len(numbers.left) == left


async def test_a_burst_wakes_a_pool_that_waits_for_a_lull_once() -> None:
    numbers = Numbers(0)
    async with working(numbers, size=2) as pool:
        numbers.claimed.clear()
        for _ in range(5):
            pool.wake_in_a_lull()
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await numbers.claimed.wait()
        await at_rest()
        assert len(numbers.claims) == 2


async def test_of_a_large_pool_some_work_ends_before_it_claims_again_or_all_of_it() -> None:
    numbers = Numbers(36)
    async with working(numbers, size=32):
        await numbers.end(1)
        assert numbers.claims == [32]
        await numbers.end(1)
        assert numbers.claims == [32, 2]

    few = Numbers(2)
    few.most = 1
    async with working(few, size=32, holds_back=True):
        await few.end(1)
        assert few.left == []


async def test_work_that_could_not_be_stored_is_claimed_again_long_before_its_lease_ends() -> None:
    numbers = Numbers(2)
    numbers.not_stored = {0}
    async with working(numbers, size=8, again_in_seconds=0.0) as pool:
        await numbers.end(2)
        assert (numbers.claims, numbers.left) == ([2], [])
        pool.wake()
        await at_rest()
        assert numbers.claims == [2, 1]


async def test_such_work_is_not_begun_again_at_once() -> None:
    numbers = Numbers(1)
    numbers.not_stored = {0}
    async with working(numbers, size=8) as pool:
        await numbers.end(1)
        pool.wake()
        await at_rest()
        assert (numbers.claims, numbers.left) == ([1, 0], [])
