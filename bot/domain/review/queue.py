"""What waits for a reviewer: one list behind every number and filter of it, so that no two of them disagree."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """One open review, without anything that is sealed."""

    ref: str
    country: str
    requesters: frozenset[str]
    claimed_by: str | None
    is_proposed: bool
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """All open reviews, for one person at one moment."""

    found: Sequence[OpenReview]
    """Their claims first, then the oldest."""
    viewer: str
    now: datetime
    due: timedelta

    @classmethod
    def of(cls, found: Sequence[OpenReview], *, viewer: str, now: datetime, due: timedelta) -> Self:
        order = sorted(found, key=lambda one: (one.claimed_by != viewer, one.opened_at, one.ref))
        return cls(found=order, viewer=viewer, now=now, due=due)

    def without_own(self) -> Self:
        """Second-person rule: what somebody asked for or ran again does not wait for them."""
        others = [one for one in self.found if self.viewer not in one.requesters]
        return type(self)(found=others, viewer=self.viewer, now=self.now, due=self.due)

    def matching(self, which: QueueFilter, country: str = "") -> list[OpenReview]:
        """Those of a filter, and of a country if one is given."""
        return [one for one in self.found if self._is(one, which) and country in ("", one.country)]

    def count(self, which: QueueFilter) -> int:
        return len(self.matching(which))

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
                return one.claimed_by is None and not one.is_proposed
            case QueueFilter.SECOND:
                return one.is_proposed
            case QueueFilter.OVERDUE:
                return self.is_overdue(one)
