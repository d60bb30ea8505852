"""A capture link: how long it lives, how far its customer has come, and how it ends."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

TOKEN_BYTES = 32
"""Of chance in a token: nobody guesses one, however many there are."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_DEVICE = re.compile(r"[A-Za-z0-9_-]{22,64}")


class LinkStep(StrEnum):
    """How far the customer has come."""

    MADE = "made"
    OPENED = "opened"
    AGREED = "agreed"
    TAKEN = "taken"
    """The photos are on their way to Smile ID, or there."""


class LinkEnding(StrEnum):
    """Why a link works no longer."""

    EXPIRED = "expired"
    DECLINED = "declined"
    """The customer does not agree."""
    NOT_ME = "not_me"
    """Whoever opened it is not the customer it is about."""
    WITHDRAWN = "withdrawn"
    """By whoever asked for the check, or with it."""
    REPLACED = "replaced"
    """By a new one."""
    USED = "used"
    """Smile ID has the photos."""


class Decline(StrEnum):
    """What the customer may answer instead of agreeing."""

    NO = "no"
    NOT_ME = "not_me"

    @property
    def ending(self) -> LinkEnding:
        return LinkEnding.DECLINED if self is Decline.NO else LinkEnding.NOT_ME


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureLink:
    """One link as stored; its token is known to nobody but the customer once its message is delivered."""

    ref: str
    number: int
    """Of the check's links, from 1."""
    round: int
    made_by: str
    """Slack user id: who is sent the link."""
    made_at: datetime
    expires_at: datetime
    told_at: datetime | None
    """When its message was delivered, or given up: since then only a keyed hash of the token is left."""
    remind_at: datetime | None
    """When who made it is reminded; None once that is done, and of a link that has ended."""
    opened_at: datetime | None
    device_sha256: str | None = field(repr=False)
    """Of what the newest device calls itself: nobody else can agree, or hand anything in."""
    agreed_at: datetime | None
    """On the newest device: whoever opens the link on another one is asked again."""
    notice: str | None
    """The version of what was agreed to."""
    language: str | None
    """In which it was read."""
    taken_at: datetime | None
    """When photos were handed in that Smile ID has, or may have."""
    ended_at: datetime | None
    ending: LinkEnding | None
    tries: int
    """How often photos were handed in."""

    @property
    def step(self) -> LinkStep:
        if self.taken_at is not None:
            return LinkStep.TAKEN
        if self.agreed_at is not None:
            return LinkStep.AGREED
        return LinkStep.MADE if self.opened_at is None else LinkStep.OPENED

    def is_open(self, now: datetime) -> bool:
        """Whether the customer can go on; what Smile ID has, or may have, is no longer a question of time."""
        return self.ended_at is None and (now < self.expires_at or self.taken_at is not None)


def is_token(text: str) -> bool:
    """Whether it reads like a token: 32 bytes in URL-safe base64 without padding."""
    return _TOKEN.fullmatch(text) is not None


def is_device(text: str) -> bool:
    """Whether it reads like what a page calls its device: at least 128 bits of chance, URL-safe."""
    return _DEVICE.fullmatch(text) is not None


def half_time(made_at: datetime, expires_at: datetime) -> datetime:
    """When who made a link is reminded that nobody has used it."""
    return made_at + (expires_at - made_at) / 2
