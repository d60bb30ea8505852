"""A message of Smile ID on its way in: read strictly, recognised, and said whose it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.domain.attempt import Attempt
from bot.errors import SmileIDAnswerInvalid
from bot.smile_id.wire import Message, canonical_hash, parse_message

DEEPEST = 64
"""Levels of JSON that are read; Smile ID's own messages have five or six."""
_LINKS = frozenset({"ImageLinks", "image_links"})
"""Signed anew at every asking: no part of what a message says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message as it came, with what it is known by."""

    body: Mapping[str, object] = field(repr=False)
    message: Message
    body_sha256: str


def said_in(body: Mapping[str, object]) -> Said | None:
    """The message in a body, if it is one."""
    message = None if _is_too_deep(body) else _message(body)
    return Said(body=body, message=message, body_sha256=_hash(body)) if message is not None else None


def is_of(message: Message, attempt: Attempt, *, strictly: bool = True) -> bool:
    """Whether a message is about this job. Smile ID's own record may leave its ids out; a callback may not."""
    if message.job_id != attempt.job_id and (strictly or message.job_id is not None):
        return False
    return not (attempt.smile_job_id and message.smile_job_id and message.smile_job_id != attempt.smile_job_id)


def _message(body: Mapping[str, object]) -> Message | None:
    try:
        return parse_message(body)
    except SmileIDAnswerInvalid:
        return None


def json_object(body: bytes) -> dict[str, object] | None:
    """A JSON object that means one thing to every reader: no name twice, no NaN, no depth that breaks a parser."""
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
    level = [value]
    for _ in range(DEEPEST):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list)))
        level = [child for children in inner for child in children]
        if not level:
            return False
    return True


def read_timestamp(raw: str) -> datetime | None:
    """ISO 8601 with a zone, or epoch milliseconds; None for anything else, which then counts as stale."""
    try:
        if raw.isascii() and raw.isdecimal() and len(raw) == 13:
            return datetime.fromtimestamp(int(raw) / 1000, UTC)
        moment = datetime.fromisoformat(raw)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None


def _hash(body: Mapping[str, object]) -> str:
    return canonical_hash({name: value for name, value in body.items() if name not in _LINKS})
