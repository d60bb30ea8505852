"""Deciding in three clicks: the click that claims, the form, and the next check; and what comes between them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Modal
from bot.sandbox.slack.faults import Fault
from bot.slack.blocks import ids
from storage import reviews
from tests import engines
from tests.journeys.review.test_review import (
    STAFF,
    ZOE,
    acts,
    card,
    cards,
    decide,
    disagree,
    press,
    press_on,
    provisional,
    stands,
    text,
    whispered,
)
from tests.journeys.smile import call_back, pass_time, put_on_record, rows, waiting
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

APPROVE, REJECT = f"{ids.REVIEW_DECIDE}:approved", f"{ids.REVIEW_DECIDE}:rejected"
UNCLAIMED = "Nobody has claimed this yet."


async def another(world: Journey, code: str = "0812") -> str:
    """One more check that needs review."""
    ref = await world.ask()
    await world.work()
    await world.smile_id.wait_for(lambda: world.job().processed)
    put_on_record(world, code)
    await call_back(world, code)
    await world.work()
    return ref


async def modal(world: Journey, user: str) -> Modal:
    return await world.slack.person(user).modal()


def buttons(blocks: list[dict[str, Any]]) -> list[str]:
    rows = [block["elements"] for block in blocks if block["type"] == "actions"]
    return [one["text"]["text"] for row in rows for one in row if one["type"] == "button"]


async def claimer(world: Journey, ref: str) -> str | None:
    found = await world.bot.database.read(reviews.find, ref)
    assert found is not None
    return found.claimed_by


# The click claims


async def test_of_two_who_approve_at_once_one_gets_the_form_and_the_other_hears_who(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        one = card(world)
        await asyncio.gather(*(world.slack.person(user).click(one, APPROVE) for user in (REVIEWER, ZOE)))
        await world.work()
        first = await claimer(world, ref)
        assert first is not None
        late = ZOE if first == REVIEWER else REVIEWER
        assert "has claimed" in await whispered(world, late)
        assert not world.slack.person(late).open_modals
        assert len(world.slack.person(first).open_modals) == 1
        assert [act for _by, act, _what in await acts(world, ref)].count("review.claimed") == 1


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.error("expired_trigger_id")], ids=["away", "late"])
async def test_a_form_that_did_not_open_leaves_no_claim_behind(tmp_path: Path, fault: Fault) -> None:
    async with provisional(tmp_path) as (world, ref):
        world.slack.fail_next("views.open", fault)
        await press(world, REVIEWER, APPROVE)
        assert "timed out. Try again." in await whispered(world, REVIEWER)
        assert UNCLAIMED in text(world)
        # What was theirs before stays theirs.
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        world.slack.fail_next("views.open", fault)
        await press(world, REVIEWER, APPROVE)
        assert await claimer(world, ref) == REVIEWER


async def test_a_cancelled_form_gives_back_what_its_click_claimed(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, APPROVE)
        assert "Claimed by @remi" in text(world)
        await (await modal(world, REVIEWER)).close()
        await world.work()
        assert UNCLAIMED in text(world)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await press(world, REVIEWER, REJECT)
        await (await modal(world, REVIEWER)).close()
        assert await claimer(world, ref) == REVIEWER


async def test_a_second_form_outlives_the_cancelling_of_the_first(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, APPROVE)
        first = (await modal(world, REVIEWER)).view
        await press(world, REVIEWER, REJECT)
        form = await modal(world, REVIEWER)
        await world.bot.review.let_go(REVIEWER, ref, _claimed(first))
        await world.work()
        assert UNCLAIMED in text(world)
        await form.choose(ids.REASON, "tampered")
        assert stands(await form.submit())
        assert await claimer(world, ref) == REVIEWER


def _claimed(view: dict[str, Any]) -> str:
    return str(json.loads(view["private_metadata"])[3]["claimed"])


async def test_killed_between_claim_and_form_the_same_button_opens_it_for_its_claimer(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        # All that a kill leaves: the claim is stored, and no form ever opened.
        await world.bot.review.start(REVIEWER, ref)
        await world.work()
        assert "Claimed by @remi" in text(world)
        await press(world, ZOE, APPROVE)
        assert "has claimed" in await whispered(world, ZOE)
        assert stands(await decide(world, REVIEWER, "approved", "same_person"))


async def test_the_claim_of_somebody_who_lost_the_role_stops_nobody(tmp_path: Path) -> None:
    group = "S0REVIEW001"
    async with journey(tmp_path, story="never", **{**STAFF, "KYC_REVIEWERS": group}) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.slack.add_usergroup(group, [REVIEWER, ZOE])
        await world.bot.access.refresh()
        ref = await another(world)
        await press(world, REVIEWER, APPROVE)
        form = await modal(world, REVIEWER)
        await form.choose(ids.REASON, "same_person")
        world.slack.usergroups[group].discard(REVIEWER)
        await world.bot.access.changed(group)
        assert stands(await decide(world, ZOE, "rejected", "tampered"))
        await form.submit()
        assert "You don't have access" in form.text()
        assert (await world.check(ref)).decision == "rejected"


@pytest.mark.parametrize("action_id", [APPROVE, REJECT, f"{ids.REVIEW_DECIDE}:new_photos"])
async def test_who_asked_is_refused_by_every_new_button(tmp_path: Path, action_id: str) -> None:
    async with provisional(tmp_path, KYC_REVIEWERS=f"{REVIEWER},{ANALYST}") as (world, ref):
        world.slack.channels[REVIEW_CHANNEL].members.add(ANALYST)
        await press(world, ANALYST, action_id)
        assert "somebody else must decide it" in await whispered(world, ANALYST)
        assert UNCLAIMED in text(world)
        await press(world, ANALYST, ids.DETAILS)
        shown = await modal(world, ANALYST)
        assert buttons(shown.blocks) == ["Note"]
        # Nor by a button that their screen still shows, nor by a form of somebody else's.
        pressed = {"type": "button", "action_id": action_id, "block_id": "b", "value": ref}
        await world.slack.person(ANALYST).press(pressed, view=shown.view)
        await press(world, REVIEWER, APPROVE)
        form = await modal(world, REVIEWER)
        await form.choose(ids.REASON, "same_person")
        await world.slack.person(ANALYST).submit(form.view)
        assert (await world.check(ref)).decision is None


# The next check


async def test_alike_checks_are_decided_one_after_the_other_in_one_modal(tmp_path: Path) -> None:
    async with provisional(tmp_path, KYC_REQUESTERS="*") as (world, first):
        refs = [first, await another(world), await another(world), await another(world)]
        # Claimed by another reviewer, and asked for by this one: neither comes next.
        await press(world, ZOE, ids.REVIEW_CLAIM)
        form = await world.fill(await world.form(world.slack.person(REVIEWER)), person=world.slack.person(REVIEWER))
        assert (await form.submit()).closed
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()

        await press_on(world, REVIEWER, cards(world)[0], APPROVE)
        form = await modal(world, REVIEWER)
        for number, ref in enumerate(refs[:3]):
            await form.choose(ids.REASON, "same_person")
            shown = form.view
            assert stands(await form.submit())
            # Slack sends a submit again whose answer was lost.
            await world.slack.person(REVIEWER).submit(shown)
            assert (await world.check(ref)).decision == "approved"
            if number == 2:
                break
            assert form.title == f"Next: {refs[number + 1]}"
            assert "in human review at Smile ID" in form.text()
            assert "0000000000" not in form.text()
            assert buttons(form.blocks) == ["Approve", "Reject", "Details", "Skip"]
            assert (await form.click(APPROVE)).ok
            assert form.title == "Approve"
            assert not form.values.get(ids.REASON), "nothing is left of the last form"
        assert "No other check waits for you." in form.text()
        assert await rows(world, "decisions") == 3
        assert len(world.slack.person(REVIEWER).open_modals) == 1
        looked = await world.bot.database.read(lambda tx: tx.rows("SELECT 1 FROM audit WHERE act = 'details.opened'"))
        assert looked == []


async def test_the_next_check_can_be_skipped_agreed_to_or_disagreed_with(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, disputed):
        await pass_time(world, 0, 2, 5)
        await decide(world, ZOE, "approved", "same_person")
        proposed = await another(world, "1212")
        await pass_time(world, 0, 2, 5)
        await decide(world, ZOE, "approved", "same_person")
        last = await another(world)
        await press(world, REVIEWER, APPROVE)
        form = await modal(world, REVIEWER)
        await form.choose(ids.REASON, "same_person")
        assert stands(await form.submit())
        assert (await world.check(last)).decision == "approved"
        assert form.title == f"Next: {disputed}"
        assert buttons(form.blocks) == ["Agree", "Disagree", "Details", "Skip"]
        await form.click(ids.REVIEW_SKIP)
        assert form.title == f"Next: {proposed}"
        await form.click(ids.REVIEW_DISAGREE)
        await form.fill(ids.WORDS, "The licence had expired")
        assert (await form.submit()).updated is not None
        # Zoe has it claimed still, and what was skipped does not come again.
        assert "No other check waits for you. You skipped 1" in form.text()
        assert await claimer(world, proposed) == ZOE


# In the Details


async def test_the_details_decide_too_and_show_what_has_become_of_it(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.DETAILS)
        shown = await modal(world, REVIEWER)
        await world.bot.background.done()
        job = world.job()
        assert f"Our job id: {job.partner_params['job_id']}" in shown.text()
        assert f"Smile ID's job id: {job.smile_job_id}" in shown.text()
        assert buttons(shown.blocks)[:4] == ["Approve", "Reject", "Ask for new photos", "Claim"]
        await shown.click(ids.REVIEW_CLAIM)
        await world.bot.background.done()
        assert "Unclaim" in buttons(shown.blocks)
        await shown.click(REJECT)
        form = await modal(world, REVIEWER)
        assert form.id != shown.id
        await form.choose(ids.REASON, "tampered")
        assert stands(await form.submit())
        await world.bot.background.done()
        assert "Reopen" in buttons(shown.blocks)
        assert "Decided: Rejected" in shown.text()
        assert (await world.check(ref)).decision == "rejected"
        assert (await world.analyst.click(world.root(), ids.DETAILS)).ok
        assert not {"Approve", "Reject", "Note", "Reopen"} & set(buttons((await modal(world, ANALYST)).blocks))


# Why not


async def test_a_second_person_says_why_not_and_who_proposed_it_hears_it(tmp_path: Path) -> None:
    secret = "the licence had expired"
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        assert not stands(await decide(world, REVIEWER, "approved", "other_documents"))
        await press(world, ZOE, ids.REVIEW_DISAGREE)
        form = await modal(world, ZOE)
        await form.fill(ids.WORDS, "  ")
        assert (await form.submit()).errors == {ids.WORDS: "Say in your own words why."}
        await form.fill(ids.WORDS, secret)
        shown = form.view
        assert (await form.submit()).closed
        await world.slack.person(ZOE).submit(shown)
        await world.work()
        assert f"@zoe disagreed with Approved (proposed by @remi) — {secret}." in text(world)
        assert "Claimed by @remi" in text(world)
        below = [world.slack.plain(m) for m in world.slack.thread(REVIEW_CHANNEL, card(world).ts)]
        assert [f"@remi @zoe disagrees with Approved — {secret}" in line for line in below].count(True) == 1
        assert await rows(world, "review_notes") == 1
        assert secret.encode() not in engines.content(world.path)
        assert secret not in str(world.thread())

        await decide(world, REVIEWER, "approved", "same_person")
        assert secret not in text(world)
        await disagree(world, REVIEWER, "the wrong customer")
        assert "@remi took back Approved — the wrong customer." in text(world)
        assert (await world.check(ref)).decision is None


# One check, one place to act


async def test_an_older_card_leads_to_the_newer_one(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0814", actions={"Verify_ID_Number": "Verified"}) as (world, _ref):
        put_on_record(world, "1212")
        await call_back(world, "1212")
        await pass_time(world, 0, 2, 5)
        old, new = cards(world)
        shown = world.slack.plain(old)
        assert "Decide on the newer card (https://" in shown
        assert f"/p{new.ts.replace('.', '')})" in shown
        # Who only hears the older card is not told to decide there.
        assert "Approve or reject it" not in old.text
        assert "Decide on the newer card" in old.text
        assert buttons(old.blocks) == ["Details"]
        assert buttons(new.blocks)[:2] == ["Approve", "Reject"]
        # Whoever sees it as it was decides the same check.
        assert (await world.slack.person(REVIEWER).click(old, APPROVE, stale=True)).ok
        assert (await modal(world, REVIEWER)).title == "Approve"


async def test_buttons_of_old_cards_do_what_they_did(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):

        async def old(user: str, action_id: str) -> None:
            pressed = {"type": "button", "action_id": action_id, "block_id": "b", "value": ref}
            assert (await world.slack.person(user).press(pressed, message=card(world))).ok
            await world.work()

        await old(REVIEWER, ids.REVIEW_CLAIM)
        assert "Claimed by @remi" in text(world)
        await old(REVIEWER, ids.REVIEW_HAND_ON)
        form = await modal(world, REVIEWER)
        await form.choose(ids.HAND_TO, ZOE)
        assert (await form.submit()).closed
        await world.work()
        assert "Claimed by @zoe" in text(world)
        await old(ADMIN, ids.REVIEW_RELEASE)
        assert UNCLAIMED in text(world)
        await old(ZOE, f"{ids.REVIEW_DECIDE}:new_photos")
        assert (await modal(world, ZOE)).title == "Ask for new photos"
        await old(REVIEWER, ids.REVIEW_NOTE)
        assert (await modal(world, REVIEWER)).title == "Note"


async def test_where_anybody_may_review_the_choice_is_checked(tmp_path: Path) -> None:
    async with waiting(tmp_path, **{**STAFF, "KYC_REVIEWERS": "*"}) as (world, _ref):
        world.slack.channels[REVIEW_CHANNEL].members.add(REVIEWER)
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await press(world, REVIEWER, ids.REVIEW_HAND_ON)
        form = await modal(world, REVIEWER)
        await form.choose(ids.HAND_TO, ANALYST)
        assert "may not decide it" in ((await form.submit()).errors or {})[ids.HAND_TO]


async def test_what_a_form_lay_on_never_becomes_another_check_that_nobody_opened(tmp_path: Path) -> None:
    """Decided from the Details, the next checks follow above them: below, there are still the Details of the first."""
    async with provisional(tmp_path) as (world, first):
        second = await another(world)
        await press_on(world, REVIEWER, cards(world)[0], ids.DETAILS)
        below = await modal(world, REVIEWER)
        await below.click(APPROVE)
        for ref in (first, second):
            form = await modal(world, REVIEWER)
            await form.choose(ids.REASON, "same_person")
            assert stands(await form.submit())
            await world.bot.background.done()
            assert (await world.check(ref)).decision == "approved"
            if ref == first:
                await form.click(APPROVE)
        assert first in str(below.view["title"])
        opened = await world.bot.database.read(
            lambda tx: tx.column("SELECT ref FROM audit WHERE act = 'details.opened'")
        )
        assert opened == [first]
