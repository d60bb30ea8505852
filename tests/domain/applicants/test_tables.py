"""CSV, XLSX and JSON: the same applicants, and words for whatever is not a table of them."""

import io
import json
import random
import zipfile
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.applicants import Applicant, Limits, template_csv
from bot.domain.check.fields import is_formula
from tests.domain.applicants.making import (
    ADA,
    ADAS,
    BOLA,
    BOLAS,
    HEADER,
    csv_bytes,
    faults,
    json_file,
    one,
    people,
    photo,
    reading,
    refusal,
    table,
    xlsx,
    xlsx_bytes,
    zipped,
)  # fmt: skip

AS_NUMBER = (
    "This is stored as a number, which can lose digits. In a spreadsheet, format the column as text and enter it "
    "again; in JSON, put it in quotes."
)
FORMULA = "This is a formula. Enter the value itself; in a spreadsheet, paste it as a value."
DATE = "Write the date like 1990-01-02 or 2 Jan 1990, so that day and month cannot be mistaken."
NO_DATE = "This is not a date. Write it like 1990-01-02."
DATE_WITH_TIME = (
    "This date has a time of day, and programs that add one often move the day. Write the date alone, like 1990-01-02."
)
ROUNDED = (
    "A program has taken this for a number and changed it. Enter it again in full; in a spreadsheet, format the "
    "column as text first."
)


def test_a_plain_table_becomes_applicants() -> None:
    found = reading(people(ADA, BOLA), loose=[ADAS, BOLAS, photo("other.jpg")])
    ada, bola = found.applicants
    assert (ada.row, bola.row, ada.faults, bola.faults) == (2, 3, (), ())
    assert ada.texts == {"id_number": "22212345678", "first_name": "Ada", "last_name": "Example"}
    assert ada.selfie is not None
    assert (ada.selfie.file_id, ada.selfie.inside) == ("F-ada.jpg", None)
    assert (found.table, found.unused_photos, found.ignored_columns) == ("people.csv", 1, {})


def test_csv_json_and_xlsx_give_the_same_rows() -> None:
    objects = [dict(zip(HEADER, row, strict=True)) for row in (ADA, BOLA)]
    by_csv = reading(people(ADA, BOLA), loose=[ADAS, BOLAS]).applicants
    by_xlsx = reading(xlsx([HEADER, ADA, BOLA]), loose=[ADAS, BOLAS]).applicants
    by_json = reading(json_file({"applicants": objects}), loose=[ADAS, BOLAS]).applicants
    assert by_csv == by_xlsx
    assert [(a.texts, a.selfie, a.row) for a in by_json] == [(a.texts, a.selfie, a.row - 1) for a in by_csv]
    assert by_json == reading(json_file(objects), loose=[ADAS, BOLAS]).applicants


SYNONYMS = {
    "country": ["Country", "COUNTRY CODE", "issuing-country"],
    "id_type": ["ID Type", "Document Type", "type"],
    "id_number": ["id_number", "ID No", "Númber", "document-number", "BVN"],
    "first_name": ["First Name", "forename", "given_name"],
    "last_name": ["Surname", "LAST NAME", "family-name"],
    "selfie": ["Photo", "picture", "selfie file"],
}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations(range(6)), rows=st.permutations([ADA, BOLA]), delimiter=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), quoted=st.booleans(), seed=st.integers(),
)  # fmt: skip
def test_order_delimiter_encoding_and_quoting_do_not_matter(
    order: list[int], rows: list[tuple[str, ...]], delimiter: str, encoding: str, quoted: bool, seed: int
) -> None:
    rng = random.Random(seed)
    header = [rng.choice(SYNONYMS[name]) for name in HEADER]
    lines = [[line[place] for place in order] for line in (header, *rows)]
    quote = '"' if quoted else ""
    text = "\r\n".join(delimiter.join(f"{quote}{cell}{quote}" for cell in line) for line in lines)
    found = reading(table(text.encode(encoding)), loose=[ADAS, BOLAS]).applicants
    told = {(a.texts["id_number"], a.texts["first_name"], a.texts["last_name"], a.selfie, a.faults) for a in found}
    wanted = reading(people(ADA, BOLA), loose=[ADAS, BOLAS]).applicants
    assert told == {(a.texts["id_number"], a.texts["first_name"], a.texts["last_name"], a.selfie, ()) for a in wanted}


