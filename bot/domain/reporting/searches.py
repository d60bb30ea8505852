"""What a person searches for among the checks, and where the next page of a list begins."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from bot.domain.check.states import State

EARLIER_NAMED = 3
"""Earlier checks of the same person that are named one by one; of the others only the number is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in the order of asking. `newer`: the page before it, instead of the page after."""

    asked_at: datetime
    ref: str
    newer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFilter:
    """What to show; None: whatever it is."""

    requester: str | None = None
    states: Collection[State] | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    undecided: bool = False
    """Without what a reviewer has decided, unless it is under review again."""
    refs: Collection[str] | None = None
    """Only these: they were found by a key."""
