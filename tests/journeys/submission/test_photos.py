"""What becomes of the photos between Slack and Smile ID: fetched safely, looked into, and sent as they should be."""

import asyncio
import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from PIL import Image

from bot.sandbox.slack import Fault, SlackFile
from tests.domain.check.faulty_photos import SHOWN_BY_EVERY_VIEWER
from tests.journeys.intake.test_batches import csv_of, drop, person, photos, send, zip_of
from tests.journeys.submission.test_submission_faults import finish
from tests.journeys.world import ADMIN, PATIENT, PHOTOS, SELFIE, Journey, StoppedClock, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SECRET_PLACE = b"invented-place-of-home"
IMPATIENT = replace(PATIENT, worker=aiohttp.ClientTimeout(total=1.5), files=httpx.Timeout(1.5))


class Altered(SlackFile):
    """A file that files.info describes differently."""

    __slots__ = ("changes",)
    changes: Callable[[str], dict[str, Any]]

    def as_json(self, base_url: str) -> dict[str, Any]:
        return super().as_json(base_url) | self.changes(base_url)


def alter(world: Journey, changes: Callable[[str], dict[str, Any]], *, at: int = 0) -> None:
    """Let Slack say other things of the n-th file from now on."""
    file_id, file = list(world.slack.files.items())[at]
    altered = Altered(**{field.name: getattr(file, field.name) for field in fields(SlackFile)})
    altered.changes = changes
    world.slack.files[file_id] = altered


