"""From a cell to the text or the photos that the form would hold, or why they cannot be trusted."""

import binascii
import json
import re

from bot.domain.applicants.columns import normal
from bot.domain.applicants.model import Cell, CellKind
from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.check.fields import clean_field, text_fault
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.errors import PhotoCode

_MAX_STORED_DIGITS = 15
"""Excel keeps 15 digits of a number; one with fewer is exact."""
_MAY_BE_NUMBERS = frozenset({"customer_reference", "selfie"})
_ISO3 = {"nga": "NG", "gha": "GH", "ken": "KE", "zaf": "ZA", "uga": "UG", "civ": "CI", "zmb": "ZM", "zwe": "ZW"}

_DATA_URL = re.compile(r"data:image/(?:jpeg|jpg|png);base64,", re.IGNORECASE)
_BETWEEN = re.compile(r"[|\n]|;(?!base64,)")
_PHOTO_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_BLANKS = str.maketrans("", "", " \t\r\n")


def country_of(name: str, id_types: IDTypes) -> str:
    """Code of the offered country that is called so; empty if there is none."""
    wanted = normal(name)
    names = {normal(called): code for code, called in id_types.countries().items()}
    code = names.get(wanted) or _ISO3.get(wanted) or wanted.upper()
    return code if code in id_types.countries() else ""


def text_of(field: str, cell: Cell, entry: IDType | None) -> tuple[str, FieldFault | None]:
    """The text, and a fault if it cannot be what a person meant. `entry` is the row's ID type, if known."""
    text = clean_field(cell.text)
    match cell.kind:
        case CellKind.TEXT:
            return text, text_fault(text)
        case CellKind.NUMBER:
            return text, _number_fault(field, text, entry)
        case CellKind.DATE:
            return text, None if field == "dob" else FieldFault(FieldCode.STORED_AS_DATE)
        case CellKind.FORMULA:
            return "", FieldFault(FieldCode.FORMULA)
        case CellKind.ERROR:
            return "", FieldFault(FieldCode.CELL_ERROR)
        case CellKind.NOT_SHOWN:
            return "", FieldFault(FieldCode.CELL_NOT_SHOWN)
        case CellKind.LIST | CellKind.OTHER:
            return "", FieldFault(FieldCode.CELL_NOT_TEXT)


def _number_fault(field: str, text: str, entry: IDType | None) -> FieldFault | None:
    """A number is believed only where it can have lost nothing.

    With a leading zero more it must not fit the type's form any longer: where both fit, it is unknown whether the
    spreadsheet dropped one.
    """
    exact = text.isascii() and text.isdecimal() and len(text) < _MAX_STORED_DIGITS
    if field in _MAY_BE_NUMBERS:
        return None if exact else FieldFault(FieldCode.STORED_AS_NUMBER)
    if field == "id_number" and entry is not None and entry.pattern is not None and exact:
        fits, fits_longer = entry.pattern.fullmatch(text), entry.pattern.fullmatch("0" + text)
        return None if fits and not fits_longer else FieldFault(FieldCode.STORED_AS_NUMBER)
    return FieldFault(FieldCode.DATE_UNCLEAR) if field == "dob" else FieldFault(FieldCode.STORED_AS_NUMBER)


# Photos inside cells, as base64


def parts_of(cell: Cell) -> list[str]:
    """The texts of all photos in one cell: a list of JSON, or parted by `;`, `|` or new lines."""
    if cell.kind is CellKind.LIST:
        return list(cell.parts)
    text = cell.text.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        return listed if isinstance(listed, list) and all(isinstance(part, str) for part in listed) else [text]
    return [part for part in _BETWEEN.split(text) if part.strip()]


def decode(text: str, limit: int) -> bytes | FieldFault:
    """The photo's bytes, or why the text is not one whole photo, a JPEG or PNG in base64."""
    text = text.strip()
    url = _DATA_URL.match(text)
    text = (text[url.end() :] if url else text).translate(_BLANKS)
    if len(text) > limit * 4 // 3 + 4:
        return FieldFault(PhotoCode.TOO_LARGE, megabytes=limit // 1024 // 1024)
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:
        return FieldFault(PhotoCode.NOT_BASE64)
    return data if data.startswith(_PHOTO_MARKS) else FieldFault(PhotoCode.NOT_A_PHOTO_IN_BASE64)
