"""From attached bytes to a JPEG for Smile ID: the picture untouched, what describes it gone, damage refused."""

import hashlib
import io
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from bot.domain.check.colour_profiles import known_profile
from bot.domain.check.photos import Photo, prepare
from bot.errors import PhotoUnusable
from bot.slack.blocks.refusals import sentence
from tests.domain.check.faulty_photos import end_mark_first

PHOTOS = files("bot.sandbox") / "data" / "photos"
SELFIE = (PHOTOS / "selfie.jpg").read_bytes()
SELFIE_PNG = (PHOTOS / "selfie.png").read_bytes()
PLACE = b"6.5244 N 3.3792 E Lagos"


def picture(size: tuple[int, int] = (96, 128)) -> Image.Image:
    """Red above, blue below, a green mark at the top left: every turn can be told from every other."""
    image = Image.new("RGB", size, "red")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, size[1] // 2, size[0], size[1]), fill="blue")
    draw.rectangle((0, 0, size[0] // 3, size[1] // 4), fill="lime")
    return image


def saved(image: Image.Image, kind: str = "JPEG", **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def exif(**more: object) -> bytes:
    """EXIF with a place and a device, and an orientation if one is given."""
    data = Image.Exif()
    data[0x010F] = "SpyCam"
    data[0x010E] = PLACE.decode()
    data[0x8825] = {1: "N", 2: (6.0, 31.0, 27.0), 3: "E", 4: (3.0, 22.0, 45.0)}
    if "orientation" in more:
        data[0x0112] = more["orientation"]
    return data.tobytes()


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Markers with what follows them, read independently of the code under test; scans as marker 0."""
    assert jpeg[:2] == b"\xff\xd8"
    found, at = [], 2
    while jpeg[at + 1] != 0xD9:
        assert jpeg[at] == 0xFF
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append((marker, jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
        if marker == 0xDA:
            end = at
            while not (jpeg[end] == 0xFF and jpeg[end + 1] not in {0, *range(0xD0, 0xD8)}):
                end += 1
            found.append((0, jpeg[at:end]))
            at = end
    return found


def compressed(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Everything that makes the picture: tables, frame and scans."""
    return [(marker, data) for marker, data in segments(jpeg) if marker == 0 or 0xC0 <= marker < 0xE0]


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def opened(photo: Photo) -> Image.Image:
    image = Image.open(io.BytesIO(photo.jpeg))
    image.load()
    return image


def colour(image: Image.Image, x: float, y: float) -> str:
    r, g, b = image.convert("RGB").getpixel((int(x * image.width), int(y * image.height)))  # type: ignore[misc]
    return max((r, "red"), (g, "lime"), (b, "blue"))[1]


def is_upright(image: Image.Image) -> bool:
    return [colour(image, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))] == [
        *("lime", "red", "blue", "blue")
    ]


# What stays and what goes


@pytest.mark.parametrize("name", ["selfie.jpg", *(f"liveness_{n}.jpg" for n in range(8))])
def test_an_upright_photo_keeps_its_compressed_picture_byte_for_byte(name: str) -> None:
    data = (PHOTOS / name).read_bytes()
    photo = prepare(data)

    assert compressed(photo.jpeg) == compressed(data)
    assert opened(photo).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert (photo.width, photo.height) == Image.open(io.BytesIO(data)).size


@pytest.mark.filterwarnings("ignore:.*malformed MPO:UserWarning")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({}, id="baseline"),
        pytest.param({"progressive": True}, id="progressive"),
        pytest.param({"restart_marker_blocks": 2}, id="restart markers"),
        pytest.param({"optimize": True, "subsampling": 0}, id="optimised"),
    ],
)
def test_place_device_comments_thumbnails_and_trailing_bytes_are_gone(kind: dict[str, Any]) -> None:
    bare = saved(picture(), **kind)
    described = with_segment(bare, 0xFE, b"taken at " + PLACE)
    described = with_segment(described, 0xED, b"Photoshop 3.0\x00" + PLACE)
    described = with_segment(described, 0xE2, b"MPF\x00" + PLACE)
    described = with_segment(described, 0xE0, b"JFXX\x00\x10" + PLACE)
    described = with_segment(described, 0xEE, b"Not Adobe" + PLACE)
    described = with_segment(described, 0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + PLACE)
    described = with_segment(described, 0xE1, exif())
    described += b"MotionPhoto_Data" + PLACE

    kept = prepare(described).jpeg

    assert PLACE not in kept
    assert b"SpyCam" not in kept
    assert b"MotionPhoto" not in kept
    assert kept.endswith(b"\xff\xd9")
    assert compressed(kept) == compressed(bare)


