"""Values on their way to PostgreSQL and back, so that storage functions see what SQLite would give them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from struct import Struct
from typing import Any, cast

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import TextBinaryLoader

from storage.engine.transaction import to_text

BINARY = Format.BINARY
_UNTYPED, _BYTEA, _INT8, _TEXT, _FLOAT8 = 0, 17, 20, 25, 701
"""Numbers of types that every server knows (pg_type.dat)."""
_pack_int, _pack_float = Struct("!q").pack, Struct("!d").pack

Encoded = tuple[tuple[int, ...], list[bytes | None]]
"""The types of some parameters, and their bytes in PostgreSQL's binary form."""


def encoded(arguments: Sequence[object]) -> Encoded:
    """Raises TypeError for a value that no column holds, OverflowError for a number beyond 64 bits."""
    types, values = list[int](), list[bytes | None]()
    for argument in arguments:
        kind = type(argument)
        # The frequent ones first: a check sends hundreds of these.
        if kind is str:
            types.append(_TEXT)
            values.append(_text(cast("str", argument)))
        elif argument is None:
            types.append(_UNTYPED)  # whatever its place in the statement is of
            values.append(None)
        elif kind is int:
            types.append(_INT8)
            values.append(_integer(cast("int", argument)))
        else:
            of_type, value = _other(argument)
            types.append(of_type)
            values.append(value)
    return tuple(types), values


def _text(text: str) -> bytes:
    # As `Transaction` has it for both engines; of what past it is sent by the engine itself.
    return (text.replace("\0", "\ufffd") if "\0" in text else text).encode()


def _integer(number: int) -> bytes:
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError("a whole number has more than 64 bits")
    return _pack_int(number)


def _other(argument: object) -> tuple[int, bytes]:
    match argument:
        case Enum():
            (of_type,), (value,) = encoded([argument.value])
            return of_type, cast("bytes", value)
        case bool() | int():
            return _INT8, _integer(int(argument))
        case str():
            return _TEXT, _text(argument)
        case float():
            return _FLOAT8, _pack_float(argument)
        case bytes() | bytearray() | memoryview():
            return _BYTEA, bytes(argument)
        case datetime():
            return _TEXT, to_text(argument).encode()
        case _:
            raise TypeError(f"a {type(argument).__name__} cannot be stored")


class Row(tuple[Any, ...]):
    """One row, by the numbers of its columns and by their names, for which each statement has a class of its own."""

    __slots__ = ()
    _numbers: dict[str, int] = {}  # noqa: RUF012 - each class has its own
    _names: tuple[str, ...] = ()

    def __getitem__(self, key: Any) -> Any:
        """By number, slice or name; IndexError for a name that it does not have, as with sqlite3.Row."""
        if key.__class__ is str:
            try:
                key = self._numbers[key]
            except KeyError:
                raise IndexError(f"no column {key}") from None
        return tuple.__getitem__(self, key)

    def keys(self) -> list[str]:
        """The names of all columns, in order."""
        return list(self._names)


@cache
def row_class(names: tuple[str, ...]) -> type[Row]:
    """For rows with these columns; of two with one name the first is found by it."""
    numbers = {name: number for number, name in reversed(list(enumerate(names)))}
    return type("Row", (Row,), {"__slots__": (), "_numbers": numbers, "_names": names})


def load_as_sqlite_does(connection: psycopg.Connection[Any]) -> None:
    """Have results read as SQLite gives them: no Decimal, no bool, no parsed JSON."""
    for name, loader in (
        ("bool", _BoolLoader),
        ("numeric", _NumberLoader),
        ("json", TextBinaryLoader),
        ("jsonb", _JsonbLoader),
    ):
        connection.adapters.register_loader(name, loader)


class _BinaryLoader(Loader):
    format = BINARY


class _BoolLoader(_BinaryLoader):
    def load(self, data: Buffer) -> int:
        return bytes(data)[0]


class _NumberLoader(NumericBinaryLoader):
    """What a SUM or AVG of whole numbers is."""

    def load(self, data: Buffer) -> Any:
        number = super().load(data)
        # An AVG has places behind its point, though they are all zeros.
        is_whole = number.as_tuple().exponent == 0
        return int(number) if is_whole else float(number)


class _JsonbLoader(_BinaryLoader):
    def load(self, data: Buffer) -> str:
        return bytes(data)[1:].decode()  # behind the version of the form
