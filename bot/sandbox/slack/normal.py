"""Blocks as Slack gives them back: with the ids and defaults that the sender left out."""

import copy
import secrets
from typing import Any

from bot.sandbox.slack.inputs import VALUE_KEYS, elements

JSON = dict[str, Any]


def normal_blocks(blocks: list[JSON]) -> list[JSON]:
    """A deep copy with every block_id, action_id, `emoji`, `verbatim`, `optional` filled in.

    A block without a block_id gets a fresh one each time: this is how an update loses its value.
    """
    filled: list[JSON] = copy.deepcopy(blocks)
    for block in filled:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        if block["type"] == "input":
            block.setdefault("optional", False)
            block.setdefault("dispatch_action", False)
        for element in elements(block):
            if element["type"] in VALUE_KEYS or element["type"] in {"button", "overflow"}:
                element.setdefault("action_id", secrets.token_urlsafe(4))
    _fill_texts(filled)
    return filled


def normal_text(text: str) -> JSON:
    return {"type": "plain_text", "text": text, "emoji": True}


def _fill_texts(thing: object) -> None:
    if isinstance(thing, list):
        for item in thing:
            _fill_texts(item)
    elif isinstance(thing, dict):
        if thing.get("type") == "plain_text":
            thing.setdefault("emoji", True)
        elif thing.get("type") == "mrkdwn":
            thing.setdefault("verbatim", False)
        for item in thing.values():
            _fill_texts(item)
