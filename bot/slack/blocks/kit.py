"""The Block Kit elements that the bot uses, built within Slack's limits.

Source of the limits: docs.slack.dev/reference/block-kit (2026-11).
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any

from bot.domain.outbox import Message
from bot.slack.blocks import ids
from bot.slack.blocks.text import cut, sentence, spoken

Block = dict[str, Any]
View = dict[str, Any]

TEXT_LENGTH = 3000
OPTION_LENGTH = 75
FIELDS = 10
OVERFLOW = 5
RADIO = 10
EARLY = 150
"""So many characters a notification shows on a phone, and a listener waits for."""


class Style(StrEnum):
    """How a button looks; its text alone says what it does."""

    PLAIN = ""
    PRIMARY = "primary"
    DANGER = "danger"


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": cut(text, TEXT_LENGTH), "verbatim": True}


def plain(text: str, length: int = TEXT_LENGTH) -> Block:
    return {"type": "plain_text", "text": cut(text, length), "emoji": False}


def section(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}


def plain_section(text: str) -> Block:
    return {"type": "section", "text": plain(text)}


def named(block_id: str, block: Block) -> Block:
    return block | {"block_id": block_id}


def context(*texts: Block) -> Block:
    return {"type": "context", "elements": list(texts)}


def small(text: str) -> Block:
    return context(plain(text))


def small_mrkdwn(text: str) -> Block:
    return context(mrkdwn(text))


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, 150)}


def divider() -> Block:
    return {"type": "divider"}


def fields(*texts: Block) -> Block:
    """Two columns, which a screen reader reads row by row; the first ten texts."""
    return {"type": "section", "fields": [_field(text) for text in texts[:FIELDS]]}


def _field(text: Block) -> Block:
    return text | {"text": cut(text["text"], 2000)}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def button(action_id: str, text: str, value: str, *, label: str, style: Style = Style.PLAIN) -> Block:
    """A screen reader reads the `label`, of which Slack takes 75 characters."""
    made: Block = {
        "type": "button",
        "action_id": action_id,
        "text": plain(text, 75),
        "value": value,
        "accessibility_label": cut(label, 75),
    }
    return made | ({"style": style.value} if style else {})


def check_button(
    action_id: str,
    text: str,
    ref: str,
    *,
    value: str | None = None,
    style: Style = Style.PLAIN,
) -> Block:
    """A button for one check; its value is the reference unless another is given."""
    return button(action_id, text, value or ref, label=f"{text}: check {ref}", style=style)


def overflow(action_id: str, options: Sequence[tuple[str, str]]) -> Block:
    """The menu behind ⋯: texts and values, one to five. Nothing dangerous: it opens by a slip, and asks nothing."""
    assert 1 <= len(options) <= OVERFLOW, f"{len(options)} entries"
    return {"type": "overflow", "action_id": action_id, "options": [option(text, value) for text, value in options]}


def details_button(ref: str, action_id: str = ids.DETAILS) -> Block:
    return check_button(action_id, "Details", ref)


def row(text: str, ref: str, action_id: str = ids.DETAILS) -> Block:
    """A check in a list, with *Details* at its right."""
    return section(text) | {"accessory": details_button(ref, action_id)}


def confirmed(element: Block, *, title: str, text: str, confirm: str, deny: str) -> Block:
    """The button, with a dialog that asks before the click counts."""
    dialog = {
        "title": plain(title, 100),
        "text": plain(text, 300),
        "confirm": plain(confirm, 30),
        "deny": plain(deny, 30),
    }
    return element | {"confirm": dialog}


def option(text: str, value: str, description: str = "") -> Block:
    more = {"description": plain(description, OPTION_LENGTH)} if description else {}
    return {"text": plain(text, OPTION_LENGTH), "value": value} | more


def select(
    options: Iterable[tuple[str, str]], *, action_id: str = ids.VALUE, chosen: str | None = None, placeholder: str = ""
) -> Block:
    """A menu of texts and values: the first hundred, as Slack takes no more."""
    offered = [option(text, value) for text, value in options][:100]
    initial = next((one for one in offered if one["value"] == chosen), None)
    return (
        {"type": "static_select", "action_id": action_id, "options": offered}
        | ({"placeholder": plain(placeholder, 150)} if placeholder else {})
        | ({"initial_option": initial} if initial else {})
    )


def checkboxes(*options: Block, ticked: Collection[str] = ()) -> Block:
    initial = [one for one in options if one["value"] in ticked]
    element: Block = {"type": "checkboxes", "action_id": ids.VALUE, "options": list(options)}
    return element | ({"initial_options": initial} if initial else {})


def radio(options: Iterable[tuple[str, str]], *, action_id: str = ids.VALUE, chosen: str | None = None) -> Block:
    """One click instead of a menu's two: texts and values, at most ten."""
    offered = [option(text, value) for text, value in options]
    assert len(offered) <= RADIO, f"{len(offered)} options"
    initial = next((one for one in offered if one["value"] == chosen), None)
    element: Block = {"type": "radio_buttons", "action_id": action_id, "options": offered}
    return element | ({"initial_option": initial} if initial else {})


