"""Photos that break the rules of their format, and that every viewer shows all the same. People really have them."""

import struct
from collections.abc import Callable


def end_mark_first(jpeg: bytes) -> bytes:
    """An end mark right behind the start, as if there were no picture; then the whole file."""
    return jpeg[:2] + b"\xff\xd9" + jpeg


def bytes_between_segments(jpeg: bytes) -> bytes:
    """Some bytes behind the first segment that belong to nothing."""
    end = 4 + int.from_bytes(jpeg[4:6], "big") - 2 + 2
    return jpeg[:end] + b"\x00\x12\x34" + jpeg[end:]


def app1_too_short(jpeg: bytes) -> bytes:
    """A description that is longer than its own length says."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 35) + b"Exif\x00\x00II*\x00\x08".ljust(73, b"\x00") + jpeg[2:]


SHOWN_BY_EVERY_VIEWER: dict[str, Callable[[bytes], bytes]] = {
    "end mark first": end_mark_first,
    "bytes between segments": bytes_between_segments,
    "APP1 too short": app1_too_short,
}
