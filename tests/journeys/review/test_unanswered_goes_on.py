"""A check that a reviewer ended since Smile ID never answered, and what Smile ID and reviewers make of it after all."""

from pathlib import Path

import pytest

from bot.domain.check.states import ReviewReason, State
from bot.domain.review.review import ReviewState
from bot.slack.blocks import ids
from tests.journeys.review.test_review import ZOE, card, cards, decide, press, stands, text
from tests.journeys.review.test_unanswered import (
    DAY,
    assert_that_a_person_must_look,
    ended,
    silent,
)
from tests.journeys.smile import ALL_VERIFIED, askings, call_back, fates, pass_time, put_on_record
from tests.journeys.world import REVIEWER, Journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SPOOF = ("0814", "Provisional Enroll - Under Review (possible spoof)")
SUSPECTED = "Not final: suspected spoof, in human review at Smile ID"
ANOTHER_FINAL = "Smile ID sent another final result"


async def suspected(world: Journey, *, called_back: bool = True, recorded: bool = True) -> None:
    """Smile ID looks for a spoof: by a callback, by its record, or by both; and the bot has had a day."""
    if recorded:
        put_on_record(world, *SPOOF)
    if called_back:
        await call_back(world, *SPOOF)
    await pass_time(world, 1, 2, 5, 60, DAY)


def told(world: Journey, words: str) -> int:
    """How many messages of the thread say so."""
    return sum(words in said for said in world.thread())


@pytest.mark.parametrize("called_back", [True, False])
async def test_a_spoof_that_smile_id_suspects_after_the_end_calls_reviewers_and_one_alone_cannot_approve(
    tmp_path: Path, called_back: bool
) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        before = len(cards(world))
        await suspected(world, called_back=called_back)
        check = await world.check(ref)
        assert (check.state, check.reason, check.verdict_why) == (
            State.IN_REVIEW,
            ReviewReason.SMILE_ID,
            "suspected_spoof",
        )
        assert (check.review, check.ended_at) == (ReviewState.OPEN, None)
        assert len(cards(world)) == before + 1
        assert SUSPECTED in text(world)
        assert f"<@{REVIEWER}>" in str(card(world).blocks)
        assert told(world, SUSPECTED) == 1
        assert "A reviewer has been told." in world.thread()[-1]
        assert "Not final: in human review at Smile ID" in world.slack.plain(world.root())
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))
        assert (await world.check(ref)).decision is None
        assert "It would stand without a clear result from Smile ID: a second reviewer must agree." in text(world)


async def test_the_suspicion_is_told_once_however_often_smile_id_repeats_it_and_another_is_told_too(
    tmp_path: Path,
) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await suspected(world)
        before, said = len(cards(world)), len(world.thread())
        for _day in range(3):
            await call_back(world, *SPOOF, SmileJobID=world.job().smile_job_id, Attempt=str(_day))
            await pass_time(world, 60, DAY)
        assert (len(cards(world)), len(world.thread())) == (before, said)
        await call_back(world, "0815", "Provisional Compare - Under Review")
        await pass_time(world, 60)
        assert (len(cards(world)), len(world.thread())) == (before + 1, said + 1)
        assert (await world.check(ref)).verdict_why == "suspected_spoof"


