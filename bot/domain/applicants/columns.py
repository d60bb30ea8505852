"""Which column is which: by name, with the synonyms people use, free of case, blanks, dashes and accents."""

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.applicants.model import EMPTY, Cell, shown
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.errors import FileCode, FileUnusable

SELFIE_BASE64, LIVENESS_BASE64 = "selfie_base64", "liveness_base64"
INLINE = frozenset({SELFIE_BASE64, LIVENESS_BASE64})
NUMBERED_LIVENESS = tuple(f"liveness_{number}" for number in range(9))
"""One column per image; people count from 0 or from 1."""
PHOTO_FIELDS = frozenset({"selfie", "liveness", *INLINE, *NUMBERED_LIVENESS})
TEXT_FIELDS = (
    "id_number", "first_name", "middle_name", "last_name", "dob", "phone_number", "bank_code", "citizenship",
)  # fmt: skip

_SYNONYMS = {
    "country": "country code, issuing country, country of issue, ID country, country of ID",
    "id_type": "document type, doc type, type, type of ID, kind of ID, type of document, ID document type",
    "id_number": "number, document number, doc number, ID no, document no, ID num, identity number, "
    "identification number",
    "first_name": "given name, given names, first names, forename, forenames, firstname",
    "middle_name": "middle names, other name, other names, second name",
    "last_name": "surname, family name, lastname",
    "dob": "date of birth, birth date, birthday, born",
    "phone_number": "phone, phone no, mobile, mobile number, mobile phone, msisdn, telephone, telephone number",
    "bank_code": "bank",
    "citizenship": "",
    "customer_reference": "reference, customer ref, customer id, customer no, customer number, ref, external id, "
    "external reference, client id, client reference, applicant id, reference number, your reference",
    "selfie": "photo, image, picture, selfie file, selfie photo, selfie image, selfie file name, photo file, "
    "photo file name, photo name, image file, image file name, picture file",
    "liveness": "liveness images, liveness photos, liveness folder, liveness files, liveness pictures",
    SELFIE_BASE64: "photo base64, image base64, picture base64",
    LIVENESS_BASE64: "liveness images base64, liveness photos base64",
}
_NUMBER_ENDINGS = ("number", "no", "num")
_NAMED = 5
_NUMBERED = re.compile(r"liveness(?:image|photo|picture)?([0-8])")


def normal(text: str) -> str:
    """Letters and digits alone, small and without accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(ch for ch in unicodedata.normalize("NFKD", plain) if ch.isalnum())


_KNOWN = {
    normal(name): field for field, names in _SYNONYMS.items() for name in (field, *names.split(",")) if name.strip()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    at: Mapping[str, int]
    """Our field to its position."""
    named: Mapping[str, str]
    """Our field to the table's own word for it."""
    ignored: Mapping[int, str]
    """Place from 0 of a column that we do not know, and what heads it: in whatever words somebody chose."""
    implied_type: str = ""
    """The name of an ID type that heads the numbers, when no column says the type."""

    def called(self, field: str) -> str:
        return self.named.get(field, field)

    def cell(self, cells: Sequence[Cell], field: str) -> Cell:
        """Of one row; empty where it is too short, or where the table has no such column."""
        place = self.at.get(field, len(cells))
        return cells[place] if place < len(cells) else EMPTY

    @property
    def inline(self) -> bool:
        """Whether photos lie in the cells themselves."""
        return not INLINE.isdisjoint(self.at)


def names_of(entry: IDType) -> set[str]:
    """What people call an ID type, normalised; `NIN_V2` is a NIN to everybody but its register."""
    return {normal(name) for name in (entry.id_type, entry.label, re.sub(r"_V\d+$", "", entry.id_type))}


def find_type(country: str, name: str, id_types: IDTypes) -> IDType | None:
    """The one offered type of this country that is called so; Smile ID's own word wins. None in doubt."""
    wanted = normal(name)
    offered = id_types.of_country(country)
    exact = [entry for entry in offered if normal(entry.id_type) == wanted]
    found = exact or [entry for entry in offered if wanted in names_of(entry)]
    return found[0] if len(found) == 1 and wanted else None


