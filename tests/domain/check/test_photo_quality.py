"""The thresholds, held against real photos and what can go wrong with them."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from bot.domain.check.photo_quality import Flaw, assess, same_pictures

PHOTOS = sorted((Path(__file__).parents[3] / "bot/sandbox/data/photos").glob("*.jpg"))


@pytest.fixture(scope="module")
def selfie() -> Image.Image:
    return Image.open(next(path for path in PHOTOS if path.name == "selfie.jpg")).convert("RGB")


def saved(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.name)
def test_a_good_photo_has_no_flaw(path: Path) -> None:
    assert assess(Image.open(path)).flaws == ()


def test_the_frames_of_a_liveness_capture_are_not_the_same_picture() -> None:
    assert not same_pictures([assess(Image.open(path)).picture for path in PHOTOS])


@pytest.mark.slow
@pytest.mark.parametrize("copies", [4, 9])
def test_the_same_picture_many_times_is_seen_however_it_was_saved(selfie: Image.Image, copies: int) -> None:
    pictures = [assess(saved(selfie, 95 - 8 * n)).picture for n in range(copies)]
    others = [assess(Image.open(path)).picture for path in PHOTOS[: 9 - copies]]
    assert same_pictures([*pictures, *others])


def test_a_selfie_alone_is_never_the_same_picture(selfie: Image.Image) -> None:
    assert not same_pictures([assess(selfie).picture])


@pytest.mark.slow
@pytest.mark.parametrize("radius", [6, 8, 12])
def test_a_blurred_photo_is_called_blurred(selfie: Image.Image, radius: int) -> None:
    assert assess(selfie.filter(ImageFilter.GaussianBlur(radius))).flaws == (Flaw.BLURRED,)


@pytest.mark.slow
@pytest.mark.parametrize("radius", [1, 2])
def test_a_soft_photo_is_not(selfie: Image.Image, radius: int) -> None:
    assert assess(selfie.filter(ImageFilter.GaussianBlur(radius))).flaws == ()


@pytest.mark.parametrize(("factor", "flaws"), [(0.15, (Flaw.DARK,)), (0.5, ()), (1.5, ())])
def test_light_is_judged(selfie: Image.Image, factor: float, flaws: tuple[Flaw, ...]) -> None:
    assert assess(ImageEnhance.Brightness(selfie).enhance(factor)).flaws == flaws


def test_a_blown_out_photo_is_overexposed(selfie: Image.Image) -> None:
    white = Image.blend(selfie, Image.new("RGB", selfie.size, "white"), 0.93)
    assert Flaw.BRIGHT in assess(white).flaws


def test_size_and_shape_are_judged(selfie: Image.Image) -> None:
    assert assess(selfie.resize((150, 200))).flaws == (Flaw.SMALL,)
    assert Flaw.NARROW in assess(selfie.crop((0, 0, 300, 1280))).flaws
    assert assess(selfie.crop((0, 0, 540, 960))).flaws == ()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_every_kind_of_picture_can_be_assessed(selfie: Image.Image, mode: str) -> None:
    assert assess(selfie.convert(mode)).picture > 0
