"""The face itself."""

import random

from PIL import Image

from .curves import Point, brush, curve, mirrored, oval
from .face import Hair
from .sitting import Sitting
from .tones import DARK, WHITE, Colour, mix


def paint(sitting: Sitting) -> None:
    """The face and all that is in it; the mask of its skin stays with the sitting."""
    _head(sitting)
    _beard(sitting)
    _mouth(sitting)
    _nose(sitting)
    for side in (-1, 1):
        _eye(sitting, side)
        _brow(sitting, side)


def _outline(sitting: Sitting) -> list[Point]:
    face, drop = sitting.face, 10 * max(0.0, sitting.pose.smile - 0.4)
    wide = 122 * face.width
    chin = 500 + 68 * face.chin + drop
    half = [
        (0.0, 206.0), (62 * face.width, 216.0), (106 * face.width, 262.0), (wide, 336.0), (wide * 0.985, 398.0),
        (108 * face.width * face.jaw, 468.0), (76 * face.jaw, chin - 34), (38 * face.jaw, chin - 6),
    ]  # fmt: skip
    return curve(mirrored([*half, (0.0, chin)], 300), steps=6)


def _head(sitting: Sitting) -> None:
    face, pose, light = sitting.face, sitting.pose, sitting.face.light
    for side in (-1, 1):
        x = 300 + side * (121 * face.width - 1) - pose.turn * 10
        if face.hair is not Hair.SCARF:
            sitting.on_head(oval(x, 388, 17, 33), mix(sitting.skin, sitting.shade, 0.22 if side * light > 0 else 0.5))
            sitting.on_head(oval(x + side, 386, 9, 21), sitting.shade, opacity=0.55, soft=4)
            if face.earrings:
                sitting.on_head(oval(x + side * 3, 430, 6, 6), (214, 174, 84))
                sitting.on_head(oval(x + side * 3 - 1, 428, 2, 2), (255, 240, 200))
    outline = sitting.place(_outline(sitting))
    sitting.canvas.paint(outline, sitting.skin)
    inside = sitting.skin_mask = sitting.canvas.mask(outline)

    def tint(shape: list[Point], colour: Colour, opacity: float, soft: float) -> None:
        sitting.on_head(shape, colour, opacity=opacity, soft=soft, within=inside)

    # Light from one side, shadow on the other, and the round of forehead, cheeks and chin.
    tint(oval(300 - 146 * light, 410, 72, 210), sitting.shade, 0.85, 34)
    tint(oval(300 + 150 * light, 410, 34, 180), sitting.shade, 0.45, 18)
    tint(oval(300, 590, 120, 34), sitting.shade, 0.6, 18)
    tint(oval(300 + 26 * light, 272, 74, 40), sitting.glow, 0.5, 26)
    for side in (-1, 1):
        x = sitting.x(70) + side * 72 * face.width
        bright = 0.62 if side * light > 0 else 0.26
        tint(oval(x, 432 - 6 * pose.smile, 30, 24 + 5 * pose.smile), sitting.glow, bright, 16)
        blush = mix(sitting.skin, (196, 70, 66), 0.5)
        tint(oval(x + side * 8, 452, 34, 24), blush, 0.3 if face.is_woman else 0.16, 18)
        tint(oval(sitting.x(80) + side * 52 * face.eyes_apart, 366, 40, 26), sitting.shade, 0.42, 12)
        tint(oval(x + side * 14, 500, 20, 40), sitting.shade, 0.3, 16)
    tint(oval(sitting.x(90) + 6 * light, 545 * face.chin + 4, 24, 15), sitting.glow, 0.4, 11)
    tint(oval(sitting.x(90), 524 + 6 * pose.smile, 28, 7), sitting.shade, 0.5, 6)
    _lines(sitting, inside)


