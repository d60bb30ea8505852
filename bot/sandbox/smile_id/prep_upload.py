"""The body of `POST /v1/upload`: what must be in it, and what it asks for.

Field list: docs.usesmileid.com/products/for-individuals-kyc/biometric-kyc and the official SDKs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .refusals import RefusedError, require, require_signature, require_text
from .signature import Signer

BIOMETRIC_KYC = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepUpload:
    """A request for an upload URL that is well formed and signed."""

    job_id: str
    user_id: str
    partner_params: dict[str, Any] = field(repr=False)
    callback_url: str = field(repr=False)
    retry: bool
    """Asks for the same job again; the mobile SDK does so after error 2215."""

    allow_new_enroll: bool
    """Lets a user who is enrolled already enrol again (Android: models/PrepUpload.kt)."""


def parse(body: Mapping[str, Any], signer: Signer) -> PrepUpload:
    """Read the body, or raise `RefusedError`.

    `callback_url` may be absent or empty: newer documentation requires it, older does not, and SDKs send
    an empty string. `model_parameters` may be anything: PHP sends an empty string, others an object.
    """
    require_text(body, "smile_client_id", "file_name", "source_sdk", "source_sdk_version")
    require(body, "timestamp", "signature", "partner_params")
    partner_params = body["partner_params"]
    if not isinstance(partner_params, dict):
        raise RefusedError("2204", "partner_params")
    require(partner_params, "job_id", "user_id", "job_type")
    require_text(partner_params, "job_id", "user_id")
    callback_url = body.get("callback_url") or ""
    if not isinstance(callback_url, str):
        raise RefusedError("2204", "callback_url")
    require_signature(body, signer, partner_field="smile_client_id")
    _require_biometric_kyc(partner_params["job_type"])
    return PrepUpload(
        job_id=partner_params["job_id"],
        user_id=partner_params["user_id"],
        partner_params=partner_params,
        callback_url=callback_url,
        retry=_flag(body, "retry"),
        allow_new_enroll=_flag(body, "allow_new_enroll"),
    )


def _require_biometric_kyc(job_type: object) -> None:
    if isinstance(job_type, bool) or not isinstance(job_type, str | int):
        raise RefusedError("2204", "job_type")
    if str(job_type) != BIOMETRIC_KYC:
        raise RefusedError("2212", "this stand-in knows job type 1 alone")


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value not in (None, True, False, "true", "false"):
        raise RefusedError("2204", name)
    return value in (True, "true")
