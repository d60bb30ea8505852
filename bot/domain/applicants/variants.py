"""What a table really is, by its first bytes and parts: a name can be given to anything."""

import codecs
from collections.abc import Collection
from typing import BinaryIO

from bot.domain.applicants.model import shown
from bot.domain.check.file_kinds import FileKind
from bot.errors import FileCode, FileUnusable

ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEAD = 1024
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""The stream that holds a workbook with a password (MS-OFFCRYPTO 2.3.4.4)."""

_BEGINNINGS: tuple[tuple[bytes, FileKind], ...] = (
    (b"%pdf-", FileKind.PDF),
    (b"{\\rtf", FileKind.DOCUMENT),
    (b"<!doctype html", FileKind.WEB_PAGE),
    (b"<html", FileKind.WEB_PAGE),
    (b"<table", FileKind.WEB_PAGE),
    (b"<meta", FileKind.WEB_PAGE),
)
_PARTS: tuple[tuple[str, FileKind], ...] = (
    ("xl/workbook.bin", FileKind.XLSB),
    ("index/document.iwa", FileKind.NUMBERS),
    ("index.zip", FileKind.NUMBERS),
    ("content.xml", FileKind.ODS),
    ("word/document.xml", FileKind.DOCUMENT),
    ("ppt/presentation.xml", FileKind.DOCUMENT),
)


def is_workbook(head: bytes) -> bool:
    """Whether a file that begins so is a zip or an Excel file, whatever its name says."""
    return head.startswith((ZIP, _OLE))


def refuse_beginning(head: bytes, name: str) -> None:
    """Raises FileUnusable for the beginning of what is surely no table; `HEAD` bytes suffice."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    found = next((kind for beginning, kind in _BEGINNINGS if start.startswith(beginning)), None)
    if start.startswith(b"<?xml"):
        found = FileKind.WEB_PAGE if b"<html" in start else FileKind.XML
    if found is not None:
        raise _not_read(name, found)


def refuse_old(content: BinaryIO, name: str) -> None:
    """Raises FileUnusable for a workbook that is no zip."""
    content.seek(0)
    head = content.read(HEAD)
    if head.startswith(_OLE):
        # Both are a file of several streams; only a search for the stream's name tells them apart.
        if _ENCRYPTED in head + content.read():
            raise FileUnusable(FileCode.WORKBOOK_PROTECTED, name=shown(name))
        raise _not_read(name, FileKind.XLS)
    refuse_beginning(head, name)


def refuse_parts(paths: Collection[str], name: str) -> None:
    """Raises FileUnusable for a zip that is another program's document; `paths` are its entries, casefolded."""
    found = next((kind for path, kind in _PARTS if path in paths), None)
    if found is not None:
        raise _not_read(name, found)


def _not_read(name: str, kind: FileKind) -> FileUnusable:
    return FileUnusable(FileCode.KIND, name=shown(name), table_kind=kind)