def _lines(sitting: Sitting, inside: Image.Image) -> None:
    """What a smile and the years draw."""
    face, smile = sitting.face, sitting.pose.smile
    depth = min(1.0, 0.12 + 0.5 * smile + 0.4 * face.age)
    for side in (-1, 1):
        x = sitting.x(95)
        fold = [
            (x + side * 30 * face.nose, 452),
            (x + side * (46 + 6 * smile), 478),
            (x + side * (50 + 9 * smile), 508),
        ]
        sitting.on_head(brush(fold, 2, 7, 2), sitting.shade, opacity=0.6 * depth, soft=3, within=inside)
        x = sitting.x(80) + side * 52 * face.eyes_apart
        bag = [(x - side * 20, 388), (x, 396), (x + side * 22, 389)]
        sitting.on_head(brush(bag, 1, 4, 1), sitting.shade, opacity=0.2 + 0.4 * face.age, soft=2, within=inside)
    if face.age > 0.3:
        for y in (262, 284):
            sitting.on_head(
                brush([(240, y + 4), (300, y), (360, y + 4)], 1, 3, 1), sitting.shade, opacity=0.4 * face.age, soft=2
            )


def _eye(sitting: Sitting, side: int) -> None:
    face, pose = sitting.face, sitting.pose
    big, x, y = face.eyes, sitting.x(92) + side * 52 * face.eyes_apart, 374.0
    squint = 1 - 0.28 * max(0.0, pose.smile - 0.2)

    def at(dx: float, dy: float) -> Point:
        return x + side * dx * big, y + dy * big * (squint if dy else 1)

    upper = [at(-24, 4), at(-14, -7), at(1, -12), at(15, -7), at(26, -1)]
    lower = [at(15, 8), at(0, 11), at(-14, 8.5)]
    almond = curve([*upper, *lower], steps=5)
    sitting.on_head(almond, (236, 230, 224))
    white = sitting.canvas.mask(sitting.place(almond))
    look = x + pose.turn * -2
    iris = mix((74, 44, 26), (28, 18, 14), 0.2 + 0.6 * (sum(face.skin) < 300))
    sitting.on_head(oval(look, y - 1, 12.5 * big, 12.5 * big), mix(iris, DARK, 0.6), within=white)
    sitting.on_head(oval(look, y - 0.5, 10.5 * big, 10.5 * big), iris, within=white)
    sitting.on_head(
        oval(look, y + 4, 7 * big, 5 * big), mix(iris, (190, 130, 80), 0.5), opacity=0.6, soft=2, within=white
    )
    sitting.on_head(oval(look, y - 1, 5.2 * big, 5.2 * big), (10, 8, 8), within=white)
    sitting.on_head(oval(x, y - 13 * big * squint, 28 * big, 7 * big), DARK, opacity=0.5, soft=3, within=white)
    sitting.on_head(oval(look + 4 * face.light, y - 5 * big, 2.6, 2.6), WHITE, opacity=0.95)
    lashes = 5.2 if face.is_woman else 3.6
    sitting.on_head(brush(upper, 1.5, lashes * 0.8, lashes, lashes, 2.0), DARK, opacity=0.95)
    if face.is_woman:
        sitting.on_head(brush([at(20, -4), at(27, -4), at(33, -8)], 4, 3, 0.6), DARK, opacity=0.95)
    sitting.on_head(brush([at(24, 1), *lower, at(-24, 4)], 0.6, 1.8, 1.8, 0.8), sitting.shade, opacity=0.8)
    crease = [at(-22, -8), at(-8, -18), at(10, -19), at(27, -9)]
    sitting.on_head(brush(crease, 0.8, 3, 3, 0.8), sitting.shade, opacity=0.75, soft=1)
    sitting.on_head(oval(*at(-26, 5), 3, 2.4), mix(sitting.skin, (190, 90, 90), 0.4), opacity=0.8)


def _brow(sitting: Sitting, side: int) -> None:
    face, raised = sitting.face, 3 * sitting.pose.smile
    x, chance = sitting.x(90), random.Random(f"brow of {face.seed} {side}")
    high = 336.0 - raised
    arch = 2.5 if face.is_woman else 1.0
    line = [
        (x + side * 26, high + 5),
        (x + side * 46, high - 2 - arch / 2),
        (x + side * 64, high - 3 - arch),
        (x + side * 84, high + 7),
    ]
    thick = 10 * face.brows
    tone = mix(face.hair_colour if face.hair_colour[0] < 80 else (60, 54, 52), DARK, 0.3)
    sitting.on_head(brush(line, thick * 0.7, thick, thick * 0.8, 1.5), tone, opacity=0.72, soft=1.6)
    path = curve(line, closed=False, steps=7)
    for index, (px, py) in enumerate(path[:-2]):
        reach = thick * (0.9 - 0.5 * index / len(path))
        tip = (px + side * (3 + reach * 0.7), py - reach * 0.55 + chance.uniform(-1, 1))
        sitting.on_head(brush([(px, py + reach * 0.45), tip], 1.6, 0.5), tone, opacity=0.85)


