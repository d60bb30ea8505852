"""Retries, with backoff, the calls to Slack that make up one answer, within one time limit for all of them.

Not `stamina`: it bounds each call by itself, takes no sleep function, and starts a wait that ends too late.
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
"""Between the attempts of one call."""
BOUND_SECONDS = 60.0
"""For all calls of one answer together: by then nobody waits for it."""


class Retry:
    """The retries of one answer. Its calls share the limit; each is attempted at least once."""

    def __init__(
        self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, bound_seconds: float = BOUND_SECONDS
    ) -> None:
        """`sleep` waits some seconds between two attempts. With a bound of 0 there are no retries."""
        self._ends_at = time.monotonic() + bound_seconds
        self._sleep = sleep

    async def call(self, call: Callable[[], Awaitable[T]], *, attempts: int | None = None) -> T:
        """Returns the call's result. Raises the last SlackError, or a refusal at once.

        Retries even where the answer was lost: only for calls that are safe to repeat.
        """
        for pause in BACKOFF_SECONDS[: None if attempts is None else attempts - 1]:
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
                log.info("slack.retried", error=str(fault))
            await self._sleep(wait)
        return await call()
