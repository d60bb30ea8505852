"""What a post is built from, read in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.blocks.thread import NotifiedParties
from bot.domain.batches import Batch, Counts
from bot.domain.checks import Check
from bot.domain.outbox import Post
from bot.domain.outcomes import Reading
from bot.domain.reviews import Decided, Review


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a post is built from, read in one go."""

    check: Check | None
    reading: Reading | None
    received_at: datetime | None
    told: NotifiedParties
    claimed: bool
    parent: Post | None
    sent_at: datetime | None
    batch: Batch | None
    counts: Counts
    earlier: Sequence[Check]
    """Checks that a question may name: those of the same channel."""
    review: Review | None
    """Of the round that the post is about."""
    decided: Decided | None
    """The decision that the post is about."""
    below: str | None
    """The card in whose thread it belongs."""
