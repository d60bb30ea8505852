"""A cache of what Slack answered, by id: one request per id at a time, expired by events."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import structlog

from bot.errors import SlackError
from bot.network.fence import behind_fence
from bot.slack.client import LOOK_UP_SECONDS
from storage.engine.membership import work_of

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

MOST = 20_000
"""Entries kept; the oldest is dropped first. An organization may have many more people than ever act here."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CachedAnswer(Generic[T]):
    value: T
    at: datetime
    """When it was requested: what changed while the answer was on its way is not in it."""


@dataclass(slots=True, eq=False)
class LookUp:
    """One request to Slack under way."""

    started: float
    task: asyncio.Task[None] | None = None
    is_outdated: bool = False
    """Something changed meanwhile: the answer may be from before the change."""


@dataclass(slots=True, eq=False)
class LookupCache(Generic[K, T]):
    """Answers about one kind of thing."""

    name: str
    look_up: Callable[[K], Awaitable[T]]
    """Asks Slack; raises SlackError where there is no answer."""
    now: Callable[[], datetime]
    most: int = MOST
    _known: dict[K, CachedAnswer[T]] = field(init=False, default_factory=dict)
    _under_way: dict[K, list[LookUp]] = field(init=False, default_factory=dict)

    def get(self, key: K, *, within: timedelta) -> T | None:
        """The answer, unless it is older than this."""
        known = self._known.get(key)
        return known.value if known and self.now() - known.at < within else None

    def get_stale(self, key: K) -> T | None:
        """The answer, however old."""
        known = self._known.get(key)
        return known.value if known else None

    def fetch(self, key: K) -> asyncio.Task[None]:
        """Requests it, or joins a request under way. The task ends when the answer is cached, or there was none.

        It continues when nobody waits any more, so that a person who tries again may find the answer. A request that
        hangs is not joined: the next one may fare better.
        """
        started = asyncio.get_running_loop().time()
        under_way = self._under_way.setdefault(key, [])
        if under_way and started - under_way[-1].started < LOOK_UP_SECONDS:
            joined = under_way[-1].task
            assert joined is not None
            return joined
        look_up = LookUp(started)
        look_up.task = asyncio.create_task(self._request(key, look_up), name=f"{self.name}-look-up")
        under_way.append(look_up)
        look_up.task.add_done_callback(lambda _done: self._remove(key, look_up))
        return look_up.task

    def expire(self, key: K) -> None:
        """It has changed: what is cached is outdated. Requests nothing."""
        if known := self._known.get(key):
            self._known[key] = replace(known, at=_LONG_AGO)
        for look_up in self._under_way.get(key, ()):
            look_up.is_outdated = True

    async def close(self) -> None:
        tasks = [look_up.task for found in self._under_way.values() for look_up in found if look_up.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _request(self, key: K, look_up: LookUp) -> None:
        while True:
            look_up.is_outdated = False
            requested_at = self.now()
            try:
                # Whatever work asks first: the answer is everybody's.
                with work_of(None), behind_fence(None):
                    value = await self.look_up(key)
            except SlackError as fault:
                log.warning("lookup.failed", kind=self.name, error=str(fault))
                return
            except Exception:
                # An answer of an unexpected form counts as none; whoever waits reads *try again*.
                log.exception("lookup.unexpected_answer", kind=self.name)
                return
            if not look_up.is_outdated:
                break
        self._keep(key, CachedAnswer(value, requested_at))

    def _keep(self, key: K, answer: CachedAnswer[T]) -> None:
        before = self._known.pop(key, None)
        if before is not None and before.at > answer.at:
            # A request that hung was answered after a younger one.
            answer = before
        while len(self._known) >= self.most:
            del self._known[next(iter(self._known))]
        self._known[key] = answer

    def _remove(self, key: K, look_up: LookUp) -> None:
        self._under_way[key].remove(look_up)
        if not self._under_way[key]:
            del self._under_way[key]
