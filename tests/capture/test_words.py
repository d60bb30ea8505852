"""The words of the capture page: none missing, none for nothing, and a new notice for new words of consent."""

import hashlib
import json
import re
from collections.abc import Iterator

import pytest

from bot.capture.assets import ASSETS, LANGUAGES, NOTICE, PAGE
from bot.domain.check.photo_quality import Flaw

BOOK = json.loads(ASSETS["words.json"].body)
WORDS: dict[str, dict[str, str]] = {code: told["words"] for code, told in BOOK["languages"].items()}
SCRIPTS = {name: asset.body.decode() for name, asset in ASSETS.items() if name.endswith(".js")}
DOCUMENT = PAGE.body.decode()

NOTICES = {"2026-11": "1ec4a6fcaa870b76"}
"""The words of consent in each version of the notice, by digest: none changes once somebody has agreed to it."""


def used() -> Iterator[str]:
    """What the document and the scripts ask for by name."""
    yield from re.findall(r'data-words(?:-label|-alt)?="(\w+)"', DOCUMENT)
    for script in SCRIPTS.values():
        yield from (text for text in re.findall(r'"([a-z]+(?:_[a-z]+)*)"', script) if text in WORDS["en"])


def test_the_page_speaks_four_languages() -> None:
    assert LANGUAGES == ("en", "fr", "pt", "sw")
    assert [told["name"] for told in BOOK["languages"].values()] == ["English", "Français", "Português", "Kiswahili"]
    assert BOOK["to_be_read_by_speakers"] == ["fr", "pt", "sw"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lacks_a_word(language: str) -> None:
    assert list(WORDS[language]) == list(WORDS["en"])
    assert [key for key, text in WORDS[language].items() if not text.strip() or text != text.strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_names_the_same_things_in_each_sentence(language: str) -> None:
    gaps = {key: set(re.findall(r"\{(\w*)\}", text)) for key, text in WORDS["en"].items()}
    assert {key: set(re.findall(r"\{(\w*)\}", text)) for key, text in WORDS[language].items()} == gaps
    assert set().union(*gaps.values()) == {
        "app",
        "browser",
        "company",
        "number",
        "numbers",
        "seconds",
        "total",
        "until",
    }


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_what_reads_the_same_in_two_languages_is_meant_to(language: str) -> None:
    same = {key for key, text in WORDS[language].items() if text == WORDS["en"][key]}
    assert same <= {"flaw_of_selfie", "flaw_of_one", "flaw_of_several", "review_frame"}


def test_every_word_that_the_page_asks_for_is_there() -> None:
    assert set(re.findall(r'data-words(?:-label|-alt)?="(\w+)"', DOCUMENT)) <= set(WORDS["en"])
    # What is said by a script looks like `say($("id"), "key"…)`; tables of keys stand in capital letters.
    for script in SCRIPTS.values():
        asked = re.findall(r'(?:say|describe|words|note|trouble)\((?:[^()"]|\$\("[\w-]+"\))*"(\w+)"', script)
        assert set(asked) <= set(WORDS["en"]) | set(re.findall(r'id="([\w-]+)"', DOCUMENT))


def test_no_word_is_there_for_nothing() -> None:
    assert set(WORDS["en"]) - set(used()) == set()


def test_no_word_stands_in_the_document_but_for_browsers_that_run_no_script() -> None:
    outside = re.sub(r'<p lang="\w+">.*?</p>|<title>.*?</title>|<!doctype html>', "", DOCUMENT)
    assert re.sub(r"<[^>]*>", "", outside).split() == []
    assert re.findall(r'<p lang="(\w+)">', DOCUMENT) == [*LANGUAGES, *LANGUAGES]
    assert f"<title>{WORDS['en']['title']}</title>" in DOCUMENT


def test_every_flaw_of_the_preflight_has_its_words() -> None:
    assert dict(re.findall(r'(\w+): "(flaw_\w+)"', SCRIPTS["sending.js"])) == {flaw: f"flaw_{flaw}" for flaw in Flaw}


def test_new_words_of_consent_have_a_new_version_of_the_notice() -> None:
    said = {
        code: {key: text for key, text in words.items() if key.startswith("consent_")} for code, words in WORDS.items()
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    assert NOTICES[NOTICE] == digest
    assert list(NOTICES)[-1] == NOTICE
