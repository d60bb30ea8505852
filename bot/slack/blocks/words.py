"""Every result's title, meaning and next step, in one place."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import Outcome, ResultStory
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    title: str
    """`Verdict — reason`; the part before the dash is bold."""
    meaning: str = ""
    next_step: str = ""
    calls_reviewer: bool = False
    """The next step ends in *a reviewer has been told*, if that is true."""
    tells_reviewer: bool = False
    """A card goes to the reviewers' channel, which the message mentions; without one, nobody is called."""
    calls_admins: bool = False
    """Ours to fix: *the admins have been told; nothing to do for you*, if that is true."""

    @property
    def name(self) -> str:
        """The title without the details of one check."""
        return _without_details(self.title)


@lru_cache(maxsize=256)
def _without_details(title: str) -> str:
    """Of a title of the tables below; a list needs one for each of its checks."""
    bare = re.sub(r" ?\(\{\w+\}\)|: first \{.*|, \{\w+\},", "", title)
    return bare.replace("{id_type}", "ID number")


def filled(story: Story, **values: str) -> Story:
    return replace(story, title=story.title.format(**values), meaning=story.meaning.format(**values))


STORIES: Mapping[ResultStory, Story] = {
    ResultStory.CONFIRMED: Story(title="Approved — face and ID number verified", next_step="Nothing more to do."),
    ResultStory.FACES_DIFFER: Story(
        title="Rejected — the selfie does not match the authority's photo",
        next_step="Ask the customer for a new selfie, or ask a reviewer.",
    ),
    ResultStory.SPOOF: Story(
        title="Rejected — the selfie does not look like a live person",
        next_step="Do not ask for another selfie by chat.",
        calls_reviewer=True,
    ),
    ResultStory.ID_NOT_FOUND: Story(
        title="Rejected — the authority does not know this ID number",
        next_step="Check the number with the customer, then *Run again*.",
    ),
    ResultStory.NO_FACE: Story(
        title="Rejected — no usable face in the selfie",
        next_step="Ask for a photo in daylight, face uncovered, looking at the camera, then *Send other photos*.",
    ),
    ResultStory.REJECTED_OTHER: Story(
        title="Rejected — Smile ID gave no reason", next_step="Open *Details*, or ask a reviewer."
    ),
    ResultStory.AUTHORITY_DOWN: Story(
        title="No result — the authority's register is unavailable",
        meaning="Nothing was decided about the customer.",
        next_step="*Run again*, now or at a time you choose.",
    ),
    ResultStory.REFUSED: Story(
        title="No result — Smile ID refused our request",
        meaning="This ID type is not active for our account. Nothing was decided about the customer.",
        calls_admins=True,
    ),
    ResultStory.PHOTO_UNUSABLE: Story(
        title="No result — Smile ID could not use the photos",
        meaning="Nothing was decided about the customer.",
        next_step="*Send other photos*.",
    ),
    ResultStory.NO_AUTHORITY_PHOTO: Story(
        title="No result — the authority holds no photo of this person",
        meaning="Other photos will not help.",
        next_step="Use another ID type, or wait for a reviewer.",
        tells_reviewer=True,
    ),
    ResultStory.NUMBER_FORMAT: Story(
        title="No result — wrong {id_type} format",
        meaning="{example}Smile ID also says this of sandbox test numbers in production.",
        next_step="Correct the number and *Run again*.",
    ),
    ResultStory.FAILED_OTHER: Story(
        title="No result — Smile ID could not use what we sent",
        meaning="Nothing was decided about the customer.",
        next_step="Open *Details*, then *Run again*.",
        tells_reviewer=True,
    ),
    ResultStory.PROVISIONAL: Story(
        title="Not final: provisionally approved, in human review at Smile ID",
        meaning="People at Smile ID decide. Do not act on it yet.",
        next_step="Wait: the final result comes here.",
        tells_reviewer=True,
    ),
    ResultStory.SUSPECTED_SPOOF: Story(
        title="Not final: suspected spoof, in human review at Smile ID",
        meaning="Smile ID is checking that this is a live photo.",
        next_step="Wait: the final result comes here.",
        calls_reviewer=True,
    ),
    ResultStory.INCONCLUSIVE: Story(
        title="Not final: inconclusive, in human review at Smile ID",
        meaning="The selfie and the authority's photo may or may not be the same person.",
        next_step="Wait: the final result comes here.",
        tells_reviewer=True,
    ),
    ResultStory.NOT_FINAL: Story(
        title="Not final: Smile ID says that this result may still change",
        next_step="Wait: the final result comes here.",
        tells_reviewer=True,
    ),
    ResultStory.ID_UNVERIFIED: Story(
        title="Needs review — selfie accepted, ID number not verified",
        meaning="This is not approved.",
        next_step="Do not act on it until a reviewer has decided.",
        calls_reviewer=True,
    ),
    ResultStory.UNKNOWN_CODE: Story(
        title="Needs review — Smile ID answered with a code we do not know ({code})",
        meaning="This is not approved.",
        next_step="Do not act on it until a reviewer has decided.",
        calls_reviewer=True,
    ),
    ResultStory.SUSPECTS: Story(
        title="Smile ID reports other accounts with this face",
        meaning="This is not a verdict on this check.",
        next_step="Do not onboard the customer until a reviewer has decided.",
        calls_reviewer=True,
    ),
    ResultStory.ID_DETAILS: Story(title="ID details received"),
    ResultStory.ANTIFRAUD: Story(title="Smile ID's antifraud check, not a verdict"),
}