def picture(kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.open(PHOTOS / "selfie.jpg").resize((320, 480)).save(out, kind, **how)
    return out.getvalue()


def with_metadata(orientation: int) -> bytes:
    """A JPEG as a phone writes it: with a place, a turn, a comment."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET_PLACE.decode()
    exif[0x8825] = {1: "N", 2: (6.0, 27.0, 0.0)}
    return picture("JPEG", exif=exif, comment=SECRET_PLACE, quality=90)


def bomb() -> bytes:
    """A PNG of a few bytes that claims to be a picture of 2.5 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


async def refused(world: Journey, ref: str) -> str:
    """The check ended because of a photo, before Smile ID heard of it; gives the words in the thread."""
    check = await finish(world, ref)
    assert (check.state, check.failure) == ("failed", "photo"), world.thread()
    assert world.smile_id.jobs == {}
    assert not [request for request in world.smile_id.requests if request.call == "upload"]
    (told,) = world.thread()
    assert told.startswith("@amina No result — a photo could not be sent")
    assert "Nothing was sent to Smile ID and nothing was charged." in told
    assert world.direct(ADMIN) == []
    return told


async def approved(world: Journey, ref: str) -> None:
    check = await finish(world, ref)
    assert check.state == "approved", world.thread()
    (told,) = world.thread()
    assert "Approved — face and ID number verified" in told
    assert world.job().upload_count == 1


# Photos that cannot be used


async def test_a_sign_in_page_in_place_of_a_photo_is_told_as_such(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        (file,) = world.slack.files.values()
        file.content, file.mimetype = b"<!DOCTYPE html><title>Sign in | Slack</title>", "text/html"
        assert "Selfie: Slack does not let me read this file. Attach it again" in await refused(world, ref)


async def test_a_redirect_to_the_sign_in_page_is_not_followed(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        world.slack._downloads._authorization = "Bearer another"
        assert "Selfie: Slack does not let me read this file." in await refused(world, ref)
        assert sum(call.method == "files.download" for call in world.slack.calls) == 1


OUTSIDE_SLACK = (
    "https://files.example.com/selfie.jpg",
    "http://files.slack.com/selfie.jpg",
    "http://127.0.0.1:1/selfie.jpg",
    "{base}@files.example.com/selfie.jpg",
    "https://xoxb:y@files.slack.com/selfie.jpg",
    "file:///etc/passwd",
    "http://[::1/selfie.jpg",
    "//files.slack.com/selfie.jpg",
)


def kept_at(url: str, base: str) -> dict[str, Any]:
    return {"url_private_download": url.format(base=base)}


async def test_the_token_is_shown_to_slack_alone(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        for number, url in enumerate(OUTSIDE_SLACK):
            ref = await world.ask(id_number=f"0000000000{number}")
            alter(world, partial(kept_at, url), at=number)
            words = "Selfie: This file is kept outside Slack. Attach it again from your device."
            assert words in await refused(world, ref), url
            assert not [call for call in world.slack.calls if call.method == "files.download"], url


async def test_a_file_without_an_address_cannot_be_read(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        alter(world, lambda _base: {"url_private_download": None, "url_private": None, "mode": "tombstone"})
        assert "Selfie: Slack does not let me read this file." in await refused(world, ref)


@pytest.mark.parametrize("what", ["deleted", "hidden", "unknown"])
async def test_a_photo_that_is_gone_is_told_by_its_name(tmp_path: Path, what: str) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(liveness=8)
        file = list(world.slack.files.values())[3]
        if what == "deleted":
            file.is_deleted = True
        elif what == "hidden":
            file.was_submitted = False
        else:
            del world.slack.files[file.id]
        assert "Liveness image 3: It is no longer in Slack, or I may not read it." in await refused(world, ref)


OTHER_KIND = "Selfie: By its content, whatever its name says, this is"


def no_photos() -> Sequence[tuple[bytes, str]]:
    """Files, and what is said of each."""
    return (
        (b"%PDF-1.7\n" + b"x" * 999, f"{OTHER_KIND} a PDF."),
        (picture("GIF"), f"{OTHER_KIND} a GIF."),
        (picture("WEBP"), f"{OTHER_KIND} a WebP picture."),
        (b"\0\0\0\x18ftypheic" + b"x" * 999, f"{OTHER_KIND} a HEIC picture."),
        (b"hello" * 99, "Selfie: The file is not a JPEG or PNG photo."),
        (SELFIE[: len(SELFIE) // 2], "Selfie: The file is damaged or incomplete."),
        (picture("PNG")[:-30], "Selfie: The file is damaged or incomplete."),
        (b"\xff\xd8\xff" + b"\x00" * 99, "Selfie: The file is damaged or incomplete."),
        (bomb(), "Selfie: The photo has more than 50 megapixels. Attach a smaller one."),
    )


async def test_a_file_that_only_looks_like_a_photo_is_refused_in_words(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        for number, (data, words) in enumerate(no_photos()):
            ref = await world.ask(id_number=f"0000000000{number}", selfie=data)
            assert words in await refused(world, ref)


async def test_a_photo_that_grew_beyond_the_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        (file,) = world.slack.files.values()
        file.content = SELFIE + b"\x00" * (12 * 1024 * 1024)
        assert "Selfie: The file has more than 10 MB. Attach a smaller one." in await refused(world, ref)


# Photos as Smile ID gets them


async def test_a_jpeg_keeps_its_picture_and_loses_what_describes_it(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        data = with_metadata(orientation=1)
        await approved(world, await world.ask(selfie=data))
        (sent,) = [entry for name, entry in world.job().entries.items() if name != "info.json"]
        assert SECRET_PLACE in data
        assert SECRET_PLACE not in sent
        assert b"Exif" not in sent
        scan = data[data.index(b"\xff\xda") :]
        assert sent.endswith(scan)


async def test_a_photo_that_lies_on_its_side_arrives_upright(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await approved(world, await world.ask(selfie=with_metadata(orientation=6)))
        (sent,) = [entry for name, entry in world.job().entries.items() if name != "info.json"]
        assert SECRET_PLACE not in sent
        with Image.open(io.BytesIO(sent)) as image:
            assert image.size == (480, 320)
            assert not image.getexif()


async def test_a_png_arrives_as_a_jpeg(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await approved(world, await world.ask(selfie=(PHOTOS / "selfie.png").read_bytes()))
        (sent,) = [entry for name, entry in world.job().entries.items() if name != "info.json"]
        with Image.open(io.BytesIO(sent)) as image, Image.open(PHOTOS / "selfie.png") as original:
            assert image.format == "JPEG"
            assert image.size == original.size


@pytest.mark.parametrize(
    ("comes", "fault"),
    [
        *(("attached", fault) for fault in SHOWN_BY_EVERY_VIEWER),
        *((comes, "end mark first") for comes in ("in a zip", "in a cell")),
    ],
)
async def test_a_photo_that_every_viewer_shows_arrives_as_one(tmp_path: Path, comes: str, fault: str) -> None:
    data = SHOWN_BY_EVERY_VIEWER[fault](with_metadata(orientation=1))
    row = "country,id_type,id_number,selfie,selfie_base64\nNG,BVN,00000000000,"
    async with journey(tmp_path) as world:
        if comes == "attached":
            await approved(world, await world.ask(selfie=data))
        elif comes == "in a zip":
            await drop(world, {"people.zip": zip_of({"people.csv": f"{row}1.jpg,".encode(), "1.jpg": data})})
            await send(world)
        else:
            await drop(world, {"people.csv": f"{row},{base64.b64encode(data).decode()}".encode()})
            await send(world)
        job = world.job()
        assert job.info is not None
        (image,) = job.info["images"]
        sent = base64.b64decode(image["image"]) if comes == "in a cell" else job.entries[image["file_name"]]
        with Image.open(io.BytesIO(sent)) as shown:
            shown.load()
            assert (shown.format, shown.size) == ("JPEG", (320, 480))
        assert SECRET_PLACE not in sent


async def test_the_liveness_images_arrive_in_the_order_in_which_they_were_attached(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await approved(world, await world.ask(liveness=8))
        job = world.job()
        assert job.info is not None
        named = [(image["image_type_id"], image["file_name"]) for image in job.info["images"]]
        assert [kind for kind, _name in named] == [0, *[4] * 8]
        sent = [job.entries[name] for _kind, name in named]
        originals = [SELFIE, *((PHOTOS / f"liveness_{n}.jpg").read_bytes() for n in range(8))]
        assert [_scan(data) for data in sent] == [_scan(data) for data in originals]


def _scan(jpeg: bytes) -> bytes:
    """The compressed picture itself."""
    return jpeg[jpeg.rindex(b"\xff\xda") :]


# Slack in trouble


@pytest.mark.parametrize("method", [pytest.param("files.info", marks=pytest.mark.endurance), "files.download"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.status(500), id="500"),
        pytest.param(Fault.rate_limited(5), id="429"),
        pytest.param(Fault.reset_before(), id="reset"),
        pytest.param(Fault.half_answer(), id="half"),
        pytest.param(Fault.hang_before(GIVE_UP_SECONDS), id="hang"),
    ],
)
async def test_a_check_outlives_slacks_trouble_with_a_photo(tmp_path: Path, method: str, fault: Fault) -> None:
    async with journey(tmp_path, timeouts=IMPATIENT) as world:
        ref = await world.ask(liveness=8)
        world.slack.fail_next(method, fault, fault)
        await approved(world, ref)
        assert world.direct(ADMIN) == []


@pytest.mark.parametrize("method", ["files.info", "files.download"])
async def test_slack_is_not_asked_for_a_photo_before_it_wants_to(tmp_path: Path, method: str) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        ref = await world.ask()
        world.slack.fail_next(method, Fault.rate_limited(30))

        def asked() -> int:
            return sum(call.method == method for call in world.slack.calls)

        await world.work()
        before = asked()
        world.clock.move(seconds=28)
        await world.work()
        assert asked() == before
        world.clock.move(seconds=3)
        await world.work()
        assert asked() == before + 1
        await approved(world, ref)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        pytest.param("files.info", Fault.status(503), id="no-answer"),
        pytest.param("files.info", Fault.rate_limited(1), id="429-of-a-second"),
        pytest.param("files.info", Fault.error("token_revoked"), id="token-revoked"),
        pytest.param("files.download", Fault.half_answer(), id="half-files"),
    ],
)
async def test_photos_that_slack_does_not_give_in_about_an_hour_end_the_check(
    tmp_path: Path, method: str, fault: Fault
) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        world.slack.fault = lambda asked, _n: fault if asked == method else None
        began = world.clock()
        check = await finish(world, ref, step_seconds=40)
        assert (check.state, check.failure) == ("failed", "slack_away")
        assert check.ended_at is not None
        assert timedelta(minutes=30) < check.ended_at - began < timedelta(hours=2)
        assert world.smile_id.jobs == {}
        (told,) = world.thread()
        assert told.startswith("@amina No result — the photos could not be fetched from Slack")
        assert "We tried for about an hour. Nothing was sent to Smile ID and nothing was charged." in told
        assert len(world.direct(ADMIN)) == 1


async def test_a_photo_whose_length_is_not_what_slack_says_is_never_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        alter(world, lambda _base: {"size": len(SELFIE) + 10})
        check = await finish(world, ref, step_seconds=60)
        assert (check.state, check.failure) == ("failed", "slack_away")
        assert world.smile_id.jobs == {}


async def test_passes_that_never_come_to_an_end_end_the_check_in_words(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=replace(PATIENT, one_pass_seconds=0.1)) as world:
        ref = await world.ask()
        hang = Fault.hang_before(GIVE_UP_SECONDS)
        world.slack.fault = lambda method, _n: hang if method == "files.download" else None
        check = await finish(world, ref, step_seconds=60)
        assert (check.state, check.failure) == ("failed", "fault")
        assert world.smile_id.jobs == {}
        (told,) = world.thread()
        assert told.startswith("@amina No result — a fault of ours stopped this check")
        assert "The admins have been told" in told
        assert len(world.direct(ADMIN)) == 1


async def test_nothing_of_a_photo_is_kept(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await approved(world, await world.ask(liveness=8))
        kept = b"".join(await asyncio.to_thread(_files_in, tmp_path))
        for number in range(8):
            data = (PHOTOS / f"liveness_{number}.jpg").read_bytes()
            assert data[len(data) // 2 :][:64] not in kept
        assert SELFIE[len(SELFIE) // 2 :][:64] not in kept


def _files_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir() if path.is_file()]


@pytest.mark.parametrize("door", ["form", "zip", "table"])
async def test_photos_are_fetched_once_there_is_room_for_all_their_bytes(tmp_path: Path, door: str) -> None:
    async with journey(tmp_path) as world:
        memory = world.bot.submission.memory
        room = memory._forms if door == "form" else memory._files
        await room.take(room.total - len(SELFIE) + 1)
        if door == "form":
            await world.ask()
            working = asyncio.create_task(world.settle())
        else:
            one = person(0)
            inline = {"selfie_base64": base64.b64encode(SELFIE).decode(), **one, "selfie": ""}
            files = {
                "zip": {"all.zip": zip_of({"people.csv": csv_of([one]), **photos(1)})},
                "table": {"people.json": json.dumps([inline]).encode()},
            }
            await drop(world, files[door])
            working = asyncio.create_task(send(world))
        await world.slack.wait_for(lambda: room.waiting == 1)
        assert not world.smile_id.jobs
        room.give_back(1)
        await working
        room.give_back(room.total - len(SELFIE))
        assert (room._free, room.waiting) == (room.total, 0)
        assert world.job().upload_count == 1
