"""Block Kit as real controls: what is drawn for each, in a picture and on the page."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.sandbox.page import drawing, marks
from bot.sandbox.page.canvas import Canvas
from bot.sandbox.page.marks import NotDrawn, Reader
from tests.sandbox.slack_setup import button, field, option

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


def _reader(**more: Any) -> Reader:
    given: dict[str, Any] = {
        "people": {"U1": "ada"},
        "channels": {"C1": "kyc"},
        "now": NOW,
        "zone": ZoneInfo("Africa/Lagos"),
    }
    return Reader(**(given | more))


def _live(**more: Any) -> Canvas:
    return Canvas(reader=_reader(is_strict=False), is_live=True, prefix="m-", **more)


def _plain(words: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": words, "emoji": False}


def _strict(thing: Any) -> Any:
    """The same with texts as our bot sends them, which a picture draws."""
    if isinstance(thing, dict):
        return {name: _strict(value) for name, value in thing.items()} | (
            {"emoji": False} if thing.get("type") == "plain_text" else {}
        )
    return [_strict(one) for one in thing] if isinstance(thing, list) else thing


OPTIONS = [option("one"), option("two")]
ELEMENTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "plain_text_input"}, '<input type="text"'),
    ({"type": "plain_text_input", "multiline": True}, "<textarea"),
    ({"type": "email_text_input"}, '<input type="email"'),
    ({"type": "url_text_input"}, '<input type="url"'),
    ({"type": "number_input", "is_decimal_allowed": False}, 'inputmode="decimal"'),
    ({"type": "static_select", "options": OPTIONS}, "<select"),
    ({"type": "multi_static_select", "options": OPTIONS}, 'type="checkbox"'),
    ({"type": "users_select"}, "<select"),
    ({"type": "multi_users_select"}, 'type="checkbox"'),
    ({"type": "conversations_select"}, "<select"),
    ({"type": "multi_conversations_select"}, 'role="group"'),
    ({"type": "channels_select"}, "<select"),
    ({"type": "external_select"}, "<datalist"),
    ({"type": "checkboxes", "options": OPTIONS}, 'type="checkbox"'),
    ({"type": "radio_buttons", "options": OPTIONS}, 'type="radio"'),
    ({"type": "datepicker"}, 'type="date"'),
    ({"type": "timepicker"}, 'type="time"'),
    ({"type": "datetimepicker"}, 'type="datetime-local"'),
    ({"type": "file_input"}, 'type="file"'),
]
NAMES = [element["type"] + str(number) for number, (element, _) in enumerate(ELEMENTS)]


@pytest.mark.parametrize(("element", "control"), ELEMENTS, ids=NAMES)
def test_an_element_is_a_real_control_that_says_what_it_is_for_the_bot(element: dict[str, Any], control: str) -> None:
    block = field("b", element, hint=_plain("a hint"), optional=True)
    drawn = drawing.blocks(_live(errors={"b": "a fault"}), [block])
    assert control in drawn
    assert 'data-block="b" data-action="v"' in drawn
    assert 'aria-describedby="m-c1e m-c1h"' in drawn
    assert 'id="m-c1e">a fault' in drawn
    assert 'id="m-c1h">a hint' in drawn
    assert 'id="m-c1l">B <span class="hint">(optional)' in drawn
    assert 'data-key="b/v"' in drawn


@pytest.mark.parametrize(("element", "control"), ELEMENTS, ids=NAMES)
def test_a_picture_draws_the_same_control(element: dict[str, Any], control: str) -> None:
    drawn = drawing.blocks(Canvas(reader=_reader()), [_strict(field("b", element))])
    assert control in drawn
    assert "Use the sample photos" not in drawn
    assert "data-key" not in drawn


def test_what_is_required_is_said_aloud() -> None:
    drawn = drawing.blocks(_live(), [field("b", {"type": "plain_text_input"})])
    assert 'aria-required="true"' in drawn
    assert "aria-invalid" not in drawn


def test_a_confirmation_is_a_dialog_below_its_block_and_open_in_a_picture_alone() -> None:
    confirm = {name: _plain(name) for name in ("title", "text", "confirm", "deny")}
    blocks = [{"type": "actions", "elements": [_strict(button("go", "Go", "1")) | {"confirm": confirm}]}]
    live, still = drawing.blocks(_live(), blocks), drawing.blocks(Canvas(reader=_reader()), blocks)
    assert 'data-confirm="m-c2"' in live
    assert '<dialog class="confirm" id="m-c2" aria-labelledby="m-c3">' in live
    assert " open>" in still
    assert "after a click on Go" in still
    assert "after a click" not in live


def test_a_menu_of_more_actions_is_pressed_entry_by_entry() -> None:
    menu = {"type": "overflow", "action_id": "of", "options": OPTIONS}
    live = drawing.blocks(_live(), [{"type": "actions", "block_id": "b", "elements": [menu]}])
    assert live.count('data-act="press" data-block="b" data-action="of"') == 2
    assert "<details" in live
    assert "in the menu" not in live


def test_a_picture_of_slacks_is_drawn_for_those_who_may_see_it() -> None:
    block = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "Selfie of <K-1>"}
    seen = drawing.blocks(_live(source=lambda name: f"/files/{name}"), [block])
    assert '<img class="wide" alt="Selfie of &lt;K-1&gt;" src="/files/F1">' in seen
    hidden = drawing.blocks(_live(), [block])
    assert "<img" not in hidden
    assert "Selfie of &lt;K-1&gt;: you do not have access to this file" in hidden
    with pytest.raises(NotDrawn, match="no picture for F1"):
        drawing.blocks(Canvas(reader=_reader()), [block])


def test_what_a_control_holds_goes_before_what_it_begins_with() -> None:
    select = {"type": "static_select", "options": OPTIONS, "initial_option": OPTIONS[0]}
    block = field("b", select)
    assert 'value="one" selected' in drawing.blocks(_live(), [block])
    assert 'value="two" selected' in drawing.blocks(_live(held={("b", "v"): "two"}), [block])
    emptied = drawing.blocks(_live(held={("b", "v"): ""}), [block])
    assert 'value="" selected' in emptied
    with pytest.raises(NotDrawn, match="no option three"):
        drawing.blocks(Canvas(reader=_reader(), typed={"b": "three"}), [_strict(block)])


def test_a_link_of_a_button_opens_beside_the_page() -> None:
    link = _strict(button("go", "Go")) | {"url": "https://example.com/?a=1&b=2"}
    canvas = Canvas(reader=_reader(href=lambda url: url), is_live=True)
    drawn = drawing.blocks(canvas, [{"type": "actions", "elements": [link]}])
    assert 'href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer"' in drawn


def test_a_link_leads_where_the_reader_is_led_and_nowhere_else() -> None:
    there = _reader(href=lambda url: "/as/ada/C1" if "slack.com" in url else None)
    assert marks.mrkdwn("<https://x.slack.com/archives/C1/p1|K-1>", there) == '<a href="/as/ada/C1">K-1</a>'
    assert marks.mrkdwn("<https://example.com|K-1>", there) == "<a>K-1</a>"


def test_somebody_unknown_is_shown_by_their_id_on_the_page() -> None:
    assert marks.mrkdwn("<@U9> <!subteam^S1>", _reader(is_strict=False)) == (
        '<span class="mention">@U9</span> <span class="mention">@S1</span>'
    )
    with pytest.raises(NotDrawn):
        marks.mrkdwn("<@U9>", _reader())


def test_a_block_that_cannot_be_drawn_leaves_the_others_standing() -> None:
    canvas = _live()
    drawn = drawing.blocks(canvas, [{"type": "divider"}, {"type": "video"}, {"type": "divider"}])
    assert drawn.count("<hr>") == 2
    assert canvas.refused == ["no drawing for a video"]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "section", "text": {"type": "mrkdwn"}},
        {"type": "actions", "elements": None},
        {"type": "rich_text", "elements": [{}]},
        {"type": "input", "label": "x"},
        {"type": "image", "alt_text": "x"},
        {},
    ],
)
def test_a_block_of_another_shape_takes_no_other_along(block: dict[str, Any]) -> None:
    drawn = drawing.blocks(_live(), [block, {"type": "divider"}])
    assert "This block is not drawn here" in drawn
    assert drawn.endswith("<hr>")


def test_rich_text_that_people_type_is_drawn() -> None:
    parts = [
        {"type": "text", "text": "a <b>\n", "style": {"bold": True, "strike": True}},
        {"type": "user", "user_id": "U1"},
        {"type": "channel", "channel_id": "C1"},
        {"type": "broadcast", "range": "here"},
        {"type": "link", "url": "https://example.com"},
        {"type": "emoji", "name": "tada"},
    ]
    listed = {"type": "rich_text_list", "elements": [{"type": "rich_text_section", "elements": parts[:1]}]}
    section = {"type": "rich_text_section", "elements": parts}
    drawn = drawing.blocks(_live(), [{"type": "rich_text", "elements": [section, listed]}])
    assert "<s><b>a &lt;b&gt;<br></b></s>" in drawn
    for words in ("@ada", "#kyc", "@here", ">https://example.com</a>", ":tada:", "<ul><li>"):
        assert words in drawn


def test_a_modal_on_another_has_a_way_back() -> None:
    view = {"type": "modal", "title": _plain("T"), "close": _plain("C"), "submit": _plain("S"), "blocks": []}
    above = drawing.modal(_live(), view, is_on_another=True, problem="trouble")
    assert 'aria-label="Back"' in above
    assert '<div class="problem" role="alert">trouble</div>' in above
    assert 'aria-label="Back"' not in drawing.modal(_live(), view)
