"""What a reviewer decides about: every Action that is not plainly passed, how sure Smile ID was, and each fact once."""

from dataclasses import replace

import pytest

from bot.domain.check.check import Check
from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import ResultMeaning, ResultStory
from bot.domain.results.record_match import Comparison, RecordMatch
from bot.domain.review.review import ReviewState
from bot.sandbox.slack.reading import plain
from bot.slack.blocks import ids, review, review_actions, words
from bot.slack.blocks.results import confidence
from tests.slack.blocks.samples import AMINA, CHECK, REMI, a_review, bvn, read

ACTIONS = {
    "Liveness_Check": "Under Review",
    "Register_Selfie": "Provisionally Approved",
    "Return_Personal_Info": "Not Returned",
    "Selfie_Provided": "Passed",
    "Selfie_To_ID_Authority_Compare": "Unable To Determine",
    "Verify_ID_Number": "Verified",
    "Something_New": "Something Else",
}
IN_REVIEW = replace(CHECK, state=State.IN_REVIEW, reason=ReviewReason.SMILE_ID, review=ReviewState.OPEN)


def the_card(reading: ResultMeaning, check: Check = IN_REVIEW, *, title: str = "") -> str:
    title = title or words.notice_title("", reading.why)
    said = review.card(check, bvn(), a_review(), round_=1, title=title, reading=reading)
    return plain(said.blocks)


def test_every_action_that_is_not_plainly_passed_stands_on_the_card() -> None:
    reading = replace(read("0814"), actions=ACTIONS, confidence="97.000000")
    text = the_card(reading)
    for name, value in ACTIONS.items():
        line = f"{words.ACTIONS.get(name, name)}: "
        assert (line in text) is (value not in words.GOOD), name
    assert "confidence 97 %" in text
    assert "97.0" not in text


@pytest.mark.parametrize(
    ("written", "told"),
    [
        *(("99", "99 %"), ("97.000000", "97 %"), ("62.5", "62.5 %"), ("3", "3 %"), ("100", "100 %")),
        *((other, other) for other in ("0.97", "high", "nan", "1e9")),
    ],
)
def test_confidence_reads_as_people_write_it(written: str, told: str) -> None:
    assert confidence(written) == told


def test_the_reason_for_the_doubt_is_said_once() -> None:
    unverified = replace(IN_REVIEW, reason=ReviewReason.ID_UNVERIFIED)
    reading = replace(read("0810"), why=ResultStory.ID_UNVERIFIED, actions={"Verify_ID_Number": "Not Verified"})
    text = the_card(reading, unverified)
    assert text.count("ID number not verified") == 1
    assert "ID number: not verified" not in text
    # Another value than the one of the title says more than the title.
    other = replace(reading, actions={"Verify_ID_Number": "Not Done"})
    assert "ID number: not done" in the_card(other, unverified)


def test_what_differs_from_the_authoritys_record_stands_in_the_title_alone() -> None:
    differs = Comparison(name=RecordMatch.DIFFERS, dob=RecordMatch.MATCHES, phone=RecordMatch.NOT_COMPARED)
    approved = replace(CHECK, state=State.APPROVED, verdict="0810", record=differs)
    text = the_card(read("0810"), approved, title=words.notice_title("record_differs", None))
    assert "Approved by Smile ID — but the name differs from the authority's record" in text
    assert text.count("differs") == 1
    assert "Compared with the authority's record: date of birth matches" in text


@pytest.mark.parametrize("is_admin", [False, True])
def test_the_details_offer_who_asked_nothing_to_decide(*, is_admin: bool) -> None:
    reader = review_actions.Reader(user=AMINA, is_reviewer=True, is_admin=is_admin)
    offered = {one["text"]["text"] for one in review_actions.in_details(IN_REVIEW, a_review(), reader)}
    assert ("Approve" in offered) is is_admin, "an admin has to tick a box, and everybody sees it"
    stranger = review_actions.Reader(user=REMI, is_reviewer=False, is_admin=False)
    assert review_actions.in_details(IN_REVIEW, a_review(), stranger) == []


def test_what_smile_id_never_answers_is_ended_from_the_details_unless_another_has_claimed_it() -> None:
    check = replace(CHECK, state=State.PROCESSING)
    reader = review_actions.Reader(user=REMI, is_reviewer=True, is_admin=False)
    theirs = replace(a_review(), claimed_by=REMI)
    for held in (None, a_review(), theirs, replace(a_review(), state=ReviewState.SETTLED)):
        row = review_actions.in_details(check, held, reader, unanswered=True)
        assert row[0]["action_id"] == ids.REVIEW_END
        assert ids.REVIEW_END not in str(review_actions.in_details(check, held, reader)), "the week is not over"
    others = replace(a_review(), claimed_by=AMINA)
    assert ids.REVIEW_END not in str(review_actions.in_details(check, others, reader, unanswered=True))


def test_the_card_of_what_smile_id_never_answers_says_to_look_in_its_portal_first() -> None:
    check = replace(CHECK, state=State.PROCESSING)
    title = words.notice_title("overdue", None)
    said = review.card(check, bvn(), a_review(), round_=1, title=title, unanswered=True)
    assert "Look for its job in Smile ID's portal. If there is no result, end the check without one." in said.text
    assert "[End without a result]" in plain(said.blocks)
