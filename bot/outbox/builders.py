"""The interface to those who build posts: the outbox gets one builder for each kind, and imports none of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.recipients import Context
from storage.engine.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file for a thread, or for a direct conversation."""

    channel: str
    """A conversation's id; or a person's, for their direct conversation with the bot."""
    thread_ts: str | None
    name: str
    """Names the event too: after a lost answer Slack is searched for this name."""
    data: bytes = field(repr=False, default=b"")
    comment: str = ""
    write: Callable[[IO[bytes]], Awaitable[str]] | None = None
    """Instead of `data`, where the file may be large: called right before the upload, returns the comment."""
    alt_text: str = ""
    """Describes a picture."""


Built = Message | File | None
"""None: there is nothing to say any more."""


@dataclass(frozen=True, slots=True, eq=False)
class FromDatabase:
    """A builder that asks the database alone, in the transaction that reads the post's context too."""

    build: Callable[[Transaction, Post, Context], Built]


Builder = FromDatabase | Callable[[Post], Awaitable[Built]]
"""Builds a post from what is stored now.

It reads all its data in one transaction, so that a message never mixes two moments. Raises SlackError while it cannot
know the content; then the post is retried later.
"""
Builders = Mapping[PostKind, Builder]

Follower = Callable[[Transaction, Post, bool, datetime], None]
"""Called in the transaction that stores a post's end: True if it was delivered; False if it failed, unless an operator
releases it."""
