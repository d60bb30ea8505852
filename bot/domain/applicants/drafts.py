"""From a row of cells to what the form would hold, before photos are matched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from bot.domain.applicants.columns import (
    INLINE,
    LIVENESS_BASE64,
    NUMBERED_LIVENESS,
    SELFIE_BASE64,
    TEXT_FIELDS,
    Columns,
    find_type,
)
from bot.domain.applicants.model import EMPTY, Cell, CellKind, Limits, Table, TableRow, too_large
from bot.domain.applicants.values import country_of, decode, parts_of, text_of
from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.check.fields import check_number
from bot.domain.check.request import LIVENESS_IMAGES
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.errors import FileCode, FileUnusable, PhotoCode

_LONGEST_TEXT = 32_767
"""Of a cell in Excel."""


@dataclass(slots=True, kw_only=True)
class ApplicantDraft:
    row: int
    hidden: bool
    entry: IDType | None = None
    country: str = ""
    texts: dict[str, str] = field(repr=False, default_factory=dict)
    customer_reference: str = field(repr=False, default="")
    selfie: str = field(repr=False, default="")
    """The file name that the row gives, if it gives one."""
    liveness: tuple[str, ...] = field(repr=False, default=())
    """File names, or one folder."""
    inline_selfie: int | None = None
    """Bytes of the selfie in the cell."""
    inline_liveness: tuple[int, ...] = ()
    faults: dict[str, FieldFault] = field(default_factory=dict)
    """By our field; the first fault of a field stays."""

    def fault(self, name: str, fault: FieldFault | None) -> None:
        if fault is not None:
            self.faults.setdefault(name, fault)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The ID number as typed and as it would be sent."""
        typed = self.texts.get("id_number", "")
        kept = check_number(typed, self.entry)[0] if typed and self.entry else typed
        return tuple(dict.fromkeys(number for number in (typed, kept) if number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """The rows of a table."""

    shown: Sequence[ApplicantDraft]
    hidden: Sequence[ApplicantDraft]
    """None where there is no room for all of them beside those that are shown."""
    hidden_rows: tuple[int, ...]
    """Numbers of all hidden rows."""


def drafts(table: Table, columns: Columns, *, id_types: IDTypes, limits: Limits) -> Drafts:
    """Raises FileUnusable as soon as there are too many rows that are shown, or too much in them.

    Many hidden rows are no fault: whoever filters a long list down to a short one asks for the short one.
    """
    found: dict[bool, list[ApplicantDraft]] = {False: [], True: []}
    hidden_rows: list[int] = []
    chars = 0
    for row in table.rows():
        if row.hidden:
            hidden_rows.append(row.number)
        if len(found[row.hidden]) == limits.rows:
            if row.hidden:
                continue
            raise FileUnusable(FileCode.TOO_MANY_ROWS, most=limits.rows)
        chars += _chars_outside_photos(row.cells, columns)
        if chars > limits.table_bytes:
            raise too_large(limits.table_bytes)
        found[row.hidden].append(_draft(row, columns, len(table.header), id_types=id_types, limits=limits))
    fits = len(found[False]) + len(hidden_rows) <= limits.rows
    return Drafts(shown=found[False], hidden=found[True] if fits else [], hidden_rows=tuple(hidden_rows))


def _chars_outside_photos(cells: Sequence[Cell], columns: Columns) -> int:
    inline = {columns.at[name] for name in INLINE if name in columns.at}
    return sum(len(cell.text) + sum(map(len, cell.parts)) for place, cell in enumerate(cells) if place not in inline)


def _draft(row: TableRow, columns: Columns, width: int, *, id_types: IDTypes, limits: Limits) -> ApplicantDraft:
    draft, cell = ApplicantDraft(row=row.number, hidden=row.hidden), partial(columns.cell, row.cells)

    def text(name: str) -> str:
        found = cell(name)
        # Far beyond what any field takes; the whole of a book in one cell would take a second to look at.
        value, fault = text_of(name, found._replace(text=found.text[:_LONGEST_TEXT]), draft.entry)
        draft.fault(name, fault)
        return value

    draft.country = country_of(text("country"), id_types)
    named = text("id_type") if "id_type" in columns.at else columns.implied_type
    draft.entry = find_type(draft.country, named, id_types)
    draft.texts = {name: text(name) for name in TEXT_FIELDS if name in columns.at}
    draft.customer_reference = text("customer_reference")
    draft.selfie = text("selfie")
    draft.liveness = _liveness(draft, {name: cell(name) for name in ("liveness", *NUMBERED_LIVENESS)})
    _read_inline(draft, cell(SELFIE_BASE64), cell(LIVENESS_BASE64), limits)
    if any(extra != EMPTY and extra.text.strip() for extra in row.cells[width:]):
        draft.fault("row", FieldFault(FieldCode.ROW_TOO_WIDE))
    return draft


def _liveness(draft: ApplicantDraft, cells: dict[str, Cell]) -> tuple[str, ...]:
    listed = cells.pop("liveness")
    numbered = [name for column, cell in cells.items() if (name := _name_in(draft, column, cell))]
    if listed.kind is CellKind.LIST:
        names = _pieces(listed.parts)
    else:
        names = _split(_name_in(draft, "liveness", Cell(listed.text.replace("\n", "|"), listed.kind)))
    if names and numbered:
        draft.fault("liveness", FieldFault(FieldCode.LIVENESS_NAMED_TWICE))
    return tuple(names or numbered)


def _name_in(draft: ApplicantDraft, column: str, cell: Cell) -> str:
    value, fault = text_of("selfie", cell, None)
    draft.fault(column, fault)
    return value


def _split(names: str) -> list[str]:
    """At the first of these separators that parts them: a name may hold one of the others."""
    parted = [_pieces(names.split(separator)) for separator in ("|", ";", ",")]
    return next((pieces for pieces in parted if len(pieces) > 1), parted[-1])


def _pieces(parts: Iterable[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def _read_inline(draft: ApplicantDraft, selfie: Cell, liveness: Cell, limits: Limits) -> None:
    """Only sizes stay; the bytes are reread when the row is sent."""
    selfies, images = parts_of(selfie), parts_of(liveness)
    for name, cell in ((SELFIE_BASE64, selfie), (LIVENESS_BASE64, liveness)):
        if cell.kind not in {CellKind.TEXT, CellKind.LIST}:
            draft.fault(name, text_of(name, cell, None)[1] or FieldFault(PhotoCode.NOT_BASE64))
    if len(selfies) > 1:
        draft.fault(SELFIE_BASE64, FieldFault(FieldCode.SELFIES_IN_CELL))
    elif selfies and draft.selfie:
        draft.fault(SELFIE_BASE64, FieldFault(FieldCode.SELFIE_NAMED_AND_HELD))
    if images and draft.liveness:
        draft.fault(LIVENESS_BASE64, FieldFault(FieldCode.LIVENESS_NAMED_AND_HELD))
    for part in selfies[:1]:
        draft.inline_selfie = _size(draft, SELFIE_BASE64, part, None, limits)
    # One more than can be sent shows that there are too many.
    draft.inline_liveness = tuple(
        _size(draft, LIVENESS_BASE64, part, number, limits)
        for number, part in enumerate(images[: LIVENESS_IMAGES + 1], start=1)
    )


def _size(draft: ApplicantDraft, name: str, part: str, image: int | None, limits: Limits) -> int:
    photo = decode(part, limits.photo_bytes)
    if isinstance(photo, FieldFault):
        draft.fault(name, photo if image is None else photo.of_image(image))
        return 1
    return len(photo)
