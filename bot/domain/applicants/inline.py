"""Photos inside cells, as base64."""

import binascii
import json
import re

from bot.domain.applicants.cells import Cell, CellKind
from bot.domain.check.field_faults import FieldFault
from bot.errors import PhotoCode

_DATA_URL = re.compile(r"data:image/(?:jpeg|jpg|png);base64,", re.IGNORECASE)
_BETWEEN = re.compile(r"[|\n]|;(?!base64,)")
_PHOTO_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_BLANKS = str.maketrans("", "", " \t\r\n")


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
