"""Slack's own payloads, from its SDKs' tests and documentation, against the real listeners over signed HTTP."""

import copy
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from slack_bolt.request.async_request import AsyncBoltRequest

import handlers
from bot.sandbox.demo import CHANNEL
from tests.journeys.world import Journey, journey

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).parents[2] / "data" / "slack" / "samples"
EVENTS = sorted(path.name for path in SAMPLES.glob("event_*.json"))
INTERACTIONS = sorted(
    path.name
    for pattern in ("block_actions_*.json", "block_suggestion.json", "shortcut_*.json", "view_submission_file*.json")
    for path in SAMPLES.glob(pattern)
)
ANALYST = "U0AMINA0001"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def signature(body: bytes, *, secret: str = "sandbox-secret", age_seconds: int = 0) -> dict[str, str]:
    timestamp = str(int(time.time()) - age_seconds)
    signed = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={signed}"}


async def send(world: Journey, body: bytes, kind: str, headers: dict[str, str] | None = None) -> httpx.Response:
    headers = {"Content-Type": kind, **(signature(body) if headers is None else headers)}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(world.slack.events_url or "", content=body, headers=headers)


async def send_form(world: Journey, fields: dict[str, str]) -> httpx.Response:
    return await send(world, urlencode(fields).encode(), "application/x-www-form-urlencoded")


async def send_interaction(world: Journey, payload: dict[str, Any]) -> httpx.Response:
    if "response_url" in payload:
        # The only thing changed in a sample: its address is Slack's real one, and nothing here leaves the machine.
        payload = {**payload, "response_url": world.slack.api_url.replace("/api/", "/hooks/actions/T/1/spent")}
    return await send_form(world, {"payload": json.dumps(payload)})


async def send_event(world: Journey, payload: dict[str, Any]) -> httpx.Response:
    return await send(world, json.dumps(payload).encode(), "application/json")


def errors(log_lines: io.StringIO) -> list[str]:
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    return [line["event"] for line in lines if line["level"] in ("error", "critical")]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Journey]:
    async with journey(tmp_path) as found:
        # The samples come from a workspace of this organization.
        found.slack.world.enterprise_id = "E0ACME00001"
        await found.bot.access.refresh()
        found.slack.calls.clear()
        yield found