APPROVAL_UNCONFIRMED = Story(
    title="Not final: approval received, not yet in Smile ID's own record",
    meaning="We keep asking Smile ID.",
    next_step="Do not act on it.",
    calls_reviewer=True,
)
CONTRADICTION = Story(
    title="Needs review — the result we received and Smile ID's own record differ",
    meaning="We received {first}, Smile ID's record says {second}. Both are kept.",
    next_step="Act on neither.",
    calls_reviewer=True,
)
SECOND_FINAL = Story(
    title="Needs review — Smile ID sent another final result: first {first}, now {second}",
    meaning="Both are kept.",
    next_step="Act on neither.",
    calls_reviewer=True,
)
DIFFERS = Story(
    title="Needs review — Smile ID's final result, {second}, differs from the reviewer's decision",
    meaning="{first}",
    next_step="Act on neither until a reviewer has decided again.",
    calls_reviewer=True,
)
RECORD_DIFFERS = Story(
    title="Approved by {by} — but the {what} {differs}",
    meaning="The {what} entered {is_not} in the authority's record.",
    next_step="Compare both in *Details* before you go on.",
)
LIVENESS_NOT_PROVEN = Story(
    title="Approved — face and ID number verified",
    meaning="Liveness is not proven.",
    next_step="Do not onboard the customer until a reviewer has decided.",
    calls_reviewer=True,
)
REVIEW_WANTED = Story(
    title="Approved — face and ID number verified",
    meaning="A reviewer was asked to look at this check and has not decided yet.",
    next_step="Do not onboard the customer before the decision.",
    calls_reviewer=True,
)
OVERDUE = Story(
    title="Still waiting after 7 days",
    meaning="We ask Smile ID once a day.",
    next_step="Ask somebody with access to Smile ID's portal to look for this job there. "
    "If it has no result there either, a reviewer can end the check without one.",
    calls_reviewer=True,
)

OLD_RESULT = Story(
    title="Needs review — Smile ID reports a result of an earlier attempt",
    meaning="The check was run again since, so this changes nothing. It is kept.",
    next_step="Nothing to do for you.",
    calls_reviewer=True,
)

_NOTICES: Mapping[str, Story] = {
    "old_result": OLD_RESULT,
    "approval_unconfirmed": APPROVAL_UNCONFIRMED,
    "contradiction": CONTRADICTION,
    "second_final": SECOND_FINAL,
    "overdue": OVERDUE,
    "differs": DIFFERS,
    "record_differs": Story(title="The authority's record differs from what was entered"),
    "record_partly": Story(title="The authority's record matches in part what was entered"),
    "liveness_not_proven": Story(title="Approved by Smile ID — but liveness is not proven"),
    "again": Story(title="Reopened by a reviewer"),
    "requested": Story(title="Review requested"),
    "selfie_seen": Story(title="Possible fraud: this selfie was already used with a different ID number"),
    "review_wanted": Story(title="Approved by Smile ID — but a reviewer must still decide"),
    "pending": Story(title="Still waiting for Smile ID"),
    "unsettled": Story(title="No result — unclear whether Smile ID has this check"),
}


def notice_title(tell: str, why: ResultStory | None) -> str:
    """The title of a reviewer's card: the story's, without details."""
    story = _NOTICES.get(tell) or (STORIES[why] if why else None)
    return story.name if story else "Needs review"


