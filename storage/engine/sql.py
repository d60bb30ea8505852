"""What the shared parts of storage ask of a connection, whichever engine is behind it.

A statement is written once, in SQLite's spelling: with `:name` and a mapping, or with `?` and a sequence. What cannot
be said so that both engines understand it is said by the `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Later: TypeAlias = Callable[[], T]
"""Gives what was asked for before."""
Parameters = Sequence[object] | Mapping[str, object]
"""Texts, numbers, bytes, None; a member of an enum as its value, a bool as 0 or 1."""


class Dialect(Enum):
    """The engine that a statement is for."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"

    def each(self, texts: str) -> str:
        """A table of the texts in a list of JSON, in its column `value`."""
        match self:
            case Dialect.SQLITE:
                return f"json_each({texts})"
            case Dialect.POSTGRESQL:
                return f"json_array_elements_text(CAST({texts} AS JSON))"

    def hex_of(self, value: str) -> str:
        """Bytes in small hex digits."""
        match self:
            case Dialect.SQLITE:
                return f"lower(hex({value}))"
            case Dialect.POSTGRESQL:
                return f"encode({value}, 'hex')"

    def is_text(self, value: str) -> str:
        """Whether a column of texts that has a value holds a text: past SQLite's schema it may not."""
        match self:
            case Dialect.SQLITE:
                return f"typeof({value}) = 'text'"
            case Dialect.POSTGRESQL:
                return f"{value} IS NOT NULL"


class Row(Protocol):
    """One row of a result, by the names of its columns and by their numbers."""

    def __getitem__(self, key: int | str, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def keys(self) -> list[str]: ...


class SqlConnection(Protocol):
    """One connection. All that a statement opens is closed when its method returns.

    Every method raises ConstraintFailed for what the schema refuses, and the engine's own errors for the rest.
    """

    @property
    def dialect(self) -> Dialect: ...
    @property
    def in_transaction(self) -> bool: ...

    def fetch(self, sql: str, parameters: Parameters = (), /) -> list[tuple[Any, ...]]:
        """All rows of one statement, as plain tuples. Raises SpoiltValue."""

    def fetch_rows(self, sql: str, parameters: Parameters = (), /) -> list[Row]:
        """All rows of one statement."""

    def fetch_later(self, sql: str, parameters: Parameters = (), /) -> Later[list[tuple[Any, ...]]]:
        """The rows as they are now, for whoever takes them with a later statement's, or later still.

        A server is asked for both in one round trip. What fails is told by then.
        """

    def run(self, sql: str, parameters: Parameters = (), /) -> int:
        """Run one statement whose rows, if there are any, nobody wants; how many it touched."""

    def run_later(self, sql: str, parameters: Parameters = (), /) -> None:
        """Run one statement that gives no rows before whatever follows. What fails may be told by a later statement."""

    def run_for_each(self, sql: str, parameters: Iterable[Parameters], /) -> None:
        """Run one statement that gives no rows, for each of these. What fails may be told by a later statement."""


class SpoiltValue(Exception):
    """A value has another type than its column: somebody has changed bytes of the file."""
