"""Smile ID has several doubts about one check: the gravest decides how many must approve it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.domain.check.states import ReviewReason, State
from bot.domain.review.review import ReviewState
from tests.journeys.review.test_review import card, cards, decide, provisional, stands, text
from tests.journeys.smile import ALL_VERIFIED, call_back, pass_time, put_on_record
from tests.journeys.world import REVIEWER, Journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SPOOF = "Pending Enroll - Possible Spoof"
UNVERIFIED = {**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"}


async def says(world: Journey, code: str, words: str, *, actions: Mapping[str, str] | None = None) -> None:
    put_on_record(world, code, words, actions=actions)
    await call_back(world, code, words, actions=actions)
    await world.work()


async def test_a_spoof_that_is_suspected_later_takes_two(tmp_path: Path) -> None:
    async with provisional(tmp_path, KYC_SECOND_PERSON_FOR="suspected_spoof") as (world, ref):
        await says(world, "0814", SPOOF)
        check = await world.check(ref)
        assert (check.reason, check.verdict_why) == (ReviewReason.SMILE_ID, "suspected_spoof")
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_an_older_message_that_comes_late_does_not_take_the_suspicion_back(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0814", words=SPOOF, KYC_SECOND_PERSON_FOR="suspected_spoof") as (world, ref):
        await says(world, "0812", "")
        await says(world, "0815", "")
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
