"""Whether work may still send what it is about to: asked by every way out, before a request and before each part of it.

Work may be somebody else's by now, who does it as well: this process was frozen, say, and another one has taken over.
Who begins such work puts a fence around it; whatever else sends something passes as if there were none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Fence(Protocol):
    """Of work that others may take over."""

    async def require(self) -> None:
        """Returns once the work is certainly ours for as long as a request takes to be sent. Raises what it likes."""

    def is_open(self) -> bool:
        """Whether it is certainly ours at this moment, without asking anybody."""


_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def behind_fence(fence: Fence | None) -> Iterator[None]:
    """Around work, and for tasks that are created within."""
    token = _fence.set(fence)
    try:
        yield
    finally:
        _fence.reset(token)


async def require_open() -> None:
    """Before a request is sent. Raises what the fence around the work raises."""
    if (fence := _fence.get()) is not None:
        await fence.require()


def is_open() -> bool:
    """Before each part of it: a process may be frozen at any instruction, and go on when the work is no longer its."""
    fence = _fence.get()
    return fence is None or fence.is_open()
