"""Which ID types can be offered, for whom, and what a damaged table is answered with."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.id_types import IDTypes
from bot.errors import SettingsFault

TABLE = (files("bot") / "data" / "id-types.csv").read_text("utf-8")
HEADER = (
    "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
    "supports_biometric_kyc,returns_photo,source,notes"
)
GOOD_ROW = "NG,Nigeria,BVN,Bank Verification Number,id_number,dob,^[0-9]{11}$,00000000000,yes,yes,,"

OFFERED = {
    "NG": ["BVN", "NIN_V2", "NIN_SLIP", "V_NIN", "VOTER_ID"],
    "GH": ["GHANA_CARD", "PASSPORT", "SSNIT", "VOTER_ID", "NEW_VOTER_ID"],
    "KE": ["NATIONAL_ID", "ALIEN_CARD", "PASSPORT"],
    "ZA": ["NATIONAL_ID"],
}
"""Where the fact sheet says *yes* to Biometric KYC by a server."""


def table() -> IDTypes:
    return IDTypes.parse(TABLE)


def offered(id_types: IDTypes) -> dict[str, list[str]]:
    return {country: [entry.id_type for entry in id_types.of_country(country)] for country in id_types.countries()}


def test_what_the_facts_call_supported_is_offered_and_nothing_else() -> None:
    assert offered(table()) == OFFERED


@pytest.mark.parametrize(
    ("country", "id_type"),
    [
        ("NG", "BVN_MFA"),  # needs a one-time code that the person types
        ("NG", "PHONE_NUMBER"),
        ("NG", "BANK_ACCOUNT"),
        ("NG", "DRIVERS_LICENSE"),
        ("KE", "KRA_PIN"),
        ("UG", "NATIONAL_ID_NO_PHOTO"),
        ("ZM", "TPIN"),
    ],
)
def test_what_is_unsupported_or_unknown_is_never_offered_even_if_the_partner_may_use_it(
    country: str, id_type: str
) -> None:
    id_types = table()
    id_types.enable_only({country: frozenset({id_type}), "GH": frozenset({"GHANA_CARD"})})

    assert id_types.find_offered(country, id_type) is None
    assert offered(id_types) == {"GH": ["GHANA_CARD"]}


def test_a_partners_list_narrows_what_is_offered_and_keeps_the_tables_order() -> None:
    id_types = table()
    id_types.enable_only({"NG": frozenset({"VOTER_ID", "BVN"}), "KE": frozenset(), "XX": frozenset({"BVN"})})

    assert offered(id_types) == {"NG": ["BVN", "VOTER_ID"]}
    assert id_types.countries() == {"NG": "Nigeria"}


def test_as_long_as_the_partners_list_is_unknown_the_table_is_offered() -> None:
    id_types = table()
    id_types.enable_only({"NG": frozenset({"BVN"})})
    id_types.enable_only(None)

    assert offered(id_types) == OFFERED


@pytest.mark.parametrize("enabled", [{}, {"NG": frozenset[str]()}, {"NG": frozenset({"BVN_MFA"})}])
def test_a_partners_list_that_leaves_nothing_is_not_believed(enabled: dict[str, frozenset[str]]) -> None:
    id_types = table()
    id_types.enable_only(enabled)

    assert offered(id_types) == OFFERED


def test_an_old_check_finds_its_id_type_though_it_is_not_offered_any_more() -> None:
    id_types = table()
    id_types.enable_only({"GH": frozenset({"SSNIT"})})
    bvn = id_types.find("NG", "BVN")

    assert bvn is not None
    assert bvn.country_name == "Nigeria"
    assert id_types.find_offered("NG", "BVN") is None
    assert id_types.find("NG", "PASSEPARTOUT") is None


def test_required_fields_come_first_and_no_field_twice() -> None:
    for entry in table().offered():
        assert entry.fields[: len(entry.required)] == entry.required
        assert len(set(entry.fields)) == len(entry.fields)
        assert "id_number" in entry.required


def test_every_offered_type_accepts_its_own_example() -> None:
    for entry in table().offered():
        assert entry.example
        assert entry.pattern is not None
        assert entry.pattern.fullmatch(entry.example), entry.id_type


@pytest.mark.parametrize(
    ("country", "id_type", "name"),
    [
        ("NG", "BVN", "BVN"),
        ("NG", "V_NIN", "Virtual NIN"),
        ("GH", "GHANA_CARD", "Ghana Card"),
        ("GH", "SSNIT", "SSNIT"),
        ("KE", "NATIONAL_ID", "National ID"),
        ("KE", "PASSPORT", "Passport"),
    ],
)
def test_a_type_is_called_as_people_call_it(country: str, id_type: str, name: str) -> None:
    entry = table().find(country, id_type)

    assert entry is not None
    assert entry.short == name


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([GOOD_ROW, "NG,Nigeria,NIN"], 3),
        ([GOOD_ROW.replace("^[0-9]{11}$", "^[0-9{11}$")], 2),
        ([GOOD_ROW.replace("^[0-9]{11}$", "(unclosed")], 2),
        ([GOOD_ROW, GOOD_ROW], 3),
        ([GOOD_ROW, GOOD_ROW.replace("NG,", ",", 1)], 3),
        ([GOOD_ROW.replace("id_number", "")], 2),
        ([GOOD_ROW.replace("^[0-9]{11}$", "^[0-9]{9,11}$")], 2),
        ([GOOD_ROW, 'NG,"Nigeria'], 3),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(rows: list[str], line: int) -> None:
    with pytest.raises(SettingsFault, match=f"ID types, line {line}:"):
        IDTypes.parse("\n".join([HEADER, *rows]))


def test_a_table_that_supports_nothing_is_refused() -> None:
    with pytest.raises(SettingsFault, match="no row supports"):
        IDTypes.parse(f"{HEADER}\n{GOOD_ROW.replace('yes,yes', 'unknown,yes')}\n")


def test_a_copy_with_a_byte_order_mark_is_read() -> None:
    assert offered(IDTypes.parse("\ufeff" + TABLE)) == OFFERED


@given(st.text(max_size=300))
def test_any_text_as_a_table_is_refused_in_our_own_words(text: str) -> None:
    with pytest.raises(SettingsFault):
        IDTypes.parse(f"{HEADER}\n{text}" if len(text) % 2 else text)
