"""What the outbox asks of those who build what is shown.

The composition root hands it one builder for each kind of post, so the outbox imports none of the rooms that know what
a post says.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import IO

from bot.domain.outbox import Message, Post, PostKind
from storage.engine.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file for a thread, or for a direct conversation."""

    channel: str
    thread_ts: str | None
    name: str
    """Names the event too: when Slack's answer was lost, the file is looked for by its name."""
    data: bytes = field(repr=False, default=b"")
    comment: str = ""
    write: Callable[[IO[bytes]], Awaitable[str]] | None = None
    """Instead of `data`, where the file may be large: called once it is about to be sent, returns the comment."""
    alt_text: str = ""
    """Of a picture: what it shows."""


Builder = Callable[[Post], Awaitable[Message | File | None]]
"""Builds a post from what is stored now. None: there is nothing to say any more.

It reads all that it needs in one transaction, so that a message never mixes two moments. Raises SlackError while it
cannot know what to say; then the post is tried again later.
"""
Builders = Mapping[PostKind, Builder]


class DeliveryResult(StrEnum):
    """How a post has ended, as far as somebody else must know."""

    DELIVERED = "delivered"
    """It stands in Slack."""
    FAILED = "failed"
    """It never will, unless an operator releases it."""


Follower = Callable[[Transaction, Post, DeliveryResult, datetime], None]
"""What follows once a post has ended, in the transaction that keeps that it has."""
