"""What keeps an approval of Smile ID's from being the last word at this company.

Smile ID compares a selfie with the photo that the authority holds for an ID number. Whose name was entered, and whether
the selfie is of a living person, are questions beside that; state and verdict stay Smile ID's whatever the answers are.
"""

from enum import StrEnum

from bot.domain.results.liveness import Liveness, LivenessRule
from bot.domain.results.record_match import RecordMatch


class RecordRule(StrEnum):
    """What it means that somebody else was entered than the authority's record is about (`KYC_NAME_DIFFERS`)."""

    REVIEW = "review"
    """The approval goes to the reviewers."""
    TELL = "tell"
    """It is said where the result is said, and nobody is called."""


class Doubt(StrEnum):
    """Why reviewers are called for an approval."""

    RECORD_DIFFERS = "record_differs"
    LIVENESS_NOT_PROVEN = "liveness_not_proven"


def doubt_about_approval(
    record: RecordMatch, liveness: Liveness | None, *, record_rule: RecordRule, liveness_rule: LivenessRule
) -> Doubt | None:
    """Why an approval needs a reviewer, the graver reason first; None if it needs none."""
    if record is RecordMatch.DIFFERS and record_rule is RecordRule.REVIEW:
        return Doubt.RECORD_DIFFERS
    if liveness is not Liveness.PROVEN and liveness_rule is not LivenessRule.OPTIONAL:
        return Doubt.LIVENESS_NOT_PROVEN
    return None
