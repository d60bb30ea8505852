"""What becomes of a job: every story, and the sandbox's own rules."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.smile_id import STORIES

from .smile_id_partner import Stage, files_of, info, prep_body, set_up, sign, zipped

pytestmark = pytest.mark.anyio

TWELVE_ACTIONS = {
    "Human_Review_Compare",
    "Human_Review_Liveness_Check",
    "Human_Review_Update_Selfie",
    "Liveness_Check",
    "Register_Selfie",
    "Return_Personal_Info",
    "Selfie_Provided",
    "Selfie_To_ID_Authority_Compare",
    "Selfie_To_ID_Card_Compare",
    "Selfie_To_Registered_Selfie_Compare",
    "Update_Registered_Selfie_On_File",
    "Verify_ID_Number",
}

# story: the codes sent to the callback URL, the code that job_status ends with
TOLD: dict[str, tuple[list[str], str | None]] = {
    "approved": (["1012", "0810"], "0810"),
    "rejected": (["1012", "0811"], "0811"),
    "provisional": (["1012", "0814"], "0814"),
    "provisional_approved": (["1012", "0814", "1210"], "1210"),
    "provisional_rejected": (["1012", "0815", "1211"], "1211"),
    "spoof": (["1012", "0816", "1212"], "1212"),
    "spoof_strict": (["0907"], "0907"),
    "id_not_found": (["1013"], "1013"),
    "another_person": (["1012", "0810"], "0810"),
    "bad_id_format": (["1014"], "1014"),
    "authority_down": (["1015"], "1015"),
    "no_face": (["0911"], "0911"),
    "selfie_unusable": (["0001"], "0001"),
    "authority_photo_missing": (["1012", "0001"], "0001"),
    "unverified_id": (["0810"], "0810"),
    "unknown_code": (["1012", "0899"], "0899"),
    "suspects": (["1012", "0810", "5211"], "0810"),
    "silent": ([], "0810"),
    "never": ([], None),
    "repeats": (["1012"] * 3 + ["0810"] * 3, "0810"),
    "out_of_order": (["1210", "0814", "1012"], "1210"),
    "contradiction": (["1012", "0810"], "0811"),
    "unconfirmed": (["1012", "0810"], None),
    "second_final": (["1012", "0811", "0810"], "0810"),
    "callback_first": (["1012", "0810"], "0810"),
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_up() as stage:
        yield stage


async def test_every_story_is_told_here() -> None:
    assert set(TOLD) == set(STORIES)


@pytest.mark.parametrize("story", sorted(TOLD))
async def test_a_story_sends_its_messages_and_leaves_its_record(stage: Stage, story: str) -> None:
    codes, last = TOLD[story]
    stage.sandbox.story = story
    await stage.submit()
    await stage.all_delivered()
    answer = await stage.result()
    job = stage.sandbox.jobs["job-1"]

    assert stage.codes == codes
    assert [message["ResultCode"] for message in job.messages] == codes
    assert job.story == story
    assert answer["code"] == "2302"
    assert answer["job_complete"] is (last is not None)
    assert answer["job_success"] is (last in {"0810", "1210"})
    assert (answer["result"]["ResultCode"] if last else answer["result"]) == (last or {})
    for message in [*stage.received, *answer["history"]]:
        assert message["signature"] == sign(message["timestamp"])
        assert message["SmileJobID"] == job.smile_job_id
        assert message["PartnerParams"] == {"job_id": "job-1", "user_id": "user-1", "job_type": 1}
        assert set(message["Actions"]) == TWELVE_ACTIONS


async def message_of(stage: Stage, story: str, code: str) -> dict[str, Any]:
    stage.sandbox.story = story
    await stage.submit()
    await stage.all_delivered()
    return next(message for message in stage.received if message["ResultCode"] == code)


async def test_the_id_details_are_invented_and_carry_a_small_picture(stage: Stage) -> None:
    details = await message_of(stage, "approved", "1012")
    assert details["ResultType"] == "ID Verification"
    assert (details["Country"], details["IDType"], details["IDNumber"]) == ("NG", "NIN_V2", "00000000000")
    assert details["FullName"] == "Ada Test Obi"
    assert base64.b64decode(details["Photo"]).startswith(b"\xff\xd8\xff")


async def test_an_approval_has_the_id_number_verified_unless_the_story_denies_it(stage: Stage) -> None:
    approval = await message_of(stage, "approved", "0810")
    assert approval["Actions"]["Verify_ID_Number"] == "Verified"


async def test_an_unverified_approval_does_not(stage: Stage) -> None:
    approval = await message_of(stage, "unverified_id", "0810")
    assert approval["Actions"]["Verify_ID_Number"] == "Not Done"


@pytest.mark.parametrize(
    ("story", "text"),
    [
        ("selfie_unusable", "Selfie image unusable"),
        ("authority_photo_missing", "ID Authority image not available"),
    ],
)
async def test_technical_failures_share_a_code_and_differ_in_text(stage: Stage, story: str, text: str) -> None:
    assert (await message_of(stage, story, "0001"))["ResultText"] == text


async def test_only_provisional_messages_are_told_as_not_final(stage: Stage) -> None:
    provisional = await message_of(stage, "provisional_approved", "0814")
    final = next(message for message in stage.received if message["ResultCode"] == "1210")
    assert (provisional["IsFinalResult"], final["IsFinalResult"]) == ("false", "true")
    assert (provisional["IsMachineResult"], final["IsMachineResult"]) == ("true", "false")


async def test_suspects_come_with_the_fraud_message(stage: Stage) -> None:
    assert (await message_of(stage, "suspects", "5211"))["Antifraud"]["SuspectUsers"]


async def test_until_a_person_has_decided_job_status_gives_the_provisional_result() -> None:
    async with set_up(story="provisional_approved", review_delay_seconds=60) as stage:
        await stage.submit()
        await stage.processed()
        answer = await stage.result()
        assert answer["result"]["ResultCode"] == "0814"
        assert answer["job_complete"]
        assert not answer["job_success"]


async def test_until_the_zip_is_processed_job_status_knows_of_none() -> None:
    async with set_up(callback_delay_seconds=60) as stage:
        await stage.submit()
        assert (await stage.result())["code"] == "2314"


async def test_the_callback_can_come_before_the_zip_is_acknowledged() -> None:
    async with set_up(story="callback_first", callback_delay_seconds=60) as stage:
        url = (await stage.prepare()).json()["upload_url"]
        await stage.put(url)
        assert stage.codes == ["1012", "0810"]


@pytest.mark.parametrize(
    ("id_number", "codes"),
    [
        ("00000000000", ["1012", "0810"]),
        ("00000000001", ["1013"]),
        ("00000000002", ["1014"]),
        ("00000000003", ["1015"]),
        ("00000000004", ["1012", "0810"]),
        ("00000000005", ["1013"]),
        ("C00000000000X", ["1013"]),
    ],
)
async def test_the_last_digit_of_the_id_number_decides_the_look_up(
    stage: Stage, id_number: str, codes: list[str]
) -> None:
    await stage.submit(info(id_number))
    await stage.all_delivered()
    assert stage.codes == codes


@pytest.mark.parametrize(
    ("default", "forced", "codes"),
    [
        ("rejected", "0", ["1012", "0810"]),
        ("approved", "1", ["1012", "0811"]),
        ("approved", "2", ["1012", "0814", "1210"]),
        ("provisional", "2", ["1012", "0814"]),
        ("spoof_strict", "2", ["1012", "0814", "1210"]),
        ("approved", "7", ["1012", "0810"]),
    ],
)
async def test_sandbox_result_decides_over_the_default_story(
    stage: Stage, default: str, forced: str, codes: list[str]
) -> None:
    stage.sandbox.story = default
    await stage.submit(sandbox_result=forced)
    await stage.all_delivered()
    assert stage.codes == codes


async def test_a_failed_look_up_ends_the_job_whatever_sandbox_result_says(stage: Stage) -> None:
    await stage.submit(info("00000000001"), sandbox_result="0")
    await stage.all_delivered()
    assert stage.codes == ["1013"]


async def test_a_number_with_a_story_of_its_own_follows_that_alone(stage: Stage) -> None:
    stage.sandbox.stories_by_id_number["00000000001"] = "rejected"
    await stage.submit(info("00000000001"), sandbox_result="0")
    await stage.all_delivered()
    assert stage.codes == ["1012", "0811"]


@pytest.mark.parametrize(("id_number", "name"), [("00000000004", "Uju Test"), ("00000000000", "Ada Test Obi")])
async def test_a_number_ending_in_four_returns_the_partners_own_data(stage: Stage, id_number: str, name: str) -> None:
    await stage.submit(info(id_number), FullName="Uju Test", tenant="acme")
    await stage.all_delivered()
    details = stage.received[0]
    assert details["FullName"] == name
    assert details["PartnerParams"]["tenant"] == "acme"
    assert "tenant" not in details


async def test_a_story_may_be_changed_at_any_time_but_must_exist(stage: Stage) -> None:
    stage.sandbox.story = "rejected"
    url = (await stage.prepare()).json()["upload_url"]
    stage.sandbox.story = "approved"
    await stage.put(url)
    await stage.all_delivered()
    assert stage.codes == ["1012", "0810"]
    with pytest.raises(ValueError, match="no story 'aproved'"):
        stage.sandbox.story = "aproved"


async def test_stories_are_chosen_and_jobs_listed_from_the_shell(stage: Stage) -> None:
    origin = stage.sandbox.base_url.removesuffix("/v1")
    for choice in ({"name": "rejected"}, {"name": "suspects", "id_number": "5"}):
        assert (await stage.http.post(f"{origin}/sandbox/story", json=choice)).status_code == 200
    assert stage.sandbox.story == "rejected"
    assert stage.sandbox.stories_by_id_number == {"5": "suspects"}
    await stage.submit()
    await stage.processed()
    (job,) = (await stage.http.get(f"{origin}/sandbox/jobs")).json()
    assert (job["job_id"], job["story"], job["record"]) == ("job-1", "rejected", ["1012", "0811"])
    assert "00000000000" not in str(job)


@pytest.mark.parametrize("choice", ["", "[]", "{}", '{"name": "none"}', '{"name": "never", "id_number": 5}'])
async def test_a_choice_that_cannot_be_followed_is_refused(stage: Stage, choice: str) -> None:
    origin = stage.sandbox.base_url.removesuffix("/v1")
    response = await stage.http.post(f"{origin}/sandbox/story", content=choice)
    assert response.status_code == 400
    assert response.json()["error"]


async def submitted(stage: Stage, job_id: str, id_number: str) -> str:
    """The story of a further job with this number."""
    body = prep_body(job_id, user_id=job_id, callback_url=stage.callback_url)
    prepared = await stage.prepare(body)
    await stage.put(prepared.json()["upload_url"], zipped(files_of(info(id_number))))
    return stage.sandbox.jobs[job_id].story


async def test_an_ordered_story_goes_before_the_number_and_is_told_once(stage: Stage) -> None:
    stage.sandbox.stories_by_id_number["00000000001"] = "spoof"
    stage.sandbox.next_story = "rejected"
    assert await submitted(stage, "job-1", "00000000001") == "rejected"
    assert await submitted(stage, "job-2", "00000000001") == "spoof"


async def test_a_story_for_all_holds_until_it_is_taken_back(stage: Stage) -> None:
    stage.sandbox.every_story = "never"
    assert await submitted(stage, "job-1", "00000000001") == "never"
    assert await submitted(stage, "job-2", "00000000000") == "never"
    stage.sandbox.every_story = None
    assert await submitted(stage, "job-3", "00000000001") == "id_not_found"


async def test_an_unusable_package_uses_up_no_order(stage: Stage) -> None:
    stage.sandbox.next_story = "rejected"
    await stage.submit(data=b"no zip")
    assert stage.sandbox.next_story == "rejected"


async def test_requests_in_both_directions_are_written_down_with_their_time_and_answer(stage: Stage) -> None:
    await stage.submit()
    await stage.all_delivered()
    first, second = stage.sandbox.requests[:2]
    assert (first.call, first.status, first.at) == ("upload", 200, stage.clock())
    assert first.answer is not None
    assert first.answer["code"] == "2202"
    assert (second.call, second.answer) == ("put", None)
    assert None not in [first.seconds, second.seconds, *(it.seconds for it in stage.sandbox.callbacks)]
    assert {it.at for it in stage.sandbox.callbacks} == {stage.clock()}


def test_every_story_has_a_title_of_its_own_and_says_what_it_is_for() -> None:
    titles = [story.title for story in STORIES.values()]
    assert len(set(titles)) == len(titles)
    assert all(len(story.title) <= 40 and len(story.purpose) <= 100 for story in STORIES.values())
    assert all(story.purpose.endswith(".") for story in STORIES.values())


def test_which_stories_end_without_a_result() -> None:
    assert {name for name, story in STORIES.items() if not story.has_final_result} == {
        "never",
        "provisional",
        "unconfirmed",
    }


def test_the_page_about_the_sandbox_lists_the_stories_in_the_same_words() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {story.title} | {story.purpose} |" for name, story in STORIES.items()]
    assert "\n".join(["| story | what happens | what it is for |", "| --- | --- | --- |", *rows]) + "\n" in page
