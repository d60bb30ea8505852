"""What each code of Smile ID means; expectations are written from the fact sheet of codes, not from our table."""

import csv
import io
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.results.codes import FINAL_OUTCOMES, Outcome, ResultCodes, ResultStory
from bot.errors import SettingsFault

TABLE = (files("bot") / "data" / "result-codes.csv").read_text("utf-8")
CODES = ResultCodes.parse(TABLE)
VERIFIED = {"Verify_ID_Number": "Verified"}

FACTS = {
    "0810": (Outcome.APPROVED, ResultStory.CONFIRMED),
    "0811": (Outcome.REJECTED, ResultStory.FACES_DIFFER),
    "0812": (Outcome.IN_PROGRESS, ResultStory.PROVISIONAL),
    "0813": (Outcome.REJECTED, ResultStory.SPOOF),
    "0814": (Outcome.IN_PROGRESS, ResultStory.PROVISIONAL),
    "0815": (Outcome.IN_PROGRESS, ResultStory.INCONCLUSIVE),
    "0816": (Outcome.IN_PROGRESS, ResultStory.PROVISIONAL),
    "0817": (Outcome.IN_PROGRESS, ResultStory.PROVISIONAL),
    "0903": (Outcome.FAILED, ResultStory.PHOTO_UNUSABLE),
    "0907": (Outcome.REJECTED, ResultStory.SPOOF),
    "0911": (Outcome.REJECTED, ResultStory.NO_FACE),
    "0912": (Outcome.REJECTED, ResultStory.REJECTED_OTHER),
    "1012": (Outcome.INFORMATION, ResultStory.ID_DETAILS),
    "1013": (Outcome.REJECTED, ResultStory.ID_NOT_FOUND),
    "1014": (Outcome.FAILED, ResultStory.NUMBER_FORMAT),
    "1015": (Outcome.FAILED, ResultStory.AUTHORITY_DOWN),
    "1016": (Outcome.FAILED, ResultStory.REFUSED),
    "1210": (Outcome.APPROVED, ResultStory.CONFIRMED),
    "1211": (Outcome.REJECTED, ResultStory.FACES_DIFFER),
    "1212": (Outcome.REJECTED, ResultStory.SPOOF),
    "1213": (Outcome.IN_PROGRESS, ResultStory.INCONCLUSIVE),
    "5210": (Outcome.INFORMATION, ResultStory.ANTIFRAUD),
    "5211": (Outcome.INFORMATION, ResultStory.SUSPECTS),
    "5212": (Outcome.INFORMATION, ResultStory.ANTIFRAUD),
}
"""Every code that concerns job type 1 but 0001, whose meaning hangs on its text."""

OTHER_PRODUCTS = [
    *("0820", "0821", "0822", "0823", "0824", "0825", "0921", "0922", "1220", "1221", "1222"),
    *("0840", "0841", "0842", "0843", "0844", "0846", "0941", "0942", "1240", "1241", "1242"),
    *("1020", "1021", "1022", "1023"),
]
NOT_RESULTS = ["2201", "2202", "2205", "2213", "2215", "2302", "2314", "2405"]

FINAL = [code for code, (outcome, _) in FACTS.items() if outcome in FINAL_OUTCOMES]
NOT_FINAL = [code for code in FACTS if code not in FINAL]


def with_row(code: str, *, category: str, text: str = "", job_types: str = "1", final: str = "yes") -> str:
    """The table that ships, and one more row at its end."""
    return f"{TABLE.rstrip()}\n{code},{text},{job_types},{category},{final},,,documented\n"


def changed(code: str, **fields: str) -> str:
    """The table that ships, with some fields of one code's row for job type 1 written over."""
    rows = list(csv.DictReader(io.StringIO(TABLE)))
    row = next(row for row in rows if row["code"] == code and "1" in row["job_types"].split("|"))
    row.update(fields)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize(("code", "expected"), FACTS.items())
def test_every_code_of_biometric_kyc_has_its_outcome_and_its_story(
    code: str, expected: tuple[Outcome, ResultStory]
) -> None:
    reading = CODES.read(code=code, actions=VERIFIED)

    assert (reading.outcome, reading.why) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Data Invalid", ResultStory.FAILED_OTHER),
        ("ID Authority image not available", ResultStory.NO_AUTHORITY_PHOTO),
        ("ID Card image unusable", ResultStory.PHOTO_UNUSABLE),
        ("Selfie image unusable", ResultStory.PHOTO_UNUSABLE),
        ("something else that Smile ID may come to say", ResultStory.FAILED_OTHER),
        ("", ResultStory.FAILED_OTHER),
    ],
)
def test_0001_is_classified_by_its_text_and_is_never_a_verdict(text: str, why: ResultStory) -> None:
    reading = CODES.read(code="0001", text=text, actions=VERIFIED)

    assert (reading.outcome, reading.why) == (Outcome.FAILED, why)


