"""This process beside others on one database: it shows that it lives, ends those that are silent, and fences its work.

Each commit of an instance shows the others that it lives; one that has nothing to store stores nothing, every few
seconds. Who has seen nothing of another for `SILENT_FOR`, by a clock that nobody sets, ends it and frees what it had
leased. So whatever rests on a lease is sent only as long as the last commit is younger than that: nobody else has it.

What one alone does of all of them goes by turns; what each remembers of Slack and Smile ID is looked up anew when
another one hears that it has changed; and all of them go by the database's clock.

Where one process has a file to itself nothing of this costs anything: there is nobody to show it to.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from bot.errors import DatabaseFault, LeaseLost
from bot.network.fence import behind_fence
from bot.runtime.clock import DatabaseClock
from bot.runtime.health import Degraded, Health
from bot.slack.client import VISIBLE_WITHIN
from storage import cache_news, instances, turns
from storage.cache_news import CACHE_NEWS, News
from storage.engine.database import Database, Transaction
from storage.engine.membership import name_of, work_of
from storage.instances import Instance

log = structlog.get_logger(__name__)

SILENT_FOR = 20.0
"""Seconds without a commit of an instance after which another ends it."""
CERTAIN_FOR = 18.5
"""Seconds after our own last commit for which nobody can have ended us; a bit less, for clocks that run unevenly."""
SEARCHED_IN = VISIBLE_WITHIN - timedelta(seconds=SILENT_FOR - CERTAIN_FOR)
"""From when an instance is ended until Slack shows what it may have posted: it was certain of itself no longer."""
SEND_SECONDS = 15.0
"""Longest from here until a request is sent: the time-out of a call to Slack, and more than a connection may take."""
SHOW_EVERY = 5.0
LOOK_EVERY = 1.0
LATE_SECONDS = 15.0
"""Without a commit for so long `/readyz` says so: no call is begun any more, and soon another one takes over."""
REPORT_FOR = 3600.0
"""How long it says that we were ended and have begun anew."""


class NewsKind(StrEnum):
    """What has changed that each instance remembers by itself."""

    MEMBERS = "members"
    """Of a group or channel: whoever left it loses the role at once."""
    PERSON = "person"
    CHANNEL = "channel"
    """Whether it is shared with another company, say."""
    ID_TYPES = "id_types"
    """Smile ID's lists, which one of the instances has asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    now: datetime
    others: Sequence[Instance]
    news: Sequence[News]


