"""Waiting for something to become true, without a clock of one's own."""

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 120.0
"""How long is waited for what must come, however busy the machine is."""


class Changes:
    """Wakes whoever waits for something to become true."""

    LOOK_AGAIN_SECONDS = 0.05
    """Conditions may also look at things outside the stand-in, which tell nobody."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.count = 0
        """How often something was told."""

    def tell(self) -> None:
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def after(self, count: int) -> int:
        """Wait until something was told since `count`; gives the new count."""
        while self.count <= count:
            await self._event.wait()
        return self.count

    async def until(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while not condition():
            left = deadline - loop.time()
            if left <= 0:
                msg = f"still not so after {timeout_seconds:g} s"
                raise TimeoutError(msg)
            try:
                await asyncio.wait_for(self._event.wait(), min(left, self.LOOK_AGAIN_SECONDS))
            except TimeoutError:
                continue
