"""What comes in: every documented form is read, and nothing makes the reader stumble."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.id_types.services import (
    OfferedIdType,
    PartnerIDTypes,
    Services,
    dump_enabled,
    dump_services,
    load_enabled,
    load_services,
)
from bot.errors import SmileIDAnswerInvalid
from bot.smile_id.interface import Authority, Suspect
from bot.smile_id.wire import (
    canonical_hash,
    code_of,
    parse_message,
    parse_prepared,
    parse_products,
    parse_services,
    parse_status,
)

FIELDS_OF_A_TYPE = ("label", "required_fields", "id_number_regex", "test_data")

APPROVED: dict[str, Any] = {
    "JSONVersion": "1.0.0",
    "ResultCode": "0810",
    "ResultText": "Enroll User",
    "ResultType": "SAIA",
    "SmileJobID": "0000104211",
    "IsFinalResult": "true",
    "IsMachineResult": "true",
    "ConfidenceValue": "99",
    "Source": "WebAPI",
    "PartnerParams": {"job_id": "job-7c1", "user_id": "user-9a2", "job_type": 1, "tenant": "acme"},
    "Actions": {"Liveness_Check": "Passed", "Verify_ID_Number": "Verified"},
    "timestamp": "2026-11-22T12:00:08.100Z",
    "signature": "c2ln",
}


def test_a_machine_approval_is_read() -> None:
    message = parse_message(APPROVED)
    assert (message.code, message.text) == ("0810", "Enroll User")
    assert (message.smile_job_id, message.job_id) == ("0000104211", "job-7c1")
    assert message.actions == {"Liveness_Check": "Passed", "Verify_ID_Number": "Verified"}
    assert (message.confidence, message.is_final) == ("99", True)
    assert message.authority == Authority()
    assert message.suspects == ()


def test_a_message_of_the_three_needed_fields_is_enough() -> None:
    message = parse_message({"ResultCode": "1210", "SmileJobID": "1", "PartnerParams": {"job_id": "j"}})
    assert (message.code, message.smile_job_id, message.job_id) == ("1210", "1", "j")
    assert (message.text, message.is_final, message.confidence, message.actions) == ("", None, None, {})


def test_numbers_and_bools_are_taken_where_text_is_usual() -> None:
    message = parse_message(
        {
            "ResultCode": 810,
            "SmileJobID": 104211,
            "ConfidenceValue": 97.0,
            "IsFinalResult": False,
            "PartnerParams": {"job_id": 17, "user_id": 4, "job_type": "1"},
            "Actions": {"Verify_ID_Number": "Something New", "Liveness_Check": None},
            "timestamp": 1763812800000,
        }
    )
    assert (message.code, message.smile_job_id, message.confidence) == ("0810", "0000104211", "97")
    assert (message.job_id, message.is_final) == ("17", False)
    assert message.actions == {"Verify_ID_Number": "Something New"}


@pytest.mark.parametrize(
    ("sent", "code"),
    [("0810", "0810"), ("810", "0810"), (810, "0810"), (810.0, "0810"), (" 1012 ", "1012"), (1, "0001"),
     ("12345", "12345"), ("E-77", "E-77")],
)  # fmt: skip
def test_a_code_becomes_four_digits_or_stays_what_it_is(sent: object, code: str) -> None:
    assert parse_message({"ResultCode": sent}).code == code


@pytest.mark.parametrize(
    "body",
    [None, [], "0810", 810, {}, {"ResultCode": None}, {"ResultCode": ""}, {"ResultCode": True},
     {"ResultCode": ["0810"]}, {"ResultCode": "0810 or <b>so</b>"}, {"ResultCode": "8" * 17},
     {"ResultCode": 8.1e40}, {"ResultCode": "٠٨١٠"}, {"resultcode": "0810"}],
)  # fmt: skip
def test_a_message_without_a_usable_code_is_refused(body: object) -> None:
    with pytest.raises(SmileIDAnswerInvalid):
        parse_message(body)


def test_what_the_authority_holds_is_read() -> None:
    message = parse_message(
        {
            "ResultCode": "1012",
            "ResultType": "ID Verification",
            "Country": "NG",
            "IDType": "NIN_V2",
            "IDNumber": 12345678901,
            "Secondary_ID_Number": "",
            "FullName": "Ada Test Obi",
            "DOB": "1990-01-02",
            "Gender": "F",
            "Address": "1 Test Way",
            "PhoneNumber": "0800000000",
            "PhoneNumber2": None,
            "IssuanceDate": "2020-01-01",
            "ExpirationDate": "Not Available",
            "Photo": "/9j/4A==",
            "Document": "not available",
            "IsAlive": True,
            "IDNumberPreviouslyRegistered": "true",
            "UserIDsOfPreviousRegistrants": ["user-1", 2],
            "FullData": {},
        }
    )
    assert message.authority == Authority(
        country="NG",
        id_type="NIN_V2",
        id_number="12345678901",
        full_name="Ada Test Obi",
        dob="1990-01-02",
        gender="F",
        address="1 Test Way",
        phone="0800000000",
        issuance_date="2020-01-01",
        photo="/9j/4A==",
        is_alive=True,
        previously_registered=True,
        previous_user_ids=("user-1", "2"),
    )


@pytest.mark.parametrize(
    "antifraud",
    [
        {"SuspectUsers": [{"user_id": "user-1", "reason": "same face"}, {"reason": "nobody"}]},
        {"smile_secure": {"SuspectUsers": [{"user_id": "user-1", "reasons": ["same face"]}]}},
    ],
    ids=["message of its own", "combined"],
)  # fmt: skip
def test_suspects_are_read_from_either_shape(antifraud: object) -> None:
    message = parse_message({"ResultCode": 5211, "Antifraud": antifraud})
    assert message.suspects == (Suspect(user_id="user-1", reasons=("same face",)),)


def test_nothing_personal_shows_in_the_repr_of_a_message() -> None:
    personal = ["Ada Test Obi", "12345678901", "suspicious-user", "/9j/4A==", "customer-17", "c2lnbmF0dXJl"]
    message = parse_message(
        {
            "ResultCode": "1012",
            "FullName": personal[0],
            "IDNumber": personal[1],
            "Antifraud": {"SuspectUsers": [{"user_id": personal[2]}]},
            "SomethingNew": personal[3],
            "PartnerParams": {"job_id": "j", "customer_reference": personal[4]},
            "signature": personal[5],
        }
    )
    shown = f"{message!r}{message.authority!r}{message}"
    assert not [value for value in personal if value in shown]


def test_a_refused_message_is_not_quoted_in_the_error() -> None:
    with pytest.raises(SmileIDAnswerInvalid) as caught:
        parse_message({"ResultCode": ["Ada Test Obi"], "FullName": "Ada Test Obi"})
    assert "Ada" not in f"{caught.value!r}{caught.value.__cause__}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    [*APPROVED, "FullName", "IDNumber", "FullData", "IsAlive", "Antifraud", "UserIDsOfPreviousRegistrants", "x"]
)


@given(json_values | st.dictionaries(field_names, json_values))
def test_no_body_makes_the_reader_stumble(body: object) -> None:
    try:
        message = parse_message(body)
    except SmileIDAnswerInvalid:
        return
    assert message.code
    message.text.encode()


@given(st.dictionaries(field_names, json_values), json_values)
def test_a_replay_that_is_signed_anew_has_the_same_hash(body: dict[str, object], fresh: object) -> None:
    replay = dict(reversed(list({**body, "timestamp": fresh, "signature": fresh}.items())))
    assert canonical_hash(replay) == canonical_hash(body)


def test_the_hash_is_of_the_documented_form_and_sees_nested_changes() -> None:
    # printf '{"PartnerParams":{"job_id":"j","timestamp":"t"},"ResultCode":"0810"}' | sha256sum
    body = {"ResultCode": "0810", "timestamp": "x", "PartnerParams": {"timestamp": "t", "job_id": "j"}}
    assert canonical_hash(body) == "0d27266f7c74d9932cb839c4dcbd4b9be776b66ff675e5355791fe4c3ce35ead"
    assert canonical_hash(body) != canonical_hash({**body, "PartnerParams": {"timestamp": "u", "job_id": "j"}})


def test_a_prepared_upload_keeps_the_whole_answer_and_shows_no_url() -> None:
    body = {"upload_url": "https://s3.example/secret", "smile_job_id": 583, "code": 2202, "ref_id": "r"}
    prepared = parse_prepared(body)
    assert (prepared.smile_job_id, prepared.upload_url) == ("0000000583", "https://s3.example/secret")
    assert prepared.answer == body
    assert "secret" not in repr(prepared)


@pytest.mark.parametrize("missing", ["upload_url", "smile_job_id"])
@pytest.mark.parametrize("value", [None, "", [], {}])
def test_a_prepared_upload_needs_both_its_fields(missing: str, value: object) -> None:
    body = {"upload_url": "https://s3.example/x", "smile_job_id": "0000000583", missing: value}
    with pytest.raises(SmileIDAnswerInvalid):
        parse_prepared(body)


def test_a_status_with_a_result_keeps_the_message_as_received() -> None:
    status = parse_status(
        {
            "code": "2302",
            "job_complete": True,
            "job_success": True,
            "result": APPROVED,
            "history": [APPROVED, {"ResultCode": "1012"}, "junk"],
            "image_links": {"selfie_image": "https://files.example/selfie.jpg?sig=x"},
        }
    )
    assert (status.code, status.job_complete) == ("2302", True)
    assert status.result == APPROVED
    assert not status.no_zip
    assert status.history == (APPROVED, {"ResultCode": "1012"})
    assert status.image_links == {"selfie_image": "https://files.example/selfie.jpg?sig=x"}
    assert "files.example" not in repr(status)
    assert "user-9a2" not in repr(status)


@pytest.mark.parametrize("code", ["2314", 2314])
def test_a_status_without_zip_says_so(code: object) -> None:
    status = parse_status({"code": code, "job_complete": False, "job_success": False, "result": "No zip uploaded yet"})
    assert (status.code, status.no_zip, status.job_complete) == ("2314", True, False)
    assert status.result == {}


@pytest.mark.parametrize("result", [{}, "", None, [], 0])
def test_an_empty_result_is_no_result(result: object) -> None:
    status = parse_status({"code": 2302, "job_complete": "true", "result": result, "history": None})
    assert (status.result, status.history, status.job_complete) == ({}, (), True)


def test_an_error_in_place_of_image_links_is_no_link() -> None:
    status = parse_status({"code": "2302", "image_links": {"error": "No images found"}})
    assert status.image_links == {}


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["code", "job_complete", "result", "history", "image_links"]), json_values))
def test_no_status_makes_the_reader_stumble(body: dict[str, object]) -> None:
    try:
        parse_status(body)
    except SmileIDAnswerInvalid:
        assert code_of(body.get("code")) is None


def test_services_are_those_for_biometric_kyc() -> None:
    usual = ["country", "id_type", "id_number", "user_id", "job_id"]
    types = {
        "NIN_V2": {"label": "National ID (NIN)", "required_fields": usual, "id_number_regex": "^[0-9]{11}$"},
        "BVN_MFA": {"required_fields": ["country", "session_id"], "id_number_regex": "^[0-9]{11}$/i"},
    }
    body = {
        "bank_codes": [],
        "hosted_web": {
            "basic_kyc": {"NG": {"name": "Nigeria", "id_types": {"VOTER_ID": {}}}},
            "biometric_kyc": {"NG": {"name": "Nigeria", "id_types": types}},
        },
    }
    assert parse_services(body).biometric_kyc == {
        "NG": {
            "NIN_V2": OfferedIdType(
                label="National ID (NIN)", required_fields=frozenset({"id_number"}), regex="^[0-9]{11}$"
            ),
            "BVN_MFA": OfferedIdType(
                label="BVN_MFA", required_fields=frozenset({"session_id"}), regex="(?i)^[0-9]{11}$"
            ),
        }
    }


def test_services_are_read_as_far_as_they_can_be() -> None:
    types = {
        "BVN": {"label": 7, "required_fields": {"a": 1}, "id_number_regex": ["^"], "test_data": None},
        "NIN": "on request",
        "DRIVERS_LICENSE": {"required_fields": ["id_number", "day", "month", "year"], "test_data": 12345},
    }
    listed = {"NG": {"name": "Nigeria", "id_types": types}, "KE": [], "GH": {"id_types": "all"}, "ZA": {"name": {}}}
    services = parse_services({"hosted_web": {"biometric_kyc": listed}})

    assert services == Services(
        biometric_kyc={
            "NG": {
                "BVN": OfferedIdType(label="7", required_fields=frozenset(), regex=None),
                "DRIVERS_LICENSE": OfferedIdType(
                    label="DRIVERS_LICENSE",
                    required_fields=frozenset({"id_number", "dob"}),
                    regex=None,
                    example="12345",
                ),
            }
        },
        country_names={"NG": "Nigeria"},
    )


@given(st.dictionaries(st.sampled_from(["NG", "", "name"]), json_values, max_size=3), st.booleans())
def test_no_list_makes_the_reader_stumble_and_what_is_read_can_be_kept(listed: dict[str, Any], deep: bool) -> None:
    if deep:
        listed = {"NG": {"name": listed, "id_types": {"BVN": listed, "X": dict.fromkeys(FIELDS_OF_A_TYPE, listed)}}}
    for body in (listed, {"hosted_web": listed}, {"hosted_web": {"biometric_kyc": listed}}):
        with suppress(SmileIDAnswerInvalid):
            services = parse_services(body)
            assert load_services(json.loads(json.dumps(dump_services(services)))) == services
    for body in (listed, {"idSelection": {"biometric_kyc": listed}, "consentRequired": listed}):
        with suppress(SmileIDAnswerInvalid):
            products = parse_products(body)
            assert load_enabled(json.loads(json.dumps(dump_enabled(products)))) == products


def test_products_are_the_id_types_of_this_partner() -> None:
    body = {
        "consentRequired": {"NG": ["BVN_MFA", "BVN"]},
        "enterpriseId": "000000000",
        "idSelection": {"basic_kyc": {"ZM": ["TPIN"]}, "biometric_kyc": {"NG": ["BVN", "NIN_V2"], "KE": []}},
    }
    assert parse_products(body) == PartnerIDTypes(
        enabled={"NG": frozenset({"BVN", "NIN_V2"}), "KE": frozenset()},
        consent_screen={"NG": frozenset({"BVN_MFA", "BVN"})},
    )
    assert parse_products({"idSelection": {}}) == PartnerIDTypes(enabled={})


def test_lists_that_are_not_there_are_told() -> None:
    bodies: list[dict[str, object]] = [{}, {"hosted_web": {}}, {"hosted_web": {"biometric_kyc": {"NG": []}}}]
    for body in bodies:
        with pytest.raises(SmileIDAnswerInvalid):
            parse_services(body)
    with pytest.raises(SmileIDAnswerInvalid):
        parse_products({"products": {}})


def test_a_message_survives_storage_as_json() -> None:
    assert parse_message(json.loads(json.dumps(APPROVED))) == parse_message(APPROVED)
