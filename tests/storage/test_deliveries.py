"""Which posts are claimed next, and when somebody is to look."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.outbox import PostKind
from storage import deliveries, outbox
from storage.engine.database import Transaction
from tests.raw_sqlite import raw
from tests.storage.older import before_posts_leased
from tests.storage.test_blind_index import opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def enqueue(tx: Transaction, key: str, destination: str) -> str:
    return outbox.enqueue(tx, PostKind.ALERT, key=key, destination=destination, now=NOON, payload={})


async def test_a_delivered_post_wakes_whoever_claims_only_for_those_of_other_conversations(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        first, second, other = [
            await database.write(enqueue, key, lane) for key, lane in (("1", "D2"), ("2", "D2"), ("3", "D1"))
        ]
        wakes: list[None] = []
        database.subscribe(outbox.OUTBOX, lambda: wakes.append(None))

        async def deliver(post: str) -> int:
            wakes.clear()
            await database.write(deliveries.done, post, channel="D1", ts="1.1", now=NOON)
            await database.read(outbox.find, post)
            return len(wakes)

        assert await deliver(first) == 1
        assert await deliver(other) == 1
        # The pause of its own conversation wakes for the next one there.
        assert await deliver(second) == 0


async def test_a_post_that_is_put_off_wakes_for_the_next_of_its_conversation(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        first, second = [await database.write(enqueue, key, "D1") for key in ("1", "2")]
        wakes: list[None] = []
        database.subscribe(outbox.OUTBOX, lambda: wakes.append(None))
        later = NOON + timedelta(minutes=5)

        def claim(tx: Transaction) -> list[str]:
            return [post.id for post in deliveries.claim_due(tx, now=NOON, until=later, limit=8)]

        assert await database.write(claim) == [first]
        assert await database.write(claim) == []
        await database.write(deliveries.reschedule, first, at=later, error="invented")
        assert await database.write(claim) == [second]
        assert wakes == [None]


async def test_a_claimed_post_is_in_doubt_until_it_surely_was_not_sent(tmp_path: Path) -> None:
    """The claim stores the intent: whoever finds the post after a kill searches Slack before posting it again."""
    async with opened(tmp_path / "kyc.db") as database:
        post = await database.write(enqueue, "1", "D1")
        later = NOON + timedelta(minutes=5)

        async def claim(now: datetime) -> datetime | None:
            (found,) = await database.write(deliveries.claim_due, now=now, until=now, limit=8)
            return found.in_doubt_since

        assert await claim(NOON) is None
        # Killed: the lease ran out. A later claim leaves the moment from which on Slack can be searched.
        assert await claim(later) == NOON
        assert await claim(later) == NOON
        await database.write(deliveries.reschedule, post, at=NOON, error="invented", ends_doubt=True)
        assert await claim(NOON) is None


@pytest.mark.sqlite("counts the steps of SQLite's machine")
async def test_a_claim_does_not_read_all_that_waits(tmp_path: Path) -> None:
    """Slack may be away for days: each post would cost as much as there are, and with them everything else."""
    async with opened(tmp_path / "kyc.db") as database:

        def steps_of_a_claim(tx: Transaction) -> int:
            steps: list[None] = []
            raw(tx).set_progress_handler(lambda: steps.append(None), 1)
            try:
                (post,) = deliveries.claim_due(tx, now=NOON, until=NOON + timedelta(minutes=5), limit=8)
            finally:
                raw(tx).set_progress_handler(None, 0)
            deliveries.done(tx, post.id, channel="D1", ts="1.1", now=NOON)
            return len(steps)

        for number in range(5):
            await database.write(enqueue, str(number), "D1")
        few = await database.write(steps_of_a_claim)
        for number in range(5, 200):
            await database.write(enqueue, str(number), "D1")
        assert await database.write(steps_of_a_claim) <= 1.1 * few


@pytest.mark.sqlite("upgrades are of files")
async def test_a_database_from_before_knows_which_posts_are_on_their_way(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(enqueue, "1", "D1")
        await database.write(deliveries.claim_due, now=NOON, until=NOON + timedelta(minutes=5), limit=8)
    with closing(sqlite3.connect(path)) as db, db:
        before_posts_leased(db)
    async with opened(path) as database:
        await database.write(enqueue, "2", "D1")
        assert await database.write(deliveries.claim_due, now=NOON, until=NOON, limit=8) == []