def test_rows_are_counted_as_a_spreadsheet_counts_them() -> None:
    text = ",".join(HEADER) + '\n\nNG,BVN,22212345678,"Ada\nMary",Example,ada.jpg\n\n' + ",".join(BOLA)
    assert [a.row for a in reading(table(text), loose=[ADAS, BOLAS]).applicants] == [3, 5]
    assert [a.row for a in reading(xlsx([HEADER, [], ADA, [], BOLA]), loose=[ADAS, BOLAS]).applicants] == [3, 5]


def test_wrong_encoding_is_refused_with_its_line() -> None:
    text = csv_bytes(HEADER, ADA) + "NG,BVN,22212345679,Zoë,Sample,b.jpg".encode("latin-1")
    assert refusal(table(text)) == (
        "Line 3 of people.csv holds characters that are not UTF-8. "
        "Save it again: in Excel choose Save As and the type CSV UTF-8."
    )
    assert "Line 2 of people.csv" in refusal(table(csv_bytes(HEADER) + b"NG,BVN,\0"))
    assert "Line 1 of people.csv" in refusal(table(csv_bytes(HEADER, ADA, encoding="utf-16-le")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "I found no columns that I know in the table's first 20 rows. The template shows how it should look."),
        ("x,y\n1,2", "I found no columns that I know in the table's first 20 rows. The template shows how it should look."),  # noqa: E501
        ("country,id_number,type\n", "The table has a header and no rows."),
        ("country,type,photo\nNG,BVN,a.jpg", "The table has no column id_number. The template shows how it should look."),  # noqa: E501
        ("first name,BVN\nA,1", "The table has no column country. The template shows how it should look."),
        ("number,surname\n1,A", "The table has no columns country and id_type. The template shows how it should look."),
        ("country,BVN,NIN\nNG,1,2", "The columns BVN and NIN both mean id_number. Delete one of them."),
        ("country,BVN,phone,Mobile\nNG,1,2,3", "The columns phone and Mobile both mean phone_number. Delete one of them."),  # noqa: E501
        ('country,BVN\nNG,"1\nNG,2', "Row 2 of the table (line 3) cannot be read: its quotes do not match."),
        ('country,BVN\nNG,"1"2', "Row 2 of the table (line 2) cannot be read: its quotes do not match."),
    ],
)  # fmt: skip
def test_a_csv_that_is_no_table_of_applicants(text: str, words: str) -> None:
    assert refusal(table(text)) == words


def test_a_column_named_after_a_type_says_the_type() -> None:
    assert one(table("Country,BVN,selfie\nNigeria,22212345678,ada.jpg")).id_type == "BVN"
    assert one(table("Country,NIN,selfie\nnigeria,22212345678,ada.jpg")).id_type == "NIN_V2"
    assert one(table("Country,Ghana Card,selfie\nGhana,GHA-123456789-0,ada.jpg")).id_type == "GHANA_CARD"
    assert faults(one(table("Country,BVN,selfie\nGhana,22212345678,ada.jpg"))) == {
        "id_type": "Choose an ID type of this country."
    }


def test_unknown_columns_are_listed() -> None:
    found = reading(table("country,BVN,Name,,photo\nNG,22212345678,A,x,ada.jpg"), loose=[ADAS])
    assert found.ignored_columns == {2: "Name", 3: "column 4 (no name)"}


def test_more_cells_than_columns_is_a_fault() -> None:
    applicant = one(table("country,BVN,selfie\nNG,22212345678,ada.jpg,Lagos"))
    assert faults(applicant) == {
        "row": "This row has more cells than the header has columns. A text with a comma needs quotes."
    }


@pytest.mark.parametrize(
    "value", ["=1+1", "=cmd|' /C calc'!A0", "+SUM(A1)", "-2+3", "@SUM(1)", "+A1", '=HYPERLINK("x")', "  =1+1"]
)
def test_formulas_in_text_are_faults(value: str) -> None:
    assert faults(one(people((*ADA[:3], value, *ADA[4:])))) == {"first_name": FORMULA}
    assert faults(one(json_file([dict(zip(HEADER, (*ADA[:3], value, *ADA[4:]), strict=True))]))) == {
        "first_name": FORMULA
    }


@pytest.mark.parametrize("value", ["+234 801 234 5678", "-", "@ada", "Ada-Mary", "", "+"])
def test_what_only_looks_like_a_formula_at_first_is_none(value: str) -> None:
    assert not is_formula(value)


def test_a_formula_cell_is_a_fault_of_its_row() -> None:
    assert faults(one(xlsx([HEADER, (*ADA[:2], "=1+1", *ADA[3:])])))["id_number"] == FORMULA


NUMBERED = ("country", "id_type", "id_number", "selfie")


