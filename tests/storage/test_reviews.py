"""Reviews in the database: made for what was in review before there were any, and guarded by the schema itself."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlite_utils

from bot.domain.review.review import Decision, Proposal, Review, ReviewState
from bot.errors import ConstraintFailed
from bot.review import transitions
from storage import audit, reviews
from storage.engine import backup
from storage.engine.database import Transaction
from storage.engine.migrations import migrate
from tests.engines import beside
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


async def test_a_page_of_checks_has_the_review_that_each_has_by_itself(tmp_path: Path) -> None:
    """Proposed, decided twice, disagreed with twice, of an earlier round, without any, and altered."""
    async with journey(tmp_path, story="approved") as world:
        refs = [await world.ask() for _check in range(6)]
        await world.settle()
        proposed, decided, disagreed, earlier, altered, without = refs
        now = world.clock()
        first = _proposal(Decision.APPROVED, at=now)
        second = _proposal(Decision.REJECTED, at=now + timedelta(minutes=1))

        def reviewed(tx: Transaction) -> None:
            for ref in refs[:-1]:
                reviews.ensure(tx, ref, 1, now=now)
                reviews.reopen(tx, ref, 1, now=now)
            assert reviews.propose(tx, proposed, 1, first)
            for number, proposal in ((1, first), (2, second)):
                reviews.add_decision(tx, decided, 1, number, proposal, confirmed_by=None, now=proposal.at)
                reviews.add_objection(tx, disagreed, 1, proposal, author="U0ZOE000001", words="No.", now=proposal.at)
            reviews.add_decision(tx, earlier, 1, 1, first, confirmed_by=None, now=now)
            tx.run("UPDATE verifications SET round = 2 WHERE ref = :ref", ref=earlier)

        await world.bot.database.write(reviewed)
        world.has_thief = True
        with closing(beside(world.path)) as db:
            db.execute("UPDATE reviews SET claimed_by = 'U0THIEF0001' WHERE ref = ?", [altered])

        def read(tx: Transaction, *, sealed: bool) -> tuple[dict[str, Review], dict[str, Review | None]]:
            page = reviews.of_checks(tx, refs, sealed=sealed)
            return page, {ref: reviews.find(tx, ref, sealed=sealed) for ref in refs}

        for sealed in (True, False):
            page, each = await world.bot.database.read(read, sealed=sealed)
            assert page == {ref: review for ref, review in each.items() if review is not None}
            assert set(page) == {proposed, decided, disagreed}
            words = "The same person." if sealed else ""
            assert (page[proposed].proposal, page[proposed].decided) == (replace(first, words=words), None)
            found = page[decided].decided
            assert found is not None
            assert (found.number, found.decision, found.words) == (2, Decision.REJECTED, words)
            objection = page[disagreed].objection
            assert objection is not None
            assert (objection.decision, objection.words) == (Decision.REJECTED, "No." if sealed else "")
        assert world.bot.database.altered == {altered}
        assert await world.bot.database.read(reviews.of_checks, [without, altered]) == {}
        assert await world.bot.database.read(reviews.of_checks, []) == {}


def _proposal(decision: Decision, *, at: datetime) -> Proposal:
    return Proposal(
        decision=decision, reason="other", by="U0REMI00001", at=at, is_override=False, words="The same person."
    )
