"""Which process runs when: crews that work off what is due, and the clock that catches what a wake-up missed.

The only importer of apscheduler. Jobs live in our tables, so the scheduler's own memory store is enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = structlog.get_logger(__name__)

T = TypeVar("T")

TICK_SECONDS = 1
REFRESH_ACCESS = timedelta(minutes=10)
REFRESH_PRODUCTS = timedelta(hours=24)
LOOK_FOR_BACKUPS = timedelta(minutes=1)
FIRST_BACKUP = timedelta(seconds=2)
FIRST_SUMMARIES = timedelta(seconds=1)


class Crew(Generic[T]):
    """Works off one kind of due rows, several at a time, until none is left; then sleeps until woken."""

    def __init__(
        self,
        name: str,
        *,
        claim: Callable[[int], Awaitable[Sequence[T]]],
        work: Callable[[T], Awaitable[None]],
        size: int,
    ) -> None:
        """`claim(n)` leases up to n rows; `work(row)` deals with one and leaves it due if it fails."""
        self.name = name
        self._claim = claim
        self._work = work
        self._size = size
        self._awake = asyncio.Event()
        self._awake.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name=f"crew-{self.name}")

    def wake(self) -> None:
        self._awake.set()

    def wake_in(self, wait: timedelta) -> None:
        asyncio.get_running_loop().call_later(max(0.0, wait.total_seconds()) + 0.01, self.wake)

    @property
    def idle(self) -> bool:
        """Nothing under way and nothing woken."""
        return not self._tasks and not self._awake.is_set()

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
            except Exception:
                # The database may be back at the next tick; a crew that died would never look again.
                log.exception("crew.claim_failed", crew=self.name)

    async def _fill(self) -> None:
        while not self._stopping and (free := self._size - len(self._tasks)) > 0:
            rows = await self._claim(free)
            for row in rows:
                task = asyncio.create_task(self._one(row))
                self._tasks.add(task)
                task.add_done_callback(self._finished)
            if len(rows) < free:
                return

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()

    async def _one(self, row: T) -> None:
        try:
            await self._work(row)
        except Exception:
            # One unit of work: its row stays leased and is due again when the lease ends.
            log.exception("crew.work_failed", crew=self.name)


class Schedule:
    """The clock: wakes the crews each second and refreshes what is kept in memory."""

    def __init__(self, crews: Sequence[Crew[Any]]) -> None:
        self._crews = crews
        self._scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})

    def every(
        self,
        interval: timedelta,
        job: Callable[[], Awaitable[object]],
        name: str,
        *,
        first_in: timedelta | None = None,
    ) -> None:
        """Run `job` each `interval`, never twice at once; a failure is logged and the next run comes.

        The first time after `first_in`, or else after one interval.
        """
        first = {} if first_in is None else {"next_run_time": datetime.now(UTC) + first_in}
        self._scheduler.add_job(
            _guarded,
            "interval",
            seconds=interval.total_seconds(),
            args=(job, name),
            id=name,
            **first,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        self._scheduler.add_job(self._tick, "interval", seconds=TICK_SECONDS, id="tick", misfire_grace_time=None)
        self._scheduler.start()
        for crew in self._crews:
            crew.start()

    @property
    def running(self) -> bool:
        return bool(self._scheduler.running)

    async def stop(self, grace: timedelta) -> None:
        """Pause the clock, drain the crews, then let the clock go: its own waiting would cancel what runs."""
        if self._scheduler.running:
            self._scheduler.pause()
        await asyncio.gather(*(crew.stop(grace) for crew in self._crews))
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _tick(self) -> None:
        for crew in self._crews:
            crew.wake()


class Background:
    """Small tasks that nobody awaits, held until done, cancelled at the end: nothing that must survive."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def done(self) -> None:
        """Wait until nothing is under way, what is begun meanwhile included."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    async def _run(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            # Nobody awaits it, so nobody else would ever hear of its fault.
            log.exception("background.failed")


async def _guarded(job: Callable[[], Awaitable[object]], name: str) -> None:
    try:
        await job()
    except Exception:
        # The next run may find things mended; the scheduler itself must go on.
        log.exception("schedule.job_failed", job=name)