def test_no_row_of_job_type_1_was_forgotten_here() -> None:
    rows = csv.DictReader(io.StringIO(TABLE))
    ours = {row["code"] for row in rows if "1" in row["job_types"].split("|")}

    assert ours == {*FACTS, "0001"} == {code.code for code in CODES}


@pytest.mark.parametrize("code", OTHER_PRODUCTS + NOT_RESULTS)
def test_a_code_of_another_product_or_call_is_unknown(code: str) -> None:
    reading = CODES.read(code=code, text="PASS", actions=VERIFIED, said_final=True)

    assert (reading.outcome, reading.why) == (Outcome.UNKNOWN, ResultStory.UNKNOWN_CODE)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("0810", "Document Verified"),
        ("0811", "Unable to verify document"),
        ("0812", "Unable to verify document"),
        ("0816", "Unable to verify document"),
    ],
)
def test_where_products_share_a_number_the_row_of_job_type_1_counts(code: str, text: str) -> None:
    assert CODES.read(code=code, text=text, actions=VERIFIED).outcome is FACTS[code][0]


@pytest.mark.parametrize("code", ["0810", "1210"])
@pytest.mark.parametrize(
    "actions",
    [
        None,
        {},
        *({"Verify_ID_Number": value} for value in ("Not Verified", "Issuer Unavailable", "Not Done", "Failed")),
        *({"Verify_ID_Number": value} for value in ("Not Applicable", "verified", "Verified ", "")),
        {"verify_id_number": "Verified"},
        {"Register_Selfie": "Approved", "Selfie_To_ID_Authority_Compare": "Completed"},
    ],
)
def test_an_approving_code_without_a_verified_id_number_is_no_approval(
    code: str, actions: dict[str, str] | None
) -> None:
    reading = CODES.read(code=code, text="Enroll User", actions=actions, said_final=True)

    assert (reading.outcome, reading.why) == (Outcome.ID_UNVERIFIED, ResultStory.ID_UNVERIFIED)
    assert not reading.is_final


@pytest.mark.parametrize("code", FINAL)
def test_a_final_code_that_smile_id_calls_not_final_is_in_progress(code: str) -> None:
    reading = CODES.read(code=code, actions=VERIFIED, said_final=False)

    assert (reading.outcome, reading.why) == (Outcome.IN_PROGRESS, ResultStory.NOT_FINAL)


@pytest.mark.parametrize("code", NOT_FINAL)
def test_calling_a_code_final_does_not_make_it_so(code: str) -> None:
    assert CODES.read(code=code, actions=VERIFIED, said_final=True).outcome is FACTS[code][0]


@given(code=st.text(max_size=40), text=st.text(max_size=40), said_final=st.none() | st.booleans())
def test_any_code_outside_the_table_is_unknown(code: str, text: str, said_final: bool | None) -> None:
    if code in FACTS or code == "0001":
        return
    reading = CODES.read(code=code, text=text, actions=VERIFIED, said_final=said_final)

    assert reading.outcome is Outcome.UNKNOWN
    assert not reading.is_final


@given(
    code=st.sampled_from([*FACTS, "0001"]) | st.text(),
    text=st.text(),
    actions=st.dictionaries(st.text(), st.text(), max_size=4),
    said_final=st.none() | st.booleans(),
)
def test_only_two_codes_with_a_verified_number_ever_approve(
    code: str, text: str, actions: dict[str, str], said_final: bool | None
) -> None:
    reading = CODES.read(code=code, text=text, actions=actions, said_final=said_final)

    if reading.outcome is Outcome.APPROVED:
        assert code in {"0810", "1210"}
        assert actions["Verify_ID_Number"] == "Verified"
        assert said_final is not False


@pytest.mark.parametrize("code", [code for code in FACTS if code not in {"0810", "1210"}] + ["0001"])
def test_a_copy_that_turns_a_code_into_an_approval_is_refused(code: str) -> None:
    with pytest.raises(SettingsFault, match=code):
        ResultCodes.parse(changed(code, category="approved", final="yes"), trusted=CODES)


