"""What the app's manifest offers people: its command and its shortcuts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OURS = Path(__file__).parents[3] / "app_manifest.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    callback_id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    name: str
    """With its slash."""
    description: str
    words: tuple[str, ...]
    """What may follow, as its usage hint lists it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    bot_name: str
    """What people call the bot by where they mention it, without the `@`."""
    commands: tuple[Command, ...]
    global_shortcuts: tuple[Shortcut, ...]
    message_shortcuts: tuple[Shortcut, ...]


def read_manifest(path: Path = OURS) -> Manifest:
    features: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["features"]
    shortcuts = features.get("shortcuts", ())
    return Manifest(
        bot_name=features["bot_user"]["display_name"],
        commands=tuple(
            Command(name=given["command"], description=given["description"], words=_words(given.get("usage_hint", "")))
            for given in features.get("slash_commands", ())
        ),
        global_shortcuts=tuple(_shortcut(given) for given in shortcuts if given["type"] == "global"),
        message_shortcuts=tuple(_shortcut(given) for given in shortcuts if given["type"] == "message"),
    )


def _shortcut(given: Mapping[str, Any]) -> Shortcut:
    return Shortcut(callback_id=given["callback_id"], name=given["name"], description=given["description"])


def _words(usage_hint: str) -> tuple[str, ...]:
    """`[check | status K-…]` as its alternatives."""
    return tuple(word.strip() for word in usage_hint.strip("[]").split("|") if word.strip())
