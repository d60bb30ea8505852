"""v1 behind the interface: its steps between two checkpoints, and callbacks however they come."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.results.codes import Outcome, ResultCodes, ResultStory
from bot.errors import Fault, SmileIDAnswerInvalid, SmileIDNotSent, SmileIDRefused
from bot.smile_id.client import V1Client
from bot.smile_id.interface import Accepted, Checkpoint, SmileID
from bot.smile_id.signature import sign
from bot.smile_id.v1 import SmileIDV1
from storage import receipts
from tests.smile_id.loopback import (
    API_KEY,
    NOW,
    PARTNER_ID,
    Loopback,
    Reply,
    Request,
    client_of,
    loopback,
    reply,
    request_of,
)

pytestmark = pytest.mark.anyio

REQUEST = request_of()
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
TAKEN = reply(400, {"error": "Job already exists", "code": "2215"})


class Server:
    """Smile ID and its storage on one port: answers from a list for each kind of call."""

    def __init__(self, **answers: list[Reply]) -> None:
        self.answers = answers
        self.seen: list[str] = []

    def __call__(self, request: Request) -> Reply:
        call = "put" if request.method == "PUT" else request.target.rpartition("/")[2]
        self.seen.append(call + ("+retry" if call == "upload" and request.json().get("retry") else ""))
        return self.answers[call].pop(0)


@asynccontextmanager
async def v1(server: Server) -> AsyncIterator[tuple[SmileID, Loopback]]:
    async with loopback(server) as running, client_of(running.origin) as client:
        yield SmileIDV1(client=client, codes=ResultCodes({})), running


def announced(running: Loopback, number: int) -> dict[str, str]:
    return {"upload_url": f"{running.origin}/zip-{number}", "smile_job_id": f"{number:010}", "code": "2202"}


async def test_a_job_takes_two_steps_and_the_checkpoint_between_them_is_json() -> None:
    server = Server(upload=[], put=[reply(200)])
    async with v1(server) as (smile, running):
        server.answers["upload"].append(reply(200, announced(running, 7)))
        first = await smile.submit(REQUEST, None)
        assert isinstance(first, Checkpoint)
        assert first.smile_job_id == "0000000007"
        assert "zip-7" not in repr(first)
        last = await smile.submit(REQUEST, json.loads(json.dumps(first.state)))
        assert last == Accepted(smile_job_id="0000000007")
    assert server.seen == ["upload", "put"]


async def test_a_job_id_that_is_taken_is_tried_once_more_and_then_left_to_the_caller() -> None:
    server = Server(upload=[TAKEN, TAKEN])
    async with v1(server) as (smile, _running):
        with pytest.raises(SmileIDRefused) as refused:
            await smile.submit(REQUEST, None)
    assert refused.value.fault is Fault.JOB_ID
    assert server.seen == ["upload", "upload+retry"]


async def test_a_dead_url_gives_a_new_checkpoint_in_the_place_of_the_old_one() -> None:
    server = Server(upload=[TAKEN], put=[reply(403, EXPIRED), reply(200)])
    async with v1(server) as (smile, running):
        server.answers["upload"].append(reply(200, announced(running, 7) | {"upload_url": f"{running.origin}/new"}))
        second = await smile.submit(REQUEST, announced(running, 7))
        assert isinstance(second, Checkpoint)
        assert second.state["upload_url"] == f"{running.origin}/new"
        assert isinstance(await smile.submit(REQUEST, second.state), Accepted)
    assert server.seen == ["put", "upload", "upload+retry", "put"]


@pytest.mark.parametrize("damaged", [{}, {"upload_url": ""}, {"smile_job_id": "1", "upload_url": None}])
async def test_nothing_is_sent_from_a_checkpoint_that_cannot_be_read(damaged: Mapping[str, object]) -> None:
    server = Server()
    async with v1(server) as (smile, _running):
        with pytest.raises(SmileIDAnswerInvalid):
            await smile.submit(REQUEST, damaged)
    assert server.seen == []


async def test_a_server_that_is_not_there_leaves_no_doubt() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        with pytest.raises(SmileIDNotSent):
            await SmileIDV1(client=client, codes=ResultCodes({})).submit(REQUEST, None)


# Callbacks

STAMP = "2026-11-22T12:00:00.000Z"
SIGNATURE = sign(partner_id=PARTNER_ID, api_key=API_KEY, timestamp=STAMP)
MESSAGE = {"ResultCode": "0810", "SmileJobID": "0000000007", "PartnerParams": {"job_id": "job-1"}}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def reader() -> SmileID:
    """Reading needs no connection."""
    client = V1Client(
        http=httpx.AsyncClient(trust_env=False),
        base_url="https://smile.example/v1",
        partner_id=PARTNER_ID,
        api_key=API_KEY,
        now=lambda: NOW,
    )
    return SmileIDV1(client=client, codes=ResultCodes({}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Response-Timestamp": STAMP, "Response-Signature": SIGNATURE}, {}),
        ({}, {"timestamp": STAMP, "signature": SIGNATURE}),
        ({"Response-Timestamp": STAMP, "Response-Signature": "x"}, {"timestamp": STAMP, "signature": SIGNATURE}),
    ],
    ids=["headers", "body", "body-behind-wrong-headers"],
)
def test_a_signature_is_taken_from_the_headers_or_the_body(headers: dict[str, str], body: dict[str, str]) -> None:
    delivery = reader().read_callback(json.dumps(MESSAGE | body).encode(), headers)
    assert delivery.signed_at == [datetime(2026, 11, 22, 12, 0, tzinfo=UTC)]
    assert delivery.message is not None
    assert (delivery.message.job_id, delivery.message.smile_job_id) == ("job-1", "0000000007")
    reading = reader().read_message(json.dumps(delivery.message.body)).reading
    assert (reading.outcome, reading.why) == (Outcome.UNKNOWN, ResultStory.UNKNOWN_CODE)


@pytest.mark.slow
@given(
    raw=st.binary(max_size=64) | json_values.map(lambda value: json.dumps(value).encode()),
    timestamp=st.text(max_size=30) | st.just(STAMP),
    signature=st.text(max_size=50),
)
def test_no_callback_is_trusted_without_a_signature_or_makes_the_reader_raise(
    raw: bytes, timestamp: str, signature: str
) -> None:
    delivery = reader().read_callback(raw, {"Response-Timestamp": timestamp, "Response-Signature": signature})
    assert list(delivery.signed_at) == []
    assert delivery.message is None


@pytest.mark.slow
@given(
    code=st.sampled_from(["0810", 810, "", None, "0810\ud800"]),
    body=st.dictionaries(
        st.sampled_from(["PartnerParams", "SmileJobID", "Actions", "FullName", "FullData", "Antifraud", "Document"]),
        json_values
        | st.dictionaries(st.sampled_from(["job_id", "\ud800", "SuspectUsers"]), json_values | st.just("\udfff")),
    ),
)
def test_what_the_door_takes_for_a_message_is_read_as_one_once_kept(code: object, body: dict[str, object]) -> None:
    smile = reader()
    headers = {"Response-Timestamp": STAMP, "Response-Signature": SIGNATURE}
    delivery = smile.read_callback(json.dumps(body | {"ResultCode": code}).encode(), headers)
    if delivery.body is None:
        return  # NaN, which is no JSON
    kept = json.dumps(receipts.without_pictures(delivery.body))
    if delivery.message is None:
        with pytest.raises(SmileIDAnswerInvalid):
            smile.read_message(kept)
        return
    door, message = delivery.message, smile.read_message(kept)
    assert (door.code, door.job_id, door.smile_job_id) == (message.reading.code, message.job_id, message.smile_job_id)
    assert smile.read_message(json.dumps(delivery.body)).digest == door.digest
