"""Tables for people's spreadsheets: what others wrote in a cell is text there, never a formula."""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from string import ascii_uppercase
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from bot.errors import Refusal, Refused

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


MOST_ROWS = 1_000_000
"""Below the header; a sheet holds 1,048,576 rows in all."""
MOST_BYTES = 2**31 - 1
"""Of a sheet's XML, seven hundred or so a check. A larger one takes a form of zip that Excel calls damaged."""
MOST_IN_A_CELL = 32_767
"""As Excel counts: in halves of UTF-16, of which 😀 takes two."""
_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
"""All that XML has no place for, and the carriage return, which it reads as another end of the line."""
_READ_AS_ANOTHER = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""`_x003D_` is how a workbook spells what XML cannot hold: who means the seven characters spells the first one so."""
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FORMATS = "http://schemas.openxmlformats.org"
_MAIN = f"{_FORMATS}/spreadsheetml/2006/main"
_LINKS = f"{_FORMATS}/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'''<Types xmlns="{_FORMATS}/package/2006/content-types">\
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>\
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>''',
    "_rels/.rels": f'''<Relationships xmlns="{_FORMATS}/package/2006/relationships">\
<Relationship Id="rId1" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>''',
    "xl/workbook.xml": f'''<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}">\
<sheets><sheet name="{{title}}" sheetId="1" r:id="rId1"/></sheets></workbook>''',
    "xl/_rels/workbook.xml.rels": f'''<Relationships xmlns="{_FORMATS}/package/2006/relationships">\
<Relationship Id="rId1" Type="{_LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>''',
}
"""What a workbook must have beside its sheet (ECMA-376), by name."""


class Sheet:
    """The rows of a workbook, written as they come: few are held in memory."""

    def __init__(self, out: IO[bytes], *, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> None:
        self._out = out
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._rows = self._bytes = 0

    def append(self, rows: Iterable[Sequence[str]]) -> None:
        """Of 26 columns at most. Raises Refused when a sheet cannot hold them."""
        lines = []
        for row in rows:
            if self._rows > self._most_rows:
                raise Refused(Refusal.EXPORT_NO_SHEET)
            self._rows += 1
            cells = [_cell(f"{ascii_uppercase[at]}{self._rows}", text) for at, text in enumerate(row) if text]
            lines.append(f'<row r="{self._rows}">{"".join(cells)}</row>')
        self.write("".join(lines))

    def write(self, xml: str) -> None:
        data = xml.encode()
        self._bytes += len(data)
        if self._bytes > self._most_bytes:
            raise Refused(Refusal.EXPORT_NO_SHEET)
        self._out.write(data)


@contextmanager
def workbook(out: IO[bytes], header: Sequence[str], *, title: str) -> Iterator[Sheet]:
    """A workbook of one sheet, which is whole when the block has ended well.

    It is packed on its way into `out` and kept nowhere else, so that whoever seals that file has sealed everything.
    After a failure `out` holds a part of it.
    """
    with ZipFile(out, "w") as archive:
        for name, text in _PARTS.items():
            archive.writestr(_entry(name), _XML + text.format(title=html.escape(title)))
        with archive.open(_entry("xl/worksheets/sheet1.xml"), "w") as part:
            sheet = Sheet(part)
            sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>')
            sheet.append([header])
            yield sheet
            sheet.write("</sheetData></worksheet>")


def _entry(name: str) -> ZipInfo:
    """Without the time, so that the same rows are the same bytes."""
    entry = ZipInfo(name)
    entry.compress_type = ZIP_DEFLATED
    return entry


def _cell(place: str, text: str) -> str:
    # Cleaned first: a formula may begin behind what is taken out.
    shown = _cut(neutral(_NO_XML.sub("", text)))
    spelled = html.escape(_READ_AS_ANOTHER.sub("_x005F_", shown), quote=False)
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{spelled}</t></is></c>'


def _cut(text: str) -> str:
    if len(text) <= MOST_IN_A_CELL // 2:
        return text
    return text.encode("utf-16-le")[: 2 * MOST_IN_A_CELL].decode("utf-16-le", "ignore")
