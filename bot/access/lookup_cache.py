"""What Slack answered, by id: believed for a while, asked for once at a time, and aged by events."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import structlog

from bot.errors import SlackError
from bot.slack.client import LOOK_UP_SECONDS

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

MOST = 20_000
"""Entries kept, the oldest is dropped first: an organization may have many more people than ever act here."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    value: T
    at: datetime
    """When it was asked for: what changed while the answer was on its way is not in it."""


@dataclass(slots=True, eq=False)
class _LookUp:
    """One question to Slack under way."""

    begun: float
    task: asyncio.Task[None] | None = None
    overtaken: bool = False
    """Changed meanwhile: the answer may be of before the change."""


class LookupCache(Generic[K, T]):
    """Answers about one kind of thing."""

    def __init__(
        self, name: str, look_up: Callable[[K], Awaitable[T]], *, now: Callable[[], datetime], most: int = MOST
    ) -> None:
        """`look_up` asks Slack, and raises SlackError where there is no answer."""
        self._name = name
        self._look_up = look_up
        self._now = now
        self._most = most
        self._known: dict[K, _Known[T]] = {}
        self._under_way: dict[K, list[_LookUp]] = {}

    def get(self, key: K, *, within: timedelta) -> T | None:
        """The answer, unless it is older than this."""
        known = self._known.get(key)
        return known.value if known and self._now() - known.at < within else None

    def last(self, key: K) -> T | None:
        """The answer, however old."""
        known = self._known.get(key)
        return known.value if known else None

    def asking(self, key: K) -> asyncio.Task[None]:
        """Ask for it, or join whoever asks already. The task ends when the answer is known, or there was none.

        It goes on when nobody waits any more, so that whoever is told to try again may find the answer. A question that
        hangs is not joined: the next one may fare better.
        """
        begun = asyncio.get_running_loop().time()
        under_way = self._under_way.setdefault(key, [])
        if under_way and begun - under_way[-1].begun < LOOK_UP_SECONDS:
            joined = under_way[-1].task
            assert joined is not None
            return joined
        look_up = _LookUp(begun)
        look_up.task = asyncio.create_task(self._ask(key, look_up), name=f"{self._name}-look-up")
        under_way.append(look_up)
        look_up.task.add_done_callback(lambda _done: self._ended(key, look_up))
        return look_up.task

    def age(self, key: K) -> None:
        """It has changed: what is known holds no longer. Asks nobody."""
        if known := self._known.get(key):
            self._known[key] = replace(known, at=_LONG_AGO)
        for look_up in self._under_way.get(key, ()):
            look_up.overtaken = True

    async def close(self) -> None:
        tasks = [look_up.task for found in self._under_way.values() for look_up in found if look_up.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, key: K, look_up: _LookUp) -> None:
        while True:
            look_up.overtaken = False
            asked_at = self._now()
            try:
                value = await self._look_up(key)
            except SlackError as fault:
                log.warning("memory.not_answered", kind=self._name, error=str(fault))
                return
            except Exception:
                # An answer of a form that nobody expected is none; whoever waits hears *try again*.
                log.exception("memory.not_understood", kind=self._name)
                return
            if not look_up.overtaken:
                break
        self._keep(key, _Known(value, asked_at))

    def _keep(self, key: K, answer: _Known[T]) -> None:
        before = self._known.pop(key, None)
        if before is not None and before.at > answer.at:
            # A question that hung is answered after a younger one.
            answer = before
        while len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[key] = answer

    def _ended(self, key: K, look_up: _LookUp) -> None:
        self._under_way[key].remove(look_up)
        if not self._under_way[key]:
            del self._under_way[key]