@pytest.mark.parametrize(
    ("country", "id_type", "number", "kept"),
    [
        ("NG", "BVN", 22212345678, True),
        ("NG", "BVN", 22212345678.0, True),
        ("NG", "BVN", 2221234567, False),
        ("NG", "BVN", 22212345678.5, False),
        ("KE", "NATIONAL_ID", 12345678, False),
        ("KE", "NATIONAL_ID", 123456789, True),
        ("ZA", "NATIONAL_ID", 8001015009087, True),
        ("NG", "V_NIN", 1234567890123456, False),
        ("NG", "BVN", True, False),
        ("NG", "BVN", datetime(1990, 1, 2), False),  # noqa: DTZ001  cells know no zone
    ],
)
def test_a_number_cell_is_believed_only_where_it_lost_nothing(
    country: str, id_type: str, number: Any, kept: bool
) -> None:
    applicant = one(xlsx([NUMBERED, (country, id_type, number, "ada.jpg")]))
    assert ("id_number" not in faults(applicant)) is kept
    if isinstance(number, float | int) and not isinstance(number, bool):
        by_json = one(json_file([dict(zip(NUMBERED, (country, id_type, number, "ada.jpg"), strict=True))]))
        if isinstance(number, int):
            assert ("id_number" not in faults(by_json)) is kept
        assert faults(applicant) == ({} if kept else {"id_number": AS_NUMBER})


def test_a_rounded_number_in_csv_is_reported_as_such() -> None:
    assert faults(one(people((*ADA[:2], "2.22E+10", *ADA[3:])))) == {"id_number": ROUNDED}


@pytest.mark.parametrize(
    ("typed", "iso"),
    [
        ("1990-01-02", "1990-01-02"), ("1990/1/2", "1990-01-02"), ("2 Jan 1990", "1990-01-02"),
        ("2-Jan-1990", "1990-01-02"), ("January 2, 1990", "1990-01-02"), ("1990-01-02 00:00:00", "1990-01-02"),
        ("1990-01-02T00:00:00.000Z", "1990-01-02"), ("13/02/1990", "1990-02-13"), ("19900102", "1990-01-02"),
        ("13/02/1990 12:00 AM", "1990-02-13"),
    ],
)  # fmt: skip
def test_dates_that_can_be_read_in_one_way_alone(typed: str, iso: str) -> None:
    applicant = born(typed)
    assert (faults(applicant), applicant.texts["dob"]) == ({}, iso)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("01/02/1990", DATE), ("2 Jan 90", DATE), ("1990-02-30", NO_DATE), ("1990-W01-2", NO_DATE),
        ("2 Jänner 1990", NO_DATE), ("1990-01-02 11:00", DATE_WITH_TIME), ("1990-01-01T23:00:00Z", DATE_WITH_TIME),
    ],
)  # fmt: skip
def test_dates_that_may_be_another_day_are_faults(typed: str, words: str) -> None:
    assert faults(born(typed)) == {"birthday": words}


def born(typed: str) -> Applicant:
    rows = (("country", "BVN", "birthday", "selfie"), ("NG", "22212345678", typed, "ada.jpg"))
    return one(table(csv_bytes(*rows)))


def test_date_cells_become_iso_dates() -> None:
    rows = [("country", "BVN", "dob", "selfie"), ("NG", "22212345678", datetime(1990, 1, 2), "ada.jpg")]  # noqa: DTZ001
    applicant = one(xlsx(rows))
    assert (applicant.texts["dob"], applicant.faults) == ("1990-01-02", ())


def test_words_of_the_form_are_used_and_hold_no_values() -> None:
    applicant = one(people(("Mars", "BVN", "SECRET", "A", "B", "ada.jpg")))
    assert faults(applicant) == {"country": "Choose the country that issued the ID."}
    applicant = one(people(("NGA", "bank verification-number", "2221234567", "A", "B", "ada.jpg")))
    assert faults(applicant) == {"id_number": "A BVN has 11 digits, for example 00000000000. You typed 10."}
    assert "2221234567" not in repr(applicant)


def test_repeats_name_the_earlier_row() -> None:
    text = csv_bytes(
        ("country", "BVN", "ref", "selfie"), ("NG", "22212345678", "C-1", "1.jpg"), ("NG", "22212345679", "", "2.jpg"),
        ("NG", "222 1234 5678", "C-3", "3.jpg"), ("NG", "22212345670", "c-1", "4.jpg"),
    )  # fmt: skip
    found = reading(table(text), loose=[photo(f"{n}.jpg") for n in range(1, 5)]).applicants
    assert [a.repeats for a in found] == [None, None, 2, 2]


