"""The zip that carries one Biometric KYC job to Smile ID: `info.json` and the photos.

Pure: same input, same bytes. Entry names come from here alone, never from what a person uploaded.
"""

import base64
import io
import json
import zipfile
from collections.abc import Iterator, Mapping

from bot.smile_id.interface import JobPhoto, JobRequest
from bot.smile_id.signature import stamp

JOB_TYPE = 1
"""Biometric KYC, sent as a number."""
FILE_NAME = "selfie.zip"
"""What every official SDK calls the package, in the upload request and in info.json."""

SELFIE_FILE, SELFIE_BASE64 = 0, 2
LIVENESS_FILE, LIVENESS_BASE64 = 4, 6
"""`image_type_id`: a file of its own, or base64 inside info.json."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
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


def partner_params(request: JobRequest) -> dict[str, object]:
    """What comes back in every result. Raises ValueError where a label would take the place of the job itself."""
    own: dict[str, object] = {"job_id": request.job_id, "user_id": request.user_id, "job_type": JOB_TYPE}
    if taken := own.keys() & request.labels.keys():
        raise ValueError(f"labels may not replace {', '.join(sorted(taken))}")
    return {**request.labels, **own}


def build(
    request: JobRequest, *, server_information: Mapping[str, object], partner_id: str, timestamp: str, signature: str
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
            "partner_params": partner_params(request),
            "file_name": FILE_NAME,
            "smile_client_id": partner_id,
            "callback_url": request.callback_url,
            "userData": _USER_DATA,
        },
        # a string, although some SDKs send a bool: the form that every source shows accepted
        "id_info": {**request.id_info, "entered": "true"},
        "images": [_image(name, photo) for name, photo in _named(request)],
        "server_information": dict(server_information),
        "consent_information": {"consented": _consented(request)},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _store(archive, "info.json", json.dumps(info, separators=(",", ":")).encode("ascii"))
        for name, photo in _named(request):
            if not photo.is_inline:
                _store(archive, name, photo.data)
    return buffer.getvalue()


def _named(request: JobRequest) -> Iterator[tuple[str, JobPhoto]]:
    yield "selfie.jpg", request.selfie
    for index, photo in enumerate(request.liveness):
        yield f"liveness_{index}.jpg", photo


def _image(name: str, photo: JobPhoto) -> dict[str, object]:
    is_selfie = name == "selfie.jpg"
    if photo.is_inline:
        type_id = SELFIE_BASE64 if is_selfie else LIVENESS_BASE64
        return {"image_type_id": type_id, "image": base64.b64encode(photo.data).decode(), "file_name": ""}
    return {"image_type_id": SELFIE_FILE if is_selfie else LIVENESS_FILE, "image": "", "file_name": name}


def _consented(request: JobRequest) -> dict[str, object]:
    """The shape of the mobile SDK (smileidentity/android:lib/…/models/Upload.kt, 2026-11).

    The one box of our form covers all three of Smile ID's kinds of data, but nothing is claimed of what is not sent.
    """
    return {
        "consent_granted_date": stamp(request.consent_at),
        "personal_details": True,
        "contact_information": bool(request.id_info.get("phone_number")),
        "document_information": True,
    }


def _store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    # stored: JPEGs do not shrink, and a date of our own would make equal packages differ
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, data, compress_type=zipfile.ZIP_STORED)
