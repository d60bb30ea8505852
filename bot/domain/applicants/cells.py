"""One cell of a table, whatever file it came from, and a table as the rest of this room sees it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from bot.errors import FileCode, FileUnusable

MAX_COLUMNS = 200
"""More named columns than this is no list of applicants."""


class CellKind(StrEnum):
    """What a cell holds beyond plain text."""

    TEXT = "text"
    NUMBER = "number"
    """As the file stores it: leading zeros are gone, long ones are rounded."""
    DATE = "date"
    """The text is an ISO date."""
    FORMULA = "formula"
    ERROR = "error"
    """A spreadsheet's #N/A, #REF! …"""
    LIST = "list"
    """Several texts, in `parts`; JSON alone has these."""
    OTHER = "other"
    """True, false, a time, an object: nothing that any column takes."""


class Cell(NamedTuple):
    text: str = ""
    kind: CellKind = CellKind.TEXT
    parts: tuple[str, ...] = ()


EMPTY = Cell()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and rows that can be read as often as needed, one at a time."""

    name: str = field(repr=False)
    header: tuple[str, ...]
    rows: Callable[[], Iterator[tuple[int, Sequence[Cell]]]]
    """Row number as people see it, and cells in the header's order, fewer or more. Blank rows are left out.
    Raises FileUnusable while it is read."""


def check_width(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise FileUnusable(FileCode.TOO_MANY_COLUMNS, most=MAX_COLUMNS)


def too_large(limit: int) -> FileUnusable:
    return FileUnusable(FileCode.TABLE_TOO_LARGE, megabytes=limit // 1024 // 1024)


def row_too_long(row: int) -> FileUnusable:
    return FileUnusable(FileCode.ROW_TOO_LONG, row=row)
