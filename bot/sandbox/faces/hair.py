"""Hair and scarves: what of them is behind the head, and what in front of it."""

import math
import random

from PIL import Image, ImageChops

from .curves import Point, brush, curve, mirrored, oval
from .face import Hair
from .sitting import Sitting
from .tones import DARK, WHITE, Colour, mix


def paint_behind(sitting: Sitting) -> None:
    face, tone = sitting.face, sitting.face.hair_colour
    wide, x = 122 * face.width, 300 - sitting.pose.turn * 8
    match face.hair:
        case Hair.AFRO:
            _tufts(sitting, x, 318, wide + 66, 176, tone)
        case Hair.LONG | Hair.BRAIDS:
            half = [
                (0.0, 166.0),
                (70.0, 182.0),
                (wide + 2, 250.0),
                (wide + 26, 400.0),
                (wide + 36, 560.0),
                (wide + 30, 690.0),
                (96.0, 720.0),
            ]
            mane = curve(mirrored(half, x))
            sitting.on_head(mane, mix(tone, DARK, 0.35))
            _strands(sitting, sitting.canvas.mask(sitting.place(mane)), tone, behind=True)
        case Hair.BUN:
            _tufts(sitting, x + 4, 166, 62, 54, tone)
        case Hair.SCARF:
            half = [
                (0.0, 160.0),
                (74.0, 177.0),
                (wide + 6, 262.0),
                (wide + 24, 420.0),
                (wide + 20, 560.0),
                (wide + 56, 690.0),
                (wide + 50, 760.0),
            ]
            sitting.on_head(curve(mirrored(half, x)), mix(face.scarf, DARK, 0.4))
        case _:
            pass


def paint_in_front(sitting: Sitting) -> None:
    face, tone = sitting.face, sitting.face.hair_colour
    match face.hair:
        case Hair.BALD:
            sitting.on_head(
                oval(300 + 36 * face.light, 236, 40, 18), sitting.glow, opacity=0.7, soft=12, within=sitting.skin_mask
            )
        case Hair.CROPPED:
            _cut(sitting, _cap(sitting, 6, 264, 372), tone, soft=1.8)
        case Hair.ROUND:
            _cut(sitting, _cap(sitting, 24, 266, 366), tone, soft=1.8)
        case Hair.AFRO:
            _cut(sitting, _cap(sitting, 38, 266, 380), tone, soft=2.0)
        case Hair.LONG:
            _parted(sitting, tone)
        case Hair.BRAIDS:
            _cut(sitting, _cap(sitting, 12, 262, 400), tone, soft=0.0)
            _braids(sitting, tone)
        case Hair.BUN:
            _cut(sitting, _cap(sitting, 10, 260, 384), tone, soft=1.2)
        case Hair.SCARF:
            _scarf(sitting)


def _cap(sitting: Sitting, grow: float, hairline: float, low: float) -> list[Point]:
    """Hair on the skull: `grow` units beyond it, down to `low` at the temples; the forehead begins at `hairline`."""
    wide = 122 * sitting.face.width
    half = [
        (0.0, 188.0 - grow),
        (58 + grow * 0.5, 199 - grow * 0.9),
        (wide - 16 + grow * 0.8, 250 - grow * 0.55),
        (wide + 1 + grow * 0.9, low - 34),
    ]
    front = [(wide - 3, low), (wide - 12, hairline + 62), (wide - 40, hairline + 14), (44.0, hairline)]
    right = [(300 + dx, y) for dx, y in [*half, *front]]
    left = [(300 - dx, y) for dx, y in reversed([*half[1:], *front])]
    return curve([*right, *left], steps=7)


def _cut(sitting: Sitting, cap: list[Point], tone: Colour, *, soft: float) -> None:
    """Short hair with the light on it, and its grain."""
    face = sitting.face
    sitting.on_head(cap, tone, soft=soft)
    inside = sitting.canvas.mask(sitting.place(cap))
    sitting.on_head(
        oval(300 + 60 * face.light, 206, 60, 26), mix(tone, (150, 120, 100), 0.5), opacity=0.55, soft=16, within=inside
    )
    if face.hair is Hair.BUN:
        _strands(sitting, inside, tone)
    else:
        _curls(sitting, inside, tone, [(180, 150), (420, 400)])


