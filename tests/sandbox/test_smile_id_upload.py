"""What the stand-in takes and refuses before there is a zip: the upload call, the PUT, job_status."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bot.sandbox.smile_id import SmileIDSandbox

from .smile_id_partner import API_KEY, NOW, PARTNER_ID, Stage, prep_body, set_up, sign, signed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_up() as stage:
        yield stage


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 400
    assert set(response.json()) == {"error", "code"}
    return str(response.json()["code"])


@pytest.mark.parametrize(
    ("partner_id", "timestamp", "expected"),
    [
        ("0421", "2026-11-22T12:00:00.000Z", "+k3d9HLcl64vGTrLpy/BRqUj80OxdFtsoh2j0pPPLwA="),
        ("421", "2026-11-22T12:00:00.000Z", "PFHQt5H8dXTgbRDDRVmBNoRhEZPcQU0mwC0hbkLBaOU="),
        ("421", "2026-11-22T12:00:00+00:00", "gf3O5C5axCoKQ7lj3cVV14pmFNJwDOcE38oCy4v8uok="),
        ("0421", "1763812800000", "oL/hMp8Ez85vdhS9goBF7APkAxa5OQ8i0gq5sGbRLeo="),
    ],
)
async def test_it_signs_as_the_official_sdk_does(partner_id: str, timestamp: str, expected: str) -> None:
    sandbox = SmileIDSandbox(partner_id=partner_id, api_key=API_KEY)
    assert sandbox.sign(timestamp) == expected == sign(timestamp, partner_id)


async def test_an_upload_call_is_answered_with_a_job_and_an_url_like_s3s(stage: Stage) -> None:
    answer = (await stage.prepare()).json()
    url = httpx.URL(answer["upload_url"])
    assert answer["code"] == "2202"
    assert len(answer["smile_job_id"]) == 10
    assert answer["ref_id"].startswith(f"{PARTNER_ID}-{answer['smile_job_id']}-")
    assert url.path == f"/videos/{PARTNER_ID}/{answer['ref_id']}/attachments.zip"
    assert url.params["Content-Type"] == "application/zip"
    assert {"AWSAccessKeyId", "Expires", "Signature", "x-amz-security-token"} <= set(url.params)


@pytest.mark.parametrize(
    "field",
    [
        "smile_client_id",
        "timestamp",
        "signature",
        "partner_params",
        "file_name",
        "source_sdk",
        "source_sdk_version",
    ],
)
async def test_a_required_field_that_is_missing_is_refused(stage: Stage, field: str) -> None:
    body = prep_body()
    del body[field]
    assert refusal(await stage.prepare(body)) == "2213"
    assert not stage.sandbox.jobs


@pytest.mark.parametrize("key", ["job_id", "user_id", "job_type"])
async def test_a_required_partner_param_that_is_empty_is_refused(stage: Stage, key: str) -> None:
    body = prep_body()
    body["partner_params"][key] = ""
    assert refusal(await stage.prepare(body)) == "2213"


@pytest.mark.parametrize(
    "change",
    [
        {"smile_client_id": 421},
        {"timestamp": "yesterday"},
        {"timestamp": ["2026"]},
        {"signature": 5},
        {"partner_params": "job-1"},
        {"partner_params": {"job_id": 5, "user_id": "u", "job_type": 1}},
        {"partner_params": {"job_id": "j", "user_id": "u", "job_type": [1]}},
        {"partner_params": {"job_id": "j", "user_id": "u", "job_type": True}},
        {"callback_url": {"url": "x"}},
        {"retry": "maybe"},
    ],
)
async def test_a_field_of_the_wrong_type_is_refused(stage: Stage, change: dict[str, Any]) -> None:
    assert refusal(await stage.prepare(prep_body() | change)) == "2204"


async def test_a_body_that_is_no_json_object_is_refused(stage: Stage) -> None:
    for raw in (b"", b"{", b"[]", b"\xff"):
        response = await stage.http.post(f"{stage.sandbox.base_url}/upload", content=raw)
        assert refusal(response) == "2203"


@pytest.mark.parametrize(
    "change",
    [
        {"signature": base64.b64encode(b"0" * 32).decode()},
        {"timestamp": "2026-11-22T12:00:00Z"},
        {"smile_client_id": "421"},
        {"signature": sign(NOW, api_key="another key")},
        {"signature": "café"},
    ],
)
async def test_a_wrong_signature_is_refused(stage: Stage, change: dict[str, Any]) -> None:
    assert refusal(await stage.prepare(prep_body() | change)) == "2205"


async def test_another_job_type_is_refused(stage: Stage) -> None:
    body = prep_body()
    body["partner_params"]["job_type"] = 5
    assert refusal(await stage.prepare(body)) == "2212"


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-22T12:00:00.123456+00:00",
        "2026-11-22 12:00:00 +0000",
        "2026-11-22T12:00:00.123Z",
        "2026-11-22T12:00:00+00:00",
        "2026-11-22T12:00:00.123456789Z",
        "1763812800000",
    ],
)
async def test_the_timestamp_of_every_sdk_is_taken_as_it_was_written(stage: Stage, timestamp: str) -> None:
    body = prep_body() | signed("smile_client_id", timestamp)
    assert (await stage.prepare(body)).status_code == 200


async def test_a_timestamp_may_be_a_number(stage: Stage) -> None:
    body = prep_body() | {"timestamp": 1763812800000, "signature": sign("1763812800000")}
    assert (await stage.prepare(body)).status_code == 200


@pytest.mark.parametrize("change", [{"model_parameters": ""}, {"model_parameters": {}}, {"callback_url": None}])
async def test_spellings_in_which_clients_differ_are_taken(stage: Stage, change: dict[str, Any]) -> None:
    body = prep_body() | change
    body["partner_params"]["job_type"] = "1"
    assert (await stage.prepare(body)).status_code == 200


async def test_a_body_without_a_json_content_type_is_read_all_the_same(stage: Stage) -> None:
    body = httpx.Request("POST", "http://x", json=prep_body()).content
    response = await stage.http.post(
        f"{stage.sandbox.base_url}/upload", content=body, headers={"Content-Type": "text/plain"}
    )
    assert response.status_code == 200


async def test_a_job_id_is_taken_once(stage: Stage) -> None:
    await stage.prepare()
    assert refusal(await stage.prepare()) == "2215"


async def test_retry_gives_a_job_without_a_zip_a_new_url_and_its_old_number(stage: Stage) -> None:
    first = (await stage.prepare()).json()
    second = (await stage.prepare(prep_body() | {"retry": True})).json()
    assert second["smile_job_id"] == first["smile_job_id"]
    assert second["upload_url"] != first["upload_url"]
    assert stage.sandbox.jobs["job-1"].prep_count == 2


async def test_retry_is_refused_once_the_zip_has_come_or_for_another_user(stage: Stage) -> None:
    first = (await stage.prepare()).json()
    other = prep_body(user_id="user-2") | {"retry": True}
    assert refusal(await stage.prepare(other)) == "2215"
    await stage.put(first["upload_url"])
    assert refusal(await stage.prepare(prep_body() | {"retry": True})) == "2215"


async def test_an_enrolled_user_is_refused_unless_a_new_enrolment_is_allowed(stage: Stage) -> None:
    await stage.submit()
    await stage.processed()
    assert refusal(await stage.prepare(prep_body("job-2"))) == "2209"
    assert (await stage.prepare(prep_body("job-3", user_id="user-2"))).status_code == 200
    assert (await stage.prepare(prep_body("job-4") | {"allow_new_enroll": True})).status_code == 200


async def test_a_rejected_user_may_try_again(stage: Stage) -> None:
    stage.sandbox.story = "rejected"
    await stage.submit()
    await stage.processed()
    assert (await stage.prepare(prep_body("job-2"))).status_code == 200


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "application/zip; charset=x"])
async def test_a_put_with_another_content_type_is_refused_in_xml(stage: Stage, content_type: str | None) -> None:
    url = (await stage.prepare()).json()["upload_url"]
    headers = {"Content-Type": content_type} if content_type else {}
    response = await stage.http.put(url, content=b"zip", headers=headers)
    assert response.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in response.text
    assert stage.sandbox.jobs["job-1"].upload_count == 0


async def test_a_chunked_put_is_refused(stage: Stage) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"zip"

    url = (await stage.prepare()).json()["upload_url"]
    response = await stage.http.put(url, content=pieces(), headers={"Content-Type": "application/zip"})
    assert response.status_code == 411
    assert "<Code>MissingContentLength</Code>" in response.text


async def test_an_expired_upload_url_is_refused(stage: Stage) -> None:
    url = (await stage.prepare()).json()["upload_url"]
    stage.clock.move(timedelta(minutes=16))
    response = await stage.put(url)
    assert response.status_code == 403
    assert "Request has expired" in response.text


async def test_an_altered_upload_url_is_refused(stage: Stage) -> None:
    url = httpx.URL((await stage.prepare()).json()["upload_url"])
    altered = [
        url.copy_set_param("Expires", "9999999999"),
        url.copy_remove_param("Signature"),
        url.copy_with(path="/videos/0421/0421-0000000001-x/attachments.zip"),
    ]
    assert [(await stage.put(str(one))).status_code for one in altered] == [403, 403, 403]


async def test_a_second_zip_for_a_job_is_taken_and_changes_nothing(stage: Stage) -> None:
    url = (await stage.prepare()).json()["upload_url"]
    await stage.put(url)
    await stage.put(url, b"not a zip")
    await stage.all_delivered()
    assert stage.sandbox.jobs["job-1"].upload_count == 2
    assert stage.codes == ["1012", "0810"]


async def test_job_status_of_a_job_without_a_zip_is_signed_and_says_so(stage: Stage) -> None:
    await stage.prepare()
    answer = await stage.result()
    assert answer["signature"] == sign(answer["timestamp"])
    assert answer["code"] == "2314"
    assert isinstance(answer["result"], str)
    assert not answer["job_complete"]
    assert not answer["job_success"]


async def test_job_status_of_an_unknown_job_or_user_is_an_unsigned_error(stage: Stage) -> None:
    await stage.prepare()
    assert refusal(await stage.status("job-2")) == "2204"
    assert refusal(await stage.status(user_id="user-2")) == "2204"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"partner_id": ""}, "2213"),
        ({"user_id": None}, "2213"),
        ({"job_id": 5}, "2204"),
        ({"history": "yes"}, "2204"),
        ({"signature": "wrong"}, "2205"),
        ({"partner_id": "421"}, "2205"),
    ],
)
async def test_job_status_checks_what_it_is_asked(stage: Stage, change: dict[str, Any], code: str) -> None:
    await stage.prepare()
    assert refusal(await stage.status(**change)) == code


async def test_job_status_gives_history_and_picture_only_when_asked(stage: Stage) -> None:
    await stage.submit()
    await stage.processed()
    asked = await stage.result()
    bare = (await stage.status(history=None, image_links=False)).json()
    picture = await stage.http.get(asked["image_links"]["selfie_image"])
    assert [message["ResultCode"] for message in asked["history"]] == ["0810", "1012"]
    assert picture.content == stage.sandbox.jobs["job-1"].entries["selfie.jpg"]
    assert not {"history", "image_links"} & set(bare)
    stage.clock.move(timedelta(hours=1))
    assert (await stage.http.get(asked["image_links"]["selfie_image"])).status_code == 403


async def test_services_are_open_and_products_are_signed(stage: Stage) -> None:
    url = f"{stage.sandbox.base_url}/products_config"
    services = (await stage.http.get(f"{stage.sandbox.base_url}/services")).json()
    assert "NIN_V2" in services["hosted_web"]["biometric_kyc"]["NG"]["id_types"]
    assert (await stage.http.post(url, json=signed())).status_code == 404
    stage.sandbox.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN"]}}}
    assert (await stage.http.post(url, json=signed())).json() == stage.sandbox.products
    assert refusal(await stage.http.post(url, json=signed() | {"signature": "x"})) == "2205"


async def test_every_request_is_written_down_with_its_answer(stage: Stage) -> None:
    await stage.submit()
    await stage.status()
    await stage.prepare({"smile_client_id": PARTNER_ID})
    seen = [(one.call, one.status, one.acted) for one in stage.sandbox.requests]
    assert seen == [
        ("upload", 200, True),
        ("put", 200, True),
        ("job_status", 200, True),
        ("upload", 400, True),
    ]
    assert stage.sandbox.requests[0].body == prep_body(callback_url=stage.callback_url)
    assert stage.sandbox.requests[1].headers["content-type"] == "application/zip"
