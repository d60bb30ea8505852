"""Two instances lose what they stand on, again and again while checks are asked for: nothing is lost, nothing doubled.

Their connections to PostgreSQL, the server's process, the primary's machine, for which a synchronous standby steps in;
and, in turn with these, themselves.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import pytest

from tests.faults.counts import Counts
from tests.faults.instances import Several, several
from tests.faults.stores import PostgresqlStore
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster, cluster
from tests.postgresql.cluster import address
from tests.postgresql.proxy import Held, Proxy, proxy_to

pytestmark = [pytest.mark.anyio, pytest.mark.postgresql]

GOAL_SECONDS = 30.0
"""How long work may stand still; said beside what it was."""
HELD_SECONDS = 3.0

CONNECTIONS = ("cut", "cut_late", "cut_answer", "stall")
SERVER = ("restart", "crash", "fail_over", "fence", "lose_standby")
INSTANCES = ("kill", "freeze")
EVERYTHING = CONNECTIONS * 2 + SERVER * 2 + INSTANCES * 2
PATIENCE = 5 * GIVE_UP_SECONDS
"""For the 200 checks: several freezes beyond a lease, one after the other."""


class Site:
    """A primary, its standby, and two instances, each of which reaches either server by a proxy of its own."""

    def __init__(self, world: Several, servers: list[Cluster], lines: Sequence[dict[int, Proxy]]) -> None:
        self.world = world
        self.primary, self.standby = servers
        self._servers = servers
        """All that there ever were, as who reads the database beside the bots knows them."""
        self._lines = lines
        """By instance, and in it by the server's port."""
        self._turn = itertools.cycle((0, 1))

    async def befall(self, what: str) -> None:
        """One of the faults below, by its name."""
        self.world.faults += 1
        await getattr(self, what)()

    async def kill(self) -> None:
        """An instance, which its supervisor starts again at once."""
        await self.world.instances[next(self._turn)].kill()

    async def freeze(self) -> None:
        """An instance, beyond its lease."""
        self.world.instances[next(self._turn)].freeze()

    async def cut(self) -> None:
        """All connections of an instance."""
        await asyncio.to_thread(self._line().cut)

    async def cut_late(self) -> None:
        """The connection on which an instance waits for a COMMIT that reaches the server only afterwards."""
        held = await self._held(answer=False)
        await asyncio.to_thread(held.cut)
        await asyncio.sleep(HELD_SECONDS)
        await asyncio.to_thread(held.let_through)

    async def cut_answer(self) -> None:
        """The connection on which an instance waits for the answer to a COMMIT that is stored."""
        held = await self._held(answer=True)
        await asyncio.to_thread(held.drop)

    async def stall(self) -> None:
        """Nothing comes through between an instance and the server for a while."""
        line = self._line()
        await asyncio.to_thread(line.stall)
        await asyncio.sleep(HELD_SECONDS)
        await asyncio.to_thread(line.flow)

    async def restart(self) -> None:
        """The server, as its service's restart."""
        await asyncio.to_thread(self.primary.restart)

    async def crash(self) -> None:
        """The server, which its supervisor starts again at once."""
        await asyncio.to_thread(self.primary.kill)
        await asyncio.to_thread(self.primary.start)

    async def fail_over(self) -> None:
        """The primary's machine dies, and the standby becomes the primary; after a while there is a standby again."""
        await asyncio.to_thread(self.primary.kill)
        await asyncio.to_thread(self.standby.promote)
        await self._follow()

    async def fence(self) -> None:
        """The primary's machine hangs, the standby becomes the primary, and only then is the other one put down."""
        await asyncio.to_thread(self.primary.freeze)
        await asyncio.to_thread(self.standby.promote)
        await asyncio.to_thread(self.primary.kill)
        await self._follow()

    async def lose_commits(self) -> None:
        """The primary's machine dies, and the standby that becomes the primary has not what it confirmed since."""
        await asyncio.to_thread(self.primary.leave_behind, self.standby)
        await asyncio.sleep(HELD_SECONDS)
        await self.fail_over()

    async def lose_standby(self) -> None:
        """Nothing is confirmed until it is back."""
        await asyncio.to_thread(self.standby.kill)
        await asyncio.sleep(HELD_SECONDS)
        await asyncio.to_thread(self.standby.start)

    async def _follow(self) -> None:
        """A standby again, where the lost primary was."""
        lost, self.primary = self.primary, self.standby
        await asyncio.sleep(HELD_SECONDS)
        self.standby = await asyncio.to_thread(self.primary.standby, instead_of=lost)
        self._servers.append(self.standby)

    def _line(self) -> Proxy:
        return self._lines[next(self._turn)][self.primary.port]

    async def _held(self, *, answer: bool) -> Held:
        held = self._line().hold_commit(answer=answer)
        await asyncio.to_thread(held.wait)
        return held


