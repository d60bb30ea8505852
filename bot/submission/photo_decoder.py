"""Decodes photos in threads, within one budget of megapixels for the whole process.

A file of a few kilobytes may unfold to 50 megapixels, and every phone takes 12. Measured through `photos.prepare`
(Pillow 13, peak MiB per megapixel): JPEG 4, rotated 8, progressive 7, progressive 4:4:4 10, the same in CMYK 12;
PNG 4, with transparency 8, grey 5, 16-bit grey 6.
"""

import asyncio
import ctypes
from collections.abc import Callable

from bot.domain.check import photos
from bot.submission.weighted_semaphore import WeightedSemaphore, suspended

SMALL_PIXELS = 12_500_000
"""A photo of a phone in its normal mode is small; larger ones come from cameras, scanners and attackers."""
SMALL_AT_ONCE = 2 * SMALL_PIXELS
"""Pixels: two of the largest small photos, or twenty of a webcam's. Two keep two cores busy; 300 MiB at the worst."""
LARGE_AT_ONCE = photos.MAX_PIXELS
"""Pixels: one of the largest photos allowed, or two of 24 megapixels. 400 MiB as PNG, 600 MiB at the worst."""
_M_MMAP_THRESHOLD = -3
"""From glibc's malloc.h."""
_LARGE_BLOCK = 8 * 1024 * 1024
"""Bytes. Below Pillow's own blocks of 16 MiB, and above a whole picture of two megapixels, which would gain nothing
and cost page faults.
"""


def return_freed_memory() -> None:
    """Make the C library return large blocks to the system as soon as they are freed.

    By default glibc raises its threshold for `mmap` at the first large `free`, and keeps later blocks in the arena of
    the thread that used them: 400 MiB in each of six threads after photos of 49 megapixels, for good. A fixed
    threshold turns that off. Does nothing where the C library has no `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


class PhotoDecoder:
    """Prepares photos for Smile ID. There is one per process; a second would double the budget.

    Small photos have a budget of their own, so that a selfie from a form never waits behind a batch of huge scans.
    """

    def __init__(self, *, prepare: Callable[[bytes], photos.Photo] = photos.prepare) -> None:
        self._prepare = prepare
        self._small = WeightedSemaphore(SMALL_AT_ONCE)
        self._large = WeightedSemaphore(LARGE_AT_ONCE)

    async def prepare(self, data: bytes, *, limit: asyncio.Timeout) -> photos.Photo:
        """Returns and raises what `photos.prepare` does. The time-out `limit` is suspended while the photo waits."""
        pixels = await asyncio.to_thread(photos.count_pixels, data)
        budget = self._small if pixels <= SMALL_PIXELS else self._large
        with suspended(limit):
            await budget.take(pixels)
        decoding = asyncio.ensure_future(asyncio.to_thread(self._prepare, data))
        # A thread cannot be cancelled: it holds its memory until it is done, even when nobody waits for the photo.
        decoding.add_done_callback(lambda _done: budget.give_back(pixels))
        return await asyncio.shield(decoding)
