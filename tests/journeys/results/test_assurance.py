"""What an approval of Smile ID's leaves open: whose name was entered, and whether a living person stood there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.results.assurance import Liveness
from bot.domain.results.record_match import RecordMatch
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.world import BOT_USER_ID
from bot.slack.blocks import ids
from storage import exports
from storage.engine.database import Transaction
from storage.exports import ExportRange
from tests.journeys.intake import test_batches as batches
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.queries.test_commands import details
from tests.journeys.review.test_review import (
    ZOE,
    card,
    cards,
    decide,
    press,
    provisional,
    stands,
)
from tests.journeys.smile import call_back, pass_time, put_on_record
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, SELFIE, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

ADA = {"first_name": "Ada", "last_name": "Obi", "dob": "1990-01-02"}
"""Who is entered. The stand-in's story `another_person` has a record of Chidi Eze, born 1971-05-06."""
OF_ANOTHER: dict[str, Any] = {"FullName": "EZE CHIDI TEST", "DOB": "1971-05-06"}
DIFFERS = "Approved by Smile ID — but the name and date of birth differ"
COMPARE = "Compare the name in Details before you onboard."
NO_LIVENESS = "Liveness: not proven (no liveness images)"


@asynccontextmanager
async def approved(
    folder: Path, story: str = "approved", *, entered: dict[str, str] | None = None, liveness: int = 8, **settings: Any
) -> AsyncIterator[tuple[Journey, str]]:
    """A check that Smile ID approved, told."""
    async with journey(folder, story=story, **settings) as world:
        ref = await world.ask(liveness=liveness, **(ADA if entered is None else entered))
        await world.settle()
        yield world, ref


def everything_said(world: Journey) -> str:
    """All that stands in channels, for whoever may read there."""
    messages = [*world.slack.messages(CHANNEL), *world.slack.messages(REVIEW_CHANNEL)]
    return "\n".join(world.slack.plain(message) for message in messages)


async def line(world: Journey) -> exports.ExportLine:
    (found,) = await world.bot.database.read(exports.page, ExportRange(), None)
    return found


async def fact(world: Journey, ref: str) -> tuple[str | None, str | None]:
    def read(tx: Transaction) -> tuple[str | None, str | None]:
        row = tx.row("SELECT record_match, liveness FROM facts WHERE ref = :ref", ref=ref)
        assert row is not None
        return row["record_match"], row["liveness"]

    return await world.bot.database.read(read)


# Whose name


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
async def test_another_persons_number_is_never_nothing_more_to_do(tmp_path: Path, *, socket_mode: bool) -> None:
    async with approved(tmp_path, "another_person", socket_mode=socket_mode) as (world, ref):
        check = await world.check(ref)
        assert (check.state, check.verdict) == ("approved", "0810")
        assert check.record.outcome is RecordMatch.DIFFERS
        (told,) = world.thread()
        assert told.startswith(f"@amina {DIFFERS}")
        assert "Nothing more to do" not in told
        assert "Compare both in Details before you go on. A reviewer has been told." in told
        assert "name differs, date of birth differs" in told
        assert "Approved by Smile ID — but the name and date of birth differ" in world.slack.plain(world.root())
        assert len(cards(world)) == 1
        title = "Approved by Smile ID — but the name and date of birth differ from the authority's record"
        assert title in world.slack.plain(card(world))
        assert "Compared with" not in world.slack.plain(card(world)), "the title says it"


