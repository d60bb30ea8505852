"""Photos that people reported, from Slack's upload to what Smile ID receives."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.journeys.submission.test_photos import approved
from tests.journeys.world import PHOTOS, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

REPORTED = Path(__file__).parents[2] / "data/photos"
FILES = {path.name: path.read_bytes() for path in sorted(REPORTED.glob("*.[jp][pn]g"))}


def deep_grey(height: int) -> bytes:
    """The sample selfie as a PNG of 16 bits of grey, three pixels wide for four high."""
    grey = Image.open(PHOTOS / "selfie.jpg").convert("L").resize((height * 3 // 4, height))
    deep = Image.frombytes("I;16", grey.size, b"".join(b"\x00" + bytes([byte]) for byte in grey.tobytes()))
    out = io.BytesIO()
    deep.save(out, "PNG")
    return out.getvalue()


def as_shown(data: bytes) -> Image.Image:
    """The picture as a viewer shows it, with 8 bits a colour."""
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode == "I;16":
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    return image.convert("RGB")


async def arrives(tmp_path: Path, data: bytes) -> None:
    """It is sent without a question, and Smile ID receives a whole JPEG of the same picture."""
    async with journey(tmp_path) as world:
        await approved(world, await world.ask(selfie=data))
        (sent,) = [entry for name, entry in world.job().entries.items() if name != "info.json"]
    before, after = as_shown(data), Image.open(io.BytesIO(sent))
    after.load()
    assert (after.format, after.size) == ("JPEG", before.size)
    assert max(ImageStat.Stat(ImageChops.difference(after.convert("RGB"), before)).mean) < 2
    # Baseline or progressive, with Huffman codes.
    frames = [marker for marker in (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2") if marker in sent[: sent.index(b"\xff\xda")]]
    assert len(frames) == 1


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
async def test_a_reported_photo_arrives_as_every_viewer_shows_it(tmp_path: Path, data: bytes) -> None:
    await arrives(tmp_path, data)


@pytest.mark.parametrize("height", [1400, 1600])
async def test_a_grey_photo_of_16_bits_arrives_in_its_own_light(tmp_path: Path, height: int) -> None:
    await arrives(tmp_path, deep_grey(height))


@pytest.mark.sqlite("stores nothing")
def test_the_reported_photos_are_there() -> None:
    assert list(FILES) == [
        *("app1-too-short.jpg", "arithmetic-coding.jpg", "bytes-between-segments.jpg", "end-mark-first.jpg")
    ]
