"""Posting at least once, shown once: a post is in doubt from its claim on; after a lost answer Slack is searched."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.domain.outbox import Post
from bot.outbox.outcomes import Delivered, Postponed
from bot.outbox.rate_limiter import RateLimiter
from bot.slack.client import VISIBLE_WITHIN, FoundMessage
from storage import deliveries
from storage.engine.database import Database

log = structlog.get_logger(__name__)

MARGIN = timedelta(minutes=1)
"""The clocks of Slack and of this machine never agree to the second; beyond their known difference this covers it."""


@dataclass(slots=True, kw_only=True, eq=False)
class LostAnswers:
    database: Database
    rate_limiter: RateLimiter
    now: Callable[[], datetime]

    @asynccontextmanager
    async def intent(self, post: Post) -> AsyncIterator[None]:
        """Around the one call that posts. A crash or a time-out inside leaves the post in doubt."""
        if post.in_doubt_since is not None:
            # Not since this claim, but since an earlier one, whose message was not found.
            await self.database.write(deliveries.intend, post.id, now=self.now())
        try:
            yield
        finally:
            self.rate_limiter.pause(post.destination)

    async def search(
        self, post: Post, find: Callable[[datetime], Awaitable[FoundMessage | None]]
    ) -> Delivered | Postponed | None:
        """Whether an earlier attempt posted it after all. None: it did not, so it may be posted now.

        `find` searches Slack for a message posted since a moment.
        """
        if post.in_doubt_since is None:
            return None
        # Stored before the clock was set back, the doubt lies ahead: it never waits longer than a fresh one.
        wait = min(post.in_doubt_since + VISIBLE_WITHIN - self.now(), VISIBLE_WITHIN)
        if wait > timedelta(0):
            # Slack may still be about to show it: a search now finds nothing, and the message is posted twice.
            return Postponed(wait=wait)
        # In doubt since before it was written: posted by the bot whose backup this database was.
        found = await find(min(post.created_at, post.in_doubt_since) - MARGIN)
        if found is None:
            return None
        log.info("post.found_again", ref=post.ref, post=post.id)
        return Delivered(place=found, file_id=found.file_id)
