"""What SQLite plans with, and what its log may leave behind."""

from pathlib import Path

import pytest

from bot.runtime import planner
from storage import audit, meta, search
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file

pytestmark = pytest.mark.anyio


def figures(tx: Transaction) -> list[str]:
    known = tx.exists("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'")
    return tx.column("SELECT idx FROM sqlite_stat1 WHERE tbl = 'verifications'") if known else []


def counted_whole(tx: Transaction) -> bool:
    """Whether SQLite has counted every line of the audit trail, which no limit holds back."""
    return tx.exists("SELECT 1 FROM sqlite_stat1 WHERE tbl = 'audit'")


def settings(tx: Transaction) -> tuple[int, ...]:
    return tuple(tx.one("SELECT * FROM pragma_journal_size_limit, pragma_analysis_limit"))


@pytest.mark.slow
async def test_sqlite_learns_how_long_its_indexes_are_and_nothing_else_changes(tmp_path: Path) -> None:
    database = await Database.open(
        fresh_file.lay(tmp_path / "kyc.db"), sealer=Sealer([bytes(range(32))]), migrate=migrate
    )
    try:
        assert await database.read(figures) == []
        await database.write(fill)
        await database.write(search.by_reference, "invented")
        await database.write(audit.lines_of, "K-1")
        await planner.learn_figures(database)
        assert "verifications_reference" in await database.read(figures)
        assert not await database.read(counted_whole)
        await database.write(meta.keep, "after", "the shape is compared once more")
        assert await database.write(settings) == await database.read(settings) == (64 * 2**20, 400)
    finally:
        await database.close()


def fill(tx: Transaction) -> None:
    for n in range(200):
        tx.insert(
            "verifications",
            ref=f"K-{n}",
            state="requested",
            view_id=f"V-{n}",
            reference_print=f"invented:{n % 10}",
            **dict.fromkeys(
                ("country", "id_type", "requester", "team", "channel", "consent_by", "consent_notice"), "-"
            ),
            **dict.fromkeys(("consent_at", "asked_at"), f"2026-01-01T00:00:{n % 60:02d}.000000Z"),
        )
