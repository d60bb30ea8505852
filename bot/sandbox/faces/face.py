"""What somebody who does not exist looks like, and how they look into the camera."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from .curves import Point
from .tones import CLOTHES, HAIRS, SCARVES, SKINS, WALLS, Colour


class Hair(StrEnum):
    BALD = "bald"
    CROPPED = "cropped"
    ROUND = "round"
    """A short afro."""
    AFRO = "afro"
    LONG = "long"
    BRAIDS = "braids"
    BUN = "bun"
    SCARF = "scarf"
    """Covered by a headscarf that leaves the face free."""


class Wall(StrEnum):
    PLAIN = "plain"
    SHELF = "shelf"
    CURTAIN = "curtain"
    WINDOW = "window"


MEN = (Hair.CROPPED, Hair.CROPPED, Hair.ROUND, Hair.BALD)
WOMEN = (Hair.LONG, Hair.BRAIDS, Hair.BUN, Hair.AFRO, Hair.SCARF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What somebody looks like. Lengths are factors around 1, unless they say otherwise."""

    seed: str
    skin: Colour
    hair: Hair
    hair_colour: Colour
    scarf: Colour
    is_woman: bool
    beard: float
    """How dense, from 0 to 1."""
    glasses: bool
    earrings: bool
    width: float
    jaw: float
    chin: float
    eyes: float
    eyes_apart: float
    nose: float
    mouth: float
    lips: float
    brows: float
    age: float
    """How deep the lines are, from 0 to 1."""
    clothes: Colour
    wall: Wall
    wall_colour: Colour
    light: float
    """Where it comes from: -1 left, 1 right."""

    @classmethod
    def from_seed(cls, seed: int | str, *, is_woman: bool | None = None) -> Self:
        """The same face for the same seed, on every machine. Without `is_woman` the seed decides that too."""
        chance = random.Random(f"face of nobody {seed}")
        woman = chance.random() < 0.5
        woman = woman if is_woman is None else is_woman
        hair = chance.choice(WOMEN if woman else MEN)
        return cls(
            seed=str(seed),
            skin=chance.choice(SKINS),
            hair=hair,
            hair_colour=chance.choice(HAIRS[:4] if woman else HAIRS),
            scarf=chance.choice(SCARVES),
            is_woman=woman,
            beard=0.0 if woman or chance.random() < 0.4 else chance.uniform(0.35, 0.9),
            glasses=chance.random() < 0.3,
            earrings=woman and hair is not Hair.SCARF and chance.random() < 0.6,
            width=chance.uniform(0.93, 1.05) * (0.97 if woman else 1.02),
            jaw=chance.uniform(0.94, 1.06) * (0.95 if woman else 1.05),
            chin=chance.uniform(0.96, 1.05),
            eyes=chance.uniform(0.92, 1.1) * (1.05 if woman else 0.95),
            eyes_apart=chance.uniform(0.96, 1.06),
            nose=chance.uniform(0.88, 1.15) * (0.94 if woman else 1.06),
            mouth=chance.uniform(0.92, 1.1),
            lips=chance.uniform(0.85, 1.2) * (1.1 if woman else 0.92),
            brows=chance.uniform(0.85, 1.1) * (0.75 if woman else 1.15),
            age=chance.random() ** 2,
            clothes=chance.choice(CLOTHES),
            wall=chance.choice(list(Wall)),
            wall_colour=chance.choice(WALLS),
            light=chance.choice((-1.0, 1.0)) * chance.uniform(0.6, 1.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a face looks into the camera."""

    smile: float = 0.25
    """From 0 to 1; from a half on, teeth show."""
    turn: float = 0.0
    """To the side: -1 and 1 are about fifteen degrees."""
    tilt_degrees: float = 0.0
    shift: Point = (0.0, 0.0)
    """Of the head, in units."""
    nearer: float = 1.0
    grain: int = 0
    """Which grain of the camera."""
