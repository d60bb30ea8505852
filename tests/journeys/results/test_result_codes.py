"""Every result code of Biometric KYC: where it leaves a check, and the words in the thread."""

import csv
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import pytest

from bot.domain.results.codes import Outcome, ResultCodes
from tests.journeys.smile import call_back, pass_time, put_on_record, waiting

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

TEXT = (resources.files("bot") / "data" / "result-codes.csv").read_text("utf-8")
TABLE = list(csv.DictReader(TEXT.splitlines()))

FACES_DIFFER = "Rejected — the selfie does not match the authority's photo"
SPOOF = "Rejected — the selfie does not look like a live person"
NO_FACE = "Rejected — no usable face in the selfie"
UNUSABLE = "No result — Smile ID could not use the photos"
PROVISIONAL = "Not final: provisionally approved, in human review at Smile ID"
INCONCLUSIVE = "Not final: inconclusive, in human review at Smile ID"
APPROVED = "Approved — face and ID number verified"

SAYS: Mapping[tuple[str, str], tuple[str, str | None]] = {
    ("0001", "Data Invalid"): ("failed", "No result — Smile ID could not use what we sent"),
    ("0001", "ID Authority image not available"): (
        "failed",
        "No result — the authority holds no photo of this person",
    ),
    ("0001", "ID Card image unusable"): ("failed", UNUSABLE),
    ("0001", "Selfie image unusable"): ("failed", UNUSABLE),
    ("0810", "Enroll User"): ("approved", APPROVED),
    ("0811", ""): ("rejected", FACES_DIFFER),
    ("0812", ""): ("in_review", PROVISIONAL),
    ("0813", ""): ("rejected", SPOOF),
    ("0814", "Provisional Enroll - Under Review"): ("in_review", PROVISIONAL),
    ("0815", ""): ("in_review", INCONCLUSIVE),
    ("0816", ""): ("in_review", PROVISIONAL),
    ("0817", ""): ("in_review", PROVISIONAL),
    ("0903", "Zip Corrupt"): ("failed", UNUSABLE),
    ("0907", "FAIL - Possible Spoof - Strict Setting"): ("rejected", SPOOF),
    ("0911", ""): ("rejected", NO_FACE),
    ("0912", ""): ("rejected", "Rejected — Smile ID gave no reason"),
    ("1012", "ID Validated"): ("processing", None),
    ("1012", "ID Number Validated"): ("processing", None),
    ("1012", "Valid ID"): ("processing", None),
    ("1013", "Unable to Validate ID"): ("rejected", "Rejected — the authority does not know this ID number"),
    ("1014", "Error - Unsupported ID number format"): (
        "failed",
        "No result — wrong BVN format",
    ),
    ("1015", "Error - Queried Database Unavailable"): (
        "failed",
        "No result — the authority's register is unavailable",
    ),
    ("1016", "Error - Need to Activate Product"): ("failed", "No result — Smile ID refused our request"),
    ("1210", "Enroll User"): ("approved", APPROVED),
    ("1211", ""): ("rejected", FACES_DIFFER),
    ("1212", ""): ("rejected", SPOOF),
    ("1213", ""): ("in_review", INCONCLUSIVE),
    ("5210", "No Suspect Users Found"): ("processing", None),
    ("5211", "Suspect Users Found"): ("processing", "Smile ID reports other accounts with this face"),
    ("5212", "System Error"): ("processing", None),
}
CALLS_REVIEWER = {
    *(("0001", "Data Invalid"), ("0001", "ID Authority image not available")),
    *((code, text) for code, text in SAYS if code in {"0812", "0813", "0814", "0815", "0816", "0817", "0907"}),
    *((code, text) for code, text in SAYS if code in {"1212", "1213", "5211"}),
}


def ours(row: Mapping[str, str]) -> bool:
    return "1" in row["job_types"].split("|")


@pytest.mark.sqlite("stores nothing")
def test_every_code_and_text_of_the_table_is_tried_here() -> None:
    rows = [(row["code"], text.strip()) for row in TABLE if ours(row) for text in row["text"].split("|")]
    assert sorted(rows) == sorted(SAYS)


