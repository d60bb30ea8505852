"""A signed body as Bolt's request, unless it can be none of Slack's; before Bolt and the listeners take it apart."""

from collections.abc import Mapping
from typing import Any

from pydantic import AnyUrl
from slack_bolt.async_app import AsyncBoltRequest

from bot.domain.half_characters import mended_json

_FORM = "application/x-www-form-urlencoded"
_OBJECTS = ("event", "view", "container", "message", "user", "team", "channel", "enterprise")
"""What is an object in every interaction and event of Slack's, or null, or not there."""
_IDS_IN_EVENTS = frozenset({"user", "team", "channel", "enterprise"})
"""In an event they may be an id alone."""


def read(body: bytes, headers: Mapping[str, str]) -> AsyncBoltRequest | None:
    """None for what no request of Slack's looks like. `headers` must not mind upper and lower case."""
    try:
        request = _as_bolt_reads(body.decode(), headers.get("content-type", ""))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return request if _is_readable(request.body) else None


def _as_bolt_reads(body: str, content_type: str) -> AsyncBoltRequest:
    """What Bolt stumbles over is not ours to guess at. No header but one: Slack signs none, and Bolt obeys some."""
    form = _form(body) if content_type.partition(";")[0] == _FORM else {}
    payload = form.get("payload")
    if payload:
        return AsyncBoltRequest(body=mended_json(payload), headers={"content-type": "application/json"})
    if form and payload is None:
        # The fields of a command, as Socket Mode brings them.
        return AsyncBoltRequest(body=form, mode="socket_mode")
    return AsyncBoltRequest(body=mended_json(body), headers={"content-type": content_type})


def _form(body: str) -> dict[str, str]:
    """The same fields that `parse_qsl` finds for Bolt, in a third of its time; none where they might differ.

    A URL has no line breaks, no spaces, and ends before a `#`: none of them is in a form, where they are escaped. What
    begins like JSON, Bolt reads as that.
    """
    if not (body.isascii() and body.isprintable()) or "#" in body or " " in body or body.startswith("{"):
        return {}
    return dict(AnyUrl(f"http://form/?{body}").query_params())


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
