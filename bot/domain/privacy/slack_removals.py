"""What is to be erased in Slack, how far that is, and what Slack's refusals mean for it.

Nothing in Slack is erased by a commit: each message and file is a row of its own, which is worked off later, and which
says what still stands there.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Removal(StrEnum):
    """What is erased, and how."""

    MESSAGE = "message"
    """One of ours: rewritten to say that it was erased."""
    UPLOAD = "upload"
    """A file of ours, such as the results of a file of customers: deleted."""
    FILE = "file"
    """A person's: a photo, or a file of customers. Deleted with the token of an admin of the workspace, or by who sent
    it."""
    WRITTEN = "written"
    """A message that somebody wrote to ask for the check: only its author can delete it."""
    THREAD = "thread"
    """The thread of the check: it is looked through for photos that people posted there, and each is a file then."""


class RemovalState(StrEnum):
    KEPT = "kept"
    """Known, and its time has not come."""
    DUE = "due"
    LEFT = "left"
    """Slack refused: it is listed, and tried again by and by, since a person may have done something about it."""
    DONE = "done"
    """Erased, or gone before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPlace:
    """Where it is in Slack."""

    channel: str = ""
    ts: str = ""
    """Of a thread, that of its first message."""
    thread_ts: str = ""
    """Of a thread, the message after which it is about this check."""
    file: str = ""
    post: str = ""
    """The id of the post of an upload whose file id was not kept: it is found by its name."""
    link: str = ""
    """To a file, without the name that its sender gave it."""

    def is_same(self, other: "RemovalPlace") -> bool:
        if self.file or other.file:
            return self.file == other.file
        return (self.channel, self.ts, self.post) == (other.channel, other.ts, other.post)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackRemoval:
    """One message or file."""

    id: str
    ref: str
    what: Removal
    state: RemovalState
    place: RemovalPlace = field(repr=False)
    author: str | None
    """Who put it there, as far as is known."""
    why: str | None
    """Slack's word for why it still stands there, or how it was gone."""
    told: str | None
    """The post that asked its author to delete it."""
    asked_at: datetime
    tries: int


class Verdict(StrEnum):
    """What a refusal of Slack's means for what was to be erased."""

    GONE = "gone"
    """There is nothing to erase any more."""
    LEFT = "left"
    """It still stands there, and the same call will be refused again."""
    OURS = "ours"
    """Our token is worth nothing now: an operator must act, and nothing is known of the message or file."""
    UNKNOWN = "unknown"
    """A word that says nothing of it: tried again, with backoff."""


_GONE = {
    Removal.MESSAGE: frozenset({"message_not_found", "thread_not_found"}),
    Removal.UPLOAD: frozenset({"file_deleted", "file_not_found"}),
    # A file that a token cannot see is not found, either: `file_not_found` proves nothing of a person's file.
    Removal.FILE: frozenset({"file_deleted"}),
    Removal.WRITTEN: frozenset({"message_not_found", "thread_not_found"}),
    Removal.THREAD: frozenset({"message_not_found", "thread_not_found"}),
}
_LEFT = frozenset(
    {
        *("cant_update_message", "edit_window_closed", "cant_delete_message", "channel_not_found", "not_in_channel"),
        *("is_inactive", "is_archived", "posting_to_channel_denied", "team_access_not_granted", "restricted_action"),
        *("cant_delete_file", "delete_not_allowed", "file_deleting_disabled", "file_not_found", "not_visible"),
        "access_denied",
    }
)
"""docs.slack.dev/reference/methods: chat.update, chat.delete, files.delete, conversations.history (2026-11)."""
DELETED_INSTEAD = frozenset({"cant_update_message", "edit_window_closed"})
"""Our message takes no update any more: it is deleted."""

NOBODY_LETS = "no_user_token"
"""Nobody let the bot delete other people's files."""
LETS_NO_MORE = "user_token_refused"
CANNOT_SEE = "user_token_cannot_see"
"""Who let the bot delete files does not see this one, as a photo of a form: it is there, for the bot sees it."""
STILL_WRITTEN = "still_written"
"""A person's message: only its author can delete it."""
SHARED = "shared"
"""Another check was asked with the same file meanwhile, and its clock counts now."""
UNSEEN = frozenset({"file_not_found", "not_visible", "access_denied", "channel_not_found", "not_in_channel"})
"""The bot cannot see whether it is there."""
FOR_ITS_AUTHOR = frozenset(
    {
        *(NOBODY_LETS, LETS_NO_MORE, CANNOT_SEE, STILL_WRITTEN),
        *("cant_delete_file", "delete_not_allowed", "file_deleting_disabled"),
    }
)
"""It surely is there, and whoever put it there can delete it: they are asked to."""

TRY_AGAIN_AFTER = timedelta(days=1)
"""What Slack refused is looked at again after a day, then ever more seldom."""
TRY_AGAIN_AT_MOST = timedelta(days=30)


def verdict_of(what: Removal, code: str, *, refuses_us: bool) -> Verdict:
    """What Slack's `code` means where this was to be erased."""
    if refuses_us:
        return Verdict.OURS
    if code in _GONE[what]:
        return Verdict.GONE
    return Verdict.LEFT if code in _LEFT else Verdict.UNKNOWN


def look_again_in(times_left: int) -> timedelta:
    """How long what was refused so often is left alone."""
    return min(TRY_AGAIN_AFTER * (1 << min(times_left, 5)), TRY_AGAIN_AT_MOST)