@pytest.mark.parametrize(("code", "text"), SAYS, ids=lambda part: part or "no text")
async def test_a_code_leaves_the_check_where_it_belongs_and_says_so(tmp_path: Path, code: str, text: str) -> None:
    state, words = SAYS[code, text]
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, code, text)
        await call_back(world, code, text)
        await pass_time(world, 0, 130)
        check = await world.check(ref)
        assert check.state == state
        assert check.reason == ("smile_id" if state == "in_review" else None)
        thread = world.thread()
        assert len(thread) == (0 if words is None else 1)
        if words is not None:
            ended = state in ("approved", "rejected", "failed")
            assert thread[0].startswith(f"@amina {words}" if ended else words)
            assert ref in thread[0]
            assert (f"Smile ID: {code} “{text}”" if text else f"Smile ID: {code}") in thread[0]
            assert ("A reviewer has been told" in thread[0]) is ((code, text) in CALLS_REVIEWER)
        assert bool(world.notices()) is ((code, text) in CALLS_REVIEWER)
        assert (check.ended_at is not None) is (state in ("approved", "rejected", "failed"))
        assert ("Approved" in world.slack.plain(world.root())) is (state == "approved")


@pytest.mark.parametrize("code", ["0810", "1210"])
@pytest.mark.parametrize(
    "action",
    [None, "", "Not Verified", "Not Done", "Not Applicable", "Failed", "Issuer Unavailable", "verified", "Verified "],
)
async def test_an_approving_code_without_a_verified_id_number_approves_nothing(
    tmp_path: Path, code: str, action: str | None
) -> None:
    async with waiting(tmp_path) as (world, ref):
        actions = {"Register_Selfie": "Approved"} | ({} if action is None else {"Verify_ID_Number": action})
        put_on_record(world, code, actions=actions)
        await call_back(world, code, actions=actions)
        await pass_time(world, 0, 130)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "id_unverified")
        (told,) = world.thread()
        assert told.startswith("@amina Needs review — selfie accepted, ID number not verified")
        assert "A reviewer has been told." in told


@pytest.mark.parametrize(
    ("code", "text", "line"),
    [
        ("1016", "Error - Need to Activate Product", "• ID number: not looked up"),
        ("1014", "Error - Unsupported ID number format", "• ID number: not looked up"),
        ("1015", "Error - Queried Database Unavailable", "• ID number: not looked up"),
        ("0903", "Zip Corrupt", "• ID number: not looked up"),
        ("1013", "Unable to Validate ID", "✗ ID number: not found"),
    ],
)
async def test_the_thread_says_not_found_only_of_a_number_that_was_looked_up(
    tmp_path: Path, code: str, text: str, line: str
) -> None:
    async with waiting(tmp_path) as (world, _ref):
        put_on_record(world, code, text, actions={"Verify_ID_Number": "Not Verified"})
        await call_back(world, code, text, actions={"Verify_ID_Number": "Not Verified"})
        await world.work()
        (told,) = world.thread()
        assert line in told
        assert ("not found" in told) is (code == "1013")


@pytest.mark.sqlite("stores nothing")
def test_every_code_of_another_product_or_call_is_unknown() -> None:
    codes = ResultCodes.parse(TEXT)
    for code in {row["code"] for row in TABLE} - {row["code"] for row in TABLE if ours(row)}:
        assert codes.read(code=code, actions={"Verify_ID_Number": "Verified"}).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("code", ["0820", "0840", "1020", "1022", "1220", "2302", "0000", "APPROVED"])
async def test_an_unknown_code_approves_nothing_and_calls_a_person(tmp_path: Path, code: str) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, code, "Approved")
        await call_back(world, code, "Approved")
        await pass_time(world, 0, 130)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "unknown_code")
        (told,) = world.thread()
        assert told.startswith(f"@amina Needs review — Smile ID answered with a code we do not know ({code}) · {ref}")
        assert "This is not approved." in told
        assert "A reviewer has been told." in told


@pytest.mark.parametrize("code", [810, 810.0, " 0810 "])
async def test_a_code_that_lost_its_zeros_is_read_as_four_digits(tmp_path: Path, code: object) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810", ResultCode=code)
        await call_back(world, "0810", ResultCode=code)
        await world.work()
        assert (await world.check(ref)).state == "approved"
