"""What of a JPEG makes its picture, byte for byte: everything else has room for what nobody is to send along.

Read as libjpeg reads it, which decodes the photo here and at most others': which of several tables of one number
counts, and what a segment must look like to count at all.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_TEM, _SOI, _EOI, _SOS, _DQT, _DHT, _DRI = 0x01, 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
_APP0, _APP2, _APP14, _COM = 0xE0, 0xE2, 0xEE, 0xFE
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = frozenset({_BASELINE, _EXTENDED, _PROGRESSIVE})
"""Those with Huffman codes. Arithmetic coding is decoded here, and by few others; the rest by nobody."""
_RESTARTS = frozenset(range(0xD0, 0xD8))
_STOPS, _STOPS_WITH_RESTARTS = re.compile(rb"\xff[^\x00\xff]"), re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends compressed data. A zero behind the mark is stuffing, a mark a fill byte; restarts belong to the data."""
_SAY_NOTHING = frozenset({_COM, *range(0xE0, 0xF0), 0xCC, 0xDC})
"""Descriptions; what only arithmetic coding needs; a number of lines that libjpeg does not read."""
_JFIF_BYTES, _ADOBE_BYTES = 14, 12
_PROFILE_MARK = b"ICC_PROFILE\x00"
_LONGEST_PIECE = 65_533 - len(_PROFILE_MARK) - 2


@dataclass(slots=True)
class _Part:
    """A piece of the file: a segment, or the compressed data behind the head of a scan."""

    marker: int
    """0 for compressed data."""
    data: bytes
    """As it was written, with marker and length."""
    tables: list["_Table"] = field(default_factory=list)
    """What a segment of tables or of the restart interval defines."""


@dataclass(slots=True, eq=False)
class _Table:
    slot: tuple[str, int]
    """Which kind of table, and its number; a later one of the same slot replaces it."""
    data: bytes
    used: bool = False


def picture_segments(data: bytes, *, profile: bytes | None = None) -> bytes:
    """The same JPEG up to its end marker, with nothing but its picture; that one's own bytes are untouched.

    Kept are frame and scans, the tables that a scan uses, and what says how its colours are coded: the first JFIF
    without its thumbnail, and of Adobe's mark the colour transform. `profile` takes the place of the file's own. Raises
    ValueError for a stream that is no JPEG, or that decoders need luck for.
    """
    parts = list(_parts(data))
    _mark_used(parts)
    first_scan = next((at for at, part in enumerate(parts) if part.marker == _SOS), None)
    if first_scan is None:
        raise ValueError("no picture")
    # What stands behind the head of the first scan comes too late for the colours.
    jfif = next((part for part in parts[:first_scan] if _is_jfif(part)), None)
    adobe = next((part for part in reversed(parts[:first_scan]) if _is_adobe(part)), None)
    out = bytearray(b"\xff\xd8")
    if jfif is not None:
        out += b"\xff\xe0\x00\x10" + jfif.data[4:16] + b"\x00\x00"
    if adobe is not None:
        out += _adobe(adobe)
    out += _profile_segments(profile or b"")
    for part in parts:
        if part.marker not in _SAY_NOTHING:
            out += _used(part)
    return bytes(out + b"\xff\xd9")


def _parts(data: bytes) -> Iterator[_Part]:
    if not data.startswith(b"\xff\xd8"):
        raise ValueError("no JPEG")
    at, interval = 2, 0
    while True:
        at = _to_marker(data, at)
        marker = data[at + 1]
        if marker == _EOI:
            return
        if marker == _TEM or marker in _RESTARTS:
            # Between segments they mean nothing, and a row of them could spell anything.
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            raise ValueError("segment without length")
        part = _Part(marker, data[at : at + 2 + length])
        part.tables = list(_tables(part))
        yield part
        at += 2 + length
        if marker == _DRI:
            interval = int.from_bytes(part.data[4:6], "big")
        elif marker == _SOS:
            end = _end_of_scan(data, at, with_restarts=interval > 0)
            yield _Part(0, data[at:end])
            at = end
        elif marker not in _FRAMES | _SAY_NOTHING | {_DQT, _DHT}:
            raise ValueError("a kind of JPEG that few can decode")


def _to_marker(data: bytes, at: int) -> int:
    if at + 1 >= len(data) or data[at] != 0xFF:
        raise ValueError("no marker where one must be")
    while data[at + 1] == 0xFF:
        at += 1
        if at + 1 >= len(data):
            raise ValueError("ends in fill bytes")
    return at


