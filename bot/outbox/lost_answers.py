"""Posting at least once and showing once: the intent is stored before the call, and a lost answer is looked into."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from bot.domain.outbox import Post
from bot.errors import SlackNotSent, SlackRateLimited, SlackRefused
from bot.outbox.outcomes import Delivered, Postponed
from bot.outbox.pacing import Pacing
from bot.slack.client import VISIBLE_WITHIN, FoundMessage
from storage import deliveries
from storage.engine.database import Database

log = structlog.get_logger(__name__)

MARGIN = timedelta(minutes=1)
"""The clocks of Slack and of this machine never agree to the second; beyond their known difference this covers it."""


class LostAnswers:
    """Guards every call that must not be made twice."""

    def __init__(self, *, database: Database, pacing: Pacing, now: Callable[[], datetime]) -> None:
        self._database = database
        self._pacing = pacing
        self._now = now

    @asynccontextmanager
    async def intent(self, post: Post) -> AsyncIterator[None]:
        """Around the one call that posts. A crash or a time-out inside leaves the post in doubt."""
        await self._database.write(deliveries.intend, post.id, now=self._now())
        try:
            yield
        except (SlackNotSent, SlackRateLimited, SlackRefused):
            # Surely not posted: there is nothing to look for, and the next attempt need not wait.
            await self._database.write(deliveries.not_posted, post.id)
            raise
        finally:
            self._pacing.pause(post.destination)

    async def look(
        self, post: Post, find: Callable[[datetime], Awaitable[FoundMessage | None]]
    ) -> Delivered | Postponed | None:
        """Whether an earlier attempt posted it after all. None: it did not, so it may be posted now.

        `find` looks in Slack for what was posted since a moment.
        """
        if post.in_doubt_since is None:
            return None
        # Stored before the clock was set back, the doubt lies ahead: it never waits longer than a fresh one.
        wait = min(post.in_doubt_since + VISIBLE_WITHIN - self._now(), VISIBLE_WITHIN)
        if wait > timedelta(0):
            # Slack may still be about to show it: whoever looks now finds nothing, and posts it twice.
            return Postponed(wait)
        found = await find(_since(post))
        if found is None:
            return None
        log.info("post.found_again", ref=post.ref, post=post.id)
        return Delivered(found)


def _since(post: Post) -> datetime:
    """From when on it is looked for.

    A post in doubt since before it was written was told by the bot whose backup this database was.
    """
    return min(post.created_at, post.in_doubt_since or post.created_at) - MARGIN
