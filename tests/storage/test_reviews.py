"""Reviews in the database: made for what was in review before there were any, and guarded by the schema itself."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from bot.domain.review.review import ReviewState
from bot.errors import ConstraintFailed
from bot.review import transitions
from storage import audit, reviews
from storage.engine import backup
from storage.engine.database import Transaction
from storage.engine.migrations import migrate
from tests.journeys.world import journey
from tests.storage.older import before_batch_counts, before_macs

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

STORIES = {"00000000000": "approved", "33333333333": "provisional", "55555555555": "contradiction"}


@pytest.mark.sqlite("upgrades are of files")
async def test_what_waited_for_a_person_before_the_update_has_an_open_review_after_it(tmp_path: Path) -> None:
    copy = tmp_path / "old.db"
    async with journey(tmp_path) as world:
        world.smile_id.stories_by_id_number.update(STORIES)
        refs = {story: await world.ask(id_number=number) for number, story in STORIES.items()}
        await world.settle()
        backup.take(world.bot.settings.database_file, copy, world.sealer)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        before_batch_counts(connection)
        before_macs(connection, world.sealer)
        for statement in (
            *(f"DROP TABLE {table}" for table in ("review_notes", "decisions", "reviews", "notice_choices")),
            *(f"ALTER TABLE verifications DROP COLUMN {name}" for name in ("decided_at", "decided_by")),
            "ALTER TABLE verifications DROP COLUMN decision_reason",
            "DELETE FROM _sqlite_migrations WHERE name = 'm0004_reviews'",
        ):
            connection.execute(statement)
        migrate(sqlite_utils.Database(connection), world.sealer)
        found = connection.execute(
            """
            SELECT r.ref, r.state, r.opened_at = (
                SELECT MAX(a.at) FROM audit a WHERE a.ref = r.ref AND a.act = 'check.moved')
            FROM reviews r ORDER BY r.opened_at
            """
        ).fetchall()
    assert found == [(refs[story], "open", 1) for story in ("provisional", "contradiction")]


@pytest.mark.sqlite("upgrades are of files")
async def test_who_had_run_a_check_again_before_the_update_is_known_after_it(tmp_path: Path) -> None:
    copy = tmp_path / "old.db"
    async with journey(tmp_path) as world:
        refs = [await world.ask(), await world.ask(id_number="11111111111")]
        await world.settle()
        for actor in ("U0REMI00001", "U0ZOE000001"):
            await world.bot.database.write(
                audit.record, at=world.clock(), actor=actor, act="check.run_again", ref=refs[0]
            )
        backup.take(world.bot.settings.database_file, copy, world.sealer)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        before_batch_counts(connection)
        before_macs(connection, world.sealer)
        connection.execute("ALTER TABLE verifications DROP COLUMN asked_again")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0009_asked_again'")
        migrate(sqlite_utils.Database(connection), world.sealer)
        found = dict(connection.execute("SELECT ref, asked_again FROM verifications").fetchall())
    assert found == {refs[0]: "U0REMI00001 U0ZOE000001 ", refs[1]: ""}


async def test_one_person_alone_can_never_be_both_in_a_decision(tmp_path: Path) -> None:
    """Whatever the code above it does."""
    async with journey(tmp_path, story="provisional") as world:
        ref = await world.ask()
        await world.settle()

        def twice(tx: Transaction) -> None:
            tx.run(
                """
                INSERT INTO decisions (ref, round, number, decision, reason, decided_by, confirmed_by, override, at)
                VALUES (:ref, 1, 1, 'approved', 'other', 'U0REMI00001', 'U0REMI00001', 0, '2026-11-23')
                """,
                ref=ref,
            )

        with pytest.raises(ConstraintFailed):
            await world.bot.database.write(twice)


async def test_a_claim_is_one_persons_whoever_asks_for_it_next(tmp_path: Path) -> None:
    async with journey(tmp_path, story="provisional") as world:
        ref = await world.ask()
        await world.settle()
        database, now = world.bot.database, world.clock()
        assert await database.write(transitions.claim, ref, by="U0REMI00001", now=now)
        assert not await database.write(transitions.claim, ref, by="U0ZOE000001", now=now)
        assert await database.write(transitions.claim, ref, by="U0REMI00001", now=world.clock())
        review = await database.read(reviews.find, ref)
        assert review is not None
        assert (review.state, review.claimed_by, review.claimed_at) == (ReviewState.OPEN, "U0REMI00001", now)