FAILURES: Mapping[str, Story] = {
    "photo": Story(
        title="No result — a photo could not be sent",
        meaning="Nothing was sent to Smile ID and nothing was charged.",
        next_step="*Send other photos*.",
    ),
    "input": Story(
        title="No result — Smile ID refused the input",
        meaning="Nothing was decided about the customer.",
        next_step="Correct it and *Run again*.",
    ),
    "refused": Story(
        title="No result — Smile ID refused our request",
        meaning="Nothing was decided about the customer.",
        calls_admins=True,
    ),
    "smile_id_away": Story(
        title="No result — Smile ID could not be reached",
        meaning="We tried for about an hour. Smile ID did not take the check; nothing was decided.",
        next_step="*Run again* later.",
    ),
    "slack_away": Story(
        title="No result — the photos could not be fetched from Slack",
        meaning="We tried for about an hour. Nothing was sent to Smile ID and nothing was charged.",
        next_step="*Run again* later.",
    ),
    "fault": Story(
        title="No result — a fault of ours stopped this check",
        meaning="Nothing was sent to Smile ID and nothing was charged.",
        next_step="*Run again* later.",
    ),
    "unsettled": Story(
        title="No result — unclear whether Smile ID has this check",
        meaning="The connection broke while sending, and Smile ID has given no clear answer since.",
        next_step="Before you *Run again*, have somebody look for this job in Smile ID's portal. "
        "If a result still arrives, it comes here.",
    ),
    "unanswered": Story(
        title="No result — Smile ID never answered",
        meaning="The customer is neither approved nor rejected.",
        next_step="*Run again* sends the photos once more, which may be charged again. "
        "If a result still arrives, a reviewer is asked to look at it.",
    ),
}
"""Ends without a result of Smile ID, by `Check.failure`."""

OUTCOME_NAMES: Mapping[Outcome, str] = {
    Outcome.APPROVED: "Approved",
    Outcome.REJECTED: "Rejected",
    Outcome.FAILED: "No result",
}

DECIDED: Mapping[Decision, str] = {
    Decision.APPROVED: "Approved",
    Decision.REJECTED: "Rejected",
    Decision.NEW_PHOTOS: "New photos asked for",
}
"""Always with *by a reviewer* or a name, so that nobody mistakes it for Smile ID's verdict."""

AFTER: Mapping[Decision, str] = {
    Decision.APPROVED: "Nothing more to do.",
    Decision.REJECTED: "Do not onboard the customer.",
    Decision.NEW_PHOTOS: "Ask the customer for new photos, then *Send other photos*.",
}
"""What who asked does after a decision."""

AFTER_CANCELLED = "Nothing was charged. *Run again* starts it anew."

STATE_NAMES: Mapping[State, str] = {
    State.REQUESTED: "Received",
    State.AWAITING_PHOTOS: "Waiting for the customer's photos",
    State.SUBMITTING: "Sending to Smile ID",
    State.PROCESSING: "Waiting for Smile ID",
    State.IN_REVIEW: "Not final",
    State.APPROVED: "Approved",
    State.REJECTED: "Rejected",
    State.FAILED: "No result",
    State.CANCELLED: "Cancelled",
}

REVIEW_NAMES: Mapping[ReviewReason, str] = {
    ReviewReason.SMILE_ID: "Not final: in human review at Smile ID",
    ReviewReason.UNCONFIRMED: "Not final: approval not confirmed",
    ReviewReason.UNKNOWN_CODE: "Needs review: unknown code",
    ReviewReason.CONTRADICTION: "Needs review: results differ",
    ReviewReason.ID_UNVERIFIED: "Needs review: ID number not verified",
    ReviewReason.SECOND_FINAL: "Needs review: two final results",
    ReviewReason.ALTERED: "Record altered: not as the bot wrote it",
}

AFTER_ALTERED = "Do not act on it. An admin has been told; if you need a result, start a new check."
"""What everybody does about a check whose record was altered."""

AFTER_ERASED = "Nothing: the customer's data is erased, and the result stays. For a new check type `/kyc`."
"""What everybody does about a check of which something is erased."""

ACTIONS: Mapping[str, str] = {
    "Verify_ID_Number": "ID number",
    "Return_Personal_Info": "Authority's data",
    "Selfie_Provided": "Selfie",
    "Selfie_Check": "Selfie quality",
    "Liveness_Check": "Liveness",
    "Selfie_To_ID_Authority_Compare": "Face match with ID photo",
    "Selfie_To_ID_Card_Compare": "Face match with ID card",
    "Selfie_To_Registered_Selfie_Compare": "Face match with enrolled selfie",
    "Register_Selfie": "Enrolment",
    "Update_Registered_Selfie_On_File": "Update of the enrolled selfie",
    "Human_Review_Compare": "Human review of the faces",
    "Human_Review_Liveness_Check": "Human review of liveness",
    "Human_Review_Selfie_Check": "Human review of the selfie",
    "Human_Review_Update_Selfie": "Human review of the update",
    "Document_Check": "Document",
    "Human_Review_Document_Check": "Human review of the document",
    "Verify_Document": "Document decision",
}
"""Smile ID's Actions (actions.csv) in words."""

