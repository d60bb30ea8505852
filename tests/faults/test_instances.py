"""Two instances on one PostgreSQL server. One is killed or frozen beyond its lease; the other sees to what it has left.

At each request to Slack and Smile ID, and at each commit: before it reaches the server, after the client has gone, and
with its answer on the way back. Most of these show that nothing is lost: a request has been sent by then, and where a
commit follows it refuses what the frozen one wants to go on with.

What only the fence keeps from being done twice is frozen between the last commit and the request that follows it, and
goes on when the other one has done everything (`MOMENTS`): with a fence that is always open each of these turns red.
"""

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import pytest

from tests.faults.counts import Counts
from tests.faults.instances import WORK, Blow, Instance, Several, What, When, several
from tests.faults.stores import PostgresqlStore
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster
from tests.postgresql.proxy import Held, Proxy, proxy_to

pytestmark = [pytest.mark.anyio, pytest.mark.postgresql]

AT_ONCE = 4
PATIENCE = 5 * GIVE_UP_SECONDS
AFTER = ("form", "files.download", "chat.postMessage", "upload", "put", "job_status", "conversations.replies")
"""In the order in which a check brings them about, with commits between them."""
QUIET_SECONDS = 2.0
LATE_SECONDS = 5.0
"""After which a COMMIT that was held reaches the server, its client long gone."""

P = TypeVar("P")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th request of one call, whoever sends it, and what befalls the sender."""

    call: str
    number: int
    blow: Blow

    def __str__(self) -> str:
        return f"{self.blow.what} at {self.call} {self.number}, {self.blow.when}"


@dataclass(frozen=True, slots=True, order=True)
class Commit:
    """The n-th commit after a call, and what becomes of it and of the instance."""

    after: str
    """The first call of this name; or `form`, from the moment that one is asked for."""
    number: int
    what: str
    """`killed`, `frozen`, or `cut`, where its connection breaks and it runs on."""
    when: str
    """`dropped`: it never arrives. `late`: it arrives when nobody waits for it. `answer`: it is stored, unheard."""

    def __str__(self) -> str:
        return f"{self.what} at commit {self.number} after {self.after}, {self.when}"


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A request is about to be sent; nothing more is stored before it."""

    before: str
    stored: str
    """SQL that gives 1 from the commit on that the request follows."""
    milliseconds: int | None = None
    """Since it has heard that it is stored; None: it has not."""

    def __str__(self) -> str:
        when = "unheard" if self.milliseconds is None else f"{self.milliseconds} ms after its commit"
        return f"frozen before {self.before}, {when}"


@asynccontextmanager
async def pair(server: Cluster, *, ports: Sequence[int] = (), begin: bool = True) -> AsyncIterator[Several]:
    """On a database of their own, over these ports where proxies stand before the server."""
    database = await asyncio.to_thread(server.database)
    addresses = [server.address(database).replace(str(server.port), str(port)) for port in ports or [server.port] * 2]
    try:
        async with several(PostgresqlStore(database, [server]), addresses, begin=begin) as world:
            yield world
    finally:
        await asyncio.to_thread(server.drop, database)


async def at_request(server: Cluster, point: Point) -> Counts:
    seen: Counter[str] = Counter()

    def strike(call: str, _sender: Instance) -> Blow | None:
        seen[call] += 1
        return point.blow if (call, seen[call]) == (point.call, point.number) else None

    async with pair(server) as world:
        world.strike = strike
        await world.ask()
        counts = await world.end()
        print(f"\n{point}: stood still for {world.stood_still:.0f} s")
    return counts


