"""What the demo's bot adds to the customer's page, and that no other bot has it."""

import json
from typing import Any

from bot.capture.interface import CustomerPage, PageFile
from bot.sandbox.demo.sample_face import PRIVACY, with_sample_face
from bot.sandbox.faces import FRAMES
from tests.handlers.customers import PAGE, Behind, capture


def book(file: PageFile) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.body)
    return read


def demo_page() -> CustomerPage:
    return with_sample_face(capture(Behind())).page


def test_only_the_source_of_pictures_and_the_words_differ_and_the_rest_is_new() -> None:
    there = demo_page().assets
    assert {name for name, file in PAGE.assets.items() if there[name].body != file.body} == {"source.js", "words.json"}
    frames = {f"sample-{number}.jpg" for number in range(FRAMES)}
    assert set(there) - set(PAGE.assets) == {*frames, "sample-selfie.jpg", PRIVACY}
    assert demo_page().document is PAGE.document


def test_the_sample_face_is_offered_in_every_language_and_nothing_else_is_said_otherwise() -> None:
    page, demo = book(PAGE.assets["words.json"]), book(demo_page().assets["words.json"])
    for language, spoken in page["languages"].items():
        there = demo["languages"][language]["words"]
        assert {key for key in there if key not in spoken["words"]} == {"sample_use", "sample_note"}
        assert all(there[key] == words for key, words in spoken["words"].items())
    assert demo["notice"] == page["notice"]


def test_the_page_of_every_other_bot_knows_no_sample() -> None:
    for file in (PAGE.document, *PAGE.assets.values()):
        assert b"sample" not in file.body
