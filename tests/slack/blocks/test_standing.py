"""Where a check stands: verdict, why, by whom, and what comes next; for every state, and nothing of a customer."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.check.check import Check, HoldReason
from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import Outcome, ResultStory
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import Decision, Proposal, Review, ReviewState
from bot.slack.blocks import record, words
from bot.slack.blocks.standing import standing
from tests.slack.blocks.samples import AMINA, ASKED_AT, CHECK, REF, REMI, a_review, bvn, decided

PROPOSAL = Proposal(
    decision=Decision.APPROVED, reason="other", by=REMI, at=ASKED_AT, is_override=False, words="Ada Obi said so"
)


def check(state: State, why: ResultStory | None = None, **more: Any) -> Check:
    verdict = {"verdict": "1210", "verdict_why": why, "verdict_outcome": Outcome.APPROVED} if why else {}
    return replace(CHECK, state=state, **{**verdict, **more})


CASES: list[tuple[Check, Review | None, str, str, str]] = [
    (check(State.REQUESTED, sent_at=None), None, "Received", "", "Wait: it is sent to Smile ID by itself."),
    (
        check(State.REQUESTED, sent_at=None, held=HoldReason.PHOTOS),
        None,
        "Received",
        "",
        f"<@{AMINA}> must answer the question in the thread; then it is sent.",
    ),
    (check(State.PROCESSING), None, "Waiting for Smile ID", "", "Wait: the result comes by itself, in the thread."),
    (
        check(State.PROCESSING),
        a_review(claimed_by=REMI),
        "Waiting for Smile ID",
        "",
        f"Wait for Smile ID's result. <@{REMI}> must decide; claimed ",
    ),
    (
        check(State.APPROVED, ResultStory.CONFIRMED),
        None,
        "Approved",
        "face and ID number verified",
        "Nothing more to do.",
    ),
    (
        check(State.APPROVED, ResultStory.CONFIRMED, record=replace(CHECK.record, name=RecordMatch.DIFFERS)),
        a_review(),
        "Approved by Smile ID",
        "but the name differs",
        "A reviewer must decide. Nobody has claimed it yet.",
    ),
    (
        check(State.REJECTED, ResultStory.ID_NOT_FOUND),
        None,
        "Rejected",
        "the authority does not know this ID number",
        "Check the number with the customer, then *Run again*.",
    ),
    (
        check(State.FAILED, failure="refused"),
        None,
        "No result",
        "Smile ID refused our request",
        "An admin must mend this; nothing to do for who asked.",
    ),
    (
        check(State.CANCELLED, sent_at=None),
        None,
        "Cancelled",
        "before it was sent",
        "Nothing was charged. *Run again* starts it anew.",
    ),
    (
        check(State.IN_REVIEW, ResultStory.SUSPECTED_SPOOF, reason=ReviewReason.SMILE_ID),
        a_review(),
        "Not final",
        "suspected spoof, in human review at Smile ID",
        "Smile ID's final result will be posted in the thread; a reviewer may decide before that.",
    ),
    (
        check(State.IN_REVIEW, ResultStory.CONFIRMED, reason=ReviewReason.CONTRADICTION),
        a_review(claimed_by=REMI, proposal=PROPOSAL),
        "Needs review",
        "results differ",
        f"A second reviewer must agree or disagree: <@{REMI}> proposes *Approved*.",
    ),
    (
        check(
            State.APPROVED,
            ResultStory.CONFIRMED,
            decision=Decision.REJECTED,
            decision_reason="tampered",
            decided_at=ASKED_AT,
        ),
        a_review(ReviewState.DECIDED, decision=decided("Ada Obi lied", by=REMI)),
        "Rejected",
        "a photo or document looks tampered with (Smile ID: Approved)",
        "Do not onboard the customer.",
    ),
    (
        check(State.APPROVED, ResultStory.CONFIRMED, decision=Decision.REJECTED, decided_at=ASKED_AT),
        a_review(decision=decided("Ada Obi lied", by=REMI)),
        "Needs review",
        "decided before: Rejected; Smile ID: Approved",
        "A reviewer must decide. Nobody has claimed it yet.",
    ),
]


@pytest.mark.parametrize(
    ("of", "review", "verdict", "why", "next_step"), CASES, ids=lambda one: getattr(one, "state", "")
)
def test_it_says_verdict_why_and_the_next_step(
    of: Check, review: Review | None, verdict: str, why: str, next_step: str
) -> None:
    now = standing(of, review)
    assert (now.verdict, now.why) == (verdict, why)
    assert now.next_step.startswith(next_step)


@pytest.mark.parametrize("state", State)
def test_whatever_was_stored_has_a_verdict_and_a_next_step(state: State) -> None:
    reviews = (None, a_review(), a_review(claimed_by=REMI), a_review(claimed_by=REMI, proposal=PROPOSAL))
    reasons = [None, *ReviewReason] if state is State.IN_REVIEW else [None]
    for reason, why, review in itertools.product(reasons, [None, *ResultStory], reviews):
        now = standing(check(state, why, reason=reason), review)
        assert now.next_step.endswith((".", "*")), (reason, why)
        assert "{" not in now.headline
        # Whatever the message was that is stored with it.
        assert (now.verdict == "Approved") is (state is State.APPROVED), (reason, why)


@pytest.mark.parametrize("failure", words.FAILURES)
def test_an_end_without_a_result_says_why(failure: str) -> None:
    now = standing(check(State.FAILED, failure=failure), None)
    assert now.headline.startswith("*No result* — ")


def test_the_first_words_of_a_status_are_verdict_reference_and_next_step() -> None:
    for of, review, verdict, _why, next_step in CASES:
        said = record.status(of, bvn(), review, link=None)
        assert said.text.startswith(verdict)
        assert said.text.index(REF) < 110
        assert next_step.replace("*", "") in said.text


def test_the_record_shows_decisions_without_anybodys_words() -> None:
    of, review, *_ = CASES[-2]
    view = record.view(
        replace(of, id_info={}), bvn(), review, [decided("Ada Obi lied", by=REMI)], link="https://x.test"
    )
    shown = str(view)
    assert f"Rejected by <@{REMI}>, <@{AMINA}> agreed — a photo or document looks tampered with" in shown
    assert "Ada Obi" not in shown
    assert of.customer_reference not in shown
