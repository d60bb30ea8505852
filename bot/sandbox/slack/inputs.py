"""The state of a form: what each input element holds, begins with, and keeps when its view changes."""

from collections.abc import Iterable, Iterator
from typing import Any

JSON = dict[str, Any]
Values = dict[tuple[str, str], JSON]
"""What each element holds, by block_id and action_id."""

VALUE_KEYS = {
    "plain_text_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "number_input": "value",
    "rich_text_input": "rich_text_value",
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations",
    "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "file_input": "files",
}
TEXT_INPUTS = {"plain_text_input", "email_text_input", "url_text_input", "number_input"}
_MANY = {"selected_options", "selected_users", "selected_conversations", "selected_channels", "files"}


def elements(block: JSON) -> Iterator[JSON]:
    """Every interactive element of a block, buttons included."""
    match block.get("type"):
        case "input":
            yield block["element"]
        case "section":
            if "accessory" in block:
                yield block["accessory"]
        case "actions" | "context_actions":
            yield from block["elements"]
        case "card":
            yield from block.get("actions", ())
        case _:
            pass


def stateful(blocks: Iterable[JSON]) -> Iterator[tuple[JSON, JSON]]:
    """Each (block, element) that holds a value."""
    for block in blocks:
        for element in elements(block):
            if element.get("type") in VALUE_KEYS:
                yield block, element


def options_of(element: JSON) -> list[JSON]:
    groups = element.get("option_groups", ())
    return [*element.get("options", ()), *(option for group in groups for option in group["options"])]


def beginning(element: JSON, *, current_channel: str | None = None) -> JSON:
    kind = element["type"]
    key = VALUE_KEYS[kind]
    initial = element.get("initial_value" if "value" in key else key.replace("selected_", "initial_"))
    if initial is None and element.get("default_to_current_conversation"):
        initial = current_channel
    if initial is None and key in _MANY:
        initial = []
    return {"type": kind, key: initial}


def carried_over(blocks: list[JSON], earlier: Values, *, current_channel: str | None = None) -> Values:
    """Values for `blocks`: kept where block_id, action_id and type stay, else as the element begins.

    A chosen option that is offered no more is dropped: the client cannot show it.
    """
    values: Values = {}
    for block, element in stateful(blocks):
        place = (block["block_id"], element["action_id"])
        held = earlier.get(place)
        if held is None or held["type"] != element["type"] or not _still_offered(held, element):
            held = beginning(element, current_channel=current_channel)
        values[place] = held
    return values


def as_state(values: Values) -> JSON:
    state: JSON = {}
    for (block_id, action_id), held in values.items():
        state.setdefault(block_id, {})[action_id] = held
    return {"values": state}


def python_value(held: JSON) -> Any:
    """What a person would say they had entered: a text, an option's value, or a list of them."""
    inner = held[VALUE_KEYS[held["type"]]]
    if isinstance(inner, dict) and "value" in inner:
        return inner["value"]
    if isinstance(inner, list):
        return [item["value"] if isinstance(item, dict) and "value" in item else item for item in inner]
    return inner


def is_empty(held: JSON) -> bool:
    return python_value(held) in (None, "", [])


def _still_offered(held: JSON, element: JSON) -> bool:
    offered = {option["value"] for option in options_of(element)}
    if not offered:
        return True
    chosen = python_value(held)
    wanted = chosen if isinstance(chosen, list) else [chosen]
    return all(value is None or value in offered for value in wanted)