def _end_of_scan(data: bytes, at: int, *, with_restarts: bool) -> int:
    """Where the entropy-coded data stops: at the next marker that is neither stuffing nor a restart."""
    found = (_STOPS_WITH_RESTARTS if with_restarts else _STOPS).search(data, at)
    if found is None:
        raise ValueError("scan without end")
    if found[0][1] in _RESTARTS:
        raise ValueError("a restart in a scan that has none: what follows is not decoded")
    return found.start()


# Tables


def _tables(part: _Part) -> Iterator[_Table]:
    """Each table of a segment by itself. Raises ValueError where they do not fill it exactly, as libjpeg does."""
    body = part.data[4:]
    if part.marker == _DRI:
        if len(body) != 2:
            raise ValueError("restart interval of another length")
        yield _Table(("interval", 0), body)
    at = 0
    while part.marker in {_DQT, _DHT} and at < len(body):
        high, number = body[at] >> 4, body[at] & 0x0F
        if number > 3 or high > 1:
            raise ValueError("table without number")
        if part.marker == _DQT:
            slot, length = ("quantisation", number), 1 + (128 if high else 64)
        else:
            slot, length = ("AC" if high else "DC", number), 17 + sum(body[at + 1 : at + 17])
        if at + length > len(body):
            raise ValueError("table cut off")
        yield _Table(slot, body[at : at + length])
        at += length


def _mark_used(parts: Sequence[_Part]) -> None:
    """Go through the file as a decoder does, and mark each table that a scan reads while it counts."""
    current: dict[tuple[str, int], _Table] = {}
    quantised_by: dict[int, int] = {}
    latched: set[int] = set()
    progressive = False
    for part in parts:
        current.update({table.slot: table for table in part.tables})
        if part.marker in _FRAMES:
            if quantised_by:
                raise ValueError("two frames")
            progressive = part.marker == _PROGRESSIVE
            quantised_by = _components(part)
        elif part.marker == _SOS:
            for slot in _read_by(part, quantised_by, latched, progressive=progressive):
                if slot in current:
                    current[slot].used = True


def _components(frame: _Part) -> dict[int, int]:
    """Each component's id, and the number of its quantisation table."""
    body = frame.data[4:]
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise ValueError("frame of another length")
    return {body[at]: body[at + 2] for at in range(6, len(body), 3)}


def _read_by(
    scan: _Part, quantised_by: dict[int, int], latched: set[int], *, progressive: bool
) -> Iterator[tuple[str, int]]:
    """The tables that a scan needs. A component keeps the quantisation that stood at its first scan: `latched`."""
    body = scan.data[4:]
    if not body or len(body) != 4 + 2 * body[0]:
        raise ValueError("head of a scan of another length")
    begins, refines = body[-3], body[-1] >> 4
    yield "interval", 0
    for at in range(1, len(body) - 3, 2):
        component, numbers = body[at], body[at + 1]
        if component not in quantised_by:
            raise ValueError("scan of a component that is not there")
        if component not in latched:
            latched.add(component)
            yield "quantisation", quantised_by[component]
        # A progressive scan is of DC or of AC, and refines DC bit by bit, without codes.
        if not progressive or (begins == 0 and refines == 0):
            yield "DC", numbers >> 4
        if not progressive or begins > 0:
            yield "AC", numbers & 0x0F


def _used(part: _Part) -> bytes:
    """The part as it was written, or the same segment with those tables alone that are used."""
    if all(table.used for table in part.tables):
        return b"" if part.marker in {_DQT, _DHT} and not part.tables else part.data
    kept = b"".join(table.data for table in part.tables if table.used)
    return part.data[:2] + (2 + len(kept)).to_bytes(2, "big") + kept if kept else b""


# How colours are coded


def _is_jfif(part: _Part) -> bool:
    return part.marker == _APP0 and part.data[4:9] == b"JFIF\x00" and len(part.data) >= 4 + _JFIF_BYTES


def _is_adobe(part: _Part) -> bool:
    return part.marker == _APP14 and part.data[4:9] == b"Adobe" and len(part.data) >= 4 + _ADOBE_BYTES


def _adobe(part: _Part) -> bytes:
    """Its twelve bytes, of which the last alone counts: 0 none, 1 YCbCr, 2 YCCK. libjpeg takes others for 1."""
    transform = part.data[4 + _ADOBE_BYTES - 1]
    return b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(4) + bytes([transform if transform <= 2 else 1])


def _profile_segments(profile: bytes) -> bytes:
    pieces = [profile[at : at + _LONGEST_PIECE] for at in range(0, len(profile), _LONGEST_PIECE)]
    return b"".join(
        bytes([0xFF, _APP2]) + (2 + len(content)).to_bytes(2, "big") + content
        for number, piece in enumerate(pieces, start=1)
        for content in [_PROFILE_MARK + bytes([number, len(pieces)]) + piece]
    )
