"""Which ID types can be offered, for whom, and what a damaged table is answered with."""

import csv
import re
from importlib.resources import files
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.fields import check_number
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.id_types.services import OfferedIdType, PartnerIDTypes, Services
from bot.errors import SettingsFault
from bot.slack.blocks.refusals import plain_sentence

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
    id_types.enable_only(PartnerIDTypes(enabled={country: frozenset({id_type}), "GH": frozenset({"GHANA_CARD"})}))

    assert id_types.find_offered(country, id_type) is None
    assert offered(id_types) == {"GH": ["GHANA_CARD"]}


def test_a_partners_list_narrows_what_is_offered_and_keeps_the_tables_order() -> None:
    id_types = table()
    id_types.enable_only(
        PartnerIDTypes(enabled={"NG": frozenset({"VOTER_ID", "BVN"}), "KE": frozenset(), "XX": frozenset({"BVN"})})
    )

    assert offered(id_types) == {"NG": ["BVN", "VOTER_ID"]}
    assert id_types.countries() == {"NG": "Nigeria"}


def test_as_long_as_the_partners_list_is_unknown_the_table_is_offered() -> None:
    id_types = table()
    id_types.enable_only(PartnerIDTypes(enabled={"NG": frozenset({"BVN"})}))
    id_types.enable_only(None)

    assert offered(id_types) == OFFERED


@pytest.mark.parametrize("enabled", [{}, {"NG": frozenset[str]()}, {"NG": frozenset({"BVN_MFA"})}])
def test_a_partners_list_that_leaves_nothing_is_not_believed(enabled: dict[str, frozenset[str]]) -> None:
    id_types = table()
    id_types.enable_only(PartnerIDTypes(enabled=enabled))

    assert offered(id_types) == OFFERED


def wanting_a_consent_screen(id_types: IDTypes) -> set[tuple[str, str]]:
    return {(entry.country, entry.id_type) for entry in id_types.offered() if entry.consent_screen}


def test_a_consent_screen_that_the_table_or_smile_id_wants_is_wanted() -> None:
    id_types = table()
    assert wanting_a_consent_screen(id_types) == {("NG", "BVN")}
    nigeria = {"NG": frozenset({"BVN", "NIN_V2", "VOTER_ID"})}
    id_types.enable_only(PartnerIDTypes(enabled=nigeria, consent_screen={"NG": frozenset({"NIN_V2", "BVN_MFA"})}))

    assert wanting_a_consent_screen(id_types) == {("NG", "BVN"), ("NG", "NIN_V2")}
    id_types.enable_only(PartnerIDTypes(enabled=nigeria))
    assert wanting_a_consent_screen(id_types) == {("NG", "BVN")}


def test_a_copy_of_the_table_may_lack_the_column_of_consent_screens_or_say_no() -> None:
    assert not wanting_a_consent_screen(IDTypes.parse(f"{HEADER}\n{GOOD_ROW}"))
    assert not wanting_a_consent_screen(IDTypes.parse(f"{HEADER},consent_screen\n{GOOD_ROW},no"))
    with pytest.raises(SettingsFault, match="line 2: consent_screen is 'perhaps', not yes or no"):
        IDTypes.parse(f"{HEADER},consent_screen\n{GOOD_ROW},perhaps")


def test_fayda_is_not_offered_whatever_smile_ids_list_says() -> None:
    """The person must sign in at the authority: on Smile ID's own pages alone."""
    fayda = OfferedIdType(label="National ID", required_fields=frozenset({"id_number"}), regex=None)
    id_types = table()
    id_types.lay_over(Services(biometric_kyc={"ET": {"NATIONAL_ID": fayda}}, country_names={"ET": "Ethiopia"}))
    id_types.enable_only(PartnerIDTypes(enabled={"ET": frozenset({"NATIONAL_ID"}), "NG": frozenset({"BVN"})}))

    assert id_types.find_offered("ET", "NATIONAL_ID") is None
    assert id_types.countries() == {"NG": "Nigeria"}


def test_an_old_check_finds_its_id_type_though_it_is_not_offered_any_more() -> None:
    id_types = table()
    id_types.enable_only(PartnerIDTypes(enabled={"GH": frozenset({"SSNIT"})}))
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


ROWS = [table().find(row["country"], row["id_type"]) for row in csv.DictReader(TABLE.splitlines())]
WITH_EXAMPLES = [entry for entry in ROWS if entry and entry.example and entry.pattern]


def grouped(number: str, size: int, mark: str) -> str:
    return mark.join(number[start : start + size] for start in range(0, len(number), size))


