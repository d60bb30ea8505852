"""Tables for people's spreadsheets: what others wrote in a cell is text there, never a formula."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import IO

BOM = "\ufeff"
"""Begins a CSV file: without it Excel reads UTF-8 as the machine's own encoding."""
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With any of these a spreadsheet may take the cell for a formula (owasp.org, *CSV Injection*, read 2026-11).

The last four, the full-width forms of the first four, are ours: better a needless apostrophe than a formula.
"""
_UNSEEN = frozenset({"Cc", "Cf"})
"""Control and format characters: programs drop them at the beginning, and the cell begins with what follows them."""


_SEPARATORS = ",;|\t\r\n\v\f\x85\u2028\u2029"
"""Programs split a CSV line at one of these, whichever the file was written with: a cell may then begin behind it."""
_CELL_BEHIND_SEPARATOR = re.compile(f"([{_SEPARATORS}])(?=([^{_SEPARATORS}]+))")


def neutral(text: str) -> str:
    """The same text, with an apostrophe before it where a spreadsheet would begin to calculate."""
    starts = text.startswith(_STARTS_FORMULA) or _begin(text).startswith(_STARTS_FORMULA)
    return f"'{text}" if starts else text


def _begin(text: str) -> str:
    # Nor is a quote what a cell begins with: a program that splits the line by itself takes it away.
    return next((ch for ch in text if ch != '"' and not ch.isspace() and unicodedata.category(ch) not in _UNSEEN), "")


def neutral_in_csv(text: str) -> str:
    """`neutral` for a cell that a program may split at separators of its own, as `C2;=1+1`."""
    inside = _CELL_BEHIND_SEPARATOR.sub(lambda found: found[1] + ("'" if neutral(found[2]) != found[2] else ""), text)
    return neutral(inside)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV with CRLF, every cell quoted and neutralised; the file begins with `BOM`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerows([neutral_in_csv(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    return (BOM + csv_text([header]) + csv_text(rows)).encode()


class Sheet:
    """A workbook of one sheet that is written row by row: however many there are, few are held in memory.

    The rows wait in a file of openpyxl's own, which goes away with `save` or `discard`.
    """

    def __init__(self, header: Sequence[str], *, title: str) -> None:
        # Not at the start of the bot, to which it would add a tenth: most never write a workbook.
        from openpyxl import Workbook  # noqa: PLC0415
        from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

        self._book = Workbook(write_only=True)
        self._cell = WriteOnlyCell
        self._sheet = self._book.create_sheet(title)
        self.append([header])

    def append(self, rows: Iterable[Sequence[str]]) -> None:
        for row in rows:
            cells = []
            for text in row:
                cell = self._cell(self._sheet, value=_storable(neutral(text)))
                cell.data_type = "s"
                cells.append(cell)
            self._sheet.append(cells)

    def save(self, out: IO[bytes]) -> None:
        self._book.save(out)

    def discard(self) -> None:
        """Give up a sheet that was not saved, and take what it kept on disk away."""
        self._sheet.close()
        self._sheet._writer.cleanup()  # noqa: SLF001 - openpyxl does this itself, but only after a save


def _storable(text: str) -> str:
    """XML has no place for most control characters, and a cell none for more than 32,767 of any."""
    return "".join(ch for ch in text if ch >= " " or ch in "\t\n")[:32_767]
