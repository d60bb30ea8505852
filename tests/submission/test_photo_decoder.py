"""Megapixels under way at once are bounded, nobody is overtaken for ever, and every share is given back."""

import asyncio
import io
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.domain.check import photos
from bot.errors import PhotoCode, PhotoUnusable
from bot.submission.photo_decoder import LARGE_AT_ONCE, SMALL_AT_ONCE, SMALL_PIXELS, PhotoDecoder
from bot.submission.weighted_semaphore import WeightedSemaphore
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio


def png(width: int, height: int) -> bytes:
    """Of one bit a pixel: as many as one likes, in a few kilobytes."""
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return out.getvalue()


SMALL = png(100, 100)
GIANT = png(10_000, 5000)
LARGE = png(5000, 5000)


class Kiln:
    """Stands in for the decoding itself: what is put in stays until the test takes it out."""

    def __init__(self) -> None:
        self.inside: list[bytes] = []
        self._doors: dict[bytes, threading.Event] = {}
        self.fault: Exception | None = None

    def __call__(self, data: bytes) -> photos.Photo:
        self.inside.append(data)
        assert self._door(data).wait(GIVE_UP_SECONDS)
        self.inside.remove(data)
        if self.fault is not None:
            raise self.fault
        return photos.prepare(SMALL)

    def open(self, data: bytes) -> None:
        self._door(data).set()

    def _door(self, data: bytes) -> threading.Event:
        return self._doors.setdefault(data, threading.Event())


@asynccontextmanager
async def decoding() -> AsyncIterator[tuple[PhotoDecoder, Kiln, Callable[[bytes], asyncio.Task[photos.Photo]]]]:
    """A decoder, its kiln, and what begins to decode one photo; all doors are opened at the end."""
    kiln = Kiln()
    decoder = PhotoDecoder(prepare=kiln)
    tasks: list[asyncio.Task[photos.Photo]] = []

    async def one(data: bytes) -> photos.Photo:
        async with asyncio.timeout(GIVE_UP_SECONDS) as limit:
            return await decoder.prepare(data, limit=limit)

    def begin(data: bytes) -> asyncio.Task[photos.Photo]:
        tasks.append(asyncio.create_task(one(data)))
        return tasks[-1]

    try:
        yield decoder, kiln, begin
    finally:
        for data in (SMALL, GIANT, LARGE):
            kiln.open(data)
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not kiln.inside)
        assert (decoder._small._free, decoder._large._free) == (SMALL_AT_ONCE, LARGE_AT_ONCE)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not condition():  # noqa: ASYNC110 - threads tell no event of this loop
            await asyncio.sleep(0.001)


# The decoder


async def test_giants_are_decoded_one_after_the_other_and_a_selfie_beside_them() -> None:
    async with decoding() as (decoder, kiln, begin):
        giants = [begin(GIANT) for _ in range(3)]
        await until(lambda: decoder._large.waiting == 2 and kiln.inside == [GIANT])
        selfie = begin(SMALL)
        kiln.open(SMALL)
        assert (await selfie).width == 100
        assert kiln.inside == [GIANT]
        kiln.open(GIANT)
        await asyncio.gather(*giants)


async def test_a_giant_is_not_overtaken_by_what_would_fit_before_it() -> None:
    async with decoding() as (decoder, kiln, begin):
        first = begin(LARGE)
        await until(lambda: kiln.inside == [LARGE])
        giant = begin(GIANT)
        await until(lambda: decoder._large.waiting == 1)
        second = begin(LARGE)
        await until(lambda: decoder._large.waiting == 2)
        kiln.open(LARGE)
        await first
        await until(lambda: kiln.inside == [GIANT])
        assert not second.done()
        kiln.open(GIANT)
        await giant
        await second


