"""Rules of reviewing: what takes two people, what agrees with Smile ID, when silence is worth a reminder."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import Outcome
from bot.domain.review.review import (
    REASONS,
    SECOND_PERSON_STORIES,
    UNANSWERED,
    Agreement,
    Audience,
    Decision,
    Proposal,
    ReminderCause,
    ReminderPolicy,
    Review,
    ReviewState,
    WorkingHours,
    agreement,
    needs_second,
    reminder,
    runs_again,
    waits_for_smile_id,
)

LAGOS = ZoneInfo("Africa/Lagos")
ZONES = [LAGOS, ZoneInfo("Europe/London"), ZoneInfo("America/New_York")]
OFFICE = WorkingHours(days=frozenset(range(5)), begin=time(8), end=time(18), zone=LAGOS)
MONDAY = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
"""08:00 in Lagos."""
PATIENCE = ReminderPolicy(
    unclaimed=timedelta(hours=2), idle=timedelta(hours=4), pending=timedelta(hours=8), hours=OFFICE
)


@pytest.mark.parametrize(
    ("decision", "outcome", "stands"),
    [
        (Decision.APPROVED, Outcome.APPROVED, Agreement.AGREES),
        (Decision.REJECTED, Outcome.REJECTED, Agreement.AGREES),
        (Decision.APPROVED, Outcome.REJECTED, Agreement.CONTRADICTS),
        (Decision.REJECTED, Outcome.APPROVED, Agreement.CONTRADICTS),
        (Decision.NEW_PHOTOS, Outcome.APPROVED, Agreement.CONTRADICTS),
        (Decision.NEW_PHOTOS, Outcome.REJECTED, Agreement.APART),
        *((decision, Outcome.FAILED, Agreement.APART) for decision in Decision),
    ],
)
def test_a_decision_agrees_with_a_result_contradicts_it_or_does_neither(
    decision: Decision, outcome: Outcome, stands: Agreement
) -> None:
    assert agreement(decision, outcome) is stands


@pytest.mark.parametrize("decision", Decision)
def test_a_decision_against_a_verdict_takes_two_people(decision: Decision) -> None:
    assert needs_second(decision, reason=None, verdict=Outcome.REJECTED) is (decision is Decision.APPROVED)
    assert needs_second(decision, reason=None, verdict=Outcome.APPROVED) is (decision is not Decision.APPROVED)


def test_after_a_contradiction_every_verdict_goes_against_one_of_smile_ids() -> None:
    for reason in (ReviewReason.CONTRADICTION, ReviewReason.SECOND_FINAL):
        assert [needs_second(one, reason=reason, verdict=None) for one in Decision] == [True, True, False]


def test_an_approval_that_smile_ids_record_does_not_bear_out_takes_two() -> None:
    for reason in (ReviewReason.UNCONFIRMED, ReviewReason.ID_UNVERIFIED):
        assert [needs_second(one, reason=reason, verdict=None) for one in Decision] == [True, False, False]


def test_without_a_verdict_one_person_decides() -> None:
    for reason in (ReviewReason.SMILE_ID, ReviewReason.UNKNOWN_CODE, None):
        assert not any(needs_second(one, reason=reason, verdict=None) for one in Decision)


def test_an_approval_of_what_a_reviewer_ended_without_an_answer_takes_two() -> None:
    for reason in (ReviewReason.SMILE_ID, ReviewReason.UNKNOWN_CODE, None):
        found = [needs_second(one, reason=reason, verdict=None, failure=UNANSWERED) for one in Decision]
        assert found == [True, False, False]
    assert not any(needs_second(one, reason=None, verdict=None, failure="unsettled") for one in Decision)


def test_a_site_may_want_two_people_for_approving_what_smile_id_suspects_or_is_not_sure_of() -> None:
    for story in SECOND_PERSON_STORIES:
        others = set(SECOND_PERSON_STORIES) - {story}
        for also_for, takes_two in (((), False), (others, False), ((story,), True)):
            found = [
                needs_second(one, reason=ReviewReason.SMILE_ID, verdict=None, story=story, also_for=also_for)
                for one in Decision
            ]
            assert found == [takes_two, False, False]


@pytest.mark.parametrize("state", State)
def test_neither_an_approved_check_nor_one_under_way_is_rerun(state: State) -> None:
    assert not runs_again(state, Decision.APPROVED)
    if state in (State.REQUESTED, State.SUBMITTING, State.PROCESSING):
        assert not any(runs_again(state, decision) for decision in (None, *Decision))


def test_a_decision_lets_a_check_in_review_be_rerun() -> None:
    assert not runs_again(State.IN_REVIEW, None)
    assert not runs_again(State.APPROVED, None)
    assert runs_again(State.IN_REVIEW, Decision.NEW_PHOTOS)
    assert runs_again(State.APPROVED, Decision.REJECTED)


def test_every_list_of_reasons_ends_in_one_for_own_words() -> None:
    assert set(REASONS) == set(Decision)
    assert all(list(reasons)[-1] == "other" for reasons in REASONS.values())


# Working time


@pytest.mark.slow
@given(
    begin=st.integers(0, 60 * 24 * 275),
    minutes=st.integers(0, 60 * 24 * 4),
    zone=st.sampled_from(ZONES),
    hours=st.sampled_from([(time(8), time(18)), (time(22), time(0)), (time(0), time(0)), (time(0, 30), time(3))]),
    days=st.frozensets(st.integers(0, 6), max_size=7),
)
def test_working_time_is_what_counting_its_minutes_gives(
    begin: int, minutes: int, zone: ZoneInfo, hours: tuple[time, time], days: frozenset[int]
) -> None:
    """Clocks go forward and back within the span: what counts is the time that passed between two readings."""
    since = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=begin)
    working = WorkingHours(days=days, begin=hours[0], end=hours[1], zone=zone)

    def is_work(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        clock = local.time().replace(tzinfo=None)
        return local.weekday() in days and hours[0] <= clock and (hours[1] == time(0) or clock < hours[1])

    counted = sum(is_work(since + timedelta(minutes=n)) for n in range(minutes))
    found = working.between(since, since + timedelta(minutes=minutes))
    # A clock that goes back while people work shows an hour twice; the day's end is read once.
    assert abs(found - timedelta(minutes=counted)) <= timedelta(hours=1)
    if zone is LAGOS:
        assert found == timedelta(minutes=counted)


def test_a_night_and_a_weekend_are_no_working_time() -> None:
    friday = MONDAY + timedelta(days=4)
    assert OFFICE.between(friday + timedelta(hours=9), friday + timedelta(days=3)) == timedelta(hours=1)
    assert not OFFICE.is_on(friday + timedelta(hours=10))
    assert OFFICE.is_on(friday + timedelta(hours=9, minutes=59))


# Reminders


def review(
    *,
    claimed_after: timedelta | None = None,
    proposed_after: timedelta | None = None,
    reminded: str = "",
    opened_at: datetime = MONDAY,
) -> Review:
    claimed_at = opened_at + claimed_after if claimed_after is not None else None
    return Review(
        ref="K-7F3K2Q",
        round=1,
        state=ReviewState.OPEN,
        opened_at=opened_at,
        claimed_by="U0REMI00001" if claimed_at else None,
        claimed_at=claimed_at,
        # As `propose` writes it.
        touched_at=opened_at + proposed_after if proposed_after is not None else claimed_at,
        proposal=Proposal(
            decision=Decision.APPROVED,
            reason="other",
            by="U0REMI00001",
            at=opened_at + proposed_after,
            is_override=False,
        )
        if proposed_after is not None
        else None,
        decided=None,
        reminded=reminded,
        notes=0,
    )


def due(of: Review, after: timedelta, *, waits: bool = False) -> tuple[ReminderCause, Audience] | None:
    found = reminder(of, waits_for_smile_id=waits, now=of.opened_at + after, policy=PATIENCE)
    return (found.cause, found.audience) if found else None


def test_an_unclaimed_review_climbs_from_the_group_to_the_managers() -> None:
    assert due(review(), timedelta(hours=1, minutes=59)) is None
    assert due(review(), timedelta(hours=2)) == (ReminderCause.UNCLAIMED, Audience.GROUP)
    assert due(review(reminded="unclaimed:1"), timedelta(hours=3, minutes=59)) is None
    assert due(review(reminded="unclaimed:1"), timedelta(hours=4)) == (ReminderCause.UNCLAIMED, Audience.MANAGERS)
    assert due(review(reminded="unclaimed:2"), timedelta(hours=9)) is None


def test_a_claim_begins_a_ladder_of_its_own() -> None:
    claimed = review(claimed_after=timedelta(hours=1), reminded="unclaimed:2")
    assert due(claimed, timedelta(hours=4, minutes=59)) is None
    assert due(claimed, timedelta(hours=5)) == (ReminderCause.IDLE, Audience.CLAIMER)


def test_who_proposed_has_done_their_part_so_a_proposal_calls_the_group() -> None:
    proposed = review(claimed_after=timedelta(hours=1), proposed_after=timedelta(hours=2), reminded="idle:1")
    assert due(proposed, timedelta(hours=5, minutes=59)) is None
    assert due(proposed, timedelta(hours=6)) == (ReminderCause.PROPOSED, Audience.GROUP)
    handed_back = replace(proposed, claimed_by=None, claimed_at=None, touched_at=None)
    assert due(handed_back, timedelta(hours=6)) == (ReminderCause.PROPOSED, Audience.GROUP)


def test_what_waits_for_smile_id_has_more_time() -> None:
    assert due(review(), timedelta(hours=7), waits=True) is None
    assert due(review(), timedelta(hours=8), waits=True) == (ReminderCause.PENDING, Audience.GROUP)


def test_nobody_is_reminded_at_night_and_the_night_does_not_count() -> None:
    late = review(opened_at=MONDAY + timedelta(hours=9))
    assert due(late, timedelta(hours=2)) is None
    assert due(late, timedelta(hours=15, minutes=59)) is None
    assert due(late, timedelta(hours=16)) == (ReminderCause.UNCLAIMED, Audience.GROUP)


def test_after_a_long_stop_the_highest_step_alone_is_taken() -> None:
    assert due(review(), timedelta(days=2)) == (ReminderCause.UNCLAIMED, Audience.MANAGERS)
    found = reminder(review(), waits_for_smile_id=False, now=MONDAY + timedelta(days=2), policy=PATIENCE)
    assert found is not None
    assert due(review(reminded=found.mark), timedelta(days=3)) is None


def test_closed_reviews_and_a_patience_of_zero_remind_of_nothing() -> None:
    never = ReminderPolicy(unclaimed=timedelta(0), idle=timedelta(0), pending=timedelta(0), hours=OFFICE)
    at = MONDAY + timedelta(days=2)
    assert reminder(review(), waits_for_smile_id=False, now=at, policy=never) is None


def test_people_wait_for_smile_id_while_it_may_still_speak() -> None:
    waiting = {
        (state, reason)
        for state in State
        for reason in ([*ReviewReason] if state is State.IN_REVIEW else [None])
        if waits_for_smile_id(state, reason)
    }
    assert waiting == {
        (State.SUBMITTING, None),
        (State.PROCESSING, None),
        (State.IN_REVIEW, ReviewReason.SMILE_ID),
    }
