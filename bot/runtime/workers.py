"""What runs when: worker pools for what is due, and a scheduler that catches what a wake-up missed.

The only importer of apscheduler. Work lives in our tables, so the scheduler's own memory store is enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot.errors import DatabaseFault, LeaseLost
from bot.network.fence import behind_fence
from storage.engine.lanes import behind
from storage.engine.membership import work_of

log = structlog.get_logger(__name__)

T = TypeVar("T")

TICK_SECONDS = 1.0
LATE_SECONDS = 5.0
"""A tick this late is reported at `/readyz`: the event loop was held up, or the machine was."""
REPORT_LATE_FOR_SECONDS = 300.0
LULL_SECONDS = 0.05
CLAIMS_PER_POOL = 16
"""So many claims fill a pool anew: of one that works on 128 rows, eight end before the next is made."""
AGAIN_IN_SECONDS = 5.0
"""Work that could not be stored is begun again: a disk with room for a claim may have none for what came of it."""
DEAD_SECONDS = 60.0
"""Without a tick for this long nothing timed runs: as if there were no scheduler."""


class Queue(Protocol[T]):
    """A process whose work is due rows of one kind."""

    async def claim(self, limit: int, /) -> Sequence[T]:
        """Lease up to `limit` due rows."""

    async def work(self, row: T, /) -> None:
        """Process one row, and leave it due if that fails."""

    async def give_up(self, rows: Sequence[T], /) -> None:
        """End the leases of rows whose work the database kept from its end, so that they are claimed again."""


class WorkerPool(Generic[T]):
    """Works off one queue, several rows at a time, until none is left; then sleeps until woken.

    Each claim waits for the writer. So tasks that end are followed by one only if the last claim may have left rows
    behind: it was full, or the queue `holds_back` rows for the sake of those under way. Of a large pool some tasks end
    before it, or all that there are. Whatever else makes a row due wakes the pool with its own commit, and the clock's
    tick finds what nothing woke.
    """

    def __init__(
        self,
        name: str,
        queue: Queue[T],
        *,
        size: int,
        holds_back: bool = False,
        at_work: Callable[[], AbstractContextManager[None]] = nullcontext,
        again_in_seconds: float = AGAIN_IN_SECONDS,
    ) -> None:
        """`at_work` is around each claim and the work on what it gave."""
        self._again_in_seconds = again_in_seconds
        self._name = name
        self._at_work = at_work
        self._queue = queue
        self._size = size
        self._holds_back = holds_back
        self._leaves_rows = False
        self._step = max(1, size // CLAIMS_PER_POOL)
        self._ended = 0  # since the last claim
        self._kept_from_end: list[tuple[float, T]] = []
        """Rows that are leased for nothing, each with when it may be claimed again, in the loop's time."""
        self._awake = asyncio.Event()
        self._awake.set()
        self._lull: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        with behind():
            self._loop = asyncio.create_task(self._run(), name=f"pool-{self._name}")

    def wake(self) -> None:
        self._awake.set()

    def wake_in_a_lull(self) -> None:
        """Once nobody has asked for it for `LULL_SECONDS`: for what would be in the way of whatever asks.

        While it is asked for all the time, the clock's tick wakes the pool.
        """
        if self._lull is not None:
            self._lull.cancel()
        self._lull = asyncio.get_running_loop().call_later(LULL_SECONDS, self.wake)

    def wake_in(self, wait: timedelta) -> None:
        asyncio.get_running_loop().call_later(max(0.0, wait.total_seconds()) + 0.01, self.wake)

    async def stop(self, grace: timedelta) -> None:
        """Take no more work, let what is under way finish within the grace, cancel the rest."""
        self._stopping = True
        self._awake.set()
        if self._loop is not None:
            await self._loop
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            await self._awake.wait()
            self._awake.clear()
            try:
                await self._fill()
            except LeaseLost:
                log.warning("pool.claim_dropped", pool=self._name)
            except Exception:
                # The database may be back at the next tick; a pool that died would never claim again.
                log.exception("pool.claim_failed", pool=self._name)

    async def _fill(self) -> None:
        while not self._stopping and (free := self._size - len(self._tasks)) > 0:
            self._ended = 0
            with self._at_work():
                await self._give_up()
                rows = await self._queue.claim(free)
                for row in rows:
                    task = asyncio.create_task(self._one(row))
                    self._tasks.add(task)
                    task.add_done_callback(self._finished)
            self._leaves_rows = self._holds_back or len(rows) >= free
            if len(rows) < free:
                return

    async def _give_up(self) -> None:
        now = asyncio.get_running_loop().time()
        if due := [row for at, row in self._kept_from_end if at <= now]:
            await self._queue.give_up(due)
            self._kept_from_end = [(at, row) for at, row in self._kept_from_end if at > now]

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ended += 1
        if self._leaves_rows and (self._ended >= self._step or not self._tasks):
            self.wake()

    async def _one(self, row: T) -> None:
        try:
            await self._queue.work(row)
        except LeaseLost:
            # Whoever has ended this instance does it.
            log.warning("pool.work_dropped", pool=self._name)
        except DatabaseFault as fault:
            # It may be back long before the lease ends. As soon as a claim can be stored, the work may be too.
            log.warning("pool.work_not_stored", pool=self._name, error=str(fault))
            at = asyncio.get_running_loop().time() + self._again_in_seconds
            self._kept_from_end.append((at, row))
        except Exception:
            # One unit of work: its row stays leased and is due again when the lease ends.
            log.exception("pool.work_failed", pool=self._name)


class _Lag(NamedTuple):
    seconds: float
    at: float
    """In the loop's time."""


