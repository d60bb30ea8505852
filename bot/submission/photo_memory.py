"""How much of photos is in memory at once: by their bytes, not by a number of checks that is right for one size alone.

A share is taken before anything is fetched, and given back when the pass is over. What it counts is there up to twice
at a time: as it came and as the JPEG of it, then as JPEGs and in the zip.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.domain.check.request import LIVENESS_IMAGES, MAX_FILE_BYTES
from bot.submission.weighted_semaphore import WeightedSemaphore, suspended

BYTES_AT_ONCE = (LIVENESS_IMAGES + 1) * MAX_FILE_BYTES
"""90 MiB: one check with the largest photos allowed, 20 from phones, or 150 from webcams."""


class Share:
    """What one pass has of it."""

    def __init__(self, semaphore: WeightedSemaphore, limit: asyncio.Timeout) -> None:
        self._semaphore = semaphore
        self._limit = limit
        self.taken = 0
        """Bytes."""

    async def take(self, size: int) -> None:
        """Wait for so many bytes, in turn; once for each pass, since two that wait for more could wait for ever.

        What is larger than everything counts as everything, and goes alone. The pass' time-out is suspended meanwhile.
        """
        if self.taken:
            raise RuntimeError("a share is taken once")
        size = min(size, self._semaphore.total)
        with suspended(self._limit):
            await self._semaphore.take(size)
        self.taken = size


class PhotoMemory:
    """There is one per process. Rows of files have a half of their own, which no check from a form waits behind."""

    def __init__(self, *, bytes_at_once: int = BYTES_AT_ONCE) -> None:
        self._forms = WeightedSemaphore(bytes_at_once)
        self._files = WeightedSemaphore(bytes_at_once)

    @asynccontextmanager
    async def share(self, *, of_file: bool, limit: asyncio.Timeout) -> AsyncIterator[Share]:
        """Nothing yet; what the pass takes of it is given back at the end, however it ends."""
        semaphore = self._files if of_file else self._forms
        share = Share(semaphore, limit)
        try:
            yield share
        finally:
            semaphore.give_back(share.taken)
