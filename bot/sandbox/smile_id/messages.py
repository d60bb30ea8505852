"""Result messages: their codes, texts and Actions.

Codes and texts are from Smile ID's tables and SDK fixtures; texts marked *ours* are plausible, not
documented. All personal data is invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACTIONS_OF_AN_APPROVAL: Mapping[str, str] = {
    "Human_Review_Compare": "Not Applicable",
    "Human_Review_Liveness_Check": "Not Applicable",
    "Human_Review_Update_Selfie": "Not Applicable",
    "Liveness_Check": "Passed",
    "Register_Selfie": "Approved",
    "Return_Personal_Info": "Returned",
    "Selfie_Provided": "Passed",
    "Selfie_To_ID_Authority_Compare": "Completed",
    "Selfie_To_ID_Card_Compare": "Not Applicable",
    "Selfie_To_Registered_Selfie_Compare": "Not Applicable",
    "Update_Registered_Selfie_On_File": "Not Applicable",
    "Verify_ID_Number": "Verified",
}
"""All twelve, as in the official callback sample for job type 1."""

_ID_NUMBER_FAILED = {
    "Liveness_Check": "Not Applicable",
    "Register_Selfie": "Not Applicable",
    "Return_Personal_Info": "Not Returned",
    "Selfie_To_ID_Authority_Compare": "Not Done",
}
_NOTHING_LOOKED_UP = {
    "Register_Selfie": "Rejected",
    "Return_Personal_Info": "Not Returned",
    "Selfie_To_ID_Authority_Compare": "Not Done",
    "Verify_ID_Number": "Not Done",
}

PHOTO = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////"
    "////////////////////////wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAA"
    "AAD/2gAIAQEAAD8AP//Z"
)
"""A grey JPEG of 8 x 8 pixels."""

PERSON: Mapping[str, str] = {
    "FullName": "Ada Test Obi",
    "DOB": "1990-01-02",
    "Gender": "F",
    "Address": "1 Example Close, Sandbox Town",
    "PhoneNumber": "08000000000",
    "PhoneNumber2": "Not Available",
    "IssuanceDate": "Not Available",
    "ExpirationDate": "Not Available",
    "Photo": PHOTO,
}
"""What every authority in the sandbox knows about somebody of whom nothing but the number was entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A message before it belongs to a job."""

    code: str
    text: str
    result_type: str = "SAIA"
    """SAIA: machine. DIVA: human. ID Verification: look-up alone."""

    final: bool = True
    confidence: str | None = None
    changed_actions: Mapping[str, str] = field(default_factory=dict)
    """Where its Actions differ from an approval's."""

    looked_up: bool = False
    """Carries what the authority knows."""

    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def actions(self) -> dict[str, str]:
        return {**ACTIONS_OF_AN_APPROVAL, **self.changed_actions}


ID_DETAILS = Template(
    code="1012",
    text="ID Number Validated",
    result_type="ID Verification",
    looked_up=True,
    changed_actions={
        "Liveness_Check": "Not Applicable",
        "Register_Selfie": "Not Applicable",
        "Selfie_Provided": "Not Applicable",
        "Selfie_To_ID_Authority_Compare": "Not Applicable",
    },
)
ID_DETAILS_WITHOUT_PHOTO = Template(
    code="1012",
    text="ID Number Validated",
    result_type="ID Verification",
    looked_up=True,
    changed_actions=ID_DETAILS.changed_actions,
    extra={"Photo": "Not Available"},
)
ID_DETAILS_OF_ANOTHER = Template(
    code="1012",
    text="ID Number Validated",
    result_type="ID Verification",
    looked_up=True,
    changed_actions=ID_DETAILS.changed_actions,
    extra={"FullName": "EZE CHIDI TEST", "DOB": "1971-05-06", "PhoneNumber": "08011111111"},
)
NO_SUCH_ID = Template(
    code="1013",
    text="Unable to Validate ID",
    result_type="ID Verification",
    changed_actions={**_ID_NUMBER_FAILED, "Verify_ID_Number": "Not Verified"},
)
BAD_ID_FORMAT = Template(
    code="1014",
    text="Error - Unsupported ID number format",
    result_type="ID Verification",
    changed_actions={**_ID_NUMBER_FAILED, "Verify_ID_Number": "Failed"},
)
AUTHORITY_DOWN = Template(
    code="1015",
    text="Error - Queried Database Unavailable",
    result_type="ID Verification",
    changed_actions={**_ID_NUMBER_FAILED, "Verify_ID_Number": "Issuer Unavailable"},
)