def radio_of_people(users: Sequence[str]) -> Block:
    """One of these people; alone among the menus, radio buttons show mentions as names."""
    offered = [{"text": mrkdwn(f"<@{user}>"), "value": user} for user in users]
    assert 1 <= len(offered) <= RADIO, f"{len(offered)} people"
    return {"type": "radio_buttons", "action_id": ids.VALUE, "options": offered}


def text_input(max_length: int, *, value: str = "", multiline: bool = False) -> Block:
    return (
        {"type": "plain_text_input", "action_id": ids.VALUE, "max_length": max_length}
        | ({"initial_value": value[:max_length]} if value else {})
        | ({"multiline": True} if multiline else {})
    )


def picker(kind: str, **more: object) -> Block:
    """An element that needs no text of ours: `datepicker`, `users_select` …"""
    return {"type": kind, "action_id": ids.VALUE, **more}


def input_field(
    block_id: str, label: str, element: Block, *, hint: str = "", optional: bool = False, dispatch: bool = False
) -> Block:
    """A field of a form; with `dispatch` Slack sends every change at once."""
    return (
        {"type": "input", "block_id": block_id, "label": plain(label), "element": element}
        | ({"hint": plain(hint)} if hint else {})
        | ({"optional": True} if optional else {})
        | ({"dispatch_action": True} if dispatch else {})
    )


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str | None = None,
    submit: str | None = None,
    close: str = "Cancel",
    metadata: str | None = None,
) -> View:
    return (
        {"type": "modal", "title": plain(title, 24), "close": plain(close, 24), "blocks": list(blocks)}
        | ({"callback_id": callback_id} if callback_id else {})
        | ({"submit": plain(submit, 24)} if submit else {})
        | ({"private_metadata": metadata} if metadata is not None else {})
    )


def told(
    blocks: Sequence[Block],
    *,
    verdict: str,
    ref: str,
    why: str = "",
    next_step: str = "",
    mention: str = "",
    rest: Iterable[str | None] = (),
) -> Message:
    """A message whose `text` suffices by itself, since a screen reader and a notification give nothing else.

    Its first 150 characters hold the verdict (or what happened), the reference and the next step; a reason that is too
    long for that comes after them. Then whom it mentions, and the `rest` of what the blocks say. All texts are mrkdwn.
    """
    of = f" · {ref}" if ref else ""
    opening = f"{verdict} — {why}{of}" if why else f"{verdict}{of}"
    length = len(spoken(f"{sentence(opening)} {next_step}"))
    is_late = bool(why) and length > EARLY
    parts = [f"{verdict}{of}", next_step, why] if is_late else [opening, next_step]
    said = [sentence(part) for part in parts if part]
    said += [mention, *(sentence(part) for part in rest if part)]
    return Message(text=spoken(" ".join(filter(None, said))), blocks=list(blocks))


def text_message(line: str, *more: str) -> Message:
    """A message of one section for each mrkdwn text; its notification reads them in one."""
    return Message(text=spoken(" ".join((line, *more))), blocks=[section(text) for text in (line, *more)])