async def at_commit(server: Cluster, point: Commit) -> Counts:
    """The one that is struck works alone until then, so that each commit is its own; the other one begins meanwhile."""
    with ExitStack() as stack:
        lines = [stack.enter_context(proxy_to(server.port)) for _ in range(2)]
        async with pair(server, ports=[line.port for line in lines], begin=False) as world:
            struck, other = world.instances
            struck.begin()
            await world.balancer.wait_until_healthy(struck.port)
            await started(world)
            held = Held(answer=point.when == "answer")

            def arm() -> None:
                due = lines[0].commits + point.number
                lines[0].at_commit = lambda count: held if count == due else None

            if point.after == "form":
                arm()
            else:
                world.heard = lambda call: arm() if (call, world.seen[call]) == (point.after, 1) else None
            asking = asyncio.create_task(world.ask())
            await asyncio.to_thread(held.wait)
            world.faults += 1
            if point.what == "killed":
                await struck.kill()
            elif point.what == "frozen":
                struck.freeze()
            elif point.when != "dropped":
                await asyncio.to_thread(held.cut)
            other.begin()
            if point.when == "dropped":
                await asyncio.to_thread(held.drop)
            else:
                await asyncio.sleep(LATE_SECONDS)
                await asyncio.to_thread(held.let_through)
            await asking
            counts = await world.end()
            print(f"\n{point}: stood still for {world.stood_still:.0f} s")
    return counts


async def at_moment(server: Cluster, moment: Moment) -> Counts:
    """It is frozen once its commit is stored, and goes on when the other one has left nothing to do."""
    with ExitStack() as stack:
        lines = [stack.enter_context(proxy_to(server.port)) for _ in range(2)]
        async with pair(server, ports=[line.port for line in lines], begin=False) as world:
            frozen, other = world.instances
            frozen.begin()
            await world.balancer.wait_until_healthy(frozen.port)
            await started(world)
            asking = asyncio.create_task(world.ask())
            async with answers_held(lines[0]) as answers:
                async for held in answers:
                    if await world.store.read(moment.stored) == "1":
                        break
                    await asyncio.to_thread(held.let_through)
                world.faults += 1
                if moment.milliseconds is None:
                    frozen.freeze(PATIENCE)
            await asyncio.to_thread(held.let_through)
            if moment.milliseconds is not None:
                await asyncio.sleep(moment.milliseconds / 1000)
                frozen.freeze(PATIENCE)
            other.begin()
            await asking
            counts = await world.end(also_frozen=False)
            assert counts.clean, f"before it goes on: {counts}"
            print(f"\n{moment}: stood still for {world.stood_still:.0f} s")
            frozen.thaw()
            await world.balancer.wait_until_healthy(frozen.port)
            counts = await world.end()
            if moment.milliseconds is None and counts.clean:
                assert "pool.work_dropped" in frozen.log.read_text(encoding="utf-8"), "it had nothing to go on with"
    return counts