async def test_nothing_of_the_authoritys_record_leaves_the_details(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person") as (world, _ref):
        said = everything_said(world).casefold()
        assert not [part for part in ("eze", "chidi", "1971", "ada", "obi", "1990-01-02") if part in said.split()]
        modal = await details(world, world.analyst)
        shown = modal.text()
        for part in ("Ada Obi", "EZE CHIDI TEST", "1990-01-02", "1971-05-06"):
            assert part in shown


async def test_rejecting_whose_name_differs_takes_two_reviewers(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person", KYC_REVIEWERS=f"{REVIEWER},{ZOE}") as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.add(ZOE)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert not stands(await decide(world, REVIEWER, "rejected", "number_of_another"))
        assert (await world.check(ref)).decision is None
        await press(world, ZOE, ids.REVIEW_AGREE)
        check = await world.check(ref)
        assert (check.state, check.decision) == ("approved", "rejected")
        assert world.thread()[-1].startswith("@amina Rejected by @remi")


async def test_a_site_may_have_it_said_without_calling_the_reviewers(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person", KYC_NAME_DIFFERS="tell") as (world, ref):
        (told,) = world.thread()
        assert told.startswith(f"@amina {DIFFERS}")
        assert "Nothing more to do" not in told
        assert "reviewer" not in told
        assert cards(world) == []
        assert (await world.check(ref)).review is None


async def test_without_a_review_channel_reviewers_are_called_in_the_thread(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person", KYC_REVIEW_CHANNEL="") as (world, _ref):
        (told,) = world.thread()
        assert "@remi please look at this." in told


async def test_the_person_who_was_entered_needs_nothing_more(tmp_path: Path) -> None:
    async with approved(tmp_path) as (world, ref):
        (told,) = world.thread()
        assert told.startswith("@amina Approved — face and ID number verified")
        assert "Nothing more to do." in told
        assert "name matches, date of birth matches" in told
        assert cards(world) == []
        assert (await line(world)).record_match == "matches"
        assert await fact(world, ref) == ("matches", "proven")


async def test_where_no_name_was_entered_the_next_step_is_to_compare_it(tmp_path: Path) -> None:
    async with approved(tmp_path, entered={}) as (world, ref):
        (told,) = world.thread()
        assert COMPARE in told
        assert "Nothing more to do" not in told
        assert "name not compared" in told
        assert cards(world) == []
        assert (await line(world)).record_match == "not_compared"
        assert await fact(world, ref) == (None, "proven")


async def test_a_name_that_matches_in_part_must_be_compared_by_a_person(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        await world.ask(liveness=8, first_name="Ada", last_name="Obi")
        await world.settle()
        put_on_record(world, "1012", "ID Validated", FullName="A. OBI")
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        await pass_time(world, 1, 1)
        (told,) = world.thread()
        assert told.startswith("@amina Approved — face and ID number verified")
        assert COMPARE in told
        assert cards(world) == []


async def test_a_record_that_comes_after_the_approval_is_told_once(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask(liveness=8, **ADA)
        await world.settle()
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        await pass_time(world, 1, 1)
        assert COMPARE in world.thread()[0]
        for _time in range(2):
            await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
            await pass_time(world, 1)
        assert len(world.thread()) == 2
        assert world.thread()[1].startswith(f"@amina {DIFFERS}")
        assert "A reviewer has been told." in world.thread()[1]
        assert len(cards(world)) == 1
        assert (await line(world)).record_match == "differs"
        assert await fact(world, ref) == ("differs", "proven")


async def test_a_reviewers_approval_is_opened_again_by_another_persons_record(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask(liveness=8, **ADA)
        await world.settle()
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert stands(await decide(world, REVIEWER, "approved", "same_person"))
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await world.work()
        assert (await world.check(ref)).review == "open"
        assert "differ" in world.thread()[-1].splitlines()[0]


async def test_a_form_opened_before_the_record_came_decides_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask(liveness=8, **ADA)
        await world.settle()
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await world.slack.person(REVIEWER).click(card(world), f"{ids.REVIEW_DECIDE}:approved")
        form = await world.slack.person(REVIEWER).modal()
        await call_back(world, "1012", "ID Validated", **OF_ANOTHER)
        await form.choose(ids.REASON, "same_person")
        submission = await form.submit()
        assert "Something changed while this form was open" in str(submission.errors)
        assert (await world.check(ref)).decision is None


async def test_a_forged_record_cannot_turn_differs_into_matches(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask(liveness=8, **ADA)
        await world.settle()
        await call_back(world, "1012", "ID Validated", FullName="OBI ADA", DOB="1990-01-02")
        put_on_record(world, "1012", "ID Validated", **OF_ANOTHER)
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        await pass_time(world, 1, 1)
        assert (await world.check(ref)).record.outcome is RecordMatch.DIFFERS
        assert world.thread()[-1].startswith(f"@amina {DIFFERS}")


async def test_a_row_of_a_file_that_differs_is_told_in_the_thread_too(tmp_path: Path) -> None:
    async with journey(tmp_path, story="another_person") as world:
        await batches.drop(world, {"a.csv": batches.csv_of([batches.person(0)]), **batches.photos(1)})
        await batches.send(world)
        (told,) = [text for text in batches.told(world) if "Approved by Smile ID" in text]
        assert "but the name differs" in told
        results = next(file for name, file in batches.bots_files(world).items() if "results" in name)
        (row,) = batches.lines(results)
        assert list(row)[-2:] == ["record_match", "liveness"]
        assert (row["record_match"], row["liveness"]) == ("differs", "not_proven")


async def test_running_again_compares_with_the_new_record_alone(tmp_path: Path) -> None:
    async with approved(tmp_path, "another_person", KYC_REVIEWERS=f"{REVIEWER},{ZOE}") as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.add(ZOE)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert not stands(await decide(world, REVIEWER, "new_photos", "covered"))
        await press(world, ZOE, ids.REVIEW_AGREE)
        world.smile_id.story = "approved"
        modal = await run_again(world)
        await sent_again(world, modal)
        assert (await world.check(ref)).record.outcome is RecordMatch.NOT_COMPARED
        await world.settle()
        check = await world.check(ref)
        assert check.round == 2
        assert check.record.outcome is RecordMatch.MATCHES


# Proof of life


async def test_without_liveness_images_everything_says_so(tmp_path: Path) -> None:
    async with approved(tmp_path, liveness=0) as (world, ref):
        (told,) = world.thread()
        assert NO_LIVENESS in told
        assert "Liveness: passed" not in told
        assert NO_LIVENESS in (await details(world, world.analyst)).text()
        assert (await line(world)).liveness == "not_proven"
        assert await fact(world, ref) == ("matches", "not_proven")
        reply = await world.slack.person("U0MUSA00001").command("summary")
        assert reply.ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals("U0MUSA00001")))
        assert "1 without proof of life" in world.slack.plain(world.slack.ephemerals("U0MUSA00001")[-1])


async def test_a_liveness_action_without_images_is_not_believed(tmp_path: Path) -> None:
    """Whatever Smile ID says that it passed, no image was sent that it could have looked at."""
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask(**ADA)
        await world.settle()
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        await pass_time(world, 1, 1)
        (told,) = world.thread()
        assert NO_LIVENESS in told
        assert "Liveness: passed" not in told
        assert (await world.check(ref)).liveness is Liveness.NOT_PROVEN


async def test_with_liveness_images_it_is_as_smile_id_says(tmp_path: Path) -> None:
    async with approved(tmp_path) as (world, ref):
        assert "Liveness: passed" in world.thread()[0]
        assert (await world.check(ref)).liveness is Liveness.PROVEN
        assert (await line(world)).liveness == "proven"


async def test_a_card_says_that_liveness_is_not_proven(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, _ref):
        assert NO_LIVENESS in world.slack.plain(card(world))


@pytest.mark.parametrize("rule", ["review", "required"])
async def test_a_site_may_have_reviewers_look_at_approvals_without_proof_of_life(tmp_path: Path, rule: str) -> None:
    async with journey(tmp_path, story="never", KYC_LIVENESS=rule) as world:
        ref = await world.ask(liveness=8, **ADA)
        await world.settle()
        actions = {"Verify_ID_Number": "Verified", "Liveness_Check": "Not Applicable"}
        put_on_record(world, "0810", "Enroll User", actions=actions, FullName="ADA OBI")
        await call_back(world, "0810", "Enroll User", actions=actions, FullName="ADA OBI")
        await pass_time(world, 1, 1)
        (told,) = world.thread()
        assert told.startswith("@amina Approved — face and ID number verified")
        assert "Liveness is not proven." in told
        assert "A reviewer has been told." in told
        assert "Nothing more to do" not in told
        assert (await world.check(ref)).review == "open"
        assert "liveness is not proven" in world.slack.plain(card(world))


async def test_where_liveness_is_required_no_way_in_takes_a_check_without_it(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_LIVENESS="required") as world:
        modal = await world.fill(await world.form())
        with pytest.raises(ClientRefuses, match="liveness"):
            await modal.submit()
        photo = await world.analyst.upload(SELFIE, "selfie.jpg")
        await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}> NG BVN 00000000000", files=[photo])
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ANALYST)))
        answer = world.slack.plain(world.slack.ephemerals(ANALYST)[-1])
        assert "Your company requires 8 liveness images. Attach them." in answer
        shown = await batches.drop(world, {"a.csv": batches.csv_of([batches.person(0)]), **batches.photos(1)})
        assert "Your company requires 8 liveness images" in world.slack.plain(shown)
        assert world.smile_id.jobs == {}


async def test_where_liveness_is_required_a_check_with_it_is_taken(tmp_path: Path) -> None:
    async with approved(tmp_path, KYC_LIVENESS="required") as (world, _ref):
        assert "Nothing more to do." in world.thread()[0]
        assert cards(world) == []


async def test_the_form_says_why_liveness_images_matter(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        hint = next(block["hint"]["text"] for block in modal.view["blocks"] if block.get("block_id") == ids.LIVENESS)
        assert "without them the result proves no liveness" in hint