@dataclass(slots=True, kw_only=True, eq=False)
class Instances:
    """Belongs to the event loop of its database."""

    database: Database
    health: Health
    now: Callable[[], datetime]
    are_several: bool
    """Whether others may work on the same database at the same time."""
    on_begun_anew: Callable[[], None] = lambda: None
    """For the metrics."""
    clock: DatabaseClock = field(init=False)
    _listeners: Mapping[str, Callable[[str], None]] = field(init=False, default_factory=dict)
    _learn_all: Callable[[], None] = field(init=False, default=lambda: None)
    _heard: int = field(init=False, default=0)
    """The last of the others' news that was listened to."""
    _woken: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _seen: dict[str, tuple[datetime, float]] = field(init=False, default_factory=dict)
    """By instance: what was seen of it last, and since when nothing else."""
    _looked_at: float = field(init=False, default=0.0)
    _back_at: float = field(init=False, default=0.0)
    """When it looked again, after a time in which it could not."""
    _begun_anew_at: float | None = field(init=False, default=None)
    _keeping: asyncio.Task[None] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.clock = DatabaseClock(self.database.membership.since_boot)

    @property
    def count(self) -> int:
        """How many there are, with this one."""
        return 1 + len(self._seen)

    @property
    def name(self) -> str | None:
        """Which of several this is, for people; None where there is one alone."""
        return name_of(self.database.instance) if self.are_several else None

    @property
    def whose_clock(self) -> str:
        """For operators: which clock all of them go by."""
        return "the database server" if self.are_several else "this machine"

    async def learn_time(self) -> None:
        """Ask the database how late it is. Raises DatabaseFault."""
        asked_at = self._since_boot()
        self.clock.heard(await self.database.read(instances.database_now), asked_at=asked_at)

    def listen(self, listeners: Mapping[NewsKind, Callable[[str], None]], *, learn_all: Callable[[], None]) -> None:
        """Who is called, with what it is about, when another instance tells of something. None of them may wait.

        `learn_all` is called after a time in which this process may have heard of nothing.
        """
        self._listeners = {kind.value: listener for kind, listener in listeners.items()}
        self._learn_all = learn_all

    def tell(self, kind: NewsKind, which: str) -> None:
        """Have the others look up anew what this one has heard of."""
        if self.are_several:
            self.database.write_later(cache_news.tell, kind.value, which, now=self.now())

    def once(
        self, job: Callable[[], Awaitable[object]], name: str, *, every: timedelta
    ) -> Callable[[], Awaitable[object]]:
        """A periodic job that one of the instances does, and another once that one has ended or does it no more."""
        if not self.are_several:
            return job

        async def run() -> None:
            if await self.take_turn(name, every=every):
                await job()

        return run

    async def take_turn(self, name: str, *, every: timedelta) -> bool:
        """Whether it is this instance that does something now, and the next time after `every`."""
        if not self.are_several:
            return True
        now = self.now()
        return await self.database.write(turns.take, name, until=now + 2 * every, now=now)

    async def join(self) -> None:
        """Begin to take work. Where a lock keeps others away, whatever earlier processes had leased is free."""
        if not self.are_several:
            await self.database.write(instances.join_alone, now=self.now())
            return
        await self.database.write(instances.join, now=self.now())
        self.database.membership.joined = True
        self.database.on_begun_anew(self._began_anew)
        self.database.subscribe(CACHE_NEWS, self._woken.set)
        # What was told before is of no use: nothing is remembered yet.
        self._heard = await self.database.read(cache_news.newest)
        await self.look()

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
        asked_at = self._since_boot()
        seen = await self.database.read(_look, but=self.database.instance, after=self._heard)
        self.clock.heard(seen.now, asked_at=asked_at)
        for one in self._silent(seen.others):
            if await self.database.write(instances.end, one, now=self.now(), searched_in=SEARCHED_IN):
                log.warning("instance.ended", instance=one.name, started_at=one.started_at.isoformat())
                self._seen.pop(one.id, None)
        self._note()
        self._listen(seen.news)

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
        Whoever could not look itself, for want of a server say, lets the others show themselves first.
        """
        at = self._since_boot()
        # Not each time: where every look takes long, somebody has to be ended all the same.
        if at - self._looked_at >= SHOW_EVERY and at - self._back_at >= SILENT_FOR:
            self._back_at = at
        self._looked_at = at
        before, self._seen = self._seen, {}
        for one in others:
            known = before.get(one.id)
            self._seen[one.id] = known if known is not None and known[0] == one.seen_at else (one.seen_at, at)
        if at - self._back_at < SHOW_EVERY:
            return []
        return [one for one in others if at - self._seen[one.id][1] >= SILENT_FOR]

    def _listen(self, news: Sequence[News]) -> None:
        for one in news:
            self._heard = max(self._heard, one.seq)
            listener = self._listeners.get(one.what)  # a newer version may tell of more
            if listener is not None and one.told_by != self.database.instance:
                listener(one.which)

    async def _keep(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.look()
            except Exception:
                # The database may be back the next time; who ends its look-out would be ended.
                log.exception("instances.not_looked_after")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._woken.wait()

    def _began_anew(self, former: str) -> None:
        log.error("instance.begun_anew", former=former, instance=self.database.instance)
        self._begun_anew_at = self._since_boot()
        self.on_begun_anew()
        self._learn_all()
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


def _look(tx: Transaction, *, but: str, after: int) -> _Look:
    return _Look(now=instances.database_now(tx), others=instances.living(tx, but=but), news=cache_news.after(tx, after))


def _nothing(_tx: Transaction) -> None:
    """A commit is enough to show that we live."""
