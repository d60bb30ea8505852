"""One rule for each field: the same text means the same by form, message, CSV, XLSX and JSON."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.applicants import Applicant
from bot.domain.check.field_faults import FieldCode
from bot.domain.check.fields import clean_field
from bot.domain.check.request import Form, parse
from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.parser import understand
from tests.domain.applicants.making import ADAS, ID_TYPES, TODAY, csv_bytes, one, table, xlsx

OUTCOME = tuple[str | None, FieldCode | None]
"""The value that would be sent, or the code of its fault."""
KRA = IDTypes.parse(
    "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
    "supports_biometric_kyc\n"
    'KE,Kenya,KRA_PIN,KRA PIN,id_number|first_name|dob|citizenship,phone_number|bank_code,"^[A-Z0-9]{1,11}$",A1,yes\n'
)
GOOD = {"id_number": "A12345678", "first_name": "Ada", "dob": "1990-01-02", "citizenship": "Kenyan"}
LABELS = {
    "id_number": "id number", "first_name": "first name", "dob": "date of birth", "phone_number": "phone",
    "citizenship": "citizenship", "customer_reference": "reference",
}  # fmt: skip


def outcome(values: Mapping[str, str], faults: Mapping[str, FieldCode], field: str) -> OUTCOME:
    fault = faults.get(field)
    return (None, fault) if fault else (values.get(field, ""), None)


def by_form(field: str, typed: str) -> OUTCOME:
    texts = {**GOOD, field: typed}
    reference = texts.pop("customer_reference", "")
    form = Form(country="KE", id_type="KRA_PIN", texts=texts, customer_reference=reference, selfie=[ADAS], consent=True)
    return of_form(form, field)


def of_form(form: Form, field: str) -> OUTCOME:
    parsed = parse(form, KRA, today=TODAY)
    values = {**parsed.id_info, "customer_reference": parsed.customer_reference}
    return outcome(values, {name: FieldCode(fault.code) for name, fault in parsed.faults.items()}, field)


def by_message(field: str, typed: str) -> OUTCOME:
    lines = [f"{LABELS[name]}: {text}" for name, text in {**GOOD, field: typed}.items()]
    understood = understand("KE KRA PIN\n" + "\n".join(lines), KRA, today=TODAY)
    form = Form(
        country="KE", id_type="KRA_PIN", texts=understood.texts, customer_reference=understood.customer_reference,
        selfie=[ADAS], consent=True,
    )  # fmt: skip
    return of_form(form, field)


def of_applicant(applicant: Applicant, field: str) -> OUTCOME:
    values = {**applicant.texts, "customer_reference": applicant.customer_reference}
    return outcome(values, {fault.column: FieldCode(fault.fault.code) for fault in applicant.faults}, field)


def row(field: str, typed: str) -> dict[str, str]:
    return {"country": "KE", "id_type": "KRA_PIN", **GOOD, "selfie": "ada.jpg", field: typed}


def by_csv(field: str, typed: str) -> OUTCOME:
    cells = row(field, typed)
    return of_applicant(one(table(csv_bytes(tuple(cells), tuple(cells.values()))), id_types=KRA), field)


def by_json(field: str, typed: str) -> OUTCOME:
    return of_applicant(one(table(json.dumps([row(field, typed)]), "people.json"), id_types=KRA), field)


def by_xlsx(field: str, typed: str) -> OUTCOME:
    cells = row(field, typed)
    return of_applicant(one(xlsx([tuple(cells), tuple(cells.values())]), id_types=KRA), field)


DOORS: dict[str, Callable[[str, str], OUTCOME]] = {
    "form": by_form, "message": by_message, "csv": by_csv, "xlsx": by_xlsx, "json": by_json,
}  # fmt: skip
INPUTS: list[tuple[str, str, str | FieldCode]] = [
    ("id_number", "'0012345678", "0012345678"),
    ("id_number", "’0012345678", "0012345678"),
    ("id_number", '"A12345678"', "A12345678"),
    ("id_number", "Ａ１２３４５６７８", "A12345678"),
    ("id_number", "\u00a0A123 456\u200978\u3000", "A12345678"),
    ("id_number", "A123\u200b45678\ufeff", "A12345678"),
    ("id_number", "A12345678\u2800", "A12345678"),
    ("id_number", "a1234-5678", "A12345678"),
    ("id_number", "1.23E+10", FieldCode.ROUNDED),
    ("id_number", "1.23e10", FieldCode.ROUNDED),
    ("id_number", "12345678.0", FieldCode.ROUNDED),
    ("id_number", "a1234\u20115678", "A12345678"),
    ("first_name", "'Ada", "Ada"),
    ("first_name", "Ａｄａ", "Ada"),
    ("first_name", "Ada\u200b", "Ada"),
    ("first_name", "Zoe\u0308", "Zoë"),
    ("first_name", "O'Neil", "O'Neil"),
    ("first_name", "艾达", "艾达"),
    ("dob", "1990-01-02", "1990-01-02"),
    ("dob", "'1990-01-02", "1990-01-02"),
    ("dob", "1990/1/2", "1990-01-02"),
    ("dob", "25/12/1990", "1990-12-25"),
    ("dob", "2 Jan 1990", "1990-01-02"),
    ("dob", "19900102", "1990-01-02"),
    ("dob", "１９９０-０１-０２", "1990-01-02"),
    ("dob", "1990-01-02T00:00:00Z", "1990-01-02"),
    ("dob", "1990-02-30", FieldCode.NOT_A_DATE),
    ("phone_number", "'08031234567", "08031234567"),
    ("phone_number", "０８０３１２３４５６７", "08031234567"),
    ("phone_number", "2.35E+12", FieldCode.ROUNDED),
    ("phone_number", "8031234567.0", FieldCode.ROUNDED),
    ("phone_number", "0803\u2011123\u20114567", "08031234567"),
    ("citizenship", "kenyan", "Kenyan"),
    ("citizenship", "'ALIEN", "Alien"),
    ("customer_reference", "'0042", "0042"),
    ("customer_reference", "C-17", "C-17"),
    ("customer_reference", "1.23E+10", FieldCode.ROUNDED),
    ("customer_reference", "20261128.0", FieldCode.ROUNDED),
    ("customer_reference", "12345678901234500", FieldCode.ROUNDED),
    ("customer_reference", "1234567890123450", "1234567890123450"),
    ("customer_reference", "12345678901234567", "12345678901234567"),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("field", "typed", "expected"), INPUTS)
def test_a_text_means_the_same_at_every_door(door: str, field: str, typed: str, expected: str | FieldCode) -> None:
    wanted = (None, expected) if isinstance(expected, FieldCode) else (expected, None)
    assert DOORS[door](field, typed) == wanted


@pytest.mark.parametrize("door", [door for door in DOORS if door != "csv"])
def test_half_a_character_is_shown_to_be_one_at_every_door_that_lets_it_in(door: str) -> None:
    """UTF-8 and UTF-16 cannot spell it, and a workbook spells it as below."""
    half = "_xD83D_" if door == "xlsx" else "\ud83d"
    assert DOORS[door]("customer_reference", f"C-{half}1") == ("C-\ufffd1", None)
    assert DOORS[door]("first_name", f"Ada{half}") == (None, FieldCode.NAME)


WITHOUT_MESSAGE = [door for door in DOORS if door != "message"]
"""Of several words, or of signs that separate words, a message says that they are not clear."""


@pytest.mark.parametrize("door", WITHOUT_MESSAGE)
@pytest.mark.parametrize(
    ("field", "typed", "expected"),
    [
        ("first_name", "Ada \U0001f600", FieldCode.NAME),
        ("first_name", ":grinning:", FieldCode.NAME),
        ("first_name", "2764", FieldCode.NAME),
        ("phone_number", "+234 (0)803-123 4567", "+23408031234567"),
        ("id_number", "1,23E+10", FieldCode.ROUNDED),
        ("id_number", "12345678,00", FieldCode.ROUNDED),
        ("customer_reference", "#REF!", FieldCode.CELL_ERROR),
        ("first_name", "Ada\u00a0\u2003Mary", "Ada Mary"),
        ("first_name", "########", FieldCode.CELL_ERROR),
        ("first_name", "=A1&B1", FieldCode.FORMULA),
        ("dob", "02/03/1990", FieldCode.DATE_UNCLEAR),
        ("dob", "2 Jan 90", FieldCode.DATE_UNCLEAR),
        ("dob", "1990-01-01 23:00:00", FieldCode.DATE_WITH_TIME),
        ("dob", "01/01/1990 11:00 PM", FieldCode.DATE_WITH_TIME),
        ("dob", "yesterday", FieldCode.NOT_A_DATE),
        ("phone_number", "n/a", ""),
        ("customer_reference", "—", ""),
        ("customer_reference", "=HYPERLINK(1)", FieldCode.FORMULA),
    ],
)
def test_a_text_that_a_message_leaves_open_means_the_same_elsewhere(
    door: str, field: str, typed: str, expected: str | FieldCode
) -> None:
    wanted = (None, expected) if isinstance(expected, FieldCode) else (expected, None)
    assert DOORS[door](field, typed) == wanted


@pytest.mark.parametrize("door", [by_form, by_csv, by_json])
def test_a_formula_that_is_nothing_but_its_text_is_that_text(door: Callable[[str, str], OUTCOME]) -> None:
    """Exports write so to keep zeros. In a workbook it is a formula like any other."""
    assert door("id_number", '="0012345678"') == ("0012345678", None)


@given(st.sampled_from(["id_number", "first_name", "phone_number", "customer_reference"]), st.text(max_size=40))
def test_whatever_is_typed_a_form_and_a_json_file_agree(field: str, typed: str) -> None:
    assert by_form(field, typed) == by_json(field, typed.encode("utf-8", "replace").decode())


@given(st.text(max_size=60) | st.text("'’\"“”=-. \u200b\u0301e", max_size=20))
def test_cleaning_twice_is_cleaning_once(typed: str) -> None:
    assert clean_field(clean_field(typed)) == clean_field(typed)


def test_apostrophes_before_numbers_are_taken_away_in_every_column() -> None:
    """As people type them to keep zeros."""
    path = Path(__file__).parents[2] / "data" / "tables" / "apostrophes.csv"
    ada = one(table(path.read_bytes()))
    assert ada.faults == ()
    assert ada.texts["id_number"] == "22212345678"
    assert ada.customer_reference == "0042"
    assert ID_TYPES.find_offered(ada.country, ada.id_type) is not None


def test_a_date_cell_with_a_time_of_day_is_named_as_that() -> None:
    cells = {**row("first_name", "Ada"), "dob": datetime(1990, 1, 1, 23, 0)}  # noqa: DTZ001  cells know no zone
    applicant = one(xlsx([tuple(cells), tuple(cells.values())]), id_types=KRA)
    assert of_applicant(applicant, "dob") == (None, FieldCode.DATE_WITH_TIME)