@pytest.mark.slow
def test_rows_beyond_the_limit_are_refused_without_reading_them_all() -> None:
    words = "The table has more than 2,000 rows. Split it into several files."
    assert refusal(people(*[ADA] * 50_000)) == words
    assert refusal(json_file([dict(zip(HEADER, ADA, strict=True))] * 2_001)) == words
    assert len(reading(people(*[ADA] * 2_000)).applicants) == 2_000


def test_a_table_too_large_is_refused() -> None:
    wide = people((*ADA[:3], "x" * 3_000, *ADA[4:]))
    assert refusal(wide, limits=Limits(table_bytes=2_000)).startswith("The table is larger than")
    assert refusal(xlsx([HEADER, ADA]), limits=Limits(table_bytes=2_000)).startswith("The table is larger than")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", 'The JSON file must be a list of customers, or an object with nothing but such a list: {"applicants": [...]}.'),  # noqa: E501
        ('{"applicants": [], "more": 1}', "The JSON file cannot be read at customer 1: it is no valid JSON there."),
        ("[1]", "The JSON file cannot be read at customer 1: it is no valid JSON there."),
        ('[{"country": "NG"} {"country": "NG"}]', "The JSON file cannot be read at customer 2: it is no valid JSON there."),  # noqa: E501
        ('[{"country": NaN}]', "The JSON file cannot be read at customer 1: it is no valid JSON there."),
        ('[{"country": "NG", "country": "GH"}]', "Customer 1 in the JSON file has a key twice."),
        ('[{"a": ' + "[" * 100_000, "Customer 1 in the JSON file holds lists within lists."),
        ('[{"country": "NG"', "The JSON file cannot be read at customer 1: it is no valid JSON there."),
        ("[]", "The table has no columns country and id_number and id_type. The template shows how it should look."),
    ],
)  # fmt: skip
def test_a_json_that_is_no_list_of_applicants(text: str, words: str) -> None:
    assert refusal(table(text, "people.json")) == words


def test_json_texts_with_brackets_and_escapes_stay_whole() -> None:
    text = json.dumps([dict(zip(HEADER, (*ADA[:3], 'A "d" [{\\', *ADA[4:]), strict=True))] * 2) + "\n"
    assert [a.texts["first_name"] for a in reading(table(text, "p.json"), loose=[ADAS]).applicants] == [
        'A "d" [{\\'
    ] * 2


def test_workbooks_that_cannot_be_read() -> None:
    assert refusal(xlsx([HEADER, ADA], [HEADER, BOLA])) == (
        "The sheets Sheet 1 and Sheet 2 both look like a table of customers. Keep one of them."
    )
    assert refusal(table(b"\xd0\xcf\x11\xe0" + b"x" * 999, "people.xlsx")) == (
        "people.xlsx is damaged or incomplete. Make it again and send it once more."
    )
    assert refusal(table(b"hello", "people.xlsx")) == (
        "people.xlsx is damaged or incomplete. Make it again and send it once more."
    )
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as made:
        made.writestr("x.xml", "<x/>")
    assert refusal(table(empty.getvalue(), "people.xlsx")) == (
        "people.xlsx cannot be read as an Excel workbook. Save it again as .xlsx, or as CSV UTF-8."
    )
    assert reading(xlsx([["notes"], ["x"]], [HEADER, ADA])).applicants[0].row == 2


def test_exactly_one_table_in_everything() -> None:
    assert refusal(people(ADA), zipped({"more/b.xlsx": xlsx_bytes([HEADER])})) == (
        "I found 2 tables: people.csv, more/b.xlsx. Send one table at a time, with its photos."
    )
    none = "I found no table of customers. Send a CSV, XLSX or JSON file; the template shows how it should look."
    assert refusal(zipped({"a.jpg": b"x"})) == none
    assert refusal(zipped({"a.txt": b"x", "b.zip": b"x"})) == (
        f"{none} I can't read a.txt. A zip inside the zip is not opened."
    )
    assert refusal(zipped({"a.xls": b"x", "b.zip": b"x"})).startswith("a.xls is an old Excel workbook (.xls)")


def test_the_template_reads_as_two_rows_without_faults_but_photos() -> None:
    found = reading(table(template_csv()))
    assert [set(faults(a)) for a in found.applicants] == [{"selfie"}, {"selfie", "liveness"}]
    assert template_csv().startswith(b"\xef\xbb\xbfcountry,")
    assert found.ignored_columns == {}
