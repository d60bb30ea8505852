"""Tables for people's spreadsheets: what others wrote in a cell is text there, never a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

BOM = "\ufeff"
"""Begins a CSV file: without it Excel reads UTF-8 as the machine's own encoding."""
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""With any of these a spreadsheet may take the cell for a formula (owasp.org, *CSV Injection*, read 2026-11)."""


def neutral(text: str) -> str:
    """The same text, with an apostrophe before it where a spreadsheet would begin to calculate."""
    starts = text.startswith(_STARTS_FORMULA) or text.lstrip().startswith(_STARTS_FORMULA)
    return f"'{text}" if starts else text


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV with CRLF, every cell neutralised; the file begins with `BOM`."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([neutral(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A whole CSV file, UTF-8."""
    return (BOM + csv_text([header]) + csv_text(rows)).encode()


def xlsx_bytes(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str) -> bytes:
    """A workbook of one sheet, every cell stored as text: left alone, openpyxl writes `=…` as a formula."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in (header, *rows):
        cells = []
        for text in row:
            cell = WriteOnlyCell(sheet, value=_storable(neutral(text)))
            cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _storable(text: str) -> str:
    """XML has no place for most control characters, and a cell none for more than 32,767 of any."""
    return "".join(ch for ch in text if ch >= " " or ch in "\t\n")[:32_767]
