"""What an empty database on PostgreSQL gets: what SQLite's migrations make of an empty file, and a few things more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import sqlite_utils
from psycopg import sql

from storage.engine import migrations
from storage.engine.moved import MoveState
from storage.engine.postgresql import touched
from storage.engine.postgresql.definitions import Stage, translated
from storage.engine.sealing import Sealer
from storage.engine.shape import Migrate
from storage.engine.transaction import to_text

_MOMENT = "^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}[.][0-9]{6}Z$"
_DAY = """make_date(CAST(substr(moment, 1, 4) AS INTEGER), CAST(substr(moment, 6, 2) AS INTEGER), 1)
            + CAST(substr(moment, 9, 2) AS INTEGER) - 1"""
FUNCTIONS = (
    # As SQLite's date(moment, '+… days'): of what is no moment NULL, and no error that would stop a trigger.
    f"""
    CREATE FUNCTION day_after(moment TEXT, days INTEGER) RETURNS TEXT LANGUAGE sql STABLE AS $body$
        SELECT CASE WHEN moment ~ '{_MOMENT}' THEN to_char({_DAY} + days, 'YYYY-MM-DD') END
    $body$
    """,
    # As SQLite's: days, in thousandths of a second.
    f"""
    CREATE FUNCTION julianday(moment TEXT) RETURNS DOUBLE PRECISION LANGUAGE sql STABLE AS $body$
        SELECT CASE WHEN moment ~ '{_MOMENT}' THEN (
            ({_DAY} - DATE '2000-01-01') * CAST(86400000 AS BIGINT) + 211813444800000
            + CAST(substr(moment, 12, 2) AS INTEGER) * 3600000 + CAST(substr(moment, 15, 2) AS INTEGER) * 60000
            + (CAST(substr(moment, 18, 2) || substr(moment, 21, 6) AS BIGINT) + 500) / 1000
        ) / CAST(86400000 AS DOUBLE PRECISION) END
    $body$
    """,
)
"""What SQLite has built in, and triggers or views use."""

# The row that every commit of every instance locks: on a database that was moved away, or that another is being moved
# into, there is none to lock.
WRITER = f"""
    CREATE TABLE IF NOT EXISTS writer (
        one BIGINT PRIMARY KEY CHECK (one = 1),
        state TEXT COLLATE "C" NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in MoveState)})),
        move TEXT COLLATE "C"
    )
    """
_OWN_TABLES = (
    WRITER,
    'CREATE TABLE applied_migrations (name TEXT COLLATE "C" PRIMARY KEY, applied_at TEXT COLLATE "C" NOT NULL)',
    # A group's own id, so that whoever lost the answer to a COMMIT can ask. Its one row changes with each group: there
    # is room beside it, so that no index has to.
    """
    CREATE TABLE groups (
        instance TEXT COLLATE "C" PRIMARY KEY,
        last_group TEXT COLLATE "C" NOT NULL,
        at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
    ) WITH (fillfactor = 50)
    """,
)
"""What SQLite has no use for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the migrations make of an empty file."""

    statements: Mapping[Stage, Sequence[str]]
    rows: Mapping[str, Sequence[Mapping[str, object]]]
    """By table; few, if any."""
    migrations: Sequence[str]
    """By their names, in order."""

    def made_in(self, *stages: Stage) -> Iterator[str]:
        for stage in stages:
            yield from self.statements.get(stage, ())


def contents(make: Migrate) -> Contents:
    """Made from SQLite's own, each time: a tenth of a second, for the few starts that need it."""
    with closing(sqlite_utils.Database(memory=True, execute_plugins=False)) as db:
        make(db, Sealer([bytes(range(32))]))
        made: dict[Stage, list[str]] = {}
        texts = db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name NOT GLOB '_*'")
        for (text,) in texts.fetchall():
            for stage, statements in translated(text).by_stage.items():
                made.setdefault(stage, []).extend(statements)
        tables = [name for name in db.table_names() if not name.startswith("_")]
        rows = {name: found for name in tables if (found := list(db[name].rows))}
        names = [migration.name for migration in migrations.migrations.applied(db)]
        return Contents(statements=made, rows=rows, migrations=names)


def create(raw: psycopg.Connection[Any], make: Migrate) -> None:
    """Make everything, in the caller's transaction."""
    made = contents(make)
    create_tables(raw, made)
    for table, rows in made.rows.items():
        for row in rows:
            raw.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join([sql.Placeholder()] * len(row)),
                ),
                list(row.values()),
            )
    create_others(raw, made)
    note_applied(raw, made.migrations)


def create_tables(raw: psycopg.Connection[Any], made: Contents) -> None:
    """Tables alone, which rows can be copied into."""
    run(raw, [*_OWN_TABLES, *made.made_in(Stage.TABLE)])


def create_others(raw: psycopg.Connection[Any], made: Contents) -> None:
    """What else stands beside them."""
    run(raw, [*FUNCTIONS, *made.made_in(Stage.INDEX, Stage.REFERENCE, Stage.VIEW, Stage.TRIGGER)])
    run(raw, list(touched.definitions()))


def drop(raw: psycopg.Connection[Any], made: Contents) -> None:
    """Take everything away again but the row of the writer, in the caller's transaction."""
    named = re.compile(r"CREATE (TABLE|VIEW|FUNCTION) (\w+(?:\([^)]*\))?)")
    statements = [*_OWN_TABLES[1:], *FUNCTIONS, *made.made_in(*Stage)]
    found = [match for statement in statements if (match := named.search(statement))]
    run(raw, [f"DROP {kind} IF EXISTS {name} CASCADE" for kind, name in (match.groups() for match in found)])
    run(raw, [touched.dropped()])


def create_as_temporary(raw: psycopg.Connection[Any], make: Migrate) -> None:
    """Tables, and what writes by itself where they change; seen by this session alone. `search_path` says `pg_temp`."""
    made = contents(make)
    create_tables(raw, made)
    others = [*FUNCTIONS, *made.made_in(Stage.INDEX, Stage.REFERENCE, Stage.TRIGGER), *touched.definitions()]
    # By its bare name no function is looked for there.
    run(raw, [statement.replace("EXECUTE FUNCTION ", "EXECUTE FUNCTION pg_temp.") for statement in others])


def note_applied(raw: psycopg.Connection[Any], names: Sequence[str]) -> None:
    """Keep that the database has had these migrations."""
    now = to_text(datetime.now(UTC))
    with raw.cursor() as cursor:
        cursor.executemany("INSERT INTO applied_migrations VALUES (%s, %s)", [(name, now) for name in names])


def run(raw: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    """All of them in one round trip."""
    # Without parameters psycopg leaves signs of per cent alone.
    if statements:
        raw.execute(";\n".join(statements).encode())
