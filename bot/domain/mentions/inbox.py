"""What people ask the bot by a message or by the click that confirms one: stored as ids until it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.mentions.incoming import is_direct


class InboxKind(StrEnum):
    MESSAGE = "message"
    """A mention, or a direct message."""
    CONFIRMATION = "confirmation"
    """*Send* below an answer: consent is confirmed, and the check is submitted."""


class InboxOutcome(StrEnum):
    """The result of an item, where the message alone does not determine the answer."""

    SENT = "sent"
    """The check was accepted; the subject is its reference."""
    SENT_BEFORE = "sent_before"
    FILE = "file"
    """A file of applicants was accepted; the subject is the batch's reference."""
    FILE_BEFORE = "file_before"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """One message or click. It holds no text: the message is read from Slack when it is answered."""

    id: str
    """Slack's id of the request; a repeat of the request has the same one."""
    kind: InboxKind
    channel: str
    ts: str
    """The message, or the message that the click is about."""
    thread_ts: str | None
    user: str
    """Who wrote or clicked."""
    team: str
    fingerprint: str = ""
    """Of a confirmation: keyed hash of what was displayed, so that a changed message is not sent."""
    again: bool = False
    """Of a confirmation: the author knows that this person was checked before."""
    asked_at: datetime
    tries: int = 0

    @property
    def root_ts(self) -> str:
        """The thread that it belongs to."""
        return self.thread_ts or self.ts

    @property
    def is_direct(self) -> bool:
        return is_direct(self.channel)

    def ids(self) -> dict[str, str]:
        """For the row of the outbox that answers it."""
        parts = {"kind": self.kind.value, "channel": self.channel, "ts": self.ts, "by": self.user, "team": self.team}
        return parts | ({"thread_ts": self.thread_ts} if self.thread_ts else {})

    @classmethod
    def of_ids(cls, ids: Mapping[str, str], *, id_: str, asked_at: datetime) -> "InboxItem | None":
        """The item that a row of the outbox answers; None for rows that answer anything else."""
        if "kind" not in ids:
            return None
        return cls(
            id=id_,
            kind=InboxKind(ids["kind"]),
            channel=ids["channel"],
            ts=ids["ts"],
            thread_ts=ids.get("thread_ts"),
            user=ids["by"],
            team=ids["team"],
            asked_at=asked_at,
        )
