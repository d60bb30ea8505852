"""The life of a check: its states, why it waits for a person, and the moves that are allowed.

What a message means is decided in `results.codes`; what to do with it in `results.trust_rules`.
"""

from enum import StrEnum

from bot.errors import IllegalMove


class State(StrEnum):
    """The state of a check; Smile ID's verdict and a reviewer's decision are separate facts."""

    REQUESTED = "requested"
    """Stored here; Smile ID has not been asked yet."""
    AWAITING_PHOTOS = "awaiting_photos"
    """The customer has a link and is to take the photos; nothing is due before that."""
    SUBMITTING = "submitting"
    """An attempt was recorded; Smile ID may or may not know of it."""
    PROCESSING = "processing"
    """Smile ID has the photos; no result that counts yet."""
    IN_REVIEW = "in_review"
    """A person must check it, at Smile ID or here; `ReviewReason` says why."""
    APPROVED = "approved"
    """Smile ID's final word, confirmed by its own record: face and ID number verified."""
    REJECTED = "rejected"
    """Smile ID's final word: identity not confirmed."""
    FAILED = "failed"
    """This attempt gets no verdict; nothing was decided about the person."""
    CANCELLED = "cancelled"
    """Withdrawn before it was sent."""


class ReviewReason(StrEnum):
    SMILE_ID = "smile_id"
    """An in-progress code: under review at Smile ID."""
    UNCONFIRMED = "unconfirmed"
    """An approval came by callback that Smile ID's own record does not show."""
    UNKNOWN_CODE = "unknown_code"
    """A result code that our table does not hold."""
    CONTRADICTION = "contradiction"
    """The callback and Smile ID's own record are different final results."""
    ID_UNVERIFIED = "id_unverified"
    """An approving code without a verified ID number."""
    SECOND_FINAL = "second_final"
    """Two different final results for one job."""
    ALTERED = "altered"
    """The record is not as the bot wrote it. Never stored: whatever the record says, this is what is loaded of it."""


FINAL = frozenset({State.APPROVED, State.REJECTED, State.FAILED, State.CANCELLED})

POLLED_REASONS = frozenset({ReviewReason.SMILE_ID, ReviewReason.UNCONFIRMED})
"""In review, but Smile ID may still decide: we keep polling."""

STICKY_REASONS = frozenset({ReviewReason.CONTRADICTION, ReviewReason.SECOND_FINAL})
"""Smile ID has contradicted itself: no further message of its own settles the check, a person does."""

BEFORE_SENDING = frozenset({State.REQUESTED, State.AWAITING_PHOTOS})
"""Nothing of it is on its way: it may be cancelled, and costs nothing then."""

_SETTLED = {State.IN_REVIEW, State.APPROVED, State.REJECTED, State.FAILED}

MOVES: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.SUBMITTING, State.CANCELLED, State.FAILED}),
    # Only its customer's photos or its end: it has nothing that could be sent, or that could fail.
    State.AWAITING_PHOTOS: frozenset({State.SUBMITTING, State.CANCELLED}),
    # Back to the customer where Smile ID does not have the photos: the bot does not have them either.
    State.SUBMITTING: frozenset({State.REQUESTED, State.AWAITING_PHOTOS, State.PROCESSING} | _SETTLED),
    State.PROCESSING: frozenset(_SETTLED),
    State.IN_REVIEW: frozenset({State.APPROVED, State.REJECTED, State.FAILED}),
    # Only with SECOND_FINAL or CONTRADICTION: a result that Smile ID itself has contradicted must not
    # be displayed as final any longer. Also with SMILE_ID what has failed here, without a verdict of Smile ID's.
    State.APPROVED: frozenset({State.IN_REVIEW}),
    # Back to the beginning only by *Run again*: a person asks for another attempt at the same check. What a reviewer
    # decided may allow more (`review.runs_again`).
    State.REJECTED: frozenset({State.IN_REVIEW, State.REQUESTED, State.AWAITING_PHOTOS}),
    State.FAILED: frozenset({State.IN_REVIEW, State.REQUESTED, State.AWAITING_PHOTOS}),
    State.CANCELLED: frozenset({State.REQUESTED, State.AWAITING_PHOTOS}),
}


def check_move(current: State, target: State, reason: ReviewReason | None = None, *, has_verdict: bool = True) -> None:
    """Raise IllegalMove unless the table allows it; a review reason goes with `in_review` and with nothing else.

    A check in review may change its reason: it stays where it is, for a graver cause. `has_verdict`: whether Smile ID's
    own result has ended it.
    """
    allowed = target in MOVES[current] or current is target is State.IN_REVIEW
    if current in FINAL and target is State.IN_REVIEW:
        # What was ended here alone contradicts nothing, and may turn out to be under review at Smile ID.
        goes_on = current is State.FAILED and not has_verdict and reason is ReviewReason.SMILE_ID
        allowed = allowed and (reason in STICKY_REASONS or goes_on)
    if not allowed or (reason is not None) != (target is State.IN_REVIEW):
        raise IllegalMove(f"{current} -> {target} ({reason or 'no reason'})")
