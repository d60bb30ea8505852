"""Slack's refusals of Block Kit, part one: the table of limits, texts, and the tool that collects faults.

Each fault carries the JSON pointer that Slack would name. Lengths count Unicode code points.
"""

import json
from importlib.resources import files
from typing import Any

JSON = dict[str, Any]

TABLE: JSON = json.loads((files("bot.sandbox.slack") / "data" / "block-kit-limits.json").read_text("utf-8"))
LIMITS: JSON = TABLE["limits"]
BLOCKS_BY_SURFACE: dict[str, list[str]] = TABLE["block_types_by_surface"]


class Check:
    """One look at one message or view."""

    def __init__(self, surface: str) -> None:
        self.surface = surface
        self.errors: list[str] = []
        self.focused = 0

    def refuse(self, at: str, why: str) -> None:
        self.errors.append(f"{why} [json-pointer:{at}]")

    def is_object(self, value: object, at: str) -> bool:
        if isinstance(value, dict):
            return True
        self.refuse(at, "must provide an object")
        return False

    def keys(self, thing: JSON, at: str, *, allowed: str, required: str = "") -> bool:
        """Both lists are words in a string. True when nothing required is missing."""
        known = {"type", *allowed.split(), *required.split()}
        for key in thing:
            if key not in known:
                self.refuse(at, f"invalid additional property: {key}")
        missing = [key for key in required.split() if thing.get(key) is None]
        for key in missing:
            self.refuse(at, f"missing required field: {key}")
        return not missing

    def string(self, value: object, at: str, limit: JSON) -> None:
        if value is None:
            return
        if not isinstance(value, str):
            self.refuse(at, "must be a string")
        elif len(value) > limit.get("max_length", len(value)):
            self.refuse(at, f"must be less than {limit['max_length'] + 1} characters")
        elif len(value) < limit.get("min_length", 0):
            self.refuse(at, f"must be more than {limit['min_length'] - 1} characters")

    def text(self, value: object, at: str, limit: JSON | None = None, *, plain: bool = False) -> None:
        """A text object; `plain` where Slack takes nothing but plain_text."""
        if value is None or not self.is_object(value, at):
            return
        assert isinstance(value, dict)
        kinds = ["plain_text"] if plain else ["plain_text", "mrkdwn"]
        if value.get("type") not in kinds:
            self.refuse(f"{at}/type", f"must be one of {kinds}")
            return
        extra = "emoji" if value["type"] == "plain_text" else "verbatim"
        if self.keys(value, at, allowed=f"text {extra}", required="text"):
            self.string(value["text"], f"{at}/text", {**LIMITS["text"], **(limit or {})})

    def items(self, value: object, at: str, limit: JSON) -> list[Any]:
        """The items of a list that may be looked at one by one; empty when it is no list."""
        if not isinstance(value, list):
            self.refuse(at, "must provide a list")
            return []
        if len(value) > limit.get("max_items", len(value)):
            self.refuse(at, f"no more than {limit['max_items']} items allowed")
        if len(value) < limit.get("min_items", 0):
            self.refuse(at, f"no fewer than {limit['min_items']} items allowed")
        return value

    def number(self, value: object, at: str, limit: JSON) -> None:
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(at, "must be an integer")
        elif not limit.get("min", value) <= value <= limit.get("max", value):
            self.refuse(at, f"must be between {limit.get('min')} and {limit.get('max')}")
