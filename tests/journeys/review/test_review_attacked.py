"""Reviewing when something happens between two clicks: a channel shared, a card deleted, a role lost, news arriving."""

from pathlib import Path

import pytest

from bot.domain.review.review import Decision
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack.faults import Fault
from bot.slack.blocks import ids
from storage import reviews
from tests.journeys.review.test_review import (
    MANAGER,
    STAFF,
    ZOE,
    card,
    cards,
    choose,
    decide,
    disagree,
    open_form,
    press,
    press_on,
    provisional,
    text,
    whispered,
)
from tests.journeys.smile import call_back, pass_time, put_on_record, waiting
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


async def say_below_the_card(world: Journey, words: str) -> None:
    """Shown in the channel too, as a box below the field in Slack offers."""
    await world.slack.person(ZOE).say(REVIEW_CHANNEL, words, thread_ts=card(world).ts, broadcast=True)


async def run_again(world: Journey, user: str) -> None:
    person = world.slack.person(user)
    world.slack.channels[CHANNEL].members.add(user)
    assert (await person.click(world.root(), ids.RUN_AGAIN)).ok
    modal = await person.modal()
    await modal.changed()
    await modal.choose("consent", ["consented"])
    submission = await modal.submit()
    assert submission.closed, submission.errors
    await world.work()
    await world.smile_id.wait_for(lambda: world.job().processed)


async def notes(world: Journey, ref: str) -> list[str]:
    return [note.words for note in await world.bot.database.read(reviews.notes, ref)]


# Where cards stand


async def test_a_channel_that_another_company_reads_gets_no_card(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].is_ext_shared = True
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await pass_time(world, 0, 1, 1)
        assert world.notices() == []
        for user in (REVIEWER, ZOE):
            (told,) = world.direct(user)
            assert ref in told
        assert any("shared with another company" in told for told in world.direct(ADMIN))


