"""A CSV file as a table. The delimiter is the one under which a header makes sense."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from bot.domain.applicants.encoding import OpenTable, table_text, zero_byte
from bot.domain.applicants.header import HEADER_WITHIN, Header, Known, find_header
from bot.domain.applicants.model import Cell, Limits, Table, TableRow, Unseen, check_width
from bot.errors import FileCode, FileUnusable

_DELIMITERS = (",", ";", "\t")
_SEPARATOR = re.compile(r"\s*\"?sep=(?P<delimiter>[^\w\"\r\n])\"?[,;\t]*\s*", re.IGNORECASE)
"""Excel's own first line, which it does not show: the row below it is row 1 to people."""
_SEPARATOR_LINE = 40

# A setting of the whole csv module. It must be at least the longest cell that `_Lines` lets through, which is the
# bound that counts; nothing else in this program relies on a smaller one.
csv.field_size_limit(max(csv.field_size_limit(), 8 * Limits().row_chars))


class _Lines:
    """Lines for csv.reader; counts what one row takes, since a missing quote would make one row of the whole file."""

    def __init__(self, text: TextIO, limit: int, *, read: int) -> None:
        self._text = text
        self._limit = limit
        self._left = limit
        self.row = 1
        self.number = read

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    opened: OpenTable
    name: str
    limits: Limits
    separator: str
    """What the file's first line says; empty if it says nothing of the kind."""

    def records(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not blank, with their number. Raises FileUnusable."""
        with table_text(self.opened, self.name) as text:
            if self.separator:
                text.readline(_SEPARATOR_LINE)
            lines = _Lines(text, self.limits.row_chars, read=int(bool(self.separator)))
            try:
                for record in csv.reader(iter(lines.next_line, ""), delimiter=delimiter, strict=True):
                    if any(field and not field.isspace() for field in record):
                        yield lines.row, record
                    lines.next_row()
            except csv.Error as fault:
                raise FileUnusable(FileCode.CSV_QUOTES, row=lines.row, line=lines.number) from fault

    def header(self, delimiter: str, known: Known) -> Header | None:
        return find_header(self._beginning(delimiter), known)

    def _beginning(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """One row at a time: each may hold the photos of a person."""
        count = 0
        try:
            for found in self.records(delimiter):
                yield found
                count += 1
        except FileUnusable as fault:
            if fault.code is not FileCode.CSV_QUOTES:
                raise
            # Quotes may make no sense under the wrong delimiter; under the right one they are a fault, which whoever
            # reads the rows hears.
            yield from self._lines_as_they_are(delimiter, after=count)

    def _lines_as_they_are(self, delimiter: str, *, after: int) -> Iterator[tuple[int, list[str]]]:
        with table_text(self.opened, self.name) as text:
            for number in range(1, HEADER_WITHIN + 1):
                line = text.readline(Limits().table_bytes)
                if number > after:
                    yield number, next(csv.reader([line], delimiter=delimiter), [])


def read_csv(opened: OpenTable, name: str, *, limits: Limits, known: Known) -> Table:
    """Raises FileUnusable."""
    separator = _separator(opened, name)
    source = _Source(opened=opened, name=name, limits=limits, separator=separator)
    delimiters = dict.fromkeys(filter(None, (separator, *_DELIMITERS)))
    found = [(delimiter, header) for delimiter in delimiters if (header := source.header(delimiter, known))]
    if not found:
        raise FileUnusable(FileCode.NO_KNOWN_COLUMNS)
    delimiter, header = max(found, key=lambda pair: pair[1].known)
    check_width(len(header.names))

    def rows() -> Iterator[TableRow]:
        for row, record in source.records(delimiter):
            if row > header.row:
                yield TableRow(row, [Cell(text) for text in record])

    return Table(name=name, header=header.names, rows=rows, unseen=Unseen(above=header.above))


def _separator(opened: OpenTable, name: str) -> str:
    with table_text(opened, name) as text:
        line = text.readline(_SEPARATOR_LINE)
    found = _SEPARATOR.fullmatch(line)
    return found["delimiter"] if found else ""