@asynccontextmanager
async def replicated_site() -> AsyncIterator[Site]:
    with ExitStack() as servers:
        primary = await asyncio.to_thread(servers.enter_context, cluster())
        standby = await asyncio.to_thread(primary.standby)
        database = await asyncio.to_thread(primary.database)
        lines = [
            {server.port: servers.enter_context(proxy_to(server.port)) for server in (primary, standby)}
            for _instance in range(2)
        ]
        addresses = [address(database, *(proxy.port for proxy in line.values())) for line in lines]
        known = [primary, standby]
        async with several(PostgresqlStore(database, known), addresses, is_kept_up=True, pace=18) as world:
            yield Site(world, known, lines)


async def endure(checks: int, faults: Sequence[str]) -> Counts:
    """So many checks, asked for while these faults befall the site, one after the other and evenly spread."""
    async with replicated_site() as site:
        world, begun = site.world, [asyncio.Event() for _ in faults]
        due = [(2 * number + 1) * checks // (2 * len(faults)) for number in range(len(faults))]
        """After how many checks each of them comes."""

        async def ask() -> None:
            for number in range(checks):
                # However fast forms are sent, none is beyond a fault that has yet to come.
                for after, event in zip(due, begun, strict=True):
                    if after < number:
                        await event.wait()
                await world.ask()

        async def befall() -> None:
            for fault, after, event in zip(faults, due, begun, strict=True):
                await world.until_asked(after)
                event.set()
                began = time.monotonic()
                await site.befall(fault)
                print(f"\n{fault}: {time.monotonic() - began:.1f} s", end="")

        async with asyncio.TaskGroup() as both:
            both.create_task(ask())
            both.create_task(befall())
        counts = await world.end(PATIENCE)
        print(f"\n{', '.join(faults)}: {counts}; stood still for {world.stood_still:.1f} s, goal {GOAL_SECONDS:g} s")
    return counts


@pytest.mark.sample
@pytest.mark.parametrize(
    ("checks", "faults"),
    [
        pytest.param(8, ["cut", "cut_late", "cut_answer", "stall"], id="connections"),
        pytest.param(8, ["restart", "lose_standby", "crash"], id="server"),
        pytest.param(8, ["fail_over"], id="failover"),
        pytest.param(8, ["fence"], id="fence"),
    ],
)
async def test_two_instances_that_lose_their_server_lose_nothing_and_double_nothing(
    checks: int, faults: list[str]
) -> None:
    counts = await endure(checks, faults)
    assert counts.clean, counts
    assert (counts.asked, counts.faults) == (checks, len(faults))


@pytest.mark.sample
async def test_two_instances_double_nothing_though_a_failover_loses_what_was_confirmed() -> None:
    """Commits wait for no standby. That the checks are asked for is all that the one that takes over knows."""
    async with replicated_site() as site:
        await asyncio.to_thread(site.primary.wait_for_none)
        for _check in range(8):
            await site.world.ask()
        sent = Counter(site.world.seen)
        await site.befall("lose_commits")
        done = site.world.seen - sent
        counts = await site.world.end(PATIENCE)
        lines = await site.world.store.read("SELECT COUNT(*) FROM audit WHERE act = 'database.restored'")
    print(f"\n{counts}; stood still for {site.world.stood_still:.1f} s, goal {GOAL_SECONDS:g} s")
    assert done["put"] + done["chat.postMessage"] > 0, "nothing was done that could be lost"
    assert (counts.lost, counts.submitted_twice, counts.posted_twice) == (0, 0, 0), counts
    # Whoever misses what was confirmed to it tells the admins, and nobody else hears of anything.
    assert all(detail.startswith("elsewhere: 'kyc-bot needs an admin: Record altered") for detail in counts.details)
    assert lines == "1"


@pytest.mark.all_faults
@pytest.mark.parametrize("faults", [CONNECTIONS * 5, SERVER * 3, INSTANCES * 5, EVERYTHING], ids=len)
async def test_two_instances_lose_nothing_of_200_checks_whatever_befalls_them(faults: Sequence[str]) -> None:
    order = random.Random(200).sample(faults, len(faults))
    counts = await endure(200, order)
    assert counts.clean, counts
    assert (counts.asked, counts.faults) == (200, len(faults))
