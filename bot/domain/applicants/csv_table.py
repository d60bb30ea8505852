"""A CSV file as a table. The delimiter is the one under which the header makes sense."""

import csv
from collections.abc import Callable, Iterator
from typing import TextIO

from bot.domain.applicants.encoding import OpenTable, table_text, zero_byte
from bot.domain.applicants.model import Cell, Limits, Table, check_width
from bot.errors import FileCode, FileUnusable

_DELIMITERS = (",", ";", "\t")

# A setting of the whole csv module. It must be at least the longest cell that `_Lines` lets through, which is the
# bound that counts; nothing else in this program relies on a smaller one.
csv.field_size_limit(max(csv.field_size_limit(), 8 * Limits().row_chars))


class _Lines:
    """Lines for csv.reader; counts what one row takes, since a missing quote would make one row of the whole file."""

    def __init__(self, text: TextIO, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._left = limit
        self.row = 1
        self.number = 0

    def next_row(self) -> None:
        self._left = self._limit
        self.row += 1

    def next_line(self) -> str:
        """Empty at the end."""
        line = self._text.readline(self._left + 1)
        self._left -= len(line)
        self.number += bool(line)
        if self._left < 0:
            raise FileUnusable(FileCode.ROW_TOO_LONG, row=self.row)
        if "\0" in line:
            raise zero_byte()
        return line


def read_csv(opened: OpenTable, name: str, *, limits: Limits, known: Callable[[list[str]], int]) -> Table:
    """`known` counts the columns of a header that mean something. Raises FileUnusable."""
    found = [(header, delimiter) for delimiter in _DELIMITERS for header in [_header(opened, name, limits, delimiter)]]
    header, delimiter = max(found, key=lambda pair: known(pair[0]))
    if not known(header):
        raise FileUnusable(FileCode.NO_KNOWN_COLUMNS)
    check_width(len(header))

    def rows() -> Iterator[tuple[int, list[Cell]]]:
        records = _records(opened, name, limits, delimiter)
        next(records)
        for row, record in records:
            yield row, [Cell(text) for text in record]

    return Table(name=name, header=tuple(header), rows=rows)


def _header(opened: OpenTable, name: str, limits: Limits, delimiter: str) -> list[str]:
    try:
        return next(_records(opened, name, limits, delimiter), (0, []))[1]
    except FileUnusable as fault:
        # Quotes may make no sense under the wrong delimiter; under the right one they are a fault.
        if fault.code is FileCode.CSV_QUOTES:
            with table_text(opened, name) as text:
                return next(csv.reader([text.readline(Limits().table_bytes)], delimiter=delimiter), [])
        raise


def _records(opened: OpenTable, name: str, limits: Limits, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with their number."""
    with table_text(opened, name) as text:
        lines = _Lines(text, limits.row_chars)
        try:
            for record in csv.reader(iter(lines.next_line, ""), delimiter=delimiter, strict=True):
                if any(field and not field.isspace() for field in record):
                    yield lines.row, record
                lines.next_row()
        except csv.Error as fault:
            raise FileUnusable(FileCode.CSV_QUOTES, row=lines.row, line=lines.number) from fault
