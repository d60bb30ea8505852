"""What leaves shows what came: it decodes, has the same size, and its pixels are the same or nearly so."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from PIL import Image, ImageChops, ImageCms, ImageFilter, ImageStat

from bot.domain.check.colour_profiles import known_profile
from bot.domain.check.photo_quality import assess, same_pictures
from bot.domain.check.photos import Photo, count_pixels, prepare
from bot.errors import PhotoUnusable
from tests.domain.check.faulty_photos import SHOWN_BY_EVERY_VIEWER
from tests.domain.check.test_photos import (
    PLACE,
    SAMPLES,
    SELFIE,
    compressed,
    damaged,
    exif,
    opened,
    photo_or_words,
    picture,
    saved,
    with_segment,
)

TURNS = {orientation: Image.Transpose(how) for orientation, how in zip(range(2, 9), (0, 3, 1, 5, 4, 6, 2), strict=True)}
"""What brings a picture upright, by EXIF orientation; written down a second time, after `ImageOps.exif_transpose`."""


def as_shown(data: bytes) -> Image.Image:
    """The picture as a viewer shows it, decoded without the code under test."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    image.load()
    orientation = image.getexif().get(0x0112)
    if image.mode == "I;16":
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    if "A" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    image = image.convert("RGB")
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def sixteen_bits(grey: Image.Image) -> Image.Image:
    """The same grey with 16 bits a pixel."""
    return Image.frombytes("I;16", grey.size, bytes(half for byte in grey.tobytes() for half in (byte, byte)))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Of 255, on the average of all pixels and colours."""
    assert one.size == other.size
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


# Faults that every viewer steps over


@pytest.mark.parametrize("fault", SHOWN_BY_EVERY_VIEWER.values(), ids=SHOWN_BY_EVERY_VIEWER)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({}, id="baseline"),
        pytest.param({"progressive": True}, id="progressive"),
        pytest.param({"exif": exif()}, id="with a place"),
        pytest.param({"exif": exif(orientation=6)}, id="on its side"),
    ],
)
def test_a_jpeg_that_cannot_be_cut_is_reencoded(fault: Callable[[bytes], bytes], kind: dict[str, Any]) -> None:
    data = fault(with_segment(saved(picture(), **kind), 0xFE, PLACE))
    photo = prepare(data)
    sent = opened(photo)

    assert (photo.width, photo.height) == sent.size == as_shown(data).size
    assert difference(sent, as_shown(data)) < 2
    assert PLACE not in photo.jpeg
    assert not sent.getexif()


@pytest.mark.slow
@pytest.mark.parametrize("fault", SHOWN_BY_EVERY_VIEWER.values(), ids=SHOWN_BY_EVERY_VIEWER)
def test_a_real_photo_with_such_a_fault_looks_as_good_as_before(fault: Callable[[bytes], bytes]) -> None:
    photo = prepare(fault(SELFIE))

    assert photo.quality.flaws == ()
    assert difference(opened(photo), as_shown(SELFIE)) < 2


def test_a_reencoded_picture_keeps_the_full_resolution_of_its_colours() -> None:
    fine = Image.new("RGB", (96, 96))
    fine.putdata([(255, 0, 0) if (n + n // 96) % 2 else (0, 0, 255) for n in range(96 * 96)])
    data = SHOWN_BY_EVERY_VIEWER["end mark first"](saved(fine, quality=95, subsampling=0))

    assert difference(opened(prepare(data)), fine) < 8


def test_a_picture_behind_the_first_end_mark_is_not_taken_for_the_photo() -> None:
    """A second picture in the same file, of another size: what leaves is the first, as every viewer shows it."""
    data = saved(picture()) + saved(Image.new("RGB", (80, 80), "white"))

    assert compressed(prepare(data).jpeg) == compressed(saved(picture()))


# Greys, transparency, colours


@pytest.mark.slow
@pytest.mark.parametrize("side", [1200, 1700])
def test_a_grey_of_16_bits_is_judged_as_it_is_sent(side: int) -> None:
    """The larger is reduced before it is looked at, which Pillow refuses for 16 bits."""
    grey = Image.open(io.BytesIO(SELFIE)).convert("L").resize((side * 3 // 4, side))
    photo = prepare(saved(sixteen_bits(grey), "PNG"))

    assert photo.quality.flaws == ()
    assert difference(opened(photo), grey) < 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "CMYK"])
def test_a_tall_photo_is_the_same_from_its_top_to_its_bottom(mode: str) -> None:
    """Pictures are converted in bands."""
    tall = Image.linear_gradient("L").resize((64, 1000))
    if mode == "I;16":
        data = saved(sixteen_bits(tall), "PNG")
    elif mode == "CMYK":
        data = saved(tall.convert("CMYK"), quality=95)
    elif mode == "P":
        data = saved(tall.convert("P"), "PNG", transparency=bytes(range(256)))
    else:
        layer = tall.convert(mode)
        layer.putalpha(Image.linear_gradient("L").rotate(90).resize(tall.size))
        data = saved(layer, "PNG")

    assert difference(opened(prepare(data)), as_shown(data)) < 2


def test_a_colour_profile_stays_unless_it_is_of_other_colours() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    see_through = picture().convert("RGBA")

    assert opened(prepare(saved(see_through, "PNG", icc_profile=srgb))).info["icc_profile"] == known_profile(srgb)
    assert "icc_profile" not in opened(prepare(saved(see_through, "PNG", icc_profile=lab))).info
    assert "icc_profile" not in opened(prepare(saved(picture().convert("CMYK"), icc_profile=lab))).info


# Its size


def test_the_size_is_known_without_decoding() -> None:
    data = saved(picture((300, 200)), "PNG")

    assert count_pixels(data[: len(data) // 2]) == 60_000
    with pytest.raises(PhotoUnusable):
        count_pixels(b"GIF89a")


# Any damage at all


VARIED = [
    *SAMPLES,
    saved(picture(), progressive=True, subsampling=0, quality=95),
    saved(picture().convert("L"), exif=exif(orientation=5)),
    saved(picture().convert("RGBA"), "PNG"),
    saved(sixteen_bits(Image.linear_gradient("L").resize((96, 128))), "PNG"),
    *(fault(saved(picture())) for fault in SHOWN_BY_EVERY_VIEWER.values()),
]


@pytest.mark.endurance
@pytest.mark.slow
@given(damaged(VARIED, little=True))
@settings(max_examples=400)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_leaves_as_it_is_displayed_or_is_refused_with_a_reason(data: bytes) -> None:
    answer = photo_or_words(data)

    if isinstance(answer, Photo):
        assert opened(answer).size == (answer.width, answer.height)
        assert difference(opened(answer), as_shown(data)) < 4
    else:
        assert answer.endswith(".")


# A smaller decode, where the compressed picture stays


FACE = Image.open(io.BytesIO(SELFIE)).convert("RGB")
LARGE = [
    saved(FACE, quality=50),
    saved(FACE, quality=50, progressive=True),
    saved(FACE, quality=50, subsampling=0, restart_marker_blocks=40),
    saved(FACE.convert("L"), quality=50),
]
"""Decoded at half their size, where the compressed picture stays."""


@pytest.mark.slow
@given(damaged(LARGE, little=True))
@settings(max_examples=50)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_smaller_decode_has_passed_decodes_as_a_whole(data: bytes) -> None:
    answer = photo_or_words(data)

    if isinstance(answer, Photo):
        assert opened(answer).size == (answer.width, answer.height)


@pytest.mark.parametrize("kind", range(len(LARGE)))
@pytest.mark.parametrize("missing", [3, 40, 400, 4000])
def test_a_large_photo_that_is_cut_off_does_not_leave_in_part(kind: int, missing: int) -> None:
    assert isinstance(photo_or_words(LARGE[kind][:-missing]), str)


@pytest.mark.slow
@pytest.mark.parametrize("side", [400, 768, 1280])
@pytest.mark.parametrize("kind", [{}, {"progressive": True}, {"keep_rgb": True}])
@pytest.mark.parametrize("blur", [0, 8])
def test_a_photo_is_judged_alike_whether_it_is_cut_or_decoded_whole(side: int, kind: dict[str, Any], blur: int) -> None:
    picture = FACE.filter(ImageFilter.GaussianBlur(blur)).resize((side * 3 // 4, side))
    data = saved(picture, quality=90, **kind)
    cut, whole = prepare(data).quality, assess(as_shown(data))

    assert cut.flaws == whole.flaws
    assert same_pictures([cut.picture, whole.picture, cut.picture, whole.picture])
