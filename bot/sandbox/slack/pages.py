"""Slack's cursors: one page of a list, and where the next begins."""

import base64
from collections.abc import Sequence
from typing import TypeVar

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.errors import ApiError

T = TypeVar("T")


def page_of(items: Sequence[T], arguments: Arguments, *, default: int) -> tuple[Sequence[T], str]:
    """One page, and the cursor of the next or an empty text."""
    limit = arguments.number("limit", default)
    if not 1 <= limit <= 1000:
        raise ApiError("invalid_limit")
    try:
        start = int(base64.b64decode(arguments.text("cursor")).decode().removeprefix("next:") or 0)
    except ValueError:
        raise ApiError("invalid_cursor") from None
    following = base64.b64encode(f"next:{start + limit}".encode()).decode() if start + limit < len(items) else ""
    return items[start : start + limit], following
