"""What Slack makes of a file by its name: mimetype, filetype, and which kinds it keeps as text snippets."""

import mimetypes
from pathlib import PurePath

_SPELLINGS = {"jpeg": "jpg", "tiff": "tif", "htm": "html", "txt": "text"}
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MIMETYPES = {
    "csv": "text/csv",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpg": "image/jpeg",
    # Captures of real messages show JSON as a snippet of plain text, not as application/json (read 2026-11).
    "json": "text/plain",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "tsv": "text/tab-separated-values",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    "xlsx": _XLSX,
    "zip": "application/zip",
}
"""Held here and not looked up: the machine's own table differs from place to place."""
_PRETTY = {
    "xlsx": "Excel Spreadsheet",
    "xls": "Excel Spreadsheet",
    "zip": "Zip",
    "text": "Plain Text",
    "mp4": "MPEG 4 Video",
}
_SNIPPETS = {"csv", "json", "text", "xml", "yaml"}


def extension(name: str) -> str:
    return PurePath(name).suffix.lower().lstrip(".")


def filetype(name: str) -> str:
    """Slack's own word; `binary` where it knows nothing."""
    found = extension(name)
    return _SPELLINGS.get(found, found) or "binary"


def pretty(name: str) -> str:
    kind = filetype(name)
    return _PRETTY.get(kind, kind.upper())


def is_snippet(name: str) -> bool:
    """Text that Slack shows and lets people edit in place: `mode` is then `snippet`."""
    return filetype(name) in _SNIPPETS


def mimetype(name: str) -> str:
    kind = extension(name)
    return _MIMETYPES.get(kind) or mimetypes.guess_type(name)[0] or "application/octet-stream"
