"""A code and its facts as one text, for a column that people are told from later; older rows hold whole sentences."""

import json
from collections.abc import Mapping
from enum import StrEnum

_MARK = '{"code":'


def kept(code: StrEnum, facts: Mapping[str, object]) -> str:
    return json.dumps({"code": code.value, **facts}, separators=(",", ":"))


def unkept(text: str) -> tuple[str, dict[str, object]] | None:
    """The code and its facts; None for a sentence that an older version of the bot wrote."""
    if not text.startswith(_MARK):
        return None
    facts = json.loads(text)
    return str(facts.pop("code")), facts
