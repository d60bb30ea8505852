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
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
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
CHUNK = 500
BYTES_PER_CHECK = 8_000
YEARS = timedelta(days=3 * 365)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HASH = re.compile(r"(.{0,12}:)?([0-9a-f]{64})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_OF_A_CHECK = ("verifications", "photos", "attempts", "receipts", "posts", "audit", "facts", "reviews")

Row = Mapping[str, object]


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
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        _copy(db, checks=checks, open_checks=open_checks)
        # As an older bot would have left it: each copy gets a MAC of its own.
        sealer = Sealer.from_text([KEY])
        before_macs(db, sealer)
        migrate(sqlite_utils.Database(db), sealer)


async def _templates(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with journey(Path(folder), KYC_ENCRYPTION_KEYS=KEY, KYC_SEEN_BEFORE="0") as world:
            for number, story in enumerate((*ENDED, *OPEN)):
                world.smile_id.story = story
                await world.ask(id_number=f"{number:09d}00", liveness=8 if number % 3 == 0 else 0)
                await world.settle()
            world.smile_id.story = "approved"
            await _one_file(world)
            backup.take(world.bot.settings.database, path, world.sealer)


async def _one_file(world: Journey) -> None:
    people = [person(n, f"9{n:08d}00") for n in range(ROWS)]
    await drop(world, {"people.csv": csv_of(people), **photos(ROWS)})
    await send(world, ids.BATCH_CONFIRM)


def _copy(db: sqlite3.Connection, *, checks: int, open_checks: int) -> None:
    for setting in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -1500000"):
        db.execute(f"PRAGMA {setting}")
    db.row_factory = sqlite3.Row
    found = [_of_check(db, row["ref"]) for row in db.execute("SELECT ref FROM verifications ORDER BY asked_at, ref")]
    ended, still_open = found[: len(ENDED)] + found[len(ENDED) + len(OPEN) :], found[len(ENDED) :][: len(OPEN)]
    db.execute("CREATE TEMP TABLE copies (n INTEGER PRIMARY KEY, hex TEXT, at TEXT, file TEXT)")
    done = len(found)
    _numbered(db, 0, checks, checks)
    (file,) = (_of_file(db, row["id"]) for row in db.execute("SELECT id FROM batches"))
    _insert(db, file, f"n % {FILE_OF} = 0")
    for first in range(done, checks - open_checks, CHUNK):
        last = min(first + CHUNK, checks - open_checks)
        for number, template in enumerate(ended):
            _insert(db, template, f"n >= {first} AND n < {last} AND n % {len(ended)} = {number}")
    for number, template in enumerate(still_open):
        _insert(db, template, f"n >= {checks - open_checks} AND n % {len(OPEN)} = {number}")


def _numbered(db: sqlite3.Connection, first: int, last: int, checks: int) -> None:
    """A copy's number, eight hexadecimal digits in no order, its second within the last years, and its file."""
    now = datetime.now(UTC)

    def rows() -> Iterable[tuple[int, str, str, str]]:
        for n in range(first, last):
            at = now - YEARS * ((checks - n) / checks)
            # An odd factor: each number gives other digits.
            yield n, f"{n * 2654435761 % 2**32:08x}", at.strftime("%Y-%m-%dT%H:%M:%S"), f"B-{n // FILE_OF:08d}"

    db.execute("BEGIN")
    db.executemany("INSERT INTO copies VALUES (?, ?, ?, ?)", rows())
    db.execute("COMMIT")


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


def _insert(db: sqlite3.Connection, template: Template, which: str) -> None:
    """One copy of the template's rows for each of the numbers."""
    db.execute("BEGIN")
    for table, row in template.rows:
        values: dict[str, object] = {}
        columns = {name: _value(name, held, template.ids, values) for name, held in row.items() if name != "seq"}
        if table == "batches":
            columns["source"] = "file"
        names, held = ", ".join(columns), ", ".join(columns.values())
        sql = f"INSERT INTO {table} ({names}) SELECT {held} FROM copies WHERE {which}"  # noqa: S608 - our own columns
        db.execute(sql, values)
    db.execute("COMMIT")


def _value(name: str, held: object, own: frozenset[str], values: dict[str, object]) -> str:
    """A column of the copies as SQL; what stays the same goes into `values`."""
    values[name] = held
    if isinstance(held, bytes):
        return "randomblob(32)" if len(held) == 32 else f":{name}"
    if name == "batch_row" and held is not None:
        return f"n % {FILE_OF} + 2"
    if not isinstance(held, str):
        return f":{name}"
    if name == "view_id":
        return "'V' || hex"
    if _MOMENT.fullmatch(held):
        # A job that is due for its status would be opened by the bot.
        return f"at || substr(:{name}, 20)" if name != "ask_at" else "'2999-01-01T00:00:00.000000Z'"
    if match := _HASH.fullmatch(held):
        values[name], values[f"{name}_key"] = match.group(2), match.group(1) or ""
        return f":{name}_key || hex || substr(:{name}, 9)"
    sql = f":{name}"
    for number, one in enumerate(sorted(one for one in own if one in held)):
        values[f"{name}_{number}"] = one
        sql = f"replace({sql}, :{name}_{number}, {_other(one, f':{name}_{number}')})"
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
