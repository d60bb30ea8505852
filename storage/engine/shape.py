"""The shape of the database: its tables, and what SQLite does by itself when a row changes.

Whoever writes the file can put a trigger into it, a default or a reference that carries changes along. What these
write is part of the bot's own commit, which would make the MACs of it. So nothing is read or written in another shape
than the migrations make. Tables, views and indexes of others (of a replicator, of reports) do nothing of that, and are
let be.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import sqlite_utils

from bot.errors import DatabaseFault
from storage.engine.connection import fetched
from storage.engine.sealing import Sealer

Shape = dict[str, frozenset[tuple[Any, ...]]]
"""By what it is of, as sets of plain values."""
Migrate = Callable[[sqlite_utils.Database, Sealer], None]

NEWEST = "6196b465ee83da1c461b5bbecde9709fd692e8fdf41a58aad6c7902db331668b"
"""The digest of what the migrations of this version make: to make it anew would be a tenth of each start."""

_OURS = """
    tables.schema = 'main' AND tables.type = 'table'
        AND tables.name NOT GLOB '_*' AND tables.name NOT GLOB 'sqlite_*'
"""
_TABLES = f"SELECT name, wr, strict FROM pragma_table_list AS tables WHERE {_OURS}"
_COLUMNS = f"""
    SELECT tables.name, of.name, of.type, of."notnull", of.dflt_value, of.pk, of.hidden
    FROM pragma_table_list AS tables, pragma_table_xinfo(tables.name) AS of WHERE {_OURS}
"""
_REFERENCES = f"""
    SELECT tables.name, of."table", of."from", of."to", of.on_update, of.on_delete
    FROM pragma_table_list AS tables, pragma_foreign_key_list(tables.name) AS of WHERE {_OURS}
"""
_TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'"


def of(connection: sqlite3.Connection) -> Shape:
    """As this connection sees it now."""
    found: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    found["triggers"] = {(name, table, " ".join(sql.split())) for name, table, sql in fetched(connection, _TRIGGERS)}
    for kind, statement in (("table", _TABLES), ("column", _COLUMNS), ("reference", _REFERENCES)):
        for name, *said in fetched(connection, statement):
            found[f"table {name}"].add((kind, *said))
    return {what: frozenset(said) for what, said in found.items()}


def digest(shape: Shape) -> str:
    """The same for the same shape, in whichever order SQLite tells it."""
    plain = [(what, sorted(map(repr, shape[what]))) for what in sorted(shape)]
    return hashlib.sha256(repr(plain).encode()).hexdigest()


@cache
def made_by(migrate: Migrate) -> Shape:
    """What these migrations make of an empty database."""
    db = sqlite_utils.Database(memory=True, execute_plugins=False)
    try:
        migrate(db, Sealer([bytes(range(32))]))
        return of(db.conn)
    finally:
        db.close()


def require(connection: sqlite3.Connection, migrate: Migrate) -> None:
    """Raises DatabaseFault if the database has another shape than these migrations make."""
    found = of(connection)
    if digest(found) == NEWEST:
        return
    # Perhaps others keep a table of their own in it, perhaps it was changed: only a comparison tells.
    wanted = made_by(migrate)
    if wrong := sorted(what for what, shape in wanted.items() if found.get(what) != shape):
        raise DatabaseFault(
            f"somebody else than the bot has changed how its database works ({', '.join(wrong)}). "
            "See *Records that were altered* in docs/operations.md"
        )


class ShapeGuard:
    """Compares one connection's database with the shape that it must have, whenever its schema has changed."""

    def __init__(self, connection: sqlite3.Connection, migrate: Migrate) -> None:
        self._connection = connection
        self._migrate = migrate
        self._compared: int | None = None

    def require(self) -> None:
        """At the beginning of each snapshot. Raises DatabaseFault."""
        # Others may set the number back: then the connection itself goes on with the schema that was compared.
        [(version,)] = fetched(self._connection, "PRAGMA schema_version")
        if version == self._compared:
            return
        require(self._connection, self._migrate)
        self._compared = version
