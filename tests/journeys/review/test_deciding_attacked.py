"""The reviewer's flow attacked: who asked in whatever way, roles lost meanwhile, modals that are gone."""

from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.slack import Modal
from bot.slack.blocks import ids
from tests.engines import beside
from tests.journeys.review.test_deciding import APPROVE, REJECT, another, claimer, modal
from tests.journeys.review.test_review import (
    STAFF,
    ZOE,
    card,
    decide,
    press,
    press_on,
    provisional,
    stands,
    text,
)
from tests.journeys.smile import pass_time
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


async def decided_in(form: Modal, reason: str) -> None:
    await form.choose(ids.REASON, reason)
    assert stands(await form.submit())


async def opened(world: Journey, act: str) -> list[tuple[str, str]]:
    """Who opened which check, as the audit trail holds it."""
    sql = "SELECT actor, ref FROM audit WHERE act = :act ORDER BY seq"
    return [(row["actor"], row["ref"]) for row in await world.bot.database.read(lambda tx: tx.rows(sql, act=act))]


# What lies below a modal


async def test_the_details_below_stay_those_of_their_own_check(tmp_path: Path) -> None:
    """Going on to the next check above them must not fill them with that check: nobody asked to see it."""
    async with provisional(tmp_path) as (world, first):
        second = await another(world)
        await world.slack.person(REVIEWER).click(card(world), ids.DETAILS)
        await world.bot.background.done()
        below = await modal(world, REVIEWER)
        assert below.title == f"Check {second}"
        await below.click(APPROVE)
        form = await modal(world, REVIEWER)
        await decided_in(form, "same_person")
        await world.bot.background.done()
        assert "Decided: Approved" in below.text()
        assert form.title == f"Next: {first}"
        await form.click(APPROVE)
        await decided_in(form, "same_person")
        await world.bot.background.done()
        assert (await world.check(first)).decision == "approved"
        assert below.title == f"Check {second}"
        assert await opened(world, "details.opened") == [(REVIEWER, second)]


async def test_a_record_whose_jobs_were_altered_keeps_nobody_from_the_next_check(tmp_path: Path) -> None:
    """It waits in the queue as long as only its head was compared, and is opened by who comes to it."""
    async with provisional(tmp_path) as (world, first):
        world.has_thief = True
        second, _third = await another(world), await another(world)
        with closing(beside(world.path)) as db:
            put = "UPDATE attempts SET user_id = 'altered' WHERE ref = ?"
            assert db.execute(put, [first]).rowcount == 1
        await press_on(world, REVIEWER, card(world), APPROVE)
        form = await modal(world, REVIEWER)
        await decided_in(form, "same_person")
        assert form.title == f"Next: {second}"


# Roles


async def test_skip_shows_nothing_to_who_is_no_reviewer_any_more(tmp_path: Path) -> None:
    group = "S0REVIEW001"
    settings = {**STAFF, "KYC_REVIEWERS": group, "KYC_REQUESTERS": "*"}
    async with journey(tmp_path, story="never", **settings) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.slack.add_usergroup(group, [REVIEWER, ZOE])
        await world.bot.access.refresh()
        refs = [await another(world) for _ in range(3)]
        await press_on(world, REVIEWER, card(world), APPROVE)
        form = await modal(world, REVIEWER)
        await decided_in(form, "same_person")
        assert form.title == f"Next: {refs[0]}"
        world.slack.usergroups[group].discard(REVIEWER)
        await world.bot.access.changed(group)
        await form.click(ids.REVIEW_SKIP)
        await world.bot.background.done()
        shown = str((await modal(world, REVIEWER)).view)
        assert refs[1] not in shown
        assert "Approve" not in shown, "nothing is left to press either"


