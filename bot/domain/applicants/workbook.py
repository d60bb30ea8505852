"""An Excel workbook as a zip of XML parts: which sheets it has, its shared texts, and which styles are dates.

Parts are found by the relationships between them, as the standard (ECMA-376, and its strict form) has it.
"""

import io
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, BinaryIO
from xml.parsers.expat import ExpatError

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.escape import unescape

from bot.domain.applicants.archive import BROKEN, Archive
from bot.domain.applicants.model import Limits, shown, too_large
from bot.domain.applicants.variants import refuse_old, refuse_parts
from bot.domain.applicants.xml_pieces import Budget, Handler, Malformed, Placed, TooMuchXML, bare, parse
from bot.errors import FileCode, FileUnusable

TAGS = 600_000
"""Of everything together; 2,000 people in 60 columns have 480,000. This many take half a second."""
_UNPACKED_TIMES = 4
"""A sheet's XML is several times the size of its zip; more than this many times `table_bytes` is no list of people."""
_VISIBLE = ("", "visible")
_SHOWS_NO_NUMBER = re.compile(r"\s*(?:;\s*){1,2}(?:;.*)?", re.DOTALL)
_SHOWS_NOTHING = re.compile(r"\s*(?:;\s*){3}")
"""A format has a section each for numbers above, below and equal to zero, and for text."""


@dataclass(frozen=True, slots=True)
class SheetPart:
    title: str = field(repr=False)
    path: str
    hidden: bool
    """Hidden or very hidden: a spreadsheet program does not show it."""


@dataclass(frozen=True, slots=True)
class Styles:
    dates: frozenset[int]
    """Places of the styles that show a number as a date or a time."""
    durations: frozenset[int]
    no_numbers: frozenset[int]
    """Places of the styles that show no number (`;;`)."""
    nothing: frozenset[int]
    """Places of the styles that show no text either (`;;;`), as Excel's own help hides what a cell holds."""


