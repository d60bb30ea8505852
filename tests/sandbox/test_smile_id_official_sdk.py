"""The official Python SDK against the stand-in: it must find nothing to complain about."""

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from smile_id_core import Signature, WebApi
from smile_id_core.image_upload import generate_zip_file

from .smile_id_partner import API_KEY, PARTNER_ID, PHOTOS, Stage, set_up

pytestmark = pytest.mark.anyio

ID_INFO = {
    "country": "NG",
    "id_type": "NIN_V2",
    "id_number": "00000000000",
    "first_name": "Ada",
    "last_name": "Obi",
    "entered": "true",
}
FILES = [
    {"image_type_id": 0, "file_name": str(PHOTOS / "selfie.jpg")},
    *({"image_type_id": 4, "file_name": str(PHOTOS / f"liveness_{n}.jpg")} for n in range(8)),
]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_up() as stage:
        yield stage


async def submit(
    stage: Stage, images: list[dict[str, Any]], id_info: dict[str, Any] = ID_INFO, *, wait: bool
) -> dict[str, Any]:
    """One job by the SDK's own client; in a thread, because it blocks."""
    options = {
        "return_job_status": wait,
        "return_history": True,
        "return_images": True,
        "use_enrolled_image": False,
    }
    partner_params = {"job_id": "job-1", "user_id": "user-1", "job_type": 1}
    client = WebApi(PARTNER_ID, stage.callback_url, API_KEY, stage.sandbox.base_url)
    answer: dict[str, Any] = await asyncio.to_thread(client.submit_job, partner_params, images, id_info, options)
    return answer


async def test_it_submits_and_polls_until_the_result(stage: Stage) -> None:
    answer = await submit(stage, FILES, wait=True)
    assert answer["job_complete"] is True
    assert answer["result"]["ResultCode"] == "0810"
    assert len(answer["history"]) == 2
    assert "selfie_image" in answer["image_links"]


async def test_it_submits_without_waiting_and_the_result_comes_by_callback(stage: Stage) -> None:
    answer = await submit(stage, FILES, wait=False)
    assert answer == {"success": True, "smile_job_id": stage.sandbox.jobs["job-1"].smile_job_id}
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]
    message = stage.received[-1]
    assert Signature(PARTNER_ID, API_KEY).confirm_signature(message["timestamp"], message["signature"])
    assert stage.sandbox.jobs["job-1"].entries["selfie.jpg"] == (PHOTOS / "selfie.jpg").read_bytes()


@pytest.mark.filterwarnings("ignore:Duplicate name. 'base64imgString':UserWarning")
async def test_its_base64_images_are_taken_with_all_their_leftovers(stage: Stage) -> None:
    images = [
        {
            "image_type_id": 6 if file["image_type_id"] else 2,
            "image": base64.b64encode((PHOTOS / str(file["file_name"])).read_bytes()).decode(),
        }
        for file in FILES
    ]
    await submit(stage, images, wait=False)
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]
    assert set(stage.sandbox.jobs["job-1"].entries) == {"info.json", "base64imgString"}


async def test_a_job_it_sends_without_any_id_information_ends_for_that_reason(stage: Stage) -> None:
    await submit(stage, FILES, {}, wait=False)
    await stage.all_delivered()
    assert [(message["ResultCode"], message["Actions"]["Verify_ID_Number"]) for message in stage.received] == [
        ("2213", "Not Done")
    ]


async def test_its_zip_is_what_the_tests_say_it_is() -> None:
    signature = {"signature": "s", "timestamp": "t"}
    data = generate_zip_file("421", "", "url", {"job_id": "j"}, FILES, ID_INFO, signature)
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        document = json.loads(archive.read("info.json"))
    assert document["server_information"] == "url"
    assert document["images"][0] == {"image_type_id": 0, "image": "", "file_name": "selfie.jpg"}
