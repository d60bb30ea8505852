"""Rows as they stand in the bot's database, read without the bot: by the standard library, and for reading alone.

It knows of the schema what it shows: that a check has a `ref` and an end, a job a `job_id`, that a column of sealed
values ends so, and where messages and files in Slack are listed. What is sealed stays sealed: nobody here has the key.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROWS = 12
"""Of one table."""
LINES = 30
"""Of the audit."""
LONGEST_VALUE = 160
_BUSY_SECONDS = 1.0
CHOICES = 12
"""Checks that one may choose from."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A check that has ended, and of whose customer something is kept."""

    ref: str
    state: str
    requester: str
    """User id."""
    channel: str
    message_ts: str
    """Of the bot's message in that channel; empty where it was never posted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A message or file in Slack that the bot has on its list of what to erase."""

    what: str
    """`message`, `upload`, `file`, `written` or `thread`."""
    state: str
    """`due`, `done`, `kept`, or `left` where Slack refused."""
    why: str
    """Slack's word, or the bot's; empty where nothing was refused."""
    author: str
    """User id, or empty."""


Values = Mapping[str, str | int | float | bytes | None]
Rows = Mapping[str, Mapping[tuple[object, ...], Values]]
"""By table and primary key."""


def finished(database: Path, *, most: int = CHOICES) -> tuple[Finished, ...]:
    """The last checks that ended and are not erased, the newest first. Raises sqlite3.Error."""
    with closing(_opened(database)) as db:
        found = db.execute(
            "SELECT ref, state, requester, channel, COALESCE(message_ts, '') AS message_ts FROM verifications v "
            "WHERE ended_at IS NOT NULL AND personal_erased_at IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM reviews r WHERE r.ref = v.ref AND r.state = 'open') "
            "ORDER BY ended_at DESC, ref LIMIT ?",
            (most,),
        ).fetchall()
    return tuple(Finished(**dict(row)) for row in found)


def rows_of(database: Path, ref: str) -> Rows:
    """Every row about a check, in every table but the trail. Raises sqlite3.Error."""
    found: dict[str, dict[tuple[object, ...], Values]] = {}
    with closing(_opened(database)) as db:
        for name, condition in _places(db):
            keys = [row["name"] for row in db.execute(f'PRAGMA table_info("{name}")') if row["pk"]]
            rows = db.execute(f'SELECT * FROM "{name}" WHERE {condition}', (ref,)).fetchall()  # noqa: S608
            found[name] = {tuple(row[key] for key in keys): dict(row) for row in rows}
    return found


def removals_of(database: Path, ref: str) -> tuple[Removal, ...]:
    """What the bot has to erase in Slack for a check, and how far it is. Raises sqlite3.Error."""
    with closing(_opened(database)) as db:
        found = db.execute(
            "SELECT what, state, COALESCE(why, '') AS why, COALESCE(author, '') AS author FROM slack_removals "
            "WHERE ref = ? ORDER BY rowid",
            (ref,),
        ).fetchall()
    return tuple(Removal(**dict(row)) for row in found)


def trail_after(database: Path, seq: int) -> tuple[str, ...]:
    """The lines of the trail after that one, the oldest first. Raises sqlite3.Error."""
    with closing(_opened(database)) as db:
        lines = db.execute('SELECT * FROM "audit" WHERE seq > ? ORDER BY seq LIMIT ?', (seq, LINES)).fetchall()
    return tuple(_line(line) for line in lines)


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
    return tuple(_line(line) for line in lines)


def _line(line: sqlite3.Row) -> str:
    return " · ".join(str(line[name]) for name in ("at", "actor", "act", "ref", "detail") if line[name])


def _opened(database: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    db.row_factory = sqlite3.Row
    return db


def _tables_about(db: sqlite3.Connection, ref: str) -> Iterator[Table]:
    for name, condition in _places(db):
        yield _table(db, name, condition, ref)


def _places(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Each table with rows about checks, and the condition that finds those of one."""
    names = [row["name"] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    for name in names:
        columns = [row["name"] for row in db.execute(f'PRAGMA table_info("{name}")')]
        if name == "audit":
            continue
        if "ref" in columns:
            yield name, '"ref" = ?'
        elif "job_id" in columns and name != "attempts":
            yield name, '"job_id" IN (SELECT job_id FROM attempts WHERE ref = ?)'


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
