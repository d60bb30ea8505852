"""What a storage function works with: its statements, its sealer, its wake-ups, and values as they are stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, get_args, get_origin, get_type_hints

from bot.errors import DatabaseFault
from storage.engine.sealing import Sealer
from storage.engine.sql import Dialect, Row, SqlConnection

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

E = TypeVar("E", bound=Enum)
T = TypeVar("T", bound="DataclassInstance")

_LONG_AGO = datetime.fromtimestamp(0, UTC)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def to_text(moment: datetime) -> str:
    """UTC with microseconds, always equally wide, so that texts sort as moments do."""
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone cannot be stored")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def from_text(text: str) -> datetime:
    """The aware UTC moment that `to_text` wrote; ValueError for any other form."""
    # A year's figures read half a million of them: a pattern proves the form five times as fast as writing it again.
    if not _MOMENT.fullmatch(text):
        raise ValueError("not a stored moment")
    return datetime.fromisoformat(text)


def any_moment(text: str) -> datetime:
    """Of a row that is loaded: what is no moment, and so was not written by the bot, is long ago.

    The MAC of the check tells it, where it covers the column. Where it does not, as for what is due when, nobody may
    stop a queue or a list by it.
    """
    try:
        return from_text(text)
    except (TypeError, ValueError):
        return _LONG_AGO


def moment_or_none(text: str | None) -> datetime | None:
    """The same of a column that may be empty."""
    return any_moment(text) if text is not None else None


def load(cls: type[T], row: Row, **given: Any) -> T:
    """A `cls` from the columns named like its fields; those `given` need no column.

    Times, enums and booleans are read as the field's type says, a set as the words of a text, a mapping from JSON, NULL
    as None. KeyError if a column is missing, ValueError if an enum knows no such value.
    """
    plain, read = _plan(cls, tuple(row.keys()), tuple(given))
    values = tuple(row)
    # As a frozen `__init__` puts its arguments: all fields are here, and handing them over to it would take as long.
    made, put = object.__new__(cls), object.__setattr__
    for name, value in given.items():
        put(made, name, value)
    for name, number in plain:
        put(made, name, values[number])
    for name, number, reader in read:
        stored = values[number]
        put(made, name, None if stored is None else reader(stored))
    return made


def params(source: DataclassInstance) -> dict[str, Any]:
    """The fields as parameters of a statement, which takes those that it names."""
    return {field.name: getattr(source, field.name) for field in fields(source)}


@cache
def _plan(
    cls: type[Any], columns: Sequence[str], given: Collection[str]
) -> tuple[list[tuple[str, int]], list[tuple[str, int, Callable[[Any], Any]]]]:
    """Which column each field is in that is taken as it stands there; the same of the others, and how they are read.

    A list loads ten checks of fifty columns: to look each up by its name was a third of that.
    """
    numbers = {column: number for number, column in enumerate(columns)}
    hints = get_type_hints(cls)
    assert not hasattr(cls, "__post_init__"), f"{cls.__name__} would be loaded without it"
    names = [field.name for field in fields(cls) if field.name not in given]
    readers = {name: read for name in names if (read := _reader(hints[name])) is not None}
    return (
        [(name, numbers[name]) for name in names if name not in readers],
        [(name, numbers[name], read) for name, read in readers.items()],
    )


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, UnionType):
        (hint,) = set(get_args(hint)) - {NoneType}
    if hint is datetime:
        return any_moment
    if get_origin(hint) is frozenset:
        return _words
    if get_origin(hint) is Mapping:
        return _mapping
    if not isinstance(hint, type):
        return None
    return member_of(hint) if issubclass(hint, Enum) else hint if hint is bool else None


def _words(stored: str) -> frozenset[str]:
    return frozenset(stored.split())


def _mapping(stored: str) -> Mapping[str, Any]:
    return json.loads(stored) if stored != "{}" else {}  # nearly all are empty


def member_of(kind: type[E]) -> Callable[[Any], E]:
    """Reads members by their values, five times as fast as `kind` itself; ValueError for what is none."""
    known = {member.value: member for member in kind}
    return lambda stored: known[stored] if stored in known else kind(stored)


class LogEvent(NamedTuple):
    """What is logged once it is stored."""

    event: str
    facts: Mapping[str, object]


class RecordMacs(Protocol):
    """Knows which records are not as the bot wrote them."""

    @property
    def known(self) -> frozenset[str]: ...
    def altered(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]: ...
    def altered_heads(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]: ...
    def note(self, refs: Collection[str]) -> None: ...
    def note_older(self) -> None: ...


class Transaction:
    """One savepoint of the writer's transaction, or one reader's snapshot.

    Worth nothing once the function that got it has returned.
    """

    __slots__ = ("_told", "_topics", "connection", "instance", "macs", "sealer")

    def __init__(
        self,
        connection: SqlConnection,
        sealer: Sealer,
        topics: list[str] | None,
        told: list[LogEvent] | None = None,
        *,
        macs: RecordMacs | None = None,
        instance: str = "",
    ) -> None:
        self.connection = connection
        self.sealer = sealer
        self.macs = macs  # none while the database is brought up to date
        self.instance = instance  # the id of this process; empty while the database is brought up to date
        self._topics = topics  # what is woken; a reader has none
        self._told = told  # what is logged after the commit

    @property
    def dialect(self) -> Dialect:
        return self.connection.dialect

    def rows(self, sql: str, /, **params: object) -> list[Row]:
        """All rows of one statement.

        Parameters are named: a datetime is stored as `to_text` writes it, an enum member as its value, a bool as 0/1, a
        NUL in a text as U+FFFD.
        """
        return self.connection.fetch_rows(sql, self._stored(params))

    def row(self, sql: str, /, **params: object) -> Row | None:
        """The first row of one statement, if there is any."""
        rows = self.rows(sql, **params)
        return rows[0] if rows else None

    def one(self, sql: str, /, **ids: object) -> Row:
        """The first row, which must exist: LookupError, which names the ids, otherwise."""
        row = self.row(sql, **ids)
        if row is None:
            raise LookupError(f"no row of {ids}")
        return row

    def column(self, sql: str, /, **params: object) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.rows(sql, **params)]

    def value(self, sql: str, /, **params: object) -> Any:
        """The first column of the first row; None where there is no row, too."""
        row = self.row(sql, **params)
        return None if row is None else row[0]

    def exists(self, sql: str, /, **params: object) -> bool:
        return self.row(sql, **params) is not None

    def insert(self, table: str, /, **columns: object) -> None:
        """Store one new row. If the schema refuses it the function fails with ConstraintFailed, perhaps later on."""
        self.connection.run_later(_insert(table, columns), self._stored(columns))

    def insert_all(self, table: str, rows: Sequence[Mapping[str, object]], /) -> None:
        """The same for many rows with the same columns, in one statement."""
        if rows:
            self.connection.run_for_each(_insert(table, rows[0]), [self._stored(row) for row in rows])

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
        return self.connection.run(sql, self._stored(params))

    def altered(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]:
        """Those of these checks whose record is not as the bot wrote it; asked before anything of it is told.

        Many at once cost a few statements, however many they are. A check without a record counts as altered, unless
        the caller has read rows that outlive it.
        """
        return self.macs.altered(refs, or_gone=or_gone) if self.macs and refs else frozenset()

    def altered_heads(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]:
        """The same for whoever shows many checks by the heads of their records alone (`storage.engine.covered`).

        What was altered in the rest of one is left out once it is known: it is looked for each hour, and whenever the
        check is opened or anything is done with it.
        """
        return self.macs.altered_heads(refs, or_gone=or_gone) if self.macs and refs else frozenset()

    def altered_so_far(self, also: Collection[str] = ()) -> frozenset[str]:
        """Checks whose record proved altered before, and those that the caller has found out by itself."""
        if self.macs is None:
            return frozenset()
        if also:
            self.macs.note(also)
        return self.macs.known

    def wake(self, topic: str) -> None:
        """Call the topic's subscribers after the commit; forgotten when this function or the commit fails."""
        if self._topics is None:
            raise RuntimeError("only a function given to write() may wake a topic")
        self._topics.append(topic)

    def tell(self, event: str, /, **facts: object) -> None:
        """Log this event after the commit: what was rolled back has not happened. Ids, states and durations alone."""
        if self._told is not None:
            self._told.append(LogEvent(event, facts))

    def _stored(self, params: Mapping[str, object]) -> dict[str, object]:
        # After an `INSERT OR ROLLBACK` whose failure was forgiven, a statement would commit by itself.
        if not self.connection.in_transaction:
            raise DatabaseFault("the transaction has ended: nothing more can be read or stored in it")
        return {
            name: value if value is None or value.__class__ is int else _stored(value) for name, value in params.items()
        }


def _stored(value: object) -> object:
    if value.__class__ is str and "\0" in value:
        # PostgreSQL takes no NUL, and SQLite's functions end a text there. Nobody sees one in a message either: what it
        # belongs to is stored all the same, with the sign for what cannot be shown, and on both engines alike.
        return value.replace("\0", "\ufffd")
    return to_text(value) if isinstance(value, datetime) else value


def _insert(table: str, columns: Collection[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{column}' for column in columns)})"
