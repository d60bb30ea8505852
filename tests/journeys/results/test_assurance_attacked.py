"""Ways in which somebody else's number still reads like an approval, or a differing record is lost."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain.results.record_match import RecordMatch
from bot.sandbox.demo import ANALYST
from bot.sandbox.slack.block_rules import faults_in_view
from bot.slack.blocks import ids
from storage.engine.database import Transaction
from tests.journeys.intake import test_batches as batches
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.queries.test_commands import details
from tests.journeys.queries.test_home import open_home, shown
from tests.journeys.results.test_assurance import ADA, COMPARE, DIFFERS, OF_ANOTHER, approved
from tests.journeys.review.test_review import ZOE, card, choose, decide, press, stands
from tests.journeys.smile import ALL_VERIFIED, call_back, message, pass_time, put_on_record
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

TWO = f"{REVIEWER},{ZOE}"


def with_zoe(world: Journey) -> None:
    world.slack.add_user(ZOE, "zoe")
    world.slack.channels[REVIEW_CHANNEL].members.add(ZOE)


async def sent(world: Journey, **fields: str) -> str:
    ref = await world.ask(**{"liveness": 8, **ADA, **fields})
    await world.settle()
    return ref


async def approve(world: Journey, **more: object) -> None:
    put_on_record(world, "0810", "Enroll User", **more)
    await call_back(world, "0810", "Enroll User", **more)
    await pass_time(world, 1, 1)


async def test_a_personal_notice_never_calls_another_person_approved(tmp_path: Path) -> None:
    async with journey(tmp_path, story="another_person", KYC_NAME_DIFFERS="tell") as world:
        await choose(world, ANALYST, "results")
        await sent(world)
        await pass_time(world, 1, 2)
        (told,) = world.direct(ANALYST)
        assert not told.startswith("Approved — face and ID number verified"), told


async def test_a_card_for_information_says_that_the_record_differs(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person", KYC_NAME_DIFFERS="tell", KYC_REVIEW_NOTIFY="all") as (world, _ref):
        shown = world.slack.plain(card(world))
        assert "differ" in shown, shown


async def test_a_card_that_the_result_settles_says_that_the_record_differs(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", KYC_NAME_DIFFERS="tell") as world:
        await sent(world)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        put_on_record(world, "1012", "ID Validated", **OF_ANOTHER)
        await approve(world)
        assert "differ" in world.slack.plain(card(world)), world.slack.plain(card(world))


async def test_a_files_message_does_not_count_another_person_as_approved(tmp_path: Path) -> None:
    async with journey(tmp_path, story="another_person") as world:
        await batches.drop(world, {"a.csv": batches.csv_of([batches.person(0)]), **batches.photos(1)})
        await batches.send(world)
        await pass_time(world, 5, 5)
        shown = world.slack.plain(batches.batch_message(world))
        assert "1 approved." not in shown, shown


async def test_a_result_of_an_earlier_attempt_is_not_said_to_match(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected") as world:
        await sent(world)
        old = world.job()
        world.smile_id.story = "approved"
        await sent_again(world, await run_again(world))
        await world.settle()
        late = message(old, "0810", "Enroll User", **OF_ANOTHER)
        assert await world.smile_id.send_callback(old.job_id, late) == 200
        await world.work()
        told = world.thread()[-1]
        assert "earlier attempt" in told
        assert "name matches" not in told, told


async def test_what_a_reviewer_approved_is_not_told_as_smile_ids_approval(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        await sent(world)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert stands(await decide(world, REVIEWER, "approved", "same_person"))
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await world.work()
        assert "Approved by Smile ID" not in world.thread()[-1], world.thread()[-1]
        assert "Approved by Smile ID" not in world.slack.plain(card(world)), world.slack.plain(card(world))


async def test_reviewers_are_called_for_liveness_although_a_differing_name_is_only_told(tmp_path: Path) -> None:
    rules: dict[str, Any] = {"KYC_NAME_DIFFERS": "tell", "KYC_LIVENESS": "review", "KYC_REVIEW_CHANNEL": ""}
    async with approved(tmp_path, "another_person", liveness=0, **rules) as (world, ref):
        assert (await world.check(ref)).review == "open"
        (told,) = world.thread()
        assert "@remi please look at this." in told, told


async def test_a_record_in_an_older_message_of_smile_ids_history_is_compared(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await sent(world)
        put_on_record(world, "0812", **OF_ANOTHER)
        await approve(world)
        assert (await world.check(ref)).record.outcome is RecordMatch.DIFFERS
        assert world.thread()[-1].startswith(f"@amina {DIFFERS}"), world.thread()


async def test_a_claim_of_before_the_upgrade_is_compared_when_it_is_confirmed(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await sent(world)
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await call_back(world, "0810", "Enroll User")

        def as_upgraded(tx: Transaction) -> None:
            tx.run(
                """
                UPDATE verifications SET record_match = NULL, name_match = NULL, dob_match = NULL, phone_match = NULL
                WHERE ref = :ref
                """,
                ref=ref,
            )

        await world.bot.database.write(as_upgraded)
        put_on_record(world, "1012", "ID Validated", **OF_ANOTHER)
        put_on_record(world, "0810", "Enroll User")
        await pass_time(world, 1, 1)
        assert (await world.check(ref)).state == "approved"
        assert world.thread()[-1].startswith(f"@amina {DIFFERS}"), world.thread()


async def test_a_rejection_by_two_reviewers_is_not_opened_again_by_the_record(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", KYC_LIVENESS="review", KYC_REVIEWERS=TWO) as world:
        with_zoe(world)
        ref = await sent(world, liveness=0)  # type: ignore[arg-type]
        await approve(world)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "not_live")
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "rejected"
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await world.work()
        assert (await world.check(ref)).review == "decided"
        assert world.thread()[-1].startswith("@amina Rejected by @remi"), world.thread()[-1]


async def test_a_proposal_does_not_outlive_a_record_that_differs(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", KYC_REVIEWERS=TWO) as world:
        with_zoe(world)
        ref = await sent(world)
        unverified = {**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"}
        put_on_record(world, "0810", actions=unverified)
        await call_back(world, "0810", actions=unverified)
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await world.slack.person(ZOE).click(card(world), ids.REVIEW_AGREE)
        await world.work()
        assert (await world.check(ref)).decision is None


async def test_a_record_that_comes_before_the_result_is_delivered_is_told_once(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        await sent(world)
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        world.clock.move(seconds=1)
        for due in await world.bot.poller.claim(32):
            await world.bot.poller.work(due)
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await world.work()
        told = [text for text in world.thread() if DIFFERS in text]
        assert len(told) == 1, told
        assert "A reviewer has been told." in told[0]


async def test_details_show_a_name_that_the_authority_alone_sends(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await sent(world)
        await call_back(world, "1012", "ID Validated", FullData={"FirstName": "CHIDI", "Surname": "EZE"})
        await approve(world)
        assert (await world.check(ref)).record.name is RecordMatch.DIFFERS
        shown = (await details(world, world.analyst)).text()
        assert "CHIDI" in shown, shown


async def test_details_open_however_many_names_smile_id_told(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await sent(world)
        for n in range(12):
            await call_back(world, "1012", "ID Validated", FullName=f"{n} " + "INVENTED " * 30)
        view = await world.bot.details.details(ANALYST, ref)
        assert faults_in_view(view) == []


async def test_a_reviewers_home_says_that_the_record_differs(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person") as (world, _ref):
        await open_home(world, REVIEWER)
        await world.work()
        assert "differ" in shown(world, REVIEWER), shown(world, REVIEWER)


async def test_a_record_that_turns_doubtful_after_nothing_more_to_do_is_told(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        await sent(world)
        await call_back(world, "1012", "ID Validated", FullName="OBI ADA", DOB="1990-01-02")
        await approve(world)
        assert "Nothing more to do." in world.thread()[-1]
        await call_back(world, "1012", "ID Validated", FullName="A. OBI")
        await world.work()
        assert COMPARE in world.thread()[-1], world.thread()[-1]


async def test_a_differing_approval_does_not_stand_until_somebody_has_looked(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person") as (world, _ref):
        await call_back(world, "0899", "Something new")
        await world.work()
        assert "Approved, stands" not in world.thread()[-1], world.thread()[-1]


async def test_images_that_did_not_pass_are_said_to_prove_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        await sent(world)
        await approve(
            world,
            actions={"Verify_ID_Number": "Verified", "Liveness_Check": "Not Applicable"},
            FullName="ADA OBI",
            DOB="1990-01-02",
        )
        told = world.thread()[-1]
        assert "not proven" in told, told


async def test_a_reviewers_approval_does_not_take_the_comparison_away(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        await sent(world)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert stands(await decide(world, REVIEWER, "approved", "same_person"))
        await approve(world)
        assert COMPARE in world.thread()[-1], world.thread()[-1]


async def test_without_proof_of_life_the_name_is_still_to_be_compared(tmp_path: Path) -> None:
    async with approved(tmp_path, entered={}, liveness=0, KYC_LIVENESS="review") as (world, _ref):
        (told,) = world.thread()
        assert "Compare the name" in told, told


async def test_a_message_that_names_two_persons_does_not_match_by_one_of_them(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await sent(world)
        other = {"FirstName": "CHIDI", "Surname": "EZE"}
        await call_back(world, "1012", "ID Validated", FullName="ADA OBI", FullData=other)
        await approve(world)
        assert (await world.check(ref)).record.outcome is RecordMatch.DIFFERS
        assert "Nothing more to do" not in world.thread()[-1]


@pytest.mark.parametrize("channel", [REVIEW_CHANNEL, ""], ids=["channel", "no-channel"])
async def test_a_record_that_overtakes_the_result_does_not_silence_its_call(tmp_path: Path, channel: str) -> None:
    rules: dict[str, Any] = {"KYC_NAME_DIFFERS": "tell", "KYC_LIVENESS": "review", "KYC_REVIEW_CHANNEL": channel}
    async with journey(tmp_path, story="never", **rules) as world:
        ref = await sent(world)
        silent = {"Verify_ID_Number": "Verified"}
        put_on_record(world, "0810", "Enroll User", actions=silent)
        await call_back(world, "0810", "Enroll User", actions=silent)
        world.clock.move(seconds=1)
        for due in await world.bot.poller.claim(32):
            await world.bot.poller.work(due)
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await world.work()
        assert (await world.check(ref)).review == "open"
        (told,) = [text for text in world.thread() if DIFFERS in text]
        assert ("A reviewer has been told." if channel else "@remi please look at this.") in told, told
