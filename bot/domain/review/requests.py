"""Why a person asks reviewers to look at a check, and when they may."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.check.check import Check, HoldReason
from bot.domain.check.states import State
from bot.domain.review.review import OTHER, ReviewState, may_be_decided


class RequestKind(StrEnum):
    REVIEW = "review"
    """*Request review* on a check that Smile ID has answered."""
    SEND_ANYWAY = "send_anyway"
    """*Send anyway* although the selfie was already used with another ID number."""


REQUEST_REASONS: Mapping[RequestKind, Mapping[str, str]] = {
    RequestKind.REVIEW: {
        "result_wrong": "the result looks wrong",
        "data_differs": "the name or other data do not fit the customer",
        "suspected_fraud": "suspected fraud",
        "customer_disputes": "the customer disputes the result",
        "other_documents": "the customer has shown other documents",
        OTHER: "another reason",
    },
    RequestKind.SEND_ANYWAY: {
        "other_id_type": "the same customer, with another ID type",
        "number_corrected": "the ID number of the earlier check was wrong",
        "known_customer": "I know the customer, or have seen their documents",
        OTHER: "another reason",
    },
}
"""Chosen from a list, so that they can be counted; what each is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What one person asked of the reviewers, and why."""

    id: str
    """The form it came from: a second submit of the same one is the same request."""
    ref: str
    round: int
    kind: RequestKind
    person: str
    """Slack user id."""
    reason: str
    """A key of `REQUEST_REASONS`."""
    at: datetime
    words: str = field(repr=False, default="")


def needs_reason(check: Check) -> bool:
    """Whether *Send anyway* asks why: this selfie was already used with another ID number."""
    return check.held is HoldReason.SELFIE_SEEN and bool(check.held_note.get("other_number"))


def may_be_requested(state: State, review: ReviewState | None) -> bool:
    """Whether reviewers may be asked to look: Smile ID has answered, and nobody has been asked already."""
    return may_be_decided(state) and review is not ReviewState.OPEN
