"""Smile ID has several doubts about one check: the gravest decides how many must approve it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.states import ReviewReason, State
from bot.domain.review.review import ReviewState
from bot.slack.blocks import ids
from tests.journeys.review.test_review import ZOE, card, cards, decide, press, provisional, stands, text
from tests.journeys.smile import ALL_VERIFIED, call_back, pass_time, put_on_record
from tests.journeys.world import REVIEWER, Journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SPOOF = "Pending Enroll - Possible Spoof"
UNVERIFIED = {**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"}


async def says(
    world: Journey, code: str, words: str = "", *, actions: Mapping[str, str] | None = None, **more: Any
) -> None:
    put_on_record(world, code, words, actions=actions, **more)
    await call_back(world, code, words, actions=actions, **more)
    await world.work()


async def test_a_spoof_that_is_suspected_later_takes_two(tmp_path: Path) -> None:
    async with provisional(tmp_path, KYC_SECOND_PERSON_FOR="suspected_spoof") as (world, ref):
        await says(world, "0814", SPOOF)
        check = await world.check(ref)
        assert (check.reason, check.verdict_why) == (ReviewReason.SMILE_ID, "suspected_spoof")
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_an_older_message_that_comes_late_does_not_take_the_suspicion_back(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0814", words=SPOOF, KYC_SECOND_PERSON_FOR="suspected_spoof") as (world, ref):
        await says(world, "0812")
        await says(world, "0815")
        assert (await world.check(ref)).verdict_why == "suspected_spoof"
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_a_number_that_was_not_verified_takes_two_whatever_was_said_before(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await says(world, "0810", "Enroll User", actions=UNVERIFIED)
        await pass_time(world, 60)
        assert "ID number not verified" in text(world)
        assert (await world.check(ref)).state is State.IN_REVIEW
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_a_number_that_was_not_verified_takes_two_whatever_is_said_after_it(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0810", words="Enroll User", actions=UNVERIFIED) as (world, ref):
        await call_back(world, "0812", "")
        await pass_time(world, 1, 5, 60)
        assert (await world.check(ref)).state is State.IN_REVIEW
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_a_final_result_takes_every_doubt_back(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0814", words=SPOOF, KYC_SECOND_PERSON_FOR="suspected_spoof") as (world, ref):
        await says(world, "0810", "Enroll User", actions=ALL_VERIFIED)
        await pass_time(world, 1, 5, 60)
        check = await world.check(ref)
        assert (check.state, check.verdict_why) == (State.APPROVED, "confirmed")


async def test_reviewers_hear_of_a_suspicion_after_one_of_them_has_decided(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        assert stands(await decide(world, REVIEWER, "approved", "same_person"))
        before = len(cards(world))
        await says(world, "0814", SPOOF)
        await says(world, "0814", SPOOF)
        assert len(cards(world)) == before + 1
        assert "spoof" in world.slack.plain(card(world)).lower()
        assert (await world.check(ref)).review is ReviewState.OPEN


async def test_a_code_that_comes_again_without_a_verified_number_is_told_and_takes_two(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await says(world, "0810", "Enroll User", IsFinalResult="false")
        await says(world, "0810", "Enroll User", actions=UNVERIFIED)
        await pass_time(world, 60)
        assert any("ID number not verified" in said for said in world.thread())
        assert (await world.check(ref)).state is State.IN_REVIEW
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_a_code_that_comes_again_for_a_spoof_is_told_once_more_and_takes_two(tmp_path: Path) -> None:
    under_review = "Provisional Enroll - Under Review"
    async with provisional(tmp_path, "0814", words=under_review, KYC_SECOND_PERSON_FOR="suspected_spoof") as (
        world,
        _ref,
    ):
        before = len(cards(world))
        for words in (SPOOF, SPOOF, under_review):
            await says(world, "0814", words)
        assert len(cards(world)) == before + 1
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


@pytest.mark.parametrize("doubt", [("0814", SPOOF), ("0812", "")])
async def test_an_approval_by_two_is_doubted_again_by_a_suspicion_alone(tmp_path: Path, doubt: tuple[str, str]) -> None:
    async with provisional(tmp_path, "0810", words="Enroll User", actions=UNVERIFIED) as (world, ref):
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))
        await press(world, ZOE, ids.REVIEW_AGREE)
        decided, before = await world.check(ref), len(cards(world))
        assert (decided.decision, decided.ended_at is None) == ("approved", False)
        await says(world, *doubt)
        check, is_suspicion = await world.check(ref), doubt[0] == "0814"
        assert len(cards(world)) == before + is_suspicion
        assert check.review is (ReviewState.OPEN if is_suspicion else ReviewState.DECIDED)
        assert check.ended_at == (None if is_suspicion else decided.ended_at)


async def test_what_supports_a_rejection_reopens_nothing(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await decide(world, REVIEWER, "rejected", "not_live")
        decided, before = await world.check(ref), len(cards(world))
        await says(world, "0814", SPOOF)
        check = await world.check(ref)
        assert (check.review, check.ended_at) == (ReviewState.DECIDED, decided.ended_at)
        assert check.ended_at is not None
        assert len(cards(world)) == before
