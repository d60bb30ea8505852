"""Behind and below the head: a wall with something on it, shoulders and neck."""

import random

from PIL import Image

from .curves import brush, curve, mirrored, oval
from .face import Wall
from .sitting import Sitting
from .tones import CLOTHES, DARK, WHITE, mix


def paint_wall(sitting: Sitting) -> None:
    canvas, face, chance = sitting.canvas, sitting.face, random.Random(f"wall of {sitting.face.seed}")
    dark, light = mix(face.wall_colour, (40, 44, 60), 0.38), mix(face.wall_colour, WHITE, 0.5)
    canvas.paint(oval(300 + 260 * face.light, 190, 330, 330), light, opacity=0.75, soft=120)
    canvas.paint(oval(300 - 330 * face.light, 620, 300, 420), dark, opacity=0.6, soft=120)
    match face.wall:
        case Wall.SHELF:
            for row in (120, 330, 540):
                x = -10.0
                while x < 600:
                    wide, high = chance.uniform(12, 30), chance.uniform(80, 130)
                    tone = mix(chance.choice(CLOTHES), face.wall_colour, 0.35)
                    canvas.paint([(x, row - high), (x + wide, row - high), (x + wide, row), (x, row)], tone, soft=1.2)
                    x += wide + chance.choice((1.0, 1.5, 2.0, 22.0))
                canvas.paint([(0, row), (600, row), (600, row + 11), (0, row + 11)], mix(dark, (90, 60, 40), 0.5))
        case Wall.CURTAIN:
            for fold in range(-10, 620, 44):
                x = fold + chance.uniform(-8, 8)
                canvas.paint([(x, 0), (x + 12, 0), (x + 16, 800), (x - 2, 800)], dark, opacity=0.5, soft=7)
                canvas.paint([(x + 22, 0), (x + 29, 0), (x + 32, 800), (x + 20, 800)], light, opacity=0.5, soft=5)
        case Wall.WINDOW:
            left = 40.0 if face.light < 0 else 380.0
            canvas.paint([(left, 40), (left + 180, 40), (left + 180, 400), (left, 400)], mix(light, WHITE, 0.55))
            for x in (left - 6, left + 84, left + 174):
                canvas.paint([(x, 34), (x + 12, 34), (x + 12, 406), (x, 406)], dark, soft=1)
            for y in (34, 210, 396):
                canvas.paint([(left - 6, y), (left + 186, y), (left + 186, y + 12), (left - 6, y + 12)], dark, soft=1)
        case Wall.PLAIN:
            canvas.paint([(0, 700), (600, 700), (600, 800), (0, 800)], dark, opacity=0.5, soft=2)
            canvas.paint([(70, 90), (190, 90), (190, 250), (70, 250)], mix(dark, (70, 50, 40), 0.5), soft=1)
            canvas.paint([(80, 100), (180, 100), (180, 240), (80, 240)], light, soft=1)
            canvas.paint(
                curve([(88, 232), (112, 170), (140, 205), (172, 150), (176, 234)]), mix(dark, face.clothes, 0.6), soft=2
            )


def paint_body(sitting: Sitting) -> None:
    canvas, face, lean = sitting.canvas, sitting.face, 0.45 * sitting.pose.shift[0]
    x, broad = 300 + lean, 0.93 if face.is_woman else 1.06
    half = [
        (0.0, 584.0),
        (66.0, 596.0),
        (128 * broad, 624.0),
        (214 * broad, 660.0),
        (258 * broad, 716.0),
        (284 * broad, 860.0),
    ]
    torso = curve(mirrored(half, x))
    dark, light = mix(face.clothes, (12, 12, 24), 0.5), mix(face.clothes, WHITE, 0.3)
    canvas.paint(torso, face.clothes)
    inside = canvas.mask(torso)
    _pattern(sitting, inside, x)
    canvas.paint(oval(x - 250 * face.light, 760, 140, 170), dark, opacity=0.6, soft=64, within=inside)
    canvas.paint(oval(x + 190 * face.light, 690, 90, 40), light, opacity=0.4, soft=26, within=inside)
    for side in (-1, 1):
        canvas.paint(
            brush([(x + side * 214, 860), (x + side * 206, 780), (x + side * 186, 735)], 5, 8, 1),
            dark,
            opacity=0.7,
            soft=2,
        )
    # The neck, and the shadow of the chin on it.
    thick = 58 if face.is_woman else 72
    shoulder = [
        (thick, 470.0),
        (thick - 2, 550.0),
        (thick + 8, 598.0),
        (thick + 26, 624.0),
        (34.0, 662.0),
        (0.0, 676.0),
    ]
    neck = curve(mirrored(shoulder, x))
    canvas.paint(neck, mix(sitting.skin, sitting.shade, 0.28))
    skin = canvas.mask(neck)
    canvas.paint(
        sitting.place(oval(300 - 14 * face.light, 566, 104, 52)), sitting.shade, opacity=0.85, soft=16, within=skin
    )
    canvas.paint(oval(x + 44 * face.light, 616, 20, 40), sitting.glow, opacity=0.4, soft=14, within=skin)
    for side in (-1, 1):
        bone = [(x + side * 12, 650), (x + side * 40, 636), (x + side * 84, 624)]
        canvas.paint(brush(bone, 2, 5, 1), sitting.shade, opacity=0.45, soft=2, within=skin)
        collar = [
            (x + side * 2, 684),
            (x + side * 38, 662),
            (x + side * (thick + 20), 622),
            (x + side * (thick + 15), 584),
        ]
        canvas.paint(brush(collar, 9, 13, 15, 12), mix(face.clothes, WHITE, 0.14))
        canvas.paint(brush(collar, 1, 3, 3, 1), dark, opacity=0.6, soft=1)


def _pattern(sitting: Sitting, inside: Image.Image, x: float) -> None:
    """What the cloth is printed with: stripes, dots or leaves."""
    canvas, face, chance = sitting.canvas, sitting.face, random.Random(f"cloth of {sitting.face.seed}")
    light, other = mix(face.clothes, WHITE, 0.45), mix(face.clothes, chance.choice(CLOTHES), 0.7)
    match chance.randrange(4):
        case 0:
            for n in range(-13, 14):
                canvas.paint(brush([(x + n * 23, 600), (x + n * 24, 860)], 3, 3), light, opacity=0.6, within=inside)
        case 1:
            for row in range(7):
                for n in range(-11, 12):
                    dot = oval(x + n * 26 + 13 * (row % 2), 640 + row * 26, 5, 5)[::2]
                    canvas.paint(dot, light, opacity=0.8, within=inside)
        case 2:
            for row in range(5):
                for n in range(-7, 8):
                    at_x, at_y = x + n * 40 + 20 * (row % 2), 636 + row * 36
                    canvas.paint(
                        brush([(at_x - 12, at_y + 9), (at_x, at_y - 2), (at_x + 13, at_y - 10)], 1, 11, 1),
                        other,
                        within=inside,
                    )
                    canvas.paint(
                        brush([(at_x - 10, at_y + 8), (at_x + 10, at_y - 8)], 1, 2), light, opacity=0.8, within=inside
                    )
        case _:
            canvas.paint(
                brush([(x, 680), (x + 1, 860)], 4, 4), mix(face.clothes, DARK, 0.5), opacity=0.7, within=inside
            )
            for n in range(4):
                canvas.paint(oval(x + 7, 700 + n * 32, 4, 4), light, within=inside)
