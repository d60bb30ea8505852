"""A selfie seen with another ID number: reviewers hear of it, going on needs a reason, cancelling hides nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.states import State
from bot.domain.review.review import ReviewState
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message
from bot.slack.blocks import ids
from tests.journeys.intake.test_preflight import NUMBER, OTHER_NUMBER, SEEN, variant
from tests.journeys.review.test_review import STAFF, ZOE, acts, card, cards, press, text, whispered
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio

SITE: dict[str, Any] = {**SEEN, **STAFF, "KYC_REVIEW_CHANNEL": REVIEW_CHANNEL}
BIMPE = "U0BIMPE0001"
WORDS = "Invented: checked as a BVN before."


async def caught(world: Journey) -> tuple[str, str]:
    """The reference of an earlier check, and of one with the same selfie and another number, which is held."""
    world.slack.add_user(ZOE, "zoe")
    world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER, ANALYST})
    world.smile_id.stories_by_id_number.update({NUMBER: "approved", OTHER_NUMBER: "approved"})
    first = await world.ask(id_number=NUMBER)
    await world.settle()
    second = await world.ask(id_number=OTHER_NUMBER)
    await world.settle()
    assert str((await world.check(second)).held) == "selfie_seen"
    return first, second


def question(world: Journey) -> Message:
    return [m for m in world.slack.thread(CHANNEL, world.root().ts) if ids.SEND_HELD in str(m.blocks)][-1]


async def test_reviewers_see_it_at_once_and_going_on_needs_a_reason(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE) as world:
        first, second = await caught(world)
        assert len(cards(world)) == 1
        shown = text(world)
        assert "@remi @zoe Possible fraud: this selfie was already used with a different ID number" in shown
        assert f"The selfie was used with another ID number in {first}." in shown
        assert NUMBER not in shown
        assert "[Approve]" not in shown, "there is nothing to decide yet"
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert "Claimed by @remi" in text(world)

        old = question(world)
        assert (await world.analyst.click(old, ids.SEND_HELD)).ok
        form = await world.analyst.modal()
        assert (await form.submit(client_checks=False)).errors == {ids.REASON: "Choose a reason."}
        await form.choose(ids.REASON, "other_id_type")
        await form.fill(ids.WORDS, WORDS)
        assert (await form.submit()).closed
        again = {"reason": "known_customer", "words": "", "form_id": form.id}
        await world.bot.preflight.send_anyway(ANALYST, second, **again)
        await world.settle()
        assert len(world.smile_id.jobs) == 2
        shown = text(world)
        assert f"@amina sends the check anyway: the same customer, with another ID type: {WORDS}" in shown
        with closing(sqlite3.connect(f"file:{world.bot.settings.database_file}?mode=ro", uri=True)) as db:
            assert db.execute("SELECT kind, reason FROM review_requests").fetchall() == [
                ("send_anyway", "other_id_type")
            ]
            stored = [str(db.execute(f"SELECT * FROM {name}").fetchall()) for name in ("posts", "audit")]  # noqa: S608
            assert db.execute("SELECT detail FROM audit WHERE act = 'check.sent_anyway'").fetchall() == [
                ("other_id_type",)
            ]
        assert WORDS not in "".join([*stored, *world.thread()])

        # Smile ID approves it: for this company that is not the last word.
        check = await world.check(second)
        assert (check.state, check.review) == (State.APPROVED, ReviewState.OPEN)
        told = [line for line in world.thread() if "Approved — face and ID number verified" in line][-1]
        assert "A reviewer was asked to look at this check and has not decided yet." in told
        assert "Nothing more to do" not in told
        await world.analyst.click(old, ids.SEND_HELD, stale=True)
        assert "needs no answer any more" in await whispered(world, ANALYST)


async def test_of_anothers_check_the_requester_hears_nothing_and_a_reviewer_has_the_last_word(tmp_path: Path) -> None:
    """Who may not see the earlier check is not asked about it: the reviewers are called, and the check goes on."""
    async with journey(tmp_path, **{**SITE, "KYC_REQUESTERS": "*"}) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.add_user(BIMPE, "bimpe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.slack.channels[CHANNEL].members.add(BIMPE)
        world.smile_id.stories_by_id_number.update({NUMBER: "approved", OTHER_NUMBER: "approved"})
        first = await world.ask(id_number=NUMBER)
        await world.settle()
        bimpe = world.slack.person(BIMPE)
        form = await world.fill(await world.form(bimpe), person=bimpe, id_number=OTHER_NUMBER)
        assert (await form.submit()).closed
        second = await world.newest()
        await world.settle()

        check = await world.check(second)
        assert check.held is None
        assert len(world.smile_id.jobs) == 2
        shown = "\n".join(map(world.slack.plain, cards(world)))
        assert "Possible fraud: this selfie was already used with a different ID number" in shown
        assert first in shown
        assert "but a reviewer must still decide" in text(world)
        assert (check.state, check.review) == (State.APPROVED, ReviewState.OPEN)
        # In the thread: what stands after every approval that reviewers look at, and nothing of the other check.
        thread = "\n".join(world.thread())
        assert "A reviewer was asked to look at this check and has not decided yet." in thread
        details = await world.bot.details.details(BIMPE, second)
        status = await world.bot.details.status(BIMPE, second)
        for said in (thread, str(details), f"{status.text}{status.blocks}"):
            assert first not in said
            assert "selfie was" not in said
            assert "fraud" not in said.casefold()
        assert ids.SEND_HELD not in str([m.blocks for m in world.slack.messages(CHANNEL)])


async def test_cancelling_hides_nothing_and_running_it_again_calls_the_reviewers_anew(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE, KYC_ADMINS=f"{ADMIN},{ANALYST}") as world:
        first, second = await caught(world)
        await world.analyst.command(f"cancel {second}")
        await world.settle()
        assert (await world.check(second)).state is State.CANCELLED
        assert "Possible fraud" in text(world)
        assert first in text(world)
        assert "[Close review]" in text(world)
        assert (await world.check(second)).review is ReviewState.OPEN
        # Who asked closes nothing, also as an admin.
        assert (await world.analyst.click(card(world), ids.REVIEW_CLOSE)).ok
        await world.work()
        assert (await world.check(second)).review is ReviewState.OPEN

        await world.analyst.click(world.root(), ids.RUN_AGAIN)
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.attach("selfie", await world.analyst.upload(variant(80), "another.jpg"))
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        assert (await world.check(second)).round == 2
        assert len(cards(world)) >= 2
        assert any(first in world.slack.plain(m) and "Possible fraud" in world.slack.plain(m) for m in cards(world)[1:])
        assert (await world.check(second)).review is ReviewState.OPEN


async def test_a_reviewer_closes_the_review_of_a_cancelled_check(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE) as world:
        _first, second = await caught(world)
        await world.analyst.command(f"cancel {second}")
        await world.settle()
        await press(world, REVIEWER, ids.REVIEW_CLOSE)
        assert "cancelled before it was sent, and a reviewer closed the review" in text(world)
        assert "Possible fraud" in text(world), "the card stands"
        assert (REVIEWER, "review.closed", "") in await acts(world, second)
        assert (await world.check(second)).review is ReviewState.SETTLED