ACTION_VALUES: Mapping[str, str] = {
    "Passed": "passed",
    "Verified": "verified",
    "Returned": "returned",
    "Completed": "compared",
    "Approved": "done",
    "Provisionally Approved": "provisionally passed",
    "Under Review": "in human review",
    "Sent to Human Review": "sent to human review",
    "Failed": "failed",
    "Rejected": "rejected",
    "Not Verified": "not verified",
    "Not Returned": "none returned",
    "Issuer Unavailable": "authority unavailable",
    "ID Authority Photo Not Available": "authority has no photo",
    "Unable To Determine": "not decided",
    "Not Done": "not done",
}
SAID_BY_THE_CODE: Mapping[tuple[ResultStory, str], str] = {(ResultStory.ID_NOT_FOUND, "Not Verified"): "not found"}
"""Values that say more where the code does: *Not Verified* by itself may be a number that nobody looked up."""
SAID_BY_THE_ACTION: Mapping[tuple[str, str], str] = {("Selfie_Provided", "Passed"): "received"}
"""That a selfie was sent says nothing of what it shows."""

_OF_THE_NUMBER = {"Verify_ID_Number": "not looked up", "Return_Personal_Info": "not looked up"}
_OF_THE_FACES = {
    "Selfie_To_ID_Authority_Compare": "not compared",
    "Selfie_To_ID_Card_Compare": "not compared",
    "Selfie_To_Registered_Selfie_Compare": "not compared",
    "Human_Review_Compare": "not done",
}
_OF_LIVENESS = {"Liveness_Check": "not checked", "Human_Review_Liveness_Check": "not done"}
NOT_REACHED: Mapping[ResultStory, Mapping[str, str]] = {
    ResultStory.REFUSED: {**_OF_THE_NUMBER, **_OF_THE_FACES},
    ResultStory.NUMBER_FORMAT: {**_OF_THE_NUMBER, **_OF_THE_FACES},
    ResultStory.AUTHORITY_DOWN: {**_OF_THE_NUMBER, **_OF_THE_FACES},
    ResultStory.ID_NOT_FOUND: _OF_THE_FACES,
    ResultStory.NO_AUTHORITY_PHOTO: {"Selfie_To_ID_Authority_Compare": "not compared"},
    ResultStory.NO_FACE: {**_OF_THE_FACES, **_OF_LIVENESS},
    ResultStory.PHOTO_UNUSABLE: {**_OF_THE_FACES, **_OF_LIVENESS},
}
"""By what a code says, the Actions that Smile ID cannot have come to, and what is said of each in place of its value.

After *Need to Activate Product* (1016) the Actions hold *Not Verified*: of a number that nobody has looked up.
"""
NOT_REACHED_BY_CODE: Mapping[tuple[ResultStory, str], Mapping[str, str]] = {
    (ResultStory.PHOTO_UNUSABLE, "0903"): {
        **_OF_THE_NUMBER,
        "Selfie_Provided": "not looked at",
        "Selfie_Check": "not checked",
    }
}
"""On top of that. After *Zip Corrupt* nothing was looked at: the ID number is in the zip that could not be opened."""
TELL_WHY = frozenset({"Issuer Unavailable", "ID Authority Photo Not Available", "Not Done"})
"""Values that say themselves that nothing was looked at."""

RECORD_MATCHES: Mapping[RecordMatch, str] = {
    RecordMatch.MATCHES: "matches",
    RecordMatch.PARTLY: "matches in part",
    RecordMatch.DIFFERS: "differs",
    RecordMatch.NOT_COMPARED: "not compared",
}
"""What was entered against the authority's record, field by field."""

TOLD_BY_TITLE: Mapping[ResultStory, Sequence[tuple[str, str]]] = {
    ResultStory.FACES_DIFFER: [("Selfie_To_ID_Authority_Compare", "Failed")],
    ResultStory.SPOOF: [("Liveness_Check", "Failed")],
    ResultStory.ID_NOT_FOUND: [("Verify_ID_Number", "Not Verified")],
    ResultStory.ID_UNVERIFIED: [("Verify_ID_Number", "Not Verified")],
    ResultStory.AUTHORITY_DOWN: [("Verify_ID_Number", "Issuer Unavailable")],
    ResultStory.NO_AUTHORITY_PHOTO: [("Selfie_To_ID_Authority_Compare", "ID Authority Photo Not Available")],
}
"""Actions, with their values, that say no more than the title of the story."""

NO_IMAGES = "No liveness images were sent"
NO_LIVENESS_IMAGES = "Liveness: not proven (no liveness images)"
LIVENESS_NOT_SAID = "• Liveness: not proven (Smile ID gave no liveness result)"

GOOD = frozenset({"Passed", "Verified", "Returned", "Approved"})
BAD = frozenset({"Failed", "Rejected", "Not Verified", "Issuer Unavailable", "ID Authority Photo Not Available"})
PENDING = frozenset({"Provisionally Approved", "Under Review", "Sent to Human Review"})
SILENT = frozenset({"Not Applicable"})
"""Values that say nothing about this check."""
