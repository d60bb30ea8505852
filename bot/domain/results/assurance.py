"""What keeps an approval of Smile ID's from being the last word at this company.

Whose name was entered, and whether the selfie is of a living person, are separate questions; state and verdict stay
Smile ID's whatever the answers are. The eight liveness images are optional, but required for proof of life (Smile ID's
guide to Biometric KYC): a check with a selfie alone compares two pictures.
"""

from collections.abc import Mapping
from enum import StrEnum

from bot.domain.results.record_match import RecordMatch


class Liveness(StrEnum):
    """Of a check with a verdict."""

    PROVEN = "proven"
    """Liveness images were sent, and Smile ID's Actions say that they passed."""
    NOT_PROVEN = "not_proven"
    """None were sent, or Smile ID does not say that they passed."""


class LivenessRule(StrEnum):
    """What a check without liveness images means to this company (`KYC_LIVENESS`)."""

    OPTIONAL = "optional"
    REVIEW = "review"
    """An approval without proof of life goes to the reviewers."""
    REQUIRED = "required"
    """No check is accepted without the images; an approval without proof of life goes to the reviewers."""


class RecordRule(StrEnum):
    """What it means that somebody else was entered than the authority's record is about (`KYC_NAME_DIFFERS`)."""

    REVIEW = "review"
    """The approval goes to the reviewers."""
    TELL = "tell"
    """It is posted with the result, and no reviewer is called."""


class Doubt(StrEnum):
    """Why reviewers are called for an approval."""

    RECORD_DIFFERS = "record_differs"
    LIVENESS_NOT_PROVEN = "liveness_not_proven"
    REVIEW_WANTED = "review_wanted"
    """Somebody asked for a review, or the selfie was used with another ID number, and no reviewer has decided."""


def doubt_about_approval(
    record: RecordMatch,
    liveness: Liveness | None,
    *,
    record_rule: RecordRule,
    liveness_rule: LivenessRule,
    is_review_wanted: bool = False,
) -> Doubt | None:
    """Why an approval needs a reviewer, the graver reason first; None if it needs none."""
    if record is RecordMatch.DIFFERS and record_rule is RecordRule.REVIEW:
        return Doubt.RECORD_DIFFERS
    if is_review_wanted:
        return Doubt.REVIEW_WANTED
    if liveness is not Liveness.PROVEN and liveness_rule is not LivenessRule.OPTIONAL:
        return Doubt.LIVENESS_NOT_PROVEN
    return None


def liveness_of(images: int, actions: Mapping[str, str]) -> Liveness:
    """From the number of liveness images sent, and the Actions of the message that bears the verdict.

    People at Smile ID decide after its machine, so their word counts where there is one.
    """
    word = actions.get("Human_Review_Liveness_Check")
    if word not in ("Passed", "Failed"):
        word = actions.get("Liveness_Check")
    return Liveness.PROVEN if images > 0 and word == "Passed" else Liveness.NOT_PROVEN