def _nose(sitting: Sitting) -> None:
    face, light = sitting.face, sitting.face.light
    x, wide, tip = sitting.x(130), 25 * face.nose, 458.0
    bridge = sitting.x(105)
    inside = sitting.skin_mask
    side = -1 if light > 0 else 1
    shadow = [
        (bridge + side * 15, 352),
        (bridge + side * 12, 392),
        (x + side * (wide * 0.55), 436),
        (x + side * wide, 458),
        (x + side * wide * 1.25, 446),
        (x + side * wide * 0.9, 400),
        (bridge + side * 24, 360),
    ]
    sitting.on_head(curve(shadow), sitting.shade, opacity=0.62, soft=7, within=inside)
    sitting.on_head(
        brush([(bridge - side * 2, 356), ((bridge + x) / 2 - side * 3, 404), (x - side * 3, 440)], 6, 10, 13),
        sitting.glow,
        opacity=0.6,
        soft=5,
        within=inside,
    )
    sitting.on_head(oval(x - side * 3, tip - 14, 11 * face.nose, 9), sitting.glow, opacity=0.62, soft=5, within=inside)
    sitting.on_head(oval(x, tip + 13, wide * 1.05, 7), sitting.shade, opacity=0.62, soft=6, within=inside)
    for wing in (-1, 1):
        edge = [
            (x + wing * wide * 0.86, tip - 17),
            (x + wing * wide * 1.13, tip - 5),
            (x + wing * wide * 0.98, tip + 7),
            (x + wing * wide * 0.6, tip + 8),
        ]
        sitting.on_head(brush(edge, 0.8, 3.4, 3.8, 1), sitting.shade, opacity=0.9, soft=1)
        hole = [(x + wing * wide * 0.25, tip + 6), (x + wing * wide * 0.5, tip + 2), (x + wing * wide * 0.76, tip + 6)]
        sitting.on_head(brush(hole, 2, 6.5, 2), mix(sitting.shade, DARK, 0.62), opacity=0.95, soft=1)
    sitting.on_head(
        brush([(x - wide * 0.3, tip + 8), (x, tip + 11), (x + wide * 0.3, tip + 8)], 1, 3, 1),
        sitting.shade,
        opacity=0.8,
        soft=1,
    )


def _mouth(sitting: Sitting) -> None:
    face, smile = sitting.face, sitting.pose.smile
    x, y = sitting.x(100), 507.0
    wide = (38 + 13 * smile) * face.mouth
    corner = y + 1 - 8 * smile
    full = 10 * face.lips
    gap = max(0.0, smile - 0.4) * 17
    top = y - gap * 0.35 + 2 * smile
    upper = [
        (x - wide, corner),
        (x - wide * 0.45, top - full * 0.75),
        (x - 9, top - full),
        (x, top - full * 0.72),
        (x + 9, top - full),
        (x + wide * 0.45, top - full * 0.75),
        (x + wide, corner),
    ]
    seam = [
        (x - wide, corner),
        (x - wide * 0.5, top + 1.5 + smile),
        (x, top + 2.5 + smile),
        (x + wide * 0.5, top + 1.5 + smile),
        (x + wide, corner),
    ]
    under = [(px, py + (gap * (1 - ((px - x) / wide) ** 2))) for px, py in seam]
    bottom = [
        (x - wide, corner),
        (x - wide * 0.55, top + gap + full * 1.05),
        (x, top + gap + full * 1.55),
        (x + wide * 0.55, top + gap + full * 1.05),
        (x + wide, corner),
    ]
    upper, seam, under, bottom = (curve(line, closed=False) for line in (upper, seam, under, bottom))
    if gap > 0.5:
        opening = [*seam, *reversed(under)]
        sitting.on_head(opening, (66, 24, 26))
        within = sitting.canvas.mask(sitting.place(opening))
        sitting.on_head(oval(x, top + 1, wide * 0.84, gap * 0.86 + 3), (242, 238, 230), within=within)
        for tooth in (-3, -2, -1, 0, 1, 2, 3):
            at = x + tooth * 9.5
            sitting.on_head(
                brush([(at, top - 4), (at, top + gap + 3)], 0.9, 0.9), (188, 178, 168), opacity=0.55, within=within
            )
        sitting.on_head(oval(x, top, wide, 4), DARK, opacity=0.35, soft=3, within=within)
    sitting.on_head([*upper, *reversed(seam)], mix(sitting.lip, sitting.shade, 0.3))
    sitting.on_head([*under, *reversed(bottom)], sitting.lip)
    lower = sitting.canvas.mask(sitting.place([*under, *reversed(bottom)]))
    sitting.on_head(
        oval(x + 5 * face.light, top + gap + full * 0.78, wide * 0.42, full * 0.26),
        mix(sitting.lip, (255, 220, 210), 0.5),
        opacity=0.6,
        soft=3,
        within=lower,
    )
    sitting.on_head(
        brush(seam[::4], 1, 2.6, 2.6, 1), mix(sitting.shade, DARK, 0.5), opacity=0.9 if gap < 0.5 else 0.5, soft=0.6
    )
    for side in (-1, 1):
        sitting.on_head(oval(x + side * (wide + 1), corner, 4, 3), sitting.shade, opacity=0.75, soft=2)
    ridge = [(x - 3, top - full - 17), (x - 4, top - full - 4)]
    sitting.on_head(brush(ridge, 3, 5), sitting.shade, opacity=0.3, soft=2)


