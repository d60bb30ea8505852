"""A signed body is read as Bolt reads it, only faster."""

from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_bolt.async_app import AsyncBoltRequest
from starlette.datastructures import Headers

from handlers import slack_shapes

FORM = Headers({"content-type": "application/x-www-form-urlencoded"})

_PIECES = st.sampled_from(
    ["a", "text", "=", "&", "+", "%", "%20", "%2B", "%26", "%3D", "%25", "%E2%82%AC", "%e2", "%FF", "%zz", "%4", "%00",
     "%0A", "#", " ", "\n", "\t", "\x00", "\x7f", "é", "?", "/", ";", "'", '"', "<", "\\", "@", ":", "[", "{", "|", "^"]
)  # fmt: skip


def read(body: str, headers: Mapping[str, str] = FORM) -> object:
    found = slack_shapes.read(body.encode(), headers)
    return found and found.body


@given(pieces=st.lists(_PIECES, max_size=30))
def test_a_form_of_whatever_characters_has_the_fields_that_bolt_finds(pieces: list[str]) -> None:
    body = "user_id=U1&" + "".join(pieces)
    assert read(body) == AsyncBoltRequest(body=body, headers=dict(FORM)).body


@given(fields=st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=8))
def test_a_form_of_whatever_fields_is_read_as_it_was_sent(fields: dict[str, str]) -> None:
    fields = {**fields, "user_id": "U1"}
    fields.pop("payload", None)
    assert read(urlencode(fields)) in (fields, None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("payload=%7B%22type%22%3A+%22view_submission%22%7D", {"type": "view_submission"}),
        ("payload=", None),
        ("payload=%5B%5D", None),
        ("payload=null", None),
        ("payload=no+json", None),
        ("other=1&payload=%7B%22a%22%3A+%22%2B%23%26%C3%A9%22%7D", {"a": "+#&é"}),
    ],
)
def test_an_interaction_is_its_payload(body: str, expected: object) -> None:
    assert read(body) == expected


def test_an_event_is_read_as_json() -> None:
    assert read('{"type": "x"}', Headers({"content-type": "application/json"})) == {"type": "x"}


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\uDE00 \uD83D\uDE00", "\ufffd \U0001f600"),
        (r"\ud83d\ud83d\ude00\ude00", "\ufffd\U0001f600\ufffd"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\\ud83d\ude00", "\\ud83d\ufffd"),
    ],
)
def test_half_a_character_is_read_as_the_sign_for_one(escaped: str, expected: str, *, form: bool) -> None:
    body = f'{{"text": "{escaped}", "{escaped}": [1.5, null, true]}}'
    found = read(urlencode({"payload": body})) if form else read(body, Headers({"content-type": "application/json"}))
    assert found == {"text": expected, expected: [1.5, None, True]}


def test_json_that_calls_itself_a_form_is_read_as_json() -> None:
    assert read('{"type":"x"}') == {"type": "x"}


def test_a_command_may_speak_of_a_payload() -> None:
    fields = {"command": "/kyc", "text": "find payload", "user_id": "U1"}
    assert read(urlencode(fields)) == fields
