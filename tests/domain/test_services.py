"""Lists of ID types as they are kept: what an older version kept is read, and no damage goes further than its list."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.id_types.services import OfferedIdType, PartnerIDTypes, Services, load_enabled, load_services

OF_THE_FIRST_VERSION = """{
    "hosted_web": {"biometric_kyc": {
        "NG": {"name": "Nigeria", "id_types": {
            "BVN": {
                "label": "BVN", "required_fields": ["dob", "id_number"], "id_number_regex": "^[0-9]{11}$",
                "test_data": "00000000000"},
            "X": {"label": "X", "required_fields": [], "id_number_regex": null, "test_data": ""}}},
        "KE": {"name": null, "id_types": {}}}}}"""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["hosted_web", "biometric_kyc", "idSelection", "NG", "id_types", "name", "label", "required_fields"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_what_the_first_version_kept_is_still_read() -> None:
    number = OfferedIdType(
        label="BVN",
        required_fields=frozenset({"dob", "id_number"}),
        regex="^[0-9]{11}$",
        example="00000000000",
    )
    bare = OfferedIdType(label="X", required_fields=frozenset(), regex=None)
    assert load_services(json.loads(OF_THE_FIRST_VERSION)) == Services(
        biometric_kyc={"NG": {"BVN": number, "X": bare}, "KE": {}}, country_names={"NG": "Nigeria"}
    )
    kept = {"idSelection": {"biometric_kyc": {"NG": ["BVN"]}}, "consentRequired": {"NG": ["BVN"]}}
    bvn = {"NG": frozenset({"BVN"})}
    assert load_enabled(kept) == PartnerIDTypes(enabled=bvn, consent_screen=bvn)
    del kept["consentRequired"]
    assert load_enabled(kept) == PartnerIDTypes(enabled=bvn)


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"hosted_web": None, "idSelection": None},
        {"hosted_web": {"biometric_kyc": ["NG"]}, "idSelection": {"biometric_kyc": ["NG"]}},
        {
            "hosted_web": {"biometric_kyc": {"NG": {"id_types": {"BVN": {}}}}},
            "idSelection": {"biometric_kyc": {"NG": 1}},
        },
    ],
)
def test_a_damaged_list_raises_one_error(damaged: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="kept list"):
        load_services(damaged)
    with pytest.raises(ValueError, match="kept list"):
        load_enabled(damaged)


@given(st.dictionaries(st.sampled_from(["hosted_web", "idSelection"]), json_values))
def test_no_kept_list_raises_anything_else(kept: dict[str, object]) -> None:
    for read in (load_services, load_enabled):
        with suppress(ValueError):
            read(kept)
