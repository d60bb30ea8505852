"""What the managers' figures are made from: written as checks settle, filled in for old ones, outliving retention."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from bot.domain.check.states import State
from bot.domain.reporting.round_facts import FinalOutcome, RoundFact
from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from bot.submission import lifecycle
from storage import check_facts
from storage.engine import backup
from storage.engine.database import Transaction
from storage.engine.migrations import migrate
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.world import Journey, journey
from tests.storage.older import before_batch_counts, before_day_sums, before_indexes, before_macs

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

ASSURANCE = ("record_match", "name_match", "dob_match", "phone_match", "liveness", "liveness_images")
"""Columns that the migration m0010_assurance brought."""

STORIES = {
    "00000000000": "approved",
    "11111111111": "rejected",
    "22222222222": "authority_down",
    "33333333333": "provisional",
    "44444444444": "provisional_approved",
    "55555555555": "contradiction",
    "66666666666": "suspects",
    "77777777777": "never",
}


async def every_kind(world: Journey) -> dict[str, str]:
    """A check of each story by its name, two more of one person, and one that was cancelled."""
    world.smile_id.stories_by_id_number.update(STORIES)
    refs = {story: await world.ask(id_number=number) for number, story in STORIES.items()}
    await world.settle()
    refs["same person"] = await world.ask(id_number="11111111111")
    await world.settle()
    refs["cancelled"] = await world.ask(id_number="99999999999")
    await world.bot.database.write(lifecycle.cancel, refs["cancelled"], by="U0AMINA0001", now=world.clock())
    await world.work()
    return refs


async def noted(world: Journey) -> dict[str, dict[str, Any]]:
    def read(tx: Transaction) -> dict[str, dict[str, Any]]:
        return {row["ref"]: dict(row) for row in tx.rows("SELECT * FROM facts ORDER BY ref, round")}

    return await world.bot.database.read(read)


async def test_what_is_noted_is_what_happened(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        refs = await every_kind(world)
        found = await noted(world)
        outcomes = {story: found.get(ref, {}).get("state") for story, ref in refs.items()}
        assert outcomes == {
            "approved": "approved",
            "rejected": "rejected",
            "authority_down": "failed",
            "provisional": "in_review",
            "provisional_approved": "approved",
            "contradiction": "in_review",
            "suspects": "approved",
            "never": None,
            "same person": "rejected",
            "cancelled": "cancelled",
        }
        whys = {story: found[ref]["why"] for story, ref in refs.items() if ref in found}
        assert (whys["rejected"], whys["authority_down"]) == ("faces_differ", "authority_down")
        by_person = [story for story, ref in refs.items() if found.get(ref, {}).get("by_person")]
        assert by_person == ["provisional_approved"]
        settled = {ref: row["settled_at"] is not None for ref, row in found.items()}
        assert [story for story, ref in refs.items() if not settled.get(ref)] == [
            "provisional",
            "contradiction",
            "never",
        ]
        # The machine spoke first, then people; a cancelled check was never sent.
        human = found[refs["provisional_approved"]]
        assert human["asked_at"] < human["machine_at"] < human["ended_at"]
        assert human["review_at"] is not None
        assert found[refs["cancelled"]]["machine_at"] is None
        assert found[refs["same person"]]["person"] == found[refs["rejected"]]["person"] == refs["rejected"]


async def test_what_is_open_is_read_from_the_checks_and_the_rest_from_the_facts(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        refs = await every_kind(world)
        now = world.clock()

        def read(tx: Transaction) -> tuple[set[str], dict[str, FinalOutcome | None]]:
            settled = check_facts.settled(tx, now - timedelta(days=1), now + timedelta(days=1)).facts
            return {fact.ref for fact in check_facts.still_open(tx)}, {fact.ref: fact.final for fact in settled}

        still_open, settled = await world.bot.database.read(read)
        assert still_open == {refs["provisional"], refs["contradiction"], refs["never"]}
        assert set(settled) == set(refs.values()) - still_open
        assert settled[refs["cancelled"]] is FinalOutcome.CANCELLED


@pytest.mark.sqlite("upgrades are of files")
async def test_a_database_of_before_is_filled_in_as_it_would_have_been_noted(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await every_kind(world)
        before = await noted(world)
        copy = tmp_path / "copy.db"
        backup.take(world.bot.settings.database_file, copy, world.sealer)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        before_macs(connection, world.sealer)
        before_day_sums(connection)
        before_batch_counts(connection)
        before_indexes(connection)
        for statement in (
            "DROP TABLE facts",
            "DROP TABLE summaries",
            "DROP INDEX verifications_open",
            "DROP INDEX verifications_person",
            "ALTER TABLE verifications DROP COLUMN paused_seconds",
            *(f"ALTER TABLE verifications DROP COLUMN {column}" for column in ASSURANCE),
            "DELETE FROM meta WHERE name = 'first_start'",
            "DELETE FROM _sqlite_migrations WHERE name IN ('m0005_figures', 'm0008_paused', 'm0010_assurance')",
        ):
            connection.execute(statement)
        migrate(sqlite_utils.Database(connection), world.sealer)
        connection.row_factory = sqlite3.Row
        after = {row["ref"]: dict(row) for row in connection.execute("SELECT * FROM facts ORDER BY ref, round")}
        (began,) = connection.execute("SELECT value FROM meta WHERE name = 'first_start'").fetchone()
        (first,) = connection.execute("SELECT MIN(at) FROM audit").fetchone()
    assert after == before
    assert began == first


async def test_figures_outlive_what_retention_removes(tmp_path: Path) -> None:
    """Whatever is personal may go: sealed columns, hashes, receipts, photos."""
    async with journey(tmp_path) as world:
        refs = await every_kind(world)
        before = await noted(world)

        def purge(tx: Transaction) -> None:
            tx.run("UPDATE posts SET receipt = NULL")
            tx.run("UPDATE attempts SET claim_receipt = NULL, claim_outcome = NULL")
            tx.run("DELETE FROM receipts")
            tx.run("DELETE FROM photos")
            tx.run("UPDATE verifications SET applicant_sealed = NULL, number_print = NULL, reference_print = NULL")

        await world.bot.database.write(purge)
        # Noted again, as by a decision that comes late: nothing is forgotten.
        for ref in before:
            await world.bot.database.write(check_facts.note, ref, now=world.clock())
        assert await noted(world) == before
        # Of the same number again, once its hash is gone: a new person, as the page of figures says.
        again = await world.ask(id_number="11111111111")
        await world.settle()
        assert (await noted(world))[again]["person"] == again
        assert refs["rejected"] != again


async def test_what_waited_for_the_requester_is_nobodys_slowness(tmp_path: Path) -> None:
    """An answer to a question about the photos, and a later time that was chosen for running it again."""
    async with journey(tmp_path, story="authority_down") as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        world.clock.move(hours=3)
        await world.bot.preflight.let_pass(ANALYST, ref)
        await world.settle()
        modal = await run_again(world)
        await modal.choose(ids.NOT_BEFORE, world.clock() + timedelta(hours=6))
        await sent_again(world, modal)
        world.clock.move(hours=6)
        await world.work()
        # The same photos raise the same question.
        world.clock.move(hours=2)
        await world.bot.preflight.let_pass(ANALYST, ref)
        await world.settle()

        def read(tx: Transaction) -> list[RoundFact]:
            day = timedelta(days=1)
            return sorted(
                check_facts.settled(tx, world.clock() - day, world.clock() + day).facts, key=lambda fact: fact.round
            )

        first, again = await world.bot.database.read(read)
        minute = timedelta(minutes=1)
        for fact, hours in ((first, 3), (again, 6 + 2)):
            assert fact.final_at is not None
            assert fact.final_at - fact.asked_at >= fact.paused
            assert abs(fact.paused - timedelta(hours=hours)) < minute
            assert timedelta(0) <= fact.took_until(fact.final_at) < minute


async def test_a_decision_settles_and_looking_anew_unsettles(tmp_path: Path) -> None:
    async with journey(tmp_path, story="provisional") as world:
        ref = await world.ask()
        await world.settle()
        at = datetime(2026, 11, 23, 12, tzinfo=UTC)

        def decide(tx: Transaction, decision: str | None, ended_at: datetime | None) -> None:
            tx.run(
                "UPDATE verifications SET decision = :d, decided_at = :at, ended_at = :ended_at WHERE ref = :ref",
                d=decision,
                at=at,
                ended_at=ended_at,
                ref=ref,
            )
            check_facts.note(tx, ref, now=at)

        def open_now(tx: Transaction) -> list[str]:
            return [fact.ref for fact in check_facts.still_open(tx)]

        # Decided, looked at anew with the decision on record, decided once more.
        for decision, ended_at in (("new_photos", at), ("new_photos", None), ("approved", at)):
            await world.bot.database.write(decide, decision, ended_at)
            row = (await noted(world))[ref]
            assert (row["state"], row["decision"]) == (State.IN_REVIEW.value, decision)
            assert (row["settled_at"] is None) is (ended_at is None)
            assert await world.bot.database.read(open_now) == ([ref] if ended_at is None else [])