def _tufts(sitting: Sitting, x: float, y: float, across: float, down: float, tone: Colour) -> None:
    """A round mass with an uneven edge."""
    chance = random.Random(f"tufts of {sitting.face.seed}")
    edge = [
        (x + across * grow * math.cos(turn), y + down * grow * math.sin(turn))
        for turn, grow in ((math.tau * n / 44, chance.uniform(0.96, 1.04)) for n in range(44))
    ]
    mass = curve(edge, steps=3)
    sitting.on_head(mass, tone, soft=1.2)
    inside = sitting.canvas.mask(sitting.place(mass))
    sitting.on_head(
        oval(x + across * 0.45 * sitting.face.light, y - down * 0.6, across * 0.4, down * 0.3),
        mix(tone, (150, 120, 100), 0.5),
        opacity=0.5,
        soft=22,
        within=inside,
    )
    _curls(sitting, inside, tone, [(x - across, y - down), (x + across, y + down)])


def _curls(sitting: Sitting, inside: Image.Image, tone: Colour, box: list[Point]) -> None:
    chance = random.Random(f"curls of {sitting.face.seed} {box}")
    (left, top), (right, bottom) = box
    for _ in range(150):
        x, y, r = chance.uniform(left, right), chance.uniform(top, bottom), chance.uniform(3, 6)
        begin = chance.uniform(0, math.tau)
        arc = [(x + r * math.cos(begin + n), y + r * math.sin(begin + n)) for n in range(4)]
        shade = (
            mix(tone, (140, 112, 94), chance.uniform(0.12, 0.42))
            if chance.random() < 0.6
            else mix(tone, (6, 4, 4), 0.4)
        )
        sitting.on_head(brush(arc, 0.8, 2.2, 0.8), shade, opacity=0.8, within=inside)


def _strands(sitting: Sitting, inside: Image.Image, tone: Colour, *, behind: bool = False) -> None:
    chance = random.Random(f"strands of {sitting.face.seed} {behind}")
    for _ in range(56):
        dx = chance.uniform(-1, 1)
        shade = (
            mix(tone, (160, 126, 100), chance.uniform(0.1, 0.4))
            if chance.random() < 0.55
            else mix(tone, (6, 4, 4), 0.6)
        )
        line: list[Point]
        if behind:
            line = [
                (300 + dx * 70, 176),
                (300 + dx * 160, 330),
                (300 + dx * 162 + chance.uniform(-6, 6), 560),
                (300 + dx * 140, 720),
            ]
        else:
            line = [(300 + dx * 130, 300 + 80 * abs(dx)), (300 + dx * 110, 236), (300 + dx * 30, 178)]
        sitting.on_head(brush(line, 0.8, 2.4, 0.8), shade, opacity=0.7, within=inside)


def _parted(sitting: Sitting, tone: Colour) -> None:
    """Long hair, parted on one side, falling beside the face."""
    face = sitting.face
    wide, side = 122 * face.width, 1 if face.light > 0 else -1
    x = 300.0
    for way in (side, -side):
        part = x + side * 34
        reach = abs(x + way * wide - part)
        lock = [
            (part, 176), (part + way * reach * 0.55, 193), (x + way * (wide - 2), 254), (x + way * (wide + 22), 390),
            (x + way * (wide + 30), 560), (x + way * (wide + 10), 660), (x + way * (wide - 16), 560),
            (x + way * (wide - 6), 440),
            (x + way * (wide - 18), 330), (part + way * reach * 0.55, 262), (part + way * 4, 222),
        ]  # fmt: skip
        shape = curve(lock, steps=6)
        sitting.on_head(shape, tone)
        inside = sitting.canvas.mask(sitting.place(shape))
        chance = random.Random(f"lock of {face.seed} {way}")
        for _ in range(26):
            share = chance.random()
            shade = (
                mix(tone, (170, 130, 100), chance.uniform(0.1, 0.45))
                if chance.random() < 0.55
                else mix(tone, (6, 4, 4), 0.6)
            )
            line = [
                (part, 182 + 34 * share), (part + way * reach * (0.55 - 0.05 * share), 198 + 58 * share),
                (x + way * (wide - 4 - 14 * share), 260 + 62 * share), (x + way * (wide + 22 - 30 * share), 440),
                (x + way * (wide + 12 - 26 * share), 650),
            ]  # fmt: skip
            sitting.on_head(brush(line, 1, 2.6, 2.6, 0.8), shade, opacity=0.7, within=inside)


