"""Everything the bot can say stands in a picture, drawn as Slack would: held without a browser."""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import CodeType, FrameType
from typing import Any, get_type_hints

import pytest
from PIL import Image

import bot.slack.blocks
from bot.domain.outbox import Message, PostKind
from bot.sandbox.page import drawing, marks
from bot.sandbox.page.canvas import Canvas
from bot.sandbox.page.marks import NotDrawn
from bot.sandbox.slack.block_rules import faults_in_message, faults_in_view
from bot.slack.blocks import command_help, private
from bot.slack.blocks.command_help import HelpPart
from tests.pictures.__main__ import FOLDER, MOST_BYTES, PAGE, page
from tests.pictures.camera import few_colours, file_name
from tests.pictures.customer_page import PAGE_SHOTS
from tests.pictures.demo import SCREENSHOTS
from tests.pictures.people import AMINA, READER
from tests.pictures.scene import Scene
from tests.pictures.scenes import sheets
from tests.pictures.scenes.samples import CHECK_BVN, ENTRY

SHEETS = sheets()
SCENES = [scene for sheet in SHEETS for scene in sheet.scenes]


# Nothing is left out


def test_every_kind_of_post_is_in_a_picture() -> None:
    shown = {kind for sheet in SHEETS for scene in sheet.scenes for kind in scene.kinds}
    lacking = sorted(set(PostKind) - shown)
    assert lacking == [], f"no scene in tests/pictures/scenes shows {', '.join(lacking)}"


@pytest.mark.slow
def test_every_builder_of_messages_and_views_is_at_work_in_a_picture() -> None:
    builders = dict(_builders())
    with _calls() as called:
        for sheet in sheets():
            sheet.html()
    lacking = sorted(name for code, name in builders.items() if code not in called)
    assert lacking == [], f"no scene in tests/pictures/scenes is built by {', '.join(lacking)}"


