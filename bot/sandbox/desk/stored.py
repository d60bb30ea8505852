"""Rows as they stand in the bot's database, read without the bot: by the standard library, and for reading alone.

It knows of the schema no more than that a check has a `ref`, a job a `job_id`, and that a column of sealed values ends
so. What is sealed stays sealed: nobody here has the key.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROWS = 12
"""Of one table."""
LINES = 30
"""Of the audit."""
LONGEST_VALUE = 160
_BUSY_SECONDS = 1.0
_OURS = ("kyc-bot", "smile-id")
"""Actors of the audit that are no person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    values: tuple[tuple[str, str], ...]
    """Column and value, without the empty ones."""
    empty: int
    """Columns that hold nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    name: str
    rows: tuple[Row, ...]
    left: int
    """Further rows, which are not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    ref: str
    tables: tuple[Table, ...]


def last_check(database: Path) -> Stored | None:
    """All rows about the newest check; None while there is none. Raises sqlite3.Error."""
    with closing(_opened(database)) as db:
        newest = db.execute('SELECT "ref" FROM "verifications" ORDER BY rowid DESC LIMIT 1').fetchone()
        if newest is None:
            return None
        ref = str(newest["ref"])
        return Stored(ref=ref, tables=tuple(table for table in _tables_about(db, ref) if table.rows))


def last_click(database: Path) -> tuple[str, ...]:
    """The audit from the last act of a person on, oldest line first. Raises sqlite3.Error."""
    with closing(_opened(database)) as db:
        marks = ", ".join("?" for _ in _OURS)
        lines = db.execute(
            f'SELECT * FROM "audit" WHERE seq >= COALESCE('  # noqa: S608  # only marks are put in
            f'(SELECT MAX(seq) FROM "audit" WHERE actor NOT IN ({marks})), 0) ORDER BY seq LIMIT ?',
            (*_OURS, LINES),
        ).fetchall()
    return tuple(
        " · ".join(str(line[name]) for name in ("at", "actor", "act", "ref", "detail") if line[name]) for line in lines
    )


def _opened(database: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    db.row_factory = sqlite3.Row
    return db


def _tables_about(db: sqlite3.Connection, ref: str) -> Iterator[Table]:
    names = [row["name"] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    for name in names:
        columns = [row["name"] for row in db.execute(f'PRAGMA table_info("{name}")')]
        if name == "audit":
            continue
        if "ref" in columns:
            yield _table(db, name, '"ref" = ?', ref)
        elif "job_id" in columns and name != "attempts":
            yield _table(db, name, '"job_id" IN (SELECT job_id FROM attempts WHERE ref = ?)', ref)


def _table(db: sqlite3.Connection, name: str, condition: str, ref: str) -> Table:
    """`name` is one that the schema gave, `condition` one of ours."""
    found = db.execute(f'SELECT * FROM "{name}" WHERE {condition} LIMIT {ROWS + 1}', (ref,)).fetchall()  # noqa: S608
    total = len(found)
    if total > ROWS:
        total = db.execute(f'SELECT COUNT(*) FROM "{name}" WHERE {condition}', (ref,)).fetchone()[0]  # noqa: S608
    return Table(name=name, rows=tuple(_row(row) for row in found[:ROWS]), left=max(0, total - ROWS))


def _row(row: sqlite3.Row) -> Row:
    values = [(name, _shown(name, row[name])) for name in row.keys() if row[name] not in (None, "")]  # noqa: SIM118
    return Row(values=tuple(values), empty=len(row.keys()) - len(values))


def _shown(column: str, value: object) -> str:
    if isinstance(value, bytes):
        return f"sealed, {len(value)} bytes" if column.endswith("_sealed") else f"{len(value)} bytes"
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
