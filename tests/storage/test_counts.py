"""How many checks stand in each state: kept while they move, so that `/metrics` counts nothing; and always right."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from bot.submission import lifecycle
from storage import checks
from storage.engine import backup
from storage.engine.database import Transaction
from storage.engine.migrations import migrate, migrations
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.world import Journey, journey
from tests.storage.test_check_facts import every_kind

pytestmark = pytest.mark.anyio


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


async def test_an_upgraded_database_begins_with_what_it_holds(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await every_kind(world)
        before, _counted = await both(world)
        backup.take(world.bot.settings.database, tmp_path / "today.db", world.sealer)
    connection = sqlite3.connect(tmp_path / "older.db", isolation_level=None)
    with closing(sqlite_utils.Database(connection)) as older:
        migrations.apply(older, stop_before="m0011_open_work")
        older.execute("ATTACH DATABASE ? AS today", [str(tmp_path / "today.db")])
        columns = ", ".join(column.name for column in older["verifications"].columns)
        older.execute(f"INSERT INTO verifications SELECT {columns} FROM today.verifications")  # noqa: S608 - its own
        migrate(older, world.sealer)
        assert dict(older.execute("SELECT state, n FROM check_counts").fetchall()) == before
