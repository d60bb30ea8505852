"""Idempotency keys of Slack's requests: events are repeated after a late answer, envelopes after a lost connection."""

from collections.abc import Mapping
from typing import Any

from bot.slack.blocks import ids
from handlers import events

_MESSAGES = frozenset({"app_mention", "message"})


def id_of(body: Mapping[str, Any]) -> str | None:
    """The same for every repeat of a request; None where a repeat must be answered like the first.

    That is a submitted form: its answer closes it, and the check that it asks for is known by the form's own id.
    """
    if body.get("type") == "event_callback":
        if (body.get("event") or {}).get("type") in events.AGING:
            # They come for every change of anybody's profile, and doing twice what they do does no harm.
            return None
        return f"event:{body['event_id']}" if body.get("event_id") else None
    if body.get("type") in (None, "block_actions", "shortcut", "message_action") and body.get("trigger_id"):
        return f"trigger:{body['trigger_id']}"
    return None


def is_for_inbox(body: Mapping[str, Any]) -> bool:
    """Whether the inbox stores this request, together with its key in one transaction.

    Were the key stored first, a kill in between would lose the request: its repeat would be dropped as one.
    """
    if body.get("type") == "event_callback":
        return (body.get("event") or {}).get("type") in _MESSAGES
    return any(action.get("action_id") == ids.SEND_MESSAGE for action in body.get("actions") or ())
