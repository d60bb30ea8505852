"""Carries the rows of whole tables between SQLite and PostgreSQL, and proves that they arrived.

Both ends are read again: the sum of the digests of all rows is the same, in whichever order either gives them. A row is
in the form in which PostgreSQL copies it (postgresql.org/docs/current/sql-copy.html, 2026-11): one for each value.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from struct import Struct
from typing import Any

import psycopg

from bot.errors import DatabaseFault
from storage.engine.sql import SqlConnection

OnRows = Callable[[int], None]
"""Hears how many more rows are done."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_AT_ONCE = 2_000
"""Rows in one write: some hundred kilobytes."""
_MODULUS = 1 << 128
_LEFT_OUT: Mapping[str, str] = {
    # What either engine keeps of its own schema and server, and of the move itself.
    "meta": "name NOT IN ('shape', 'move', 'server')",
}
_FOREIGN = ": somebody else than the bot has written it"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_:.-]{1,80}")
_int2, _int4, _int8, _float8 = Struct("!h"), Struct("!i"), Struct("!q"), Struct("!d")


class NotCarried(DatabaseFault):
    """A row cannot be copied as it is, or has not arrived as it was."""


@dataclass(frozen=True, slots=True)
class Table:
    """One that both engines have."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    """SQLite's types of them."""

    @property
    def listed(self) -> str:
        return ", ".join(self.columns)

    @property
    def where(self) -> str:
        return f"WHERE {_LEFT_OUT[self.name]}" if self.name in _LEFT_OUT else ""


@dataclass(slots=True)
class Digest:
    """Of some rows."""

    rows: int = 0
    total: int = 0

    def add(self, packed: bytes) -> None:
        self.rows += 1
        self.total = (self.total + int.from_bytes(blake2b(packed, digest_size=16).digest())) % _MODULUS


def tables_of(connection: sqlite3.Connection) -> list[Table]:
    """All tables of the bot in a file that has today's schema."""
    names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_*' AND name NOT GLOB 'sqlite_*'"
    found = []
    for (name,) in _read(connection, names):
        columns = [(row[1], row[2]) for row in _read(connection, f"PRAGMA table_info({name})")]
        found.append(Table(name, tuple(c for c, _kind in columns), tuple(kind for _c, kind in columns)))
    return found


def count(connection: SqlConnection, tables: Iterable[Table]) -> int:
    """How many rows there are to carry."""
    counts = [connection.fetch(f"SELECT COUNT(*) FROM {table.name} {table.where}") for table in tables]
    return sum(rows for ((rows,),) in counts)


