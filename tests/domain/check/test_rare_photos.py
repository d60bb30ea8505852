"""Rare kinds of JPEG and PNG, and faults beside the picture: converted before they are judged, and sent."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from bot.domain.check.photos import prepare
from bot.errors import PhotoUnusable
from tests.domain.check.test_photos import SELFIE, colour, compressed, opened, picture, saved, with_segment
from tests.domain.check.test_photos_sent import as_shown, difference

FACE = Image.open(io.BytesIO(SELFIE)).convert("RGB").resize((300, 400))
GREY = FACE.convert("L")
XMP = b'http://ns.adobe.com/xap/1.0/\x00<rdf:Description tiff:Orientation="6"/>'


def chunk(kind: bytes, content: bytes, *, checksum_off_by: int = 0) -> bytes:
    checksum = zlib.crc32(kind + content) ^ checksum_off_by
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(image: Image.Image, *, bits: int, colour_type: int, more: bytes = b"") -> bytes:
    """A PNG that Pillow cannot write: grey of one to four bits, anything of 16."""
    width, height = image.size
    parts = image.tobytes()
    row = len(parts) // height
    rows = (_packed(parts[at : at + row], bits) for at in range(0, len(parts), row))
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\x00" + packed for packed in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _packed(row: bytes, bits: int) -> bytes:
    """The upper bits of each byte, several to a byte; or each byte twice, as the two halves of 16 bits."""
    if bits == 16:
        twice = bytearray(2 * len(row))
        twice[::2] = twice[1::2] = row
        return bytes(twice)
    per_byte = 8 // bits
    whole = row + bytes(-len(row) % per_byte)
    packed = 0
    for n in range(per_byte):
        placed = bytes((byte >> (8 - bits)) << (8 - bits * (n + 1)) for byte in range(256))
        packed |= int.from_bytes(whole[n::per_byte].translate(placed))
    return packed.to_bytes(len(whole) // per_byte)


def beside(content: bytes) -> bytes:
    """The face as a PNG with something between its header and its picture."""
    plain = saved(FACE, "PNG")
    return plain[:33] + content + plain[33:]


# Rare kinds


@pytest.mark.parametrize(
    ("data", "off_by"),
    [
        pytest.param(png(GREY, bits=2, colour_type=0), 32, id="grey of 2 bits"),
        pytest.param(png(GREY, bits=4, colour_type=0), 9, id="grey of 4 bits"),
        pytest.param(png(GREY, bits=16, colour_type=0), 2, id="grey of 16 bits"),
        pytest.param(png(GREY, bits=16, colour_type=0, more=chunk(b"tRNS", b"\0\0")), 2, id="with a colour left out"),
        pytest.param(png(FACE, bits=16, colour_type=2), 2, id="colours of 16 bits"),
        pytest.param(png(FACE.convert("RGBA"), bits=16, colour_type=6), 2, id="colours and transparency of 16 bits"),
        pytest.param(png(GREY.convert("LA"), bits=8, colour_type=4), 2, id="grey and transparency"),
        pytest.param(png(GREY.convert("LA"), bits=16, colour_type=4), 2, id="grey and transparency of 16 bits"),
        pytest.param(saved(FACE.quantize(256), "PNG"), 9, id="palette"),
        pytest.param(saved(FACE.convert("CMYK"), quality=95), 2, id="inks"),
        pytest.param(saved(FACE, quality=95, keep_rgb=True), 2, id="a JPEG that holds red, green and blue"),
        pytest.param(saved(FACE, progressive=True, quality=95), 2, id="progressive"),
    ],
)
def test_a_rare_kind_of_picture_is_sent_in_its_own_light(data: bytes, off_by: float) -> None:
    photo = prepare(data)

    assert difference(opened(photo), FACE if "RGB" in Image.open(io.BytesIO(data)).mode else GREY) < max(off_by, 16)
    assert difference(opened(photo), as_shown(data)) < 2
    assert opened(photo).mode in {"RGB", "L"}
    assert not photo.quality.flaws


def test_one_bit_of_grey_is_black_and_white() -> None:
    half = Image.new("L", (96, 96))
    half.paste(255, (48, 0, 96, 96))
    sent = opened(prepare(png(half, bits=1, colour_type=0))).convert("L")

    assert (sent.getpixel((10, 40)), sent.getpixel((80, 40))) == (0, 255)


def test_adobes_inverted_inks_keep_their_colours() -> None:
    """YCCK, as Photoshop saves: inks inverted, and three of them turned into brightness and colour difference."""
    y, cb, cr = ImageChops.invert(picture()).convert("YCbCr").split()
    plates = Image.merge("CMYK", [*(plate.point(lambda v: 255 - v) for plate in (y, cb, cr)), Image.new("L", y.size)])
    data = bytearray(saved(plates, quality=95))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    sent = opened(prepare(bytes(data)))

    assert [colour(sent, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))] == ["lime", "red", "blue"]


def test_an_entropy_coding_that_few_decoders_know_is_not_passed_on() -> None:
    data = (Path(__file__).parents[2] / "data/photos/arithmetic-coding.jpg").read_bytes()
    assert 0xC9 in {marker for marker, _ in compressed(data)}
    photo = prepare(data)

    assert 0xC0 in {marker for marker, _ in compressed(photo.jpeg)}
    assert difference(opened(photo), as_shown(data)) < 2


# Faults beside the picture


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(chunk(b"eXIf", b"garbage!"), id="EXIF that nobody can read"),
        pytest.param(
            chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 8\nzz"), id="EXIF as a text that nobody can read"
        ),
        pytest.param(chunk(b"tEXt", b"Comment\0text", checksum_off_by=1), id="a wrong checksum"),
        pytest.param(chunk(b"zTXt", b"XML\0\0" + zlib.compress(bytes(3_000_000))), id="a text of three megabytes"),
        pytest.param(chunk(b"zTXt", b"XML\0\0" + zlib.compress(bytes(1_000_000))) * 80, id="eighty long texts"),
        pytest.param(chunk(b"iCCP", b"name\0\0junk"), id="a damaged colour profile"),
        pytest.param(chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(3_000_000))), id="a huge colour profile"),
        *(pytest.param(chunk(kind, b""), id=f"nothing in {kind.decode()}") for kind in (b"pHYs", b"gAMA", b"sRGB")),
    ],
)
def test_a_fault_beside_the_picture_of_a_png_does_not_spoil_it(content: bytes) -> None:
    assert difference(opened(prepare(beside(content))), FACE) < 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_a_fault_in_the_picture_of_a_png_does(kind: bytes) -> None:
    data = bytearray(saved(FACE, "PNG"))
    data[data.index(kind) + 8] ^= 0xFF

    with pytest.raises(PhotoUnusable):
        prepare(bytes(data))


def test_the_orientation_of_a_png_is_followed() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6

    assert opened(prepare(saved(FACE, "PNG", exif=turned.tobytes()))).size == (400, 300)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"], ids=["", "EXIF"]
)
def test_an_orientation_that_only_xmp_tells_is_not_followed(exif: bytes) -> None:
    """Viewers do not, and an editor that has turned the picture may have left it behind."""
    data = with_segment(saved(picture()), 0xE1, XMP)
    if exif:
        data = with_segment(data, 0xE1, exif)

    assert compressed(prepare(data).jpeg) == compressed(saved(picture()))
