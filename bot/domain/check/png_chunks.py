"""What of a PNG makes its picture. Viewers step over faults in the rest, at which Pillow refuses the whole file."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST_PROFILE = 1024 * 1024
"""Bytes of an unpacked colour profile; Pillow refuses a file that has a longer one."""

_OF_THE_PICTURE = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_DESCRIBES_IT = frozenset({b"tRNS", b"iCCP", b"eXIf"})
"""Kept where they are sound: transparency, colour profile, and EXIF for its orientation."""


def picture_chunks(data: bytes) -> bytes:
    """The same PNG without texts, thumbnails, times, animation, and whatever else does not change its picture.

    Bytes that are no PNG, and the rest of one that is cut off, come back as they are: the decoder says what is wrong.
    """
    if not data.startswith(SIGNATURE):
        return data
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind in _OF_THE_PICTURE or (kind in _DESCRIBES_IT and _is_sound(data[at + 4 : end])):
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            return b"".join(kept)
    kept.append(data[at:])
    return b"".join(kept)


def _is_sound(chunk: bytes) -> bool:
    """Of a chunk's name, content and checksum: whether the checksum fits, and a profile can be unpacked."""
    content, checksum = chunk[:-4], chunk[-4:]
    if zlib.crc32(content) != int.from_bytes(checksum, "big"):
        return False
    if not content.startswith(b"iCCP"):
        return True
    _name, _end, packed = content[4:].partition(b"\x00")
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed[1:], LONGEST_PROFILE)
    except zlib.error:
        return False
    return unpacking.eof
