"""Bytes to text: UTF-8, or UTF-16 that says so. Nothing else is guessed at."""

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from bot.domain.applicants.model import shown
from bot.errors import FileCode, FileUnusable

OpenTable = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a table's bytes from their beginning."""
_CHUNK = 64 * 1024


class _Kept(io.RawIOBase):
    """Lends a stream to a TextIOWrapper, which would close it when it is itself forgotten."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def table_text(open_table: OpenTable, name: str) -> Iterator[io.TextIOWrapper]:
    """The text of a table. Raises FileUnusable naming the line that does not decode or holds a zero byte."""
    try:
        with open_table() as stream:
            buffered, encoding = _buffered(stream)
            yield io.TextIOWrapper(buffered, encoding, "strict", newline="")
    except UnicodeDecodeError as fault:
        with open_table() as stream:
            line = _line_of_fault(*_buffered(stream))
        raise FileUnusable(FileCode.NOT_UTF8, line=line, name=shown(name)) from fault


def zero_byte() -> UnicodeDecodeError:
    """No text has one; treated like bytes that do not decode."""
    return UnicodeDecodeError("utf-8", b"\0", 0, 1, "zero byte")


def _buffered(stream: BinaryIO) -> tuple["io.BufferedReader[_Kept]", str]:
    buffered = io.BufferedReader(_Kept(stream), _CHUNK)
    marked = buffered.peek(2).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return buffered, "utf-16" if marked else "utf-8-sig"


def _line_of_fault(stream: "io.BufferedReader[_Kept]", encoding: str) -> int:
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
