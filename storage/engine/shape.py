"""The shape of the database: its tables, and what SQLite does by itself when a row changes.

Whoever writes the file can put a trigger into it, a default or a reference that carries changes along. What these
write is part of the bot's own commit, which would make the MACs of it. An index more on a table of ours, or one with
more columns, answers lists by itself with whatever was put into it, and MACs are compared with the table's rows. So
nothing is read or written in another shape than the migrations make. Tables of others with their indexes, and views (of
a replicator, of reports) do nothing of that, and are let be.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import sqlite_utils

from bot.errors import DatabaseFault
from storage.engine.connection import sql_of
from storage.engine.sealing import Sealer

Shape = dict[str, frozenset[tuple[Any, ...]]]
"""By what it is of, as sets of plain values."""
Migrate = Callable[[sqlite_utils.Database, Sealer], None]

NEWEST = "4242beefff53768cf299ec9115b954926b5690ae22666108cd3537a4504ce1af"
"""The digest of what the migrations of this version make: to make it anew would be a tenth of each start."""

_OURS = """
    tables.schema = 'main' AND tables.type = 'table'
        AND tables.name NOT GLOB '_*' AND tables.name NOT GLOB 'sqlite_*'
"""
# CONFLICT: of two rows that a UNIQUE lets in once, the older would go by itself. COLLATE: two texts count as the same.
# No pragma tells either, and the migrations use neither.
_TABLES = f"""
    SELECT tables.name, wr, strict, instr(upper(of.sql), 'CONFLICT') > 0, instr(upper(of.sql), 'COLLATE') > 0
    FROM pragma_table_list AS tables JOIN sqlite_schema AS of ON of.type = 'table' AND of.name = tables.name
    WHERE {_OURS}
"""
_COLUMNS = f"""
    SELECT tables.name, of.name, of.type, of."notnull", of.dflt_value, of.pk, of.hidden
    FROM pragma_table_list AS tables, pragma_table_xinfo(tables.name) AS of WHERE {_OURS}
"""
_REFERENCES = f"""
    SELECT tables.name, of."table", of."from", of."to", of.on_update, of.on_delete
    FROM pragma_table_list AS tables, pragma_foreign_key_list(tables.name) AS of WHERE {_OURS}
"""
_TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'"
_INDEXES = "SELECT name, tbl_name, COALESCE(sql, '') FROM sqlite_schema WHERE type = 'index'"
_INDEX = "index "
"""Each of those that only find rows: one may be missing while an upgrade goes on (`storage.engine.upkeep`)."""


def of(connection: sqlite3.Connection) -> Shape:
    """As this connection sees it now."""
    shared = sql_of(connection)
    found: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    found["triggers"] = {(name, table, " ".join(sql.split())) for name, table, sql in shared.fetch(_TRIGGERS)}
    for kind, statement in (("table", _TABLES), ("column", _COLUMNS), ("reference", _REFERENCES)):
        for name, *said in shared.fetch(statement):
            found[f"table {name}"].add((kind, *said))
    for name, table, sql in shared.fetch(_INDEXES):
        if (of_table := found.get(f"table {table}")) is None:
            continue  # a table of others, or SQLite's
        written = " ".join(sql.split())
        if not written or written.startswith("CREATE UNIQUE INDEX"):
            of_table.add(("unique", name, written))
        else:
            found[f"{_INDEX}{name}"].add((table, written))
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
    wrong = {what for what, shape in wanted.items() if found.get(what, _may_be_missing(what, shape)) != shape}
    wrong |= {what for what, shape in found.items() if what not in wanted and _is_on(shape, wanted)}
    if wrong:
        raise DatabaseFault(
            f"somebody else than the bot has changed how its database works ({', '.join(sorted(wrong))}). "
            "See *Records that were altered* in docs/operations.md"
        )


def _is_on(found: frozenset[tuple[Any, ...]], wanted: Shape) -> bool:
    """Whether it is an index on one of our tables."""
    return any(f"table {table}" in wanted for table, *_ in found)


def _may_be_missing(what: str, shape: frozenset[tuple[Any, ...]]) -> frozenset[tuple[Any, ...]] | None:
    return shape if what.startswith(_INDEX) else None


class ShapeGuard:
    """Compares one connection's database with the shape that it must have, whenever its schema has changed."""

    def __init__(self, connection: sqlite3.Connection, migrate: Migrate) -> None:
        self._connection = connection
        self._migrate = migrate
        self._compared: int | None = None

    def require(self) -> None:
        """At the beginning of each snapshot. Raises DatabaseFault."""
        # Others may set the number back: then the connection itself goes on with the schema that was compared.
        [(version,)] = sql_of(self._connection).fetch("PRAGMA schema_version")
        if version == self._compared:
            return
        require(self._connection, self._migrate)
        self._compared = version