def _braids(sitting: Sitting, tone: Colour) -> None:
    wide = 122 * sitting.face.width
    pale, dark = mix(tone, (150, 118, 96), 0.45), mix(tone, (6, 4, 4), 0.6)
    for n in range(-5, 6):
        way = n / 5
        row = [(300 + way * 12, 188), (300 + way * 62, 206 + 8 * abs(way)), (300 + way * 104, 236 + 34 * abs(way))]
        sitting.on_head(brush(row, 2, 3, 2), dark, opacity=0.9)
        sitting.on_head(brush([(x + 5, y) for x, y in row], 1, 2, 1), pale, opacity=0.7)
    for side in (-1, 1):
        for n in range(3):
            x = 300 + side * (wide + 4 + n * 12)
            line = [
                (x - side * (34 - n * 2), 232 + n * 6),
                (x - side * 8, 300),
                (x, 400),
                (x + side * 2, 560),
                (x - side * 4, 700 - n * 16),
            ]
            sitting.on_head(brush(line, 5, 12, 12, 11, 6), tone)
            for step, (px, py) in enumerate(curve(line, closed=False, steps=9)):
                lean = 5 if step % 2 else -5
                sitting.on_head(
                    brush([(px - lean, py - 5), (px + lean, py + 5)], 1, 2.6, 1),
                    pale if step % 2 else dark,
                    opacity=0.75,
                )


def _scarf(sitting: Sitting) -> None:
    face = sitting.face
    wide, tone = 122 * face.width, face.scarf
    chin = 500 + 68 * face.chin
    outer = curve(
        mirrored(
            [
                (0.0, 160.0),
                (74.0, 177.0),
                (wide + 6, 262.0),
                (wide + 24, 410.0),
                (wide + 14, 530.0),
                (92.0, chin + 40),
                (0.0, chin + 58),
            ],
            300,
        )
    )
    hole = sitting.place(
        curve(
            mirrored(
                [
                    (0.0, 252.0),
                    (62.0, 260.0),
                    (wide - 14, 316.0),
                    (wide - 8, 400.0),
                    (94 * face.jaw, 490.0),
                    (50 * face.jaw, chin - 14),
                    (0.0, chin + 2),
                ],
                sitting.x(20),
            )
        )
    )
    cloth = ImageChops.subtract(sitting.canvas.mask(sitting.place(outer)), sitting.canvas.mask(hole))
    sitting.on_head(outer, tone, within=cloth)
    dark, light = mix(tone, (10, 6, 20), 0.5), mix(tone, WHITE, 0.35)
    sitting.on_head(oval(300 + 70 * face.light, 200, 70, 26), light, opacity=0.5, soft=18, within=cloth)
    sitting.on_head(oval(300 - 150 * face.light, 400, 50, 220), dark, opacity=0.6, soft=24, within=cloth)
    for n in range(7):
        way = (n - 3) / 3
        fold = [
            (300 + way * 40, 166),
            (300 + way * 124, 246),
            (300 + way * 138, 420),
            (300 + way * 106, chin + 10),
            (300 + way * 30, chin + 52),
        ]
        sitting.on_head(brush(fold, 1, 4, 5, 4, 1), dark if n % 2 else light, opacity=0.5, soft=1.5, within=cloth)
    rim = [*hole, hole[0]]
    sitting.canvas.paint(brush(rim[::6], 5, 5), dark, opacity=0.55, soft=2)
    sitting.on_head(
        curve([(196, chin + 10), (300, chin + 46), (404, chin + 10), (478, 720), (460, 860), (140, 860), (122, 720)]),
        tone,
    )
    for n in range(-3, 4):
        fold = [(300 + n * 22, chin + 38 - abs(n) * 6), (300 + n * 38, 700), (300 + n * 46, 830)]
        sitting.on_head(brush(fold, 1, 6, 8), dark if n % 2 else light, opacity=0.45, soft=2)