@pytest.mark.parametrize("entry", WITH_EXAMPLES, ids=lambda e: f"{e.country}-{e.id_type}")
def test_every_rows_example_is_taken_as_printed_in_groups(entry: IDType) -> None:
    for size, mark in product([2, 3, 4], [" ", "-", "\N{EN DASH}", " - ", "\N{NO-BREAK SPACE}", "."]):
        kept, fault = check_number(grouped(entry.example, size, mark), entry)

        assert fault is None, (size, mark)
        assert re.sub("[ -]", "", kept) == entry.example.replace("-", ""), (size, mark)


# What Smile ID's public list says


def listing(**of_nigeria: OfferedIdType) -> Services:
    return Services(biometric_kyc={"NG": of_nigeria})


def service(*fields: str, label: str = "Label", regex: str | None = None, example: str = "") -> OfferedIdType:
    required = frozenset(fields or ("id_number",))
    return OfferedIdType(label=label, required_fields=required, regex=regex, example=example)


def laid_over(services: Services) -> IDTypes:
    id_types = table()
    id_types.lay_over(services)
    return id_types


def the(id_types: IDTypes, id_type: str, country: str = "NG") -> IDType:
    found = id_types.find_offered(country, id_type)
    assert found is not None
    return found


def test_a_list_that_says_nothing_new_changes_nothing() -> None:
    id_types = laid_over(listing(BVN=service(regex="^[0-9]{11}$", example="00000000000")))

    assert list(id_types.offered()) == list(table().offered())


def test_what_either_of_both_requires_is_required_and_no_longer_optional() -> None:
    bvn = the(laid_over(listing(BVN=service("last_name", "first_name", "bank_code"))), "BVN")

    assert bvn.required == ("id_number", "first_name", "last_name", "bank_code")
    assert bvn.optional == ("middle_name", "dob", "phone_number")


def test_the_label_stays_the_tables() -> None:
    assert the(laid_over(listing(BVN=service(label="Something else"))), "BVN").label == "Bank Verification Number"


def test_a_harmless_pattern_of_the_list_is_followed_with_an_example_that_fits_it() -> None:
    bvn = the(laid_over(listing(BVN=service(regex="^[0-9]{12}$", example="000000000000"))), "BVN")

    assert check_number("2221 2345 6789", bvn) == ("222123456789", None)
    assert bvn.example == "000000000000"
    fault = check_number("22212345678", bvn)[1]
    assert fault is not None
    assert plain_sentence(fault) == "A BVN has 12 digits, for example 000000000000. You typed 11."


@pytest.mark.parametrize(
    "regex",
    [None, "^(0+)+$", "^[0-9]{11", "[0-9]{11}", ".*", "^(?=.*[0-9])[0-9]{11}$", "^[A-Z]{11}$", "^[0-9]{12}$", "^$"],
)
def test_an_unsafe_pattern_or_one_against_test_numbers_leaves_the_tables(regex: str | None) -> None:
    bvn = the(laid_over(listing(BVN=service(regex=regex, example="00000000000"))), "BVN")

    assert bvn == the(table(), "BVN")


def test_what_the_table_does_not_support_is_not_offered_because_the_list_has_it() -> None:
    id_types = laid_over(listing(DRIVERS_LICENSE=service(), BVN_MFA=service(), PHONE_NUMBER=service()))

    assert offered(id_types) == OFFERED
    assert id_types.find("NG", "DRIVERS_LICENSE") == table().find("NG", "DRIVERS_LICENSE")


def test_a_type_that_the_table_lacks_is_offered_with_what_the_list_requires() -> None:
    services = Services(
        biometric_kyc={
            "RW": {
                "NATIONAL_ID": service(
                    "village_name", "dob", "id_number", label="Indangamuntu", regex="^1[0-9]{15}$", example="1" * 16
                )
            },
            "NG": {"NEW_CARD": service(label="\u202eevil", regex="^(a+)+$", example="x" * 500)},
            "TZ": {"CARD": service(label="x" * 200)},
        },
        country_names={"RW": "Rwanda", "NG": "Somewhere else", "TZ": "two\nlines"},
    )
    id_types = laid_over(services)

    assert list(id_types.countries().items())[-2:] == [("RW", "Rwanda"), ("TZ", "TZ")]
    assert the(id_types, "NATIONAL_ID", "RW").required == ("id_number", "dob", "village_name")
    assert the(id_types, "NATIONAL_ID", "RW").optional == ()
    assert check_number("1199 0000 0000 0000", the(id_types, "NATIONAL_ID", "RW")) == ("1199000000000000", None)
    card = the(id_types, "NEW_CARD")
    assert (card.label, card.country_name, card.pattern, card.example) == ("NEW_CARD", "Nigeria", None, "")
    assert the(id_types, "CARD", "TZ").label == "CARD"


