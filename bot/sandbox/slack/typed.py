"""A person's typed words as Slack's client writes them: text with three characters escaped, beside rich text."""

import re
from typing import Any

JSON = dict[str, Any]

_MARKS = re.compile(r"(<(?:[@#!]|tel:|mailto:|https?:)[^<>]*>)")
"""What is in Slack's own form already: mentions, and the links that its client makes of addresses and numbers."""
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt);)")


def typed_text(text: str) -> str:
    """`text` with `&`, `<`, `>` escaped, but for marks like `<@U…>` or `<tel:…|…>` and what is escaped already."""
    parts = _MARKS.split(text)
    return "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))


def typed_blocks(text: str) -> list[JSON]:
    """The same words as rich text, which needs no escaping."""
    parts = [_element(part) for part in _MARKS.split(text) if part]
    if not parts:
        return []
    section = {"type": "rich_text_section", "elements": parts}
    return [{"type": "rich_text", "block_id": "typed", "elements": [section]}]


def _escaped(words: str) -> str:
    return _BARE_AMPERSAND.sub("&amp;", words).replace("<", "&lt;").replace(">", "&gt;")


def _element(part: str) -> JSON:
    if not _MARKS.fullmatch(part):
        return {"type": "text", "text": part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")}
    target, _, label = part[1:-1].partition("|")
    if target.startswith("@"):
        return {"type": "user", "user_id": target[1:]}
    if target.startswith("#"):
        return {"type": "channel", "channel_id": target[1:]}
    if target.startswith("!"):
        return {"type": "broadcast", "range": target[1:]}
    return {"type": "link", "url": target, **({"text": label} if label else {})}
