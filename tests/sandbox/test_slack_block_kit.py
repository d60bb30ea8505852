"""What the stand-in refuses of Block Kit, by Slack's table of limits."""

from typing import Any

import pytest

from bot.sandbox.slack.block_rules import faults_in_message, faults_in_view
from tests.sandbox.slack_setup import button, field, form, option, plain_text, section

TEXT_INPUT = {"type": "plain_text_input"}


def menu(**more: Any) -> dict[str, Any]:
    return {"type": "static_select", "options": [option("a"), option("b")], **more}


def more(*values: str) -> dict[str, Any]:
    return {"type": "overflow", "action_id": "more", "options": [option(value) for value in values]}


CELL = {"type": "raw_text", "text": "x"}
CONFIRM = {name: plain_text(name) for name in ("title", "text", "confirm", "deny")}


def test_ordinary_messages_and_forms_pass() -> None:
    blocks = [
        {"type": "header", "text": plain_text("Result")},
        section("*Approved*"),
        {"type": "section", "fields": [plain_text("a"), plain_text("b")], "accessory": button("more")},
        {"type": "context", "elements": [plain_text("by amina")]},
        {"type": "actions", "elements": [button("yes"), button("no"), menu(action_id="pick")]},
        {
            "type": "actions",
            "elements": [button("no") | {"style": "danger", "confirm": {**CONFIRM, "style": "danger"}}],
        },
        {"type": "actions", "elements": [button("yes"), more(*"abcde")]},
        {**section("row"), "accessory": more("a")},
        {"type": "divider"},
        {"type": "table", "rows": [[CELL] * 20] * 100, "column_settings": [{"align": "right", "is_wrapped": True}]},
    ]
    assert faults_in_message(blocks) == []
    assert faults_in_view(form()) == []
    assert faults_in_view({"type": "home", "blocks": blocks}) == []
    assert faults_in_view(form(*blocks[:-1])) == []


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        (section("x" * 3001), "/blocks/0/text/text"),
        (section(""), "/blocks/0/text/text"),
        ({"type": "section"}, "/blocks/0"),
        ({"type": "section", "fields": [plain_text("x" * 2001)]}, "/blocks/0/fields/0/text"),
        ({"type": "section", "fields": [plain_text("x")] * 11}, "/blocks/0/fields"),
        ({"type": "header", "text": plain_text("x" * 151)}, "/blocks/0/text/text"),
        ({"type": "context", "elements": [plain_text("x")] * 11}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [button(f"b{n}") for n in range(26)]}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [button("b", "x" * 76)]}, "/blocks/0/elements/0/text/text"),
        ({"type": "actions", "elements": [button("b", value="x" * 2001)]}, "/blocks/0/elements/0/value"),
        ({"type": "actions", "elements": [button("same"), button("same")]}, "/blocks/0/elements/1/action_id"),
        ({"type": "actions", "elements": [{"type": "slider"}]}, "/blocks/0/elements/0/type"),
        ({"type": "actions", "elements": [menu(options=[])]}, "/blocks/0/elements/0/options"),
        (
            {"type": "actions", "elements": [menu(initial_option=option("c"))]},
            "/blocks/0/elements/0",
        ),
        ({"type": "image", "image_url": "https://example.com/a.png"}, "/blocks/0"),
        ({"type": "divider", "text": "x"}, "/blocks/0"),
        ({"type": "alert", "text": plain_text("modals only")}, "/blocks/0/type"),
        ({"type": "marquee"}, "/blocks/0/type"),
        ({"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}}, "/blocks/0/text"),
        ({"type": "divider", "block_id": "x" * 256}, "/blocks/0/block_id"),
        (field("f", {"type": "file_input"}), "/blocks/0/element/type"),
        ({"type": "actions", "elements": [more()]}, "/blocks/0/elements/0/options"),
        ({"type": "actions", "elements": [more(*"abcdef")]}, "/blocks/0/elements/0/options"),
        (
            {"type": "actions", "elements": [menu(options=[option("a") | {"url": "x"}])]},
            "/blocks/0/elements/0/options/0",
        ),
        ({"type": "actions", "elements": [button("b") | {"style": "loud"}]}, "/blocks/0/elements/0/style"),
        (
            {"type": "actions", "elements": [button("b") | {"confirm": {**CONFIRM, "style": "loud"}}]},
            "/blocks/0/elements/0/confirm/style",
        ),
        ({"type": "table", "rows": [[CELL]] * 101}, "/blocks/0/rows"),
        ({"type": "table", "rows": [[CELL] * 21]}, "/blocks/0/rows/0"),
        ({"type": "table", "rows": [[plain_text("x")]]}, "/blocks/0/rows/0/0/type"),
        (
            {"type": "table", "rows": [[CELL]], "column_settings": [{"align": "top"}]},
            "/blocks/0/column_settings/0/align",
        ),
        ({"type": "table", "rows": [[CELL]], "column_settings": [{"width": 3}]}, "/blocks/0/column_settings/0"),
    ],
)
def test_a_block_beyond_the_limits_is_refused_where_it_fails(block: dict[str, Any], pointer: str) -> None:
    faults = faults_in_message([block])
    assert faults
    assert f"[json-pointer:{pointer}]" in " ".join(faults)


@pytest.mark.parametrize(
    ("view", "pointer"),
    [
        (form(title=plain_text("x" * 25)), "/view/title/text"),
        (form(title={"type": "mrkdwn", "text": "KYC"}), "/view/title/type"),
        (form(private_metadata="x" * 3001), "/view/private_metadata"),
        (form(callback_id="x" * 256), "/view/callback_id"),
        (form(submit=None), "/view"),
        (form(*[{"type": "divider"}] * 101), "/view/blocks"),
        (form(field("a", TEXT_INPUT), field("a", TEXT_INPUT)), "/view/blocks/1/block_id"),
        (form({"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}), "/view/blocks/0/type"),
        (form(field("a", {**TEXT_INPUT, "max_length": 3001})), "/view/blocks/0/element/max_length"),
        (form(field("a", TEXT_INPUT, hint={"type": "mrkdwn", "text": "x"})), "/view/blocks/0/hint/type"),
        (form(field("a", {"type": "file_input", "max_files": 11})), "/view/blocks/0/element/max_files"),
        (
            form(field("a", {"type": "datepicker", "initial_date": "1.2.2000"})),
            "/view/blocks/0/element/initial_date",
        ),
        (form(colour="red"), "/view"),
    ],
)
def test_a_view_beyond_the_limits_is_refused_where_it_fails(view: dict[str, Any], pointer: str) -> None:
    assert f"[json-pointer:{pointer}]" in " ".join(faults_in_view(view))


def test_lengths_count_code_points() -> None:
    assert faults_in_message([{"type": "header", "text": plain_text("🦁" * 150)}]) == []
    assert faults_in_message([{"type": "header", "text": plain_text("🦁" * 151)}])


def test_a_message_takes_fifty_blocks() -> None:
    assert faults_in_message([{"type": "divider"}] * 50) == []
    assert faults_in_message([{"type": "divider"}] * 51)


@pytest.mark.parametrize("nonsense", [None, "text", 7, {"type": "section"}, [None], [[]], [{"type": ["x"]}]])
def test_nonsense_is_refused_without_breaking(nonsense: object) -> None:
    assert faults_in_message(nonsense)
