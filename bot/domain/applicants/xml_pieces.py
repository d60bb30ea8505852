"""XML of a stranger, parsed piece by piece by expat, within a bound on all that is parsed of one workbook.

Three things keep a small file cheap. A document type is refused, and with it every entity bomb. Empty rows and cells,
of which a formatted sheet may hold a million, are cut out before they are parsed. What remains is counted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple, Protocol
from xml.parsers import expat

_PIECE = 256 * 1024
_TEXT_PER_TAG = 64
"""Bytes that cost as much as a tag: expat walks through text, too, even where nobody wants it."""
_LONGEST_TAG = 1024 * 1024
"""expat before 2.6 looks at an unfinished tag from its beginning with every piece; no spreadsheet writes such a one."""
_EMPTY_CELL = rb'<c r="[^<>]*+>(?:(?<=/>)|</c>)'
_EMPTY = re.compile(rb'(?:%b|<row r="[^<>]*+>(?:(?<=/>)|(?:%b)*+</row>))++' % (_EMPTY_CELL, _EMPTY_CELL))
"""Cells and rows without content, in the one form that spreadsheet programs write.

In well-formed XML a bare `<` begins a tag wherever it is not part of a comment or CDATA, so nothing else can be cut;
what is not well-formed stays so.
"""


class Handler(Protocol):
    """Names come with their prefixes: `bare` takes them off."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None: ...
    def end(self, name: str) -> None: ...
    def text(self, text: str) -> None: ...


class Placed(NamedTuple):
    """Whether some said where they are so far. Where empty ones may be cut out, the others must say so too."""

    cells: bool = False
    rows: bool = False


class TooMuchXML(Exception):
    """More elements, or more text, than a list of people can need."""


class Malformed(Exception):
    """XML that no spreadsheet program writes."""


class Budget:
    """How many tags, and text instead of tags, may still be parsed, over all parts of one workbook."""

    def __init__(self, tags: int) -> None:
        self._left = tags

    def take(self, piece: bytes) -> None:
        """Beforehand; an element that closes itself counts as much as one with two tags."""
        self._left -= piece.count(b"<") + piece.count(b"/>") + len(piece) // _TEXT_PER_TAG
        if self._left < 0:
            raise TooMuchXML


def parse(stream: IO[bytes], handler: Handler, budget: Budget, *, cut_empty: bool = False) -> Iterator[Placed]:
    """Give each element to `handler`; yield after each piece what it was.

    Raises TooMuchXML, Malformed, or expat.ExpatError.
    """
    parser = _parser(handler)
    rest, placed = b"", Placed()
    while piece := stream.read(_PIECE):
        whole, rest = _at_a_tags_end(rest + piece)
        if cut_empty:
            placed = Placed(cells=placed.cells or b"<c r=" in whole, rows=placed.rows or b"<row r=" in whole)
            whole = _EMPTY.sub(b"", whole)
        budget.take(whole)
        parser.Parse(whole, False)
        yield placed
    parser.Parse(rest, True)
    yield placed


def _at_a_tags_end(data: bytes) -> tuple[bytes, bytes]:
    """What can be parsed now, and the beginning of a tag that the next piece goes on with."""
    end = data.rfind(b">") + 1
    if data.find(b"<", end) < 0:
        return data, b""
    if len(data) - end > _LONGEST_TAG:
        raise Malformed
    return data[:end], data[end:]


def _parser(handler: Handler) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = _refuse
    return parser


def bare(name: str) -> str:
    """The name of an element without its prefix, which a writer may choose."""
    return name.rpartition(":")[2]


def _refuse(*_declared: object) -> None:
    raise Malformed
