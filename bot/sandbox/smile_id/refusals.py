"""What the API refuses, and the small checks of JSON bodies that lead there.

Codes and texts: docs.usesmileid.com/further-reading/result-codes/error-codes. HTTP 400 is what every
official SDK's fixture shows; for most codes the status is not documented.
"""

from collections.abc import Mapping
from typing import Any

from .signature import Signer, readable_timestamp

TEXTS = {
    "2203": "Error - Invalid JSON",
    "2204": "Error - A parameter is of the wrong data type",
    "2205": "Error - You are not authorized to do that",
    "2209": "Error - Wrong user id. This user is already enrolled with user_id",
    "2212": "Error - Invalid job type",
    "2213": "Error - A required parameter is missing",
    "2215": "Error - Job already exists for job_id",
}


class RefusedError(Exception):
    """A request that the API answers with `code`; `about` names the field at fault, never its value."""

    def __init__(self, code: str, about: str = "") -> None:
        super().__init__(code, about)
        self.code = code
        self.text = f"{TEXTS[code]}: {about}" if about else TEXTS[code]


def require(body: Mapping[str, Any], *names: str) -> None:
    """Refuse (2213) a body that lacks one of these, or has it empty."""
    for name in names:
        if body.get(name) in (None, ""):
            raise RefusedError("2213", name)


def require_text(body: Mapping[str, Any], *names: str) -> None:
    """Refuse a body unless all of these are non-empty strings."""
    require(body, *names)
    for name in names:
        if not isinstance(body[name], str):
            raise RefusedError("2204", name)


def require_signature(body: Mapping[str, Any], signer: Signer, *, partner_field: str) -> None:
    """Refuse a body that is not signed by this partner, over the timestamp as it came."""
    require(body, partner_field, "timestamp", "signature")
    require_text(body, partner_field, "signature")
    timestamp = body["timestamp"]
    if isinstance(timestamp, bool) or not isinstance(timestamp, str | int):
        raise RefusedError("2204", "timestamp")
    if not readable_timestamp(str(timestamp)):
        raise RefusedError("2204", "timestamp")
    if body[partner_field] != signer.partner_id or not signer.confirms(str(timestamp), body["signature"]):
        raise RefusedError("2205")
