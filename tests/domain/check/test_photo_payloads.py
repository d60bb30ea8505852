"""Nothing rides along in a photo: a marked text in every part of a file that does not make its picture."""

import io
import struct
import zlib
from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops, ImageCms

from bot.domain.check.colour_profiles import known_profile
from bot.domain.check.photos import prepare
from tests.domain.check.test_photos import SELFIE, compressed, opened, picture, saved, with_segment
from tests.domain.check.test_photos_sent import as_shown, difference
from tests.domain.check.test_rare_photos import chunk

CANARY = b"Zebedee Canary, BVN 22299900011, born 1901-02-03, Nowhere Street"
assert len(CANARY) == 64

Colours = Sequence[tuple[float, float, float]]
P3: Colours = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE: Colours = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def srgb_table() -> bytes:
    """The sRGB curve in 1024 steps, as cameras and phones write it."""
    steps = [n / 1023 for n in range(1024)]
    values = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in steps]
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *(round(value * 65535) for value in values))


def gamma(exponent: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256))


def profile(colours: Colours, curve: bytes, more: dict[bytes, bytes] | None = None) -> bytes:
    """A profile of version 2, written independently of the code under test, with the mark in its description."""
    said = b"desc" + bytes(4) + struct.pack(">I", len(CANARY) + 1) + CANARY + bytes(1 + 78)
    tags = {b"desc": said, b"cprt": b"text" + bytes(4) + CANARY + b"\x00"}
    tags[b"wtpt"] = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True):
        tags[name] = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65536) for part in colour))
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve) | (more or {})
    begins, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", begins + len(body), len(content))
        body += padded
    header = struct.pack(">I4xI", begins + len(body), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    header = (header + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\x00")
    return header + struct.pack(">I", len(tags)) + table + body


# Colour profiles


def in_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    shown = ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"))
    assert shown is not None
    return shown


@pytest.mark.parametrize(
    "icc",
    [
        pytest.param(SRGB, id="sRGB of littleCMS"),
        pytest.param(profile(((0.436, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)),
                             srgb_table()), id="sRGB of a camera"),
        pytest.param(profile(P3, srgb_table()), id="Display P3"),
        pytest.param(profile(ADOBE, gamma(2.19921875)), id="Adobe RGB"),
    ],
)  # fmt: skip
def test_a_known_profile_is_said_in_our_words_and_means_the_same(icc: bytes) -> None:
    photo = prepare(saved(picture(), icc_profile=icc))
    sent = opened(photo)
    colours = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180)])
    ours = sent.info["icc_profile"]

    assert CANARY not in photo.jpeg
    assert len(ours) < 700
    off = ImageChops.difference(in_srgb(colours, icc), in_srgb(colours, ours))
    assert max(high for _low, high in off.getextrema()) <= 2  # type: ignore[misc]
    assert ours == known_profile(ours), "what we write is known again"


def test_known_profiles_are_told_from_each_other() -> None:
    ours = {known_profile(icc) for icc in (SRGB, profile(P3, srgb_table()), profile(ADOBE, gamma(2.2)))}

    assert len(ours) == 3
    assert None not in ours


LUT = b"mft2" + bytes(4) + CANARY
SWAPPED: Colours = (P3[1], P3[0], P3[2])
UNKNOWN = {
    "random bytes": CANARY * 9,
    "nothing": b"",
    "a screen of its own": profile(((0.5, 0.25, 0.02), (0.33, 0.68, 0.06), (0.14, 0.07, 0.74)), gamma(1.8)),
    "colours swapped": profile(SWAPPED, srgb_table()),
    "P3 with another curve": profile(P3, gamma(1.0)),
    "P3 with a table that overrules": profile(P3, srgb_table(), {b"A2B0": LUT}),
    "no curve": profile(P3, CANARY),
    "an empty table": profile(P3, b"curv" + bytes(4) + struct.pack(">I", 0)),
    "a table longer than the file": profile(P3, b"curv" + bytes(4) + struct.pack(">I", 2**32 - 1)),
    "a curve of no known kind": profile(P3, b"para" + bytes(4) + struct.pack(">HH", 9, 0) + bytes(64)),
    "a curve that overflows": profile(P3, b"para" + bytes(4) + struct.pack(">HHi", 0, 0, -(2**31))),
    "a curve of complex numbers": profile(
        P3, b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, 98304, -65536, -65536, 0, -65536)
    ),
    "a million tags": SRGB[:128] + struct.pack(">I", 1_000_000) + SRGB[132:],
    "cut off": SRGB[:140],
}  # fmt: skip


