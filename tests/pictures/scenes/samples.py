"""The check that most scenes are about, and what Smile ID says of it, story by story."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.domain.results.record_match import NOTHING_COMPARED, RecordMatch
from bot.slack.blocks.results import NotifiedParties
from tests.pictures.people import AMINA, REMI, REQUESTS
from tests.slack.blocks.samples import ALL_ACTIONS, ASKED_AT, CHECK, CODES, bvn

ENTRY = bvn()
RECEIVED_AT = ASKED_AT + timedelta(seconds=9)
CHECK_BVN = replace(CHECK, requester=AMINA, consent_by=AMINA, channel=REQUESTS)
REVIEWER_TOLD = NotifiedParties(reviewers=True)
REVIEWER_CALLED = NotifiedParties(reviewer_mentions=f"<@{AMINA}> <@{REMI}>")
REVIEWER_IS_WHO_ASKED = NotifiedParties(reviewer_mentions=f"<@{AMINA}>")
NOBODY_SET_UP = NotifiedParties()
ADMINS_TOLD = NotifiedParties(admins=True)
DIFFERS = replace(NOTHING_COMPARED, name=RecordMatch.DIFFERS, dob=RecordMatch.DIFFERS)
CAPTURE_LINK = "https://kyc.example.com/c#an-invented-token-of-forty-three-characters-x8"
LINK = "https://example.slack.com/archives/C0KYC/p1700000000000100"

_ACTIONS: Mapping[ResultStory, Mapping[str, str]] = {
    ResultStory.FACES_DIFFER: {"Selfie_To_ID_Authority_Compare": "Failed", "Register_Selfie": "Not Done"},
    ResultStory.SPOOF: {"Liveness_Check": "Failed", "Register_Selfie": "Not Done"},
    ResultStory.ID_NOT_FOUND: {"Verify_ID_Number": "Not Verified", "Return_Personal_Info": "Not Returned",
                       "Selfie_To_ID_Authority_Compare": "Not Done", "Register_Selfie": "Not Done"},
    ResultStory.NO_FACE: {"Selfie_Check": "Failed", "Selfie_To_ID_Authority_Compare": "Not Done",
                  "Register_Selfie": "Not Done"},
    ResultStory.AUTHORITY_DOWN: {"Verify_ID_Number": "Issuer Unavailable", "Return_Personal_Info": "Not Returned",
                         "Selfie_To_ID_Authority_Compare": "Not Done", "Register_Selfie": "Not Done"},
    ResultStory.NO_AUTHORITY_PHOTO: {"Selfie_To_ID_Authority_Compare": "ID Authority Photo Not Available"},
    ResultStory.PROVISIONAL: {"Selfie_To_ID_Authority_Compare": "Under Review",
                              "Register_Selfie": "Provisionally Approved",
                              "Human_Review_Compare": "Sent to Human Review"},
    ResultStory.SUSPECTED_SPOOF: {"Liveness_Check": "Under Review",
                                  "Human_Review_Liveness_Check": "Sent to Human Review"},
    ResultStory.INCONCLUSIVE: {"Selfie_To_ID_Authority_Compare": "Unable To Determine"},
    ResultStory.ID_UNVERIFIED: {"Verify_ID_Number": "Not Verified", "Selfie_To_ID_Authority_Compare": "Not Done"},
}  # fmt: skip
_WITHOUT_ACTIONS = frozenset(
    {
        ResultStory.REFUSED,
        ResultStory.NUMBER_FORMAT,
        ResultStory.PHOTO_UNUSABLE,
        ResultStory.FAILED_OTHER,
        ResultStory.SUSPECTS,
    }
)


def readings(code: str) -> list[ResultMeaning]:
    """What this code of the real table means, a reading for each of its texts."""
    texts = next((row.texts for row in CODES if row.code == code), ())
    return [CODES.read(code=code, text=text, actions=ALL_ACTIONS, confidence="99") for text in texts or ("",)]


def reading(why: ResultStory) -> ResultMeaning:
    """A message that tells this story, by the first code of the real table that does."""
    found = _reading(why)
    if why in _WITHOUT_ACTIONS:
        return replace(found, actions={}, confidence=None)
    return replace(found, actions={**ALL_ACTIONS, **_ACTIONS.get(why, {})})


def _reading(why: ResultStory) -> ResultMeaning:
    approved = next(iter(readings("0810")))
    match why:
        case ResultStory.UNKNOWN_CODE:
            return CODES.read(code="0899", text="Enroll User - New Product", actions=ALL_ACTIONS)
        case ResultStory.ID_UNVERIFIED:
            return CODES.read(
                code="0810", text=approved.text, actions={**ALL_ACTIONS, "Verify_ID_Number": "Not Verified"}
            )
        case ResultStory.NOT_FINAL:
            return CODES.read(code="0810", text=approved.text, actions=ALL_ACTIONS, said_final=False)
        case ResultStory.SUSPECTED_SPOOF:
            # The table knows no text of 0816; only one that says so suspects a spoof.
            return CODES.read(code="0816", text="Pending Enroll - Possible Spoof", actions=ALL_ACTIONS)
        case _:
            # 0001 has a text about an ID card, which we never send, before the one about the selfie.
            found = (one for row in CODES for one in readings(row.code) if one.why is why)
            return next(one for one in found if "ID Card" not in one.text)


def ended(state: State, told: ResultMeaning, **more: Any) -> Check:
    """The check after this message."""
    return replace(
        CHECK_BVN,
        state=state,
        verdict=told.code,
        verdict_outcome=told.outcome,
        verdict_why=told.why,
        ended_at=RECEIVED_AT,
        **more,
    )


STATES = {Outcome.APPROVED: State.APPROVED, Outcome.REJECTED: State.REJECTED, Outcome.FAILED: State.FAILED}
