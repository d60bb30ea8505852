"""The empty database that tests copy is the one that the bot makes."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import meta
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file

pytestmark = pytest.mark.anyio


def content(path: Path) -> dict[str, Any]:
    """What was made, in its order; each table's rows but for moments and what is sealed; how the file is set up."""
    found: dict[str, Any] = {"mode": oct(path.stat().st_mode)}
    with closing(sqlite3.connect(path)) as db:
        found["made"] = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid").fetchall()
        for pragma in ("application_id", "user_version", "journal_mode", "page_size", "auto_vacuum", "encoding"):
            found[pragma] = db.execute(f"PRAGMA {pragma}").fetchone()
        for name in [name for (kind, name, _table, _sql) in found["made"] if kind == "table"]:
            columns = {"_sqlite_migrations": "id, migration_set, name", "meta": "name, value"}.get(name, "*")
            found[name] = db.execute(f"SELECT {columns} FROM {name}").fetchall()  # noqa: S608 - names of our own
    return found


@pytest.mark.slow
async def test_a_copy_is_what_the_migrations_make_of_a_new_file(tmp_path: Path) -> None:
    made, copied = tmp_path / "made.db", fresh_file.lay(tmp_path / "copied.db")
    for path in (made, copied):
        database = await Database.open(path, sealer=Sealer([b"k" * 32]), migrate=migrate)
        await database.write(meta.begin)  # as the bot does with every start
        await database.close()

    assert content(copied) == content(made)
    assert content(made)["_sqlite_migrations"]


def test_a_file_that_is_there_and_a_folder_that_is_not_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kyc.db").write_bytes(b"mine")
    fresh_file.lay(tmp_path / "kyc.db")
    fresh_file.lay(tmp_path / "no" / "kyc.db")

    assert (tmp_path / "kyc.db").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["kyc.db"]
