"""The rows of one sheet, and what of it a person does not see."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from functools import cache
from typing import NamedTuple

from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from bot.domain.applicants.model import EMPTY, MAX_COLUMNS, Cell, CellKind, TableRow
from bot.domain.applicants.workbook import SheetPart, Workbook, as_shown, is_true
from bot.domain.applicants.xml_pieces import Malformed, TooMuchXML, bare

_LAST_ROW = 1_048_576
_LAST_COLUMN = 16_384
_MOST_MERGED = 20_000
"""Areas of merged cells: ten in each row of a long list."""
_MOST_COVERED = 150_000
"""Cells that are looked at because of them; as the areas do not overlap, no list of people has so many."""
_LOWEST_ROW = 3.0
"""Points. What is lower or narrower shows at most a line, and nobody reads what it holds."""
_NARROWEST_COLUMN = 0.5
"""Characters."""
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_AREA = re.compile(r"([A-Z]{1,3})([0-9]{1,7})(?::([A-Z]{1,3})([0-9]{1,7}))?")


class Sheet:
    """Reads one sheet from its beginning; what stands beyond the last column that is read is one cell more."""

    def __init__(self, book: Workbook, part: SheetPart) -> None:
        self.title = part.title
        self._book = book
        self._path = part.path
        self._hidden = bytearray(_LAST_COLUMN)

    def is_hidden(self, column: int) -> bool:
        """Columns count from 0; they are known as soon as there is a row."""
        return bool(self._hidden[column])

    def rows(self, *, hidden_columns: bool = False) -> Iterator[TableRow]:
        """Rows that are not blank, hidden or not. Raises FileUnusable."""
        with self._book.faults():
            for handler in self._pieces():
                found, handler.found = handler.found, []
                yield from self._whole(found, hidden_columns=hidden_columns)
                if handler.ended:
                    return

    def rows_as_shown(self) -> Iterator[TableRow]:
        """The same without what merged cells cover, which is said behind the rows: all of them are held until then."""
        with self._book.faults():
            found: list[_Row] = []
            merged: list[_Area] = []
            for handler in self._pieces():
                found, merged = handler.found, handler.merged
            _cover(found, merged)
            yield from self._whole(found)

    def _whole(self, rows: Iterable["_Row"], *, hidden_columns: bool = False) -> Iterator[TableRow]:
        for number, cells, is_hidden in rows:
            shown = cells if hidden_columns else {at: cell for at, cell in cells.items() if not self._hidden[at]}
            if shown:
                whole = [EMPTY] * (max(shown) + 1)
                for place, cell in shown.items():
                    whole[place] = cell
                yield TableRow(number, whole, hidden=is_hidden)

    def _pieces(self) -> Iterator["_Rows"]:
        handler = _Rows(self._book, self._hidden)
        for placed in self._book.parse(self._path, handler, cut_empty=True):
            if (placed.rows and handler.counted_rows) or (placed.cells and handler.counted_cells):
                raise Malformed
            yield handler


class _Area(NamedTuple):
    """Of merged cells; rows from 1, columns from 0, the last ones included."""

    top: int
    left: int
    bottom: int
    right: int


class _Row(NamedTuple):
    number: int
    cells: dict[int, Cell]
    """By their place; of a row with one cell far to the right, the blank ones would take more room than all else."""
    hidden: bool


def _cover(rows: Sequence[_Row], merged: Iterable[_Area]) -> None:
    """Some programs keep what merged cells held before, though only the first of them is shown."""
    numbers = [row.number for row in rows]
    looks = _MOST_COVERED
    for area in merged:
        for row in rows[bisect_left(numbers, area.top) : bisect_right(numbers, area.bottom)]:
            looks -= len(row.cells)
            if looks < 0:
                raise TooMuchXML
            for column in row.cells:
                is_first = (row.number, column) == (area.top, area.left)
                if area.left <= column <= area.right and not is_first:
                    row.cells[column] = Cell("", CellKind.NOT_SHOWN)


class _Rows:
    def __init__(self, book: Workbook, hidden: bytearray) -> None:
        self.found: list[_Row] = []
        self.merged: list[_Area] = []
        self.ended = False
        self.counted_rows = self.counted_cells = False
        """Whether one did not say where it is."""
        self._book = book
        self._hidden = hidden
        self._columns = 0
        self._others_hidden = False
        """Whether a column of which nothing is said is hidden."""
        self._number = 0
        self._digits = ""
        self._is_hidden = False
        self._cells: dict[int, Cell] = {}
        self._column = -1
        self._type = self._style = ""
        self._formula = self._sound = self._reading = False
        self._parts: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        act = _STARTS.get(bare(name))
        if act is not None and (not self.ended or act is _Rows.start_merged):
            act(self, attributes)

    def text(self, text: str) -> None:
        if self._reading:
            self._parts.append(text)

    def end(self, name: str) -> None:
        act = _ENDS.get(bare(name))
        if act is not None and not self.ended:
            act(self)

    def start_value(self, _attributes: Mapping[str, str]) -> None:
        self._reading = True

    def start_text(self, _attributes: Mapping[str, str]) -> None:
        self._reading = not self._sound

    def start_formula(self, _attributes: Mapping[str, str]) -> None:
        self._formula = True

    def start_sound(self, _attributes: Mapping[str, str]) -> None:
        self._sound = True

    def end_text(self) -> None:
        self._reading = False

    def end_sound(self) -> None:
        self._sound = False

    def end_table(self) -> None:
        self.ended = True

    def start_merged(self, attributes: Mapping[str, str]) -> None:
        found = _AREA.fullmatch(attributes.get("ref", ""))
        if found is None:
            raise Malformed
        left, top, right, bottom = found.groups()
        if len(self.merged) == _MOST_MERGED:
            raise TooMuchXML
        if right:
            self.merged.append(_Area(int(top), _column(left), int(bottom), _column(right)))

    def start_format(self, attributes: Mapping[str, str]) -> None:
        if _is_less(attributes.get("defaultColWidth"), _NARROWEST_COLUMN):
            self._others_hidden = True
            self._hidden[:] = b"\1" * _LAST_COLUMN

    def start_column(self, attributes: Mapping[str, str]) -> None:
        self._columns += 1
        first, last = _whole(attributes["min"]), _whole(attributes["max"])
        if self._columns > _LAST_COLUMN or not 0 < first <= last <= _LAST_COLUMN:
            raise Malformed
        if is_true(attributes.get("hidden")) or _is_less(attributes.get("width"), _NARROWEST_COLUMN):
            self._hidden[first - 1 : last] = b"\1" * (last - first + 1)
        elif self._others_hidden:
            self._hidden[first - 1 : last] = bytes(last - first + 1)

    def start_row(self, attributes: Mapping[str, str]) -> None:
        place = attributes.get("r")
        self.counted_rows = self.counted_rows or place is None
        number = self._number + 1 if place is None else _whole(place)
        if not self._number < number <= _LAST_ROW:
            # Two rows of one number: one could pose as the other.
            raise Malformed
        self._number, self._digits = number, str(number)
        self._is_hidden = is_true(attributes.get("hidden")) or _is_less(attributes.get("ht"), _LOWEST_ROW)
        self._cells = {}
        self._column = -1

    def start_cell(self, attributes: Mapping[str, str]) -> None:
        place = attributes.get("r")
        if place is None:
            self.counted_cells = True
            column = self._column + 1
        else:
            letters = place.rstrip("0123456789")
            column = _column(letters)
            if place[len(letters) :] != self._digits:
                raise Malformed
        if not self._column < column < _LAST_COLUMN:
            raise Malformed
        self._column = column
        self._type = attributes.get("t", "n")
        self._style = attributes.get("s", "0")
        self._formula = False
        self._parts = []

    def end_cell(self) -> None:
        text = "".join(self._parts)
        if not text and not self._formula:
            return
        cell = Cell("", CellKind.FORMULA) if self._formula else self._cell(text)
        if self._style != "0" and self._is_formatted_away(cell):
            cell = Cell("", CellKind.NOT_SHOWN)
        is_blank = cell.kind is CellKind.TEXT and not cell.text.strip()
        is_far_and_hidden = self._column >= MAX_COLUMNS and self._hidden[self._column]
        if not is_blank and not is_far_and_hidden:
            self._cells.setdefault(min(self._column, MAX_COLUMNS), cell)

    def _is_formatted_away(self, cell: Cell) -> bool:
        style, styles = _whole(self._style), self._book.styles
        is_number = cell.kind in {CellKind.NUMBER, CellKind.DATE}
        return style in styles.nothing or (is_number and style in styles.no_numbers)

    def _cell(self, text: str) -> Cell:
        match self._type:
            case "s":
                return Cell(self._book.texts[_whole(text)])
            case "str" | "inlineStr":
                return Cell(as_shown(text))
            case "n":
                return self._number_cell(text)
            case "e":
                return Cell("", CellKind.ERROR)
            case "d":
                return _iso_cell(text)
            case _:
                return Cell("", CellKind.OTHER)

    def _number_cell(self, text: str) -> Cell:
        number = _number(text)
        style, styles = _whole(self._style), self._book.styles
        if style not in styles.dates and style not in styles.durations:
            return Cell(_digits(number), CellKind.NUMBER)
        epoch = CALENDAR_MAC_1904 if self._book.from_1904 else CALENDAR_WINDOWS_1900
        try:
            return _date_cell(from_excel(number, epoch, timedelta=style in styles.durations))
        except (OverflowError, ValueError):
            # No such day; a spreadsheet shows ##### there.
            return Cell("", CellKind.ERROR)

    def end_row(self) -> None:
        if self._cells:
            self.found.append(_Row(self._number, self._cells, self._is_hidden))


_STARTS: Mapping[str, Callable[[_Rows, Mapping[str, str]], None]] = {
    "c": _Rows.start_cell,
    "v": _Rows.start_value,
    "t": _Rows.start_text,
    "f": _Rows.start_formula,
    "rPh": _Rows.start_sound,
    "row": _Rows.start_row,
    "col": _Rows.start_column,
    "sheetFormatPr": _Rows.start_format,
    "mergeCell": _Rows.start_merged,
}
_ENDS: Mapping[str, Callable[[_Rows], None]] = {
    "v": _Rows.end_text,
    "t": _Rows.end_text,
    "c": _Rows.end_cell,
    "rPh": _Rows.end_sound,
    "row": _Rows.end_row,
    "sheetData": _Rows.end_table,
}


def _is_less(size: str | None, least: float) -> bool:
    """A row or column without height or width is as hidden as one that says so."""
    return size is not None and float(size) < least


@cache
def _column(letters: str) -> int:
    """From 0. `letters` are few: a reference is at most three of them, or the workbook is refused."""
    if not (letters.isascii() and letters.isalpha() and letters.isupper() and len(letters) <= 3):
        raise Malformed
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _whole(text: str) -> int:
    """Never negative: Python would count such a place from the end."""
    if not (text.isascii() and text.isdecimal()):
        raise Malformed
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise Malformed
    try:
        return int(text)
    except ValueError:
        return float(text)


def _digits(value: float) -> str:
    """As typed, where that is known for sure; a number that no form has is empty."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else ""
    return str(int(value)) if value.is_integer() and abs(value) < 10**15 else repr(value)


def _iso_cell(text: str) -> Cell:
    """A time of day or a duration is no date, but no damage either: openpyxl writes both."""
    try:
        return _date_cell(datetime.fromisoformat(text))
    except ValueError:
        return Cell("", CellKind.OTHER)


def _date_cell(value: object) -> Cell:
    """A time of day other than midnight stays in the text, for the field to judge."""
    match value:
        case datetime() if value.time() != time():
            return Cell(value.replace(tzinfo=None).isoformat(" ", "seconds"), CellKind.DATE)
        case datetime():
            return Cell(value.date().isoformat(), CellKind.DATE)
        case date():
            return Cell(value.isoformat(), CellKind.DATE)
        case _:
            return Cell("", CellKind.OTHER)
