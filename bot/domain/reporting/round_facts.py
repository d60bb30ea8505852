"""Facts, which the managers' figures are made from: each is one round of a check, without anything personal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.check.states import ReviewReason, State
from bot.domain.results.assurance import Liveness
from bot.domain.results.record_match import RecordMatch

REVIEWER = "reviewer:"
"""Begins the reason of a reviewer's rejection; the key of the reason follows."""


class FinalOutcome(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    """No result: nothing was decided about the person."""
    CANCELLED = "cancelled"
    NEW_PHOTOS = "new_photos"
    """A reviewer asked for other photos: neither approved nor rejected."""


_FINALS: Mapping[str, FinalOutcome] = {final.value: final for final in FinalOutcome}
"""States and decisions that end a check, by their names; looked up for each fact many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFact:
    ref: str
    round: int
    person: str
    """Reference of the first check of the same person, as far as the bot knew."""
    requester: str
    country: str
    id_type: str
    asked_at: datetime
    """Of a later round: when it was rerun."""
    state: State
    reason: ReviewReason | None = None
    why: str | None = None
    """Why Smile ID or we ended it so: a `ResultStory`, or a key of our own failures."""
    by_person: bool = False
    """Smile ID's verdict came from a person there."""
    machine_at: datetime | None = None
    """When Smile ID's machine first gave a result, final or not."""
    review_at: datetime | None = None
    """When it came into review."""
    claimed_at: datetime | None = None
    paused: timedelta = timedelta(0)
    """What it waited for its requester before it was sent: for an answer about the photos, or for a chosen time."""
    ended_at: datetime | None = None
    """When Smile ID's result became final, or a reviewer decided before that, or the check failed or was cancelled
    here. None while it is open, and while a decided one is reviewed once more."""
    decision: str | None = None
    decision_reason: str | None = None
    decided_at: datetime | None = None
    record: RecordMatch = RecordMatch.NOT_COMPARED
    """What was entered against the authority's record."""
    liveness: Liveness | None = None
    """Of Smile ID's verdict; None without one, or where it was not kept."""

    @property
    def final(self) -> FinalOutcome | None:
        """None while it is open."""
        if self.ended_at is None:
            return None
        return _FINALS.get(self.state if self.decision is None else self.decision)

    @property
    def final_at(self) -> datetime | None:
        if self.final is None:
            return None
        return self.decided_at if self.decided_at is not None else self.ended_at

    def took_until(self, moment: datetime) -> timedelta:
        """From the asking, without what it waited for its requester."""
        return moment - self.asked_at - self.paused

    @property
    def is_first(self) -> bool:
        """The first attempt of all at this person."""
        return self.round == 1 and self.person == self.ref

    @property
    def final_why(self) -> str:
        if self.decision is not None and self.decision != self.state.value:
            return f"{REVIEWER}{self.decision_reason or ''}"
        return self.why or ""