async def test_a_cancelled_pass_gives_its_share_back_when_its_thread_is_done() -> None:
    """Not before: the thread cannot be stopped, and has its memory as long as it runs."""
    async with decoding() as (decoder, kiln, begin):
        left = begin(GIANT)
        await until(lambda: kiln.inside == [GIANT])
        waiting = begin(LARGE)
        await until(lambda: decoder._large.waiting == 1)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert kiln.inside == [GIANT]
        assert decoder._large.waiting == 1
        kiln.open(GIANT)
        kiln.open(LARGE)
        await waiting


async def test_a_pass_that_is_cancelled_in_the_queue_lets_the_next_one_go() -> None:
    async with decoding() as (decoder, kiln, begin):
        first = begin(LARGE)
        await until(lambda: kiln.inside == [LARGE])
        giant = begin(GIANT)
        await until(lambda: decoder._large.waiting == 1)
        second = begin(LARGE)
        await until(lambda: decoder._large.waiting == 2)
        giant.cancel()
        await until(lambda: kiln.inside == [LARGE, LARGE])
        kiln.open(LARGE)
        await asyncio.gather(first, second)
        assert giant.cancelled()


@pytest.mark.parametrize("fault", [PhotoUnusable(PhotoCode.DAMAGED), RuntimeError("unforeseen")])
async def test_a_photo_that_does_not_decode_gives_its_share_back(fault: Exception) -> None:
    async with decoding() as (_decoder, kiln, begin):
        kiln.fault = fault
        kiln.open(GIANT)
        for _ in range(3):
            with pytest.raises(type(fault)):
                await begin(GIANT)


@pytest.mark.slow
async def test_what_is_no_photo_takes_no_share() -> None:
    async with decoding() as (_decoder, kiln, begin):
        for data in (b"GIF89a", png(10, 10), png(10_001, 5000)):
            with pytest.raises(PhotoUnusable):
                await begin(data)
        assert kiln.inside == []


async def test_no_time_passes_for_a_check_while_its_photo_waits() -> None:
    async with decoding() as (decoder, kiln, begin):
        first = begin(GIANT)
        await until(lambda: kiln.inside == [GIANT])
        async with asyncio.timeout(1000) as limit:
            ends = limit.when()
            assert ends is not None
            waiting = asyncio.create_task(decoder.prepare(GIANT, limit=limit))
            await until(lambda: decoder._large.waiting == 1)
            assert limit.when() is None
            await asyncio.sleep(0.05)
            kiln.open(GIANT)
            await waiting
            ends_later = limit.when()
            assert ends_later is not None
            assert ends_later - ends >= 0.05
        await first


async def test_the_largest_photos_of_each_kind_fit_into_their_budgets() -> None:
    assert photos.MAX_PIXELS <= LARGE_AT_ONCE
    assert SMALL_PIXELS <= SMALL_AT_ONCE
    with pytest.raises(ValueError, match="more than there ever will be"):
        await WeightedSemaphore(10).take(11)


# The budget, under any order of events


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 3), st.booleans()), max_size=30), st.randoms())
def test_a_budget_is_never_exceeded_and_served_in_order(jobs: list[tuple[int, int, bool]], rng: random.Random) -> None:
    asyncio.run(_play(jobs, rng))


async def _play(jobs: list[tuple[int, int, bool]], rng: random.Random) -> None:
    """Jobs of a weight and a length in turns of the loop; some are cancelled, at any moment."""
    budget = WeightedSemaphore(10)
    out = 0
    served: list[int] = []

    async def one(number: int, weight: int, turns: int) -> None:
        nonlocal out
        await budget.take(weight)
        served.append(number)
        out += weight
        assert out <= 10
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        finally:
            out -= weight
            budget.give_back(weight)

    tasks = [asyncio.create_task(one(number, weight, turns)) for number, (weight, turns, _cancelled) in enumerate(jobs)]
    for task, (_weight, _turns, cancelled) in zip(tasks, jobs, strict=True):
        if cancelled:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
    with suppress(asyncio.CancelledError):
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.done() for task in tasks)
    assert served == sorted(served)
    assert {number for number, (*_, cancelled) in enumerate(jobs) if not cancelled} <= set(served)
    assert (budget._free, budget.waiting) == (10, 0)
