"""The words of this room: what goes in (files, limits), a table and its cells, and what comes out (applicants)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, NamedTuple

from bot.domain.check.field_faults import FieldFault
from bot.domain.check.fields import clean
from bot.domain.check.file_kinds import FileKind
from bot.domain.check.request import LIVENESS_IMAGES, MAX_FILE_BYTES
from bot.errors import FileCode, FileUnusable

MIB = 1024 * 1024
MAX_COLUMNS = 200
"""More named columns than this is no list of applicants."""
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is accepted of a stranger's file, and how much of it is read. Sizes are bytes."""

    rows: int = 2_000
    """Applicants in one table."""
    table_bytes: int = 20 * MIB
    """Of a table, photos inside its cells not counted."""
    zip_bytes: int = 512 * MIB
    """The zip as uploaded; also the whole of a table with photos inside its cells."""
    unpacked_bytes: int = 2 * 1024 * MIB
    """Sum of what the entries of one zip say they unpack to; more than that is never read of it."""
    entries: int = 20_000
    ratio: int = 200
    """Unpacked to packed size of one entry of more than 1 MiB."""
    photo_bytes: int = MAX_FILE_BYTES
    liveness_required: bool = False
    """Whether a row without liveness images is a fault."""

    @property
    def row_chars(self) -> int:
        """The longest row: all its photos inside its cells, and a megabyte for the rest."""
        return (LIVENESS_IMAGES + 1) * (self.photo_bytes * 4 // 3 + 100) + MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One table or zip of a message in Slack, opened; photos dropped loose are not fetched (`FileInfo`)."""

    file_id: str
    name: str = field(repr=False)
    content: BinaryIO = field(repr=False)
    """Seekable. Stays the caller's to close."""
    kind: FileKind | None = None
    """By what Slack says of it beside its name; None: by its name alone."""
    supplied_by: str = ""
    """Who uploaded it, a Slack user id."""


class CellKind(StrEnum):
    """What a cell holds beyond plain text."""

    TEXT = "text"
    NUMBER = "number"
    """As the file stores it: leading zeros are gone, long ones are rounded."""
    DATE = "date"
    """The text is an ISO date."""
    FORMULA = "formula"
    ERROR = "error"
    """A spreadsheet's #N/A, #REF! …"""
    NOT_SHOWN = "not_shown"
    """Formatted so that nothing of it is displayed, or covered by the merged cell that it is part of."""
    LIST = "list"
    """Several texts, in `parts`; JSON alone has these."""
    OTHER = "other"
    """True, false, a time, an object: nothing that any column takes."""


class Cell(NamedTuple):
    text: str = ""
    kind: CellKind = CellKind.TEXT
    parts: tuple[str, ...] = ()


EMPTY = Cell()


class TableRow(NamedTuple):
    number: int
    """As people see it: in a spreadsheet the first is 1, in JSON it is the position from 1."""
    cells: Sequence[Cell]
    """In the header's order, fewer or more."""
    hidden: bool = False
    """By a filter or by hand: a spreadsheet program does not show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What stands in a table and is not acted on: parts of a workbook that its program does not show, and titles."""

    sheets: tuple[str, ...] = field(repr=False, default=())
    columns: Mapping[int, str] = field(repr=False, default_factory=dict)
    """Place from 0, and what heads it."""
    above: tuple[int, ...] = ()
    """Numbers of the rows above the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and rows that can be read as often as needed, one at a time."""

    name: str = field(repr=False)
    sheet: str = field(repr=False, default="")
    """Of a workbook, the one that is read."""
    header: tuple[str, ...]
    """Empty where a column is hidden."""
    rows: Callable[[], Iterator[TableRow]]
    """Blank rows are left out, hidden ones are not. Raises FileUnusable while it is read."""
    unseen: Unseen = Unseen()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSource:
    file_id: str
    """The file in Slack."""
    inside: str | None = None
    """None: that file itself. `zip:17`: the entry at this index of the zip's directory. `cell:12:selfie:0`: base64 in
    row 12 of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """Why a row cannot become a check."""

    row: int
    column: str
    """As the table calls it; our own name for a column that is missing."""
    fault: FieldFault
    """Its facts hold none of the customer's values."""
    about_photos: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """One row of the table; sendable if it has no faults."""

    row: int
    """As a person sees it in the spreadsheet (the header is row 1); in JSON the position from 1."""
    country: str
    """Code of a country on offer, or empty."""
    id_type: str
    """Smile ID's word for a type on offer, or empty."""
    texts: Mapping[str, str] = field(repr=False)
    """Smile ID's field names to values as they would be sent."""
    customer_reference: str = field(repr=False)
    selfie: PhotoSource | None
    liveness: tuple[PhotoSource, ...]
    faults: tuple[RowFault, ...]
    repeats: int | None
    """Another row of this table with the same ID number of the same type, or the same customer reference: an earlier
    one, or for a hidden row also one that is shown."""
    hidden: bool = False
    """Nobody saw this row when the file was sent."""

    @property
    def lacks_photos_alone(self) -> bool:
        """Whether it can become a check whose customer takes the photos."""
        return all(found.about_photos for found in self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadApplicants:
    """Everything that is known before anything is sent."""

    table: str = field(repr=False)
    """Name of the table, for people."""
    sheet: str = field(repr=False)
    """Of a workbook, the one that was read; else empty."""
    applicants: tuple[Applicant, ...]
    """Hidden ones too, as long as there is room for them beside those that are shown."""
    ignored_columns: Mapping[int, str] = field(repr=False)
    """Place from 0, and what heads it."""
    unused_photos: int
    unseen: Unseen
    hidden_rows: tuple[int, ...]
    """Numbers of all rows that are hidden."""

    @property
    def has_no_photos(self) -> bool:
        """None in any row, and none beside the table."""
        return not self.unused_photos and not any(one.selfie or one.liveness for one in self.applicants)


def shown(name: str) -> str:
    """A name that somebody else gave, for a sentence: one line, not too long, never empty."""
    name = clean(name)
    if len(name) > _SHOWN:
        name = f"{name[:_SHOWN].rstrip()}…"
    return name or "(no name)"


def check_width(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise FileUnusable(FileCode.TOO_MANY_COLUMNS, most=MAX_COLUMNS)


def too_large(limit: int) -> FileUnusable:
    return FileUnusable(FileCode.TABLE_TOO_LARGE, megabytes=limit // 1024 // 1024)