async def test_a_slash_command_as_slack_sends_it_is_answered(world: Journey, log_lines: io.StringIO) -> None:
    body = sample("slash_command.json")["raw_body"].encode()
    answer = await send(world, body, "application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert answer.json()["response_type"] == "ephemeral"
    assert "I don't know “new”." in answer.json()["text"]
    assert errors(log_lines) == []


async def test_a_slash_command_with_our_word_opens_the_form_or_says_why_not(
    world: Journey, log_lines: io.StringIO
) -> None:
    """The sample's trigger is long spent, so the person gets the button instead."""
    answer = await send_form(world, {**sample("slash_command.json")["parsed"], "text": "check"})
    assert answer.status_code == 200
    assert answer.json()["text"] == "The form timed out. Try again."
    assert answer.json()["blocks"][1]["elements"][0]["value"] == CHANNEL
    assert errors(log_lines) == []


async def test_slacks_check_of_our_certificate_is_answered(world: Journey) -> None:
    body = sample("slash_command_ssl_check.json")["raw_body"].encode()
    for headers in (signature(body), dict[str, str]()):
        answer = await send(world, body, "application/x-www-form-urlencoded", headers)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_slacks_verification_of_our_address_gets_its_challenge_back(world: Journey) -> None:
    answer = await send_event(world, sample("event_url_verification.json"))
    assert (answer.status_code, answer.json()) == (200, {"challenge": "challenge-value-0000"})


UNREADABLE: dict[str, str] = {
    "cut off": '{"type": "event_callback", "event": {"type": "mess',
    "deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "an event that is a word": '{"type": "event_callback", "event": "message"}',
    "an event that is null": '{"type": "event_callback", "event": null}',
    "an event that is missing": '{"type": "event_callback"}',
    "a click with an event": '{"type": "block_actions", "event": null, "actions": [{}]}',
    "authorizations that are words": '{"type": "event_callback", "event": {}, "authorizations": ["x"]}',
    "a person that is a list": '{"type": "block_actions", "user": ["U"], "actions": [{}]}',
    "a click on nothing": '{"type": "block_actions", "user": {"id": "U0AMINA0001"}, "actions": []}',
    "a view that is true": '{"type": "view_submission", "view": true}',
    "blocks without a name": '{"type": "view_submission", "view": {"blocks": [{"type": "input"}]}}',
}


async def test_what_is_signed_and_cannot_be_read_is_a_bad_request(world: Journey, log_lines: io.StringIO) -> None:
    """Whoever has the signing secret, or a Slack that changes, makes no error of ours; and the log says so once."""
    for name, text in UNREADABLE.items():
        assert (await send(world, text.encode(), "application/json")).status_code == 400, name
        assert (await send_form(world, {"payload": text})).status_code == 400, name
    for body in (b"[]", b"7"):
        assert (await send(world, body, "application/json")).status_code == 400, body
    assert errors(log_lines) == []
    assert log_lines.getvalue().count('"unreadable"') == 1
    assert "slack_signature" not in world.bot.health.degraded


@pytest.mark.parametrize("name", EVENTS)
async def test_every_event_is_taken_whether_we_asked_for_it_or_not(
    world: Journey, log_lines: io.StringIO, name: str
) -> None:
    payload = sample(name)
    body = json.dumps(payload).encode()
    again = {"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"}
    for headers in (signature(body), signature(body) | again):
        answer = await send(world, body, "application/json", headers)
        assert answer.status_code == 200, answer.text
    access_lost = name in ("event_app_uninstalled.json", "event_tokens_revoked.json")
    assert errors(log_lines) == (["slack.access_lost"] if access_lost else [])
    assert ("slack" in world.bot.health.degraded) is access_lost
    assert world.slack.messages(CHANNEL) == []


async def test_a_persons_token_that_was_revoked_is_not_ours(world: Journey, log_lines: io.StringIO) -> None:
    payload = sample("event_tokens_revoked.json")
    payload["event"]["tokens"] = {"oauth": ["U0AMINA0001"]}
    assert (await send_event(world, payload)).status_code == 200
    assert errors(log_lines) == []
    assert "slack" not in world.bot.health.degraded


@pytest.mark.parametrize("name", INTERACTIONS)
async def test_every_interaction_is_answered_even_one_meant_for_another_app(
    world: Journey, log_lines: io.StringIO, name: str
) -> None:
    answer = await send_interaction(world, sample(name))
    assert answer.status_code == 200, answer.text
    assert errors(log_lines) == []


async def test_a_view_that_was_closed_is_taken(world: Journey, log_lines: io.StringIO) -> None:
    assert (await send_interaction(world, sample("view_closed.json"))).status_code == 200
    assert errors(log_lines) == []


async def test_a_menu_of_another_version_gets_no_options(world: Journey) -> None:
    answer = await send_interaction(world, sample("block_suggestion.json"))
    assert answer.json() == {"options": []}


async def test_the_global_shortcut_as_slack_sends_it_reaches_its_person(world: Journey, log_lines: io.StringIO) -> None:
    assert (await send_interaction(world, {**sample("shortcut_global.json"), "callback_id": "kyc_check"})).is_success
    await world.answered()
    await world.work()
    await world.slack.wait_for(lambda: bool(world.slack.direct_messages(ANALYST)))
    assert world.direct(ANALYST)[0].startswith("The form timed out.")
    assert errors(log_lines) == []


async def test_a_form_as_slack_submits_it_is_read_however_it_writes_no_file(
    world: Journey, log_lines: io.StringIO
) -> None:
    payload = sample("view_submission_file_input.json")
    payload["view"]["callback_id"] = "kyc_form"
    payload["view"]["private_metadata"] = json.dumps({"channel": CHANNEL, "thread": None})
    for nothing in ({"type": "file_input", "files": []}, {"type": "file_input", "files": None}, {}, None):
        spoiled = copy.deepcopy(payload)
        spoiled["view"]["state"]["values"]["liveness"] = {"v": nothing}
        answer = (await send_interaction(world, spoiled)).json()
        assert answer["response_action"] == "errors"
        inputs = {block["block_id"] for block in payload["view"]["blocks"] if block["type"] == "input"}
        assert set(answer["errors"]) <= inputs
    del payload["view"]["state"]["values"]["selfie"]
    assert (await send_interaction(world, payload)).json()["response_action"] == "errors"
    assert errors(log_lines) == []


async def test_the_payloads_of_socket_mode_are_answered_as_well(world: Journey, log_lines: io.StringIO) -> None:
    app = handlers.bolt(world.bot)
    envelopes = {name: body for name, body in sample("socket_mode.json").items() if name.startswith("envelope_")}
    assert len(envelopes) >= 3
    for name, envelope in envelopes.items():
        request = AsyncBoltRequest(mode="socket_mode", body=envelope["payload"])
        answer = await app.async_dispatch(request)
        assert answer.status == 200, name
    assert errors(log_lines) == []


# Who is not Slack


FORGERIES: dict[str, Callable[[bytes], dict[str, str]]] = {
    "wrong secret": lambda body: signature(body, secret="somebody-elses"),
    "too old": lambda body: signature(body, age_seconds=302),
    "from the future": lambda body: signature(body, age_seconds=-310),
    "another body": lambda body: signature(body + b" "),
    "empty signature": lambda body: {**signature(body), "X-Slack-Signature": ""},
    "a time that is no number": lambda body: {**signature(body), "X-Slack-Request-Timestamp": "yesterday"},
    "a time beyond all time": lambda body: {**signature(body), "X-Slack-Request-Timestamp": "9" * 400},
    "unsigned": lambda _body: {},
}


async def test_what_is_not_signed_by_slack_now_is_turned_away(world: Journey) -> None:
    fields = {**sample("slash_command.json")["parsed"], "text": "list"}
    for forgery, headers in FORGERIES.items():
        for body, kind in (
            (urlencode(fields).encode(), "application/x-www-form-urlencoded"),
            (json.dumps(sample("event_app_uninstalled.json")).encode(), "application/json"),
        ):
            answer = await send(world, body, kind, headers(body))
            assert answer.status_code == 401, forgery
    assert "slack" not in world.bot.health.degraded
    assert world.slack.calls == []


async def test_unsigned_nonsense_is_turned_away_and_never_an_error_of_ours(
    world: Journey, log_lines: io.StringIO
) -> None:
    for body, kind in (
        (b"{", "application/json"),
        (b"null", "application/json"),
        (b"[1]", "application/json"),
        (b"payload=%7B", "application/x-www-form-urlencoded"),
        (b"payload=null", "application/x-www-form-urlencoded"),
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"\xff\xfe\x00", "application/json"),
        (b"", "application/json"),
        (b"{}", "text/plain; charset=nonsense"),
    ):
        assert (await send(world, body, kind, {})).status_code == 401, body
    assert errors(log_lines) == []


async def test_a_body_over_one_mebibyte_is_refused_unread_even_without_its_length(world: Journey) -> None:
    body = b"payload=" + b"x" * (1024 * 1024)
    kind = "application/x-www-form-urlencoded"
    assert (await send(world, body, kind)).status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            world.slack.events_url or "", content=pieces(), headers={"Content-Type": kind, **signature(body)}
        )
    assert answer.status_code == 413
    assert (await send(world, body[: 1024 * 1024 - 8], kind, {})).status_code == 401
