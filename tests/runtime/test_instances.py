"""An instance beside others: it is ended only when it was silent, and what it had begun it never sends after that.

Two databases are open on one file, each as a process of its own would have it; their seconds since boot are the test's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.domain.outbox import Post, PostKind
from bot.errors import LeaseLost
from bot.network.fence import behind_fence, is_open, require_open
from bot.runtime.clock import Clock, ClockWatch
from bot.runtime.health import Degraded, Health
from bot.runtime.instances import CERTAIN_FOR, SEND_SECONDS, SHOW_EVERY, SILENT_FOR, Instances, NewsKind
from bot.runtime.workers import BackgroundTasks, WorkerPool
from bot.slack.client import VISIBLE_WITHIN
from storage import cache_news, deliveries, meta, outbox
from storage.cache_news import CACHE_NEWS
from storage.engine.database import Database, Transaction, from_text
from storage.engine.membership import work_of
from storage.instances import living
from tests.storage.test_blind_index import opened

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@dataclass(slots=True)
class Time:
    """Seconds since a boot."""

    seconds: float

    def __call__(self) -> float:
        return self.seconds


@dataclass(slots=True, kw_only=True)
class Process:
    """One instance, as a test moves it."""

    database: Database
    instances: Instances
    since_boot: Time
    health: Health
    begun_anew: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.database.instance

    @property
    def fault(self) -> str | None:
        return self.health.degraded.get(Degraded.INSTANCE)

    async def shows(self) -> None:
        """It stores something."""
        await self.database.write(meta.keep, "anything", "at all")

    async def stored(self, name: str) -> str | None:
        return await self.database.read(meta.kept, name)


class Site:
    """All of them, with one passing of time."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._processes: list[Process] = []

    async def starts(self, *, booted: float = 0.0) -> Process:
        """One more; `booted`: so many seconds earlier than the test began."""
        database = await self._stack.enter_async_context(opened(self._folder / "kyc.db"))
        health, since_boot = Health(), Time(booted)
        begun_anew: list[str] = []
        database.membership.since_boot = since_boot
        instances = Instances(
            database=database,
            health=health,
            now=lambda: NOON,
            are_several=True,
            on_begun_anew=lambda: begun_anew.append(database.instance),
        )
        process = Process(
            database=database, instances=instances, since_boot=since_boot, health=health, begun_anew=begun_anew
        )
        await instances.join()
        self._processes.append(process)
        return process

    def passes(self, seconds: float) -> None:
        for each in self._processes:
            each.since_boot.seconds += seconds

    async def look(self, *processes: Process, seconds: float) -> None:
        """These look once a second for so long; whoever is left out is frozen meanwhile."""
        for _second in range(int(seconds)):
            self.passes(1)
            for each in processes:
                with work_of(None), behind_fence(None):  # whatever work the test is in the middle of is not theirs
                    await each.instances.look()


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        yield Site(folder, stack)


