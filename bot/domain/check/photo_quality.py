"""What can be seen of a photo before it costs a check: warnings, never refusals. Pure and slow: call it in a thread.

Smile ID publishes no limits for selfies, so every threshold lies far from the sample photos, and a person decides.
`tests/domain/check/test_photo_quality.py` holds the thresholds against those photos, and prints what it measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from PIL import Image, ImageFilter, ImageStat

SMALL_SIDE = 240
"""Pixels of the shorter side; below this a face has fewer than a hundred."""
WIDEST = 2.4
"""Longer side to shorter one; phones take 16:9 (1.8) and 20:9 (2.2)."""
DARK_MEAN = 32
BRIGHT_MEAN = 232
"""Mean brightness, of 255."""
SHARP = 12.0
"""Standard deviation of the edges of the picture at `_WORK` pixels."""
ALIKE_BITS = 10
"""Of 256 bits, by which two copies of one picture may differ; frames of a liveness capture differ by far more."""
SAME_MOST = 4
"""So many copies of one picture among a check's photos are no accident of a camera."""

_WORK = 384
_HASH_SIDE = 16
_EDGES = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)


class Flaw(StrEnum):
    """Something that may keep Smile ID from using a photo."""

    SMALL = "small"
    NARROW = "narrow"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"
    SAME_PICTURE = "same_picture"
    """Of the whole set: the same picture several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoQuality:
    flaws: tuple[Flaw, ...]
    picture: int
    """A hash that copies of one picture share, however they were saved."""


def enough_for(size: tuple[int, int]) -> tuple[int, int]:
    """How small a decoder may hand in a picture of this size."""
    factor = _spare(size)
    return max(1, size[0] // factor), max(1, size[1] // factor)


def assess(image: Image.Image, *, size: tuple[int, int] | None = None) -> PhotoQuality:
    """`size` is that of the photo where its picture was scaled down as `enough_for` allows."""
    width, height = size or image.size
    # Reduced first, by whole factors: of 50 megapixels nothing here needs more than a few hundred thousand.
    reduced = image if image.mode in ("1", "P") else image.reduce(_spare(image.size))
    grey = reduced.convert("L")
    grey.thumbnail((_WORK, _WORK))
    flaws = []
    if min(width, height) < SMALL_SIDE:
        flaws.append(Flaw.SMALL)
    if max(width, height) > WIDEST * min(width, height):
        flaws.append(Flaw.NARROW)
    light = ImageStat.Stat(grey)
    mean = light.mean[0]
    if mean < DARK_MEAN:
        flaws.append(Flaw.DARK)
    elif mean > BRIGHT_MEAN:
        flaws.append(Flaw.BRIGHT)
    elif sharpness(grey, contrast=light.stddev[0]) < SHARP:
        # In the dark, and in glaring light, there are no edges to see: that has been said.
        flaws.append(Flaw.BLURRED)
    return PhotoQuality(flaws=tuple(flaws), picture=_hash(grey))


def _spare(size: tuple[int, int]) -> int:
    """By which whole factor a picture is larger than what is looked at."""
    return max(1, max(size) // _WORK)


def sharpness(grey: Image.Image, *, contrast: float) -> float:
    """How strong the picture's edges are against its own contrast, so that a calm one is not taken for blurred."""
    edges = ImageStat.Stat(grey.filter(_EDGES)).stddev[0]
    return 100 * edges / contrast if contrast > 4 else 0.0


def same_pictures(pictures: Sequence[int], *, alike_bits: int = ALIKE_BITS) -> bool:
    if len(pictures) < SAME_MOST:
        return False
    alike = [sum((a ^ b).bit_count() <= alike_bits for b in pictures) for a in pictures]
    return max(alike) >= SAME_MOST


def _hash(grey: Image.Image) -> int:
    """Whether each of 16 × 16 places is brighter than its right neighbour."""
    # Reduced by a whole factor on the way there: a quarter of the time, for the same places.
    size = (_HASH_SIDE + 1, _HASH_SIDE)
    small = grey.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).tobytes()
    rows = (small[at : at + _HASH_SIDE + 1] for at in range(0, len(small), _HASH_SIDE + 1))
    return int("".join("1" if one > other else "0" for row in rows for one, other in pairwise(row)), 2)
