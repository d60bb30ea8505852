"""Whose turn it is at the writer: what somebody waits for first, nobody never, and no more than can be stored soon."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import DatabaseBusy
from storage.engine.database import Database, Transaction
from storage.engine.group import MOST_TOGETHER, SHARE_OF_OTHERS, WriteJob
from storage.engine.lanes import TURN, WAITING_LIMIT, Lanes, behind, is_behind
from tests.patience import GIVE_UP_SECONDS
from tests.storage.engine.test_database import Held, add, bodies, opened

pytestmark = pytest.mark.anyio


async def in_turn(database: Database, *, first: int, late: int) -> list[str]:
    """Writes of both lanes, all of them waiting at once, those of the lane behind asked for before; as they ran."""
    async with Held(database):
        with behind():
            tasks = [asyncio.create_task(database.write(add, f"behind {number}")) for number in range(late)]
        tasks += [asyncio.create_task(database.write(add, f"first {number}")) for number in range(first)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return await database.read(bodies)


async def test_what_somebody_waits_for_goes_first(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        order = await in_turn(database, first=3, late=30)
    assert order[:3] == ["first 0", "first 1", "first 2"]
    assert order[3:] == [f"behind {number}" for number in range(30)]


@pytest.mark.parametrize("group_seconds", [0.0, 30.0], ids=["one in a commit", "all in one commit"])
async def test_nobody_is_kept_waiting_for_ever(tmp_path: Path, group_seconds: float) -> None:
    async with opened(tmp_path / "kyc.db", group_seconds=group_seconds) as database:
        order = await in_turn(database, first=5 * TURN, late=3)
    places = [place for place, body in enumerate(order) if body.startswith("behind")]
    assert [later - sooner for sooner, later in pairwise(places)] == [TURN, TURN]
    assert places[0] < TURN


async def test_a_commit_ends_when_its_time_is_up_and_the_rest_is_of_the_next(tmp_path: Path) -> None:
    sizes: list[int] = []
    async with opened(
        tmp_path / "kyc.db", group_seconds=0.0, on_commit=lambda size, _seconds: sizes.append(size)
    ) as database:
        numbers = await asyncio.gather(*(database.write(add, str(number)) for number in range(50)))
        assert await database.read(bodies) == [str(number) for number in range(50)]
    assert numbers == [1] * 50
    assert sizes == [1] * 50


async def test_a_commit_for_which_nobody_waits_ends_once_somebody_does(tmp_path: Path) -> None:
    sizes: list[int] = []
    async with opened(tmp_path / "kyc.db", on_commit=lambda size, _seconds: sizes.append(size)) as database:
        under_way, release = threading.Event(), threading.Event()

        def long_one(tx: Transaction) -> int:
            under_way.set()
            release.wait(GIVE_UP_SECONDS)
            return add(tx, "long")

        with behind():
            late = [asyncio.create_task(database.write(long_one))]
            late += [asyncio.create_task(database.write(add, f"behind {number}")) for number in range(3)]
        assert await asyncio.to_thread(under_way.wait, GIVE_UP_SECONDS)
        first = asyncio.create_task(database.write(add, "first"))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, *late)
        assert await database.read(bodies) == ["long", "first", "behind 0", "behind 1", "behind 2"]
    assert sizes == [1, 4]


async def test_what_nobody_waits_for_joins_a_commit_of_somebodys_for_a_part_of_its_time(tmp_path: Path) -> None:
    sizes: list[int] = []
    group_seconds = 0.3

    def slow(tx: Transaction, body: str) -> int:
        time.sleep(group_seconds * SHARE_OF_OTHERS)
        return add(tx, body)

    async with opened(
        tmp_path / "kyc.db", group_seconds=group_seconds, on_commit=lambda size, _seconds: sizes.append(size)
    ) as database:
        async with Held(database):
            with behind():
                late = [asyncio.create_task(database.write(slow, f"behind {number}")) for number in range(2)]
            first = asyncio.create_task(database.write(add, "first"))
            await asyncio.sleep(0)
        await asyncio.gather(first, *late)
        assert await database.read(bodies) == ["first", "behind 0", "behind 1"]
    assert sum(sizes[:2]) < sum(sizes)


async def test_whoever_waits_shares_one_commit_though_one_of_the_bots_own_has_its_turn_among_them(
    tmp_path: Path,
) -> None:
    sizes: list[int] = []
    async with opened(tmp_path / "kyc.db", on_commit=lambda size, _seconds: sizes.append(size)) as database:
        under_way, release = threading.Event(), threading.Event()

        def long_one(tx: Transaction) -> int:
            under_way.set()
            release.wait(GIVE_UP_SECONDS)
            return add(tx, "first of all")

        async with Held(database):
            tasks = [asyncio.create_task(database.write(long_one))]
            tasks += [asyncio.create_task(database.write(add, f"first {number}")) for number in range(30)]
            with behind():
                tasks += [asyncio.create_task(database.write(add, f"behind {number}")) for number in range(4)]
            await asyncio.sleep(0)
        assert await asyncio.to_thread(under_way.wait, GIVE_UP_SECONDS)
        tasks.append(asyncio.create_task(database.write(add, "late")))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)
    # Who held the writer; the 31 who waited together; whoever came meanwhile, with the rest.
    assert len(sizes) <= 3
    assert sizes[1] >= 31


async def test_the_lane_behind_has_its_turn_beside_a_burst_that_goes_together(tmp_path: Path) -> None:
    def keep(tx: Transaction, items: Sequence[str]) -> list[int]:
        return [add(tx, item) for item in items]

    # A commit for each call: what a call of many brings forward passes others by.
    async with opened(tmp_path / "kyc.db", group_seconds=0.0) as database:
        async with Held(database):
            with behind():
                tasks = [asyncio.create_task(database.write(add, f"behind {number}")) for number in range(5)]
            tasks += [asyncio.create_task(database.write_together(keep, f"first {number}")) for number in range(600)]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        order = await database.read(bodies)
    places = [place for place, body in enumerate(order) if body.startswith("behind")]
    assert places[0] <= MOST_TOGETHER + TURN
    assert all(later - sooner <= MOST_TOGETHER + TURN for sooner, later in pairwise(places))


async def test_what_nobody_waits_for_shares_the_next_commit_which_begins_at_once_for_whoever_waits(
    tmp_path: Path,
) -> None:
    sizes: list[int] = []
    async with opened(
        tmp_path / "kyc.db", rest_seconds=GIVE_UP_SECONDS, on_commit=lambda size, _seconds: sizes.append(size)
    ) as database:
        await database.write(add, "before")
        with behind():
            late = []
            for number in range(3):
                late.append(asyncio.create_task(database.write(add, f"behind {number}")))
                # Two turns of the loop: each comes to a writer that would begin with it at once.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        assert await database.read(bodies) == ["before"]
        await database.write(add, "first")
        await asyncio.gather(*late)
        assert await database.read(bodies) == ["before", "first", "behind 0", "behind 1", "behind 2"]
    assert sizes == [1, 4]


async def test_what_nobody_waits_for_is_stored_once_the_writer_has_rested_and_before_it_is_closed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "kyc.db", rest_seconds=0.05) as database:
        with behind():
            await database.write(add, "one")
            await database.write(add, "another")
            task = asyncio.create_task(database.write(add, "last"))
            await asyncio.sleep(0)
        await database.close()
        assert await task == 1


@pytest.mark.slow
async def test_more_than_can_be_stored_soon_is_refused_and_what_waited_is_stored(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        async with Held(database):
            tasks = [asyncio.create_task(database.write(add, str(number))) for number in range(WAITING_LIMIT)]
            await asyncio.sleep(0)
            with pytest.raises(DatabaseBusy, match="nothing was stored"):
                await database.write(add, "too much")
            with pytest.raises(DatabaseBusy):
                database.write_later(add, "too much")
            with behind():
                tasks.append(asyncio.create_task(database.write(add, "behind")))
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        stored = await database.read(bodies)
        assert len(stored) == WAITING_LIMIT + 1
        assert "too much" not in stored
        assert await database.write(add, "again") == 1


async def test_what_is_created_behind_stays_there_and_nothing_else_does() -> None:
    async def lane() -> bool:
        return is_behind()

    with behind():
        within = asyncio.create_task(lane())
    without = asyncio.create_task(lane())
    assert (await within, await without) == (True, False)


@pytest.mark.parametrize("is_said", [True, False], ids=["behind", "read_long"])
async def test_what_reads_for_long_keeps_nobody_waiting(tmp_path: Path, is_said: bool) -> None:
    async with opened(tmp_path / "kyc.db", readers=2) as database:
        await database.write(add, "stored")
        under_way, release = threading.Semaphore(0), threading.Event()

        def read_all(tx: Transaction) -> list[str]:
            under_way.release()
            release.wait(GIVE_UP_SECONDS)
            return bodies(tx)

        if is_said:
            with behind():
                tasks = [asyncio.create_task(database.read(read_all)) for _ in range(4)]
        else:
            tasks = [asyncio.create_task(database.read_long(read_all)) for _ in range(4)]
        for _ in range(2):
            assert await asyncio.to_thread(under_way.acquire, timeout=GIVE_UP_SECONDS)
        # As many as there are connections for it are under way, and two wait for them.
        assert await asyncio.gather(*(database.read(bodies) for _ in range(10))) == [["stored"]] * 10
        assert not under_way.acquire(blocking=False)
        release.set()
        assert await asyncio.gather(*tasks) == [["stored"]] * 4


@given(st.lists(st.tuples(st.sampled_from(["first", "behind", "take"]), st.integers(0, 9), st.integers(0, 9))))
async def test_each_is_taken_once_and_in_its_order(walk: list[tuple[str, int, int]]) -> None:
    lanes, given_, ran = Lanes(), Counter[bool](), []
    for step, many, runs in walk:
        if step == "take":
            taken = lanes.take(many)
            assert len(taken) <= many
            ran += taken[:runs]
            lanes.ran(taken[:runs], left=taken[runs:])
            continue
        for _ in range(many):
            job = WriteJob(str, asyncio.get_running_loop().create_future(), is_behind=step == "behind")
            job.result = given_[job.is_behind]
            given_[job.is_behind] += 1
            lanes.add(job)
    ran += lanes.take(len(lanes))
    assert not len(lanes)
    for lane in (False, True):
        assert [job.result for job in ran if job.is_behind is lane] == list(range(given_[lane]))
