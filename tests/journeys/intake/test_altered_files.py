"""What somebody who writes the database tries on a file of customers before its rows are checks."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from tests.engines import beside_file
from tests.journeys.intake.test_batches import batch_message, csv_of, drop, person, photos
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey
from tests.storage.engine.test_macs import unguarded_trail

pytestmark = pytest.mark.anyio


CONFIRMED = "UPDATE batches SET state = 'confirmed', due_at = asked_at, ended_at = NULL"


@pytest.mark.parametrize(
    ("beside", "approval"),
    [
        # Nobody has agreed to anything.
        (", consent_at = asked_at, consent_by = requester", 9),
        # Its requester has, and a second person has not.
        (f", approval = 'approved', approved_by = '{REVIEWER}', approved_at = asked_at", 1),
        # It was cancelled since.
        ("", 1),
    ],
    ids=["consent", "second person", "cancelled"],
)
async def test_a_file_that_was_confirmed_in_the_database_alone_is_not_sent(
    tmp_path: Path, beside: str, approval: int
) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL=str(approval), KYC_MANAGERS=REVIEWER) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        if approval == 1:
            assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
            await world.settle()
        if not beside:
            (batch_id,) = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches"))
            await world.bot.batches.cancel(ANALYST, batch_id)
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            assert db.execute(CONFIRMED + beside).rowcount == 1
        await nothing_is_sent(world)
        (alert,) = [line for line in world.direct(ADMIN) if "Record altered" in line]
        assert "B-" in alert
        assert world.bot.health.degraded["records"] == "1 check was altered beside the bot"


async def nothing_is_sent(world: Journey) -> None:
    """However often the file is taken up, and its message says why."""
    for _round in range(3):
        await world.settle()
        world.clock.move(seconds=4)
    assert world.smile_id.jobs == {}
    assert await world.bot.database.read(lambda tx: tx.value("SELECT COUNT(*) FROM verifications")) == 0
    assert "not what the bot wrote, so nothing was sent" in world.slack.plain(batch_message(world))


SAYS_SO = """
    INSERT INTO audit (at, actor, act, ref, detail)
    SELECT consent_at, consent_by, 'batch.consent_confirmed', id, '' FROM batches
    """
SAYS_NO_MORE = "DELETE FROM audit WHERE act = 'batch.approval_asked'"


@pytest.mark.parametrize(("line", "approval"), [(SAYS_SO, 9), (SAYS_NO_MORE, 1)], ids=["put in", "taken out"])
async def test_a_trail_that_somebody_has_changed_confirms_no_file(tmp_path: Path, line: str, approval: int) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL=str(approval), KYC_MANAGERS=REVIEWER) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        if approval == 1:
            assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
            await world.settle()
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            put = f"{CONFIRMED}, consent_at = COALESCE(consent_at, asked_at), consent_by = requester, approval = NULL"
            assert db.execute(put).rowcount == 1
            assert db.execute(line).rowcount == 1
        await nothing_is_sent(world)
