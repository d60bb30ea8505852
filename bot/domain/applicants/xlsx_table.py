"""An Excel workbook as a table: its one sheet that is shown and looks like applicants."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from bot.domain.applicants.header import Header, Known, find_header
from bot.domain.applicants.model import Limits, Table, TableRow, Unseen, check_width, shown
from bot.domain.applicants.sheet import Sheet
from bot.domain.applicants.workbook import Workbook
from bot.errors import FileCode, FileUnusable

_NAMED = 5
_MOST_SHEETS = 255
"""Each is looked into for a header; Excel itself puts no more than this into a new workbook."""


def read_xlsx(content: BinaryIO, name: str, *, limits: Limits, known: Known) -> Table:
    """Sheets, columns and rows that are hidden are named and not read. Raises FileUnusable."""
    book = Workbook(content, name, limits)
    parts = book.sheets()
    if len(parts) > _MOST_SHEETS:
        raise FileUnusable(FileCode.WORKBOOK_PADDED, name=shown(name))
    hidden_sheets = tuple(shown(part.title) for part in parts if part.hidden)
    sheets = [Sheet(book, part) for part in parts if not part.hidden]
    found = [(sheet, header) for sheet in sheets if (header := find_header(_shown_cells(sheet), known))]
    if not found and hidden_sheets:
        raise FileUnusable(FileCode.NO_COLUMNS_SHOWN, names=list(hidden_sheets[:_NAMED]))
    if not found:
        raise FileUnusable(FileCode.NO_KNOWN_COLUMNS)
    if len(found) > 1:
        first, second = (shown(sheet.title) for sheet, _header in found[:2])
        raise FileUnusable(FileCode.SEVERAL_SHEETS, first=first, second=second)
    sheet, header = found[0]
    check_width(len(header.names))

    def rows() -> Iterator[TableRow]:
        book.begin_reading()
        return (row for row in sheet.rows_as_shown() if row.number > header.row)

    return Table(
        name=name,
        sheet=shown(sheet.title),
        header=header.names,
        rows=rows,
        unseen=Unseen(sheets=hidden_sheets, columns=_hidden_columns(sheet, header), above=header.above),
    )


def _shown_cells(sheet: Sheet) -> Iterable[tuple[int, list[str]]]:
    return ((row.number, [cell.text for cell in row.cells]) for row in sheet.rows() if not row.hidden)


def _hidden_columns(sheet: Sheet, header: Header) -> dict[int, str]:
    """By the name in the header's row, where they have one."""
    row = next(row for row in sheet.rows(hidden_columns=True) if row.number == header.row)
    names = enumerate(cell.text for cell in row.cells)
    return {place: shown(name) for place, name in names if sheet.is_hidden(place) and name.strip()}