class _Every(IntervalTrigger):  # type: ignore[misc]  # APScheduler is untyped
    """One interval after the last time, or after now: missed runs are not counted one by one.

    A clock that jumps a year ahead would have each job count half a million of them, with the event loop waiting.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        due: datetime = super().get_next_fire_time(previous_fire_time, now)
        return due if due > now else now + self.interval


class Scheduler:
    """Wakes the pools each second, and runs the periodic jobs.

    The tick uses the event loop's monotonic time. APScheduler keeps the jobs, but waits by the wall clock: set back an
    hour, it would sleep an hour longer. So the tick knows in monotonic time when each job is due, and runs those that
    APScheduler leaves waiting.
    """

    def __init__(
        self,
        pools: Sequence[WorkerPool[Any]],
        *,
        tick: Callable[[], Awaitable[None]] | None = None,
        on_lag: Callable[[float], None] = lambda _seconds: None,
        late_seconds: float = LATE_SECONDS,
        dead_seconds: float = DEAD_SECONDS,
    ) -> None:
        """`tick` is awaited at each tick before the pools wake; `on_lag` gets how many seconds late each one is."""
        self._late_seconds = late_seconds
        self._dead_seconds = dead_seconds
        self._pools = pools
        self._on_tick = tick
        self._on_lag = on_lag
        self._scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        self._due_at: dict[str, float] = {}
        """By job, in the loop's time, unless it is running; before the start, the wait from then on."""
        self._ticking: asyncio.Task[None] | None = None
        self._ticked_at = 0.0
        self._worst = _Lag(0.0, 0.0)

    def every(
        self, interval: timedelta, job: Callable[[], Awaitable[object]], name: str, *, first_in: timedelta | None = None
    ) -> None:
        """Run `job` each `interval`, never twice at once; a failure is logged.

        The first time after `first_in`, or else after one interval.
        """
        first = {} if first_in is None else {"next_run_time": datetime.now(UTC) + first_in}
        self._due_at[name] = (interval if first_in is None else first_in).total_seconds()
        self._scheduler.add_job(
            self._run,
            # Without a zone it would look each time for the machine's.
            _Every(seconds=interval.total_seconds(), timezone=UTC),
            args=(job, name, interval),
            id=name,
            **first,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        now = asyncio.get_running_loop().time()
        self._due_at = {name: now + wait for name, wait in self._due_at.items()}
        self._ticked_at = now
        self._scheduler.start()
        self._ticking = asyncio.create_task(self._keep_ticking(), name="tick")
        for pool in self._pools:
            pool.start()

    async def catch_up(self, passed: timedelta) -> None:
        """Tick now and run the jobs that are due: so much time has passed without the event loop's counting it."""
        self._due_at = {name: due_at - passed.total_seconds() for name, due_at in self._due_at.items()}
        await self._tick()

    @property
    def running(self) -> bool:
        """False without APScheduler, and when no tick has come for so long that none may ever come."""
        ticks = self._ticking is not None and not self._ticking.done() and self._overdue() < self._dead_seconds
        return ticks and bool(self._scheduler.running)

    @property
    def late(self) -> str | None:
        """A few words if ticks came late in the last minutes, or one is late now."""
        worst = max(
            self._overdue(), self._worst.seconds if self._now() - self._worst.at < REPORT_LATE_FOR_SECONDS else 0.0
        )
        return f"ticks up to {worst:.0f} s late" if worst >= self._late_seconds else None

    async def stop(self, grace: timedelta) -> None:
        """Pause the scheduler, drain the pools, then shut it down: its own shutdown would cancel what runs."""
        if self._scheduler.running:
            self._scheduler.pause()
        if self._ticking is not None:
            self._ticking.cancel()
        await asyncio.gather(*(pool.stop(grace) for pool in self._pools))
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _overdue(self) -> float:
        """How many seconds ago the next tick should have come."""
        return max(0.0, self._now() - self._ticked_at - TICK_SECONDS) if self._ticking is not None else 0.0

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._ticked_at + TICK_SECONDS - self._now()))
            lag, self._ticked_at = self._overdue(), self._now()
            self._on_lag(lag)
            if lag >= self._worst.seconds or self._ticked_at - self._worst.at >= REPORT_LATE_FOR_SECONDS:
                self._worst = _Lag(lag, self._ticked_at)
            try:
                await self._tick()
            except Exception:
                # The database may be back at the next tick; without ticks nothing would ever run again.
                log.exception("schedule.tick_failed")

    async def _tick(self) -> None:
        try:
            if self._on_tick is not None:
                await self._on_tick()
        finally:
            for pool in self._pools:
                pool.wake()
        overdue = [name for name, due_at in self._due_at.items() if self._now() >= due_at + TICK_SECONDS]
        for name in overdue:
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    async def _run(self, job: Callable[[], Awaitable[object]], name: str, interval: timedelta) -> None:
        self._due_at.pop(name, None)
        try:
            with behind():
                await job()
        except Exception:
            # The next run may succeed; the scheduler itself must continue.
            log.exception("schedule.job_failed", job=name)
        finally:
            self._due_at[name] = self._now() + interval.total_seconds()


class BackgroundTasks:
    """Small tasks that nobody awaits, held until done, cancelled at the end: nothing that must survive."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def done(self) -> None:
        """Wait until nothing is running, including what is started meanwhile."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    async def _run(work: Coroutine[Any, Any, None]) -> None:
        try:
            # Whatever has begun it: it has no lease of its own.
            with behind(), work_of(None), behind_fence(None):
                await work
        except Exception:
            # Nobody awaits it, so nothing else would report its failure.
            log.exception("background.failed")
