"""What people ask the bot: by a message and the files in it, or by the click that confirms one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.check.check import PhotoKind
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.file_kinds import APPLICANTS, UNREAD_TABLES, FileKind
from bot.domain.check.request import LIVENESS_IMAGES, FileInfo, check_file

WRITTEN_BY_PEOPLE = frozenset({None, "file_share", "thread_broadcast", "me_message"})
"""Slack's subtypes of messages that somebody wrote; edits, deletions and those of apps are something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageIds:
    """Which message it is, and who wrote it, or clicked on what the bot answered to it."""

    channel: str
    ts: str
    thread_ts: str | None
    user: str
    team: str

    @property
    def root_ts(self) -> str:
        """The thread in which it is answered."""
        return self.thread_ts or self.ts

    @property
    def is_direct(self) -> bool:
        return is_direct(self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage(MessageIds):
    """One message in a channel, or in somebody's direct messages. Only its ids are stored."""

    text: str = field(repr=False)
    files: Sequence[FileInfo] = field(default=(), repr=False)


def is_direct(channel: str) -> bool:
    """Whether Slack's id of a conversation is that of a direct message: only there is a text read whole.

    Two people's own conversation has such an id too. The bot is not in it, so Slack never lets the bot read it.
    """
    return channel.startswith("D")


def brings_applicants(file: FileInfo) -> bool:
    """A table of ID information or a zip that can be fetched. Anything else gets a fault, as a photo would."""
    return file.kind in APPLICANTS and file.barred is None and file.size != 0


def fails_to_bring_applicants(file: FileInfo) -> bool:
    """What may be meant as a list of customers, but is no table that the bot reads, or lies where it cannot."""
    return file.kind in APPLICANTS | UNREAD_TABLES | {FileKind.ARCHIVE} and not brings_applicants(file)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedPhoto:
    """A photo of a message, what it is proposed as, and why it cannot be used."""

    file: FileInfo = field(repr=False)
    kind: PhotoKind | None = None
    fault: FieldFault | None = None


def proposed(files: Sequence[FileInfo]) -> list[ProposedPhoto]:
    """What each photo seems to be: by its name, or the selfie if it is the only one. Else a person must say.

    So too where several are called a selfie: a check takes one, and the newest need not be the right one.
    """
    faults = [check_file(file) for file in files]
    alone = sum(fault is None for fault in faults) == 1
    kinds = [None if fault else _named(file.name, alone=alone) for file, fault in zip(files, faults, strict=True)]
    if kinds.count(PhotoKind.SELFIE) > 1:
        kinds = [None if kind is PhotoKind.SELFIE else kind for kind in kinds]
    return [
        ProposedPhoto(file=file, kind=kind, fault=fault) for file, kind, fault in zip(files, kinds, faults, strict=True)
    ]


def _named(name: str, *, alone: bool) -> PhotoKind | None:
    folded = name.casefold()
    says = {kind for kind in PhotoKind if kind.value in folded}
    if len(says) == 1:
        return next(iter(says))
    return PhotoKind.SELFIE if alone and not says else None


def are_clear(photos: Sequence[ProposedPhoto]) -> bool:
    """Whether the photos of a message need no choice: one selfie, with eight liveness images or none, all usable."""
    kinds = [photo.kind for photo in photos]
    return (
        kinds.count(PhotoKind.SELFIE) == 1
        and kinds.count(PhotoKind.LIVENESS) in (0, LIVENESS_IMAGES)
        and None not in kinds
    )


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
class InboxItem(MessageIds):
    """One message or click, kept until it is answered. It holds no text: that is read from Slack again."""

    id: str
    """Slack's id of the request; a repeat of the request has the same one."""
    kind: InboxKind
    fingerprint: str = ""
    """Of a confirmation: keyed hash of what was displayed, so that a changed message is not sent."""
    again: bool = False
    """Of a confirmation: the author knows that this person was checked before."""
    asked_at: datetime
    tries: int = 0

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
