"""A signed body as Bolt's request, unless it can be none of Slack's; before Bolt and the listeners take it apart."""

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncBoltRequest

_OBJECTS = ("event", "view", "container", "message", "user", "team", "channel", "enterprise")
"""What is an object in every interaction and event of Slack's, or null, or not there."""
_IDS_IN_EVENTS = frozenset({"user", "team", "channel", "enterprise"})
"""In an event they may be an id alone."""


def read(body: bytes, headers: Mapping[str, str]) -> AsyncBoltRequest | None:
    """None for what no request of Slack's looks like. `headers` must not mind upper and lower case."""
    # No other header: Slack signs none, and Bolt obeys some of its own.
    content_type = headers.get("content-type", "")
    try:
        # Bolt's own reading: what it stumbles over is not ours to guess at.
        request = AsyncBoltRequest(body=body.decode(), headers={"content-type": content_type})
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return request if _is_readable(request.body) else None


def _is_readable(read: Mapping[str, Any]) -> bool:
    return (
        _has_objects(read, _OBJECTS)
        and _has_its_event(read)
        and (read.get("type") != "block_actions" or (bool(read.get("actions")) and _are_objects(read["actions"])))
        and _are_blocks((read.get("view") or {}).get("blocks") or [])
    )


def _has_its_event(body: Mapping[str, Any]) -> bool:
    """Bolt takes what names an event for one that has it: null is none."""
    if "event" not in body and body.get("type") != "event_callback":
        return True
    event = body.get("event")
    return isinstance(event, dict) and _has_objects(event, [name for name in _OBJECTS if name not in _IDS_IN_EVENTS])


def _has_objects(body: Mapping[str, Any], names: tuple[str, ...] | list[str]) -> bool:
    return all(body.get(name) is None or isinstance(body[name], dict) for name in names)


def _are_objects(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, dict) for one in found)


def _are_blocks(found: Any) -> bool:
    return _are_objects(found) and all({"type", "block_id"} <= set(block) for block in found)
