"""What the MAC of a record is made of: SQLite writes it, and no two records are written alike."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.engine import macs
from storage.engine.connection import sql_of
from storage.engine.covered import COVERED, FRACTIONS, CoveredTable
from storage.engine.sealing import Sealer

SEALER = Sealer([b"k" * 32])
TABLES = {table.name: table for table in COVERED}
PIECES = (
    b'"',
    b"\\",
    b"[",
    b"]",
    b",",
    b"\n",
    b" ",
    b"1",
    b" 0 1:",
    b"null",
    b"\0",
    b"\x1f",
    b"\xff",
    "é".encode(),
    b"x",
)
"""Whatever could be mistaken for what stands between values."""
VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+|null', re.DOTALL)
BLOB = re.compile(rb" (\d+) (\d+):")

Rows = dict[str, list[list[object]]]
"""By table, in the order of `CoveredTable.columns`; bytes that are no UTF-8 are lone surrogates in a text."""


@contextmanager
def stored(rows: Rows) -> Iterator[sqlite3.Connection]:
    """The record of K-1 in tables that take whatever is given."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE check_macs (ref TEXT PRIMARY KEY, version, mac, rest_sha256)")
        db.execute("CREATE TABLE audit (seq, ref)")
        db.executemany("INSERT INTO audit VALUES (?, ?)", [(4, "K-1"), (5, "K-2"), (9, "K-1")])
        for table in COVERED:
            columns = [f'"{column}"' for column in table.columns if column != "ref"]
            db.execute(f"CREATE TABLE {table.name} (ref TEXT, {', '.join(columns)})")
            for row in rows.get(table.name, ()):
                of_row = dict(zip(table.columns, row, strict=False)) | {"ref": "K-1"}
                slots = ["CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in of_row.values()]
                given_ = [v.encode(errors="surrogateescape") if isinstance(v, str) else v for v in of_row.values()]
                db.execute(f"INSERT INTO {table.name} ({', '.join(of_row)}) VALUES ({', '.join(slots)})", given_)  # noqa: S608 - names from the code
        yield db


def parts_of(rows: Rows) -> Sequence[bytes]:
    with stored(rows) as db:
        return macs._stored(sql_of(db), ["K-1"])["K-1"].parts or ()


def text_of(rows: Rows) -> bytes:
    return b"".join(parts_of(rows))


def read(text: bytes) -> Rows:
    """The record again, from its text alone."""
    rows, name, at = Rows(), "verifications", 0
    while at < len(text):
        if text[at : at + 1] == b"\n":
            at, end = at + 1, text.index(b"[", at)
            name, at = text[at:end].decode(), end
        if name == "audit":
            return rows | {name: [json.loads(text[at:])]}
        row, at = _row(TABLES[name], text, at)
        rows.setdefault(name, []).append(row)
    return rows


def _row(table: CoveredTable, text: bytes, at: int) -> tuple[list[object], int]:
    assert text[at : at + 1] == b"["
    values, blobs, at = list[object](), dict[int, bytes](), at + 1
    while found := VALUE.match(text, at):
        values.append(json.loads(found[0].decode(errors="surrogateescape")))
        at = found.end() + (text[found.end() : found.end() + 1] == b",")
    while found := BLOB.match(text, at):
        at = found.end() + int(found[2])
        blobs[int(found[1])] = text[found.end() : at]
    plain, sealed = iter(values), iter(range(len(table.columns)))
    row = [blobs.get(next(sealed)) if _is_blob(column) else next(plain, None) for column in table.columns]
    return [
        value / 1048576 if column in FRACTIONS and isinstance(value, int) else value
        for column, value in zip(table.columns, row, strict=True)
    ], at


def _is_blob(column: str) -> bool:
    return column.endswith("_sealed")


def drawn(random: Random) -> Rows:
    """A record with few rows in each table; its keys are their numbers."""

    def value(table: CoveredTable, column: str, number: int) -> object:
        piece = b"".join(random.choices(PIECES, k=random.randrange(4)))
        if column in table.key:
            return "K-1" if column == "ref" else number
        if column == "job_id":
            return "J"
        if _is_blob(column):
            return random.choice((None, piece))
        if column in FRACTIONS:
            return random.randrange(1 << 30) / 1024
        return random.choice((None, None, random.randrange(-9, 99), piece.decode(errors="surrogateescape")))

    counts = {name: 1 if name in ("verifications", "attempts") else random.randrange(3) for name in TABLES}
    return {
        name: [[value(table, column, number) for column in table.columns] for number in range(counts[name])]
        for name, table in TABLES.items()
        if counts[name]
    }


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=True))
def test_a_record_can_be_read_from_its_text_so_that_no_two_have_the_same(random: Random) -> None:
    rows = drawn(random)
    as_stored = {name: random.sample(of_table, len(of_table)) for name, of_table in rows.items()}
    assert read(text_of(as_stored)) == rows | {"audit": [[2, 9]]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((None, b"ab"), (b"ab", None)),
        ((b"", None), (None, None)),
        ((b"1", None), ("1", None)),
        ((b" 1 1:a", None), (b" 1", b"a")),
    ],
)
def test_blobs_of_a_row_are_told_apart(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    at = {column: place for place, column in enumerate(TABLES["receipts"].columns)}

    def text(*blobs: object) -> bytes:
        row: list[object] = ["R-1", "J", *[None] * (len(at) - 2)]
        row[at["body_sha256_sealed"]], row[at["body_sealed"]] = blobs
        return text_of({"verifications": [["K-1"]], "attempts": [["J", 1]], "receipts": [row]})

    assert text(*one) != text(*other)


def test_a_value_of_another_type_than_the_schema_lets_in_spoils_its_own_record_alone() -> None:
    fraction = TABLES["verifications"].columns.index("paused_seconds")
    texts = set()
    for paused in (5.0, "5.0", 5, b"5.0", None):
        row: list[object] = ["K-1", *[None] * fraction]
        row[fraction] = paused
        texts.add(text_of({"verifications": [row]}))
    assert len(texts) == 5
    with stored({"verifications": [["K-1", b"1"]]}) as db:
        db.execute("INSERT INTO verifications (ref) VALUES ('K-2')")
        for ref in ("K-1", "K-2"):
            text = macs.texts_of(sql_of(db), [ref])[ref]
            db.execute("INSERT INTO check_macs VALUES (?, 1, ?, ?)", (ref, macs.mac_of(SEALER, 1, text), text.rest))
        examined = macs.examine(sql_of(db), SEALER, ["K-1", "K-2", "K-3"])
    assert (examined.altered, examined.versions, examined.unknown) == ({"K-1"}, {"K-2": 1}, {"K-3"})


def test_whichever_sqlite_writes_it_a_text_has_its_mac() -> None:
    """Of an update of SQLite no record may look altered."""
    rows: Rows = {
        "verifications": [["K-1", 1, 0, "approved", "\0\x01\b\t\n\f\r\x1f\x7f\"'/\\é😀\udcff"]],
        "attempts": [["J", 1, 1, "U1", "sent", None, "", b"\0\xff"]],
        "receipts": [["R-2", "J", "poll"], ["R-1", "J", "callback", "0810", "ab", None, b" 0 1:"]],
        "photos": [["selfie", 1], ["selfie", 0], ["liveness", 0]],
    }
    rows["verifications"][0] += [None] * len(TABLES["verifications"].columns)
    rows["verifications"][0][TABLES["verifications"].columns.index("paused_seconds")] = 0.1 + 0.2
    parts = parts_of(rows)
    assert macs.mac_of(SEALER, 3, macs.text_of(parts)) == (
        "2e641920:0fe43ed1a4d9ff0ae15f8c85d9d89e65d96ce103cc0eb818c57c17eb62ce53e5"
    )
    # As it is since migration m0032, of all at once.
    assert SEALER.mac(macs.message_at_once(3, parts), purpose="record-mac") == (
        "2e641920:809a01a9cc5a9ae1582f18db37e69e03ceb6fdcb520aaa5546d741bc202820d7"
    )
