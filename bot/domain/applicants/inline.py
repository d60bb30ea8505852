"""Photos inside cells, as base64."""

import binascii
import json
import re

from bot.domain.applicants.cells import Cell, Kind
from bot.errors import PhotoUnusable

_DATA_URL = re.compile(r"data:image/(?:jpeg|jpg|png);base64,", re.IGNORECASE)
_BETWEEN = re.compile(r"[|\n]|;(?!base64,)")
_PHOTO_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_BLANKS = str.maketrans("", "", " \t\r\n")


def parts_of(cell: Cell) -> list[str]:
    """The texts of all photos in one cell: a list of JSON, or parted by `;`, `|` or new lines."""
    if cell.kind is Kind.LIST:
        return list(cell.parts)
    text = cell.text.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        return listed if isinstance(listed, list) and all(isinstance(part, str) for part in listed) else [text]
    return [part for part in _BETWEEN.split(text) if part.strip()]


def decode(text: str, limit: int) -> bytes:
    """The photo's bytes. Raises PhotoUnusable for whatever is not one whole base64 text of a JPEG or PNG."""
    text = text.strip()
    url = _DATA_URL.match(text)
    text = (text[url.end() :] if url else text).translate(_BLANKS)
    if len(text) > limit * 4 // 3 + 4:
        raise PhotoUnusable("too large", f"This photo is larger than {limit // 1024 // 1024} MB.")
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as fault:
        raise PhotoUnusable("not base64", "This is not base64, or not all of it.") from fault
    if not data.startswith(_PHOTO_MARKS):
        raise PhotoUnusable("not a JPEG or PNG", "This is not a JPEG or PNG photo in base64.")
    return data
