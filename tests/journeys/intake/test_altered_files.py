"""What somebody who writes the database tries on a file of customers before its rows are checks."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from storage import audit, batches, trail_check
from storage.engine.database import Transaction
from storage.engine.lanes import behind
from tests.engines import beside_file
from tests.journeys.intake.test_batches import batch_message, csv_of, drop, person, photos, send
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey
from tests.storage.engine.test_macs import unguarded_trail
from tests.storage.engine.test_thief import hidden, run_lax

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


async def test_a_file_behind_a_line_of_another_type_is_refused_and_its_message_says_so(tmp_path: Path) -> None:
    """STRICT would not let it in."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        head = await world.bot.database.read(audit.head)
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            run_lax(world.path, "audit", [f"UPDATE audit SET detail = x'00FF' WHERE seq = {head.seq}"])  # noqa: S608 - a number
        await nothing_is_sent(world)


async def test_a_confirmed_file_whose_preview_does_not_open_is_refused_and_its_message_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.bot.database.write(close_previews)
        await nothing_is_sent(world)
        assert [line for line in world.direct(ADMIN) if "Record altered" in line], "as the message says"


async def test_a_file_that_does_not_open_keeps_no_other_one_waiting_for_a_second_person_for_ever(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="1", KYC_MANAGERS=REVIEWER) as world:
        world.has_thief = True
        for numbers in ((0, 1), (2, 3)):
            people = [person(n, f"2222222222{n}") for n in numbers]
            await drop(world, {"people.csv": csv_of(people), **{f"{n}.jpg": photos(1)["0.jpg"] for n in numbers}})
            assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
            await world.settle()
            if numbers == (0, 1):
                await world.bot.database.write(close_previews)
        world.clock.move(days=8)
        await world.bot.batches.tick()
        assert await world.bot.database.read(lambda tx: tx.column("SELECT state FROM batches")) == ["refused"] * 2


def close_previews(tx: Transaction) -> None:
    """As somebody would who puts another record's seal into those files that are there."""
    tx.run("UPDATE batches SET reading_sealed = :sealed", sealed=tx.sealer.seal("{}", place="elsewhere"))


async def _whole(world: Journey) -> bool:
    progress = trail_check.Progress()
    faults: list[trail_check.Fault] = []
    while not progress.done:
        progress = await world.bot.database.read(trail_check.compare_lines, progress)
        faults += progress.faults
    return not faults


async def test_no_index_has_the_consent_of_one_file_told_as_that_of_another(tmp_path: Path) -> None:
    """The trail itself is as the bot wrote it; its index leads from the one file to a line of the other."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await send(world)
        before = len(world.smile_id.jobs)
        assert before == 1
        (first,) = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches"))
        await drop(world, {"others.csv": csv_of([person(5, "22222222225")]), "5.jpg": photos(1)["0.jpg"]})
        (second,) = await world.bot.database.read(
            lambda tx: tx.column("SELECT id FROM batches WHERE id <> :id", id=first)
        )
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            [(seq,)] = db.execute("SELECT seq FROM audit WHERE ref = ? AND act = 'batch.consent_confirmed'", [first])
            db.execute("UPDATE audit SET ref = ? WHERE seq = ?", [second, seq])
            with hidden(world.path, "audit_of_check"):
                db.execute("UPDATE audit SET ref = ? WHERE seq = ?", [first, seq])
            consent = "(SELECT consent_at, consent_by, consent_notice FROM batches WHERE id = ?)"
            put = f"{CONFIRMED}, (consent_at, consent_by, consent_notice) = {consent} WHERE id = ?"
            assert db.execute(put, [first, second]).rowcount == 1
        assert await _whole(world)
        for _round in range(3):
            await world.settle()
            world.clock.move(seconds=4)
        assert await _whole(world)
        assert len(world.smile_id.jobs) == before, "a file was sent that nobody has confirmed"


async def test_no_index_hides_that_a_file_needs_a_second_person(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="1", KYC_MANAGERS=REVIEWER) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.settle()
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            [(seq, ref)] = db.execute("SELECT seq, ref FROM audit WHERE act = 'batch.approval_asked'")
            db.execute("UPDATE audit SET ref = NULL WHERE seq = ?", [seq])
            with hidden(world.path, "audit_of_check"):
                db.execute("UPDATE audit SET ref = ? WHERE seq = ?", [ref, seq])
            assert db.execute(f"{CONFIRMED}, approval = NULL").rowcount == 1
        assert await _whole(world)
        await nothing_is_sent(world)


async def test_a_file_that_is_sent_again_after_a_line_that_somebody_added_begins(tmp_path: Path) -> None:
    """Its own lines are as the bot wrote them, and so are all behind the one that was added."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        with closing(sqlite3.connect(world.path)) as db, db:
            db.execute(
                "INSERT INTO audit (at, actor, act) VALUES ('2026-11-22T12:00:00.000000Z', 'U9', 'summary.opened')"
            )
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await send(world)
        assert len(world.smile_id.jobs) == 1


async def test_a_cancelled_file_does_not_begin_on_an_earlier_trail_with_its_own_head(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        with closing(beside_file(world.path)) as db:
            [(last,)] = db.execute("SELECT MAX(seq) FROM audit")
            [(head,)] = db.execute("SELECT value_sealed FROM meta WHERE name = 'macs'")
        (batch_id,) = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches"))
        await world.bot.batches.cancel(ANALYST, batch_id)
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            assert db.execute("DELETE FROM audit WHERE seq > ?", [last]).rowcount == 1
            db.execute("UPDATE meta SET value_sealed = ? WHERE name = 'macs'", [head])
            assert db.execute(CONFIRMED).rowcount == 1
        await nothing_is_sent(world)


async def test_two_files_that_begin_beside_a_long_trail_hold_nobody_up(tmp_path: Path) -> None:
    """Each takes a connection for long reads page by page, and others' reads come in between."""

    def add_lines(tx: Transaction) -> None:
        line = {"at": "2026-11-22T12:00:00.000000Z", "actor": "U1", "act": "batch.moved", "ref": None, "detail": ""}
        tx.insert_all("audit", [line] * 20 * trail_check.PAGE)

    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        database = world.bot.database
        await database.write(add_lines)
        (batch_id,) = await database.read(lambda tx: tx.column("SELECT id FROM batches"))
        batch = await database.read(batches.get, batch_id)
        walks = [asyncio.create_task(world.bot.batches._require_confirmed(batch)) for _file in range(2)]
        # Once both have said in the trail that they begin.
        await asyncio.sleep(0)
        await database.write(lambda tx: tx.value("SELECT 1"))
        await asyncio.sleep(0.05)
        answered = 0
        with behind():
            while not any(walk.done() for walk in walks):
                await database.read(lambda tx: tx.value("SELECT 1"))
                answered += 1
        await asyncio.gather(*walks)
        assert answered > 10  # of some forty, and two to four where a walk keeps its connection
