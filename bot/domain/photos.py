"""From the bytes of an attached file to a JPEG that Smile ID can use, or words why not.

A photo that is an upright JPEG keeps its compressed picture byte for byte; only segments that describe it
(place, device, comments, thumbnails, appended films) are cut. Encoded anew is only what must be turned or
converted. Pure and slow: call it in a thread.
"""

import hashlib
import io
from dataclasses import dataclass, field

from PIL import Image, ImageOps

from bot.errors import PhotoUnusable

MAX_PIXELS = 50_000_000
"""More than any phone's camera in its normal mode; a bomb of 20 kB can claim far more."""
MIN_SIDE = 64
"""Smaller than this no face can be found; real advice on size comes with the pre-flight warnings."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_DAMAGED = "The file is damaged or incomplete. Attach it again, or take a new photo."


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A picture ready for Smile ID."""

    jpeg: bytes = field(repr=False)
    sha256: str
    """Of the file as it was attached."""
    width: int
    height: int


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
            turned = image.getexif().get(0x0112, 1) not in (0, 1)
            if image.format == "JPEG" and image.mode in ("RGB", "L") and not turned:
                jpeg = without_metadata(data)
            else:
                upright = ImageOps.exif_transpose(image)
                width, height = upright.size
                jpeg = _encode(upright)
    except PhotoUnusable:
        raise
    except Image.DecompressionBombError as fault:
        raise _too_large() from fault
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, MemoryError, Warning) as fault:
        # Pillow raises all of these for damaged files, depending on where the damage is.
        raise PhotoUnusable("does not decode", _DAMAGED) from fault
    return Photo(jpeg=jpeg, sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)


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
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGB", image.size, "white")
        layer = image.convert("RGBA")
        ground.paste(layer, mask=layer.getchannel("A"))
        image = ground
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=95, subsampling=0)
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
        if not _describes(marker, segment):
            out += segment
        if marker == _SOS:
            end = _end_of_scan(data, at)
            out += data[at:end]
            at = end


def _describes(marker: int, segment: bytes) -> bool:
    if marker == 0xE0:
        return not segment[4:].startswith(b"JFIF\x00")
    if marker == 0xE2:
        return not segment[4:].startswith(b"ICC_PROFILE\x00")
    return marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE)


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
