"""What a storage function works with: its statements, its sealer, its wake-ups, and moments as text."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import sqlite_utils

from bot.errors import DatabaseFault
from storage.engine.sealing import Sealer


def to_text(moment: datetime) -> str:
    """UTC with microseconds, always equally wide, so that texts sort as moments do."""
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone cannot be stored")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_text(text: str) -> datetime:
    """The aware UTC moment that `to_text` wrote; ValueError for any other form."""
    moment = datetime.fromisoformat(text)
    if to_text(moment) != text:
        raise ValueError("not a stored moment")
    return moment


def moment_or_none(text: str | None) -> datetime | None:
    """The same of a column that may be empty."""
    return from_text(text) if text is not None else None


class Transaction:
    """One savepoint of the writer's transaction, or one reader's snapshot.

    Worth nothing once the function that got it has returned.
    """

    __slots__ = ("_topics", "db", "sealer")

    def __init__(self, db: sqlite_utils.Database, sealer: Sealer, topics: list[str] | None) -> None:
        """`topics` collects what is woken; a reader has None."""
        self.db = db
        self.sealer = sealer
        self._topics = topics

    def rows(self, sql: str, /, **params: object) -> list[sqlite3.Row]:
        """All rows of one statement.

        Parameters are named: a datetime is stored as `to_text` writes it, an enum member as its value, a bool as 0/1.
        """
        with closing(self._execute(sql, params)) as cursor:
            return cursor.fetchall()

    def row(self, sql: str, /, **params: object) -> sqlite3.Row | None:
        """The first row of one statement, if there is any."""
        rows = self.rows(sql, **params)
        return rows[0] if rows else None

    def column(self, sql: str, /, **params: object) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.rows(sql, **params)]

    def value(self, sql: str, /, **params: object) -> Any:
        """The first column of the first row; None where there is no row, too."""
        row = self.row(sql, **params)
        return None if row is None else row[0]

    def exists(self, sql: str, /, **params: object) -> bool:
        """Whether there is any row."""
        return self.row(sql, **params) is not None

    def insert(self, table: str, /, **columns: object) -> None:
        """Store one new row. sqlite3.IntegrityError if the schema refuses it."""
        self.run(_insert(table, columns), **columns)

    def insert_once(self, table: str, /, **columns: object) -> bool:
        """Store one new row; False when a UNIQUE of the schema has it already."""
        return self.change(f"{_insert(table, columns)} ON CONFLICT DO NOTHING", **columns)

    def update(self, table: str, where: str, /, of: Mapping[str, object], **columns: object) -> bool:
        """Set columns of the rows `where`, with the parameters `of`; False when that is no row.

        For plain values: what is calculated in SQL is written out and given to `run` or `change`.
        """
        assignments = ", ".join(f"{column} = :set_{column}" for column in columns)
        values = {f"set_{column}": value for column, value in columns.items()}
        return self.change(f"UPDATE {table} SET {assignments} WHERE {where}", **of, **values)

    def change(self, sql: str, /, **params: object) -> bool:
        """Run one guarded statement; False when its guard kept it from changing anything."""
        return self.run(sql, **params) > 0

    def run(self, sql: str, /, **params: object) -> int:
        """How many rows one INSERT, UPDATE or DELETE touched (with RETURNING use `rows`)."""
        with closing(self._execute(sql, params)) as cursor:
            return cursor.rowcount

    def wake(self, topic: str) -> None:
        """Call the topic's subscribers after the commit; forgotten when this function or the commit fails."""
        if self._topics is None:
            raise RuntimeError("only a function given to write() may wake a topic")
        self._topics.append(topic)

    def _execute(self, sql: str, params: dict[str, object]) -> sqlite3.Cursor:
        # After an `INSERT OR ROLLBACK` whose failure was forgiven, a statement would commit by itself.
        if not self.db.conn.in_transaction:
            raise DatabaseFault("the transaction has ended: nothing more can be read or stored in it")
        stored = {name: to_text(value) if isinstance(value, datetime) else value for name, value in params.items()}
        cursor: sqlite3.Cursor = self.db.conn.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(sql, stored)


def _insert(table: str, columns: Collection[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{column}' for column in columns)})"
