"""Somebody in front of the camera: where on the picture the parts of their head are, and in which tones."""

import math
from collections.abc import Sequence

from PIL import Image

from .canvas import Canvas
from .curves import Point
from .face import Face, Pose
from .tones import Colour, mix

_HELD_AT = (300.0, 600.0)
"""The point in the neck that a head leans and nods around."""


class Sitting:
    """One picture in the making. Its parts are painted from the wall to the glasses, each over the ones before."""

    def __init__(self, face: Face, pose: Pose, size: tuple[int, int]) -> None:
        self.face = face
        self.pose = pose
        self.canvas = Canvas(size, face.wall_colour)
        self.skin = face.skin
        self.shade = mix(face.skin, (46, 20, 18), 0.5)
        self.glow = mix(face.skin, (255, 224, 190), 0.42)
        self.lip = mix(face.skin, (138, 44, 54), 0.42 if face.is_woman else 0.24)
        self.skin_mask = Image.new("L", size)
        """Where the face is, once it is painted."""
        turn = math.radians(pose.tilt_degrees)
        self._cos, self._sin = math.cos(turn) * pose.nearer, math.sin(turn) * pose.nearer

    def place(self, outline: Sequence[Point]) -> list[Point]:
        """From the upright head to the head as it is held."""
        (held_x, held_y), (shift_x, shift_y) = _HELD_AT, self.pose.shift
        return [
            (
                held_x + shift_x + (x - held_x) * self._cos - (y - held_y) * self._sin,
                held_y + shift_y + (x - held_x) * self._sin + (y - held_y) * self._cos,
            )
            for x, y in outline
        ]

    def x(self, depth: float) -> float:
        """The axis of what lies so many units before the middle of the head, once that is turned."""
        return 300 + self.pose.turn * depth * 0.26

    def on_head(
        self,
        outline: Sequence[Point],
        colour: Colour,
        *,
        opacity: float = 1.0,
        soft: float = 0.0,
        within: Image.Image | None = None,
    ) -> None:
        """`Canvas.paint`, on the head as it is held."""
        self.canvas.paint(self.place(outline), colour, opacity=opacity, soft=soft, within=within)
