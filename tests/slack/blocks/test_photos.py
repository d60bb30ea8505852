"""Faces stand in one view alone, and their descriptions name nobody."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.check import CUSTOMER, PhotosBy
from bot.domain.outbox import Message
from bot.slack.blocks import ids, photos
from bot.slack.blocks.photos import Missing, ShownPhoto
from tests.pictures.scenes import sheets
from tests.slack.blocks.samples import AMINA, CHECK, REF, REMI, bvn

ROOT = Path(__file__).parents[3]
CHART = "summary_picture"
"""The block of the managers' chart, which shows nobody."""


def _images(thing: object) -> Iterator[dict[str, Any]]:
    if isinstance(thing, dict):
        if thing.get("type") == "image" or "slack_file" in thing or "image_url" in thing:
            yield thing
        for inside in thing.values():
            yield from _images(inside)
    elif isinstance(thing, list | tuple):
        for inside in thing:
            yield from _images(inside)


@pytest.mark.slow
def test_no_other_message_or_view_shows_a_picture_of_anybody() -> None:
    """Every builder is at work in some scene: tests/test_pictures.py sees to it."""
    found: list[tuple[str, str]] = []
    for sheet in sheets():
        for scene in sheet.scenes:
            is_page = isinstance(scene.shows, dict) and scene.shows.get("callback_id") == ids.PHOTOS_VIEW
            shown = [image for image in _images(list(scene.blocks)) if image.get("block_id") != CHART]
            found += [(sheet.name, scene.caption)] if shown and not is_page else []
    assert found == []
    assert any(_images(list(scene.blocks)) for sheet in sheets() for scene in sheet.scenes if sheet.name == "photos")


def test_no_other_module_makes_an_image_of_a_file() -> None:
    """Also of what no scene shows."""
    making = re.compile(r"""["'](slack_file|image_url)["']|["']type["']:\s*["']image["']""")
    makers = {
        path.relative_to(ROOT).as_posix()
        for room in ("bot", "handlers")
        for path in (ROOT / room).rglob("*.py")
        if "sandbox" not in path.parts and making.search(path.read_text(encoding="utf-8"))
    }
    assert makers - {"bot/slack/blocks/summary.py"} == {"bot/slack/blocks/photos.py"}


def test_of_photos_that_the_customer_took_nobody_is_asked_for_any() -> None:
    view = photos.photos(replace(CHECK, photos_by=PhotosBy.LINK, consent_by=CUSTOMER), bvn(), [])
    assert photos.TAKEN_BY_LINK in str(view)
    assert ids.PHOTOS_ASK not in str(view)


def test_a_picture_is_described_without_a_name() -> None:
    check = replace(CHECK, id_info={"first_name": "Adaobi", "id_number": "22212345678"})
    photo = ShownPhoto(name="Selfie", file_id="F1", link="https://files.example/F1/Adaobi.jpg")
    view = photos.photos(check, bvn(), [photo])
    (image,) = (block for block in view["blocks"] if block["type"] == "image")
    assert image["alt_text"] == f"Selfie of check {REF}"
    assert "Adaobi" not in str(view)


@pytest.mark.parametrize("link", ["", "javascript:alert(1)", "https://files.example/<!channel>", "https://a b"])
def test_an_address_that_slack_would_misread_is_no_link(link: str) -> None:
    photo = ShownPhoto(name="Selfie", file_id="F1", link=link)
    shown = str(photos.photos(CHECK, bvn(), [photo], as_links=True)["blocks"])
    assert "Selfie*: no longer in Slack" in shown
    assert not link or link not in shown


def test_every_reason_for_a_missing_photo_has_its_words() -> None:
    for missing in Missing:
        photo = ShownPhoto(name="Selfie", file_id="F1", missing=missing)
        assert f"*Selfie*: {photos._MISSING[missing]}" in str(photos.photos(CHECK, bvn(), [photo])["blocks"])


@pytest.mark.parametrize(
    ("images", "named"),
    [(0, "the selfie of"), (1, "the selfie and the liveness image of"), (8, "the 8 liveness images")],
)
def test_the_requester_reads_which_photos_are_meant(images: int, named: str) -> None:
    said: Message = photos.request(replace(CHECK, liveness_images=images), by=REMI, is_direct=False)
    assert named in said.text
    assert said.text.startswith(f"Photos needed in this thread · {REF}.")
    assert f" <@{AMINA}> " in said.text
    assert said.blocks[0]["text"]["text"].startswith(f"<@{AMINA}> *Photos needed")
