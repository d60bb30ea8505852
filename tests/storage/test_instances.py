"""Several instances on one database: nobody takes what a living one has, and everything of one that has ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import __version__
from bot.domain.check.check import Request
from bot.domain.mentions.incoming import InboxItem, InboxKind, MessageIds
from bot.domain.outbox import PostKind
from bot.domain.privacy.slack_removals import Removal, RemovalPlace
from bot.domain.results.attempt import Step
from storage import (
    attempts,
    batches,
    cache_news,
    checks,
    deliveries,
    due,
    home_tabs,
    inbox,
    instances,
    leases,
    outbox,
    pauses,
    slack_removals,
    turns,
)
from storage.engine.database import Database, Transaction
from storage.instances import Instance
from tests.storage.test_blind_index import ask, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
VISIBLE = timedelta(seconds=10)
OURS, THEIRS = "i-ours", "i-theirs"
ITEM = InboxItem(
    id="event:1.2", kind=InboxKind.MESSAGE, channel="C1", ts="1.2", thread_ts=None, user="U1", team="T1", asked_at=NOON
)


@dataclass(frozen=True, slots=True)
class Work:
    """One of the queues."""

    fill: Callable[[Transaction], object]
    claim: Callable[[Transaction, datetime, datetime], Sequence[object]]


def _job(tx: Transaction) -> None:
    attempts.ask_soon(tx, ask(tx, "K-1", number="12345678901", selfie="ada"), at=NOON)


def _batch(tx: Transaction) -> None:
    message = MessageIds(channel="C1", ts="1.2", thread_ts=None, user="U1", team="T1")
    batches.add(tx, "B-1", message, ["F1"], now=NOON)


def _removal(tx: Transaction) -> None:
    slack_removals.add(tx, "K-1", [(Removal.FILE, RemovalPlace(file="F1"), None)], at=NOON)


def _keep(tx: Transaction) -> None:
    """Kept by nobody who lives."""
    inbox.keep(tx, ITEM, now=NOON)
    tx.run("UPDATE inbox SET leased_by = NULL")


WORK = {
    "checks": Work(
        lambda tx: ask(tx, "K-1", number="12345678901", selfie="ada"),
        lambda tx, now, until: due.claim_due(tx, now=now, until=until, limit=9),
    ),
    "jobs": Work(_job, lambda tx, now, until: attempts.claim_due(tx, now=now, until=until, limit=9)),
    "posts": Work(
        lambda tx: outbox.enqueue(tx, PostKind.ALERT, key="1", destination="D1", now=NOON, payload={}),
        lambda tx, now, until: deliveries.claim_due(tx, now=now, until=until, limit=9),
    ),
    "files": Work(_batch, lambda tx, now, until: batches.claim_due(tx, now=now, until=until, limit=9)),
    "inbox": Work(_keep, lambda tx, now, until: inbox.claim_due(tx, now=now, until=until, limit=9)),
    "removals": Work(_removal, lambda tx, now, until: slack_removals.claim_due(tx, now=now, until=until, limit=9)),
    "tabs": Work(
        lambda tx: home_tabs.opened(tx, "U1", now=NOON),
        lambda tx, now, until: home_tabs.claim_due(tx, now=now, until=until, limit=9),
    ),
}

KEYS = {
    "checks": ("verifications", "ref"),
    "jobs": ("attempts", "job_id"),
    "posts": ("posts", "id"),
    "files": ("batches", "id"),
    "inbox": ("inbox", "id"),
    "removals": ("slack_removals", "id"),
    "tabs": ("homes", "person"),
}
"""Where its rows are, and what each is known by."""


def join(tx: Transaction) -> None:
    instances.join(tx, now=NOON)


def prove(tx: Transaction, database: Database) -> bool:
    return database.membership.prove(tx.connection)


async def both(database: Database) -> None:
    """Ours, at last, and theirs."""
    for instance in (THEIRS, OURS):
        database.instance = instance
        await database.write(join)


async def claims(database: Database, work: Work, instance: str, now: datetime) -> int:
    """How much this instance claims for a minute."""
    database.instance = instance
    claimed = await database.write(work.claim, now, now + MINUTE)
    database.instance = OURS
    return len(claimed)


async def theirs(database: Database) -> Instance:
    (found,) = await database.read(instances.living, but=OURS)
    return found


async def end_theirs(database: Database, now: datetime) -> bool:
    return await database.write(instances.end, await theirs(database), now=now, searched_in=VISIBLE)


@pytest.mark.parametrize("queue", WORK)
async def test_what_a_living_instance_has_leased_is_nobody_elses_however_late_it_is(tmp_path: Path, queue: str) -> None:
    work = WORK[queue]
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(lambda tx: work.fill(tx) and None)
        assert await claims(database, work, THEIRS, NOON) == 1
        # Its lease is over by our clock, which may be an hour ahead of its own.
        assert await claims(database, work, OURS, NOON + HOUR) == 0
        # By its own clock it is over, too: it takes the row again, and nobody had it meanwhile.
        assert await claims(database, work, THEIRS, NOON + 2 * MINUTE) == 1
        assert await end_theirs(database, NOON + HOUR)
        assert await claims(database, work, OURS, NOON + HOUR + VISIBLE) == 1
        assert await claims(database, work, OURS, NOON + HOUR + VISIBLE) == 0


@pytest.mark.parametrize("queue", WORK)
async def test_what_nobody_living_has_leased_is_free_once_its_lease_is_over(tmp_path: Path, queue: str) -> None:
    """Such as the lease of a process whose row was taken away."""
    work = WORK[queue]
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(lambda tx: work.fill(tx) and None)
        assert await claims(database, work, "i-nobody", NOON) == 1
        assert await claims(database, work, OURS, NOON) == 0
        assert await claims(database, work, OURS, NOON + 2 * MINUTE) == 1


@pytest.mark.parametrize("queue", WORK)
async def test_a_lease_that_is_given_up_is_over_for_its_instance_alone(tmp_path: Path, queue: str) -> None:
    """Its worker could not store what it had done: the lease counts as one that ran out."""
    work, (table, key) = WORK[queue], KEYS[queue]
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(lambda tx: work.fill(tx) and None)
        assert await claims(database, work, THEIRS, NOON) == 1
        values = await database.read(lambda tx: tx.column(f"SELECT {key} FROM {table}"))  # noqa: S608 - from a test
        await database.write(leases.give_up, table, key, values, now=NOON)
        assert await claims(database, work, THEIRS, NOON) == 0
        database.instance = THEIRS
        await database.write(leases.give_up, table, key, values, now=NOON)
        assert await claims(database, work, OURS, NOON) == 0
        assert await claims(database, work, THEIRS, NOON) == 1


async def test_a_conversation_has_one_post_on_its_way_over_all_instances(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        for key, lane in (("1", "D1"), ("2", "D1"), ("3", "D2")):
            await database.write(
                outbox.enqueue, PostKind.ALERT, key=key, destination=lane, now=NOON, payload={}, ref=None
            )

        def claim(tx: Transaction, now: datetime) -> list[str]:
            posts = deliveries.claim_due(tx, now=now, until=now + MINUTE, limit=1)
            return [post.id for post in posts]

        database.instance = THEIRS
        assert await database.write(claim, NOON) == ["alert:1"]
        database.instance = OURS
        assert await database.write(claim, NOON) == ["alert:3"]
        assert await database.write(claim, NOON + HOUR) == ["alert:3"]
        await database.write(deliveries.done, "alert:1", channel="D1", ts="1.1", now=NOON)
        assert await database.write(claim, NOON) == ["alert:2"]


async def test_of_an_instance_that_has_ended_everything_it_was_sending_is_in_doubt(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        mine = await database.write(ask, "K-1", number="12345678901", selfie="ada")
        await database.write(lambda tx: tx.run("UPDATE verifications SET due_at = NULL"))
        job = await database.write(ask, "K-2", number="12345678902", selfie="bea")
        await database.write(lambda tx: tx.run("UPDATE posts SET state = 'done'") and None)
        await database.write(outbox.enqueue, PostKind.ALERT, key="1", destination="D1", now=NOON, payload={})
        for queue in ("checks", "posts"):
            assert await claims(database, WORK[queue], THEIRS, NOON) == 1
        later = NOON + HOUR
        assert await end_theirs(database, later)
        attempt, other = [await database.read(attempts.get, one) for one in (job, mine)]
        assert (attempt.step, attempt.in_doubt_since) == (Step.RECORDED, later)
        assert other.in_doubt_since is None
        # Whenever it may have been posted, by then Slack shows it: it is searched for, and not posted again.
        assert await claims(database, WORK["posts"], OURS, later) == 0
        (post,) = await database.write(WORK["posts"].claim, later + VISIBLE, later + MINUTE)
        assert getattr(post, "in_doubt_since") == NOON  # noqa: B009 - whatever a queue holds


async def test_of_two_that_notice_at_once_one_takes_over(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        seen = await theirs(database)
        assert [
            await database.write(instances.end, seen, now=NOON + MINUTE, searched_in=VISIBLE) for _ in range(2)
        ] == [True, False]


async def test_one_that_shows_itself_before_it_is_ended_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        seen = await theirs(database)
        database.instance = THEIRS
        assert await database.write(prove, database)
        database.instance = OURS
        assert not await database.write(instances.end, seen, now=NOON + MINUTE, searched_in=VISIBLE)
        assert (await theirs(database)).seen_at != seen.seen_at
        assert await end_theirs(database, NOON + MINUTE)
        database.instance = THEIRS
        assert not await database.write(prove, database)


async def test_one_that_leaves_gives_everything_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(lambda tx: WORK["files"].fill(tx) and None)
        assert await claims(database, WORK["files"], OURS, NOON) == 1
        await database.write(instances.leave, now=NOON, searched_in=VISIBLE)
        assert [one.id for one in await database.read(instances.living)] == [THEIRS]
        assert await claims(database, WORK["files"], THEIRS, NOON) == 1


async def test_a_message_is_answered_by_the_instance_that_heard_it(tmp_path: Path) -> None:
    """It alone can answer where the message stands, and has its text in memory."""
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        database.instance = THEIRS
        await database.write(inbox.keep, ITEM, now=NOON)
        assert await claims(database, WORK["inbox"], OURS, NOON + HOUR) == 0
        assert await claims(database, WORK["inbox"], THEIRS, NOON) == 1
        database.instance = THEIRS
        await database.write(inbox.reschedule, ITEM.id, at=NOON)
        assert await claims(database, WORK["inbox"], OURS, NOON) == 0
        await end_theirs(database, NOON)
        assert await claims(database, WORK["inbox"], OURS, NOON) == 1


async def test_an_edit_leaves_a_check_to_the_other_instance_that_prepares_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(ask, "K-1", number="12345678901", selfie="ada")
        assert await claims(database, WORK["checks"], THEIRS, NOON) == 1

        def edit(tx: Transaction) -> None:
            check = checks.get(tx, "K-1")
            checks.edit(tx, "K-1", _same(tx, check.ref), due_at=NOON, let_pass=(), paused=timedelta(0), now=NOON)

        async def goes_on(instance: str, now: datetime) -> bool:
            database.instance = instance
            return await database.write(due.lease_again, "K-1", now=now, until=now + MINUTE)

        database.instance = OURS
        await database.write(edit)
        assert await claims(database, WORK["checks"], OURS, NOON) == 0
        assert not await goes_on(OURS, NOON)
        assert await goes_on(THEIRS, NOON)
        # Edited where it is prepared, it may be taken by either, and then the first has it no more.
        database.instance = THEIRS
        await database.write(edit)
        assert await claims(database, WORK["checks"], OURS, NOON) == 1
        assert not await goes_on(THEIRS, NOON)
        # Not due any more, it is given back.
        assert not await goes_on(OURS, NOON - MINUTE)
        assert await claims(database, WORK["checks"], THEIRS, NOON) == 1


def _same(tx: Transaction, ref: str) -> Request:
    check = checks.get(tx, ref)
    return Request(
        requester=check.requester,
        team="T0ACME00001",
        channel=check.channel,
        thread_ts=None,
        view_id="V-edit",
        country=check.country,
        id_type=check.id_type,
        id_info=check.id_info,
        customer_reference="",
        photos=tuple(checks.photos(tx, ref)),
        consent_at=NOON,
    )


async def test_an_answer_is_delivered_by_the_instance_that_has_it_in_memory(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        database.instance = THEIRS
        await database.write(outbox.enqueue, PostKind.ANSWER, key="1", destination="D1", now=NOON, payload={})
        await database.write(outbox.enqueue, PostKind.ALERT, key="2", destination="D1", now=NOON, payload={})

        def claim(tx: Transaction) -> list[str]:
            return [post.id for post in deliveries.claim_due(tx, now=NOON, until=NOON + MINUTE, limit=9)]

        database.instance = OURS
        assert await database.write(claim) == ["alert:2"]
        await database.write(deliveries.done, "alert:2", channel="D1", ts="1.1", now=NOON)
        assert await database.write(claim) == []
        await end_theirs(database, NOON)
        assert await database.write(claim) == ["answer:1"]


async def test_where_slack_has_asked_to_wait_nobody_posts_meanwhile(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(WORK["posts"].fill)
        await database.write(pauses.keep, "D1", until=NOON + HOUR, now=NOON)
        # A shorter one does not end it.
        await database.write(pauses.keep, "D1", until=NOON + MINUTE, now=NOON)
        await database.write(pauses.keep, "D2", until=NOON + MINUTE, now=NOON)
        for instance in (OURS, THEIRS):
            assert await claims(database, WORK["posts"], instance, NOON + 2 * MINUTE) == 0
        assert await claims(database, WORK["posts"], THEIRS, NOON + HOUR) == 1
        await database.write(pauses.keep, "D3", until=NOON + 2 * HOUR, now=NOON + HOUR)
        assert await database.read(lambda tx: tx.column("SELECT lane FROM pauses")) == ["D3"]


async def test_a_turn_is_one_instances_until_it_is_over_or_that_one_has_ended(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)

        async def takes(instance: str, now: datetime) -> bool:
            database.instance = instance
            return await database.write(turns.take, "purge", until=now + MINUTE, now=now)

        assert [await takes(THEIRS, NOON), await takes(OURS, NOON)] == [True, False]
        assert [await takes(THEIRS, NOON), await takes(OURS, NOON + MINUTE)] == [True, True]
        assert not await takes(THEIRS, NOON + MINUTE)
        assert await takes(THEIRS, NOON + 2 * MINUTE)
        database.instance = OURS
        await end_theirs(database, NOON)
        assert await takes(OURS, NOON + 2 * MINUTE)


async def test_news_are_read_in_order_and_forgotten_but_for_the_newest(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        assert await database.read(cache_news.newest) == 0
        for which in ("U1", "U2"):
            await database.write(cache_news.tell, "person", which, now=NOON)
        assert [one.which for one in await database.read(cache_news.after, 0)] == ["U1", "U2"]
        await database.write(cache_news.tell, "person", "U3", now=NOON + 2 * HOUR)
        (left,) = await database.read(cache_news.after, 0)
        assert (left.seq, left.which, left.told_by) == (3, "U3", database.instance)
        assert await database.read(cache_news.after, 3) == []


@pytest.mark.parametrize("of_before", [False, True], ids=["theirs", "of a version before"])
@pytest.mark.parametrize("queue", WORK)
async def test_at_the_start_of_the_one_process_of_a_file_all_others_have_ended(
    tmp_path: Path, queue: str, *, of_before: bool
) -> None:
    work = WORK[queue]
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await database.write(lambda tx: work.fill(tx) and None)
        assert await claims(database, work, THEIRS, NOON) == 1
        if of_before:
            table, _key = KEYS[queue]
            await database.write(lambda tx: tx.run(f"UPDATE {table} SET leased_by = NULL") and None)  # noqa: S608
        database.instance = "i-next"
        await database.write(instances.join_alone, now=NOON)
        assert [(one.id, one.version) for one in await database.read(instances.living)] == [("i-next", __version__)]
        assert await claims(database, work, OURS, NOON) == 1


async def test_instances_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await both(database)
        await end_theirs(database, NOON)
        database.instance = "i-next"
        await database.write(instances.join, now=NOON + instances.KEPT_FOR)
        count = await database.read(lambda tx: int(tx.value("SELECT COUNT(*) FROM instances")))
        assert count == 2