async def test_a_claim_of_who_lost_the_role_stops_nobody_from_claiming(tmp_path: Path) -> None:
    group = "S0REVIEW001"
    async with journey(tmp_path, story="never", **{**STAFF, "KYC_REVIEWERS": group}) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.slack.add_usergroup(group, [REVIEWER, ZOE])
        await world.bot.access.refresh()
        ref = await another(world)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        world.slack.usergroups[group].discard(REVIEWER)
        await world.bot.access.changed(group)
        old = {"type": "button", "action_id": ids.REVIEW_CLAIM, "block_id": "b", "value": ref}
        await world.slack.person(ZOE).press(old, message=card(world))
        assert await claimer(world, ref) == ZOE


# Modals that have gone on, or are gone


@pytest.mark.parametrize("gone", ["closed", "skipped"])
async def test_a_click_in_a_modal_that_is_gone_leaves_no_claim(tmp_path: Path, gone: str) -> None:
    async with provisional(tmp_path) as (world, first):
        await another(world)
        await another(world)
        await press_on(world, REVIEWER, card(world), APPROVE)
        form = await modal(world, REVIEWER)
        await decided_in(form, "same_person")
        assert form.title == f"Next: {first}"
        stale = form.view
        await (form.close() if gone == "closed" else form.click(ids.REVIEW_SKIP))
        pressed = {"type": "button", "action_id": REJECT, "block_id": "b", "value": first}
        await world.slack.person(REVIEWER).press(pressed, view=stale)
        await world.work()
        assert await claimer(world, first) is None


async def test_a_double_click_in_the_next_check_keeps_the_one_form_and_its_claim(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, first):
        await another(world)
        await press_on(world, REVIEWER, card(world), APPROVE)
        form = await modal(world, REVIEWER)
        await decided_in(form, "same_person")
        stale = form.view
        await form.click(APPROVE)
        pressed = {"type": "button", "action_id": APPROVE, "block_id": "b", "value": first}
        await world.slack.person(REVIEWER).press(pressed, view=stale)
        await world.work()
        assert await claimer(world, first) == REVIEWER
        assert form.title == "Approve"
        await decided_in(form, "same_person")


async def test_who_was_slower_in_the_next_check_reads_it_there_and_goes_on(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, first):
        second = await another(world)
        await another(world)
        await press_on(world, REVIEWER, card(world), APPROVE)
        form = await modal(world, REVIEWER)
        await decided_in(form, "same_person")
        assert form.title == f"Next: {first}"
        await press_on(
            world, ZOE, next(m for m in world.slack.messages(REVIEW_CHANNEL) if first in m.text), ids.REVIEW_CLAIM
        )
        await form.click(APPROVE)
        await world.bot.background.done()
        assert form.title == f"Next: {second}"
        assert "has claimed" in form.text()


async def test_a_refusal_of_the_details_stands_on_top_of_them(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, _first):
        await press(world, REVIEWER, ids.DETAILS)
        below = await modal(world, REVIEWER)
        await press(world, ZOE, ids.REVIEW_CLAIM)
        pressed = {"type": "button", "action_id": APPROVE, "block_id": "b", "value": _first}
        await world.slack.person(REVIEWER).press(pressed, view=below.view)
        await world.bot.background.done()
        said = await modal(world, REVIEWER)
        assert said.id != below.id
        assert "has claimed" in said.text()


# Repeats by Slack


async def test_a_form_whose_answer_was_lost_is_answered_like_the_first_time(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await press(world, REVIEWER, ids.REVIEW_HAND_ON)
        form = await modal(world, REVIEWER)
        await form.choose(ids.HAND_TO, ZOE)
        shown = form.view
        assert (await form.submit()).closed
        again = await world.slack.person(REVIEWER).submit(shown)
        assert "errors" not in str(again.body)
        assert await claimer(world, ref) == ZOE
        await decide(world, ZOE, "approved", "same_person")
        await press(world, REVIEWER, ids.REVIEW_DISAGREE)
        form = await modal(world, REVIEWER)
        await form.fill(ids.WORDS, "Two people")
        shown = form.view
        assert (await form.submit()).closed
        again = await world.slack.person(REVIEWER).submit(shown)
        assert "errors" not in str(again.body)
        await world.work()
        assert text(world).count("Two people") == 1