def test_the_thumbnail_inside_jfif_is_gone_and_its_resolution_stays() -> None:
    bare = saved(picture(), dpi=(300, 300))
    assert bare[2:4] == b"\xff\xe0"
    header = bare[6:18]
    thumbnail = b"JFIF\x00\x01\x02\x01\x01\x2c\x01\x2c" + bytes([4, 4]) + b"FACE" * 12
    kept = prepare(b"\xff\xd8" + with_segment(bare[:2] + bare[20:], 0xE0, thumbnail)[2:]).jpeg

    assert b"FACE" not in kept
    assert segments(kept)[0] == (0xE0, header[:5] + b"\x01\x02\x01\x01\x2c\x01\x2c\x00\x00")


def test_what_a_colour_profile_means_stays_since_it_changes_how_the_picture_looks() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    upright = opened(prepare(saved(picture(), icc_profile=profile)))
    turned = opened(prepare(saved(picture(), icc_profile=profile, exif=exif(orientation=3))))

    assert upright.info["icc_profile"] == turned.info["icc_profile"] == known_profile(profile)


@pytest.mark.parametrize(
    ("orientation", "stored_as"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_a_turned_photo_is_brought_upright_and_loses_what_described_it(
    orientation: int, stored_as: Image.Transpose
) -> None:
    data = saved(picture().transpose(stored_as), exif=exif(orientation=orientation), comment=PLACE)
    photo = prepare(data)
    image = opened(photo)

    assert (photo.width, photo.height) == image.size == (96, 128)
    assert is_upright(image)
    assert PLACE not in photo.jpeg
    assert not image.getexif()


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_an_orientation_that_turns_nothing_leaves_the_picture_alone(orientation: int) -> None:
    data = saved(picture(), exif=exif(orientation=orientation))

    assert compressed(prepare(data).jpeg) == compressed(data)


@pytest.mark.filterwarnings("ignore:.*EXIF.*:UserWarning")
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"II*\x00\xff\xff\xff\xff",
        b"MM\x00*\x00\x00\x00\x08\xff\xff",
        b"II*\x00\x08\x00\x00\x00\x01\x00" + b"\xee" * 20,
    ],
)
def test_exif_that_cannot_be_read_does_not_spoil_a_sound_picture(damage: bytes) -> None:
    bare = saved(picture())

    assert compressed(prepare(with_segment(bare, 0xE1, b"Exif\x00\x00" + damage)).jpeg) == compressed(bare)


def test_of_a_phones_several_pictures_in_one_file_the_first_is_kept_as_it_is() -> None:
    data = saved(picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 128), "white")])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    kept = prepare(data).jpeg

    assert Image.open(io.BytesIO(kept)).format == "JPEG"
    assert compressed(kept) == compressed(data[: data.index(b"\xff\xd9") + 2])
    assert len(kept) < len(data) * 0.6


# What is converted


