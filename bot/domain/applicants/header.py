"""Where a table's header is: people put a title above it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

HEADER_WITHIN = 20
"""Rows that are not blank, from the top, among which the header must be."""
_LONGEST_NAME = 200
"""Of a cell with a photo in it, no more than this is looked at."""
_SURE = 3
"""No title and no applicant holds the names of so many columns."""

Known = Callable[[Sequence[str]], int]
"""Counts the columns of a header that mean something."""


@dataclass(frozen=True, slots=True)
class Header:
    row: int
    """Its number, as people see it."""
    names: tuple[str, ...] = field(repr=False)
    known: int
    above: tuple[int, ...]
    """Numbers of the rows before it that are not blank."""


def find_header(rows: Iterable[tuple[int, Sequence[str]]], known: Known) -> Header | None:
    """The first of the rows with the most columns that mean something; None if no row has any."""
    best: Header | None = None
    above: list[int] = []
    for number, cells in islice(rows, HEADER_WITHIN):
        names = tuple(cell[:_LONGEST_NAME] for cell in cells)
        count = known(names)
        if count > (best.known if best else 0):
            best = Header(number, names, count, tuple(above))
            if count >= _SURE:
                break
        above.append(number)
    return best