class Workbook:
    """One opening of a workbook; its budget holds for everything that is read through it."""

    def __init__(self, content: BinaryIO, name: str, limits: Limits) -> None:
        """Raises FileUnusable."""
        self.name = name
        self.from_1904 = False
        self._archive = _opened(content, name, limits)
        self._places = {entry.path.casefold(): entry.index for entry in self._archive.entries}
        self._budget = Budget(TAGS)
        self._was_read = False
        self._main = next(iter(self._related("", "officedocument").values()), "xl/workbook.xml")

    def begin_reading(self) -> None:
        """The first reading shares its budget with what was parsed before; each further one has a budget of its own."""
        if self._was_read:
            self._budget = Budget(TAGS)
        self._was_read = True

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Whatever damaged workbooks raise becomes FileUnusable."""
        try:
            yield
        except TooMuchXML as fault:
            raise FileUnusable(FileCode.WORKBOOK_PADDED, name=shown(self.name)) from fault
        except (*BROKEN, ExpatError, Malformed) as fault:
            raise FileUnusable(FileCode.WORKBOOK_DAMAGED, name=shown(self.name)) from fault

    def parse(self, path: str, handler: Handler, *, cut_empty: bool = False) -> Iterator[Placed]:
        """A part through `handler`, as `xml_pieces.parse` does. Call it within `faults`."""
        with self._stream(path) as stream:
            yield from parse(stream, handler, self._budget, cut_empty=cut_empty)

    def _stream(self, path: str) -> IO[bytes]:
        return self._archive.stream(self._places[path.casefold()])

    def sheets(self) -> list[SheetPart]:
        """Sheets of cells, in their order; sheets that are a chart or a macro are none."""
        found: list[tuple[str, str, str]] = []

        def start(name: str, attributes: Mapping[str, str]) -> None:
            if name == "workbookPr":
                self.from_1904 = is_true(attributes.get("date1904"))
            elif name == "sheet":
                link = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                found.append((attributes.get("name", ""), link, attributes.get("state", "")))

        with self.faults():
            self._each(self._main, start)
            parts = self._related(self._main, "worksheet")
        return [SheetPart(title, parts[link], state not in _VISIBLE) for title, link, state in found if link in parts]

    @cached_property
    def texts(self) -> Sequence[str]:
        """The texts that cells name by their place."""
        handler = _Texts()
        for path in self._related(self._main, "sharedstrings").values():
            for _piece in self.parse(path, handler):
                pass
        return handler.found

    @cached_property
    def styles(self) -> Styles:
        formats: dict[int, str] = dict(BUILTIN_FORMATS)
        used: list[int] = []
        inside = ""

        def start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal inside
            if name in {"cellXfs", "cellStyleXfs", "dxfs"}:
                inside = name
            elif name == "numFmt" and inside != "dxfs":
                formats[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name == "xf" and inside == "cellXfs":
                used.append(int(attributes.get("numFmtId", "0")))

        for path in self._related(self._main, "styles").values():
            self._each(path, start)
        codes = {number: formats.get(number, "") for number in used}

        def styled(is_so: Callable[[str], object]) -> frozenset[int]:
            numbers = {number for number, code in codes.items() if is_so(code)}
            return frozenset(place for place, number in enumerate(used) if number in numbers)

        return Styles(
            dates=styled(is_date_format),
            durations=styled(is_timedelta_format),
            no_numbers=styled(_SHOWS_NO_NUMBER.fullmatch),
            nothing=styled(_SHOWS_NOTHING.fullmatch),
        )

    def _related(self, path: str, kind: str) -> dict[str, str]:
        """Parts of this kind that a part names (empty: the workbook as a whole), by the id of the relationship."""
        folder, _, last = path.rpartition("/")
        relationships = posixpath.join(folder, "_rels", f"{last}.rels")
        found: dict[str, str] = {}

        def start(name: str, attributes: Mapping[str, str]) -> None:
            is_kind = attributes.get("Type", "").casefold().endswith(f"/{kind}")
            if name == "Relationship" and is_kind and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
                found[attributes["Id"]] = target.lstrip("/")

        if relationships.casefold() in self._places:
            with self.faults():
                self._each(relationships, start)
        return found

    def _each(self, path: str, start: Callable[[str, Mapping[str, str]], None]) -> None:
        for _piece in self.parse(path, _Starts(start)):
            pass


def is_true(value: str | None) -> bool:
    """As XML Schema spells it."""
    return value in {"1", "true"}


def _opened(content: BinaryIO, name: str, limits: Limits) -> Archive:
    if content.seek(0, io.SEEK_END) > limits.table_bytes:
        raise too_large(limits.table_bytes)
    refuse_old(content, name)
    try:
        archive = Archive.opened(content, name, limits)
    except FileUnusable as fault:
        if fault.code is FileCode.ZIP_RATIO:
            raise FileUnusable(FileCode.WORKBOOK_PADDED, name=shown(name)) from fault
        raise
    refuse_parts({entry.path.casefold() for entry in archive.entries}, name)
    # Pictures in the workbook are never opened; everything else may be parsed.
    parsed = sum(entry.size for entry in archive.entries if not entry.path.casefold().startswith("xl/media/"))
    if parsed > _UNPACKED_TIMES * limits.table_bytes:
        raise FileUnusable(FileCode.WORKBOOK_PADDED, name=shown(name))
    return archive


class _Starts:
    def __init__(self, start: Callable[[str, Mapping[str, str]], None]) -> None:
        self._start = start

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._start(bare(name), attributes)

    def end(self, name: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


class _Texts:
    """Shared texts; how they sound (`rPh`, beside Japanese) is not part of them."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._within = self._sound = False

    def start(self, name: str, _attributes: Mapping[str, str]) -> None:
        name = bare(name)
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._sound = True
        elif name == "t":
            self._within = not self._sound

    def end(self, name: str) -> None:
        name = bare(name)
        if name == "t":
            self._within = False
        elif name == "rPh":
            self._sound = False
        elif name == "si":
            self.found.append(as_shown("".join(self._parts)))

    def text(self, text: str) -> None:
        if self._within:
            self._parts.append(text)


def as_shown(text: str) -> str:
    """`_x000D_` stands for a character that XML cannot hold."""
    return unescape(text) if "_x" in text else text