async def test_who_is_silent_is_ended_after_half_a_minute_and_not_before(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, other = await our.starts(), await our.starts(booted=86_400)
        await our.look(mine, other, seconds=60)
        assert await mine.database.read(_ids) == sorted([mine.id, other.id])
        # Seen for the first time with the next look.
        await our.look(mine, seconds=SILENT_FOR)
        assert await mine.database.read(_ids) == sorted([mine.id, other.id])
        await our.look(mine, seconds=1)
        assert await mine.database.read(_ids) == [mine.id]
        assert mine.fault is None


async def test_one_that_has_nothing_to_store_shows_itself_all_the_same(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine = await our.starts()
        (before,) = await mine.database.read(living)
        await our.look(mine, seconds=SHOW_EVERY - 1)
        assert (await mine.database.read(living))[0] == before
        await our.look(mine, seconds=1)
        assert (await mine.database.read(living))[0].seen_at > before.seen_at


async def test_one_that_comes_back_just_in_time_is_not_ended(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, other = await our.starts(), await our.starts()
        await our.look(mine, seconds=SILENT_FOR - 1)
        await other.shows()
        await our.look(mine, seconds=SILENT_FOR - 1)
        await other.shows()
        assert await mine.database.read(_ids) == sorted([mine.id, other.id])
        assert (other.begun_anew, other.fault) == ([], None)


async def test_who_comes_back_with_the_server_ends_only_those_that_do_not(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, other, dead = await our.starts(), await our.starts(), await our.starts()
        await our.look(mine, other, seconds=2)
        our.passes(10 * SILENT_FOR)  # there is no server for any of them
        await our.look(mine, seconds=SHOW_EVERY)
        assert dead.id in await mine.database.read(_ids)
        await other.shows()
        await our.look(mine, other, seconds=1)
        assert await mine.database.read(_ids) == sorted([mine.id, other.id])
        assert (other.begun_anew, other.fault) == ([], None)


async def test_who_is_always_slow_to_look_ends_those_that_are_silent(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, other = await our.starts(), await our.starts()
        for _look in range(int(2 * SILENT_FOR / SHOW_EVERY)):
            our.passes(SHOW_EVERY)
            await mine.instances.look()
        assert await mine.database.read(_ids) == [mine.id]
        assert other.begun_anew == []


async def test_a_start_waits_before_it_ends_anybody(tmp_path: Path) -> None:
    """However long ago the database's clock says that it was."""
    async with site(tmp_path) as our:
        other = await our.starts()
        await other.database.write(lambda tx: tx.run("UPDATE instances SET seen_at = '2020-01-01T00:00:00.000000Z'"))
        mine = await our.starts()
        await our.look(mine, seconds=SILENT_FOR - 1)
        assert other.id in await mine.database.read(_ids)
        await our.look(mine, seconds=1)
        assert await mine.database.read(_ids) == [mine.id]


async def test_of_two_that_notice_one_ends_it_and_they_let_each_other_be(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        one, two, gone = await our.starts(), await our.starts(), await our.starts()
        await our.look(one, two, seconds=SILENT_FOR + 1)
        assert await one.database.read(_ids) == sorted([one.id, two.id])
        await our.look(one, two, seconds=60)
        assert (one.begun_anew, two.begun_anew, gone.begun_anew) == ([], [], [])


async def test_who_wakes_after_it_was_ended_goes_on_as_another_and_drops_what_it_had_begun(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, frozen = await our.starts(), await our.starts()
        former = frozen.id
        with frozen.instances.at_work():
            await our.look(mine, seconds=SILENT_FOR + 2)
            # It does not know yet; but that its last commit is too old, it does.
            assert not is_open()
            with pytest.raises(LeaseLost, match=former):
                await frozen.database.write(meta.keep, "work", "of before")
            with pytest.raises(LeaseLost):
                await require_open()
        assert frozen.id != former
        # A person's wish is stored, by whichever instance.
        await frozen.shows()
        assert await mine.stored("anything") == "at all"
        assert await mine.stored("work") is None
        assert await mine.database.read(_ids) == sorted([mine.id, frozen.id])
        assert frozen.begun_anew == [frozen.id]
        assert frozen.fault is not None
        with frozen.instances.at_work():
            await require_open()
            await frozen.database.write(meta.keep, "work", "of now")
        await our.look(mine, frozen, seconds=3600)
        assert frozen.fault is None


async def test_what_waits_for_the_writer_when_it_wakes_is_sorted_out_in_one_commit(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, frozen = await our.starts(), await our.starts()
        with frozen.instances.at_work():
            await our.look(mine, seconds=SILENT_FOR + 2)
            work = asyncio.ensure_future(frozen.database.write(meta.keep, "work", "of before"))
        wish = asyncio.ensure_future(frozen.database.write(meta.keep, "wish", "of a person"))
        done = await asyncio.gather(work, wish, return_exceptions=True)
        assert [type(one) for one in done] == [LeaseLost, type(None)]
        assert await mine.stored("wish") == "of a person"


async def test_a_request_is_sent_at_once_while_the_last_commit_is_young(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine = await our.starts()
        with mine.instances.at_work():
            our.passes(CERTAIN_FOR - SEND_SECONDS - 1)
            await require_open()
            (before,) = await mine.database.read(living)
            our.passes(1)
            # It might be sent when the last commit is too old: first another one shows that this is still us.
            await require_open()
            assert (await mine.database.read(living))[0].seen_at > before.seen_at
            our.passes(CERTAIN_FOR - 1)
            assert is_open()
            our.passes(1)
            assert not is_open()


async def test_what_a_person_waits_for_passes_no_fence(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        await our.starts()
        our.passes(3600)
        await require_open()
        assert is_open()


async def test_a_task_that_work_has_begun_for_everybody_outlives_the_instance(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, frozen = await our.starts(), await our.starts()
        background = BackgroundTasks()
        with frozen.instances.at_work():
            await our.look(mine, seconds=SILENT_FOR + 2)
            background.spawn(frozen.shows())
        await background.done()
        assert await mine.stored("anything") == "at all"


async def test_without_a_commit_for_a_quarter_of_a_minute_it_says_so(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine = await our.starts()
        await mine.instances.look()
        assert mine.fault is None
        await mine.database.close()
        our.passes(16)
        with pytest.raises(Exception, match="closed"):
            await mine.instances.look()
        assert mine.fault == "nothing was stored for 16 s: another instance takes over what this one was doing"


class Posts:
    """The queue of posts, whose work waits for the test."""

    def __init__(self, process: Process, work: Callable[[Post], Awaitable[None]]) -> None:
        self._process = process
        self._work = work

    async def claim(self, limit: int) -> list[Post]:
        return await self._process.database.write(_claim, limit)

    async def give_up(self, rows: Sequence[Post]) -> None:
        """None is kept from its end here."""

    async def work(self, row: Post) -> None:
        await self._work(row)


async def test_the_work_of_a_pool_is_the_instances_that_claimed_it_and_is_dropped_with_it(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, frozen = await our.starts(), await our.starts()
        begun, woken, sent = asyncio.Event(), asyncio.Event(), list[str]()

        async def post(row: Post) -> None:
            begun.set()
            await woken.wait()
            await require_open()
            sent.append(row.id)
            await frozen.database.write(deliveries.done, row.id, channel="D1", ts="1.1", now=NOON)

        await frozen.database.write(
            outbox.enqueue, PostKind.ALERT, key="1", destination="D1", now=NOON, payload={}, ref=None
        )
        pool = WorkerPool("posts", Posts(frozen, post), size=4, at_work=frozen.instances.at_work)
        pool.start()
        await begun.wait()
        await our.look(mine, seconds=SILENT_FOR + 2)
        # It might have sent it as long as it was certain of itself; from then on Slack takes its time to show it.
        shown = NOON - timedelta(seconds=SILENT_FOR - CERTAIN_FOR) + VISIBLE_WITHIN
        assert await mine.database.write(_claim, 4, now=shown - timedelta(milliseconds=1)) == []
        assert [one.id for one in await mine.database.write(_claim, 4, now=shown)] == ["alert:1"]
        woken.set()
        await pool.stop(timedelta(seconds=5))
        # Who has it by now posts it, and says what became of it.
        assert sent == []
        assert await mine.database.read(_is_leased)


async def test_what_one_hears_has_changed_the_others_look_up_anew_and_once(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        one, two = await our.starts(), await our.starts()
        heard: list[tuple[str, str]] = []
        for each in (one, two):

            def listener(which: str, name: str = each.id) -> None:
                heard.append((name, which))

            each.instances.listen({NewsKind.MEMBERS: listener}, learn_all=lambda: None)
        one.instances.tell(NewsKind.MEMBERS, "S1")
        one.instances.tell(NewsKind.PERSON, "U1")
        await one.shows()  # by then it is stored
        await our.look(one, two, seconds=2)
        assert heard == [(two.id, "S1")]
        # Who starts now reads all there is anyway.
        three = await our.starts()
        three.instances.listen({NewsKind.MEMBERS: lambda which: heard.append(("three", which))}, learn_all=lambda: None)
        two.instances.tell(NewsKind.MEMBERS, "C1")
        await two.shows()
        await our.look(one, two, three, seconds=2)
        assert sorted(heard[1:]) == sorted([(one.id, "C1"), ("three", "C1")])


async def test_who_was_away_for_too_long_looks_everything_up_anew(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, frozen = await our.starts(), await our.starts()
        learned: list[bool] = []
        frozen.instances.listen({}, learn_all=lambda: learned.append(True))
        await our.look(mine, seconds=SILENT_FOR + 2)
        assert learned == []
        await frozen.shows()
        await asyncio.sleep(0)
        assert learned == [True]


async def test_news_wake_the_others_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        wakes: list[None] = []
        database.subscribe(CACHE_NEWS, lambda: wakes.append(None))
        several = Instances(database=database, health=Health(), now=lambda: NOON, are_several=True)
        several.tell(NewsKind.PERSON, "U1")
        await database.write(lambda _tx: None)
        await asyncio.sleep(0)
        assert wakes == [None]


async def test_a_job_of_all_is_done_by_one_of_them_and_by_another_once_that_one_has_ended(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        one, two = await our.starts(), await our.starts()
        done: list[str] = []

        async def job(process: Process) -> None:
            done.append(process.id)

        minute = timedelta(minutes=1)
        jobs = [each.instances.once(partial(job, each), "purge", every=minute) for each in (one, two)]
        for _time in range(2):
            for each in jobs:
                await each()
        assert done == [one.id, one.id]
        await our.look(two, seconds=SILENT_FOR + 1)
        await jobs[1]()
        assert done[2:] == [two.id]


async def test_alone_a_job_is_done_without_a_word_to_the_database(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        alone = Instances(database=database, health=Health(), now=lambda: NOON, are_several=False)

        async def job() -> None:
            """Nothing."""

        assert alone.once(job, "purge", every=timedelta(minutes=1)) is job
        assert await alone.take_turn("purge", every=timedelta(minutes=1))
        alone.tell(NewsKind.PERSON, "U1")
        assert await database.read(lambda tx: tx.value("SELECT COUNT(*) FROM turns")) == 0
        assert await database.read(cache_news.newest) == 0
        assert alone.count == 1


async def test_all_of_them_go_by_the_databases_clock(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine = await our.starts()
        # Its own machine shows another time.
        clock = Clock(wall=lambda: NOON, since_boot=mine.since_boot)
        await mine.instances.learn_time()
        clock.follow(mine.instances.clock.now)
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=10)
        assert clock.step() == timedelta(0)
        before = clock.now()
        our.passes(5)
        assert clock.now() - before == timedelta(seconds=5)


async def watching(our: Site) -> tuple[Process, Time, ClockWatch]:
    """An instance, by how much its clock shows later than noon, and who looks after that clock."""
    process, wall = await our.starts(), Time(0)
    watch = ClockWatch(
        clock=Clock(wall=lambda: NOON + timedelta(seconds=wall()), since_boot=process.since_boot),
        database=process.database,
        health=process.health,
        on_step=lambda _step: None,
        are_several=True,
    )
    return process, wall, watch


async def due_at(process: Process) -> datetime:
    return from_text(await process.database.read(lambda tx: tx.value("SELECT due_at FROM posts")))


async def test_one_of_them_moves_the_timers_when_their_clock_is_set(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        hour = timedelta(hours=1)
        clocks = [await watching(our), await watching(our)]
        for _process, _wall, watch in clocks:
            await watch.recover()
        process = clocks[0][0]
        await process.database.write(
            outbox.enqueue, PostKind.ALERT, key="1", destination="D1", now=NOON, payload={}, ref=None
        )
        for times in (1, 2):
            for _process, wall, _watch in clocks:
                wall.seconds += hour.total_seconds()
            for _process, _wall, watch in clocks:
                await watch.tick()
                await watch.tick()
            assert await due_at(process) == NOON + times * hour


async def test_a_clock_that_was_set_back_while_none_looked_delays_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        hour = timedelta(hours=1)
        process, wall, watch = await watching(our)
        wall.seconds = hour.total_seconds()
        await watch.tick()
        await process.database.write(
            outbox.enqueue, PostKind.ALERT, key="1", destination="D1", now=NOON + hour, payload={}, ref=None
        )
        await watch.keep_seen()
        # One starts after it was set back, the other has yet to notice, and a third one starts.
        wall.seconds = 0
        for starts in (1, 2):
            _another, _wall, its_watch = await watching(our)
            await its_watch.recover()
            assert await due_at(process) == NOON, starts
            await watch.keep_seen()  # by a clock that is late
            await watch.tick()
            assert await due_at(process) == NOON, starts


async def test_who_leaves_is_gone_at_once(tmp_path: Path) -> None:
    async with site(tmp_path) as our:
        mine, other = await our.starts(), await our.starts()
        await other.instances.leave()
        assert await mine.database.read(_ids) == [mine.id]


async def test_one_process_of_a_file_stores_nothing_to_show_itself(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        alone = Instances(database=database, health=Health(), now=lambda: NOON, are_several=False)
        await alone.join()
        alone.keep()
        assert not database.membership.joined
        with alone.at_work():
            await require_open()
        await alone.leave()
        assert [one.id for one in await database.read(living)] == [database.instance]


def _ids(tx: Transaction) -> list[str]:
    return sorted(one.id for one in living(tx))


def _claim(tx: Transaction, limit: int, now: datetime = NOON) -> list[Post]:
    return deliveries.claim_due(tx, now=now, until=now + timedelta(minutes=5), limit=limit)


def _is_leased(tx: Transaction) -> bool:
    return tx.exists("SELECT 1 FROM posts WHERE leased_until IS NOT NULL")
