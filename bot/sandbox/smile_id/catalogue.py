"""The answer of `GET /v1/services`: ID types that the sandbox knows, in the shape of Smile ID's.

Shape and values: smileidentity/web-client:packages/embed/cypress/fixtures/services.json and the ID type
pages under docs.usesmileid.com/supported-id-types, shortened to types that Biometric KYC supports.
"""

from typing import Any

_COUNTRIES = {"GH": "Ghana", "KE": "Kenya", "NG": "Nigeria", "ZA": "South Africa"}

_ID_TYPES: tuple[tuple[str, str, str, str, str], ...] = (
    ("GH", "GHANA_CARD", "Ghana Card", r"(?i)^[A-Z]{3}-?\d{9}-?\d$", "GHA-000000000-0"),
    ("GH", "NEW_VOTER_ID", "New Voter's ID", r"^[0-9]{10,12}$", "0000000000"),
    ("GH", "PASSPORT", "Passport", r"(?i)^[A-Z]{1,2}[0-9]{6,7}$", "G0000000"),
    ("GH", "SSNIT", "SSNIT", r"(?i)^[a-zA-Z]{1}[a-zA-Z0-9]{12,14}$", "C000000000000"),
    ("KE", "ALIEN_CARD", "Alien Card", r"^[0-9]{6,9}$", "000000"),
    ("KE", "NATIONAL_ID", "National ID", r"^[0-9]{1,9}$", "00000000"),
    ("KE", "PASSPORT", "Passport", r"^[A-Z0-9]{7,9}$", "A00000000"),
    ("NG", "BVN", "Bank Verification Number", r"^[0-9]{11}$", "00000000000"),
    ("NG", "NIN_SLIP", "National ID (Slip)", r"^[0-9]{11}$", "00000000000"),
    ("NG", "NIN_V2", "National ID (NIN)", r"^[0-9]{11}$", "00000000000"),
    ("NG", "V_NIN", "Virtual NIN", r"^[a-zA-Z0-9]{16}$", "0000000000000000"),
    ("NG", "VOTER_ID", "Voter's ID", r"(?i)^[a-zA-Z0-9 ]{9,29}$", "0000000000000000000"),
    ("ZA", "NATIONAL_ID", "National ID", r"^[0-9]{13}$", "0000000000000"),
)
"""Country, ID type, label, pattern of the number, test number."""

_REQUIRED = ["country", "id_type", "user_id", "job_id", "id_number"]


def services() -> dict[str, Any]:
    """The whole answer; bank codes are invented."""
    id_types: dict[str, dict[str, list[str]]] = {country: {} for country in _COUNTRIES}
    biometric_kyc: dict[str, dict[str, Any]] = {
        country: {"name": name, "id_types": {}} for country, name in _COUNTRIES.items()
    }
    for country, id_type, label, pattern, test_number in _ID_TYPES:
        id_types[country][id_type] = _REQUIRED
        biometric_kyc[country]["id_types"][id_type] = {
            "label": label,
            "required_fields": _REQUIRED,
            "test_data": test_number,
            "id_number_regex": pattern,
        }
    return {
        "bank_codes": [{"name": "Sandbox Bank", "code": "000", "nip_code": "000000"}],
        "id_types": id_types,
        "hosted_web": {"biometric_kyc": biometric_kyc},
    }
