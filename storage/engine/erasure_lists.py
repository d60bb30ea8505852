"""Takes the sealed lists of erasures from one database to another, and says which files still hold somebody.

An older backup knows nothing of what was erased since. So a restore has the lists of the database that it replaces
wait in `meta`, which every version has, until the bot starts: `storage.erasures.take_again`.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bot.errors import DatabaseFault
from storage.engine.connection import sql_of
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection

PLACE = "erasures.list"
WAITING, WAITING_PLACE = "erasures_again", "meta.value:erasures_again"
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedList:
    """One erasure, on its way to another file."""

    id: str
    asked_by: str
    asked_at: str
    done_at: str | None
    text: str
    """What was sealed."""

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        return cls(**told)


def of_file(connection: sqlite3.Connection, sealer: Sealer) -> list[CarriedList]:
    """`of`, of a file that may be damaged, or from before there were erasures: as far as it can be read."""
    found: dict[str, CarriedList] = {}
    for read in (waiting, _standing):
        with suppress(sqlite3.Error):
            found |= {each.id: each for each in read(sql_of(connection), sealer)}
    return list(found.values())


def of(connection: SqlConnection, sealer: Sealer) -> list[CarriedList]:
    """All erasures of a database, and those that still wait in it.

    What does not open is left out: the bot did not write it, or its key is not configured any more.
    """
    found = {each.id: each for read in (waiting, _standing) for each in read(connection, sealer)}
    return list(found.values())


def waiting(connection: SqlConnection, sealer: Sealer) -> list[CarriedList]:
    """Those of another database that the bot has yet to take."""
    for (sealed,) in connection.fetch("SELECT value_sealed FROM meta WHERE name = ?", (WAITING,)):
        with suppress(DatabaseFault):
            return [CarriedList.from_json(each) for each in json.loads(sealer.open(sealed, place=WAITING_PLACE))]
    return []


def _standing(connection: SqlConnection, sealer: Sealer) -> list[CarriedList]:
    found = []
    sql = "SELECT id, asked_by, asked_at, done_at, list_sealed FROM erasures ORDER BY asked_at, id"
    for id_, asked_by, asked_at, done_at, sealed in connection.fetch(sql):
        with suppress(DatabaseFault):
            text = sealer.open(sealed, place=f"{PLACE}:{id_}")
            found.append(CarriedList(id=id_, asked_by=asked_by, asked_at=asked_at, done_at=done_at, text=text))
    return found


def have_wait(connection: SqlConnection, sealer: Sealer, lists: Sequence[CarriedList]) -> None:
    """In the transaction of the caller: the bot takes them at its start, with those that wait already."""
    if lists:
        kept = {each.id: each for each in [*waiting(connection, sealer), *lists]}
        text = json.dumps([asdict(each) for each in kept.values()])
        connection.run(
            "INSERT INTO meta (name, value_sealed) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value_sealed = excluded.value_sealed",
            (WAITING, sealer.seal(text, place=WAITING_PLACE)),
        )


def holds_any(path: Path, refs: Collection[str]) -> bool:
    """Whether a database file still knows the customer of one of these checks; one that cannot be read counts."""
    # A copy at rest may be called immutable, and then nothing is created beside it.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=5)) as connection:
            wanted = sorted(refs)
            for start in range(0, len(wanted), _AT_A_TIME):
                some = wanted[start : start + _AT_A_TIME]
                marks = ", ".join("?" * len(some))
                sql = f"SELECT 1 FROM verifications WHERE applicant_sealed IS NOT NULL AND ref IN ({marks}) LIMIT 1"
                if connection.execute(sql, some).fetchone():
                    return True
    except sqlite3.Error:
        return True
    return False
