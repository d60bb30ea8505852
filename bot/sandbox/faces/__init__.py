"""Faces of nobody, drawn from a seed: photos for the demo and the tests, so that no one has to photograph a colleague.

`Face` says what somebody looks like, `Pose` how they look into the camera just now, `draw` paints one picture of both:
`room` what is behind them, `head` and `hair` the rest. `python -m bot.sandbox.faces` draws the sample photos anew.
"""

import io
import math
import random
from pathlib import Path

from PIL import Image, ImageChops

from . import hair, head, room
from .face import Face, Hair, Pose, Wall
from .sitting import Sitting

__all__ = ["FRAMES", "SIZE", "Face", "Hair", "Pose", "Wall", "draw", "draw_samples", "jpeg", "liveness", "portrait"]

SIZE = (720, 960)
"""Pixels of a portrait, unless asked for otherwise."""
LIVENESS_SIZE = (480, 640)
FRAMES = 8
"""Liveness images of one capture, from a neutral face to a smile."""
SAMPLES = Path(__file__).parents[1] / "data" / "photos"
SAMPLE_SEED = "amara"


def portrait(seed: int | str, *, is_woman: bool | None = None, size: tuple[int, int] = SIZE) -> bytes:
    """A selfie as JPEG."""
    return jpeg(draw(Face.from_seed(seed, is_woman=is_woman), size=size))


def liveness(seed: int | str, *, is_woman: bool | None = None, size: tuple[int, int] = LIVENESS_SIZE) -> list[bytes]:
    """The eight JPEGs of one capture: from a neutral face to a smile, while the head moves a little."""
    face = Face.from_seed(seed, is_woman=is_woman)
    return [jpeg(draw(face, pose, size=size)) for pose in _capture(face)]


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def draw(face: Face, pose: Pose | None = None, *, size: tuple[int, int] = SIZE) -> Image.Image:
    """One picture, the same for the same arguments. `size` in pixels, best at three to four."""
    sitting = Sitting(face, pose or Pose(), size)
    room.paint_wall(sitting)
    hair.paint_behind(sitting)
    room.paint_body(sitting)
    head.paint(sitting)
    hair.paint_in_front(sitting)
    if face.glasses:
        head.paint_glasses(sitting)
    return _exposed(sitting)


def draw_samples(folder: Path = SAMPLES) -> list[Path]:
    """Write the sample photos: a selfie as JPEG and as PNG, and the frames of a liveness capture."""
    face = Face.from_seed(SAMPLE_SEED, is_woman=True)
    selfie, square = folder / "selfie.jpg", folder / "selfie.png"
    selfie.write_bytes(jpeg(draw(face, size=(960, 1280))))
    draw(face, Pose(smile=0.6), size=(512, 512)).save(square, optimize=True)
    frames = [folder / f"liveness_{number}.jpg" for number in range(FRAMES)]
    for path, frame in zip(frames, liveness(SAMPLE_SEED, is_woman=True), strict=True):
        path.write_bytes(frame)
    return [selfie, square, *frames]


def _capture(face: Face) -> list[Pose]:
    chance = random.Random(f"capture of {face.seed}")
    side = chance.choice((-1.0, 1.0))
    return [
        Pose(
            smile=max(0.0, (way - 0.25) / 0.75),
            turn=side * 0.55 * math.sin(1.5 * math.pi * way) + chance.uniform(-0.06, 0.06),
            tilt_degrees=side * (4.5 * way - 2) + chance.uniform(-0.8, 0.8),
            shift=(side * (26 * way - 13) + chance.uniform(-5, 5), 14 * math.sin(4 * way) + chance.uniform(-4, 4)),
            nearer=0.97 + 0.09 * way,
            grain=frame + 1,
        )
        for frame, way in ((frame, frame / (FRAMES - 1)) for frame in range(FRAMES))
    ]


def _exposed(sitting: Sitting) -> Image.Image:
    """What the camera adds: corners that darken a little, and grain."""
    image = sitting.canvas.image
    width, height = image.size
    corners = Image.radial_gradient("L").resize((width, height)).point([max(0, it - 120) // 3 for it in range(256)])
    image.paste((10, 10, 18), (0, 0, width, height), corners)
    chance = random.Random(f"grain of {sitting.face.seed} {sitting.pose.grain}")
    coarse = width // 2 + 1, height // 2 + 1
    grain = Image.frombytes("L", coarse, chance.randbytes(coarse[0] * coarse[1])).point(
        [118 + it // 13 for it in range(256)]
    )
    grain = grain.resize(image.size, Image.Resampling.BILINEAR)
    return ImageChops.overlay(image, Image.merge("RGB", (grain, grain, grain)))
