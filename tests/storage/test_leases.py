"""Work that is claimed: by one worker at a time, whatever the machine's clock does to its lease."""

import asyncio
import itertools
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from bot.domain.mentions.incoming import InboxItem, InboxKind
from bot.domain.outbox import PostKind
from bot.sandbox.smile_id import Fault
from bot.submission import checkpoints
from storage import attempts, deliveries, due, inbox, leases, outbox
from storage.engine.database import Transaction
from storage.leases import UnderWay
from tests.journeys.world import StoppedClock, journey
from tests.storage.test_blind_index import opened
from tests.storage.test_deliveries import NOON

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

ITEM = InboxItem(
    id="event:1.2", kind=InboxKind.MESSAGE, channel="C1", ts="1.2", thread_ts=None, user="U1", team="T1", asked_at=NOON
)


@pytest.mark.sqlite("stores nothing")
async def test_work_under_way_is_not_begun_twice() -> None:
    under_way, go_on = UnderWay(), asyncio.Event()
    begun: list[str] = []

    async def work(name: str) -> None:
        begun.append(name)
        await go_on.wait()

    first = asyncio.create_task(under_way.run("K-1", lambda: work("first")))
    other = asyncio.create_task(under_way.run("K-2", lambda: work("other")))
    await asyncio.sleep(0)
    await under_way.run("K-1", lambda: work("second"))
    assert begun == ["first", "other"]
    assert under_way.keys == {"K-1", "K-2"}
    go_on.set()
    await asyncio.gather(first, other)
    assert under_way.keys == frozenset()


@pytest.mark.sqlite("stores nothing")
async def test_work_that_failed_may_be_begun_again() -> None:
    under_way = UnderWay()
    tries: list[int] = []

    async def work() -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("invented")

    with pytest.raises(OSError, match="invented"):
        await under_way.run("K-1", work)
    await under_way.run("K-1", work)
    assert tries == [0, 1]


async def test_a_lease_that_ran_out_puts_what_was_not_sent_in_doubt(tmp_path: Path) -> None:
    """Unless its worker is still at it in this process: then the clock jumped, and nothing was lost."""
    async with journey(tmp_path) as world:
        ref = await world.ask()
        (claimed,) = await world.bot.submission.claim(1)
        assert claimed == ref
        database, minute = world.bot.database, timedelta(minutes=1)
        check = await world.check(ref)
        await database.write(checkpoints.record, check, replaces=None, settings=world.bot.settings, now=world.clock())
        late = world.clock() + timedelta(hours=1)

        assert await database.write(due.claim_due, now=late, until=late + minute, limit=9, under_way=[ref]) == []
        attempt = await database.read(attempts.latest, ref)
        assert attempt is not None
        assert attempt.in_doubt_since is None

        later = late + 2 * minute
        assert await database.write(due.claim_due, now=later, until=later + minute, limit=9) == [ref]
        attempt = await database.read(attempts.latest, ref)
        assert attempt is not None
        assert attempt.in_doubt_since == later


async def test_what_its_worker_has_given_back_is_leased_once_that_worker_has_ended(tmp_path: Path) -> None:
    """Leased while the old worker is still ending, it would be worked on by nobody until the lease ends."""
    async with journey(tmp_path, clock=StoppedClock()) as world:
        world.smile_id.fail_next("put", Fault.reset_before())
        ref = await world.ask()
        submission = world.bot.submission
        (claimed,) = await submission.claim(1)
        work = asyncio.create_task(submission.work(claimed))
        claims: list[list[str]] = []
        while not work.done():
            claims.append(await submission.claim(9))
        # Its answer was lost, and it is due at once: taken again by the first who looks after that.
        assert await submission.claim(9) == [ref]
        assert ref not in itertools.chain(*claims)


@pytest.mark.parametrize("queue", [inbox, deliveries])
async def test_a_row_that_was_given_back_is_not_leased_to_nobody(tmp_path: Path, queue: ModuleType) -> None:
    async with opened(tmp_path / "kyc.db") as database:

        def fill(tx: Transaction) -> str:
            if queue is inbox:
                inbox.keep(tx, ITEM, now=NOON)
                return ITEM.id
            return outbox.enqueue(tx, PostKind.ALERT, key="1", destination="D1", now=NOON, payload={})

        def claim(tx: Transaction, now: datetime, *under_way: str) -> list[str]:
            until = now + timedelta(minutes=1)
            return [row.id for row in queue.claim_due(tx, now=now, until=until, limit=9, under_way=under_way)]

        row = await database.write(fill)
        assert await database.write(claim, NOON, row) == []
        assert await database.write(claim, NOON) == [row]
        assert await database.write(claim, NOON) == []
        # Nobody gave it back: the clock jumped, and its worker goes on with a new lease.
        await database.write(claim, NOON + timedelta(hours=1), row)
        assert await database.write(claim, NOON + timedelta(hours=1)) == []


async def test_every_lease_is_dead_at_the_start(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        assert await world.bot.submission.claim(9) == [ref]
        posts = await world.bot.outbox.claim(9)
        assert posts
        assert await world.bot.submission.claim(9) == []
        assert await world.bot.outbox.claim(9) == []
        await world.bot.database.write(leases.release_all, now=world.clock())
        assert await world.bot.submission.claim(9) == [ref]
        again = await world.bot.outbox.claim(9)
        assert [post.id for post in again] == [post.id for post in posts]
        # Whoever held the lease may have posted it.
        assert all(post.in_doubt_since is not None for post in again)
