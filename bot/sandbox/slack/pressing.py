"""What a person can press: finding a button or menu in blocks, and what choosing in it means."""

from collections.abc import Sequence

from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.inputs import VALUE_KEYS, elements, options_of
from bot.sandbox.slack.world import JSON

Chosen = str | Sequence[str] | None
"""The value of a button, the value or text of an option, those of several options, an id, or a date."""
_FREE = frozenset({"selected_date", "selected_time", "selected_user", "selected_conversation", "selected_channel"})
"""What is chosen without an option."""


def find_element(
    blocks: list[JSON], action_id: str, value: Chosen = None, *, block_id: str | None = None
) -> tuple[JSON, JSON]:
    """The element that a person means by this action_id or its beginning, in this block where it is told."""
    everything = [(block, element) for block in blocks for element in elements(block) if "action_id" in element]
    near = [pair for pair in everything if block_id in (None, pair[0].get("block_id"))]
    exact = [pair for pair in near if pair[1]["action_id"] == action_id]
    found = exact or [pair for pair in near if pair[1]["action_id"].startswith(action_id)]
    fitting = [pair for pair in found if pair[1]["type"] != "button" or value in (None, pair[1].get("value"))]
    offering = [pair for pair in fitting if set(_several(value)) <= _entries(pair[1]).keys()]
    if not fitting:
        there = ", ".join(pair[1]["action_id"] for pair in everything) or "nothing"
        raise ClientRefuses(f"nothing to press called {action_id}; there is {there}")
    return (offering or fitting)[0]


def chosen_in(element: JSON, value: Chosen) -> JSON | None:
    """What a menu holds after `value` was chosen in it; None for a button."""
    kind = element["type"]
    if kind == "button":
        return None
    key = VALUE_KEYS.get(kind, "selected_option")
    if key in _FREE:
        return {"type": kind, key: value}
    offered = _entries(element)
    wanted = _several(value)
    if not set(wanted) <= offered.keys():
        raise ClientRefuses(f"{element['action_id']} does not offer {value}")
    chosen = [offered[one] for one in wanted]
    return {"type": kind, key: chosen if key == "selected_options" else chosen[0]}


def _entries(element: JSON) -> dict[str | None, JSON]:
    """What a menu offers, by what a person reads and by value."""
    options = options_of(element)
    return {option["text"]["text"]: option for option in options} | {option["value"]: option for option in options}


def _several(value: Chosen) -> Sequence[str | None]:
    return [value] if value is None or isinstance(value, str) else value
