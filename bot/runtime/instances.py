"""This process beside others on one database: it shows that it lives, ends those that are silent, and fences its work.

Each commit of an instance shows the others that it lives; one that has nothing to store stores nothing, every few
seconds. Who has seen nothing of another for `SILENT_FOR`, by a clock that nobody sets, ends it and frees what it had
leased. So whatever rests on a lease is sent only as long as the last commit is younger than that: nobody else has it.

Where one process has a file to itself nothing of this costs anything: there is nobody to show it to.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from bot.errors import DatabaseFault, LeaseLost
from bot.network.fence import behind_fence
from bot.runtime.health import Degraded, Health
from bot.slack.client import VISIBLE_WITHIN
from storage import instances
from storage.engine.database import Database, Transaction
from storage.engine.membership import work_of
from storage.instances import Instance

log = structlog.get_logger(__name__)

SILENT_FOR = 30.0
"""Seconds without a commit of an instance after which another ends it."""
CERTAIN_FOR = 28.0
"""Seconds after our own last commit for which nobody can have ended us; a bit less, for clocks that run unevenly."""
SEND_SECONDS = 15.0
"""Longest from here until a request is sent: the time-out of a call to Slack, and more than a connection may take."""
SHOW_EVERY = 5.0
LOOK_EVERY = 1.0
LATE_SECONDS = 15.0
"""Without a commit for so long `/readyz` says so: soon nothing is sent any more."""
REPORT_FOR = 3600.0
"""How long it says that we were ended and have begun anew."""


@dataclass(slots=True, kw_only=True, eq=False)
class Instances:
    """Belongs to the event loop of its database."""

    database: Database
    health: Health
    now: Callable[[], datetime]
    are_several: bool
    """Whether others may work on the same database at the same time."""
    on_begun_anew: Callable[[], None] = lambda: None
    _seen: dict[str, tuple[datetime, float]] = field(init=False, default_factory=dict)
    """By instance: what was seen of it last, and since when nothing else."""
    _begun_anew_at: float | None = field(init=False, default=None)
    _keeping: asyncio.Task[None] | None = field(init=False, default=None)

    async def join(self) -> None:
        """Begin to take work. Where a lock keeps others away, whatever earlier processes had leased is free."""
        if not self.are_several:
            await self.database.write(instances.join_alone, now=self.now())
            return
        await self.database.write(instances.join, now=self.now())
        self.database.membership.joined = True
        self.database.on_begun_anew(self._began_anew)
        await self._show()

    def keep(self) -> None:
        """Show that we live, and look after the others, until `leave`."""
        if self.are_several:
            self._keeping = asyncio.create_task(self._keep(), name="instances")

    async def leave(self) -> None:
        """Let others go on at once with what is left of our work. Nothing may be under way any more."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self.database.membership.joined:
            self.database.membership.joined = False
            with suppress(DatabaseFault):  # without it they go on once we have been silent
                await self.database.write(instances.leave, now=self.now(), searched_in=VISIBLE_WITHIN)

    def at_work(self) -> AbstractContextManager[None]:
        """Around whatever claims rows and works on them: both are this instance's, and end with it."""
        return self._at_work() if self.database.membership.joined else nullcontext()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        instance = self.database.instance
        with work_of(instance), behind_fence(_Fence(self, instance)):
            yield

    async def look(self) -> None:
        """Show that we live, unless a commit has just done so, and end those that are silent. Raises DatabaseFault."""
        self._note()
        if self._proven_seconds_ago() >= SHOW_EVERY:
            await self._show()
        for one in self._silent(await self.database.read(instances.living, but=self.database.instance)):
            if await self.database.write(instances.end, one, now=self.now(), searched_in=VISIBLE_WITHIN):
                log.warning("instance.ended", instance=one.name, started_at=one.started_at.isoformat())
        self._note()

    async def require(self, instance: str) -> None:
        """Return once it is certain that this is still us, for as long as it takes to send a request.

        Raises LeaseLost once it is not, DatabaseFault where nothing can be stored.
        """
        while not self.is_certain(instance, for_seconds=SEND_SECONDS):
            await self._show()

    def is_certain(self, instance: str, *, for_seconds: float = 0.0) -> bool:
        """Whether nobody can have ended this instance, nor can for so long. Raises LeaseLost if it was ended."""
        if self.database.instance != instance:
            raise LeaseLost(instance)
        return self._proven_seconds_ago() + for_seconds < CERTAIN_FOR

    async def _show(self) -> None:
        await self.database.write(_nothing)

    def _since_boot(self) -> float:
        return self.database.membership.since_boot()

    def _proven_seconds_ago(self) -> float:
        return self._since_boot() - self.database.membership.proven_at

    def _silent(self, others: Sequence[Instance]) -> list[Instance]:
        """Those of which nothing new was seen for so long.

        Counted from when it was first seen: its commit was earlier, and so it was certain of itself for no longer.
        """
        at = self._since_boot()
        before, self._seen = self._seen, {}
        for one in others:
            known = before.get(one.id)
            self._seen[one.id] = known if known is not None and known[0] == one.seen_at else (one.seen_at, at)
        return [one for one in others if at - self._seen[one.id][1] >= SILENT_FOR]

    async def _keep(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # The database may be back the next time; who ends its look-out would be ended.
                log.exception("instances.not_looked_after")
            await asyncio.sleep(LOOK_EVERY)

    def _began_anew(self, former: str) -> None:
        log.error("instance.begun_anew", former=former, instance=self.database.instance)
        self._begun_anew_at = self._since_boot()
        self.on_begun_anew()
        self._note()

    def _note(self) -> None:
        ago = self._proven_seconds_ago()
        is_fresh = self._begun_anew_at is not None and self._since_boot() - self._begun_anew_at < REPORT_FOR
        if ago >= LATE_SECONDS:
            fault = f"nothing was stored for {ago:.0f} s: another instance takes over what this one was doing"
        elif is_fresh:
            fault = "this instance was silent for too long and was ended by another; it goes on as a new one"
        else:
            fault = None
        self.health.note(Degraded.INSTANCE, fault)


@dataclass(frozen=True, slots=True)
class _Fence:
    """Around the work of one instance."""

    instances: Instances
    instance: str

    async def require(self) -> None:
        await self.instances.require(self.instance)

    def is_open(self) -> bool:
        try:
            return self.instances.is_certain(self.instance)
        except LeaseLost:
            return False


def _nothing(_tx: Transaction) -> None:
    """A commit is enough to show that we live."""
