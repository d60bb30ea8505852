"""What the stand-in finds wrong in a zip; such faults end the job with a result, not with an HTTP error."""

import base64
import io
import json
import warnings
import zipfile
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from .smile_id_partner import JPEG, NOW, Stage, files_of, info, set_up, signed, zipped

pytestmark = pytest.mark.anyio

Document = dict[str, Any]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_up() as stage:
        yield stage


async def verdict(stage: Stage) -> tuple[str, str]:
    """Code and text of the result, which must also be the only message that was sent."""
    await stage.all_delivered()
    result = (await stage.result())["result"]
    assert stage.codes == [result["ResultCode"]]
    assert stage.sandbox.jobs["job-1"].story == "unusable_package"
    return result["ResultCode"], result["ResultText"]


def with_entries(*entries: tuple[str, bytes]) -> bytes:
    """A zip with exactly these entries, duplicates included."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


GOOD = tuple(files_of(info()).items())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        zipped(files_of(info()))[:-30],
        with_entries(*GOOD).replace(b"as far as", b"as FAR as"),
        with_entries(*GOOD, ("selfie.jpg", JPEG)),
        with_entries(*GOOD, ("photos/selfie.jpg", JPEG)),
        with_entries(*GOOD, ("../selfie.jpg", JPEG)),
        with_entries(*GOOD, ("..", JPEG)),
        with_entries(*GOOD, ("C:\\selfie.jpg", JPEG)),
        with_entries(("folder/", b""), *GOOD),
    ],
    ids=["empty", "text", "cut", "damaged", "twice", "folder", "upwards", "dots", "drive", "directory"],
)
async def test_a_zip_that_is_not_sound_is_corrupt(stage: Stage, data: bytes) -> None:
    await stage.submit(data=data)
    assert await verdict(stage) == ("0903", "Zip Corrupt")


async def test_other_files_in_the_zip_and_repeated_leftovers_of_the_python_sdk_are_taken(stage: Stage) -> None:
    leftovers = [("base64imgString", b"a"), ("base64imgString", b"b"), ("security_info.json", b"{}")]
    await stage.submit(data=with_entries(*GOOD, *leftovers))
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]


async def test_a_zip_without_info_json_lacks_a_parameter(stage: Stage) -> None:
    await stage.submit(data=zipped({"selfie.jpg": JPEG}))
    assert (await verdict(stage))[0] == "2213"


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff\xfe"])
async def test_an_info_json_that_is_no_object_is_invalid_json(stage: Stage, text: bytes) -> None:
    await stage.submit(data=zipped({"info.json": text, "selfie.jpg": JPEG}))
    assert await verdict(stage) == ("2203", "Error - Invalid JSON")


def without(*path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        *folders, last = path
        for folder in folders:
            document = document[folder]
        del document[last]

    return change


def putting(value: object, *path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


MISSING = "2213"
WRONG = "2204"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without("package_information"), MISSING),
        (without("id_info"), MISSING),
        (without("images"), MISSING),
        (without("id_info", "country"), MISSING),
        (without("id_info", "id_type"), MISSING),
        (without("id_info", "id_number"), MISSING),
        (putting("false", "id_info", "entered"), MISSING),
        (putting([], "images"), MISSING),
        (putting("yes", "id_info", "entered"), WRONG),
        (putting(5, "id_info", "id_number"), WRONG),
        (putting("Nigeria", "id_info", "country"), WRONG),
        (putting("ng", "id_info", "country"), WRONG),
        (putting("NIN", "id_info"), WRONG),
        (putting({}, "images"), WRONG),
        (putting("selfie.jpg", "images", 0), WRONG),
        (putting("0", "images", 0, "image_type_id"), WRONG),
        (putting(12, "images", 0, "image_type_id"), WRONG),
        (putting("x", "misc_information"), WRONG),
        (putting({"partner_params": {"job_id": "job-2"}}, "misc_information"), WRONG),
    ],
)
async def test_an_info_json_is_read_closely(stage: Stage, change: Callable[[Document], None], code: str) -> None:
    document = info()
    change(document)
    await stage.submit(data=zipped(files_of(info()) | {"info.json": json.dumps(document).encode()}))
    assert (await verdict(stage))[0] == code


async def test_the_signature_in_misc_information_is_checked(stage: Stage) -> None:
    misc = {**signed("smile_client_id"), "partner_params": {"job_id": "job-1"}}
    await stage.submit(info() | {"misc_information": misc | {"signature": "wrong"}})
    assert (await verdict(stage))[0] == "2205"


@pytest.mark.parametrize(
    "change",
    [
        {"misc_information": {**signed("smile_client_id", NOW), "partner_params": {"job_id": "job-1"}}},
        {"server_information": "https://files.example/upload"},
        {"server_information": {"upload_url": "https://files.example/upload", "code": 2202}},
    ],
)
async def test_parts_in_which_clients_differ_are_taken(stage: Stage, change: Document) -> None:
    await stage.submit(info() | change)
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]


async def test_entered_may_be_a_boolean(stage: Stage) -> None:
    document = info()
    document["id_info"]["entered"] = True
    await stage.submit(document)
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]


def base64_images(data: bytes, liveness: int = 0) -> list[dict[str, Any]]:
    text = base64.encodebytes(data).decode()
    return [{"image_type_id": kind, "image": text, "file_name": ""} for kind in [2, *[6] * liveness]]


@pytest.mark.parametrize("liveness", [0, 8])
async def test_images_may_stand_in_info_json_as_base64(stage: Stage, liveness: int) -> None:
    await stage.submit(info() | {"images": base64_images(JPEG * 9, liveness)})
    await stage.all_delivered()
    answer = await stage.result()
    expected = "Passed" if liveness else "Not Applicable"
    assert answer["result"]["Actions"]["Liveness_Check"] == expected
    assert (await stage.http.get(answer["image_links"]["selfie_image"])).content == JPEG * 9


async def test_a_png_is_taken(stage: Stage) -> None:
    await stage.submit(data=zipped(files_of(info()) | {"selfie.jpg": b"\x89PNG\r\n\x1a\n..."}))
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]


@pytest.mark.parametrize("count", [1, 6, 7, 9])
async def test_there_are_eight_liveness_images_or_none(stage: Stage, count: int) -> None:
    image = {"image_type_id": 4, "image": "", "file_name": "selfie.jpg"}
    await stage.submit(info() | {"images": [info()["images"][0], *[image] * count]})
    assert await verdict(stage) == ("0001", "Data Invalid")


async def test_a_second_selfie_is_invalid(stage: Stage) -> None:
    await stage.submit(info() | {"images": [info()["images"][0], *base64_images(JPEG)]})
    assert await verdict(stage) == ("0001", "Data Invalid")


@pytest.mark.parametrize(
    ("file", "text"),
    [("selfie.jpg", "Selfie image unusable"), ("liveness_3.jpg", "Data Invalid")],
)
async def test_a_file_that_is_missing_or_no_picture_makes_its_image_unusable(
    stage: Stage, file: str, text: str
) -> None:
    entries = files_of(info())
    await stage.submit(data=zipped(entries | {file: b"GIF89a"}))
    assert await verdict(stage) == ("0001", text)
    stage.received.clear()
    del entries[file]
    await stage.submit(data=zipped(entries), job_id="job-2")
    await stage.sandbox.wait_for(lambda: bool(stage.received))
    assert stage.received[0]["ResultText"] == text


async def test_base64_that_is_none_makes_the_selfie_unusable(stage: Stage) -> None:
    image = {"image_type_id": 2, "image": "data:image/jpeg;base64,/9j/", "file_name": ""}
    await stage.submit(info() | {"images": [image]})
    assert await verdict(stage) == ("0001", "Selfie image unusable")
    assert "error" in (await stage.result())["image_links"]


async def test_an_unreadable_id_card_is_told_as_such(stage: Stage) -> None:
    card = {"image_type_id": 1, "image": "", "file_name": "card.jpg"}
    document = info() | {"images": [*info()["images"], card]}
    await stage.submit(data=zipped(files_of(document) | {"card.jpg": b"PDF"}))
    assert await verdict(stage) == ("0001", "ID Card image unusable")


async def test_a_card_may_stand_in_for_the_id_number_and_then_nothing_is_looked_up(stage: Stage) -> None:
    card = {"image_type_id": 1, "image": "", "file_name": "card.jpg"}
    document = info() | {"images": [*info()["images"], card], "id_info": {"entered": "false"}}
    await stage.submit(document)
    await stage.all_delivered()
    assert stage.codes == ["0810"]
    assert stage.received[0]["Actions"]["Verify_ID_Number"] == "Not Applicable"
