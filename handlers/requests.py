"""What Slack's requests say: who acted, whether it is a repeat, and what a person filled in.

Slack leaves out, sends as null, or sends empty what was not filled in: here all three read the same.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bot.domain.check.references import parse_reference
from bot.domain.check.request import FileInfo
from bot.slack.blocks import ids
from bot.slack.file_objects import attached_files

AGING = frozenset({"user_change", "channel_shared", "channel_unshared"})
"""These only make memory stale: no write, no call to Slack. Slack sends `user_change` for everybody in the workspace,
whenever anybody changes as much as their status."""
CLICKS = frozenset({"block_actions", "shortcut", "message_action"})
_OUR_ID = re.compile(r"[a-z_]{1,40}")
_MESSAGES = frozenset({"app_mention", "message"})


def id_of(body: Mapping[str, Any]) -> str | None:
    """The same for every repeat of a request; None where a repeat must be answered like the first.

    Slack repeats an event after a late answer, and an envelope of Socket Mode after a lost connection. A submitted form
    is answered again: its answer closes it, and the check that it asks for is known by the form's own id.
    """
    if body.get("type") == "event_callback":
        if (body.get("event") or {}).get("type") in AGING:
            # They come for every change of anybody's profile, and doing twice what they do does no harm.
            return None
        return f"event:{body['event_id']}" if body.get("event_id") else None
    if body.get("type") in CLICKS | {None} and body.get("trigger_id"):
        return f"trigger:{body['trigger_id']}"
    return None


def is_for_inbox(body: Mapping[str, Any]) -> bool:
    """Whether the inbox stores this request, together with its key in one transaction.

    Were the key stored first, a kill in between would lose the request: its repeat would be dropped as one.
    """
    if body.get("type") == "event_callback":
        return (body.get("event") or {}).get("type") in _MESSAGES
    return any(action.get("action_id") == ids.SEND_MESSAGE for action in body.get("actions") or ())


def door_of(body: Mapping[str, Any]) -> str:
    """By what somebody asked, for the audit trail: the kind of request, and the id of its button or form."""
    id_ = next((action.get("action_id") for action in body.get("actions") or ()), None)
    id_ = id_ or (body.get("view") or {}).get("callback_id") or body.get("callback_id") or ""
    name = str(id_).partition(":")[0]
    return f"{kind_of(body)}:{name}" if _OUR_ID.fullmatch(name) else kind_of(body)


def about(body: Mapping[str, Any]) -> str:
    """The reference of the one check that a button or form is about; else nothing."""
    action: Mapping[str, Any] = next(iter(body.get("actions") or ()), {})
    chosen = (action.get("selected_option") or {}).get("value") or action.get("value")
    # The menu behind ⋯ has the reference behind the button that it stands for; a proposal's button has its time behind.
    kept = str((body.get("view") or {}).get("private_metadata") or "")
    told = [*str(chosen or "").split("|"), kept, *_first_of(kept)]
    return next(filter(parse_reference, told), "")


def _first_of(kept: str) -> list[str]:
    """Forms of reviewers keep a list, whose first is the reference."""
    try:
        found = json.loads(kept)
    except ValueError:
        return []
    return [str(found[0])] if isinstance(found, list) and found else []


def user_of(body: Mapping[str, Any]) -> str:
    """Who acted; a command names them differently."""
    return str(body.get("user_id") or (body.get("user") or {}).get("id") or "")


def team_of(body: Mapping[str, Any]) -> str:
    """The workspace of who acted, as far as the request says."""
    return str((body.get("user") or {}).get("team_id") or (body.get("team") or {}).get("id") or "")


def kind_of(body: Mapping[str, Any]) -> str:
    """The type of a request; a command has none."""
    return str(body.get("type") or ("command" if body.get("command") else "other"))


@dataclass(frozen=True, slots=True)
class ViewState:
    """`state.values` of a view: block id, action id, element (docs.slack.dev/reference/views, 2026-11)."""

    values: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(repr=False)

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "ViewState":
        return cls((view.get("state") or {}).get("values") or {})

    def __iter__(self) -> Iterator[str]:
        """The ids of the blocks that hold a field."""
        return iter(self.values)

    def value(self, block_id: str) -> str:
        """The one thing typed or chosen in a block: a text, date, person, conversation or option; else empty."""
        element = self._element(block_id)
        option = element.get("selected_option") or {}
        kinds = ("value", "selected_date", "selected_user", "selected_conversation")
        return str(next(filter(None, map(element.get, kinds)), None) or option.get("value") or "")

    def ticked(self, block_id: str) -> list[str]:
        """The values of all options chosen in a block of check boxes."""
        return [str(option["value"]) for option in self._element(block_id).get("selected_options") or ()]

    def moment(self, block_id: str) -> datetime | None:
        seconds = self._element(block_id).get("selected_date_time")
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None

    def files(self, block_id: str) -> list[FileInfo]:
        return attached_files(self._element(block_id))

    def action_id(self, block_id: str) -> str:
        return next(iter(self.values.get(block_id) or ()), "")

    def _element(self, block_id: str) -> Mapping[str, Any]:
        """An input block holds one element."""
        return next(iter((self.values.get(block_id) or {}).values()), None) or {}
