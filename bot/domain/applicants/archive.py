"""A zip of a stranger, checked before anything in it is unpacked.

`zipfile` reads it; this module decides beforehand what it must not read. Everything is known from the
directory and the entries' headers: no entry is decompressed to open an archive. Threads may read several entries of
one archive at once (`zipfile` locks the shared file itself).
"""

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, BinaryIO

from bot.domain.applicants.model import MIB, Limits, shown
from bot.errors import FileCode, FileUnusable

BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, KeyError, IndexError, RuntimeError,
    NotImplementedError, OverflowError,
)  # fmt: skip
"""What damaged zips raise, as `zipfile` documents it or fuzzing showed it."""

_END = struct.Struct("<4s4H2LH")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_MARK, _LOCAL_MARK, _ZIP64_MARK = b"PK\x05\x06", b"PK\x03\x04", b"PK\x06\x07"
_MAX_COMMENT = 65_535
_UTF8_NAME = 0x800
_SECRET = 0x1 | 0x40 | 0x2000
_DIRECTORY_BYTES_PER_ENTRY = 4_096
"""Far more than any name needs; keeps a directory without entries worth the name out of memory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in a zip that can be meant for us."""

    index: int
    """Position in the zip's directory."""
    path: str = field(repr=False)
    """With `/`, without `.` and empty parts, as written otherwise."""
    size: int
    """Unpacked, as declared."""


class Archive:
    """An opened zip whose names, sizes and layout have been found harmless."""

    def __init__(self, opened: zipfile.ZipFile, entries: Sequence[Entry]) -> None:
        self._zip = opened
        self._infos = opened.infolist()
        self.entries = entries

    @classmethod
    def opened(cls, content: BinaryIO, name: str, limits: Limits) -> "Archive":
        """Raises FileUnusable. `content` stays open, the caller's."""
        called = shown(name)
        try:
            directory_at = _check_end(content, called, limits)
            opened = zipfile.ZipFile(content)
            infos = opened.infolist()
            entries = list(_entries(infos, called))
            _check_sizes(infos, called, limits)
            _check_layout(content, infos, directory_at, called)
        except BROKEN as fault:
            raise FileUnusable(FileCode.ZIP_DAMAGED, name=called) from fault
        return cls(opened, entries)

    def stream(self, index: int) -> IO[bytes]:
        """The unpacked bytes of one entry, never more than it declared. Reading raises one of BROKEN if damaged."""
        return self._zip.open(self._infos[index])

    def read(self, index: int, limit: int) -> bytes:
        """One entry in whole; raises one of BROKEN, OverflowError if it has more than `limit` bytes."""
        if self._infos[index].file_size > limit:
            raise OverflowError("entry larger than allowed")
        with self.stream(index) as stream:
            data = stream.read(limit + 1)
        if len(data) != self._infos[index].file_size:
            raise EOFError("entry shorter than declared")
        return data


def _check_end(content: BinaryIO, called: str, limits: Limits) -> int:
    """Where the directory begins. Everything that `zipfile` takes on trust is checked here first."""
    size = content.seek(0, io.SEEK_END)
    if size > limits.zip_bytes:
        raise FileUnusable(FileCode.ZIP_TOO_LARGE, name=called, megabytes=limits.zip_bytes // MIB)
    tail_at = max(0, size - _END.size - _MAX_COMMENT)
    content.seek(tail_at)
    tail = content.read()
    at = _end_in(tail)
    if at < 0:
        raise FileUnusable(FileCode.ZIP_DAMAGED, name=called)
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, at)
    if disk or first_disk or here != count:
        raise FileUnusable(FileCode.ZIP_IN_PARTS, name=called)
    if count > limits.entries:
        raise FileUnusable(FileCode.ZIP_TOO_MANY_ENTRIES, name=called, most=limits.entries)
    if tail[max(0, at - 20) : at].startswith(_ZIP64_MARK) or 0xFFFFFFFF in {length, start}:
        raise FileUnusable(FileCode.ZIP64, name=called)
    if at + _END.size + comment != len(tail) or start + length != tail_at + at:
        raise FileUnusable(FileCode.ZIP_DAMAGED, name=called)
    if length > max(1, count) * _DIRECTORY_BYTES_PER_ENTRY:
        raise FileUnusable(FileCode.ZIP_DAMAGED, name=called)
    return int(start)


