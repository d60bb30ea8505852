"""The bot's clock beside the machine's: what counts as a step, and what moves with it."""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import DatabaseFault
from bot.runtime.clock import Clock, ClockWatch, RemoteClock
from bot.runtime.health import Degraded, Health
from bot.runtime.workers import Scheduler, _Every
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


class Machine:
    """A wall clock and the time since boot, both in the test's hand."""

    def __init__(self) -> None:
        self.wall = NOON
        self.boot = 5_000.0
        self.clock = Clock(wall=lambda: self.wall, since_boot=lambda: self.boot)

    def pass_time(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds

    def set_wall(self, **by: float) -> None:
        self.wall += timedelta(**by)


class Watched:
    def __init__(self, machine: Machine, database: Database) -> None:
        self.steps: list[timedelta] = []
        self.health = Health()
        self.watch = ClockWatch(clock=machine.clock, database=database, health=self.health, on_step=self.steps.append)


@asynccontextmanager
async def watched(folder: Path, machine: Machine) -> AsyncIterator[Watched]:
    database = await Database.open(
        fresh_file.lay(folder / "kyc.db"),
        sealer=Sealer.from_text([Sealer.new_key()]),
        migrate=migrate,
        busy_timeout=timedelta(milliseconds=50),
    )
    try:
        yield Watched(machine, database)
    finally:
        await database.close()


async def test_twenty_small_steps_in_a_row_are_no_step(tmp_path: Path) -> None:
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        for number in range(20):
            machine.pass_time(1)
            machine.set_wall(milliseconds=500 if number % 2 else -500)
            await it.watch.tick()
    assert it.steps == []
    assert it.health.degraded == {}


@pytest.mark.slow
async def test_small_steps_in_one_direction_are_followed_once_they_add_up(tmp_path: Path) -> None:
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        for _number in range(20):
            machine.pass_time(1)
            machine.set_wall(milliseconds=-500)
            await it.watch.tick()
            assert abs(machine.clock.step()) < timedelta(seconds=2)
    assert sum(it.steps, timedelta(0)) == timedelta(seconds=-10)
    # Operators need not be called for two seconds.
    assert it.health.degraded == {}


async def test_between_two_looks_the_bots_clock_goes_on_evenly(tmp_path: Path) -> None:
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        machine.set_wall(hours=-1)
        machine.pass_time(0.5)
        assert machine.clock.now() == NOON + timedelta(seconds=0.5)
        await it.watch.tick()
        assert machine.clock.now() == machine.wall
        assert it.steps == [timedelta(hours=-1)]


async def test_a_laptop_that_slept_has_no_step(tmp_path: Path) -> None:
    """Both go on while it sleeps: what fell due meanwhile is due."""
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        machine.pass_time(8 * 3600)
        await it.watch.tick()
    assert it.steps == []
    assert machine.clock.now() == NOON + timedelta(hours=8)


async def test_a_year_ahead_and_back_is_told_and_leaves_the_time_right(tmp_path: Path) -> None:
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        machine.set_wall(days=365)
        await it.watch.tick()
        assert it.health.degraded["clock_step"] == "set forth by 365 d; since then it shows 2027-11-27 12:00 UTC"
        machine.set_wall(days=-365)
        await it.watch.tick()
        assert it.health.degraded["clock_step"].startswith("set back by 365 d")
        machine.pass_time(3599)
        await it.watch.tick()
        assert "clock_step" in it.health.degraded
        machine.pass_time(1)
        await it.watch.tick()
    assert it.steps == [YEAR, -YEAR]
    assert it.health.degraded == {}


@pytest.mark.slow
async def test_a_step_that_cannot_be_written_is_taken_at_a_later_look(tmp_path: Path) -> None:
    """Another program holds the database: until it lets go, the bot lives by the old time."""
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        machine.set_wall(hours=1)
        with closing(sqlite3.connect(tmp_path / "kyc.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseFault):
                await it.watch.tick()
            assert machine.clock.now() == NOON
            other.execute("ROLLBACK")
        await it.watch.tick()
        assert machine.clock.now() == machine.wall
    assert it.steps == [timedelta(hours=1)]


@pytest.mark.slow
@pytest.mark.parametrize("down_for", [timedelta(0), timedelta(hours=-1), YEAR])
async def test_only_a_clock_set_back_is_seen_at_the_start(tmp_path: Path, down_for: timedelta) -> None:
    machine = Machine()
    async with watched(tmp_path, machine) as it:
        await it.watch.recover()
        await it.watch.keep_seen()
        machine.wall += down_for
        machine.clock = Clock(wall=lambda: machine.wall, since_boot=lambda: 7.0)
        again = Watched(machine, it.watch.database)
        await again.watch.recover()
        assert again.steps == ([down_for] if down_for < timedelta(0) else [])
        # A second restart does not move them again.
        await again.watch.recover()
        assert len(again.steps) <= 1


# Those whom we talk to


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("Fri, 27 Nov 2026 13:00:00 GMT", "this machine is 60 min slow"),
        ("Fri, 27 Nov 2026 11:50:00 GMT", "this machine is 10 min fast"),
        ("Fri, 27 Nov 2026 12:00:59 GMT", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_the_date_on_an_answer_says_whose_clock_is_off(date: str | None, words: str | None) -> None:
    health = Health()
    theirs = RemoteClock(Degraded.CLOCK_AGAINST_SLACK, now=lambda: NOON, steady=lambda: NOON, health=health)
    theirs.heard(date)
    told = health.degraded.get("clock_against_slack")
    assert (told is None) if words is None else (told or "").startswith(words)
    assert (theirs.theirs(NOON) == NOON) is (words is None)
    theirs.heard("Fri, 27 Nov 2026 12:00:00 GMT")
    assert health.degraded == {}
    assert theirs.theirs(NOON) == NOON


def test_their_time_is_known_however_our_clock_is_set_since() -> None:
    machine = Machine()
    slack = RemoteClock(
        Degraded.CLOCK_AGAINST_SLACK, now=machine.clock.now, steady=machine.clock.steady, health=Health()
    )
    slack.heard("Fri, 27 Nov 2026 12:00:00 GMT")
    machine.pass_time(300)
    machine.clock.move(timedelta(hours=-1))
    assert slack.theirs(machine.clock.now()) == NOON + timedelta(seconds=300)


# Ticks


def test_a_year_of_missed_runs_is_one_run() -> None:
    trigger, later = _Every(seconds=60), NOON + YEAR
    assert trigger.get_next_fire_time(NOON, NOON) == NOON + timedelta(seconds=60)
    assert trigger.get_next_fire_time(NOON, later) == later + timedelta(seconds=60)


@pytest.mark.slow
async def test_a_job_that_the_wall_clock_keeps_waiting_runs_when_it_is_due_by_the_loops_time() -> None:
    """As if the clock had been set back an hour: by wall time it is due in an hour."""
    ran = asyncio.Event()

    async def job() -> None:
        ran.set()

    schedule = Scheduler([])
    schedule.every(timedelta(seconds=0.1), job, "job")
    schedule._scheduler.modify_job("job", next_run_time=datetime.now(UTC) + timedelta(hours=1))
    schedule.start()
    try:
        await asyncio.wait_for(ran.wait(), GIVE_UP_SECONDS)
    finally:
        await schedule.stop(timedelta(seconds=1))


async def test_what_is_due_after_a_leap_of_time_runs_at_once_and_nothing_else() -> None:
    ran: list[str] = []
    came = asyncio.Event()

    def job(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            ran.append(name)
            came.set()

        return run

    schedule = Scheduler([])
    schedule.every(timedelta(hours=6), job("six hours"), "six")
    schedule.every(timedelta(hours=9), job("nine hours"), "nine")
    schedule.start()
    try:
        for hours in (2, 2, 2.01, 2):
            await schedule.catch_up(timedelta(hours=hours))
        await asyncio.wait_for(came.wait(), GIVE_UP_SECONDS)
        assert ran == ["six hours"]
        came.clear()
        await schedule.catch_up(timedelta(hours=2))
        await asyncio.wait_for(came.wait(), GIVE_UP_SECONDS)
        assert ran == ["six hours", "nine hours"]
        assert schedule.late is None
    finally:
        await schedule.stop(timedelta(seconds=1))


@pytest.mark.slow
async def test_late_ticks_are_told_and_none_for_long_is_as_without_scheduler() -> None:
    lags: list[float] = []
    came = asyncio.Event()

    def hear(lag: float) -> None:
        lags.append(lag)
        came.set()

    schedule = Scheduler([], on_lag=hear, late_seconds=0.5, dead_seconds=0.8)
    assert _told(schedule) == (False, None)
    schedule.start()
    try:
        assert _told(schedule) == (True, None)
        # The event loop is held up, as by a disk that does not answer.
        time.sleep(2)  # noqa: ASYNC251
        running, late = _told(schedule)
        assert not running
        # Longer than one second if the machine held it up as well.
        assert late is not None
        assert re.fullmatch(r"ticks up to [1-9]\d* s late", late)
        await asyncio.wait_for(came.wait(), GIVE_UP_SECONDS)
        assert schedule.running
        assert lags[0] >= 0.9
        # Told for a while after.
        assert schedule.late is not None
    finally:
        await schedule.stop(timedelta(seconds=1))


def _told(schedule: Scheduler) -> tuple[bool, str | None]:
    return schedule.running, schedule.late