@pytest.mark.parametrize(
    "fields",
    [
        ("session_id", "id_number"),  # a one-time code that the person types
        ("dob",),  # a check without a number
        ("id_number", "consent"),  # has a meaning of its own in the form
        ("id_number", "entered"),
        ("id_number", "selfie"),
        ("id_number", "x" * 60),
        ("id_number", "a b"),
        ("id_number", "Bank"),
        ("id_number", ""),
        ("id_number", *(f"field_{number}" for number in range(30))),
    ],
)
def test_a_new_type_that_a_form_cannot_ask_for_is_not_offered(fields: tuple[str, ...]) -> None:
    assert offered(laid_over(listing(NEW_CARD=service(*fields)))) == OFFERED


@pytest.mark.parametrize("id_type", ["", "lower", "A B", "A" * 60, "\u202eBVN", "*BVN*"])
@pytest.mark.parametrize("country", ["NG", "ng", "NGA", "", "**"])
def test_what_does_not_read_like_an_id_type_is_passed_over(country: str, id_type: str) -> None:
    assert offered(laid_over(Services(biometric_kyc={country: {id_type: service()}}))) == OFFERED


def test_a_supported_type_that_now_needs_a_one_time_code_is_not_offered_any_more() -> None:
    id_types = laid_over(listing(BVN=service("session_id"), VOTER_ID=service("id_number", "consent")))

    assert offered(id_types) == OFFERED | {"NG": ["NIN_V2", "NIN_SLIP", "V_NIN", "VOTER_ID"]}
    assert the(id_types, "VOTER_ID") == the(table(), "VOTER_ID")


def test_a_list_that_would_leave_nothing_is_not_believed() -> None:
    takes_all = {country: {name: service("session_id") for name in names} for country, names in OFFERED.items()}

    assert offered(laid_over(Services(biometric_kyc=takes_all))) == OFFERED


def test_a_list_takes_the_place_of_the_one_before_and_none_leaves_the_table() -> None:
    id_types = laid_over(listing(NEW_CARD=service()))
    id_types.lay_over(listing(NEWER_CARD=service()))
    assert [entry.id_type for entry in id_types.of_country("NG")][-2:] == ["VOTER_ID", "NEWER_CARD"]

    id_types.lay_over(None)
    assert offered(id_types) == OFFERED


@pytest.mark.parametrize("partner_first", [True, False])
def test_a_partner_with_a_new_type_alone_is_offered_it_whichever_list_comes_first(*, partner_first: bool) -> None:
    id_types = table()
    if partner_first:
        id_types.enable_only(PartnerIDTypes(enabled={"NG": frozenset({"NEW_CARD"})}))
        assert offered(id_types) == OFFERED
        id_types.lay_over(listing(NEW_CARD=service()))
    else:
        id_types.lay_over(listing(NEW_CARD=service()))
        id_types.enable_only(PartnerIDTypes(enabled={"NG": frozenset({"NEW_CARD"})}))

    assert offered(id_types) == {"NG": ["NEW_CARD"]}


names = st.text("ABCN_GX", max_size=4) | st.sampled_from(["NG", "BVN", "NIN_V2", "RW"])
services_of_any_kind = st.builds(
    OfferedIdType,
    label=st.text(max_size=90),
    required_fields=st.frozensets(st.sampled_from(["id_number", "dob", "session_id", "consent", "x", ""])),
    regex=st.none() | st.text("^$0-9[]{}*+(|)", max_size=20),
    example=st.text(max_size=20),
)


@pytest.mark.slow
@given(st.dictionaries(names, st.dictionaries(names, services_of_any_kind, max_size=3), max_size=3))
def test_whatever_the_list_says_a_form_can_be_made_of_what_is_offered(
    listed: dict[str, dict[str, OfferedIdType]],
) -> None:
    id_types = laid_over(Services(biometric_kyc=listed))

    assert list(id_types.offered())
    for entry in id_types.offered():
        assert "id_number" in entry.required
        assert "session_id" not in entry.fields
        assert "consent" not in entry.fields
        assert len(set(entry.fields)) == len(entry.fields)
        assert entry.label
        assert entry.label.isprintable()
        assert not entry.example or entry.pattern is None or entry.pattern.fullmatch(entry.example)
