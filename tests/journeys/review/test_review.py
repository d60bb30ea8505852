"""Reviewers: a card for what needs eyes, claimed by one, decided by people who did not ask for it themselves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.review.review import ReviewState
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message, Modal, Submission
from bot.sandbox.slack.faults import Fault
from bot.slack.blocks import ids
from storage import reviews, subscriptions
from storage.engine.database import Transaction
from tests import engines
from tests.journeys.intake import test_batches as batches
from tests.journeys.smile import call_back, pass_time, put_on_record, rows, waiting
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

ZOE = "U0ZOE000001"
MANAGER = "U0DAYO00001"
ALWAYS: dict[str, Any] = {"KYC_WORKING_DAYS": "mon-sun", "KYC_WORKING_HOURS": "00:00-00:00"}
STAFF: dict[str, Any] = {"KYC_REVIEWERS": f"{REVIEWER},{ZOE}", "KYC_MANAGERS": MANAGER, **ALWAYS}


@asynccontextmanager
async def provisional(
    folder: Path, code: str = "0812", *, words: str = "", actions: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[tuple[Journey, str]]:
    """A check that people at Smile ID are looking at, with its card among two reviewers."""
    async with waiting(folder, **{**STAFF, **settings}) as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.add_user(MANAGER, "dayo")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        put_on_record(world, code, words, actions=actions)
        await call_back(world, code, words, actions=actions)
        await world.work()
        yield world, ref


def cards(world: Journey) -> list[Message]:
    return [m for m in world.slack.messages(REVIEW_CHANNEL) if m.thread_ts in (None, m.ts)]


def card(world: Journey) -> Message:
    return cards(world)[-1]


def text(world: Journey) -> str:
    return world.slack.plain(card(world))


async def press(world: Journey, user: str, action_id: str, **more: Any) -> None:
    """A button of the newest card, or the entry of its menu that does the same."""
    await press_on(world, user, card(world), action_id, **more)
    await world.work()


async def press_on(world: Journey, user: str, message: Message, action_id: str, **more: Any) -> None:
    entry = next((value for value in _menu(message) if value.startswith(f"{action_id}|")), None)
    chosen = (ids.REVIEW_MORE, {"value": entry}) if entry is not None else (action_id, {})
    assert (await world.slack.person(user).click(message, chosen[0], **{**chosen[1], **more})).ok


def _menu(message: Message) -> list[str]:
    """The values of what stands behind ⋯."""
    elements = [one for block in message.blocks if block["type"] == "actions" for one in block["elements"]]
    return [option["value"] for one in elements if one["type"] == "overflow" for option in one["options"]]


async def whispered(world: Journey, user: str) -> str:
    """What this person alone was told last."""

    def said() -> list[str]:
        return [line for m in world.slack.ephemerals(user) if "[Details]" not in (line := world.slack.plain(m))]

    await world.slack.wait_for(lambda: bool(said()))
    return said()[-1]


async def open_form(world: Journey, user: str, decision: str) -> Modal:
    await press(world, user, f"{ids.REVIEW_DECIDE}:{decision}")
    return await world.slack.person(user).modal()


def offered(form: Modal) -> list[dict[str, Any]]:
    """Whom a check may be reassigned to."""
    field = next(block for block in form.blocks if block.get("block_id") == ids.HAND_TO)
    return list(field["element"]["options"])


async def decide(
    world: Journey, user: str, decision: str, reason: str, words: str = "", *, override: bool = False
) -> Submission:
    form = await open_form(world, user, decision)
    await form.choose(ids.REASON, reason)
    if words:
        await form.fill(ids.WORDS, words)
    if override:
        await form.choose(ids.OVERRIDE, [ids.OVERRIDDEN])
    submission = await form.submit()
    await world.work()
    return submission


def stands(submission: Submission) -> bool:
    """Whether the decision counts at once: the modal goes on with the next check, and says which it was."""
    assert submission.updated is not None, submission
    told = str(submission.updated["blocks"])
    assert ("Your decision is posted" in told) is not ("when a second reviewer agrees" in told)
    return "Your decision is posted" in told


async def disagree(world: Journey, user: str, why: str = "I see two people") -> Submission:
    await press(world, user, ids.REVIEW_DISAGREE)
    form = await world.slack.person(user).modal()
    await form.fill(ids.WORDS, why)
    submission = await form.submit()
    await world.work()
    return submission


async def decided_by(world: Journey, ref: str) -> str:
    def read(tx: Transaction) -> str:
        row = tx.row("SELECT decided_by FROM verifications WHERE ref = :ref", ref=ref)
        assert row is not None
        return str(row["decided_by"])

    return await world.bot.database.read(read)


async def acts(world: Journey, ref: str) -> list[tuple[str, str, str]]:
    """What the audit trail holds of a review."""

    def read(tx: Transaction) -> list[tuple[str, str, str]]:
        found = tx.rows(
            "SELECT actor, act, detail FROM audit WHERE ref = :ref AND act LIKE 'review.%' ORDER BY seq", ref=ref
        )
        return [(row["actor"], row["act"], row["detail"]) for row in found]

    return await world.bot.database.read(read)


async def test_a_card_holds_what_is_needed_to_decide_and_nothing_more(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0815", KYC_REVIEWERS=f"{REVIEWER},{ZOE}") as (world, ref):
        shown = text(world)
        for part in (
            "@remi @zoe",
            "Not final: inconclusive, in human review at Smile ID",
            "Nigeria · BVN ending",
            ref,
            "Asked by @amina",
        ):
            assert part in shown
        assert "Nobody has claimed this yet." in shown
        assert "[Approve]" in shown
        assert "[Reject]" in shown
        assert "00000000000" not in shown
        assert len(cards(world)) == 1


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
async def test_a_provisional_check_is_claimed_decided_and_smile_id_agrees(tmp_path: Path, *, socket_mode: bool) -> None:
    async with provisional(tmp_path, socket_mode=socket_mode) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert "Claimed by @remi" in text(world)
        assert stands(await decide(world, REVIEWER, "rejected", "tampered", "the corner is glued"))

        check = await world.check(ref)
        assert (check.state, check.decision) == ("in_review", "rejected")
        assert await decided_by(world, ref) == REVIEWER
        told = world.thread()[-1]
        assert told.startswith(
            "@amina Rejected by @remi — a photo or document looks tampered with (comment in Details)"
        )
        assert "glued" not in told
        assert "Smile ID: not final (in human review at Smile ID)." in told
        assert "Rejected by @remi" in text(world)
        assert "Rejected by a reviewer (Smile ID: not final)" in world.slack.plain(world.root())
        assert "decided by @remi" in world.slack.plain(world.root())

        put_on_record(world, "1211")
        await call_back(world, "1211")
        await pass_time(world, 0, 2, 5)
        check = await world.check(ref)
        assert (check.state, check.decision) == ("rejected", "rejected")
        told = world.thread()[-1]
        assert told.startswith("@amina Rejected — the selfie does not match")
        assert "@remi had decided: Rejected. Smile ID's final result agrees." in told
        assert len(cards(world)) == 1
        assert "Smile ID: Rejected" in text(world)


async def test_a_result_that_contradicts_a_decision_reopens_the_review(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "tampered")
        put_on_record(world, "1210")
        await call_back(world, "1210")
        await pass_time(world, 0, 2, 5)

        told = world.thread()[-1]
        assert told.startswith("@amina Needs review — Smile ID's final result, Approved, differs")
        assert "@remi had decided: Rejected." in told
        assert "Act on neither until a reviewer has decided again. A reviewer has been told." in told
        assert "Nothing more to do" not in told
        assert len(cards(world)) == 2
        assert all("A reviewer must decide again" in world.slack.plain(one) for one in cards(world))
        assert "Needs review: reopened by a reviewer" in world.slack.plain(world.root())

        # Both stand: to stay with the rejection goes against Smile ID's verdict now, and takes two.
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert not stands(await decide(world, REVIEWER, "rejected", "tampered"))
        assert (await world.check(ref)).review is ReviewState.OPEN
        assert "@remi proposes: Rejected" in text(world)
        assert any("A second person is needed" in notice for notice in world.notices())

        await press(world, REVIEWER, ids.REVIEW_AGREE)
        assert "somebody else must agree" in await whispered(world, REVIEWER)
        await press(world, ZOE, ids.REVIEW_AGREE)
        check = await world.check(ref)
        assert (check.state, check.decision, check.review) == ("approved", "rejected", "decided")
        assert "@zoe agreed, since a decision against Smile ID's verdict takes two." in world.thread()[-1]
        assert "Rejected by a reviewer (Smile ID: Approved)" in world.slack.plain(world.root())
        assert ("review.decision", "rejected:tampered") in [act[1:] for act in await acts(world, ref)]


async def test_the_final_result_closes_the_review_and_every_copy_of_its_card_says_so(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        put_on_record(world, "0815")
        await call_back(world, "0815")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        form = await open_form(world, REVIEWER, "approved")
        await form.choose(ids.REASON, "same_person")
        put_on_record(world, "1210")
        await call_back(world, "1210")
        await pass_time(world, 0, 2, 5)

        assert len(cards(world)) == 2
        for one in cards(world):
            shown = world.slack.plain(one)
            assert "Smile ID's final result: Approved. Nothing is left to decide." in shown
            assert "[Approve]" not in shown
        assert world.thread()[-1].startswith("@amina Approved — face and ID number verified")
        refused = await form.submit()
        assert "needs no decision any more" in (refused.errors or {})[ids.REASON]
        assert (await world.check(ref)).decision is None


async def test_what_changed_while_the_form_was_open_must_be_read_first(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        form = await open_form(world, REVIEWER, "approved")
        await form.choose(ids.REASON, "same_person")
        # Suspected spoof, final: it needs eyes itself, and whoever had claimed the check keeps it.
        put_on_record(world, "1212")
        await call_back(world, "1212")
        await pass_time(world, 0, 2, 5)
        refused = await form.submit()
        assert "Something changed while this form was open" in (refused.errors or {})[ids.REASON]
        await form.close()
        assert "Claimed by @remi" in text(world)
        assert not stands(await decide(world, REVIEWER, "approved", "same_person"))
        assert (await world.check(ref)).decision is None


# Who may not


async def test_a_requester_may_neither_claim_nor_decide(tmp_path: Path) -> None:
    async with provisional(tmp_path, KYC_REVIEWERS=f"{REVIEWER},{ZOE},{ANALYST}") as (world, ref):
        world.slack.channels[REVIEW_CHANNEL].members.add(ANALYST)
        await press(world, ANALYST, ids.REVIEW_CLAIM)
        assert "You asked for" in await whispered(world, ANALYST)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await press(world, ANALYST, f"{ids.REVIEW_DECIDE}:approved")
        assert "somebody else must decide it" in await whispered(world, ANALYST)
        # Nor by being handed it.
        await press(world, REVIEWER, ids.REVIEW_HAND_ON)
        form = await world.slack.person(REVIEWER).modal()
        assert [option["value"] for option in offered(form)] == [ZOE, ADMIN]
        assert (await world.check(ref)).decision is None


async def test_an_admin_may_override_four_eyes_and_everybody_sees_it(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", **STAFF, KYC_REQUESTERS="*") as world:
        musa = world.slack.person(ADMIN)
        modal = await world.fill(await world.form(musa), person=musa)
        assert (await modal.submit()).closed
        ref = await world.newest()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()

        await press(world, ADMIN, ids.REVIEW_CLAIM)
        form = await open_form(world, ADMIN, "approved")
        await form.choose(ids.REASON, "known_customer")
        # The box is not ticked: Slack asks for it, and so do we.
        refused = await form.submit(client_checks=False)
        assert "somebody else must decide it" in (refused.errors or {})[ids.OVERRIDE]
        await form.choose(ids.OVERRIDE, [ids.OVERRIDDEN])
        assert stands(await form.submit())
        await world.work()
        for shown in (text(world), world.thread()[-1]):
            assert "@musa asked for this check too, and decided as an admin." in shown
        assert (ADMIN, "review.four_eyes_overridden", "") in await acts(world, ref)


async def test_of_two_reviewers_who_claim_at_once_the_second_learns_who_has_it(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        one = card(world)
        await asyncio.gather(*(press_on(world, user, one, ids.REVIEW_CLAIM) for user in (REVIEWER, ZOE)))
        await world.work()
        found = await world.bot.database.read(reviews.find, ref)
        assert found is not None
        loser = ZOE if found.claimed_by == REVIEWER else REVIEWER
        assert "has claimed" in await whispered(world, loser)
        assert not world.slack.ephemerals(str(found.claimed_by))
        assert [act for _by, act, _what in await acts(world, ref)].count("review.claimed") == 1


async def test_of_two_second_reviewers_who_agree_at_once_one_counts(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212", KYC_REVIEWERS=f"{REVIEWER},{ZOE},{MANAGER}") as (world, ref):
        world.slack.channels[REVIEW_CHANNEL].members.add(MANAGER)
        await pass_time(world, 0, 2, 5)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        one = card(world)
        await asyncio.gather(*(world.slack.person(who).click(one, ids.REVIEW_AGREE) for who in (ZOE, MANAGER)))
        await world.work()
        assert (await world.check(ref)).decision == "approved"
        assert await rows(world, "decisions") == 1
        assert sum("Approved by @remi" in line for line in world.thread()) == 1


async def test_an_old_card_does_not_agree_to_a_newer_proposal(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        assert (await disagree(world, ZOE)).closed
        assert "Claimed by @remi" in text(world)
        await decide(world, REVIEWER, "approved", "other", "the customer came to the branch")
        old = next(
            edition for edition in card(world).edited if "the photos show the same person" in str(edition.blocks)
        )
        button = next(
            e for b in old.blocks if b["type"] == "actions" for e in b["elements"] if e["text"]["text"] == "Agree"
        )
        await press(world, ZOE, ids.REVIEW_AGREE, value=button["value"], stale=True)
        assert "has changed meanwhile" in await whispered(world, ZOE)
        assert (await world.check(ref)).decision is None


async def test_a_reviewer_who_loses_the_role_meanwhile_decides_nothing(tmp_path: Path) -> None:
    group = "S0REVIEW001"
    async with journey(tmp_path, story="never", **{**STAFF, "KYC_REVIEWERS": group, "KYC_MANAGERS": REVIEWER}) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.slack.add_usergroup(group, [REVIEWER, ZOE])
        await world.bot.access.refresh()
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "1212")
        await call_back(world, "1212")
        await pass_time(world, 0, 2, 5)
        assert f"<!subteam^{group}>" in str(card(world).blocks)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")

        world.slack.usergroups[group].discard(REVIEWER)
        await world.bot.access.changed(group)
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert "is no longer a reviewer. The proposal is void" in await whispered(world, ZOE)
        await press(world, REVIEWER, f"{ids.REVIEW_DECIDE}:approved")
        assert "Only reviewers and admins can do this." in await whispered(world, REVIEWER)
        assert "Claimed by @remi" in text(world)
        await world.bot.reminders.tick()
        await world.work()
        assert "Nobody has claimed this yet." in text(world)
        assert (await world.check(ref)).decision is None


async def test_a_form_that_was_open_when_the_role_was_lost_is_refused(tmp_path: Path) -> None:
    group = "S0REVIEW001"
    async with journey(tmp_path, story="never", **{**STAFF, "KYC_REVIEWERS": group, "KYC_MANAGERS": REVIEWER}) as world:
        world.slack.add_usergroup(group, [REVIEWER])
        await world.bot.access.refresh()
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        form = await open_form(world, REVIEWER, "approved")
        await form.choose(ids.REASON, "same_person")
        world.slack.usergroups[group].discard(REVIEWER)
        await world.bot.access.changed(group)
        refused = "Only reviewers and admins can do this. Ask an admin of kyc-bot if you need it."
        await form.submit()
        assert refused in form.text()
        assert (await world.check(ref)).decision is None


# Reassign, unclaim, note


async def test_a_claim_is_handed_on_and_released(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await press(world, ZOE, ids.REVIEW_RELEASE)
        assert "You can't reassign" in await whispered(world, ZOE)
        await press(world, REVIEWER, ids.REVIEW_HAND_ON)
        form = await world.slack.person(REVIEWER).modal()
        assert [option["value"] for option in offered(form)] == [ZOE, ADMIN]
        await form.choose(ids.HAND_TO, ZOE)
        assert (await form.submit()).closed
        await world.work()
        assert "Claimed by @zoe" in text(world)
        replies = world.slack.thread(REVIEW_CHANNEL, card(world).ts)
        assert "@zoe Reassigned to you" in world.slack.plain(replies[-1])
        await press(world, ADMIN, ids.REVIEW_RELEASE)
        assert "Nobody has claimed this yet." in text(world)
        acted = [(by, act) for by, act, _ in await acts(world, ref)]
        assert acted[-2:] == [(REVIEWER, "review.handed_on"), (ADMIN, "review.released")]


async def test_notes_and_replies_are_stored_sealed_and_visible_to_reviewers_alone(tmp_path: Path) -> None:
    secret = "her brother came to the branch"
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_NOTE)
        form = await world.slack.person(REVIEWER).modal()
        await form.fill(ids.WORDS, secret)
        assert (await form.submit()).closed
        await world.work()
        assert "1 note, in Details" in text(world)
        await world.slack.person(ZOE).say(REVIEW_CHANNEL, "I called her: it is her & him", thread_ts=card(world).ts)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        world.slack.fail_next("conversations.replies", Fault.status(503))
        for _again in range(3):
            await world.bot.reminders.tick()
            await world.work()
        assert await rows(world, "review_notes") == 2
        assert "2 notes" in text(world)
        assert secret.encode() not in engines.content(world.path)

        await press(world, REVIEWER, ids.DETAILS)
        shown = (await world.slack.person(REVIEWER).modal()).text()
        for part in (secret, "it is her & him", "Decided: Approved — the photos show the same person"):
            assert part in shown
        assert (await world.analyst.click(world.root(), ids.DETAILS)).ok
        shown = (await world.analyst.modal()).text()
        assert "Decided: Approved" in shown
        assert secret not in shown
        assert [act for _by, act, _ in await acts(world, ref)].count("review.noted") == 2


async def test_a_decision_needs_words_where_the_list_has_none(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, _ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        refused = await decide(world, REVIEWER, "rejected", "other")
        assert refused.errors == {ids.WORDS: "Say in your own words why."}


async def test_a_reviewer_requests_new_photos_and_the_check_is_run_again(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0815") as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "new_photos", "covered")
        assert "Ask the customer for new photos, then Send other photos." in world.thread()[-1]
        assert (await world.analyst.click(world.root(), ids.RUN_AGAIN)).ok
        modal = await world.analyst.modal()
        await modal.changed()
        await modal.choose("consent", ["consented"])
        submission = await modal.submit()
        assert submission.closed, submission.errors
        await world.work()
        check = await world.check(ref)
        assert (check.round, check.decision, check.review) == (2, None, None)
        assert "run again since" in text(world)


# When nobody does anything


async def test_reminders_climb_from_the_group_to_the_managers_once_each(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0899") as (world, _ref):

        async def look(**by: float) -> None:
            world.clock.move(**by)
            for _twice in range(2):
                await world.bot.reminders.tick()
            await world.work()

        await look(minutes=119)
        assert not [n for n in world.notices() if "Nobody has claimed this for" in n]
        await look(minutes=2)
        (first,) = [n for n in world.notices() if "Nobody has claimed this for 2 h" in n]
        assert "@remi @zoe" in first
        assert world.direct(MANAGER) == []
        await look(hours=2)
        (told,) = world.direct(MANAGER)
        assert "Nobody has claimed this for 4 h" in told
        # Claimed, then idle: first who claimed it, then everybody, then the managers.
        await press(world, ZOE, ids.REVIEW_CLAIM)
        await look(hours=4.1)
        idle = [n for n in world.notices() if "claimed this, and nothing was done" in n]
        assert len(idle) == 1
        assert idle[0].startswith("@zoe ")
        # A long stop: the highest step alone.
        await look(hours=40)
        assert len(world.direct(MANAGER)) == 2
        assert len([n for n in world.notices() if "nothing was done" in n]) == 1
        await look(hours=100)
        assert len(world.direct(MANAGER)) == 2


async def test_where_nobody_is_a_manager_the_last_reminder_goes_to_the_admins(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0899", KYC_MANAGERS="") as (world, _ref):
        world.clock.move(hours=4.1)
        await world.bot.reminders.tick()
        await world.work()
        assert any("Nobody has claimed this for 4 h" in told for told in world.direct(ADMIN))


async def test_a_decision_that_waits_for_a_second_person_calls_those_who_may_be_one(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        for _twice in range(2):
            world.clock.move(hours=4, minutes=1)
            await world.bot.reminders.tick()
            await world.work()
        assert not [n for n in world.notices() if "nothing was done" in n]
        (reminded,) = [n for n in world.notices() if "A decision has waited for a second person for 4 h" in n]
        assert reminded.startswith("@zoe ")
        (told,) = world.direct(MANAGER)
        assert "A decision has waited for a second person for 8 h" in told
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "approved"


async def test_a_check_that_smile_id_keeps_for_long_gets_a_card(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        world.clock.move(hours=7.9)
        await world.bot.reminders.tick()
        await world.work()
        assert cards(world) == []
        world.clock.move(hours=0.2)
        for _twice in range(2):
            await world.bot.reminders.tick()
            await world.work()
        assert len(cards(world)) == 1
        assert "Still waiting for Smile ID" in text(world)
        assert ref in text(world)


# When Slack does not play along


async def test_when_their_channel_is_archived_reviewers_decide_in_direct_messages(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].is_archived = True
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await pass_time(world, 0, 1, 1)
        (one,) = world.slack.direct_messages(REVIEWER)
        assert len(world.slack.direct_messages(ZOE)) == 1
        assert any("Reviewers get direct messages instead" in told for told in world.direct(ADMIN))
        await press_on(world, REVIEWER, one, ids.REVIEW_CLAIM)
        await pass_time(world, 0, 1)
        for user in (REVIEWER, ZOE):
            assert "Claimed by @remi" in world.direct(user)[0]
        assert (await world.slack.person(REVIEWER).click(one, f"{ids.REVIEW_DECIDE}:approved")).ok
        form = await world.slack.person(REVIEWER).modal()
        await form.choose(ids.REASON, "same_person")
        assert stands(await form.submit())
        await pass_time(world, 0, 1)
        assert world.thread()[-1].startswith("@amina Approved by @remi")
        assert (await world.check(ref)).decision == "approved"


async def test_a_channel_archived_after_the_card_was_posted_loses_no_decision(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        form = await open_form(world, REVIEWER, "approved")
        await form.choose(ids.REASON, "same_person")
        world.slack.channels[REVIEW_CHANNEL].is_archived = True
        assert stands(await form.submit())
        await pass_time(world, 0, 1)
        assert (await world.check(ref)).decision == "approved"
        assert world.thread()[-1].startswith("@amina Approved by @remi")
        await world.bot.reminders.tick()
        assert await world.bot.database.read(reviews.replies_due) == []


async def test_when_the_channel_is_archived_the_requester_gets_the_decision_directly(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        world.slack.channels[CHANNEL].is_archived = True
        await decide(world, REVIEWER, "rejected", "different_person", "two moles")
        await pass_time(world, 0, 1)
        told = world.direct(ANALYST)[-1]
        # Nobody else reads this conversation; its notification may stand on a locked screen.
        assert "Rejected by @remi — the photos show different people: two moles" in told
        assert "moles" not in world.slack.direct_messages(ANALYST)[-1].text
        assert f"Sent here because I can't post in the thread of {ref}." in told
        assert "Rejected by @remi" in text(world)


async def test_without_a_channel_a_reviewer_works_by_command(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF, KYC_REVIEW_CHANNEL="") as (world, ref):
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        remi = world.slack.person(REVIEWER)
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        shown = await remi.command(f"review {ref}")
        assert shown.message is not None
        await press_on(world, REVIEWER, shown.message, ids.REVIEW_CLAIM)
        await world.slack.wait_for(
            lambda: "Claimed by @remi" in world.slack.plain(world.slack.ephemerals(REVIEWER)[-1])
        )
        stranger = await world.analyst.command(f"review {ref}")
        assert "Only reviewers and admins can do this." in stranger.text


async def test_the_review_command_without_a_reference_explains_itself(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        reply = await world.slack.person(REVIEWER).command("review")
        assert "/kyc review K-7F3K2Q" in reply.text
        reply = await world.slack.person(REVIEWER).command("review K-XXXXXX")
        assert "There is no check" in reply.text


# By direct message


async def choose(world: Journey, user: str, *choices: str) -> None:
    person = world.slack.person(user)
    assert (await person.command("notify")).ok
    form = await person.modal()
    await form.choose(ids.CHOICES, list(choices))
    assert (await form.submit()).closed


async def test_people_get_direct_messages_about_their_subscriptions_and_nothing_else(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        await choose(world, ANALYST, "results", "decisions")
        await choose(world, ZOE, "cards")
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        assert len(world.direct(ZOE)) == 1
        assert ref in world.direct(ZOE)[0]
        assert world.direct(REVIEWER) == world.direct(ANALYST) == []
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "not_live")
        put_on_record(world, "1212")
        await call_back(world, "1212")
        await pass_time(world, 0, 2, 5)
        told = world.direct(ANALYST)
        assert [line.split(" · ")[0] for line in told] == [
            "Rejected by a reviewer",
            "Rejected — the selfie does not look like a live person",
        ]
        assert await world.bot.database.read(subscriptions.chosen, ANALYST) == {"results", "decisions"}


async def test_a_reviewer_who_lost_the_role_is_no_longer_notified_of_cards(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, _ref):
        await world.bot.database.write(
            lambda tx: tx.run("INSERT INTO notice_choices (person, chosen) VALUES (:who, 'cards')", who=MANAGER)
        )
        world.slack.add_user(MANAGER, "dayo")
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        assert world.direct(MANAGER) == []
        assert len(cards(world)) == 1


async def test_a_person_without_a_role_cannot_subscribe(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=ANALYST, KYC_MANAGERS=MANAGER) as world:
        world.slack.add_user(MANAGER, "dayo")
        reply = await world.slack.person(MANAGER).command("notify")
        assert "No notifications available for your role." in reply.text


# What calls nobody


async def test_a_card_for_information_waits_for_nobody(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF, KYC_REVIEW_NOTIFY="all") as (world, _ref):
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await pass_time(world, 0, 2)
        assert "Nothing is left to decide." in text(world)
        world.clock.move(days=3)
        await world.bot.reminders.tick()
        await world.work()
        assert len(world.notices()) == 1
        assert world.direct(MANAGER) == []
        # Whoever has doubts may look all the same.
        await press(world, REVIEWER, ids.REVIEW_REOPEN)
        assert "Claimed by @remi" in text(world)
        await press(world, REVIEWER, ids.REVIEW_RELEASE)
        assert "Nothing is left to decide." in text(world)


async def test_an_old_claim_button_does_not_reopen_a_decided_review(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "not_live")
        ended_at = (await world.check(ref)).ended_at
        await press(world, ZOE, ids.REVIEW_MORE, value=f"{ids.REVIEW_CLAIM}|{ref}", stale=True)
        assert "needs no decision any more" in await whispered(world, ZOE)
        # To look again is another button, and to let it be leaves everything as it was.
        await press(world, ZOE, ids.REVIEW_REOPEN)
        check = await world.check(ref)
        assert (check.review, check.decision, check.ended_at) == ("open", "rejected", None)
        assert (await world.analyst.command("list review")).text.count(ref) == 1
        await press(world, ZOE, ids.REVIEW_RELEASE)
        check = await world.check(ref)
        assert (check.review, check.decision, check.ended_at) == ("decided", "rejected", ended_at)
        assert ref not in (await world.analyst.command("list review")).text
        assert sum("Rejected by @remi" in line for line in world.thread()) == 1


async def test_a_decided_review_is_not_reopened_while_smile_id_has_no_final_result(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "rejected", "not_live")
        put_on_record(world, "0815")
        await call_back(world, "0815")
        await pass_time(world, 0, 8 * 86400, 60)
        await world.bot.reminders.tick()
        await world.work()
        check = await world.check(ref)
        assert (check.review, check.decision) == ("decided", "rejected")
        assert len(cards(world)) == 1


async def test_before_smile_id_has_said_anything_there_is_nothing_to_decide(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        world.clock.move(hours=9)
        await world.bot.reminders.tick()
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert "[Approve]" not in text(world)
        assert any(value.startswith(ids.REVIEW_RELEASE) for value in _menu(card(world)))
        unsent = await world.ask()
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        remi = world.slack.person(REVIEWER)
        shown = await remi.command(f"review {unsent}")
        assert shown.message is not None
        assert (await remi.click(shown.message, ids.REVIEW_REOPEN)).ok
        assert "There is nothing to decide about" in await whispered(world, REVIEWER)
        assert (await world.check(ref)).decision is None


async def test_a_person_who_reruns_a_check_is_its_requester_too(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0811", KYC_REQUESTERS="*") as (world, ref):
        await pass_time(world, 0, 2, 5)
        remi = world.slack.person(REVIEWER)
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        assert (await remi.click(world.root(), ids.RUN_AGAIN)).ok
        modal = await remi.modal()
        await modal.changed()
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert "You asked for" in await whispered(world, REVIEWER)
        await press(world, ZOE, ids.REVIEW_CLAIM)
        assert "Claimed by @zoe" in text(world)
        assert (await world.check(ref)).round == 2


async def test_a_check_that_called_nobody_is_claimed_on_a_card_that_calls_nobody(tmp_path: Path) -> None:
    async with waiting(tmp_path, **STAFF) as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await pass_time(world, 0, 2)
        assert cards(world) == []
        remi = world.slack.person(REVIEWER)
        shown = await remi.command(f"review {ref}")
        assert shown.message is not None
        assert (await remi.click(shown.message, ids.REVIEW_REOPEN)).ok
        await world.work()
        assert text(world).startswith("Reopened by a reviewer")
        assert "Claimed by @remi" in text(world)
        assert not stands(await decide(world, REVIEWER, "approved", "other_documents"))
        replies = world.slack.thread(REVIEW_CHANNEL, card(world).ts)
        assert world.slack.plain(replies[-1]).startswith("@zoe A second person is needed")
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "approved"


async def test_the_decision_about_a_files_row_is_posted_in_its_thread_and_counts(tmp_path: Path) -> None:
    async with journey(tmp_path, **STAFF) as world:
        world.smile_id.stories_by_id_number["44444444444"] = "provisional"
        people = [batches.person(0), batches.person(1, "44444444444")]
        await batches.drop(world, {"applicants.csv": batches.csv_of(people), **batches.photos(2)})
        await batches.send(world)
        assert "1 approved, 1 needs review" in world.slack.plain(batches.batch_message(world))
        (ref,) = [line["reference"] for line in results_of(world) if line["result"].startswith("Not final")]
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        for _wait in range(3):
            world.clock.move(seconds=4)
            await world.work()
        assert any("Approved by @remi" in line and ref in line for line in batches.told(world))
        assert "1 approved, 1 decided by a reviewer" in world.slack.plain(batches.batch_message(world))
        decided = next(line for line in results_of(world) if line["reference"] == ref)
        assert decided["result"] == "Approved by a reviewer (Smile ID: not final)"


def results_of(world: Journey) -> list[dict[str, str]]:
    """The newest file of results in the channel."""
    newest = [file for name, file in batches.bots_files(world).items() if "results" in name][-1]
    return batches.lines(newest)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("0815", ""),
        ("0815", "inconclusive,suspected_spoof"),
        # Each by itself, and not for the other.
        ("0815", "suspected_spoof"),
        ("0814", "suspected_spoof"),
        ("0814", "inconclusive"),
    ],
)
async def test_a_site_may_want_two_people_for_approving_what_smile_id_is_unsure_of(
    tmp_path: Path, code: str, wanted: str
) -> None:
    words = "Pending Enroll - Possible Spoof" if code == "0814" else ""
    async with provisional(tmp_path, code, words=words, KYC_SECOND_PERSON_FOR=wanted) as (world, ref):
        wants_two = {"0815": "inconclusive", "0814": "suspected_spoof"}[code] in wanted
        form = await decide(world, REVIEWER, "approved", "same_person")
        assert stands(form) is not wants_two
        if wants_two:
            assert (await world.check(ref)).decision is None
            assert "@remi proposes: Approved" in text(world)
            # Never by who proposed it.
            await world.slack.person(REVIEWER).click(card(world), ids.REVIEW_AGREE, stale=True)
            await world.work()
            assert (await world.check(ref)).decision is None
            await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "approved"
