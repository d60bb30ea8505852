"""How one attempt to deliver a post ends, if it ends. What follows from each is written by `after_delivery`."""

from dataclasses import dataclass
from datetime import timedelta

from bot.domain.check.check import Check
from bot.domain.outbox import Post
from bot.slack.client import FoundMessage


@dataclass(frozen=True, slots=True)
class Delivered:
    place: FoundMessage | None
    """None for a file: Slack's answer to an upload names no message."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """It is too early to look for a message that Slack may still be about to show."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class Dropped:
    """There is nothing to say any more, and nobody misses it."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot be delivered; operators are told."""

    why: str


@dataclass(frozen=True, slots=True)
class AccessLost:
    """Whoever alone would have read it may not read it any more."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """Its thread or channel is closed to the bot: the requester reads it in a direct message instead."""

    check: Check
    why: str


@dataclass(frozen=True, slots=True)
class ToAuthor:
    """The message that it answers was taken back: its author reads it without a thread."""

    author: str
    why: str


@dataclass(frozen=True, slots=True)
class Spread:
    """The reviewers' channel is closed to the bot: each reviewer reads it in a direct message instead."""

    why: str


@dataclass(frozen=True, slots=True)
class Reissued:
    """The message that said *not yet confirmed* cannot be updated: the result becomes a message of its own."""

    check: Check
    unconfirmed: Post
    why: str


DeliveryOutcome = Delivered | Postponed | Dropped | Failed | AccessLost | Redirected | ToAuthor | Spread | Reissued
