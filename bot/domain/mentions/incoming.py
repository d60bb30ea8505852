"""A message that a person wrote to the bot, and the files in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from bot.domain.check.check import PhotoKind
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.request import LIVENESS_IMAGES, FileInfo, check_file

_TABLES = (".csv", ".tsv", ".xlsx", ".json", ".zip")
_TABLE_TYPES = frozenset(
    {
        "text/csv",
        "application/json",
        "application/zip",
        "application/x-zip-compressed",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
)

WRITTEN_BY_PEOPLE = frozenset({None, "file_share", "thread_broadcast", "me_message"})
"""Slack's subtypes of messages that somebody wrote; edits, deletions and those of apps are something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """One message in a channel, or in somebody's direct messages. Only its ids are stored."""

    channel: str
    ts: str
    thread_ts: str | None
    user: str
    team: str
    text: str = field(repr=False)
    files: Sequence[FileInfo] = field(default=(), repr=False)

    @property
    def root_ts(self) -> str:
        """The thread in which it is answered."""
        return self.thread_ts or self.ts

    @property
    def is_direct(self) -> bool:
        return is_direct(self.channel)


def is_direct(channel: str) -> bool:
    """Whether Slack's id of a conversation is that of a direct message: only there is a text read whole.

    Two people's own conversation has such an id too. The bot is not in it, so Slack never lets the bot read it.
    """
    return channel.startswith("D")


class FileKind(Enum):
    PHOTO = auto()
    APPLICANTS = auto()
    """A table of ID information, or a zip."""


def kind_of(file: FileInfo) -> FileKind:
    """By its name, else by its type; anything else counts as a photo, and gets a photo's fault."""
    if file.name.casefold().endswith(_TABLES) or file.mimetype.casefold() in _TABLE_TYPES:
        return FileKind.APPLICANTS
    return FileKind.PHOTO


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedPhoto:
    """A photo of a message, what it is proposed as, and why it cannot be used."""

    file: FileInfo = field(repr=False)
    kind: PhotoKind | None = None
    fault: FieldFault | None = None


def proposed(files: Sequence[FileInfo]) -> list[ProposedPhoto]:
    """What each photo seems to be: by its name, or the selfie if it is the only one. Else a person must say."""
    faults = [check_file(file) for file in files]
    alone = sum(fault is None for fault in faults) == 1
    return [
        ProposedPhoto(file=file, kind=None if fault else _named(file.name, alone=alone), fault=fault)
        for file, fault in zip(files, faults, strict=True)
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