@pytest.mark.parametrize("icc", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_profile_is_dropped_and_the_picture_stays(icc: bytes) -> None:
    bare = saved(picture())
    piece = with_segment(bare, 0xE2, b"ICC_PROFILE\x00\x01\x01" + icc)
    photo = prepare(piece)

    assert photo.jpeg == prepare(bare).jpeg
    assert known_profile(icc) is None


def test_a_profile_in_several_pieces_is_one_and_the_rest_of_app2_is_gone() -> None:
    icc = profile(P3, srgb_table())
    data = with_segment(saved(picture()), 0xE2, b"FPXR\x00" + CANARY)
    data = with_segment(data, 0xE2, b"ICC_PROFILE\x00\x02\x02" + icc[900:])
    data = with_segment(data, 0xE2, b"ICC_PROFILE\x00\x01\x02" + icc[:900])
    photo = prepare(data)

    assert opened(photo).info["icc_profile"] == known_profile(icc)
    assert CANARY not in photo.jpeg
    assert photo.jpeg.count(b"ICC_PROFILE") == 1


def test_a_grey_photo_has_no_profile() -> None:
    photo = prepare(saved(picture().convert("L"), icc_profile=profile(P3, srgb_table())))

    assert "icc_profile" not in opened(photo).info
    assert CANARY not in photo.jpeg


# Segments


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


UNUSED_CODES = bytes(15) + bytes([len(CANARY)]) + CANARY
SPELLED = b"".join(bytes([0xFF, 0xD0 + (byte >> shift & 7)]) for byte in CANARY for shift in (0, 3, 6))

AT_THE_BEGINNING: dict[str, bytes] = {
    **{f"APP{n}": segment(0xE0 + n, CANARY) for n in range(16)},
    "a comment": segment(0xFE, CANARY),
    "JFXX": segment(0xE0, b"JFXX\x00\x10" + CANARY),
    "EXIF": segment(0xE1, b"Exif\x00\x00" + CANARY),
    "a short mark of Adobe's": segment(0xEE, b"Adobe" + CANARY[:3]),
    "a quantisation table that nothing uses": segment(0xDB, b"\x03" + CANARY),
    "a quantisation table of 16 bits": segment(0xDB, b"\x13" + CANARY * 2),
    "a quantisation table that another replaces": segment(0xDB, b"\x00" + CANARY),
    "codes of DC that nothing uses": segment(0xC4, b"\x03" + UNUSED_CODES),
    "codes of AC that nothing uses": segment(0xC4, b"\x13" + UNUSED_CODES),
    "codes that others replace": segment(0xC4, b"\x10" + UNUSED_CODES),
    "two tables in a segment": segment(0xC4, b"\x02" + UNUSED_CODES + b"\x12" + UNUSED_CODES),
    "conditioning": segment(0xCC, b"".join(bytes([16, byte]) for byte in CANARY)),
    "a number of lines": segment(0xDC, CANARY),
    "an empty table": segment(0xDB, b""),
    "restarts between segments": SPELLED,
    "fill bytes": b"\xff" * 40,
}  # fmt: skip
"""What libjpeg steps over, or reads and never uses."""

KINDS = {
    "baseline": saved(picture()),
    "progressive": saved(picture(), progressive=True),
    "grey": saved(picture().convert("L")),
    "colours not coded": saved(picture(), keep_rgb=True),
    "restart intervals": saved(picture(), restart_marker_blocks=2),
}


def parts_of(jpeg: bytes) -> bytes:
    """Everything behind the start mark and the first JFIF."""
    return jpeg[20:] if jpeg[2:4] == b"\xff\xe0" else jpeg[2:]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("planted", AT_THE_BEGINNING.values(), ids=AT_THE_BEGINNING)
def test_what_does_not_make_the_picture_does_not_leave(planted: bytes, kind: bytes) -> None:
    begin = kind[: len(kind) - len(parts_of(kind))]
    data = begin + planted + parts_of(kind) + CANARY
    assert Image.open(io.BytesIO(data)).tobytes() == Image.open(io.BytesIO(kind)).tobytes(), "decoders step over it"
    photo = prepare(data)

    assert photo.jpeg == prepare(kind).jpeg
    assert opened(photo).tobytes() == Image.open(io.BytesIO(kind)).tobytes()
    assert compressed(photo.jpeg) == compressed(kind)


BETWEEN_SCANS = {
    name: AT_THE_BEGINNING[name]
    for name in ("a comment", "APP14", "a quantisation table that another replaces",
                 "codes of DC that nothing uses", "conditioning")
} | {"JFIF": segment(0xE0, b"JFIF\x00" + CANARY), "Adobe": segment(0xEE, b"Adobe" + CANARY)}  # fmt: skip


@pytest.mark.parametrize("planted", BETWEEN_SCANS.values(), ids=BETWEEN_SCANS)
def test_nothing_leaves_between_the_scans_of_a_progressive_photo(planted: bytes) -> None:
    bare = KINDS["progressive"]
    last = bare.rindex(b"\xff\xda")
    at = bare.rindex(b"\xff\xc4", 0, last)
    photo = prepare(bare[:at] + planted + bare[at:])

    assert photo.jpeg == prepare(bare).jpeg
    assert opened(photo).tobytes() == Image.open(io.BytesIO(bare)).tobytes()


def test_of_several_jfif_headers_the_first_is_kept_and_of_restart_intervals_the_one_that_counts() -> None:
    bare = KINDS["restart intervals"]
    intervals = b"".join(segment(0xDD, CANARY[at : at + 2]) for at in range(0, 64, 2))
    jfif = segment(0xE0, b"JFIF\x00" + CANARY)
    photo = prepare(bare[:20] + jfif * 3 + intervals + bare[20:])

    assert bare[2:4] == b"\xff\xe0"
    assert photo.jpeg == prepare(bare).jpeg


@pytest.mark.parametrize("transform", [0, 1])
def test_adobes_mark_keeps_how_colours_are_coded_and_nothing_else(transform: int) -> None:
    bare = KINDS["colours not coded"] if transform == 0 else KINDS["baseline"]
    before = parts_of(bare)
    if before[:2] == b"\xff\xee":
        before = before[2 + int.from_bytes(before[2:4], "big") :]
    mark = b"Adobe" + CANARY[:6] + bytes([transform])
    first = segment(0xEE, b"Adobe" + CANARY[6:12] + b"\x01" + CANARY)
    data = b"\xff\xd8" + first + segment(0xEE, mark + CANARY) + before
    photo = prepare(data)

    assert segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00" + bytes([transform])) in photo.jpeg
    assert photo.jpeg.count(b"Adobe") == 1
    assert CANARY[:6] not in photo.jpeg
    assert opened(photo).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    assert difference(opened(photo), picture()) < 8


def test_what_hides_behind_a_restart_that_no_scan_has_is_gone() -> None:
    bare = saved(Image.open(io.BytesIO(SELFIE)).resize((240, 320)))
    photo = prepare(bare[:-2] + b"\xff\xd0" + CANARY + bare[-2:])

    assert CANARY not in photo.jpeg
    assert difference(opened(photo), as_shown(bare)) < 2


# PNG


PLAIN = saved(picture().convert("RGBA"), "PNG")
TEXTS = ("tEXt", "zTXt", "iTXt", "tIME", "prVt", "caBX")
CHUNKS = {
    **{name: chunk(name.encode(), b"Comment\x00" + CANARY) for name in TEXTS},
    "eXIf": chunk(b"eXIf", b"II*\x00\x08\x00\x00\x00\x00\x00" + CANARY),
    "iCCP": chunk(b"iCCP", CANARY + b"\x00\x00" + zlib.compress(profile(P3, srgb_table()))),
    "iCCP, unknown": chunk(b"iCCP", b"x\x00\x00" + zlib.compress(CANARY * 9)),
}  # fmt: skip


@pytest.mark.parametrize("planted", CHUNKS.values(), ids=CHUNKS)
def test_nothing_of_a_png_leaves_but_its_picture(planted: bytes) -> None:
    photo = prepare(PLAIN[:33] + planted + PLAIN[33:] + CANARY)

    assert CANARY[:20] not in photo.jpeg
    assert CANARY[:20] not in opened(photo).info.get("icc_profile", b"")
    assert opened(photo).tobytes() == opened(prepare(PLAIN)).tobytes()