@pytest.mark.parametrize("code", ["0820", "1240", "1022", "2302", "4711"])
def test_a_copy_that_brings_an_approval_from_elsewhere_is_refused(code: str) -> None:
    with pytest.raises(SettingsFault, match=code):
        ResultCodes.parse(with_row(code, category="approved", job_types="1|2"), trusted=CODES)


def test_a_copy_may_add_and_correct_codes_that_do_not_approve() -> None:
    added = ResultCodes.parse(with_row("0899", category="inconclusive", final="no"), trusted=CODES)
    corrected = ResultCodes.parse(changed("0810", category="rejected"), trusted=CODES)

    assert added.read(code="0899").outcome is Outcome.IN_PROGRESS
    assert corrected.read(code="0810", actions=VERIFIED).outcome is Outcome.REJECTED
    assert corrected.read(code="0810", actions=VERIFIED).why is ResultStory.REJECTED_OTHER


@pytest.mark.parametrize(
    ("code", "category", "final", "expected"),
    [
        ("0813", "suspected_spoof", "no", (Outcome.IN_PROGRESS, ResultStory.PROVISIONAL)),
        ("0811", "error", "yes", (Outcome.FAILED, ResultStory.FAILED_OTHER)),
        ("1015", "rejected", "yes", (Outcome.REJECTED, ResultStory.REJECTED_OTHER)),
        ("0001", "rejected", "yes", (Outcome.REJECTED, ResultStory.REJECTED_OTHER)),
        ("0811", "rejected", "no", (Outcome.IN_PROGRESS, ResultStory.NOT_FINAL)),
    ],
)
def test_a_corrected_code_does_not_keep_a_story_of_another_class(
    code: str, category: str, final: str, expected: tuple[Outcome, ResultStory]
) -> None:
    copy = ResultCodes.parse(changed(code, category=category, final=final), trusted=CODES)
    reading = copy.read(code=code, text="Selfie image unusable")

    assert (reading.outcome, reading.why) == expected


@pytest.mark.parametrize("code", ["0814", "0816"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pending Enroll - Possible Spoof", ResultStory.SUSPECTED_SPOOF),
        ("PROVISIONAL - POSSIBLE SPOOF, AWAITING HUMAN JUDGEMENT", ResultStory.SUSPECTED_SPOOF),
        ("Provisional Enroll - Under Review", ResultStory.PROVISIONAL),
        ("", ResultStory.PROVISIONAL),
    ],
)
def test_a_spoof_is_suspected_only_where_the_text_of_smile_id_says_so(
    code: str, text: str, expected: ResultStory
) -> None:
    reading = CODES.read(code=code, text=text)

    assert (reading.outcome, reading.why) == (Outcome.IN_PROGRESS, expected)


def test_a_copy_saved_with_a_byte_order_mark_is_read() -> None:
    assert len(list(ResultCodes.parse("\ufeff" + TABLE, trusted=CODES))) == len(list(CODES))


HEADER = TABLE.splitlines()[0]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (["0811,,1,rejekted,yes,,,documented"], 2),
        (["0811,,1,rejected,yes,,,documented", "0812,,1"], 3),
        (["0811,,1,rejected,yes,,,documented", "0811,,1,approved,yes,,,documented"], 3),
        (["811,,1,rejected,yes,,,documented"], 2),
        (["0811,,1,rejected,maybe,,,documented"], 2),
        (["0811,,1,rejected,yes,faces, differ,,documented"], 2),
        (['0811,,1,rejected,yes,"two\nlines",,documented', "0812,,1,nonsense,no,,,documented"], 4),
        (["0811,,1,rejected,yes,\rx,,documented"], 2),
        (['0811,"never closed,1,rejected,yes,,,documented'], 2),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(rows: list[str], line: int) -> None:
    with pytest.raises(SettingsFault, match=f"result codes, line {line}:"):
        ResultCodes.parse("\n".join([HEADER, *rows]))


@pytest.mark.parametrize("table", ["", HEADER, "not a table\nat all\n", f"{HEADER}\n0840,PASS,4,approved,yes,,,x\n"])
def test_a_table_without_any_row_for_job_type_1_is_refused(table: str) -> None:
    with pytest.raises(SettingsFault):
        ResultCodes.parse(table)


@given(st.text(max_size=300))
def test_any_text_as_a_table_is_refused_in_our_own_words(table: str) -> None:
    with pytest.raises(SettingsFault):
        ResultCodes.parse(f"{HEADER}\n{table}" if len(table) % 2 else table, trusted=CODES)
