"""The shape of the database: its tables, and what SQLite does by itself when a row changes.

Whoever writes the file can put a trigger into it, a default or a reference that carries changes along. What these
write is part of the bot's own commit, which would make the MACs of it. So nothing is read or written in another shape
than the migrations make. Tables, views and indexes of others (of a replicator, of reports) do nothing of that, and are
let be.
"""

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any

import sqlite_utils

from bot.errors import DatabaseFault
from storage.engine.connection import fetched
from storage.engine.sealing import Sealer

Shape = dict[str, object]
"""By what it is of, as sets of plain values."""

_TABLES = "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND substr(name, 1, 1) <> '_'"
_COLUMNS = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
_REFERENCES = 'SELECT "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(?)'
_TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'"


def of(connection: sqlite3.Connection) -> Shape:
    """As this connection sees it now."""
    triggers = {(name, table, " ".join(sql.split())) for name, table, sql in _all(connection, _TRIGGERS)}
    found: Shape = {"triggers": triggers}
    for name, *kind in _all(connection, _TABLES):
        if kind[0] == "table" and not name.startswith("sqlite_"):
            columns = frozenset(_all(connection, _COLUMNS, name))
            found[f"table {name}"] = (*kind, columns, frozenset(_all(connection, _REFERENCES, name)))
    return found


@cache
def made_by(migrate: Callable[[sqlite_utils.Database, Sealer], None]) -> Shape:
    """What these migrations make of an empty database."""
    db = sqlite_utils.Database(memory=True)
    try:
        migrate(db, Sealer([bytes(range(32))]))
        return of(db.conn)
    finally:
        db.close()


def require(connection: sqlite3.Connection, wanted: Shape) -> None:
    """Raises DatabaseFault if the database has another shape."""
    found = of(connection)
    if wrong := sorted(what for what, shape in wanted.items() if found.get(what) != shape):
        raise DatabaseFault(
            f"somebody else than the bot has changed how its database works ({', '.join(wrong)}). "
            "See *Records that were altered* in docs/operations.md"
        )


class ShapeGuard:
    """Compares one connection's database with the shape that it must have, whenever its schema has changed."""

    def __init__(self, connection: sqlite3.Connection, wanted: Shape) -> None:
        self._connection = connection
        self._wanted = wanted
        self._compared: int | None = None

    def require(self) -> None:
        """At the beginning of each snapshot. Raises DatabaseFault."""
        # Others may set the number back: then the connection itself goes on with the schema that was compared.
        [(version,)] = _all(self._connection, "PRAGMA schema_version")
        if version == self._compared:
            return
        require(self._connection, self._wanted)
        self._compared = version


def _all(connection: sqlite3.Connection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    return fetched(connection, sql, parameters)