def field_of(name: str, type_names: Collection[str]) -> str | None:
    """Our field for one header, None if there is none."""
    wanted = normal(name)
    known = _KNOWN.get(wanted)
    if known:
        return known
    numbered = _NUMBERED.fullmatch(wanted)
    if numbered:
        return f"liveness_{numbered[1]}"
    return "id_number" if _bare(wanted) in type_names else None


def _bare(wanted: str) -> str:
    ending = next((ending for ending in _NUMBER_ENDINGS if wanted.endswith(ending)), "")
    return wanted.removesuffix(ending)


def type_names(id_types: IDTypes) -> frozenset[str]:
    """Every name of an offered type that may head a column of numbers."""
    return frozenset(name for entry in id_types.offered() for name in names_of(entry))


def known(header: Sequence[str], names: Collection[str]) -> int:
    """How many columns of this header mean something; 0 when too few do for it to be a header of applicants.

    `names` are those of `type_names`.
    """
    fields = {field_of(name, names) for name in header} - {None}
    return len(fields) if "id_number" in fields or len(fields) > 1 else 0


def read_header(header: Sequence[str], id_types: IDTypes, *, hidden: Mapping[int, str] | None = None) -> Columns:
    """Raises FileUnusable for a field named twice or a column that must be there.

    `hidden` columns, by their place, are empty in `header`; they are no unknown ones.
    """
    names = type_names(id_types)
    hidden = hidden or {}
    at: dict[str, int] = {}
    ignored: dict[int, str] = {}
    last = max((place for place, name in enumerate(header) if name.strip()), default=-1)
    for place, name in enumerate(header[: last + 1]):
        field = field_of(name, names)
        if field is None and place in hidden:
            continue
        if field is None:
            ignored[place] = shown(name) if name.strip() else f"column {place + 1} (no name)"
        elif field in at:
            first, second = shown(header[at[field]]), shown(name)
            raise FileUnusable(FileCode.COLUMN_TWICE, first=first, second=second, field=field)
        else:
            at[field] = place
    implied = ""
    if "id_number" in at and "id_type" not in at:
        implied = _bare(normal(header[at["id_number"]]))
        implied = implied if implied in names else ""
    _check_needed(at, implied, hidden)
    return Columns(
        at=at, named={field: shown(header[place]) for field, place in at.items()}, ignored=ignored,
        implied_type=implied,
    )  # fmt: skip


def _check_needed(at: Mapping[str, int], implied: str, hidden: Mapping[int, str]) -> None:
    missing = [field for field in ("country", "id_number") if field not in at]
    if "id_type" not in at and not implied:
        missing.append("id_type")
    if missing and hidden:
        raise FileUnusable(FileCode.COLUMNS_HIDDEN, columns=missing, names=list(hidden.values())[:_NAMED])
    if missing:
        raise FileUnusable(FileCode.COLUMNS_MISSING, columns=missing)


# The table that people are given to fill in

_TEMPLATE = (
    "country", "id_type", "id_number", "first_name", "last_name", "dob", "phone_number", "customer_reference", "selfie",
    "liveness",
)  # fmt: skip
_EXAMPLES = (
    ("NG", "BVN", "00000000000", "Example", "Person", "1990-01-02", "08012345678", "EXAMPLE-1", "example-1.jpg", ""),
    ("KE", "NATIONAL_ID", "00000000", "Sample", "Somebody", "2 Jan 1990", "", "EXAMPLE-2", "example-2/selfie.jpg",
     "example-2"),
)  # fmt: skip


def template_csv() -> bytes:
    """A header and two invented people with Smile ID's test numbers. With a mark of UTF-8, so that Excel reads it."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows((_TEMPLATE, *_EXAMPLES))
    return out.getvalue().encode("utf-8-sig")
