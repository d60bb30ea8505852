"""The zip that carries one Biometric KYC job to Smile ID: `info.json` and the photos.

Pure: same input, same bytes. Entry names come from here alone, never from what a person uploaded.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.smile_id.signature import stamp

JOB_TYPE = 1
"""Biometric KYC, sent as a number."""
FILE_NAME = "selfie.zip"
"""What every official SDK calls the package, in the upload request and in info.json."""

SELFIE_FILE, SELFIE_BASE64 = 0, 2
LIVENESS_FILE, LIVENESS_BASE64 = 4, 6

_EPOCH = (1980, 1, 1, 0, 0, 0)
_RESERVED = frozenset({"job_id", "user_id", "job_type"})
_USER_DATA: Mapping[str, object] = {
    "isVerifiedProcess": False,
    "name": "",
    "fbUserID": "",
    "firstName": "",
    "lastName": "",
    "gender": "",
    "email": "",
    "phone": "",
    "countryCode": "+",
    "countryName": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One JPEG."""

    data: bytes = field(repr=False)
    base64: bool = False
    """Travel inside info.json (image type 2 or 6) instead of as a file of its own (0 or 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the person agreed to, and when."""

    granted_at: datetime
    personal_details: bool
    contact_information: bool
    document_information: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is asked of Smile ID, without the photos."""

    job_id: str
    user_id: str
    callback_url: str = field(repr=False)
    """Holds the secret token of this job; empty when results are only polled for."""
    id_info: Mapping[str, str] = field(repr=False)
    """Smile ID's field names: `country`, `id_type`, `id_number`, `first_name` …"""
    consent: Consent | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further `partner_params`; they come back in every result."""

    def __post_init__(self) -> None:
        if taken := _RESERVED & self.extra.keys():
            raise ValueError(f"extra partner_params may not replace {', '.join(sorted(taken))}")

    @property
    def partner_params(self) -> dict[str, object]:
        return {**self.extra, "job_id": self.job_id, "user_id": self.user_id, "job_type": JOB_TYPE}


def build(
    job: Job,
    *,
    selfie: Photo,
    liveness: Sequence[Photo],
    server_information: Mapping[str, object],
    partner_id: str,
    timestamp: str,
    signature: str,
) -> bytes:
    """The whole zip in memory; `server_information` is Smile ID's complete answer to the upload request."""
    info = {
        "package_information": {
            "apiVersion": {"buildNumber": 0, "majorVersion": 2, "minorVersion": 0},
            "language": "python",
        },
        "misc_information": {
            "signature": signature,
            "timestamp": timestamp,
            "retry": "false",
            "partner_params": job.partner_params,
            "file_name": FILE_NAME,
            "smile_client_id": partner_id,
            "callback_url": job.callback_url,
            "userData": _USER_DATA,
        },
        # a string, although some SDKs send a bool: the form that every source shows accepted
        "id_info": {**job.id_info, "entered": "true"},
        "images": [_image(name, photo) for name, photo in _named(selfie, liveness)],
        "server_information": dict(server_information),
    }
    if job.consent is not None:
        info["consent_information"] = {"consented": _consented(job.consent)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _store(archive, "info.json", json.dumps(info, separators=(",", ":")).encode("ascii"))
        for name, photo in _named(selfie, liveness):
            if not photo.base64:
                _store(archive, name, photo.data)
    return buffer.getvalue()


def _named(selfie: Photo, liveness: Sequence[Photo]) -> Iterator[tuple[str, Photo]]:
    yield "selfie.jpg", selfie
    for index, photo in enumerate(liveness):
        yield f"liveness_{index}.jpg", photo


def _image(name: str, photo: Photo) -> dict[str, object]:
    is_selfie = name == "selfie.jpg"
    if photo.base64:
        type_id = SELFIE_BASE64 if is_selfie else LIVENESS_BASE64
        return {"image_type_id": type_id, "image": base64.b64encode(photo.data).decode(), "file_name": ""}
    return {"image_type_id": SELFIE_FILE if is_selfie else LIVENESS_FILE, "image": "", "file_name": name}


def _consented(consent: Consent) -> dict[str, object]:
    """The shape of the mobile SDK (smileidentity/android:lib/…/models/Upload.kt, 2026-11)."""
    return {
        "consent_granted_date": stamp(consent.granted_at),
        "personal_details": consent.personal_details,
        "contact_information": consent.contact_information,
        "document_information": consent.document_information,
    }


def _store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    # stored: JPEGs do not shrink, and a date of our own would make equal packages differ
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, data, compress_type=zipfile.ZIP_STORED)