async def test_a_card_in_a_channel_that_was_shared_since_gets_no_decision(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        world.slack.channels[REVIEW_CHANNEL].is_ext_shared = True
        await world.bot.access.changed(REVIEW_CHANNEL)
        await decide(world, REVIEWER, "rejected", "other", "their brother signed")
        assert (await world.check(ref)).decision == "rejected"
        assert "another reason (comment in Details)" in world.thread()[-1]
        assert "their brother" not in str(world.notices())
        assert any("shared with another company" in told for told in world.direct(ADMIN))


async def test_the_call_of_a_deleted_card_goes_to_reviewers_and_never_to_the_requester(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        form = await open_form(world, REVIEWER, "approved")
        await form.choose(ids.REASON, "same_person")
        world.slack.delete_message(REVIEW_CHANNEL, card(world).ts)
        await form.submit()
        await pass_time(world, 0, 1)
        assert world.direct(ANALYST) == []
        (called,) = [line for line in world.notices() if "A second person is needed" in line]
        assert f"/kyc review {ref} shows the card" in called


async def test_in_an_archived_channel_a_call_to_one_person_goes_to_that_person_alone(tmp_path: Path) -> None:
    async with provisional(tmp_path, KYC_REVIEWERS=f"{REVIEWER},{ZOE},{MANAGER}") as (world, _ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await press(world, REVIEWER, ids.REVIEW_HAND_ON)
        form = await world.slack.person(REVIEWER).modal()
        await form.choose(ids.HAND_TO, ZOE)
        world.slack.channels[REVIEW_CHANNEL].is_archived = True
        assert (await form.submit()).closed
        await pass_time(world, 0, 1)
        assert "Reassigned to you" in world.direct(ZOE)[-1]
        assert world.direct(MANAGER) == world.direct(REVIEWER) == []


async def test_a_direct_card_is_no_longer_updated_for_a_reviewer_who_lost_the_role(tmp_path: Path) -> None:
    group = "S0REVIEW001"
    async with waiting(tmp_path, **{**STAFF, "KYC_REVIEWERS": group}) as (world, _ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.add_usergroup(group, [REVIEWER, ZOE])
        await world.bot.access.refresh()
        world.slack.channels[REVIEW_CHANNEL].is_archived = True
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await pass_time(world, 0, 1, 1)
        world.slack.usergroups[group].discard(ZOE)
        await world.bot.access.changed(group)
        (one,) = world.slack.direct_messages(REVIEWER)
        await press_on(world, REVIEWER, one, ids.REVIEW_CLAIM)
        await pass_time(world, 0, 1)
        assert "Claimed by @remi" in world.direct(REVIEWER)[0]
        assert "Nobody has claimed this yet." in world.direct(ZOE)[0]


# Four eyes


async def test_a_requester_of_an_earlier_round_may_not_decide_a_later_one(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0811", KYC_REQUESTERS="*") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await run_again(world, REVIEWER)
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await pass_time(world, 0, 2, 5)
        await run_again(world, ZOE)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        assert (await world.check(ref)).round == 3
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert "You asked for" in await whispered(world, REVIEWER)


async def test_the_requester_of_a_rerun_is_not_called_to_review_it(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0811", KYC_REQUESTERS="*") as (world, _ref):
        await choose(world, ZOE, "cards", "second")
        await pass_time(world, 0, 2, 5)
        await run_again(world, ZOE)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        assert "Nobody has claimed this yet." in text(world)
        assert world.direct(ZOE) == []


async def asked_by_an_admin(world: Journey, code: str) -> str:
    world.slack.add_user(ZOE, "zoe")
    world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
    musa = world.slack.person(ADMIN)
    assert (await (await world.fill(await world.form(musa), person=musa)).submit()).closed
    await world.work()
    await world.smile_id.wait_for(lambda: world.job().processed)
    put_on_record(world, code)
    await call_back(world, code)
    await pass_time(world, 0, 2, 5)
    return await world.newest()


async def test_an_admins_own_proposal_is_void_once_they_are_no_admin(tmp_path: Path) -> None:
    admins = "S0ADMINS001"
    mine = {**STAFF, "KYC_REVIEWERS": f"{ADMIN},{ZOE}", "KYC_ADMINS": admins, "KYC_REQUESTERS": "*"}
    async with journey(tmp_path, story="never", **mine) as world:
        world.slack.add_usergroup(admins, [ADMIN])
        await world.bot.access.refresh()
        ref = await asked_by_an_admin(world, "1212")
        await press(world, ADMIN, ids.REVIEW_CLAIM)
        await decide(world, ADMIN, "approved", "known_customer", override=True)
        assert "@musa proposes" in text(world)
        world.slack.usergroups[admins].discard(ADMIN)
        await world.bot.access.changed(admins)
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision is None
        assert "The proposal is void" in await whispered(world, ZOE)
        # A reviewer still, but of this check only its requester: nor may they keep it claimed.
        await world.bot.reminders.tick()
        await world.work()
        assert "Nobody has claimed this yet." in text(world)


async def test_an_admin_who_asked_may_take_back_their_own_proposal(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", **STAFF, KYC_REQUESTERS="*") as world:
        ref = await asked_by_an_admin(world, "1212")
        await press(world, ADMIN, ids.REVIEW_CLAIM)
        await decide(world, ADMIN, "approved", "known_customer", override=True)
        await disagree(world, ADMIN, "the wrong customer")
        found = await world.bot.database.read(reviews.find, ref)
        assert found is not None
        assert found.proposal is None


async def test_the_details_say_who_agreed_and_that_it_was_an_override(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", **STAFF, KYC_REQUESTERS="*") as world:
        await asked_by_an_admin(world, "1212")
        await press(world, ADMIN, ids.REVIEW_CLAIM)
        await decide(world, ADMIN, "approved", "known_customer", override=True)
        await press(world, ZOE, ids.REVIEW_AGREE)
        await press(world, ZOE, ids.DETAILS)
        shown = (await world.slack.person(ZOE).modal()).text()
        assert "@musa, as an admin who asked too, and @zoe" in shown


# News between two clicks


async def test_an_event_that_called_reviewers_while_the_form_was_open_must_be_read_first(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        form = await open_form(world, REVIEWER, "approved")
        await form.choose(ids.REASON, "same_person")
        # Other accounts with the same face: the check stays where it is.
        await call_back(world, "5211", suspects=[{"user_id": "another", "reasons": ["Duplicate"]}])
        await world.work()
        assert len(cards(world)) == 2
        refused = await form.submit()
        assert "Something changed while this form was open" in (refused.errors or {}).get(ids.REASON, "")
        assert (await world.check(ref)).decision is None


async def test_no_proposal_outlives_a_final_result_that_agrees_with_an_earlier_decision(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0810", actions={"Verify_ID_Number": "Not Done"}) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "tampered")
        await press(world, REVIEWER, ids.REVIEW_REOPEN)
        await decide(world, REVIEWER, "approved", "same_person")
        assert "@remi proposes: Approved" in text(world)
        old = card(world)
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await pass_time(world, 0, 2, 5)
        assert (await world.check(ref)).state == "rejected"
        await world.slack.person(ZOE).click(old, ids.REVIEW_AGREE, stale=True)
        await world.work()
        assert (await world.check(ref)).decision == "rejected"
        assert "needs no second person any more" in await whispered(world, ZOE)


async def test_replies_below_a_card_belong_to_its_round_and_are_stored_once(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0815") as (world, ref):
        await say_below_the_card(world, "the first round")
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "new_photos", "covered")
        await run_again(world, ANALYST)
        # Run again before the minute had passed: its notes are the first round's all the same.
        await world.bot.reminders.tick()
        await world.work()
        assert await notes(world, ref) == ["the first round"]
        second = await world.bot.database.read(reviews.find, ref)
        assert second is None
        put_on_record(world, "0815")
        await call_back(world, "0815")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "tampered")
        await world.bot.reminders.tick()
        assert await notes(world, ref) == ["the first round"]


async def test_replies_below_the_card_wait_for_a_valid_token(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await say_below_the_card(world, "keep me")
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "tampered")
        world.slack.fail_next("conversations.replies", Fault.error("token_revoked"))
        await world.bot.reminders.tick()
        assert await notes(world, ref) == []
        await world.bot.reminders.tick()
        assert await notes(world, ref) == ["keep me"]


async def test_a_note_does_not_stop_the_card_of_a_check_that_waits_long_for_smile_id(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        await world.bot.review.note(REVIEWER, ref, "the branch asked about it", form_id="V1")
        world.clock.move(hours=8.1)
        await world.bot.reminders.tick()
        await world.work()
        assert len(cards(world)) == 1
        assert "Still waiting for Smile ID" in text(world)


# Reminders and what people chose to hear


async def look(world: Journey, **by: float) -> None:
    world.clock.move(**by)
    await world.bot.reminders.tick()
    await world.work()


async def test_a_released_claim_restarts_the_waiting_time(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0899") as (world, _ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        world.clock.move(hours=9)
        await press(world, REVIEWER, ids.REVIEW_RELEASE)
        await look(world, minutes=1)
        assert world.direct(MANAGER) == []
        await look(world, hours=2)
        assert [line for line in world.notices() if "Nobody has claimed this for 2 h" in line]
        assert world.direct(MANAGER) == []


async def test_a_second_call_for_the_same_check_restarts_the_waiting_time(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, _ref):
        world.clock.move(hours=15.9)
        await call_back(world, "0899")
        await world.work()
        await look(world, minutes=12)
        assert world.direct(MANAGER) == []


async def test_a_late_notice_calls_nobody_to_work_done_since(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, _ref):
        await choose(world, ZOE, "second", "cards")
        await pass_time(world, 0, 2, 5)
        before = len(world.direct(ZOE))
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        world.slack.fail_next("conversations.open", *[Fault.status(503)] * 2)
        await decide(world, REVIEWER, "approved", "same_person")
        await disagree(world, REVIEWER, "the wrong customer")
        await pass_time(world, 30, 30)
        assert len(world.direct(ZOE)) == before


async def test_markup_typed_as_a_reference_is_escaped(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        reply = await world.slack.person(REVIEWER).command("review <!channel> *K*")
        assert "There is no check" in reply.text
        assert "<!channel>" not in reply.text


# What a decision says when it is told late


async def test_a_late_decision_post_has_the_result_that_the_reviewer_saw(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        check = await world.check(ref)
        await world.bot.review.decide(
            REVIEWER,
            ref,
            Decision.REJECTED,
            form_id="V1",
            seen=check.version_token,
            reason="tampered",
            own_words="",
            overrides=False,
        )
        # Before anything of it is told, Smile ID ends the check the other way.
        put_on_record(world, "1210")
        await call_back(world, "1210")
        while due := await world.bot.poller.claim(8):
            for one in due:
                await world.bot.poller.work(one)
        assert (await world.check(ref)).state == "approved"
        await world.work()
        decision, differs = world.thread()[-2:]
        assert decision.startswith("@amina Rejected by @remi")
        assert "Smile ID: not final (in human review at Smile ID)." in decision
        assert differs.startswith("@amina Needs review — Smile ID's final result, Approved, differs")
