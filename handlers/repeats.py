"""What a repeat of one of Slack's requests shares with it: events come again when an answer was late, envelopes when a
connection was lost.
"""

from collections.abc import Mapping
from typing import Any

from bot.slack.blocks import ids
from handlers import events

_MESSAGES = frozenset({"app_mention", "message"})


def id_of(body: Mapping[str, Any]) -> str | None:
    """What a repeat of a request would share with it; None where a repeat must be answered like the first.

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
    """Whether the inbox stores this request, and with it, in one transaction, that it came.

    Noted as come before that, it would be lost by a kill in between: its repeat would be taken for one.
    """
    if body.get("type") == "event_callback":
        return (body.get("event") or {}).get("type") in _MESSAGES
    return any(action.get("action_id") == ids.SEND_MESSAGE for action in body.get("actions") or ())
