"""Decodes photos in threads, only as many megapixels at once as memory is meant for, over all checks.

A picture of a few kilobytes may unfold to 50 megapixels, and one of 12 comes out of every phone. What they take was
measured on the way through `photos.prepare` (Pillow 13, MiB of memory per megapixel): JPEG 4, turned 8, progressive 7,
progressive with full colours 10; PNG 4, with transparency 8, grey 5, grey with 16 bits 6.
"""

import asyncio
import ctypes
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.domain import photos

SMALL_PIXELS = 12_500_000
"""What phones take in their normal mode is small; more comes from cameras, scans and bombs."""
SMALL_AT_ONCE = 2 * SMALL_PIXELS
"""Pixels: two of the largest small ones, or twenty of what a webcam takes. Two fill two cores, and 250 MiB at most."""
LARGE_AT_ONCE = photos.MAX_PIXELS
"""Pixels: one of the largest that are taken at all, or two of 24 megapixels: 400 MiB, or 500 of the worst kind."""
_M_MMAP_THRESHOLD = -3
"""From glibc's malloc.h."""
_LARGE_BLOCK = 8 * 1024 * 1024
"""Bytes. Pillow asks for 16 MiB at a time; a whole picture of one or two megapixels stays below, and costs no more."""


def return_freed_memory() -> None:
    """Have the C library give large blocks back to the system as soon as they are freed.

    glibc learns from the first large block that it frees to keep the next ones, for the thread that used them: after
    photos of 49 megapixels 400 MiB in each of six threads, for good. Other C libraries have no such switch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


class PixelBudget:
    """A semaphore with weights. First come, first served: a large photo is not overtaken until it never has a turn."""

    def __init__(self, pixels: int) -> None:
        self.total = pixels
        self._free = pixels
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return sum(not turn.cancelled() for _pixels, turn in self._queue)

    async def take(self, pixels: int) -> None:
        """Wait for a share, to be given back by `give_back`. Cancelled while waiting, nothing was taken."""
        if pixels > self.total:
            raise ValueError("more than there ever will be")
        if not self.waiting and pixels <= self._free:
            self._free -= pixels
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((pixels, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                # Whoever stands behind it may fit at once.
                self._serve()
            else:
                # The share came in the same turn of the loop as the cancellation.
                self.give_back(pixels)
            raise

    def give_back(self, pixels: int) -> None:
        self._free += pixels
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            pixels, turn = self._queue[0]
            if not turn.cancelled():
                if pixels > self._free:
                    return
                self._free -= pixels
                turn.set_result(None)
            self._queue.popleft()


class PhotoDecoder:
    """Makes photos ready for Smile ID. One for the whole process: a second one would double what memory is meant for.

    Small photos have a budget of their own, so that somebody's selfie never waits behind a file full of giants.
    """

    def __init__(self, *, prepare: Callable[[bytes], photos.Photo] = photos.prepare) -> None:
        self._prepare = prepare
        self._small = PixelBudget(SMALL_AT_ONCE)
        self._large = PixelBudget(LARGE_AT_ONCE)

    async def prepare(self, data: bytes, *, limit: asyncio.Timeout) -> photos.Photo:
        """What `photos.prepare` gives or raises. While the photo waits for its turn, the clock of `limit` stands."""
        pixels = await asyncio.to_thread(photos.count_pixels, data)
        budget = self._small if pixels <= SMALL_PIXELS else self._large
        with _stopped(limit):
            await budget.take(pixels)
        decoding = asyncio.ensure_future(asyncio.to_thread(self._prepare, data))
        # No thread can be broken off: it needs its memory until it is done, even when nobody waits for the photo.
        decoding.add_done_callback(lambda _done: budget.give_back(pixels))
        return await asyncio.shield(decoding)


@contextmanager
def _stopped(limit: asyncio.Timeout) -> Iterator[None]:
    """Let no time pass for a time-out: a check is not to blame for the photos before its own."""
    loop = asyncio.get_running_loop()
    ends = limit.when()
    left = None if ends is None else ends - loop.time()
    limit.reschedule(None)
    try:
        yield
    finally:
        limit.reschedule(None if left is None else loop.time() + left)
