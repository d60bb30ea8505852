"""A database as years of work leave it: `python -m tests.large_file FILE --checks 1000000`; about 7 kB a check.

A few checks go the whole way through the bot and its stand-ins. SQL then copies their rows, each copy with references,
jobs, hashes and moments of its own, so that every statement finds what it finds in earnest, whatever today's schema.
What is sealed is copied as it is: it has its size, and opens for nobody.
"""

import argparse
import asyncio
import io
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlite_utils

from bot.runtime import log_config
from bot.settings import LogFormat
from bot.slack.blocks import ids
from storage.engine import backup
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.intake.test_batches import csv_of, drop, person, photos, send
from tests.journeys.world import Journey, journey
from tests.storage.older import before_macs

KEY = "aW52ZW50ZWQga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM="
"""The file's encryption key: 32 bytes, known to everybody."""
ENDED = (*["approved"] * 6, "rejected", "rejected", "provisional_approved", "authority_down", "no_face")
OPEN = ("never", "provisional")
"""One waits at Smile ID, one for a reviewer."""
ROWS = 8
"""Of the file of customers among the templates; one in three checks of the copy belongs to a file then."""
FILE_OF = 2_000
"""Rows of one file of customers."""
CHUNK = 2_000
BYTES_PER_CHECK = 8_000
YEARS = timedelta(days=3 * 365)

