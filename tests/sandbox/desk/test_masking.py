"""What identifies somebody or opens something is not shown; everything else is."""

import json

import pytest

from bot.sandbox.desk.masking import LONGEST_TEXT, MASK, MOST_ENTRIES, Masker, personal_words


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id_number", "00000000000"),
        ("FullName", "OBI ADA"),
        ("DOB", "1990-01-02"),
        ("Photo", "/9j/4AAQ"),
        ("signature", "c2lnbmVk"),
        ("token", "verification"),
        ("trigger_id", "1.2.abc"),
        ("response_url", "http://127.0.0.1/hooks/1"),
        ("find_number", {"value": {"type": "plain_text_input", "value": "00000000000"}}),
    ],
)
def test_fields_about_a_person_and_secrets_are_masked(key: str, value: object) -> None:
    assert Masker().masked({"outer": [{key: value}]}) == {"outer": [{key: MASK}]}


@pytest.mark.parametrize(
    "text",
    [
        "1795814001.236600",
        "K-SXMCMX",
        "U0AMINA0001",
        "71d1f2c5-373a-4553-91a6-f3168ead75f0",
        "<!date^1795814001^{time}|2026-11-27 21:13 UTC>",
        "BVN ending 000",
        "2026-11-27T21:13:21.161436Z",
    ],
)
def test_ids_and_times_are_left(text: str) -> None:
    assert Masker().masked({"text": text}) == {"text": text}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("NG BVN 00000000000 please", f"NG BVN {MASK} please"),
        ("Bearer xoxb-sandbox and xapp-sandbox", f"Bearer {MASK} and {MASK}"),
        (
            "http://127.0.0.1:3000/smile-id/callback/abcdefghijklmnopqrstuvw",
            f"http://127.0.0.1:3000/smile-id/callback/{MASK}",
        ),
        ("http://127.0.0.1:1/videos/a.zip?X-Amz-Signature=abc", f"http://127.0.0.1:1/videos/a.zip?{MASK}"),
        (f"The link alone: http://127.0.0.1:1/c#{'k' * 43}", f"The link alone: http://127.0.0.1:1/{MASK}"),
        ("ws://127.0.0.1:1/link/?ticket=abc", f"ws://127.0.0.1:1/link/?{MASK}"),
    ],
)
def test_numbers_tokens_and_secret_parts_of_addresses_are_masked_in_any_text(text: str, shown: str) -> None:
    assert Masker().text(text) == shown


def test_a_person_known_from_one_body_is_masked_in_every_other() -> None:
    words = personal_words([{"id_info": {"first_name": "Ada", "last_name": "Obi", "country": "NG"}}])
    assert Masker(words).text("Is ADA obi from NG? Adams is not.") == f"Is {MASK} {MASK} from NG? Adams is not."


def test_json_within_json_is_masked_too() -> None:
    body = {"payload": json.dumps({"user": "U1", "token": "secret"}), "note": "{not json}"}
    assert Masker().masked(body) == {"payload": {"user": "U1", "token": MASK}, "note": "{not json}"}


def test_what_is_shown_is_bounded() -> None:
    masked = Masker().masked({"text": "a" * 10_000, "list": list(range(1000)), "bytes": b"abc"})
    assert len(masked["text"]) < LONGEST_TEXT + 40
    assert len(masked["list"]) == MOST_ENTRIES + 1
    assert masked["bytes"] == "3 bytes"
    assert len(Masker().shown({str(n): "a" * 400 for n in range(500)}, longest=1000)) < 1100
