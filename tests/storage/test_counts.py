"""How many checks stand in each state: kept while they move, so that `/metrics` counts nothing; and always right."""

import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlite_utils

from bot.domain.check.states import State
from bot.submission import lifecycle
from storage import checks
from storage.engine import backup
from storage.engine.database import Transaction
from storage.engine.migrations import migrate, migrations
from storage.engine.sealing import Sealer
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.world import Journey, journey
from tests.storage.older import before_batch_counts
from tests.storage.test_check_facts import every_kind

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


def rows(tx: Transaction) -> dict[str, int]:
    """What a count of all rows finds."""
    return {row["state"]: row["n"] for row in tx.rows("SELECT state, COUNT(*) AS n FROM verifications GROUP BY state")}


def kept(tx: Transaction) -> dict[str, int]:
    return {state: n for state, n in checks.count_by_state(tx).items() if n}


async def both(world: Journey) -> tuple[Mapping[str, int], Mapping[str, int]]:
    return await world.bot.database.read(kept), await world.bot.database.read(rows)


async def test_the_counts_of_states_follow_every_move_of_every_check(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await every_kind(world)
        counts, counted = await both(world)
        assert counts == counted
        assert set(counts) >= {"approved", "rejected", "failed", "cancelled", "processing", "in_review"}
        await sent_again(world, await run_again(world))
        counts, counted = await both(world)
        assert counts == counted
        assert counts["requested"] == 1


async def test_a_write_that_is_taken_back_takes_its_count_back(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()

        def give_up(tx: Transaction) -> None:
            lifecycle.cancel(tx, ref, by="U0AMINA0001", now=world.clock())
            raise InterruptedError

        with pytest.raises(InterruptedError):
            await world.bot.database.write(give_up)
        assert await both(world) == ({"requested": 1}, {"requested": 1})


async def test_a_check_that_is_removed_is_counted_no_more(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()

        def erase(tx: Transaction) -> None:
            for table in ("posts", "photos", "verifications"):
                tx.run(f"DELETE FROM {table} WHERE ref = :ref", ref=ref)  # noqa: S608 - three names of ours

        await world.bot.database.write(erase)
        assert await both(world) == ({}, {})


@pytest.mark.sqlite("upgrades are of files")
async def test_an_upgraded_database_begins_with_what_it_holds(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await every_kind(world)
        before, _counted = await both(world)
        backup.take(world.bot.settings.database_file, tmp_path / "today.db", world.sealer)
    connection = sqlite3.connect(tmp_path / "older.db", isolation_level=None)
    with closing(sqlite_utils.Database(connection)) as older:
        migrations.apply(older, stop_before="m0011_open_work")
        older.execute("ATTACH DATABASE ? AS today", [str(tmp_path / "today.db")])
        columns = ", ".join(column.name for column in older["verifications"].columns)
        older.execute(f"INSERT INTO verifications SELECT {columns} FROM today.verifications")  # noqa: S608 - its own
        migrate(older, world.sealer)
        assert dict(older.execute("SELECT state, n FROM check_counts").fetchall()) == before


WALK = 1_500
OF_FILES = """
    SELECT v.batch, CASE WHEN v.decision IS NULL AND v.state = 'approved' AND v.record_match = 'differs' THEN 'differs'
            WHEN v.decision IS NULL THEN v.state WHEN r.state = 'open' THEN 'in_review' ELSE 'decided' END AS what,
        v.held IS NOT NULL AS held, COUNT(*) AS n
    FROM verifications v LEFT JOIN reviews r ON r.ref = v.ref AND r.round = v.round
    WHERE v.batch IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
KEPT_OF_FILES = "SELECT batch, what, held, n FROM batch_counts WHERE n <> 0 ORDER BY 1, 2, 3"


def step(db: sqlite3.Connection, rng: random.Random) -> None:
    """Anything that may happen to a row of a file, and more; the schema refuses some of it."""
    n, round_ = rng.randrange(12), rng.randrange(1, 3)
    ref, batch = f"K-{n}", rng.choice(("B-1", "B-2", None))
    state = rng.choice([state.value for state in State])
    reason, outcome = ("smile_id" if state == "in_review" else None), ("approved" if state == "approved" else None)
    closed = rng.choice((None, "2026"))
    match rng.randrange(9):
        case 0 | 1:
            db.execute(NEW_ROW, [ref, state, reason, outcome, f"V{ref}", batch, n])
        case 2 | 3:
            moved = "UPDATE verifications SET state = ?, reason = ?, verdict_outcome = ? WHERE ref = ?"
            db.execute(moved, [state, reason, outcome, ref])
        case 4:
            columns = {"decision": "rejected", "record_match": "differs", "held": "photos"}
            column, value = rng.choice(list(columns.items()))
            db.execute(f"UPDATE verifications SET {column} = ? WHERE ref = ?", [rng.choice((value, None)), ref])  # noqa: S608 - above
        case 5:
            db.execute("UPDATE verifications SET round = ?, batch = ? WHERE ref = ?", [round_, batch, ref])
        case 6:
            opened = "INSERT INTO reviews (ref, round, state, opened_at, closed_at) VALUES (?, ?, ?, '2026', ?)"
            db.execute(opened, [ref, round_, "settled" if closed else "open", closed])
        case 7:
            turned = "UPDATE reviews SET state = ?, closed_at = ? WHERE ref = ? AND round = ?"
            db.execute(turned, ["decided" if closed else "open", closed, ref, round_])
        case _:
            db.execute(f"DELETE FROM {rng.choice(('reviews', 'verifications'))} WHERE ref = ?", [ref])  # noqa: S608


NEW_ROW = """
    INSERT INTO verifications (ref, state, reason, verdict_outcome, view_id, batch, batch_row, country, id_type,
        requester, team, channel, consent_at, consent_by, consent_notice, asked_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, '', '', '', '', '', '', '', '', '')
    """


@pytest.mark.sqlite("walks through a database in memory")
def test_the_counts_of_files_follow_whatever_happens_to_their_rows() -> None:
    rng, sealer = random.Random(30), Sealer([bytes(range(32))])
    with closing(sqlite_utils.Database(memory=True)) as db:
        migrate(db, sealer)
        db.conn.execute("PRAGMA foreign_keys = OFF")
        done = 0
        for _step in range(WALK):
            with suppress(sqlite3.IntegrityError):
                step(db.conn, rng)
                done += 1
            assert db.execute(KEPT_OF_FILES).fetchall() == db.execute(OF_FILES).fetchall()
        assert done > WALK / 2
        assert {what for _batch, what, _held, _n in db.execute(KEPT_OF_FILES).fetchall()} >= {"decided", "in_review"}
        before = db.execute(KEPT_OF_FILES).fetchall()
        before_batch_counts(db.conn)
        db.conn.commit()
        migrate(db, sealer)
        assert db.execute(KEPT_OF_FILES).fetchall() == before
