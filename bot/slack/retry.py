"""Retries a call to Slack that somebody waits for: a few times, spaced, within one bound for all calls of an answer.

Not `stamina`: it bounds each call by itself, has no way to hand in how to wait, and begins a wait that ends too late.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bot.errors import SlackError, SlackRateLimited, SlackRefused

log = structlog.get_logger(__name__)

T = TypeVar("T")

BACKOFF_SECONDS = (0.5, 2.0, 5.0, 10.0, 20.0)
"""Between the tries of one call."""
BOUND_SECONDS = 60.0
"""For all calls of one answer together: whoever waits for it has gone away by then."""


class Retry:
    """Those of one answer. Its calls share the bound; the first try of each is always made."""

    def __init__(
        self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, bound_seconds: float = BOUND_SECONDS
    ) -> None:
        """`sleep` waits so many seconds between two tries. With a bound of 0 there are no retries."""
        self._ends_at = time.monotonic() + bound_seconds
        self._sleep = sleep

    async def call(self, call: Callable[[], Awaitable[T]], *, most: int | None = None) -> T:
        """What the call gives, at last. Raises the SlackError of the last try; a no of Slack's at once.

        `most` tries at most. Tried again even where the answer was lost: only for calls that may be repeated.
        """
        for pause in BACKOFF_SECONDS[: None if most is None else most - 1]:
            try:
                return await call()
            except SlackRefused:
                raise
            except SlackError as fault:
                wait = pause
                if isinstance(fault, SlackRateLimited):
                    wait = max(pause, fault.retry_after)
                if time.monotonic() + wait > self._ends_at:
                    raise
                log.info("slack.tried_again", error=str(fault))
            await self._sleep(wait)
        return await call()
