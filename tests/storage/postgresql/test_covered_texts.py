"""What a MAC covers is the same bytes on PostgreSQL as on SQLite, whatever a row holds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from hashlib import sha256
from typing import Any

import psycopg
import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.engine import kept_sums, macs
from storage.engine.connection import sql_of
from storage.engine.covered import COVERED, FRACTIONS, CoveredTable
from storage.engine.migrations import migrate
from storage.engine.postgresql import covered_texts
from storage.engine.postgresql.plain import PlainConnection
from storage.engine.sealing import Sealer

REFS = ("K-1", "K-ä", 'K-"\\\t', "K-\U0001f600")
SPECIAL = [
    *map(chr, range(1, 0x21)),
    *"\"\\/'[],nul]\x7f\x80\x85\u2028\uffff\ufffd\U0001f600\U0010ffff",
    "null",
    "\\u0001",
]
"""Whatever the two might write down differently, or take for what stands between values."""
NUMBERS = st.one_of(st.sampled_from([0, -1, -(1 << 63), (1 << 63) - 1]), st.integers(-(1 << 63), (1 << 63) - 1))
TEXTS = st.text(
    st.one_of(st.sampled_from("".join(SPECIAL)), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
FLOATS = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 0.1, 1e300, -1e300, 2.0**43, -(2.0**43), 2.0**43 - 2**-9, 5e-324, 1048576.4999, 2.5, -2.5]
    ),
    st.floats(allow_nan=False, allow_infinity=True),
)
OF_TYPE = {"TEXT": TEXTS, "INTEGER": NUMBERS, "REAL": FLOATS, "BLOB": st.binary(max_size=40)}
NATIVE = {"TEXT": 'TEXT COLLATE "C"', "INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA"}

Tables = dict[str, list[dict[str, object]]]


@cache
def types() -> dict[str, dict[str, str]]:
    """Of the columns that a record is made of, by table."""
    with closing(sqlite_utils.Database(memory=True, execute_plugins=False)) as db:
        migrate(db, Sealer([b"k" * 32]))
        found = {table.name: {column.name: column.type for column in db[table.name].columns} for table in COVERED}
        return found | {
            "audit": {"seq": "INTEGER", "ref": "TEXT"},
            "day_sums": dict.fromkeys(("begins", "ends", "mac"), "TEXT"),
        }


@pytest.fixture
def both(empty_database: str) -> Iterator[tuple[sqlite3.Connection, psycopg.Connection[Any]]]:
    """The tables of a record without whatever the schema refuses."""
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as lite,
        psycopg.connect(empty_database, autocommit=True) as server,
    ):
        for table, columns in (
            types() | {"check_macs": {"ref": "TEXT", "version": "INTEGER", "mac": "TEXT", "rest_sha256": "BLOB"}}
        ).items():
            lite.execute(
                f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())}) STRICT"
            )
            server.execute(
                f"CREATE TABLE {table} ({', '.join(f'{name} {NATIVE[kind]}' for name, kind in columns.items())})"
            )
        yield lite, server


@st.composite
def records(draw: st.DrawFn) -> Tables:
    """A few checks with a few rows in each table. Keys are unique."""
    found: Tables = {
        "verifications": [_row(draw, "verifications", {"ref": ref}) for ref in REFS[: draw(st.integers(1, 3))]]
    }
    refs = [str(row["ref"]) for row in found["verifications"]]
    for table in COVERED[1:]:
        kinds = types()[table.name]
        keys = draw(st.lists(st.tuples(*(OF_TYPE[kinds[key]] for key in table.key)), max_size=3, unique=True))
        found[table.name] = [
            _row(draw, table.name, _belonging(draw, table, refs) | dict(zip(table.key, key, strict=True)))
            for key in keys
        ]
    found["attempts"] = [row | {"job_id": f"J-{number}"} for number, row in enumerate(found["attempts"])]
    lines = st.lists(st.tuples(NUMBERS, st.sampled_from([*refs, None])), max_size=4, unique_by=lambda line: line[0])
    found["audit"] = [{"seq": seq, "ref": ref} for seq, ref in draw(lines)]
    return found


def _belonging(draw: st.DrawFn, table: CoveredTable, refs: list[str]) -> dict[str, object]:
    return {"job_id": f"J-{draw(st.integers(0, 2))}"} if table.through_job else {"ref": draw(st.sampled_from(refs))}


def _row(draw: st.DrawFn, table: str, known: dict[str, object]) -> dict[str, object]:
    maybe = {
        name: draw(OF_TYPE[kind] if name in FRACTIONS else st.one_of(st.none(), OF_TYPE[kind]))
        for name, kind in types()[table].items()
        if name not in known
    }
    return maybe | known


def fill(lite: sqlite3.Connection, server: psycopg.Connection[Any], tables: Tables) -> None:
    plain = PlainConnection(server)
    with server.transaction():
        for table in types():
            for connection in (lite, server):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of the schema
        for table, rows in tables.items():
            for row in rows:
                sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - names of the schema
                lite.execute(sql, list(row.values()))
                plain.run(sql, list(row.values()))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables=records(), asked=st.integers(1, len(REFS)))
def test_both_engines_write_a_record_down_in_the_same_bytes(both: Any, tables: Tables, asked: int) -> None:
    lite, server = both
    fill(lite, server, tables)
    refs = REFS[:asked]
    on_lite = macs._stored(sql_of(lite), refs)
    assert macs._stored(PlainConnection(server), refs) == on_lite
    heads = macs._stored(sql_of(lite), refs, heads=True)
    assert macs._stored(PlainConnection(server), refs, heads=True) == heads
    assert on_lite.keys() == set(refs)


SUMS = st.lists(st.tuples(TEXTS, TEXTS, st.one_of(st.none(), TEXTS)), max_size=5, unique_by=lambda row: row[:2])


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(sums=SUMS)
def test_both_engines_have_the_same_digest_of_days(both: Any, sums: list[tuple[str, str, str | None]]) -> None:
    lite, server = both
    fill(lite, server, {"day_sums": [dict(zip(("begins", "ends", "mac"), row, strict=True)) for row in sums]})
    [(text,)] = PlainConnection(server).fetch(covered_texts.KEPT_SUMS)
    assert (sha256(text.encode()).hexdigest() if text != "[]" else kept_sums.NONE) == kept_sums.digest(sql_of(lite))
