"""Turns the bytes of an attached file into a JPEG that Smile ID can use, or says why it cannot.

An upright JPEG keeps its compressed picture byte for byte: only what does not make it (place, device, comments,
thumbnails, appended films, tables that it does not use) is cut out. Everything else is re-encoded. Whatever leaves was
decoded again, and has the size of what came in.
Pure, slow and hungry for memory: `bot.submission.photo_decoder` runs it in a thread, within a budget.
"""

import hashlib
import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from PIL import Image

from bot.domain.check.colour_profiles import known_profile
from bot.domain.check.file_kinds import PHOTOS, kind_by_content
from bot.domain.check.jpeg_segments import picture_segments
from bot.domain.check.photo_quality import PhotoQuality, assess, enough_for
from bot.domain.check.png_chunks import picture_chunks
from bot.errors import PhotoCode, PhotoUnusable

MAX_PIXELS = 50_000_000
"""More than any phone's camera in its normal mode; a bomb of 20 kB can claim far more."""
MIN_SIDE = 64
"""Smaller than this no face can be found; real advice on size comes with the pre-flight warnings."""
MAX_SCANS = 100
"""Progressive JPEGs have about ten. One of 75 bytes costs 0.03 s at 50 megapixels, and 10 MB can hold 130,000: an hour
in a thread that cannot be stopped.
"""

_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
"""The start of every scan that libjpeg takes, with its length and number of colours; chance makes no such bytes."""
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
_ON_ITS_SIDE = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, MemoryError, Warning)
"""What damaged files raise. Hundreds of thousands of them raised the first three; Pillow's own `open` expects most
of the others of its decoders.
"""
_BAND = 256
"""Rows converted at a time. Whole copies at each step took 16 to 19 bytes per pixel; bands take 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A picture ready for Smile ID."""

    jpeg: bytes = field(repr=False)
    sha256: str
    """Of the file as it was attached."""
    width: int
    height: int
    quality: PhotoQuality = field(repr=False)


def prepare(data: bytes) -> Photo:
    """An upright JPEG without metadata, of the picture's full size, that is known to decode.

    Raises PhotoUnusable for what is no photo, damaged, too small or too large. All that is compressed is decoded, since
    Pillow's `verify()` lets a truncated JPEG pass. Takes up to 8 MiB of memory per megapixel, 12 for a progressive JPEG
    in CMYK.
    """
    with _opened(data) as image:
        turn = _turn(image)
        size = image.size[::-1] if turn in _ON_ITS_SIDE else image.size
        jpeg, picture = _cut(data, image, turn) or _reencoded(image, turn, size)
        return Photo(
            jpeg=jpeg,
            sha256=hashlib.sha256(data).hexdigest(),
            width=size[0],
            height=size[1],
            quality=assess(picture, size=size),
        )


def count_pixels(data: bytes) -> int:
    """Width times height by the file's header, decoding nothing. Raises PhotoUnusable as `prepare` does."""
    with _opened(data) as image:
        return image.width * image.height


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The picture, its header read and its size allowed. Whatever Pillow raises inside becomes PhotoUnusable."""
    kind = kind_by_content(data)
    if kind not in PHOTOS:
        if kind is None:
            raise PhotoUnusable(PhotoCode.NEITHER_JPEG_NOR_PNG)
        raise PhotoUnusable(PhotoCode.OTHER_KIND, kind=kind.value)
    try:
        with Image.open(io.BytesIO(picture_chunks(data)), formats=("JPEG", "PNG")) as image:
            _check_size(image, data)
            yield image
    except PhotoUnusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as fault:
        raise _too_large() from fault
    except _BROKEN as fault:
        raise PhotoUnusable(PhotoCode.DAMAGED) from fault


def _check_size(image: Image.Image, data: bytes) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large()
    if min(width, height) < MIN_SIDE:
        raise PhotoUnusable(PhotoCode.TOO_SMALL, width=width, height=height)
    if len(_SCAN.findall(data)) > MAX_SCANS:
        raise PhotoUnusable(PhotoCode.TOO_MANY_SCANS)


def _too_large() -> PhotoUnusable:
    return PhotoUnusable(PhotoCode.TOO_MANY_PIXELS, megapixels=MAX_PIXELS // 1_000_000)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings the picture upright by its EXIF; None if it is upright, or if nobody can read that."""
    # Not `image.getexif`, which follows XMP where EXIF is silent: no viewer does, and editors leave it behind.
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        orientation = exif.get(0x0112)
    except _BROKEN:
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


