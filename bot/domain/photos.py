"""From the bytes of an attached file to a JPEG that Smile ID can use, or words why not.

A photo that is an upright JPEG keeps its compressed picture byte for byte; only segments that describe it
(place, device, comments, thumbnails, appended films) are cut. Encoded anew is only what must be turned or
converted. Pure and slow: call it in a thread.
"""

import hashlib
import io
import struct
from dataclasses import dataclass, field

from PIL import Image

from bot.domain.photo_quality import Look, look
from bot.errors import PhotoUnusable

MAX_PIXELS = 50_000_000
"""More than any phone's camera in its normal mode; a bomb of 20 kB can claim far more."""
MIN_SIDE = 64
"""Smaller than this no face can be found; real advice on size comes with the pre-flight warnings."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_COLOUR_MARKS = {0xE2: b"ICC_PROFILE\x00", 0xEE: b"Adobe"}
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by EXIF orientation; 1, and whatever EXIF does not define, is upright."""
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, MemoryError, Warning)
"""What damaged files raise. Hundreds of thousands of them raised the first three; Pillow's own `open` expects most
of the others of its decoders.
"""
_DAMAGED = "The file is damaged or incomplete. Attach it again, or take a new photo."


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A picture ready for Smile ID."""

    jpeg: bytes = field(repr=False)
    sha256: str
    """Of the file as it was attached."""
    width: int
    height: int
    look: Look = field(repr=False)


def prepare(data: bytes) -> Photo:
    """Decode the whole picture and give it back as an upright JPEG without metadata.

    Raises PhotoUnusable. Every pixel is decoded, since Pillow's `verify()` lets a truncated JPEG pass.
    """
    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise PhotoUnusable("not a JPEG or PNG", "The file is not a JPEG or PNG photo. Attach another one.")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            _check_size(image)
            image.load()
            width, height = image.size
            turn = _turn(image)
            looked = look(image)
            # Phones write several pictures into one file (MPO); the first is a JPEG like any other.
            if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L") and turn is None:
                jpeg = without_metadata(data)
            else:
                upright = image if turn is None else image.transpose(turn)
                width, height = upright.size
                jpeg = _encode(upright)
    except PhotoUnusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as fault:
        raise _too_large() from fault
    except _BROKEN as fault:
        raise PhotoUnusable("does not decode", _DAMAGED) from fault
    return Photo(jpeg=jpeg, sha256=hashlib.sha256(data).hexdigest(), width=width, height=height, look=looked)


def _turn(image: Image.Image) -> Image.Transpose | None:
    orientation = image.getexif().get(0x0112)
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large()
    if min(width, height) < MIN_SIDE:
        raise PhotoUnusable(
            "too small", f"The photo is only {width} × {height} pixels. Attach one as the camera took it."
        )


def _too_large() -> PhotoUnusable:
    return PhotoUnusable(
        "too many pixels",
        f"The photo has more than {MAX_PIXELS // 1_000_000} megapixels. Attach a smaller one.",
    )


def _encode(image: Image.Image) -> bytes:
    if image.mode.startswith("I"):
        # 16 bits of grey, which Pillow would clip to white instead of scaling.
        image = image.convert("I").point(lambda grey: grey / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGB", image.size, "white")
        layer = image.convert("RGBA")
        ground.paste(layer, mask=layer.getchannel("A"))
        image = ground
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    image = image.convert("RGB")
    # Pillow would write a comment that it found in the original into the new file.
    image.info = {}
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0, icc_profile=profile)
    return out.getvalue()


def without_metadata(data: bytes) -> bytes:
    """The same JPEG without what describes it, up to its end marker; the picture's own bytes are untouched.

    Kept are JFIF (APP0), colour profiles (APP2 ICC) and Adobe's colour mark (APP14), which change how the picture
    is decoded. Raises ValueError for a stream that is no JPEG.
    """
    out = bytearray(b"\xff\xd8")
    at = 2
    while True:
        at = _to_marker(data, at)
        marker = data[at + 1]
        if marker == _EOI:
            return bytes(out + b"\xff\xd9")
        if marker in _NO_LENGTH:
            out += data[at : at + 2]
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or marker == _SOI:
            raise ValueError("segment without length")
        segment = data[at : at + 2 + length]
        at += 2 + length
        out += _kept(marker, segment)
        if marker == _SOS:
            end = _end_of_scan(data, at)
            out += data[at:end]
            at = end


def _kept(marker: int, segment: bytes) -> bytes:
    """What stays of one segment: all, nothing, or JFIF without its thumbnail."""
    if marker == 0xE0 and segment[4:].startswith(b"JFIF\x00") and len(segment) >= 18:
        return b"\xff\xe0\x00\x10" + segment[4:16] + b"\x00\x00"
    mark = _COLOUR_MARKS.get(marker)
    if mark is not None:
        return segment if segment[4:].startswith(mark) else b""
    return b"" if marker == 0xFE or 0xE0 <= marker <= 0xEF else segment


def _to_marker(data: bytes, at: int) -> int:
    if at + 1 >= len(data) or data[at] != 0xFF:
        raise ValueError("no marker where one must be")
    while data[at + 1] == 0xFF:
        at += 1
        if at + 1 >= len(data):
            raise ValueError("ends in fill bytes")
    return at


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the entropy-coded data stops: at the next marker that is neither stuffing nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise ValueError("scan without end")
        following = data[at + 1]
        if following == 0x00 or 0xD0 <= following <= 0xD7:
            at += 2
        elif following == 0xFF:
            at += 1
        else:
            return at
