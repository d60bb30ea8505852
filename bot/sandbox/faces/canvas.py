"""Paints outlines onto a picture, with smooth or soft edges."""

import math
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .curves import Point
from .tones import Colour

WIDTH, HEIGHT = 600, 800


class Canvas:
    """A picture that is painted on in units, every shape with smooth or soft edges."""

    def __init__(self, size: tuple[int, int], ground: Colour) -> None:
        self.image = Image.new("RGB", size, ground)
        # A little is cut on all sides, and more where the picture is not three to four.
        self.scale = 1.1 * max(size[0] / WIDTH, size[1] / HEIGHT)
        self._left = size[0] / 2 - 300 * self.scale
        self._top = size[1] / 2 - 408 * self.scale

    def paint(
        self,
        outline: Sequence[Point],
        colour: Colour,
        *,
        opacity: float = 1.0,
        soft: float = 0.0,
        within: Image.Image | None = None,
    ) -> None:
        """Fill an outline. `soft` blurs its edge by so many units; `within` is a mask that nothing goes beyond."""
        box, mask = self._stencil(outline, opacity, soft)
        if mask is None:
            return
        if within is not None:
            mask = ImageChops.multiply(mask, within.crop(box))
        self.image.paste(colour, box, mask)

    def mask(self, outline: Sequence[Point]) -> Image.Image:
        """A mask of the whole picture."""
        whole = Image.new("L", self.image.size)
        box, mask = self._stencil(outline, 1.0, 0.0)
        if mask is not None:
            whole.paste(mask, box)
        return whole

    def _stencil(
        self, outline: Sequence[Point], opacity: float, soft: float
    ) -> tuple[tuple[int, int, int, int], Image.Image | None]:
        """The part of the picture that a shape touches, and how much of its colour each pixel there takes."""
        pixels = [(x * self.scale + self._left, y * self.scale + self._top) for x, y in outline]
        blur = soft * self.scale if soft * self.scale >= 1 else 0.0
        margin = 2 + 2.2 * blur
        across, down = [x for x, _ in pixels], [y for _, y in pixels]
        left, right = math.floor(min(across) - margin), math.ceil(max(across) + margin)
        top, bottom = math.floor(min(down) - margin), math.ceil(max(down) + margin)
        box = max(0, left), max(0, top), min(self.image.width, right), min(self.image.height, bottom)
        if box[0] >= box[2] or box[1] >= box[3]:
            return box, None
        # Sharp edges are drawn larger than they are, soft ones smaller: neither needs more pixels.
        zoom = 2.0 if not blur else 1.0 if blur < 3 else 0.5 if blur < 12 else 0.125
        if not blur:
            # Nothing beyond the picture matters.
            left, top, right, bottom = box
        rough = Image.new("L", (math.ceil((right - left) * zoom), math.ceil((bottom - top) * zoom)))
        ImageDraw.Draw(rough).polygon([((x - left) * zoom, (y - top) * zoom) for x, y in pixels], round(255 * opacity))
        if not blur:
            return box, rough.reduce(2)
        rough = rough.filter(ImageFilter.BoxBlur(blur * zoom * 0.8)).filter(ImageFilter.BoxBlur(blur * zoom * 0.8))
        cut = (box[0] - left) * zoom, (box[1] - top) * zoom, (box[2] - left) * zoom, (box[3] - top) * zoom
        return box, rough.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR, box=cut)
