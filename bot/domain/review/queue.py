"""What waits for a reviewer: one list in one order behind Home, `/kyc list review` and *Next*; none disagrees."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Self

from bot.domain.check.states import State
from bot.domain.review.review import may_be_decided


class QueueFilter(StrEnum):
    """Which of the open reviews to show."""

    ALL = "all"
    MINE = "mine"
    """Claimed by whoever looks."""
    UNCLAIMED = "unclaimed"
    SECOND = "second"
    """A decision was proposed, and a second person must agree or disagree."""
    OVERDUE = "overdue"
    """In review for longer than `KYC_REVIEW_DUE`."""


class Turn(IntEnum):
    """Whose turn a review is, for one reviewer: the order of the queue."""

    CLAIMED = 0
    """Theirs to go on with."""
    FREE = 1
    """They may claim it, or agree to what somebody else proposed."""
    OTHERS = 2
    """It waits for somebody else: for who has claimed it, or for a second person after their own proposal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """One open review, without anything that is sealed."""

    ref: str
    state: State
    """Of its check."""
    country: str
    requesters: frozenset[str]
    claimed_by: str | None
    proposed_by: str | None
    """Whose decision waits for a second person."""
    opened_at: datetime

    def turn(self, viewer: str) -> Turn:
        if self.proposed_by is not None:
            return Turn.OTHERS if self.proposed_by == viewer else Turn.FREE
        if self.claimed_by is None:
            return Turn.FREE
        return Turn.CLAIMED if self.claimed_by == viewer else Turn.OTHERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """All open reviews, for one person at one moment."""

    found: Sequence[OpenReview]
    """By turn, then the oldest first."""
    viewer: str
    now: datetime
    due: timedelta

    @classmethod
    def of(cls, found: Sequence[OpenReview], *, viewer: str, now: datetime, due: timedelta) -> Self:
        order = sorted(found, key=lambda one: (one.turn(viewer), one.opened_at, one.ref))
        return cls(found=order, viewer=viewer, now=now, due=due)

    def for_reviewer(self, *, overrides: bool) -> Self:
        """What waits for this reviewer; with `overrides` (an admin) also what they asked for themselves."""
        return self if overrides else self.without_own()

    def without_own(self) -> Self:
        """Second-person rule: what somebody asked for or ran again does not wait for them."""
        others = [one for one in self.found if self.viewer not in one.requesters]
        return type(self)(found=others, viewer=self.viewer, now=self.now, due=self.due)

    def next_up(self, *, but: Collection[str] = ()) -> OpenReview | None:
        """The first that the viewer may decide or agree to; `but` are references that they want to leave out.

        Never their own request, although an admin may decide that one from its card.
        """
        left = (one for one in self.without_own().found if one.turn(self.viewer) is not Turn.OTHERS)
        return next((one for one in left if may_be_decided(one.state) and one.ref not in but), None)

    def matching(self, which: QueueFilter, country: str = "") -> list[OpenReview]:
        """Those of a filter, and of a country if one is given."""
        return [one for one in self.found if self._is(one, which) and country in ("", one.country)]

    def count(self, which: QueueFilter, country: str = "") -> int:
        return len(self.matching(which, country))

    def countries(self) -> list[str]:
        """The most frequent first."""
        counted = Counter(one.country for one in self.found)
        return sorted(counted, key=lambda country: (-counted[country], country))

    def is_overdue(self, one: OpenReview) -> bool:
        return self.now - one.opened_at > self.due

    def _is(self, one: OpenReview, which: QueueFilter) -> bool:
        match which:
            case QueueFilter.ALL:
                return True
            case QueueFilter.MINE:
                return one.claimed_by == self.viewer
            case QueueFilter.UNCLAIMED:
                return one.claimed_by is None and one.proposed_by is None
            case QueueFilter.SECOND:
                return one.proposed_by is not None
            case QueueFilter.OVERDUE:
                return self.is_overdue(one)
