"""What a person typed and attached, read and checked: faults come back by field, in words with an example.

Only what can be known without asking anybody is checked here; the pictures themselves are opened when the check
is sent (`photos`).
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from bot.domain.id_types import IDType, IDTypes

LIVENESS_IMAGES = 8
MAX_FILE_BYTES = 10 * 1024 * 1024
"""Slack's own limit for a file dropped into a form (docs.slack.dev, file input element, 2026-11)."""
MAX_TEXT = 100
_A_DATE = "1990-01-02"
CITIZENSHIPS = ("Kenyan", "Alien")
"""What Kenyan types that ask for it accept (id-types.csv, KRA_PIN)."""

_PHOTO_TYPES = frozenset({"image/jpeg", "image/jpg", "image/png"})
_PHOTO_NAMES = (".jpg", ".jpeg", ".png")
_KINDS = {
    "pdf": "a PDF",
    "heic": "a HEIC picture",
    "heif": "a HEIC picture",
    "mp4": "a video",
    "mov": "a video",
    "gif": "a GIF",
    "webp": "a WebP picture",
}
_BREAKS = frozenset({"Cc", "Zl", "Zp"})
_INVISIBLE = frozenset({"Cf", "Cs"})
_DASHES = re.compile(r"[-‐‑–—.]")
_PLAIN_DIGITS = re.compile(r"\^\[0-9\]\{(\d+)(?:,(\d+))?\}\$")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """What Slack says of a file before anybody has looked into it."""

    id: str
    name: str = field(repr=False, default="")
    mimetype: str = ""
    size: int | None = None
    readable: bool = True
    """False when Slack says that the bot may not read it."""
    inside: str | None = None
    """Where in that file the photo lies, as `PhotoRef.inside`; its type and size are not known then."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """Either `faults` (field to words) or the rest."""

    faults: Mapping[str, str]
    id_type: IDType | None = None
    id_info: Mapping[str, str] = field(repr=False, default_factory=dict)
    customer_reference: str = field(repr=False, default="")


def clean(text: str) -> str:
    """One line without control, direction and invisible characters, which would let a text pose as another.

    Half surrogate pairs go too: no database and no JSON takes them.
    """
    if text.isprintable():
        return " ".join(text.split())
    kinds = ((ch, unicodedata.category(ch)) for ch in text)
    shown = (" " if kind in _BREAKS else ch for ch, kind in kinds if kind not in _INVISIBLE)
    return " ".join("".join(shown).split())


def parse(form: Form, id_types: IDTypes, *, today: date, liveness_required: bool = False) -> Parsed:
    """Check everything at once, so that a person corrects once."""
    faults: dict[str, str] = {}
    entry = id_types.find_offered(form.country, form.id_type)
    if form.country not in id_types.countries():
        faults["country"] = "Choose the country that issued the ID."
    elif entry is None:
        faults["id_type"] = "Choose an ID type of this country."
    id_info: dict[str, str] = {}
    for name in entry.fields if entry else ():
        value = clean(form.texts.get(name, ""))
        if not value:
            if entry and name in entry.required:
                faults[name] = _missing(name, entry)
            continue
        assert entry is not None
        kept, fault = _check_field(name, value, entry, today)
        if fault:
            faults[name] = fault
        id_info[name] = kept
    reference = clean(form.customer_reference)
    if len(reference) > MAX_TEXT:
        faults["customer_reference"] = f"At most {MAX_TEXT} characters. You typed {len(reference)}."
    faults |= photo_faults(form.selfie, form.liveness, liveness_required=liveness_required)
    if not form.consent:
        faults["consent"] = "Smile ID may only be asked with the customer's consent."
    return Parsed(faults=faults, id_type=entry, id_info=id_info, customer_reference=reference)


def _check_field(name: str, value: str, entry: IDType, today: date) -> tuple[str, str | None]:
    if name == "id_number":
        return check_number(value, entry)
    if name == "dob":
        return _check_birth(value, today)
    if name == "citizenship" and value not in CITIZENSHIPS:
        return value, f"Choose {' or '.join(CITIZENSHIPS)}."
    if name == "phone_number":
        bare = re.sub(r"[ ().-]", "", value)
        fits = re.fullmatch(r"\+?[0-9]{6,20}", bare)
        return (bare, None) if fits else (value, "A phone number has 6 to 20 digits, for example 08012345678.")
    if len(value) > MAX_TEXT:
        return value, f"At most {MAX_TEXT} characters. You typed {len(value)}."
    return value, None


def check_number(value: str, entry: IDType) -> tuple[str, str | None]:
    """The number as Smile ID wants it, and a fault if it does not have the form of its type.

    Blanks and dashes as printed on cards are taken away where the type's form has no place for them, and small
    letters become capital ones where it has none for those.
    """
    value = clean(value)
    close = re.sub(r"\s", "", value)
    bare = _DASHES.sub("", close)
    for candidate in (value, close, bare, value.upper(), close.upper(), bare.upper()):
        if 0 < len(candidate) <= MAX_TEXT and (entry.pattern is None or entry.pattern.fullmatch(candidate)):
            return candidate, None
    return value, _number_words(bare, entry)


def _number_words(typed: str, entry: IDType) -> str:
    example = f", for example {entry.example}" if entry.example else ""
    article = _article(entry.short)
    digits = _PLAIN_DIGITS.fullmatch(entry.pattern.pattern) if entry.pattern else None
    if not digits:
        looks = f"One looks like {entry.example}." if entry.example else "Compare it with the card."
        return f"This does not have the form of {article.lower()} {entry.short} number. {looks}"
    name = f"{article} {entry.short}"
    low, high = int(digits[1]), int(digits[2] or digits[1])
    form = f"{low} digits" if low == high else f"{low} to {high} digits"
    if not (typed.isascii() and typed.isdecimal()):
        return f"{name} has {form} and nothing else{example}."
    return f"{name} has {form}{example}. You typed {len(typed)}."


def _missing(name: str, entry: IDType) -> str:
    example = {"id_number": entry.example, "dob": _A_DATE, "phone_number": "08012345678"}.get(name, "")
    such = f", for example {example}" if example else ""
    return f"{_article(entry.short)} {entry.short} check needs this{such}."


def _article(name: str) -> str:
    return "An" if name[:1] in "AEIOU" else "A"


def _check_birth(value: str, today: date) -> tuple[str, str | None]:
    try:
        born = date.fromisoformat(value)
    except ValueError:
        return value, f"This is not a date. Write it like {_A_DATE}."
    if born > today:
        return value, f"This date is in the future. A date of birth looks like {_A_DATE}."
    if today.year - born.year > 130:
        return value, f"This date is more than 130 years ago. A date of birth looks like {_A_DATE}."
    return born.isoformat(), None


def photo_faults(
    selfie: Sequence[FileInfo], liveness: Sequence[FileInfo], *, liveness_required: bool = False
) -> dict[str, str]:
    """What is wrong with the files of a form, by field, as far as Slack's word on them tells.

    `liveness_required`: whether this company accepts no check without liveness images.
    """
    faults: dict[str, str] = {}
    if len(selfie) != 1:
        faults["selfie"] = "Attach one selfie, a JPEG or PNG photo."
    if liveness_required and not liveness:
        faults["liveness"] = f"Your company requires {LIVENESS_IMAGES} liveness images. Attach them."
    elif len(liveness) not in (0, LIVENESS_IMAGES):
        faults["liveness"] = f"Smile ID takes {LIVENESS_IMAGES} liveness images or none. You attached {len(liveness)}."
    for name, files in (("selfie", selfie), ("liveness", liveness)):
        for number, file in enumerate(files, start=1):
            fault = check_file(file)
            if fault and name not in faults:
                which = f"Image {number}: " if len(files) > 1 else ""
                faults[name] = which + fault
    everything = [(file.id, file.inside) for file in (*selfie, *liveness)]
    # Several selfies are a fault of their own; which of them are the same does not matter then.
    if len(selfie) <= 1 and len(set(everything)) < len(everything) and "liveness" not in faults:
        faults["liveness"] = "The same file is attached twice."
    return faults


def check_file(file: FileInfo) -> str | None:
    """A fault that can be told from what Slack says of the file; None if there is none to be seen."""
    name = file.name.casefold()
    kind = next((words for ending, words in _KINDS.items() if name.endswith("." + ending)), None)
    known_type = file.mimetype.casefold()
    if file.inside is not None:
        return None
    if not file.readable:
        return "I may not read this file. Attach it again from your device."
    if kind is None and known_type in {
        "application/pdf",
        "image/heic",
        "image/heif",
        "image/gif",
        "image/webp",
    }:
        kind = _KINDS[known_type.rsplit("/", 1)[1]]
    if kind is None and known_type.startswith("video/"):
        kind = "a video"
    if kind is None and known_type.startswith("image/") and known_type not in _PHOTO_TYPES:
        kind = "another kind of picture"
    if kind is None and known_type and not known_type.startswith("image/"):
        kind = None if name.endswith(_PHOTO_NAMES) and known_type == "application/octet-stream" else "not a photo"
    if kind:
        return f"This is {kind}. Attach a JPEG or PNG photo."
    if file.size is not None and file.size > MAX_FILE_BYTES:
        size = math.ceil(file.size / 1024 / 1024 * 10) / 10
        return f"This file has {size:.1f} MB; at most {MAX_FILE_BYTES // 1024 // 1024} MB can be sent."
    if file.size == 0:
        return "This file is empty."
    return None