def test_a_png_becomes_a_jpeg_of_the_same_picture() -> None:
    photo = prepare(SELFIE_PNG)
    before, after = Image.open(io.BytesIO(SELFIE_PNG)).convert("RGB"), opened(photo)

    assert after.format == "JPEG"
    assert after.size == (photo.width, photo.height) == (512, 512)
    differences = [abs(a - b) for a, b in zip(before.tobytes(), after.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 2


def test_what_is_transparent_becomes_white_not_black() -> None:
    image = picture().convert("RGBA")
    image.paste((0, 0, 0, 0), (48, 64, 96, 128))
    photo = opened(prepare(saved(image, "PNG")))

    assert min(photo.getpixel((90, 120))) > 240  # type: ignore[arg-type]
    assert colour(photo, 0.1, 0.1) == "lime"


def test_palettes_greys_and_16_bits_keep_their_brightness() -> None:
    middle = Image.new("L", (96, 96), 128)
    deep = Image.frombytes("I;16", (96, 96), b"\x00\x80" * 96 * 96)
    palette = middle.convert("P")
    see_through = saved(palette, "PNG", transparency=3)
    for data in (saved(middle, "PNG"), saved(middle.convert("LA"), "PNG"), saved(deep, "PNG"), see_through):
        image = opened(prepare(data)).convert("RGB")
        assert all(abs(int(part) - 128) < 4 for part in image.getpixel((48, 48)))  # type: ignore[union-attr]


def test_a_png_leaves_its_texts_behind() -> None:
    plain = saved(picture(), "PNG")
    text = b"Comment\x00" + PLACE
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))

    assert PLACE not in prepare(saved(picture(), "PNG", exif=exif())).jpeg
    assert PLACE not in prepare(plain[:33] + chunk + plain[33:]).jpeg


def test_cmyk_becomes_rgb() -> None:
    image = opened(prepare(saved(picture().convert("CMYK"), comment=PLACE)))

    assert image.mode == "RGB"
    assert is_upright(image)


def test_a_grey_jpeg_stays_as_it_is() -> None:
    data = saved(picture().convert("L"))

    assert compressed(prepare(data).jpeg) == compressed(data)


# What is refused


