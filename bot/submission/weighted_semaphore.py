"""What bounds the photos under way: a semaphore whose units are bytes or pixels, and time that stops in its queue."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class WeightedSemaphore:
    """So much at once, of bytes or of pixels.

    Strictly first come, first served, so that small requests cannot starve a large one.
    """

    def __init__(self, weight: int) -> None:
        self.total = weight
        self.waiting = 0
        """The number of requests in the queue."""
        self._free = weight
        # The first in the queue holds the lock and waits for its share. A lock is fair: the others get it in order.
        self._first = asyncio.Lock()
        self._freed = asyncio.Event()

    async def take(self, weight: int) -> None:
        """Wait for a share, which the caller must `give_back`. Takes nothing when it is cancelled."""
        if weight > self.total:
            raise ValueError("more than there ever will be")
        self.waiting += 1
        try:
            async with self._first:
                while weight > self._free:
                    self._freed.clear()
                    await self._freed.wait()
                self._free -= weight
        finally:
            self.waiting -= 1

    def give_back(self, weight: int) -> None:
        self._free += weight
        self._freed.set()


@contextmanager
def suspended(limit: asyncio.Timeout) -> Iterator[None]:
    """Suspend a time-out: a check must not fail because of the photos that are ahead of its own."""
    loop = asyncio.get_running_loop()
    ends = limit.when()
    left = None if ends is None else ends - loop.time()
    limit.reschedule(None)
    try:
        yield
    finally:
        limit.reschedule(None if left is None else loop.time() + left)
