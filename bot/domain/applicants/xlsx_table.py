"""An Excel workbook as a table, through openpyxl; checked as a zip before openpyxl sees it."""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError  # only the error: openpyxl parses, with defusedxml

import openpyxl
from openpyxl.cell.read_only import EmptyCell

from bot.domain.applicants.archive import BROKEN, Archive
from bot.domain.applicants.model import EMPTY, MAX_COLUMNS, Cell, CellKind, Limits, Table, shown, too_large
from bot.errors import FileCode, FileUnusable

_BROKEN = (*BROKEN, ParseError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError, SyntaxError)
"""What damaged workbooks raise in openpyxl, as fuzzing showed: it trusts the XML to be Excel's."""
_OLD_OR_LOCKED = b"\xd0\xcf\x11\xe0"
_SHEETS = 50
_UNPACKED_TIMES = 4
"""A sheet's XML is several times the size of its zip; more than this many times `table_bytes` is no list of people."""


def read_xlsx(content: BinaryIO, name: str, *, limits: Limits, known: Callable[[list[str]], int]) -> Table:
    """`known` counts the columns of a header that mean something. Raises FileUnusable."""
    _guard(content, name, limits)
    found = [(title, header) for title, header in _headers(content, name) if known(list(header))]
    if not found:
        raise FileUnusable(FileCode.NO_KNOWN_COLUMNS)
    if len(found) > 1:
        first, second = shown(found[0][0]), shown(found[1][0])
        raise FileUnusable(FileCode.SEVERAL_SHEETS, first=first, second=second)
    title, header = found[0]

    def rows() -> Iterator[tuple[int, list[Cell]]]:
        lines = _lines(content, name, title)
        next(lines, None)
        yield from lines

    return Table(name=name, header=header, rows=rows)


def _guard(content: BinaryIO, name: str, limits: Limits) -> None:
    if content.seek(0, io.SEEK_END) > limits.table_bytes:
        raise too_large(limits.table_bytes)
    content.seek(0)
    if content.read(4) == _OLD_OR_LOCKED:
        raise FileUnusable(FileCode.WORKBOOK_PROTECTED, name=shown(name))
    entries = Archive.opened(content, name, limits).entries
    # Pictures in the workbook are never opened; openpyxl may parse everything else.
    parsed = sum(entry.size for entry in entries if not entry.path.casefold().startswith("xl/media/"))
    if parsed > _UNPACKED_TIMES * limits.table_bytes:
        raise too_large(limits.table_bytes)


def _headers(content: BinaryIO, name: str) -> list[tuple[str, tuple[str, ...]]]:
    """The first row with anything in it, of each sheet."""
    return [
        (title, tuple(cell.text for cell in header[1]))
        for title in _titles(content, name)
        if (header := next(_lines(content, name, title), None))
    ]


def _open(content: BinaryIO) -> Any:
    content.seek(0)
    # Filters are the whole process's; two threads here at once can only leave this very filter in place.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"openpyxl\.")
        return openpyxl.load_workbook(content, read_only=True, keep_links=False)


def _titles(content: BinaryIO, name: str) -> list[str]:
    try:
        book = _open(content)
        return [sheet.title for sheet in book.worksheets if hasattr(sheet, "iter_rows")][:_SHEETS]
    except _BROKEN as fault:
        raise FileUnusable(FileCode.WORKBOOK_DAMAGED, name=shown(name)) from fault


def _lines(content: BinaryIO, name: str, title: str) -> Iterator[tuple[int, list[Cell]]]:
    """Rows that are not blank. The dimension that the sheet claims is not believed."""
    try:
        sheet = _open(content)[title]
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), start=1):
            cells = _cells(row)
            if cells:
                yield number, cells
    except _BROKEN as fault:
        raise FileUnusable(FileCode.WORKBOOK_DAMAGED, name=shown(name)) from fault


def _cells(row: Sequence[Any]) -> list[Cell]:
    cells = [_cell(cell) for cell in row]
    while cells and cells[-1].kind is CellKind.TEXT and not cells[-1].text.strip():
        cells.pop()
    return cells


def _cell(cell: Any) -> Cell:
    if isinstance(cell, EmptyCell) or cell.value is None:
        return EMPTY
    kind = {"f": CellKind.FORMULA, "e": CellKind.ERROR}.get(cell.data_type)
    return Cell("", kind) if kind else _cell_of(cell.value)


def _cell_of(value: object) -> Cell:
    match value:
        case str():
            return Cell(value)
        case bool():
            # Before numbers: to Python, true and false are two of them.
            return Cell("", CellKind.OTHER)
        case int() | float():
            return Cell(_digits(value), CellKind.NUMBER)
        case datetime() if value.time() != time():
            return Cell("", CellKind.OTHER)
        case datetime():
            return Cell(value.date().isoformat(), CellKind.DATE)
        case date():
            return Cell(value.isoformat(), CellKind.DATE)
        case _:
            return Cell("", CellKind.OTHER)


def _digits(value: float) -> str:
    """As typed, where that is known for sure; a number that no form has is empty."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else ""
    return str(int(value)) if value.is_integer() and abs(value) < 10**15 else repr(value)
