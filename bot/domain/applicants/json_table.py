"""A JSON file as a table: a list of objects, or {"applicants": [...]}; read one object at a time."""

import json
import re
from collections.abc import Iterator
from typing import Any

from bot.domain.applicants.encoding import OpenTable, table_text, zero_byte
from bot.domain.applicants.model import EMPTY, Cell, CellKind, Limits, Table, TableRow, check_width
from bot.errors import FileCode, FileUnusable

_DEPTH = 4
"""An applicant holds lists of names at most."""
_CHUNK = 64 * 1024
_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')
_BLANK = re.compile(r"[ \t\r\n]*")
_WRAPPED = re.compile(r'\{[ \t\r\n]*"applicants"[ \t\r\n]*:[ \t\r\n]*\[')


class _Number(str):
    """A number as it was written; no value is lost by turning it into a float."""

    __slots__ = ()


def read_json(opened: OpenTable, name: str, *, limits: Limits) -> Table:
    """Raises FileUnusable. The whole file is parsed once to know its keys, and again for its rows."""
    keys: dict[str, None] = {}
    for number, found in _objects(opened, name, limits):
        keys.update(dict.fromkeys(found))
        check_width(len(keys))
        if number > limits.rows:
            # The rows are refused where they are counted; keys of the first ones are enough until then.
            break
    header = tuple(keys)

    def rows() -> Iterator[TableRow]:
        for number, found in _objects(opened, name, limits):
            yield TableRow(number, [_cell(found[key]) if key in found else EMPTY for key in header])

    return Table(name=name, header=header, rows=rows)


def _cell(value: Any) -> Cell:
    if isinstance(value, _Number):
        return Cell(str(value), CellKind.NUMBER)
    if isinstance(value, str):
        return Cell(value)
    if value is None:
        return EMPTY
    if isinstance(value, list) and all(isinstance(part, str) and not isinstance(part, _Number) for part in value):
        return Cell("", CellKind.LIST, tuple(value)) if value else EMPTY
    return Cell("", CellKind.OTHER)


def _objects(opened: OpenTable, name: str, limits: Limits) -> Iterator[tuple[int, dict[str, Any]]]:
    with table_text(opened, name) as source:
        for number, text in enumerate(_Elements(source, limits.row_chars).texts(), start=1):
            yield number, _object(text, number)


def _object(text: str, number: int) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise FileUnusable(FileCode.JSON_KEY_TWICE, number=number)
        return found

    try:
        value = json.loads(
            text, object_pairs_hook=once, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
    except ValueError as fault:
        raise FileUnusable(FileCode.JSON_SYNTAX, number=number) from fault
    if not isinstance(value, dict):
        raise FileUnusable(FileCode.JSON_SYNTAX, number=number)
    return value


def _no_constant(word: str) -> None:
    raise ValueError(word)


class _Elements:
    """Cuts the text of each object out of a list without holding more than one of them."""

    def __init__(self, text: Any, limit: int) -> None:
        self._source = text
        self._limit = limit
        self._text = ""
        self._at = 0
        self._number = 1

    def texts(self) -> Iterator[str]:
        wrapped = self._open_list()
        if self._next() == "]":
            self._at += 1
        else:
            yield from self._elements()
        if wrapped:
            if self._next() != "}":
                raise FileUnusable(FileCode.JSON_SYNTAX, number=self._number)
            self._at += 1
        if self._next():
            raise FileUnusable(FileCode.JSON_SYNTAX, number=self._number)

    def _elements(self) -> Iterator[str]:
        while True:
            if self._next() != "{":
                raise FileUnusable(FileCode.JSON_SYNTAX, number=self._number)
            yield self._cut()
            self._number += 1
            after = self._next()
            self._at += 1
            if after == "]":
                return
            if after != ",":
                raise FileUnusable(FileCode.JSON_SYNTAX, number=self._number)

    def _open_list(self) -> bool:
        """Stand behind the opening bracket; says whether an object is around the list."""
        first = self._next()
        if first == "[":
            self._at += 1
            return False
        self._fill(1024)
        wrapped = _WRAPPED.match(self._text, self._at)
        if not wrapped:
            raise FileUnusable(FileCode.JSON_SHAPE)
        self._at = wrapped.end()
        return True

    def _next(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(1):
                return ""

    def _fill(self, wanted: int) -> bool:
        """More text behind what is held, twice as much each time, so that long objects stay linear."""
        held = self._text[self._at :]
        more = self._source.read(max(_CHUNK, wanted, len(held)))
        if "\0" in more:
            raise zero_byte()
        self._text, self._at = held + more, 0
        return bool(more)

    def _cut(self) -> str:
        depth, inside, look = 0, False, self._at
        while True:
            found = (_INSIDE if inside else _OUTSIDE).search(self._text, look)
            if found is None:
                look = self._more(max(look, len(self._text)))
                continue
            look = found.end()
            match found[0]:
                case '"':
                    inside = not inside
                case "\\":
                    look += 1
                case "{" | "[":
                    depth += 1
                    if depth > _DEPTH:
                        raise FileUnusable(FileCode.JSON_DEPTH, number=self._number)
                case _:
                    depth -= 1
            if depth == 0 and not inside:
                text, self._at = self._text[self._at : look], look
                return text

    def _more(self, look: int) -> int:
        look -= self._at
        if look > self._limit:
            raise FileUnusable(FileCode.ROW_TOO_LONG, row=self._number)
        if not self._fill(1):
            raise FileUnusable(FileCode.JSON_SYNTAX, number=self._number)
        return look