_FOR_SPEED = (
    "journal_mode = OFF",
    "synchronous = OFF",
    "foreign_keys = OFF",
    "ignore_check_constraints = ON",  # of copies: their template has passed
    "cache_size = -2000000",
)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HASH = re.compile(r"(.{0,12}:)?([0-9a-f]{64})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_OF_A_CHECK = ("verifications", "photos", "attempts", "receipts", "posts", "audit", "facts", "reviews")

_WHICH = "n >= :first AND n < :last AND n % :every = :at"
"""Numbers of copies."""

Row = Mapping[str, object]
Copying = tuple[str, Mapping[str, object]]
"""A statement, and what is the same in all copies."""


@dataclass(frozen=True, slots=True)
class Template:
    """One check, or one file without its rows: its rows by table, and the ids that each copy has for itself."""

    rows: Sequence[tuple[str, Row]]
    ids: frozenset[str]


def make(path: Path, *, checks: int, open_checks: int = 60) -> None:
    """Write the file; `open_checks` of the checks have not ended. Raises FileExistsError or OSError."""
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    needed = checks * BYTES_PER_CHECK
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(f"{path.parent} has no room for {needed >> 20} MiB")
    asyncio.run(_templates(path))
    with closing(sqlite3.connect(path, isolation_level=None, cached_statements=1_000)) as db:
        for setting in _FOR_SPEED:
            db.execute(f"PRAGMA {setting}")
        sealer = Sealer.from_text([KEY])
        # As an older bot would have left it: the upgrade gives each copy a MAC of its own.
        before_macs(db, sealer)
        with _without_indexes(db):
            db.execute("BEGIN")  # one for all: each commit would write the same pages of the keys once more
            _copy(db, checks=checks, open_checks=open_checks)
            db.execute("COMMIT")
        migrate(sqlite_utils.Database(db), sealer)


@contextmanager
def _without_indexes(db: sqlite3.Connection) -> Iterator[None]:
    """They are made at the end, each from sorted rows, in place of finding the place of each row in all of them."""
    made = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for name, _sql in made:
        db.execute(f"DROP INDEX {name}")
    yield
    for _name, sql in made:
        db.execute(sql)


async def _templates(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with journey(Path(folder), KYC_ENCRYPTION_KEYS=KEY, KYC_SEEN_BEFORE="0") as world:
            for number, story in enumerate((*ENDED, *OPEN)):
                world.smile_id.story = story
                await world.ask(id_number=f"{number:09d}00", liveness=8 if number % 3 == 0 else 0)
                await world.settle()
            world.smile_id.story = "approved"
            await _one_file(world)
            backup.take(world.bot.settings.database_file, path, world.sealer)


async def _one_file(world: Journey) -> None:
    people = [person(n, f"9{n:08d}00") for n in range(ROWS)]
    await drop(world, {"people.csv": csv_of(people), **photos(ROWS)})
    await send(world, ids.BATCH_CONFIRM)


def _copy(db: sqlite3.Connection, *, checks: int, open_checks: int) -> None:
    db.row_factory = sqlite3.Row
    found = [_of_check(db, row["ref"]) for row in db.execute("SELECT ref FROM verifications ORDER BY asked_at, ref")]
    ended, still_open = found[: len(ENDED)] + found[len(ENDED) + len(OPEN) :], found[len(ENDED) :][: len(OPEN)]
    db.execute("CREATE TEMP TABLE copies (n INTEGER PRIMARY KEY, hex TEXT, at TEXT, file TEXT)")
    _numbered(db, checks)
    (file,) = (_of_file(db, row["id"]) for row in db.execute("SELECT id FROM batches"))
    _insert(db, _copying(file), first=0, last=checks, every=FILE_OF, at=0)
    copying = [_copying(template) for template in ended]
    last = checks - open_checks
    for first in range(len(found), last, CHUNK):
        for number, statements in enumerate(copying):
            _insert(db, statements, first=first, last=min(first + CHUNK, last), every=len(copying), at=number)
    for number, template in enumerate(still_open):
        _insert(db, _copying(template), first=last, last=checks, every=len(still_open), at=number)


def _numbered(db: sqlite3.Connection, checks: int) -> None:
    """A copy's number, eight hexadecimal digits in no order, its second within the last years, and its file."""
    now = datetime.now(UTC)

    def rows() -> Iterable[tuple[int, str, str, str]]:
        for n in range(checks):
            at = now - YEARS * ((checks - n) / checks)
            # An odd factor: each number gives other digits.
            yield n, f"{n * 2654435761 % 2**32:08x}", at.strftime("%Y-%m-%dT%H:%M:%S"), f"B-{n // FILE_OF:08d}"

    db.executemany("INSERT INTO copies VALUES (?, ?, ?, ?)", rows())


def _of_check(db: sqlite3.Connection, ref: str) -> Template:
    rows: list[tuple[str, Row]] = []
    for table in _OF_A_CHECK:
        key = "job_id IN (SELECT job_id FROM attempts WHERE ref = ?)" if table == "receipts" else "ref = ?"
        sql = f"SELECT * FROM {table} WHERE {key}"  # noqa: S608 - both are written above
        rows += [(table, dict(row)) for row in db.execute(sql, [ref])]
    texts = [value for _table, row in rows for value in row.values() if isinstance(value, str)]
    (file,) = [row["batch"] for table, row in rows if table == "verifications"]
    own = {ref, *(found for text in texts for found in _uuids(text)), *([str(file)] if file else [])}
    return Template(rows=rows, ids=frozenset(own))


def _of_file(db: sqlite3.Connection, batch: str) -> Template:
    rows: list[tuple[str, Row]] = [("batches", dict(db.execute("SELECT * FROM batches").fetchone()))]
    posts = db.execute("SELECT * FROM posts WHERE ref IS NULL AND instr(id, ?)", [batch])
    return Template(rows=[*rows, *(("posts", dict(row)) for row in posts)], ids=frozenset({batch}))


def _uuids(text: str) -> list[str]:
    return [match.group() for match in _UUID.finditer(text)]


def _copying(template: Template) -> list[Copying]:
    """A statement for each table. The rows of one copy follow each other, as they do where checks come one by one."""
    tables: dict[str, list[Row]] = {}
    for table, row in template.rows:
        tables.setdefault(table, []).append(row)
    return [_copying_rows(table, rows, template.ids) for table, rows in tables.items()]


def _copying_rows(table: str, rows: Sequence[Row], own: frozenset[str]) -> Copying:
    values: dict[str, object] = {}
    names = [name for name in rows[0] if name != "seq"]
    selects = []
    for line, row in enumerate(rows):
        columns = [_value(f"{name}_{line}", name, row[name], own, values) for name in names]
        if table == "batches":
            columns[names.index("source")] = "file"
        held = ", ".join(f"{column} AS {name}" for name, column in zip(names, columns, strict=True))
        # Our own columns, and placeholders.
        selects.append(f"SELECT n AS copy, {line} AS line, {held} FROM copies WHERE {_WHICH}")  # noqa: S608
    listed, held = ", ".join(names), " UNION ALL ".join(selects)
    return f"INSERT INTO {table} ({listed}) SELECT {listed} FROM ({held}) ORDER BY copy, line", values  # noqa: S608


def _insert(db: sqlite3.Connection, copying: Sequence[Copying], **which: int) -> None:
    """One copy of the template's rows for each of the numbers."""
    for sql, values in copying:
        db.execute(sql, {**values, **which})


def _value(key: str, name: str, held: object, own: frozenset[str], values: dict[str, object]) -> str:
    """A column of the copies as SQL; what stays the same goes into `values`, under names that begin with `key`."""
    values[key] = held
    if isinstance(held, bytes):
        return "randomblob(32)" if len(held) == 32 else f":{key}"
    if name == "batch_row" and held is not None:
        return f"n % {FILE_OF} + 2"
    if not isinstance(held, str):
        return f":{key}"
    if name == "view_id":
        return "'V' || hex"
    if _MOMENT.fullmatch(held):
        # A job that is due for its status would be opened by the bot.
        return f"at || substr(:{key}, 20)" if name != "ask_at" else "'2999-01-01T00:00:00.000000Z'"
    if match := _HASH.fullmatch(held):
        values[key], values[f"{key}_key"] = match.group(2), match.group(1) or ""
        return f":{key}_key || hex || substr(:{key}, 9)"
    sql = f":{key}"
    for number, one in enumerate(sorted(one for one in own if one in held)):
        values[f"{key}_{number}"] = one
        sql = f"replace({sql}, :{key}_{number}, {_other(one, f':{key}_{number}')})"
    return sql


def _other(one: str, bound: str) -> str:
    """What a copy has instead of an id."""
    if one.startswith("K-"):
        return "'K-' || upper(hex)"
    return "file" if one.startswith("B-") else f"hex || substr({bound}, 9)"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.large_file", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--checks", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=60, dest="open_checks")
    asked = parser.parse_args(arguments)
    log_config.configure(LogFormat.JSON, io.StringIO())
    began = time.monotonic()
    make(asked.file, checks=asked.checks, open_checks=asked.open_checks)
    size = asked.file.stat().st_size / 2**30
    print(f"{asked.file}: {asked.checks} checks, {size:.2f} GiB, in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
