"""The client against a server that answers well, badly, late or not at all."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bot.errors import (
    Fault,
    SmileIDAnswerInvalid,
    SmileIDError,
    SmileIDNotSent,
    SmileIDRefused,
    SmileIDUnavailable,
    SmileIDUncertain,
    SmileIDUntrusted,
    SmileIDUploadExpired,
)
from bot.smile_id.client import MAX_ANSWER_BYTES, SOURCE_SDK_VERSION, V1Client
from bot.smile_id.signature import sign
from bot.smile_id.wire import parse_status
from tests.smile_id.loopback import (
    API_KEY,
    NOW,
    PARTNER_ID,
    Loopback,
    Reply,
    Request,
    Trouble,
    client_of,
    loopback,
    reply,
    request_of,
)

pytestmark = pytest.mark.anyio

TOKEN = "callback-token-5f2c"
JOB = request_of(
    callback_url=f"https://kyc.example/{TOKEN}",
    id_info={"country": "NG", "id_type": "NIN_V2", "id_number": "12345678901"},
)
STAMP = "2026-11-22T12:00:09.412Z"


def prepared_at(server: Loopback, query: str = "Expires=1&Signature=s3cret") -> dict[str, object]:
    return {
        "upload_url": f"{server.origin}/videos/attachments.zip?{query}",
        "ref_id": "0421-0000000583-x",
        "smile_job_id": "0000000583",
        "camera_config": None,
        "code": "2202",
    }


def signed(body: dict[str, object], *, key: str = API_KEY, timestamp: object = STAMP) -> dict[str, object]:
    pair = sign(partner_id=PARTNER_ID, api_key=key, timestamp=str(timestamp))
    return {"timestamp": timestamp, "signature": pair, **body}


Call = Callable[[V1Client, str], Any]
CALLS: dict[str, Call] = {
    "upload": lambda smile, origin: smile.prepare(JOB),
    "put": lambda smile, origin: smile.send(f"{origin}/x?Signature=s3cret", b"zip" * 500_000),
    "job_status": lambda smile, origin: smile.job_status(user_id="user-9a2", job_id="job-7c1"),
    "services": lambda smile, origin: smile.services(),
    "products": lambda smile, origin: smile.products(),
}
LOST: dict[str, type[SmileIDError]] = {
    "upload": SmileIDUncertain,
    "put": SmileIDUncertain,
    "job_status": SmileIDUnavailable,
    "services": SmileIDUnavailable,
    "products": SmileIDUnavailable,
}
every_call = pytest.mark.parametrize("call", CALLS)


async def failing(
    call: str, answer: Callable[[Request], Reply] | Reply, *, seconds: float = 5.0, call_seconds: float = 10.0
) -> SmileIDError:
    told: list[tuple[str, str]] = []
    async with (
        loopback(answer) as server,
        client_of(server.origin, calls=told, seconds=seconds, call_seconds=call_seconds) as smile,
    ):
        with pytest.raises(SmileIDError) as caught:
            await CALLS[call](smile, server.origin)
    error = caught.value
    secrets = ["s3cret", TOKEN, API_KEY, "12345678901", "127.0.0.1", "://"]
    assert not [secret for secret in secrets if secret in f"{error}{error!r}"]
    assert [name for name, _ in told] == [call]
    assert told[0][1] != "ok"
    return error


async def test_a_cookie_that_an_answer_sets_is_not_sent_back() -> None:
    async with loopback(reply(404, set_cookie="balancer=1; Path=/")) as server, client_of(server.origin) as smile:
        assert await smile.services() is None
        assert await smile.services() is None
    assert len(server.requests) == 2
    assert all("cookie" not in request.headers for request in server.requests)


async def test_a_job_is_prepared_packed_and_sent() -> None:
    told: list[tuple[str, str]] = []

    def answer(request: Request) -> Reply:
        return reply(200, prepared_at(server)) if request.method == "POST" else reply(200)

    async with loopback(answer) as server, client_of(server.origin, calls=told) as smile:
        prepared = await smile.prepare(JOB)
        zipped = smile.package(JOB, prepared)
        await smile.send(prepared.upload_url, zipped)

    post, put = server.requests
    assert (post.method, post.target) == ("POST", "/v1/upload")
    assert post.headers["content-type"] == "application/json"
    pair = {
        "timestamp": "2026-11-22T12:00:00.000Z",
        "signature": "+k3d9HLcl64vGTrLpy/BRqUj80OxdFtsoh2j0pPPLwA=",
    }
    assert post.json() == {
        **pair,
        "smile_client_id": "0421",
        "partner_params": {"job_id": "job-7c1", "user_id": "user-9a2", "job_type": 1},
        "callback_url": f"https://kyc.example/{TOKEN}",
        "source_sdk": "rest_api",
        "source_sdk_version": SOURCE_SDK_VERSION,
        "file_name": "selfie.zip",
        "model_parameters": {},
        "use_enrolled_image": False,
    }
    assert prepared.smile_job_id == "0000000583"
    assert (put.method, put.target) == ("PUT", "/videos/attachments.zip?Expires=1&Signature=s3cret")
    assert put.body == zipped
    with zipfile.ZipFile(io.BytesIO(put.body)) as archive:
        info = json.loads(archive.read("info.json"))
    assert info["server_information"] == prepared.answer == prepared_at(server)
    assert {name: info["misc_information"][name] for name in pair} == pair
    assert told == [("upload", "ok"), ("put", "ok")]


async def test_retry_is_sent_only_when_asked_for() -> None:
    async with (
        loopback(lambda request: reply(200, prepared_at(server))) as server,
        client_of(server.origin) as smile,
    ):
        await smile.prepare(JOB)
        await smile.prepare(JOB, retry=True)
    first, second = (request.json() for request in server.requests)
    assert "retry" not in first
    assert second["retry"] is True


async def test_the_put_has_a_length_and_the_signed_type_and_no_chunks() -> None:
    zipped = b"z" * 1_000_001
    async with loopback(reply(200)) as server, client_of(server.origin) as smile:
        await smile.send(f"{server.origin}/x", zipped)
    (put,) = server.requests
    assert put.headers["content-type"] == "application/zip"
    assert put.headers["content-length"] == "1000001"
    assert "transfer-encoding" not in put.headers
    assert "authorization" not in put.headers
    assert put.body == zipped


async def test_a_presigned_url_arrives_character_by_character() -> None:
    query = (
        "AWSAccessKeyId=ASIA&Content-Type=application/zip&Expires=1763812800&Signature=a%2Bb%2Fc%3D"
        "&x-amz-security-token=FwoG//z%2F%2b+==&x-amz-server-side-encryption=AES256"
    )

    def answer(request: Request) -> Reply:
        return reply(200, prepared_at(server, query)) if request.method == "POST" else reply(200)

    async with loopback(answer) as server, client_of(server.origin) as smile:
        await smile.send((await smile.prepare(JOB)).upload_url, b"zip")
    assert server.requests[1].target == f"/videos/attachments.zip?{query}"


async def test_a_code_may_be_a_number_or_missing_and_the_job_number_too() -> None:
    for code in ({"code": 2202}, {"code": "2202"}, {}):
        body = {"upload_url": "https://s3.example/x", "smile_job_id": 583, **code}
        async with loopback(reply(200, body)) as server, client_of(server.origin) as smile:
            assert (await smile.prepare(JOB)).smile_job_id == "0000000583"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"<html>ok</html>", b'{"upload_url": "https://s3', b"[" * 100_000, b"\xff",
     {"upload_url": "https://s3.example/x", "code": "2202"}, {"smile_job_id": "0000000583", "code": "2202"}],
)  # fmt: skip
async def test_a_success_without_its_content_leaves_the_job_in_doubt(body: object) -> None:
    assert type(await failing("upload", reply(200, body))) is SmileIDUncertain


@pytest.mark.parametrize(
    "url",
    ["http://s3.example/x", "ftp://s3.example/x", "s3.example/x", "https://", "https://10.0.0.1/x", "http://[",
     "https://169.254.169.254/latest", "file:///etc/passwd", "http://localhost.evil.example/x",
     "https://s3.example:99999999/x", "https://s3.example/\x00"],
)  # fmt: skip
async def test_an_upload_url_must_be_https_to_the_outside(url: str) -> None:
    body = {"upload_url": url, "smile_job_id": "0000000583", "code": "2202"}
    assert type(await failing("upload", reply(200, body))) is SmileIDUncertain
    async with client_of("http://127.0.0.1:1") as smile:
        with pytest.raises(SmileIDAnswerInvalid):
            await smile.send(url, b"zip")


async def test_a_real_environment_cannot_point_us_at_this_machine() -> None:
    for url in ("http://127.0.0.1:1/x", "https://127.0.0.1/x", "http://localhost:1/x", "https://[::1]/x"):
        body = {"upload_url": url, "smile_job_id": "0000000583", "code": "2202"}
        transport = httpx.MockTransport(lambda request, body=body: httpx.Response(200, json=body))
        async with client_of("https://testapi.smileidentity.com", transport=transport) as smile:
            with pytest.raises(SmileIDUncertain):
                await smile.prepare(JOB)


@pytest.mark.slow
@pytest.mark.parametrize("base_url", ["http://api.example/v1", "api.example/v1", "", "https:///v1", "http://["])
def test_a_base_url_must_be_https_or_loopback(base_url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        V1Client(
            http=httpx.AsyncClient(), base_url=base_url, partner_id="1", api_key="k", now=lambda: NOW
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("partner_id", "api_key"), [("", "k"), ("1", "")])
def test_a_client_needs_both_credentials(partner_id: str, api_key: str) -> None:
    with pytest.raises(ValueError, match="needs"):
        V1Client(
            http=httpx.AsyncClient(),
            base_url="https://api.example/v1",
            partner_id=partner_id,
            api_key=api_key,
            now=lambda: NOW,
        )


def test_a_client_that_follows_redirects_is_refused() -> None:
    with pytest.raises(ValueError, match="redirects"):
        V1Client(
            http=httpx.AsyncClient(follow_redirects=True),
            base_url="https://api.example/v1",
            partner_id="1",
            api_key="k",
            now=lambda: NOW,
        )


@every_call
async def test_a_refused_connection_was_never_sent(call: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    async with client_of(f"http://127.0.0.1:{port}") as smile:
        with pytest.raises(SmileIDNotSent):
            await CALLS[call](smile, f"http://127.0.0.1:{port}")


@pytest.mark.slow
@every_call
@pytest.mark.parametrize(
    "trouble", [Trouble.SILENCE, Trouble.CLOSE, Trouble.RESET, Trouble.RESET_BEFORE_READING], ids=lambda t: t.name
)
async def test_a_lost_answer_is_uncertain_where_it_matters(call: str, trouble: Trouble) -> None:
    assert type(await failing(call, trouble, seconds=0.2)) is LOST[call]


@every_call
@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{",
        b"HTTP/1.1 400 X\r\ncontent-length: 9\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
        b"\x00\x01 rubbish\r\n\r\n",
    ],
)
async def test_half_an_answer_is_a_lost_answer(call: str, half: bytes) -> None:
    assert type(await failing(call, half)) is LOST[call]


@pytest.mark.slow
@every_call
async def test_a_server_that_drips_for_ever_is_left(call: str) -> None:
    error = await failing(call, Trouble.DRIP, call_seconds=0.2)
    assert type(error) is LOST[call]
    assert "TimeoutError" in str(error)


def _leaves(kind: type[httpx.TransportError]) -> list[type[httpx.TransportError]]:
    below = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return below or [kind]


@every_call
@pytest.mark.parametrize("kind", [httpx.ConnectError, *_leaves(httpx.TransportError)], ids=lambda kind: kind.__name__)
async def test_every_error_of_the_transport_becomes_ours(call: str, kind: type[httpx.TransportError]) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise kind("https://secret.example went wrong", request=request)

    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
    origin = "https://api.example"
    async with client_of(origin, transport=httpx.MockTransport(handle)) as smile:
        with pytest.raises(SmileIDError) as caught:
            await CALLS[call](smile, origin)
    assert type(caught.value) is (SmileIDNotSent if issubclass(kind, never_sent) else LOST[call])
    assert "secret" not in str(caught.value)


@pytest.mark.slow
async def test_waiting_in_vain_for_a_free_connection_was_never_sent() -> None:
    async with (
        loopback(Trouble.SILENCE) as server,
        httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=httpx.Timeout(5.0, pool=0.05)) as http,
    ):
        smile = V1Client(
            http=http,
            base_url=f"{server.origin}/v1",
            partner_id=PARTNER_ID,
            api_key=API_KEY,
            now=lambda: NOW,
        )
        first = asyncio.create_task(smile.services())
        await server.asked.wait()
        with pytest.raises(SmileIDNotSent):
            await smile.prepare(JOB)
        first.cancel()
        await asyncio.wait([first])


@pytest.mark.slow
@every_call
@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
async def test_not_now_is_unavailable(call: str, status: int) -> None:
    error = await failing(call, reply(status, b"<html>busy</html>"))
    assert isinstance(error, SmileIDUnavailable)
    assert (error.code, error.retry_after) == (None, None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("Sun, 22 Nov 2026 12:01:30 GMT", 90.0), ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
     ("Sun, 22 Nov 2026 12:01:30 -0000", 90.0), ("999999999", 86_400.0), ("soon", None), ("-5", None),
     ("1e9", None), ("9" * 400, None), ("", None), ("Sun, 99 Nov 2026 12:01:30 GMT", None)],
)  # fmt: skip
async def test_retry_after_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    for call in ("upload", "put", "job_status"):
        error = await failing(call, reply(429, b"", retry_after=header))
        assert isinstance(error, SmileIDUnavailable)
        assert error.retry_after == seconds


@pytest.mark.slow
@every_call
async def test_an_answer_beyond_the_limit_is_cut_off(call: str) -> None:
    long = reply(200, {**signed({"code": "2302"}), "filler": "x" * MAX_ANSWER_BYTES})
    error = await failing(call, long)
    assert type(error) is (SmileIDUncertain if call in ("upload", "put") else SmileIDAnswerInvalid)


async def test_a_page_in_place_of_the_storages_empty_answer_proves_no_delivery() -> None:
    error = await failing("put", reply(200, b"<html>Sign in to the hotel's network</html>"))
    assert type(error) is SmileIDUncertain


async def test_an_answer_that_was_compressed_unasked_is_not_unpacked() -> None:
    async with loopback(reply(200, b"\x1f\x8b", content_encoding="gzip")) as server:
        async with client_of(server.origin) as smile:
            with pytest.raises(SmileIDAnswerInvalid):
                await smile.services()
        assert server.requests[0].headers["accept-encoding"] == "identity"


S3_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>no</Message><HostId>h</HostId></Error>'


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken")]
)
async def test_a_url_that_is_no_longer_valid_is_told_apart(status: int, code: str) -> None:
    told: list[tuple[str, str]] = []
    answer = reply(status, S3_ERROR.format(code).encode())
    async with loopback(answer) as server, client_of(server.origin, calls=told) as smile:
        with pytest.raises(SmileIDUploadExpired):
            await smile.send(f"{server.origin}/x", b"zip")
    assert told == [("put", "expired")]


@pytest.mark.parametrize(("status", "code"), [(400, "RequestTimeout"), (503, "SlowDown"), (500, "InternalError")])
async def test_a_busy_store_is_unavailable(status: int, code: str) -> None:
    assert isinstance(await failing("put", reply(status, S3_ERROR.format(code).encode())), SmileIDUnavailable)


@pytest.mark.parametrize(
    "body", [b"", S3_ERROR.format("NoSuchBucket").encode(), b'{"code":"2213"}', b"<Code>", b"\xff"]
)
async def test_any_other_refusal_of_the_store_is_the_operators(body: bytes) -> None:
    error = await failing("put", reply(404, body))
    assert isinstance(error, SmileIDRefused)
    assert (error.fault, error.status) == (Fault.OPERATOR, 404)


async def test_a_put_that_is_answered_by_something_else_than_the_store_is_in_doubt() -> None:
    assert type(await failing("put", reply(202))) is SmileIDUncertain
    assert isinstance(await failing("put", reply(307, b"", location="http://127.0.0.1:1/")), SmileIDRefused)


async def test_a_refusal_before_the_zip_is_through_is_heard() -> None:
    refusal = reply(403, S3_ERROR.format("AccessDenied").encode())
    async with loopback(refusal, reads_bodies=False) as server, client_of(server.origin) as smile:
        with pytest.raises(SmileIDUploadExpired):
            await smile.send(f"{server.origin}/x", b"z" * 20_000_000)


async def test_job_status_asks_for_history_and_links() -> None:
    body = signed({"code": "2302", "job_complete": True, "job_success": True, "result": {"ResultCode": "0810"}})
    async with loopback(reply(200, body)) as server, client_of(server.origin) as smile:
        status = await smile.job_status(user_id="user-9a2", job_id="job-7c1")
    (request,) = server.requests
    assert request.target == "/v1/job_status"
    assert request.json() == {
        "timestamp": "2026-11-22T12:00:00.000Z",
        "signature": "+k3d9HLcl64vGTrLpy/BRqUj80OxdFtsoh2j0pPPLwA=",
        "partner_id": "0421",
        "user_id": "user-9a2",
        "job_id": "job-7c1",
        "image_links": True,
        "history": True,
    }
    assert status is not None
    assert (status.code, status.job_complete) == ("2302", True)
    assert status.result == {"ResultCode": "0810"}


async def test_job_status_without_zip() -> None:
    body = signed({"code": 2314, "job_complete": False, "job_success": False, "result": "No zip uploaded yet"})
    async with loopback(reply(200, body)) as server, client_of(server.origin) as smile:
        status = await smile.job_status(user_id="u", job_id="j")
    assert status is not None
    assert (status.no_zip, status.result) == (True, {})


async def test_the_signature_is_checked_over_the_timestamp_as_received() -> None:
    for timestamp in (STAMP, "2026-11-22 12:00:09 +0000", 1763812800000):
        body = signed({"code": "2302", "result": {}}, timestamp=timestamp)
        async with loopback(reply(200, body)) as server, client_of(server.origin) as smile:
            assert await smile.job_status(user_id="u", job_id="j") == parse_status(body)


@pytest.mark.parametrize(
    "body",
    [
        {"code": "2302", "result": {"ResultCode": "0810"}},
        signed({"code": "2302"}, key="another-key"),
        {**signed({"code": "2302"}), "timestamp": "2026-11-22T12:00:09.413Z"},
        {**signed({"code": "2302"}), "signature": None},
        {**signed({"code": "2302"}), "signature": ""},
        {**signed({"code": "2302"}), "timestamp": True},
        signed({"code": "2205"}, key="another-key"),
    ],
)
async def test_a_status_that_smile_id_did_not_sign_is_worth_nothing(body: dict[str, object]) -> None:
    assert type(await failing("job_status", reply(200, body))) is SmileIDUntrusted


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>ok</html>", b"{", signed({"result": {}}), signed({"code": {}})])
async def test_a_status_that_is_not_what_the_api_promises_is_invalid(body: object) -> None:
    assert type(await failing("job_status", reply(200, body))) is SmileIDAnswerInvalid


async def test_services_are_asked_for_without_credentials() -> None:
    body = {"hosted_web": {"biometric_kyc": {"NG": {"id_types": {"BVN": {"label": "BVN"}}}}}}
    async with loopback(reply(200, body)) as server, client_of(server.origin) as smile:
        services = await smile.services()
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/services", b"")
    assert services is not None
    assert services.biometric_kyc["NG"]["BVN"].label == "BVN"


async def test_products_are_this_partners() -> None:
    body = {"idSelection": {"biometric_kyc": {"NG": ["BVN"]}}}
    async with loopback(reply(200, body)) as server, client_of(server.origin) as smile:
        products = await smile.products()
    (request,) = server.requests
    assert request.target == "/v1/products_config"
    assert request.json().keys() == {"partner_id", "timestamp", "signature"}
    assert products is not None
    assert products.enabled == {"NG": frozenset({"BVN"})}


async def test_lists_that_an_environment_does_not_have_are_unknown() -> None:
    async with loopback(reply(404, b"<html>no</html>")) as server, client_of(server.origin) as smile:
        assert await smile.products() is None
        assert await smile.services() is None


@pytest.mark.parametrize("call", ["services", "products"])
async def test_a_list_that_cannot_be_read_is_invalid(call: str) -> None:
    endless = {"idSelection": {}, "hosted_web": {"biometric_kyc": {"NG": {"id_types": {"BVN": {"x": "0" * 2**20}}}}}}
    for body in (b"", b"[]", {"x": 1}, endless):
        assert type(await failing(call, reply(200, body))) is SmileIDAnswerInvalid


async def test_a_callbacks_pair_is_checked_with_our_key() -> None:
    async with client_of("https://api.example") as smile:
        pair = sign(partner_id=PARTNER_ID, api_key=API_KEY, timestamp=STAMP)
        assert smile.is_signed(STAMP, pair)
        assert not smile.is_signed(STAMP, pair.lower())
        assert not smile.is_signed("", "")


async def test_a_client_shows_no_secret() -> None:
    async with client_of("https://api.example") as smile:
        assert API_KEY not in repr(smile)
