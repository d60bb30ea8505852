"""A server that takes over without the last commits: nothing is sent twice on the strength of what is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.outbox import Post, PostKind
from bot.errors import LeaseLost
from storage import attempts, checks, deliveries, due, instances, meta, outbox
from storage.engine.database import Database, Transaction
from storage.engine.membership import work_of
from storage.instances import Instance
from tests.postgresql import Cluster, cluster
from tests.storage.engine.test_macs import fill
from tests.storage.postgresql.test_commits import Site, count_up
from tests.storage.test_trail_check import found

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.postgresql]

SEARCHED_IN = timedelta(seconds=10)
ASKED = datetime(2026, 11, 29, 12, tzinfo=UTC)
REQUEST = Request(
    requester="U1",
    team="T1",
    channel="C1",
    thread_ts=None,
    view_id="V-2",
    country="NG",
    id_type="BVN",
    id_info={"id_number": "00000000000"},
    customer_reference="invented",
    photos=(PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id="F1"),),
    consent_at=ASKED,
)


@dataclass(slots=True, kw_only=True)
class Pair:
    """Two instances on a primary, with a standby that has the beginning alone."""

    site: Site
    primary: Cluster
    standby: Cluster
    one: Database
    other: Database

    async def fail_over(self) -> None:
        """The standby takes over with what it has."""
        await asyncio.to_thread(self.primary.kill)
        await asyncio.to_thread(self.standby.promote)

    def sql(self, statement: str) -> str:
        return self.standby.sql(statement, database=self.site.name)

    def lines(self) -> Sequence[str]:
        """Who has said in the trail that the database is older."""
        return self.sql("SELECT actor FROM audit WHERE act = 'database.restored'").split()


def now() -> datetime:
    return datetime.now(UTC)


def claim(tx: Transaction) -> tuple[list[Post], list[str]]:
    """Posts and checks that are due, for a minute."""
    until = now() + timedelta(minutes=1)
    return (
        deliveries.claim_due(tx, now=now(), until=until, limit=8),
        due.claim_due(tx, now=now(), until=until, limit=8),
    )


def send(tx: Transaction, post: Post, ref: str) -> None:
    """As after the answers of Slack and Smile ID."""
    deliveries.done(tx, post.id, channel="C1", ts="1.1", now=now())
    job = attempts.record(tx, ref=ref, asked_at=ASKED, now=now()).job_id
    attempts.sent(tx, job, now=now(), ask_at=now())


@asynccontextmanager
async def pair(*, waits: bool = False) -> AsyncIterator[Pair]:
    """With a check and a post that are due, and both servers have that."""
    with cluster() as primary:
        site, standby = Site(primary), primary.standby()
        async with AsyncExitStack() as stack:
            ports = primary.port, standby.port
            one, other = [await stack.enter_async_context(site.opened(*ports)) for _ in range(2)]
            await one.write(meta.check_key)
            await one.write(fill, "K-1")
            await one.write(lambda tx: tx.run("DELETE FROM posts"))
            await one.write(outbox.enqueue, PostKind.RESULT, key="result", destination="C1", ref="K-1", now=now())
            await one.write(checks.add, REQUEST, ref="K-2", now=ASKED)
            for database in (one, other):
                await database.write(instances.join, now=now())
                database.membership.joined = True
            if not waits:
                await asyncio.to_thread(primary.wait_for_none)
                for database in (one, other):
                    await database.write(count_up)  # it stands in what it stores that commits wait for nobody
                await asyncio.to_thread(primary.leave_behind, standby)
            yield Pair(site=site, primary=primary, standby=standby, one=one, other=other)


async def silent_ones(database: Database, *others: Database) -> list[Instance]:
    known = {database.instance, *(other.instance for other in others)}
    return [found for found in await database.read(instances.living) if found.id not in known]


@pytest.mark.parametrize("first", ["who lost a commit", "who lost none"])
async def test_nobody_sends_what_another_may_have_sent_by_a_commit_that_is_lost(first: str) -> None:
    async with pair() as site:
        one, other = site.one, site.other
        # What the standby never hears of.
        former = one.instance
        [[post], [ref]] = await one.write(claim)
        assert (post.in_doubt_since, ref) == (None, "K-2")
        await one.write(send, post, ref)
        await one.write(checks.also_asked_by, "K-1", "U7")
        await site.fail_over()

        order = (one, other) if first == "who lost a commit" else (other, one)
        for database in order:
            await database.write(count_up)
        # What was begun before is sent no more: whoever was sending it has ended, as far as anybody knows.
        assert one.instance != former
        with work_of(former), pytest.raises(LeaseLost):
            await one.write(send, post, ref)
        # Nor does anybody else, as long as it might still be on its way.
        for database in order:
            assert await database.write(claim) == ([], [])
        [silent] = await silent_ones(one, other)
        assert await other.write(instances.end, silent, now=now(), searched_in=SEARCHED_IN)
        # Then Slack is searched, once it shows what it has, and Smile ID is asked whether it has the job.
        assert await other.write(claim) == ([], [ref])
        attempt = await other.write(attempts.record, ref=ref, asked_at=ASKED, now=now())
        assert attempt.in_doubt_since is not None
        site.sql("UPDATE posts SET due_at = created_at")
        [[again], []] = await one.write(claim)
        assert (again.id, again.in_doubt_since is not None) == (post.id, True)
        await assert_whole(site)


async def assert_whole(site: Pair) -> None:
    """It was noticed once, and who has lost something says so; but nobody takes it for a thief's work for ever."""
    assert site.one.is_older
    assert not site.other.is_older
    async with site.site.opened(site.standby.port) as third:
        await third.write(count_up)
        for database in (site.one, site.other, third):
            await database.write(checks.also_asked_by, "K-1", database.instance)
            assert not (await database.read(checks.get, "K-1")).is_altered
            assert await found(database) == []
            assert not database.is_trail_broken
        assert not third.is_older
    assert site.lines() == ["kyc-bot"]


async def test_it_is_noticed_by_the_next_start_though_nobody_is_left_who_lost_anything() -> None:
    async with pair() as site:
        [[_post], [_ref]] = await site.one.write(claim)
        await site.fail_over()
        async with site.site.opened(site.standby.port) as third:
            await third.write(instances.join, now=now())
            third.membership.joined = True
            assert await third.write(claim) == ([], [])
            [silent] = await silent_ones(third)
            assert await third.write(instances.end, silent, now=now(), searched_in=timedelta(0))
            [[post], [_ref]] = await third.write(claim)
            assert post.in_doubt_since is not None
        assert site.lines() == ["kyc-bot"]


async def test_nothing_is_doubted_after_a_failover_to_a_standby_that_commits_waited_for() -> None:
    async with pair(waits=True) as site:
        await site.fail_over()
        for database in (site.one, site.other):
            await database.write(count_up)
        [[post], [_ref]] = await site.one.write(claim)
        assert post.in_doubt_since is None
        assert site.lines() == []


async def test_nor_when_the_same_server_comes_back() -> None:
    with cluster() as server:
        site = Site(server)
        async with site.opened() as database:
            await database.write(fill, "K-1")
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await database.write(count_up)
        async with site.opened() as database:
            await database.write(count_up)
        assert site.sql("SELECT COUNT(*) FROM audit WHERE act = 'database.restored'") == "0"