def _builders() -> Iterator[tuple[CodeType, str]]:
    """Public functions of `bot/slack/blocks` that give a message, a view or a block."""
    for found in pkgutil.iter_modules(bot.slack.blocks.__path__):
        module = importlib.import_module(f"bot.slack.blocks.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            if ours and get_type_hints(function).get("return") in (Message, dict[str, Any]):
                yield function.__code__, f"{module.__name__}.{name}"


@contextmanager
def _calls() -> Iterator[set[CodeType]]:
    """Every function that is called meanwhile; whoever else was listening listens again afterwards."""
    called: set[CodeType] = set()
    before = sys.getprofile()

    def note(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(before)


PHOTOGRAPHED = (*SCREENSHOTS, *PAGE_SHOTS)
WIDTHS = {sheet.name: sheet.width for sheet in SHEETS} | {shot.name: shot.width for shot in PHOTOGRAPHED}


def test_the_page_shows_every_picture_and_no_other() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(SHEETS), "docs/pictures.md is not of these scenes: make pictures"
    assert {path.name for path in FOLDER.iterdir()} == set(map(file_name, WIDTHS))


def test_no_two_sheets_share_a_file_and_no_two_scenes_of_one_a_caption() -> None:
    assert len(WIDTHS) == len(SHEETS) + len(PHOTOGRAPHED)
    for sheet in SHEETS:
        captions = [scene.caption for scene in sheet.scenes]
        assert len(set(captions)) == len(captions), sheet.name


@pytest.mark.slow
def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES
    for name, width in WIDTHS.items():
        with Image.open(FOLDER / file_name(name)) as image:
            assert image.width == width


def test_a_picture_keeps_the_colours_of_its_areas_and_drops_the_shades_between() -> None:
    image = Image.new("RGB", (100, 100), "#1d3557")
    image.paste((255, 255, 255), (0, 0, 100, 60))
    image.paste((42, 157, 143), (0, 60, 20, 80))
    image.putpixel((50, 60), (250, 250, 250))
    kept = {colour for _count, colour in few_colours(image).convert("RGB").getcolors() or ()}
    assert kept == {(29, 53, 87), (255, 255, 255), (42, 157, 143)}


# What is shown is what Slack takes


def test_slack_takes_what_a_scene_shows() -> None:
    faulty = [(scene.caption, fault) for scene in SCENES for fault in _refused_by_slack(scene)]
    assert faulty == []
    assert [scene.caption for scene in SCENES if not scene.html()] == []


def _refused_by_slack(scene: Scene) -> list[str]:
    if isinstance(scene.shows, Message):
        return [*faults_in_message(scene.shows.blocks), *([] if scene.shows.text.strip() else ["no text"])]
    return faults_in_view(scene.shows) if isinstance(scene.shows, dict) else []


def test_every_button_says_aloud_what_it_does() -> None:
    silent = [
        (scene.caption, button["text"]["text"])
        for scene in SCENES
        for button in _buttons(scene.blocks)
        if not button.get("accessibility_label")
    ]
    assert silent == []


_STUMBLE = re.compile(r"(?<![.\d])\.\.(?!\.)|[.,;:][,;]|\.:|\s[.,;]|(<[@#]\w+>) \1|\{\w+\}|\bNone\b|  ")


def test_no_text_stumbles() -> None:
    """Doubled stops and mentions, blanks before stops, values that were not filled in."""
    texts = [text for scene in SCENES for text in _texts(scene.blocks)]
    texts += [scene.shows.text for scene in SCENES if isinstance(scene.shows, Message)]
    # How a date is to be written stands in braces.
    bare = [re.sub(r"<!date[^|]*\|", "<", text) for text in texts]
    assert [text for text in bare if _STUMBLE.search(text)] == []


def _texts(thing: object) -> Iterator[str]:
    if isinstance(thing, dict):
        if thing.get("type") in ("plain_text", "mrkdwn"):
            yield thing["text"]
        for inside in thing.values():
            yield from _texts(inside)
    elif isinstance(thing, list | tuple):
        for inside in thing:
            yield from _texts(inside)


def _buttons(thing: object) -> Iterator[dict[str, Any]]:
    if isinstance(thing, dict):
        if thing.get("type") == "button":
            yield thing
        for inside in thing.values():
            yield from _buttons(inside)
    elif isinstance(thing, list | tuple):
        for inside in thing:
            yield from _buttons(inside)


@pytest.mark.slow
def test_the_same_scenes_give_the_same_pages() -> None:
    assert [sheet.html() for sheet in sheets()] == [sheet.html() for sheet in SHEETS]


# The drawing is strict, and fooled by nobody


def test_what_a_customer_wrote_stays_text() -> None:
    script = '<script>alert("x")</script> & </div><img src=x onerror=alert(1)> *bold* <!channel> <@U0AMINA00001>'
    check = replace(CHECK_BVN, customer_reference=script, id_info={"id_number": "1" * 11, "first_name": script})
    view = private.details(check, ENTRY, [], photo_links=None)
    scene = Scene(caption=script, shows=view, typed={}, errors={})
    drawn = scene.html() + Scene(caption=script, shows=command_help.message(set(HelpPart), unknown=script)).html()
    assert drawn.count("&lt;script&gt;") == 6
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "<b>bold</b>" not in drawn
    assert drawn.count('class="mention"') == 2, "who asked and who confirmed, and nobody whom a customer named"


def test_what_was_typed_and_what_is_wrong_with_it_stay_text() -> None:
    block = {
        "type": "input",
        "block_id": "a",
        "label": {"type": "plain_text", "text": "<b>", "emoji": False},
        "element": {"type": "plain_text_input", "action_id": "b"},
    }
    drawn = drawing.blocks(Canvas(reader=READER, typed={"a": "<i>"}, errors={"a": "<u>"}), [block])
    assert not any(tag in drawn for tag in ("<b>", "<i>", "<u>"))
    assert all(f"&lt;{tag}&gt;" in drawn for tag in "biu")


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("*bold* _leaning_ ~gone~ `code`", "<b>bold</b> <i>leaning</i> <s>gone</s> <code>code</code>"),
        ("a*b*c 2 * 3 * 4 snake_case_name", "a*b*c 2 * 3 * 4 snake_case_name"),
        ("`*not bold*` ```pre\n_pre_```", "<code>*not bold*</code> <pre>pre\n_pre_</pre>"),
        ("*<https://example.com/?a=1|K-7F3K2Q>*", "<b><a>K-7F3K2Q</a></b>"),
        (
            f"<@{AMINA}> <#C0KYC|old-name>",
            '<span class="mention">@amina</span> <span class="mention">#kyc-requests</span>',
        ),
        ("R&amp;D &lt;b&gt; &amp;lt;", "R&amp;D &lt;b&gt; &amp;lt;"),
        ("*\u2060not ours*\u2060", "*\u2060not ours*\u2060"),
        ("&gt; said\nbefore", "<q>said</q><br>before"),
        ("<!date^1795356120^{date_short_pretty} at {time}|2026-11-22 14:02 UTC>", "today at 3:02 PM"),
        ("<!date^1795269720^{date_short_pretty}|x> <!date^1790000000^{date_short_pretty}|x>", "yesterday Sep 21, 2026"),
        ("at 14:02:05 :tada:", 'at 14:02:05 <span class="emoji">:tada:</span>'),
    ],
)
def test_mrkdwn_reads_as_in_slack(text: str, drawn: str) -> None:
    assert marks.mrkdwn(text, READER) == drawn


@pytest.mark.parametrize(
    "text", ["<script>", "a < b", "a > b", "R&D", "<@U0NOBODY0001>", "<#C0NOWHERE>", "<!everybody>", "<javascript:x|y>"]
)
def test_what_slack_would_read_otherwise_than_meant_is_not_drawn(text: str) -> None:
    with pytest.raises(NotDrawn):
        marks.mrkdwn(text, READER)


_PLAIN = {"type": "plain_text", "text": "x", "emoji": False}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "video", "alt_text": "x"},
        {"type": "divider", "colour": "red"},
        {"type": "section", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "section", "text": {"type": "plain_text", "text": "x"}},
        {"type": "section", "text": _PLAIN, "accessory": {"type": "workflow_button", "text": _PLAIN}},
        {"type": "actions", "elements": [{"type": "button", "text": _PLAIN, "icon": "x"}]},
        {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "x"},
    ],
)
def test_a_block_that_no_picture_would_show_is_refused(block: dict[str, Any]) -> None:
    with pytest.raises(NotDrawn):
        drawing.blocks(Canvas(reader=READER), [block])


@pytest.mark.parametrize(
    "canvas", [lambda: Canvas(reader=READER, typed={"a": "x"}), lambda: Canvas(reader=READER, errors={"a": "x"})]
)
def test_text_for_a_missing_field_is_refused(canvas: Callable[[], Canvas]) -> None:
    with pytest.raises(NotDrawn, match="no field a here"):
        drawing.blocks(canvas(), [{"type": "divider"}])
