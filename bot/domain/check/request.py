"""What a person typed and attached, read and checked: faults come back by field.

Only what is known without a network call is checked here; the pictures themselves are opened when the check
is sent (`photos`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from bot.domain.check.check import PhotoKind, PhotoRef, PhotosBy
from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.check.fields import A_DATE, A_PHONE_NUMBER, clean_field, read_field, reference_fault
from bot.domain.check.file_kinds import PHOTOS, FileKind, kind_of
from bot.domain.id_types.id_types import IDType, IDTypes

LIVENESS_IMAGES = 8
MAX_FILE_BYTES = 10 * 1024 * 1024
"""Slack's own limit for a file dropped into a form (docs.slack.dev, file input element, 2026-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """What Slack says of a file before it is opened."""

    id: str
    name: str = field(repr=False, default="")
    mimetype: str = ""
    filetype: str = ""
    """Slack's own word for its kind."""
    size: int | None = None
    barred: FieldCode | None = None
    """Why the bot cannot read it, where Slack says so: a code of files."""
    service: str = ""
    """Where it is kept, if not in Slack, by Slack's word (`gdrive`)."""
    inside: str | None = None
    """Where in that file the photo lies, as `PhotoRef.inside`; its type and size are not known then."""

    @property
    def kind(self) -> FileKind | None:
        """None where nothing is known of it yet."""
        return kind_of(self.name, self.mimetype, self.filetype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The raw contents of the form; keys of `texts` are Smile ID's field names."""

    country: str
    id_type: str
    texts: Mapping[str, str] = field(repr=False)
    customer_reference: str = field(repr=False, default="")
    selfie: Sequence[FileInfo] = ()
    liveness: Sequence[FileInfo] = ()
    consent: bool = False
    photos_by: PhotosBy = PhotosBy.ATTACHED
    """By link the customer takes them, and gives the consent: the form has neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedForm:
    """Either `faults`, by field, or the rest."""

    faults: Mapping[str, FieldFault]
    id_type: IDType | None = None
    id_info: Mapping[str, str] = field(repr=False, default_factory=dict)
    customer_reference: str = field(repr=False, default="")


def parse(form: Form, id_types: IDTypes, *, today: date, liveness_required: bool = False) -> ParsedForm:
    """Check everything at once, so that a person corrects once."""
    faults: dict[str, FieldFault] = {}
    entry = id_types.find_offered(form.country, form.id_type)
    if form.country not in id_types.countries():
        faults["country"] = FieldFault(FieldCode.COUNTRY_NEEDED)
    elif entry is None:
        faults["id_type"] = FieldFault(FieldCode.ID_TYPE_NEEDED)
    id_info: dict[str, str] = {}
    if entry is not None:
        for name in entry.fields:
            if value := clean_field(form.texts.get(name, "")):
                id_info[name], fault = read_field(name, value, entry, today)
            else:
                fault = _missing(name, entry) if name in entry.required else None
            if fault:
                faults[name] = fault
    reference = clean_field(form.customer_reference)
    if fault := reference_fault(reference):
        faults["customer_reference"] = fault
    if form.photos_by is PhotosBy.ATTACHED:
        faults |= photo_faults(form.selfie, form.liveness, liveness_required=liveness_required)
        if not form.consent:
            faults["consent"] = FieldFault(FieldCode.CONSENT_NEEDED)
    return ParsedForm(faults=faults, id_type=entry, id_info=id_info, customer_reference=reference)


def _missing(name: str, entry: IDType) -> FieldFault:
    example = {"id_number": entry.example, "dob": A_DATE, "phone_number": A_PHONE_NUMBER}.get(name, "")
    return FieldFault(FieldCode.NEEDED, id_type=entry.short, example=example)


def photo_faults(
    selfie: Sequence[FileInfo], liveness: Sequence[FileInfo], *, liveness_required: bool = False
) -> dict[str, FieldFault]:
    """What is wrong with the files of a form, by field, as far as Slack describes them."""
    faults: dict[str, FieldFault] = {}
    if not selfie:
        faults["selfie"] = FieldFault(FieldCode.ONE_SELFIE)
    elif len(selfie) > 1:
        faults["selfie"] = FieldFault(FieldCode.SEVERAL_SELFIES, several=len(selfie))
    if liveness_required and not liveness:
        faults["liveness"] = FieldFault(FieldCode.LIVENESS_NEEDED, images=LIVENESS_IMAGES)
    elif len(liveness) not in (0, LIVENESS_IMAGES):
        faults["liveness"] = FieldFault(FieldCode.LIVENESS_COUNT, images=LIVENESS_IMAGES, attached=len(liveness))
    for name, files in (("selfie", selfie), ("liveness", liveness)):
        fault = _first_fault(files)
        if fault and name not in faults:
            faults[name] = fault
    everything = [(file.id, file.inside) for file in (*selfie, *liveness)]
    # Several selfies are a fault of their own; which of them are the same does not matter then.
    if len(selfie) <= 1 and len(set(everything)) < len(everything) and "liveness" not in faults:
        faults["liveness"] = FieldFault(FieldCode.FILE_TWICE)
    return faults


def with_new(listed: Sequence[FileInfo], new: Sequence[FileInfo], *, whole: int) -> list[FileInfo]:
    """The photos of one field of a form that lists some already, and of the new ones put into it.

    So many new ones as make a `whole` set take the place of those listed: a new selfie of the old one, eight new
    liveness images of the old eight. Fewer are added to them.
    """
    return [*new] if len(new) >= whole else [*listed, *new]


def photos_of(selfie: Iterable[FileInfo], liveness: Iterable[FileInfo]) -> tuple[PhotoRef, ...]:
    """The photos of a check, from the files of a form."""
    return tuple(
        PhotoRef(kind=kind, position=position, file_id=file.id, inside=file.inside)
        for kind, files in ((PhotoKind.SELFIE, selfie), (PhotoKind.LIVENESS, liveness))
        for position, file in enumerate(files)
    )


def _first_fault(files: Sequence[FileInfo]) -> FieldFault | None:
    for number, file in enumerate(files, start=1):
        if fault := check_file(file):
            return fault.of_image(number) if len(files) > 1 else fault
    return None


def check_file(file: FileInfo) -> FieldFault | None:
    """The fault, if any, that Slack's description of the file shows."""
    if file.inside is not None:
        return None
    kind = file.kind
    is_elsewhere = file.barred is FieldCode.FILE_ELSEWHERE
    # A Google sheet lies elsewhere too, but there is more to say of it than that.
    if file.barred and not (is_elsewhere and kind is FileKind.GOOGLE_SHEET):
        return FieldFault(file.barred, **({"service": file.service} if is_elsewhere else {}))
    if file.size == 0 and not file.barred:
        return FieldFault(FieldCode.FILE_EMPTY)
    if kind is not None and kind not in PHOTOS:
        return FieldFault(FieldCode.FILE_KIND, kind=kind.value)
    if file.size is not None and file.size > MAX_FILE_BYTES:
        size = math.ceil(file.size / 1024 / 1024 * 10) / 10
        return FieldFault(FieldCode.FILE_TOO_LARGE, size=size, most=MAX_FILE_BYTES // 1024 // 1024)
    return None
