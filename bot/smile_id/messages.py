"""Parses a result message strictly and translates it into the bot's own terms."""

import json
from collections.abc import Mapping

from bot.domain.results.codes import ResultCodes
from bot.errors import SmileIDAnswerInvalid
from bot.smile_id.interface import ResultMessage
from bot.smile_id.wire import canonical_hash, parse_message

DEEPEST = 64
"""Levels of JSON that are read; Smile ID's own messages have five or six."""


def message_in(body: Mapping[str, object], codes: ResultCodes) -> ResultMessage:
    """The message in a body, its meaning read from the table of result codes. Raises SmileIDAnswerInvalid."""
    if _is_too_deep(body):
        raise SmileIDAnswerInvalid("result message with too many levels")
    found = parse_message(body)
    reading = codes.read(
        code=found.code, text=found.text, actions=found.actions, said_final=found.is_final, confidence=found.confidence
    )
    return ResultMessage(
        reading=reading,
        job_id=found.job_id,
        smile_job_id=found.smile_job_id,
        authority=found.authority,
        suspects=found.suspects,
        body=body,
        digest=canonical_hash(body),
    )


def find_message(body: Mapping[str, object], codes: ResultCodes) -> ResultMessage | None:
    """The message in a body, if it is one."""
    try:
        return message_in(body, codes)
    except SmileIDAnswerInvalid:
        return None


def json_object(body: bytes) -> dict[str, object] | None:
    """A JSON object that means the same to every parser: no name twice, no NaN, no depth that breaks one."""
    try:
        found = json.loads(body, object_pairs_hook=_each_name_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not _is_too_deep(found) else None


def _each_name_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _is_too_deep(value: object) -> bool:
    # level by level: a recursion would itself be what a deep body breaks
    level = [value]
    for _ in range(DEEPEST):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list)))
        level = [child for children in inner for child in children]
        if not level:
            return False
    return True