@pytest.mark.parametrize("percent", [*range(0, 100, 7), 99])
@pytest.mark.parametrize("kind", [{}, {"progressive": True}, {"exif": exif(orientation=6)}], ids=str)
def test_a_truncated_jpeg_is_refused_wherever_it_ends(kind: dict[str, Any], percent: int) -> None:
    data = saved(Image.open(io.BytesIO(SELFIE)).resize((240, 320)), **kind)

    with pytest.raises(PhotoUnusable):
        prepare(data[: len(data) * percent // 100])


@pytest.mark.parametrize("missing", [1, 2, 3, 50, 1000, 100_000])
def test_a_real_photo_that_lost_its_end_is_refused(missing: int) -> None:
    with pytest.raises(PhotoUnusable) as refusal:
        prepare(SELFIE[:-missing])
    assert sentence(refusal.value) == "The file is damaged or incomplete. Attach it again, or take a new photo."


@pytest.mark.parametrize("percent", [1, 10, 40, 70, 95, 99])
def test_a_truncated_png_is_refused(percent: int) -> None:
    with pytest.raises(PhotoUnusable):
        prepare(SELFIE_PNG[: len(SELFIE_PNG) * percent // 100])


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"\xff",
            b"\xff\xd8",
            b"\xff\xd8\xff",
            b"\xff\xd8\xff\xd9",
            b"\x89PNG\r\n\x1a\n",
            b"%PDF-1.7",
            b"GIF89a",
        ),
        saved(picture(), "BMP"),
        saved(picture(), "GIF"),
        saved(picture(), "WEBP"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_jpeg_or_png_is_refused_with_words(data: bytes) -> None:
    with pytest.raises(PhotoUnusable) as refusal:
        prepare(data)
    assert sentence(refusal.value).endswith(".")


@pytest.mark.parametrize(("width", "height"), [(63, 1000), (1000, 63), (1, 1)])
def test_a_photo_too_small_for_a_face_is_refused_with_its_size(width: int, height: int) -> None:
    with pytest.raises(PhotoUnusable) as refusal:
        prepare(saved(Image.new("RGB", (width, height))))
    assert f"{width} × {height} pixels" in sentence(refusal.value)


def claiming(width: int, height: int) -> list[bytes]:
    """A JPEG and a PNG whose headers claim a size that is not there."""
    jpeg = bytearray(saved(picture()))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", height % 65536, width % 65536)
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    body = zlib.compress(bytes(1000))
    png += struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    return [bytes(jpeg), png]


@pytest.mark.parametrize("side", [7100, 9400, 9600, 14_000, 60_000])
def test_a_bomb_is_refused_by_the_size_it_claims_before_it_is_opened(side: int) -> None:
    for data in claiming(side, side):
        began = time.process_time()
        with pytest.raises(PhotoUnusable) as refusal:
            prepare(data)
        assert time.process_time() - began < 0.5
        assert "more than 50 megapixels" in sentence(refusal.value)


@pytest.mark.parametrize("fault", [bytes, end_mark_first])
def test_a_picture_in_more_passes_than_any_camera_makes_is_refused_unopened(fault: Callable[[bytes], bytes]) -> None:
    """Seventy-five bytes for each, and an hour for all that fit into ten megabytes."""
    data = saved(picture(), progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]

    assert prepare(fault(data[:-2] + last * 50 + data[-2:])).width == 96
    with pytest.raises(PhotoUnusable) as refusal:
        prepare(fault(data[:-2] + last * 100 + data[-2:]))
    assert "takes too long to open" in sentence(refusal.value)


# Any damage at all


SAMPLES = [
    saved(picture(), exif=exif(orientation=6), comment=PLACE),
    saved(picture(), progressive=True, exif=exif()),
    saved(picture(), restart_marker_blocks=1),
    saved(picture().convert("CMYK")),
    saved(picture(), "PNG"),
    saved(picture().convert("P"), "PNG", transparency=0, exif=exif(orientation=8)),
    saved(picture(), "MPO", save_all=True, append_images=[picture()]),
]


MARKS = [b"\xff\xd9", b"\xff\xd8", b"\xff\xd3", b"\xff\xe1\x00\x04ab", b"\xff\xfe\x00\x02", b"\xff"]
"""JPEG's own."""


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[bytes] = tuple(SAMPLES), *, little: bool = False) -> bytes:
    """A file after some bytes were changed, cut out, put in, or cut off; after `little` damage most can be shown."""
    data = bytearray(draw(st.sampled_from(samples)))
    put_in = st.binary(min_size=1, max_size=40)
    if little:
        put_in |= st.sampled_from(MARKS)
    for _ in range(draw(st.integers(0, 2) if little else st.integers(1, 6))):
        if not data:
            break
        # Most of what can go wrong stands in the headers.
        at = draw(st.integers(0, min(len(data), 700) - 1) | st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["change", "change", "change", "cut", "put", "end"])):
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "put":
                data[at:at] = draw(put_in)
            case _:
                del data[at:]
    return bytes(data)


def photo_or_words(data: bytes) -> Photo | str:
    """Any other error than PhotoUnusable fails the test that asked."""
    began = time.process_time()
    try:
        return prepare(data)
    except PhotoUnusable as refusal:
        return sentence(refusal)
    finally:
        assert time.process_time() - began < 2


@given(damaged())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_of_any_kind_is_a_sound_photo_or_words_in_bounded_time(data: bytes) -> None:
    answer = photo_or_words(data)

    assert answer
    if isinstance(answer, Photo):
        assert opened(answer).size == (answer.width, answer.height)


@given(damaged())
def test_warnings_of_the_decoder_do_not_escape_either(data: bytes) -> None:
    assert photo_or_words(data)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"]), st.binary())
def test_any_bytes_behind_a_good_beginning_are_refused_with_words(beginning: bytes, rest: bytes) -> None:
    assert isinstance(photo_or_words(beginning + rest), str)


def test_nothing_of_the_picture_shows_when_a_photo_is_printed() -> None:
    assert "xff" not in repr(prepare(SELFIE))
