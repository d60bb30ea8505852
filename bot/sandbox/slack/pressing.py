"""What a person can press: finding a button or menu in blocks, and what choosing in it means."""

from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.inputs import VALUE_KEYS, elements, options_of
from bot.sandbox.slack.world import JSON


def find_element(blocks: list[JSON], action_id: str, value: str | None = None) -> tuple[JSON, JSON]:
    """The element that a person means by this action_id or its beginning."""
    everything = [(block, element) for block in blocks for element in elements(block) if "action_id" in element]
    exact = [pair for pair in everything if pair[1]["action_id"] == action_id]
    found = exact or [pair for pair in everything if pair[1]["action_id"].startswith(action_id)]
    fitting = [pair for pair in found if pair[1]["type"] != "button" or value in (None, pair[1].get("value"))]
    offering = [pair for pair in fitting if value in {option["value"] for option in options_of(pair[1])}]
    if not fitting:
        there = ", ".join(pair[1]["action_id"] for pair in everything) or "nothing"
        raise ClientRefuses(f"nothing to press called {action_id}; there is {there}")
    return (offering or fitting)[0]


def chosen_in(element: JSON, value: str | None) -> JSON | None:
    """What a menu holds after `value` was chosen in it; None for a button."""
    kind = element["type"]
    if kind == "button":
        return None
    chosen = next((option for option in options_of(element) if option["value"] == value), None)
    if chosen is None:
        raise ClientRefuses(f"{element['action_id']} does not offer {value}")
    key = VALUE_KEYS.get(kind, "selected_option")
    return {"type": kind, key: [chosen] if key == "selected_options" else chosen}