APPROVED = Template(code="0810", text="Enroll User", confidence="99")
APPROVED_WITHOUT_ID = Template(
    code="0810",
    text="Enroll User",
    confidence="99",
    changed_actions={**_NOTHING_LOOKED_UP, "Register_Selfie": "Approved"},
)
REJECTED = Template(
    code="0811",
    text="Failed Enroll - Compare Failed",  # ours
    confidence="3",
    changed_actions={"Register_Selfie": "Rejected", "Selfie_To_ID_Authority_Compare": "Failed"},
)
PROVISIONAL = Template(
    code="0814",
    text="Provisional Enroll - Under Review",
    final=False,
    confidence="97.000000",
    changed_actions={
        "Human_Review_Compare": "Under Review",
        "Human_Review_Liveness_Check": "Under Review",
        "Liveness_Check": "Under Review",
        "Register_Selfie": "Provisionally Approved",
    },
)
INCONCLUSIVE = Template(
    code="0815",
    text="Provisional Enroll - Under Review",  # ours
    final=False,
    confidence="62.000000",
    changed_actions={
        "Human_Review_Compare": "Under Review",
        "Register_Selfie": "Provisionally Approved",
        "Selfie_To_ID_Authority_Compare": "Unable To Determine",
    },
)
SPOOF_SUSPECTED = Template(
    code="0816",
    text="Pending Enroll - Possible Spoof",  # ours
    final=False,
    changed_actions={
        "Human_Review_Compare": "Under Review",
        "Human_Review_Liveness_Check": "Under Review",
        "Liveness_Check": "Under Review",
        "Register_Selfie": "Provisionally Approved",
    },
)
SPOOF_REFUSED = Template(
    code="0907",
    text="FAIL - Possible Spoof - Strict Setting",
    changed_actions={**_NOTHING_LOOKED_UP, "Liveness_Check": "Failed"},
)
NO_FACE = Template(
    code="0911",
    text="Failed Enroll - No Face Found",  # ours
    changed_actions={
        **_NOTHING_LOOKED_UP,
        "Liveness_Check": "Unable To Determine",
        "Selfie_Provided": "Failed",
    },
)
UNKNOWN_CODE = Template(code="0899", text="A code in no table")

HUMAN_APPROVED = Template(
    code="1210",
    text="Enroll User",
    result_type="DIVA",
    confidence="99",
    changed_actions={"Human_Review_Compare": "Passed", "Human_Review_Liveness_Check": "Passed"},
)
HUMAN_REJECTED = Template(
    code="1211",
    text="Failed Enroll - Human Compare Failed",  # ours
    result_type="DIVA",
    changed_actions={
        "Human_Review_Compare": "Failed",
        "Human_Review_Liveness_Check": "Passed",
        "Register_Selfie": "Rejected",
        "Selfie_To_ID_Authority_Compare": "Failed",
    },
)
HUMAN_FOUND_SPOOF = Template(
    code="1212",
    text="Failed Enroll - Spoof Detected",  # ours
    result_type="DIVA",
    changed_actions={
        "Human_Review_Compare": "Not Done",
        "Human_Review_Liveness_Check": "Failed",
        "Liveness_Check": "Failed",
        "Register_Selfie": "Rejected",
    },
)

SELFIE_UNUSABLE = Template(
    code="0001",
    text="Selfie image unusable",
    changed_actions={
        **_NOTHING_LOOKED_UP,
        "Liveness_Check": "Not Applicable",
        "Selfie_Provided": "Failed",
    },
)
NO_AUTHORITY_PHOTO = Template(
    code="0001",
    text="ID Authority image not available",
    changed_actions={
        "Register_Selfie": "Rejected",
        "Selfie_To_ID_Authority_Compare": "ID Authority Photo Not Available",
    },
)
SUSPECTS_FOUND = Template(
    code="5211",
    text="Suspect Users Found",
    extra={"Antifraud": {"SuspectUsers": [{"user_id": "sandbox-suspect-1", "reason": "Same face, other ID number"}]}},
)


def unusable_package(code: str, text: str) -> Template:
    """The result of a job whose zip could not be used."""
    return Template(
        code=code,
        text=text,
        changed_actions={
            **_NOTHING_LOOKED_UP,
            "Liveness_Check": "Not Applicable",
            "Selfie_Provided": "Not Done",
        },
    )