@asynccontextmanager
async def answers_held(line: Proxy) -> AsyncIterator[AsyncIterator[Held]]:
    """Each commit that is stored from now on, one after the other, its answer held until it is let through."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Held]()

    def hold(_count: int) -> Held:
        held = Held(answer=True)
        loop.call_soon_threadsafe(queue.put_nowait, held)
        return held

    async def reached() -> AsyncIterator[Held]:
        while True:
            held = await queue.get()
            await asyncio.to_thread(held.wait)
            yield held

    line.at_commit = hold
    try:
        yield reached()
    finally:
        line.at_commit = None


async def started(world: Several) -> None:
    """Until an instance has asked whatever it asks once after its start, none of which is counted."""
    before = -1
    while before != world.seen.total():
        before = world.seen.total()
        await asyncio.sleep(QUIET_SECONDS)
    world.seen.clear()


async def play(points: Sequence[P], one: Callable[[P], Awaitable[Counts]]) -> dict[P, Counts]:
    """Several at a time, since most of each is waiting; what goes wrong in one is its own."""
    seats = asyncio.Semaphore(AT_ONCE)

    async def seated(point: P) -> Counts:
        async with seats:
            try:
                return await one(point)
            except Exception as fault:  # noqa: BLE001 - the others are worth knowing all the same
                here = [frame for frame in traceback.extract_tb(fault.__traceback__) if "/tests/" in frame.filename]
                where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(here))
                return Counts(asked=1, lost=1, details=[f"{point}: {fault!r} in {where}"])

    return dict(zip(points, await asyncio.gather(*map(seated, points)), strict=True))


def wrong(ends: dict[P, Counts]) -> list[str]:
    return [f"{point}: {counts}" for point, counts in ends.items() if not counts.clean or counts.faults != 1]


MOMENTS = [
    Moment("its request's message", "SELECT COUNT(*) FROM posts WHERE kind = 'request' AND leased_until IS NOT NULL"),
    Moment("its photos", "SELECT COUNT(*) FROM attempts WHERE upload_sealed IS NOT NULL"),
    Moment("its result", "SELECT COUNT(*) FROM posts WHERE kind = 'result' AND leased_until IS NOT NULL"),
]

# At each request

REQUESTS = [
    Point("files.info", 2, Blow(What.KILL, When.AFTER)),
    Point("upload", 1, Blow(What.KILL, When.BEFORE)),
    Point("upload", 1, Blow(What.FREEZE, When.AFTER)),
    Point("put", 1, Blow(What.KILL, When.AFTER)),
    Point("put", 1, Blow(What.FREEZE, When.BEFORE)),
    Point("chat.postMessage", 1, Blow(What.KILL, When.AFTER)),
    Point("chat.postMessage", 2, Blow(What.FREEZE, When.AFTER)),
    Point("chat.update", 1, Blow(What.FREEZE, When.BEFORE)),
]
COMMITS = [
    Commit("form", 1, "cut", "late"),
    Commit("form", 2, "killed", "dropped"),
    Commit("files.download", 1, "frozen", "answer"),
    Commit("chat.postMessage", 1, "cut", "answer"),
    Commit("chat.postMessage", 2, "frozen", "late"),
    Commit("upload", 1, "killed", "late"),
    Commit("upload", 1, "frozen", "answer"),
    Commit("conversations.replies", 1, "killed", "answer"),
]


@pytest.mark.sample
async def test_what_an_instance_leaves_that_is_struck_at_a_request_is_done_once(postgresql: Cluster) -> None:
    assert wrong(await play(REQUESTS, partial(at_request, postgresql))) == []


@pytest.mark.sample
async def test_what_an_instance_leaves_that_is_struck_at_a_commit_is_done_once(postgresql: Cluster) -> None:
    assert wrong(await play(COMMITS, partial(at_commit, postgresql))) == []


@pytest.mark.sample
async def test_what_an_instance_wants_to_send_that_comes_back_is_not_sent(postgresql: Cluster) -> None:
    assert wrong(await play(MOMENTS, partial(at_moment, postgresql))) == []


@pytest.mark.all_faults
async def test_what_an_instance_wants_to_send_that_comes_back_at_any_instant_is_not_sent(postgresql: Cluster) -> None:
    points = [replace(moment, milliseconds=after) for moment in MOMENTS for after in (None, 0, 1, 2, 5, 10, 20, 50)]
    ends = await play(points, partial(at_moment, postgresql))
    print(f"\nfrozen before it sends: {sum(ends.values(), Counts())}")
    assert wrong(ends) == []


@pytest.mark.all_faults
@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("what", What)
async def test_what_an_instance_leaves_that_is_struck_at_any_request_is_done_once(
    postgresql: Cluster, what: What, when: When
) -> None:
    async with pair(postgresql) as world:
        await world.ask()
        assert (await world.end()).clean
        passed = {call: times for call, times in world.seen.items() if call in WORK}
    points = [Point(call, n + 1, Blow(what, when)) for call, times in sorted(passed.items()) for n in range(times)]
    ends = await play(points, partial(at_request, postgresql))
    print(f"\n{what} at every request, {when}: {sum(ends.values(), Counts())}")
    assert [f"{point}: {counts}" for point, counts in ends.items() if not counts.clean] == []
    # How often the record is asked for depends on who comes first.
    assert sum(counts.faults for counts in ends.values()) >= len(points) * 0.8


@pytest.mark.all_faults
@pytest.mark.parametrize("when", ["dropped", "late", "answer"])
@pytest.mark.parametrize("what", ["killed", "frozen", "cut"])
async def test_what_an_instance_leaves_that_is_struck_at_any_commit_is_done_once(
    postgresql: Cluster, what: str, when: str
) -> None:
    points = [Commit(after, number, what, when) for after in AFTER for number in (1, 2)]
    ends = await play(points, partial(at_commit, postgresql))
    print(f"\n{what} at every commit, {when}: {sum(ends.values(), Counts())}")
    assert wrong(ends) == []