def _beard(sitting: Sitting) -> None:
    face = sitting.face
    if not face.beard:
        return
    x, chin = sitting.x(80), 500 + 68 * face.chin
    tone = mix(face.hair_colour, DARK, 0.2)
    outline = _outline(sitting)
    inside = sitting.canvas.mask(sitting.place([(px, py + 4) for px, py in outline]))
    half = [
        (118 * face.width, 400.0),
        (112 * face.width * face.jaw, 480.0),
        (80 * face.jaw, chin - 20),
        (34.0, chin + 8),
    ]
    inner = [(22.0, 528.0), (54.0, 500.0), (78.0, 462.0), (104 * face.width, 408.0)]
    ring = curve(
        [
            *((x + dx, y) for dx, y in half),
            *((x - dx, y) for dx, y in reversed(half)),
            *((x - dx, y) for dx, y in reversed(inner)),
            *((x + dx, y) for dx, y in inner),
        ],
        steps=5,
    )
    sitting.on_head(ring, tone, opacity=face.beard, soft=6, within=inside)
    lip = [(x - 58, 518), (x - 34, 491), (x - 8, 482), (x + 8, 482), (x + 34, 491), (x + 58, 518)]
    sitting.on_head(brush(lip, 14, 11, 11, 7, 11, 11, 14), tone, opacity=face.beard * 0.85, soft=3, within=inside)


def paint_glasses(sitting: Sitting) -> None:
    face = sitting.face
    x, tone = sitting.x(112), (30, 28, 32) if face.brows > 0.9 else (206, 168, 98)
    for side in (-1, 1):
        at = x + side * 53 * face.eyes_apart
        lens = curve(
            [(at - 41, 352), (at, 347), (at + 41, 352), (at + 41, 384), (at + 24, 404), (at - 24, 404), (at - 41, 384)],
            steps=5,
        )
        sitting.on_head(lens, WHITE, opacity=0.07)
        glint = [
            (at + 8 * face.light, 356),
            (at + 24 * face.light, 354),
            (at - 2 * face.light, 398),
            (at - 14 * face.light, 397),
        ]
        sitting.on_head(glint, WHITE, opacity=0.13, soft=2)
        sitting.on_head(
            brush([(px, py + 3) for px, py in [*lens, lens[0]][::3]], 5, 5), sitting.shade, opacity=0.4, soft=3
        )
        sitting.on_head(brush([*lens, lens[0], lens[1]][::2], 5.5, 5.5), tone)
        sitting.on_head(brush([(at + side * 41, 362), (300 + side * (126 * face.width), 366)], 6, 5), tone)
    sitting.on_head(brush([(x - 13, 366), (x, 361), (x + 13, 366)], 5, 4, 5), tone)
