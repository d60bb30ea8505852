"""The zip: what is in it, in which form, and that no input changes its shape."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.smile_id.interface import JobPhoto, JobRequest
from bot.smile_id.package import build
from tests.smile_id.loopback import request_of

JOB = request_of(
    callback_url="https://kyc.example/smile-id/callback/secret-token",
    id_info={"country": "NG", "id_type": "NIN_V2", "id_number": "00000000000"},
    labels={"customer_reference": "C-17"},
    consent_at=datetime(2026, 11, 22, 11, 59, tzinfo=UTC),
)
PREPARED = {"upload_url": "https://s3.example/x?y=z", "smile_job_id": "0000000583", "code": "2202"}


def built(request: JobRequest = JOB) -> bytes:
    return build(
        request,
        server_information=PREPARED,
        partner_id="0421",
        timestamp="2026-11-22T12:00:00.000Z",
        signature="c2lnbmF0dXJl",
    )


def opened(package: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(package))


def info_of(package: bytes) -> dict[str, Any]:
    with opened(package) as archive:
        parsed = json.loads(archive.read("info.json"))
    assert isinstance(parsed, dict)
    return parsed


def test_info_json_holds_every_field_of_the_fact_sheet() -> None:
    partner_params = {"job_id": "job-7c1", "user_id": "user-9a2", "job_type": 1, "customer_reference": "C-17"}
    assert info_of(built(replace(JOB, liveness=(JobPhoto(data=b"one"),)))) == {
        "package_information": {
            "apiVersion": {"buildNumber": 0, "majorVersion": 2, "minorVersion": 0},
            "language": "python",
        },
        "misc_information": {
            "signature": "c2lnbmF0dXJl",
            "timestamp": "2026-11-22T12:00:00.000Z",
            "retry": "false",
            "partner_params": partner_params,
            "file_name": "selfie.zip",
            "smile_client_id": "0421",
            "callback_url": "https://kyc.example/smile-id/callback/secret-token",
            "userData": {
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
            },
        },
        "id_info": {"country": "NG", "id_type": "NIN_V2", "id_number": "00000000000", "entered": "true"},
        "images": [
            {"image_type_id": 0, "image": "", "file_name": "selfie.jpg"},
            {"image_type_id": 4, "image": "", "file_name": "liveness_0.jpg"},
        ],
        "server_information": PREPARED,
        "consent_information": {
            "consented": {
                "consent_granted_date": "2026-11-22T11:59:00.000Z",
                "personal_details": True,
                "contact_information": False,
                "document_information": True,
            }
        },
    }


@pytest.mark.parametrize(
    ("phone", "consented"), [({"phone_number": "08000000000"}, True), ({"phone_number": ""}, False)]
)
def test_consent_to_contact_information_is_claimed_only_where_a_contact_is_sent(
    phone: dict[str, str], consented: bool
) -> None:
    info = info_of(built(replace(JOB, id_info={**JOB.id_info, **phone})))

    assert info["consent_information"]["consented"]["contact_information"] is consented


def test_photos_travel_byte_for_byte_under_names_of_ours() -> None:
    photos = tuple(JobPhoto(data=b"\xff\xd8" + bytes([index]) * 100) for index in range(8))
    with opened(built(replace(JOB, liveness=photos))) as archive:
        names = ["info.json", "selfie.jpg", *(f"liveness_{index}.jpg" for index in range(8))]
        assert archive.namelist() == names
        assert archive.read("selfie.jpg") == b"\xff\xd8selfie"
        assert [archive.read(name) for name in names[2:]] == [photo.data for photo in photos]


def test_base64_photos_are_whole_inside_info_json_and_have_no_entry() -> None:
    photos = [JobPhoto(data=bytes(range(256)) * 4, is_inline=True) for _ in range(3)]
    package = built(replace(JOB, selfie=photos[0], liveness=photos[1:]))
    images = info_of(package)["images"]
    assert [image["image_type_id"] for image in images] == [2, 6, 6]
    assert all(base64.b64decode(image["image"]) == photos[0].data for image in images)
    assert all(image["file_name"] == "" for image in images)
    with opened(package) as archive:
        assert archive.namelist() == ["info.json"]


def test_files_and_base64_mix() -> None:
    package = built(replace(JOB, liveness=(JobPhoto(data=b"in", is_inline=True), JobPhoto(data=b"out"))))
    assert [image["image_type_id"] for image in info_of(package)["images"]] == [0, 6, 4]
    with opened(package) as archive:
        assert archive.namelist() == ["info.json", "selfie.jpg", "liveness_1.jpg"]


def test_labels_cannot_replace_the_job() -> None:
    for name in ("job_id", "user_id", "job_type"):
        with pytest.raises(ValueError, match=name):
            built(replace(JOB, labels={name: "x"}))


def test_an_empty_callback_url_is_still_sent() -> None:
    assert info_of(built(replace(JOB, callback_url="")))["misc_information"]["callback_url"] == ""


def test_nothing_personal_or_secret_shows_in_a_repr() -> None:
    request = request_of(
        callback_url="https://kyc.example/secret",
        id_info={"id_number": "12345678901"},
        labels={"customer_reference": "Ada"},
        selfie=JobPhoto(data=b"face"),
    )
    assert not [leak for leak in ("secret", "12345678901", "Ada", "face") if leak in repr(request)]


wild = st.text(st.characters(exclude_categories=()))
wild_map = st.dictionaries(wild, wild, max_size=5)
photo = st.builds(JobPhoto, data=st.binary(max_size=64), is_inline=st.booleans())
reserved = {"job_id", "user_id", "job_type"}
requests = st.builds(
    JobRequest,
    job_id=wild,
    user_id=wild,
    callback_url=wild,
    id_info=wild_map,
    consent_at=st.datetimes(timezones=st.just(UTC)),
    labels=wild_map.filter(lambda labels: not labels.keys() & reserved),
    selfie=photo,
    liveness=st.lists(photo, max_size=9),
)


@pytest.mark.slow
@given(requests)
def test_no_input_changes_entry_names_or_gets_lost(request: JobRequest) -> None:
    package = built(request)
    with opened(package) as archive:
        files = ["selfie.jpg"] * (not request.selfie.is_inline)
        files += [f"liveness_{index}.jpg" for index, photo in enumerate(request.liveness) if not photo.is_inline]
        assert archive.namelist() == ["info.json", *files]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None
    info = info_of(package)
    assert info["id_info"] == {**request.id_info, "entered": "true"}
    own = {"job_id": request.job_id, "user_id": request.user_id, "job_type": 1}
    assert info["misc_information"]["partner_params"] == {**request.labels, **own}
    assert info["misc_information"]["callback_url"] == request.callback_url
    assert package == built(request)