def _end_in(tail: bytes) -> int:
    """Where the record that ends a zip begins; negative if there is none. A comment may follow."""
    plain = tail[-_END.size :]
    without_comment = plain.startswith(_END_MARK) and plain.endswith(b"\0\0")
    return len(tail) - _END.size if without_comment else tail.rfind(_END_MARK)


def _entries(infos: Sequence[zipfile.ZipInfo], called: str) -> Iterator[Entry]:
    seen: set[str] = set()
    for index, info in enumerate(infos):
        path = _path(info, called)
        if info.flag_bits & _SECRET:
            raise FileUnusable(FileCode.ZIP_ENCRYPTED, name=called)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise FileUnusable(FileCode.ZIP_LINKS, name=called)
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise FileUnusable(FileCode.ZIP_COMPRESSION, name=called)
        if path.endswith("/") or not path or ignored(path):
            continue
        key = path_key(path)
        if key in seen:
            raise FileUnusable(FileCode.ZIP_NAME_TWICE, name=called)
        seen.add(key)
        yield Entry(index, path, info.file_size)


def _path(info: zipfile.ZipInfo, called: str) -> str:
    name = info.filename
    if name != info.orig_filename or any(unicodedata.category(ch) in {"Cc", "Cs"} for ch in name):
        raise FileUnusable(FileCode.ZIP_CONTROL_CHARACTERS, name=called)
    if not info.flag_bits & _UTF8_NAME:
        name = _as_utf8(name)
    name = name.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or name[1:2] == ":":
        raise FileUnusable(FileCode.ZIP_PATH_LEADS_OUT, name=called)
    path = "/".join(part for part in parts if part not in {"", "."})
    return f"{path}/" if path and (parts[-1] in {"", "."}) else path


def _as_utf8(name: str) -> str:
    """macOS writes UTF-8 without saying so; read in the old code page, those bytes are no words of any language."""
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def path_key(path: str) -> str:
    """Two names that a person or a computer may take for the same have the same key."""
    path = unicodedata.normalize("NFC", path.replace("\\", "/").strip())
    folded = unicodedata.normalize("NFC", path.casefold())
    return "/".join(part.strip() for part in folded.split("/") if part.strip() not in {"", "."})


def ignored(path: str) -> bool:
    """What computers leave in folders by themselves."""
    first, last = path.split("/", maxsplit=1)[0], path.rsplit("/", 1)[-1]
    return first == "__MACOSX" or last.startswith(("._", "~$")) or last.casefold() in {".ds_store", "thumbs.db"}


def _check_sizes(infos: Sequence[zipfile.ZipInfo], called: str, limits: Limits) -> None:
    for info in infos:
        if info.file_size > MIB and info.file_size > limits.ratio * info.compress_size:
            raise FileUnusable(FileCode.ZIP_RATIO, name=called)
        if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            raise FileUnusable(FileCode.ZIP_DAMAGED, name=called)
    if sum(info.file_size for info in infos) > limits.unpacked_bytes:
        raise FileUnusable(FileCode.ZIP_UNPACKS_TOO_LARGE, name=called, megabytes=limits.unpacked_bytes // MIB)


def _check_layout(content: BinaryIO, infos: Sequence[zipfile.ZipInfo], directory_at: int, called: str) -> None:
    """Each entry has bytes of its own: overlapping ones are how a small zip without nesting becomes a bomb."""
    free_from = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        content.seek(info.header_offset)
        header = content.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(_LOCAL_MARK):
            raise FileUnusable(FileCode.ZIP_DAMAGED, name=called)
        if info.header_offset < free_from:
            raise FileUnusable(FileCode.ZIP_OVERLAPS, name=called)
        fields = _LOCAL.unpack(header)
        free_from = info.header_offset + _LOCAL.size + fields[-2] + fields[-1] + info.compress_size
    if free_from > directory_at:
        raise FileUnusable(FileCode.ZIP_OVERLAPS, name=called)