def to_server(lite: sqlite3.Connection, raw: psycopg.Connection[Any], table: Table, on_rows: OnRows) -> Digest:
    """Copy all rows of one table; what was sent."""
    sent = Digest()
    rows = packed_rows(lite, table)
    with raw.cursor().copy(f"COPY {table.name} ({table.listed}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.write(_HEADER)
        while some := list(islice(rows, _AT_ONCE)):
            for row in some:
                sent.add(row)
            copy.write(b"".join(some))
            on_rows(len(some))
        copy.write(_END)
    return sent


def to_file(raw: psycopg.Connection[Any], lite: sqlite3.Connection, table: Table, on_rows: OnRows) -> Digest:
    """The same the other way."""
    received = Digest()
    rows = server_rows(raw, table)
    insert = f"INSERT INTO {table.name} ({table.listed}) VALUES ({', '.join('?' * len(table.columns))})"
    unpack = _unpacker(table)
    while some := list(islice(rows, _AT_ONCE)):
        for row in some:
            received.add(row)
        lite.executemany(insert, map(unpack, some)).close()
        on_rows(len(some))
    return received


def of_file(lite: sqlite3.Connection, table: Table, on_rows: OnRows) -> Digest:
    """What a file holds."""
    return _of(packed_rows(lite, table), on_rows)


def of_server(raw: psycopg.Connection[Any], table: Table, on_rows: OnRows) -> Digest:
    """What a server holds."""
    return _of(server_rows(raw, table), on_rows)


def require_same(table: Table, sent: Digest, arrived: Digest) -> None:
    """Raises NotCarried."""
    if sent != arrived:
        raise NotCarried(f"the rows of {table.name} have not arrived as they were ({sent.rows}, {arrived.rows})")


def _of(rows: Iterator[bytes], on_rows: OnRows) -> Digest:
    found = Digest()
    while some := list(islice(rows, _AT_ONCE)):
        for row in some:
            found.add(row)
        on_rows(len(some))
    return found


def packed_rows(lite: sqlite3.Connection, table: Table) -> Iterator[bytes]:
    """All rows of a table in a file, as PostgreSQL copies them. Raises NotCarried."""
    packers = [_PACKERS[kind] for kind in table.kinds]
    begin = _int2.pack(len(table.columns))
    before, lite.text_factory = lite.text_factory, bytes  # no text is made of what is bytes again at once
    try:
        with closing(lite.cursor()) as cursor:
            cursor.row_factory = None
            cursor.arraysize = _AT_ONCE
            cursor.execute(f"SELECT {table.listed} FROM {table.name} {table.where}")
            while rows := cursor.fetchmany():
                for row in rows:
                    yield begin + b"".join([pack(value) for pack, value in zip(packers, row, strict=True)])
    except _Unfit as unfit:
        raise NotCarried(f"{_where(table, packers, row)} holds {unfit}") from None
    finally:
        lite.text_factory = before


def server_rows(raw: psycopg.Connection[Any], table: Table) -> Iterator[bytes]:
    """All rows of a table on a server, as PostgreSQL copies them."""
    sql = f"COPY (SELECT {table.listed} FROM {table.name} {table.where}) TO STDOUT (FORMAT BINARY)"
    with raw.cursor().copy(sql.encode()) as copy:
        # The server sends each row by itself, the first one behind the header.
        rest = bytes(next(iter(copy)))
        assert rest.startswith(_HEADER[:11])
        rest = rest[len(_HEADER) :]
        while rest != _END:
            yield rest
            rest = bytes(copy.read())
        copy.read()


class _Unfit(Exception):
    """What no column of PostgreSQL's takes."""


def _where(table: Table, packers: Sequence[Callable[[object], bytes]], row: Sequence[object]) -> str:
    """The column of the first value that does not fit, and the row by what names it, never a value of a person's."""
    for column, pack, value in zip(table.columns, packers, row, strict=True):
        try:
            pack(value)
        except _Unfit:
            key = row[0].decode(errors="replace") if isinstance(row[0], bytes) else str(row[0])
            of = f" of {key}" if _PLAIN_KEY.fullmatch(key) else ""
            return f"{table.name}.{column}{of}"
    return table.name


def _pack_text(value: object) -> bytes:
    if value is None:
        return _NULL
    if not isinstance(value, bytes):
        raise _Unfit(f"a number for a text{_FOREIGN}")
    if not value.isascii():
        # As the bot itself reads what is no UTF-8: the MAC of its check does not fit it here and there.
        value = value.decode("utf-8", "replace").encode()
    if b"\0" in value:
        raise _Unfit(
            "a text with a NUL, which PostgreSQL does not take, and which older versions of the bot may have written: "
            "have the check erased (`kyc-bot erase`) or, where it is none, ask its developers"
        )
    return _int4.pack(len(value)) + value


def _pack_bytes(value: object) -> bytes:
    if value is None:
        return _NULL
    if not isinstance(value, bytes):
        raise _Unfit(f"a number for sealed bytes{_FOREIGN}")
    return _int4.pack(len(value)) + value


def _pack_integer(value: object) -> bytes:
    if value is None:
        return _NULL
    if type(value) is not int:
        raise _Unfit(f"something else for a whole number{_FOREIGN}")
    return b"\0\0\0\x08" + _int8.pack(value)


def _pack_real(value: object) -> bytes:
    if value is None:
        return _NULL
    if not isinstance(value, float):
        raise _Unfit(f"something else for a fraction{_FOREIGN}")
    return b"\0\0\0\x08" + _float8.pack(value)


_PACKERS: Mapping[str, Callable[[object], bytes]] = {
    "TEXT": _pack_text,
    "BLOB": _pack_bytes,
    "INTEGER": _pack_integer,
    "REAL": _pack_real,
}
_UNPACKERS: Mapping[str, Callable[[bytes], object]] = {
    "TEXT": bytes.decode,
    "BLOB": bytes,
    "INTEGER": lambda data: _int8.unpack(data)[0],
    "REAL": lambda data: _float8.unpack(data)[0],
}


def _unpacker(table: Table) -> Callable[[bytes], Sequence[object]]:
    readers = [_UNPACKERS[kind] for kind in table.kinds]

    def unpack(row: bytes) -> list[object]:
        values, at = list[object](), 2
        for read in readers:
            (length,) = _int4.unpack_from(row, at)
            at += 4
            if length < 0:
                values.append(None)
                continue
            values.append(read(row[at : at + length]))
            at += length
        return values

    return unpack


def _read(connection: sqlite3.Connection, sql: str) -> list[Any]:
    with closing(connection.cursor()) as cursor:
        cursor.row_factory = None
        return cursor.execute(sql).fetchall()
