"""Whether a result rests on proof of life: that a living person stood before the camera, not a picture of one.

Smile ID's guide to Biometric KYC calls the eight liveness images optional, but required for proof of life: a check with
a selfie alone compares two pictures.
"""

from collections.abc import Mapping
from enum import StrEnum


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


def liveness_of(images: int, actions: Mapping[str, str]) -> Liveness:
    """From the number of liveness images sent, and the Actions of the message that bears the verdict.

    People at Smile ID decide after its machine, so that their word counts where there is one.
    """
    word = actions.get("Human_Review_Liveness_Check")
    if word not in ("Passed", "Failed"):
        word = actions.get("Liveness_Check")
    return Liveness.PROVEN if images > 0 and word == "Passed" else Liveness.NOT_PROVEN
