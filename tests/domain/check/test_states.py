"""The life of a check: the moves of the design's table, and no others."""

import itertools

import pytest

from bot.domain.check.states import FINAL, POLLED_REASONS, ReviewReason, State, check_move
from bot.errors import IllegalMove

ALLOWED = {
    "requested": ["submitting", "cancelled", "failed"],
    "awaiting_photos": ["submitting", "cancelled"],
    "submitting": ["requested", "awaiting_photos", "processing", "in_review", "approved", "rejected", "failed"],
    "processing": ["in_review", "approved", "rejected", "failed"],
    "in_review": ["in_review", "approved", "rejected", "failed"],
    "approved": [],
    "rejected": ["requested", "awaiting_photos"],
    "failed": ["requested", "awaiting_photos"],
    "cancelled": ["requested", "awaiting_photos"],
}
"""As drawn in the design; a check in review may change the cause, and *Run again* begins anew."""

GRAVE = {"second_final", "contradiction"}
"""The two causes for which an ended check is opened again."""


def reason_for(target: State) -> ReviewReason | None:
    return ReviewReason.SMILE_ID if target is State.IN_REVIEW else None


def test_the_table_names_every_state() -> None:
    assert set(ALLOWED) == {state.value for state in State}


@pytest.mark.parametrize(("current", "target"), [(a, b) for a, targets in ALLOWED.items() for b in targets])
def test_a_move_of_the_table_is_allowed(current: str, target: str) -> None:
    check_move(State(current), State(target), reason_for(State(target)))


@pytest.mark.parametrize(
    ("current", "target"), [(a, b) for a, b in itertools.product(ALLOWED, ALLOWED) if b not in ALLOWED[a]]
)
def test_any_other_move_is_illegal(current: str, target: str) -> None:
    with pytest.raises(IllegalMove):
        check_move(State(current), State(target), reason_for(State(target)))


@pytest.mark.parametrize("current", ["approved", "rejected", "failed"])
@pytest.mark.parametrize("reason", list(ReviewReason))
def test_an_ended_check_reopens_only_when_smile_id_contradicts_itself(current: str, reason: ReviewReason) -> None:
    if reason.value in GRAVE:
        check_move(State(current), State.IN_REVIEW, reason)
    else:
        with pytest.raises(IllegalMove):
            check_move(State(current), State.IN_REVIEW, reason)


@pytest.mark.parametrize("current", ["approved", "rejected", "failed", "cancelled"])
@pytest.mark.parametrize("reason", list(ReviewReason))
def test_what_has_failed_here_alone_may_turn_out_to_be_under_review_at_smile_id(
    current: str, reason: ReviewReason
) -> None:
    reopens = current != "cancelled" and reason.value in GRAVE
    if reopens or (current == "failed" and reason is ReviewReason.SMILE_ID):
        check_move(State(current), State.IN_REVIEW, reason, has_verdict=False)
    else:
        with pytest.raises(IllegalMove):
            check_move(State(current), State.IN_REVIEW, reason, has_verdict=False)


@pytest.mark.parametrize("reason", list(ReviewReason))
def test_a_cancelled_check_never_comes_back(reason: ReviewReason) -> None:
    with pytest.raises(IllegalMove):
        check_move(State.CANCELLED, State.IN_REVIEW, reason)


def test_a_review_needs_a_reason_and_nothing_else_takes_one() -> None:
    with pytest.raises(IllegalMove):
        check_move(State.PROCESSING, State.IN_REVIEW)
    with pytest.raises(IllegalMove):
        check_move(State.PROCESSING, State.APPROVED, ReviewReason.SMILE_ID)


def test_an_illegal_move_is_named_in_the_error() -> None:
    with pytest.raises(IllegalMove, match="cancelled -> approved"):
        check_move(State.CANCELLED, State.APPROVED)


def test_four_states_are_final_and_two_reasons_are_polled() -> None:
    assert {state.value for state in FINAL} == {"approved", "rejected", "failed", "cancelled"}
    assert {reason.value for reason in POLLED_REASONS} == {"smile_id", "unconfirmed"}
