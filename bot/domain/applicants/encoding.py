"""Bytes to text: UTF-8, or UTF-16 that says so. Nothing else is guessed at."""

import codecs
import io
from typing import BinaryIO

from bot.domain.applicants.model import shown
from bot.errors import FileCode, FileUnusable

_CHUNK = 64 * 1024


class _Kept(io.RawIOBase):
    """Lends a stream to a TextIOWrapper, which would close it when it is itself forgotten."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def encoding_of(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def reader(stream: BinaryIO, start: bytes) -> io.TextIOWrapper:
    """Text of a stream that stands at its beginning; `start` are its first bytes, looked at before.

    Reading raises UnicodeDecodeError; `not_text` tells where.
    """
    return io.TextIOWrapper(io.BufferedReader(_Kept(stream), _CHUNK), encoding_of(start), "strict", newline="")  # type: ignore[type-var]


def not_text(stream: BinaryIO, name: str, start: bytes) -> FileUnusable:
    """For a stream, standing at its beginning again, that does not decode or holds zero bytes."""
    line = _line_of_fault(stream, encoding_of(start))
    return FileUnusable(FileCode.NOT_UTF8, line=line, name=shown(name))


def _line_of_fault(stream: BinaryIO, encoding: str) -> int:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line = 1
    while True:
        data = stream.read(_CHUNK)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as fault:
            return line + _breaks_before(fault, encoding)
        if "\0" in text:
            return line + text[: text.index("\0")].count("\n")
        line += text.count("\n")
        if not data:
            return line


def _breaks_before(fault: UnicodeDecodeError, encoding: str) -> int:
    good = fault.object[: fault.start]
    return good.count(b"\n\0" if encoding == "utf-16" else b"\n")