# A JPEG whose compressed picture stays


def _cut(data: bytes, image: Image.Image, turn: Image.Transpose | None) -> tuple[bytes, Image.Image] | None:
    """An upright JPEG without its metadata, and its picture as far as it is looked at; None: it must be re-encoded.

    Decoders step over faults that a strict reading of the segments trips on: stray bytes between them, a length that
    is too short, an end marker before the picture. So only what is left is decoded, and it must have the same size.
    """
    # Phones write several pictures into one file (MPO); the first is a JPEG like any other.
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L") or turn is not None:
        return None
    try:
        jpeg = picture_segments(data, profile=_profile(image))
        picture = Image.open(io.BytesIO(jpeg), formats=("JPEG",))
        if (picture.size, picture.mode) != (image.size, image.mode):
            return None
        # libjpeg reads every code of every scan for the smaller grey picture too, and stops at the same faults; what it
        # saves is to make pixels of them: of 12 megapixels three quarters of the time, and all of the memory.
        picture.draft("L", enough_for(picture.size))
        picture.load()
    except _BROKEN:
        # If the file as it came does not decode either, re-encoding it says so.
        return None
    return jpeg, picture


# Everything else


def _reencoded(image: Image.Image, turn: Image.Transpose | None, size: tuple[int, int]) -> tuple[bytes, Image.Image]:
    """The decoded picture upright and in RGB, as a JPEG of high quality and full colour resolution.

    With it comes the picture that this JPEG decodes to: the judgement is about what is sent. It must have this size.
    """
    profile = _profile(image)
    image.load()
    picture = _instead_of(image, _in_rgb(image))
    if turn is not None:
        picture = _instead_of(picture, picture.transpose(turn))
    # Pillow would write a comment that it found in the original into the new file.
    picture.info = {}
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, subsampling=0, icc_profile=profile)
    picture.close()
    sent = Image.open(out, formats=("JPEG",))
    if sent.size != size:
        raise PhotoUnusable(PhotoCode.DAMAGED)
    sent.draft("L", enough_for(size))
    sent.load()
    return out.getvalue(), sent


def _instead_of(old: Image.Image, new: Image.Image) -> Image.Image:
    """The new picture, with the memory of the old one given back at once: each may hold 200 MB."""
    if new is not old:
        old.close()
    return new


def _profile(image: Image.Image) -> bytes | None:
    """How its colours are meant, in our own words. That of inks or greys goes: the picture is converted, or is grey."""
    return known_profile(image.info.get("icc_profile") or b"") if image.mode != "L" else None


def _in_rgb(image: Image.Image) -> Image.Image:
    """The picture in eight bits a colour; what is transparent becomes white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    rgb = Image.new("RGB", image.size, "white")
    for top in range(0, image.height, _BAND):
        band = image.crop((0, top, image.width, min(top + _BAND, image.height)))
        if band.mode.startswith("I"):
            # 16 bits of grey, which Pillow would clip to white instead of scaling.
            band = band.convert("I").point(lambda grey: grey / 256).convert("L")
            rgb.paste(band, (0, top))
        elif band.mode in ("RGBA", "LA", "PA") or "transparency" in band.info:
            band = band.convert("RGBA")
            rgb.paste(band, (0, top), mask=band)
        else:
            rgb.paste(band, (0, top))
    return rgb
