"""Temporary files that nobody reads but the process that made them: sealed with a key that never leaves its memory.

A zip of a batch holds the faces and numbers of thousands; it is too large for the memory and must not lie open on a
disk. Each file has a key of its own and no name, so that nothing is left of it when the process ends, however it ends.
"""

import io
import os
import tempfile
from typing import IO, BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 64 * 1024
_NONCE, _TAG = 12, 16
_STORED = _NONCE + CHUNK + _TAG


def sealed_file() -> BinaryIO:
    """An empty file for writing and reading anywhere, gone when it is closed. Not for several threads at once."""
    return cast("BinaryIO", io.BufferedRandom(_Sealed(), CHUNK))


class _Sealed(io.RawIOBase):
    """Chunks of one size, each sealed anew whenever it is written; the last one is held open in memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._size = self._at = 0
        self._number, self._chunk, self._is_changed = 0, bytearray(CHUNK), False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        """What it names is not what is read here."""
        raise io.UnsupportedOperation("fileno")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        wanted = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = min(len(wanted), self._size - self._at, CHUNK - self._at % CHUNK)
        if count <= 0:
            return 0
        self._turn_to(self._at // CHUNK)
        start = self._at % CHUNK
        wanted[:count] = self._chunk[start : start + count]
        self._at += count
        return count

    def write(self, data: object) -> int:
        given = memoryview(data).cast("B")  # type: ignore[arg-type]
        count = min(len(given), CHUNK - self._at % CHUNK)
        self._turn_to(self._at // CHUNK)
        start = self._at % CHUNK
        self._chunk[start : start + count] = given[:count]
        self._is_changed = self._is_changed or count > 0
        self._at += count
        self._size = max(self._size, self._at)
        return count

    def truncate(self, size: int | None = None) -> int:
        """What lies beyond reads as zeros if the file grows again, as elsewhere."""
        new = self._at if size is None else size
        if new < self._size:
            self._turn_to(new // CHUNK)
            self._chunk[new % CHUNK :] = bytes(CHUNK - new % CHUNK)
            self._is_changed = True
            self._seal()
            self._file.truncate((new // CHUNK + 1) * _STORED)
        self._size = new
        return new

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._chunk = bytearray()
        super().close()

    def _turn_to(self, number: int) -> None:
        if number == self._number:
            return
        self._seal()
        self._number = number
        self._file.seek(number * _STORED)
        stored = self._file.read(_STORED)
        if not stored or stored == bytes(_STORED):
            # Never written: beyond the end, or in a hole of the file.
            self._chunk = bytearray(CHUNK)
            return
        try:
            place = number.to_bytes(8, "big")
            self._chunk = bytearray(self._cipher.decrypt(stored[:_NONCE], stored[_NONCE:], place))
        except (InvalidTag, ValueError) as fault:
            raise OSError("a temporary file was changed by somebody else") from fault

    def _seal(self) -> None:
        if not self._is_changed:
            return
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, bytes(self._chunk), self._number.to_bytes(8, "big"))
        self._file.seek(self._number * _STORED)
        for part in (nonce, sealed):
            _write_all(self._file, part)
        self._is_changed = False


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Unbuffered files may take a part."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
