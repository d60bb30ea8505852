"""What is served of the capture page: all of it, nothing beside it, and nothing that its policy would refuse."""

import re
from importlib import resources
from pathlib import Path

import pytest

from bot.capture.assets import ASSETS, NOTICE, PAGE

TEXTS = {name: asset.body.decode() for name, asset in {**ASSETS, PAGE.name: PAGE}.items()}
MOST_BYTES = 110_000
"""Of the whole page, uncompressed: some four seconds on a slow phone network."""


def test_the_list_is_what_lies_in_the_package() -> None:
    folder = resources.files("bot.capture") / "page"
    assert {file.name for file in folder.iterdir()} == {*ASSETS, PAGE.name}


@pytest.mark.parametrize(
    "name", ["../assets.py", "..", "", ".", "index.html", "/etc/passwd", "style.css/../app.js", "APP.JS"]
)
def test_no_name_leads_out_of_the_list(name: str) -> None:
    assert ASSETS.get(name) is None


def test_each_file_has_the_type_of_what_it_is() -> None:
    types = {name.rpartition(".")[2]: asset.content_type for name, asset in ASSETS.items()}
    assert types == {
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "json": "application/json",
    }
    assert PAGE.content_type == "text/html; charset=utf-8"


def test_the_document_asks_for_what_is_served_and_for_every_script_at_once() -> None:
    asked = set(re.findall(r'(?:src|href)="c/([\w.]+)"', TEXTS[PAGE.name]))
    assert asked == {name for name in ASSETS if name != "words.json"}
    for name, text in TEXTS.items():
        assert set(re.findall(r'from "\./([\w.]+)"', text)) <= set(ASSETS), name


def test_nothing_of_the_page_lies_at_another_host() -> None:
    # The one address is how SVG tells itself apart, and the pattern of a link to the privacy notice.
    for name, text in TEXTS.items():
        if name != "words.json":
            assert re.findall(r"https?://\w", text) == [], name
    assert not re.search(r"url\(|@import|@font-face", TEXTS["style.css"])


def test_nothing_is_written_that_the_policy_refuses() -> None:
    """No script or style within the document, and none of the ways by which text becomes code."""
    assert not re.search(r"<style|style=|\son\w+=|javascript:|<base|<form|<iframe", TEXTS[PAGE.name])
    assert re.findall(r"<script[^>]*>(.*?)</script>", TEXTS[PAGE.name], re.DOTALL) == [""]
    made = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|setTimeout\(\s*[\"'`]|import\("
    )
    assert [name for name, text in TEXTS.items() if made.search(text)] == []


def test_nothing_that_was_received_names_a_property_that_is_set() -> None:
    """Else `__proto__` could: numbers of pixels are keys here, and names of ours."""
    set_by_key = re.compile(r"\w\[([^\]]+)\] = ")
    keys = {(name, key) for name, text in TEXTS.items() if name.endswith(".js") for key in set_by_key.findall(text)}
    assert keys == {("light.js", "at"), ("light.js", "next"), ("link.js", "name")}
    kept = {word for text in TEXTS.values() for word in re.findall(r"\bkeep\(([^,]+),", text)} - {"name"}
    assert all(re.fullmatch(r'[A-Z]+|"kyc-\w+"', word) for word in kept)
    assert [name for name, text in TEXTS.items() if "Object.assign(" in text or "__proto__" in text] == ["words.js"]


def test_only_the_link_and_the_device_and_choices_are_stored_by_the_browser() -> None:
    stores = re.compile(r"localStorage|indexedDB|document\.cookie|caches\.|serviceWorker|sessionStorage")
    assert [name for name, text in TEXTS.items() if stores.search(text)] == ["link.js"]
    assert not re.search("localStorage|indexedDB|cookie|caches", TEXTS["link.js"])


def test_scripts_tell_the_console_nothing() -> None:
    assert [name for name, text in TEXTS.items() if "console." in text] == []


def test_the_whole_page_is_small() -> None:
    assert sum(len(text.encode()) for text in TEXTS.values()) < MOST_BYTES


def test_the_notice_has_a_version() -> None:
    assert re.fullmatch(r"\d{4}-\d\d(\.\d+)?", NOTICE)


def test_the_page_is_packed_with_the_bot() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'bot = ["capture/page/*",' in project
