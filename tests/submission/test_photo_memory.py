"""Photos in memory at once are bounded by their bytes: in turn, without deadlock, and every share comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bot.domain.applicants import Limits
from bot.domain.check.request import LIVENESS_IMAGES, MAX_FILE_BYTES
from bot.submission.photo_memory import BYTES_AT_ONCE, PhotoMemory
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio


class Pass:
    """One that takes its share and keeps it until the test ends it."""

    def __init__(self, memory: PhotoMemory, size: int, *, of_file: bool) -> None:
        self.has_it = asyncio.Event()
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._run(memory, size, of_file))

    async def _run(self, memory: PhotoMemory, size: int, of_file: bool) -> None:
        async with asyncio.timeout(GIVE_UP_SECONDS) as limit, memory.share(of_file=of_file, limit=limit) as share:
            await share.take(size)
            self.has_it.set()
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self.task


@asynccontextmanager
async def passes(memory: PhotoMemory) -> AsyncIterator[Callable[..., Pass]]:
    """Begins passes; at the end all of the memory is free again."""
    begun: list[Pass] = []

    def begin(size: int, *, of_file: bool = False) -> Pass:
        begun.append(Pass(memory, size, of_file=of_file))
        return begun[-1]

    yield begin
    for one in begun:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in begun), return_exceptions=True)
    for half in (memory._forms, memory._files):
        assert (half._free, half.waiting) == (half.total, 0)


async def turns() -> None:
    """Time for whoever could go to go."""
    for _ in range(20):
        await asyncio.sleep(0)


async def who_goes(*all_: Pass) -> list[bool]:
    await turns()
    return [one.has_it.is_set() for one in all_]


async def test_many_small_ones_go_at_once_and_a_large_one_in_its_turn() -> None:
    async with passes(PhotoMemory(bytes_at_once=100)) as begin:
        small = [begin(10) for _ in range(9)]
        large, later = begin(60), begin(10)
        assert await who_goes(*small, large, later) == [True] * 9 + [False, False]
        for one in small[:5]:
            await one.end()
        assert await who_goes(large, later) == [True, False]
        await small[5].end()
        assert await who_goes(later) == [True]


async def test_what_is_larger_than_everything_goes_alone() -> None:
    async with passes(PhotoMemory(bytes_at_once=100)) as begin:
        first, giant, last = begin(1), begin(5000), begin(1)
        assert await who_goes(first, giant, last) == [True, False, False]
        await first.end()
        assert await who_goes(giant, last) == [True, False]
        await giant.end()
        assert await who_goes(last) == [True]


async def test_no_check_from_a_form_waits_behind_the_rows_of_a_file() -> None:
    async with passes(PhotoMemory(bytes_at_once=100)) as begin:
        rows = [begin(60, of_file=True) for _ in range(5)]
        form = begin(60)
        assert await who_goes(form, *rows) == [True, True, False, False, False, False]


async def test_who_is_cancelled_with_a_share_or_while_waiting_leaves_nothing_behind() -> None:
    async with passes(PhotoMemory(bytes_at_once=100)) as begin:
        holding, waiting, behind = begin(80), begin(90), begin(20)
        assert await who_goes(holding, waiting, behind) == [True, False, False]
        waiting.task.cancel()
        assert await who_goes(behind) == [True]
        holding.task.cancel()
        assert await who_goes(begin(80)) == [True]


async def test_a_pass_takes_its_share_once_and_no_time_passes_while_it_waits() -> None:
    memory = PhotoMemory(bytes_at_once=100)
    async with passes(memory) as begin:
        first = begin(100)
        await first.has_it.wait()
        async with asyncio.timeout(1000) as limit, memory.share(of_file=False, limit=limit) as share:
            taking = asyncio.create_task(share.take(50))
            await turns()
            assert limit.when() is None
            await first.end()
            await taking
            assert limit.when() is not None
            with pytest.raises(RuntimeError, match="once"):
                await share.take(1)


async def test_the_largest_check_that_is_allowed_has_room() -> None:
    most = (LIVENESS_IMAGES + 1) * max(MAX_FILE_BYTES, Limits().photo_bytes)
    assert most <= BYTES_AT_ONCE