@pytest.mark.parametrize(
    ("code", "words", "now"), [("1210", "Enroll User", "Approved"), ("1212", "Spoof detected", "Rejected")]
)
@pytest.mark.parametrize("called_back", [True, False])
async def test_the_final_result_after_it_is_told_once_and_settles_nothing(
    tmp_path: Path, code: str, words: str, now: str, called_back: bool
) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await suspected(world)
        before = len(cards(world))
        put_on_record(world, code, words)
        for _time in range(2):
            if called_back:
                await call_back(world, code, words)
            await pass_time(world, 1, 2, 5, 60, DAY)
        check = await world.check(ref)
        assert (check.state, check.reason) == (State.IN_REVIEW, ReviewReason.SECOND_FINAL)
        # Why Smile ID had doubts stays with it.
        assert check.verdict_why == "suspected_spoof"
        assert len(cards(world)) == before + 1
        assert told(world, f"{ANOTHER_FINAL}: first No result, now {now}") == 1
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_an_approval_without_a_verified_number_after_it_takes_two_and_is_not_followed_by_a_first_word(
    tmp_path: Path,
) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await suspected(world)
        await call_back(world, "0810", "Enroll User", actions={**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"})
        put_on_record(world, "0810", "Enroll User")
        await pass_time(world, 60, DAY)
        assert "ID number not verified" in text(world)
        check = await world.check(ref)
        assert (check.state, check.reason) == (State.IN_REVIEW, ReviewReason.SECOND_FINAL)


async def test_where_smile_id_has_no_result_either_the_check_fails_for_the_cause_that_it_names(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await suspected(world)
        put_on_record(world, "0903", "Image unusable")
        await call_back(world, "0903", "Image unusable")
        await pass_time(world, 1, 2, 5, 60)
        check = await world.check(ref)
        assert (check.state, check.verdict, check.failure) == (State.FAILED, "0903", None)
        assert check.review is ReviewState.SETTLED
        assert world.thread()[-1].startswith("@amina No result — ")
        assert "never answered" not in world.thread()[-1]
        assert "ended the check without a result" not in text(world)
        before = askings(world)
        await pass_time(world, *([DAY] * 3))
        assert askings(world) == before


async def test_who_decided_it_without_a_word_of_smile_ids_is_called_again_by_the_first_one(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await press(world, REVIEWER, ids.REVIEW_REOPEN)
        await decide(world, REVIEWER, "approved", "same_person")
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "approved"
        before = len(cards(world))
        await suspected(world)
        check = await world.check(ref)
        assert (check.state, check.review, check.ended_at) == (State.IN_REVIEW, ReviewState.OPEN, None)
        assert len(cards(world)) == before + 1
        assert "A reviewer must decide again." in text(world)


async def test_once_smile_id_works_on_it_its_final_result_is_found_although_every_callback_of_it_is_lost(
    tmp_path: Path,
) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await pass_time(world, DAY, DAY)
        await suspected(world)
        # Longer than it is asked about while nothing comes: nobody has decided, and Smile ID is not done.
        await pass_time(world, *([DAY] * 20))
        before = len(cards(world))
        put_on_record(world, "1210", "Enroll User")
        await pass_time(world, DAY)
        await assert_that_a_person_must_look(world, ref, before)


async def test_a_message_that_smile_id_works_on_it_has_its_record_asked_soon(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await pass_time(world, *([DAY] * 13))
        before = askings(world)
        await call_back(world, *SPOOF)
        put_on_record(world, "1210", "Enroll User")
        await pass_time(world, 900)
        assert askings(world) == before + 1
        assert told(world, ANOTHER_FINAL) == 1


@pytest.mark.parametrize("public", [True, False], ids=["callback lost", "no callbacks"])
async def test_a_late_result_that_is_only_on_record_is_found_within_a_day_after_empty_answers(
    tmp_path: Path, public: bool
) -> None:
    async with silent(tmp_path, public=public, socket_mode=not public) as (world, ref):
        await ended(world, ref)
        await pass_time(world, *([DAY] * 12))
        assert (await world.check(ref)).state is State.FAILED
        assert await fates(world) == []
        before = len(cards(world))
        put_on_record(world, "0810", "Enroll User")
        await pass_time(world, DAY)
        await assert_that_a_person_must_look(world, ref, before)


async def test_without_a_word_of_smile_ids_an_approval_takes_two_and_says_so(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await press(world, REVIEWER, ids.REVIEW_REOPEN)
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))
        assert (await world.check(ref)).decision is None
        assert "It would stand without a result from Smile ID: a second reviewer must agree." in text(world)
        await press(world, ZOE, ids.REVIEW_AGREE)
        check = await world.check(ref)
        assert (check.state, check.decision) == (State.FAILED, "approved")
        assert "@zoe agreed, since a decision without a result from Smile ID takes two." in world.thread()[-1]


async def test_without_a_word_of_smile_ids_one_reviewer_may_reject_it(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await press(world, REVIEWER, ids.REVIEW_REOPEN)
        assert stands(await decide(world, REVIEWER, "rejected", "different_person"))
        assert (await world.check(ref)).decision == "rejected"
