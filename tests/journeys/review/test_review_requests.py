"""*Request review*: who asked for a check has reviewers look at it, and says why; and still decides nothing."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.review.review import ReviewState
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message, Modal, Person
from bot.slack.blocks import ids
from tests.engines import beside
from tests.journeys.intake import test_batches as batches
from tests.journeys.review.test_review import STAFF, ZOE, acts, card, cards, decide, press, text, whispered
from tests.journeys.smile import waiting
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

WORDS = "Invented: the photo is of the brother."
REVIEWED = {**STAFF, "KYC_REVIEW_CHANNEL": REVIEW_CHANNEL}


def entry(action_id: str, ref: str) -> str:
    return f"{action_id}|{ref}"


def menus(message: Message) -> list[str]:
    """What the menus of a message offer."""
    elements = [element for block in message.blocks for element in block.get("elements", ())]
    return [
        option["text"]["text"] for element in elements if element["type"] == "overflow" for option in element["options"]
    ]


async def open_request(world: Journey, ref: str, message: Message | None = None, person: Person | None = None) -> Modal:
    person = person or world.analyst
    assert (await person.click(message or world.root(), ids.CHECK_MORE, value=entry(ids.REQUEST_REVIEW, ref))).ok
    return await person.modal()


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
async def test_who_asked_has_a_final_result_reviewed_and_cannot_decide_it(tmp_path: Path, *, socket_mode: bool) -> None:
    """From the result's own message, whose menu offers it; the card says who asked and why."""
    async with journey(tmp_path, story="rejected", socket_mode=socket_mode, **REVIEWED) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER, ANALYST})
        ref = await world.ask()
        await world.settle()
        assert cards(world) == []
        result = world.slack.thread(CHANNEL, world.root().ts)[-1]
        assert "Request review" in menus(result)
        form = await open_request(world, ref, result)
        assert (await form.submit(client_checks=False)).errors == {ids.REASON: "Choose a reason."}
        await form.choose(ids.REASON, "other")
        assert (await form.submit()).errors == {ids.WORDS: "Say in your own words why."}
        await form.choose(ids.REASON, "result_wrong")
        await form.fill(ids.WORDS, WORDS)
        assert (await form.submit()).closed
        await world.settle()

        shown = text(world)
        assert "Review requested" in shown
        assert f"@amina asked for a review: the result looks wrong: {WORDS}" in shown
        assert "the selfie does not match" in shown or "Face match" in shown or "✗" in shown, "what Smile ID said"
        told = world.thread()[-1]
        assert "Review requested — the result looks wrong" in told
        assert "A reviewer has been told." in told
        assert WORDS not in "".join(world.thread()), "for reviewers alone"
        assert ("U0AMINA0001", "review.requested", "result_wrong") in await acts(world, ref)
        assert "Request review" not in menus(world.root())
        with closing(beside(world.path)) as db:
            dump = "\n".join(map(str, db.execute("SELECT * FROM review_requests").fetchall()))
            dump += "\n".join(map(str, db.execute("SELECT * FROM posts").fetchall()))
            dump += "\n".join(map(str, db.execute("SELECT * FROM audit").fetchall()))
        assert WORDS not in dump

        await world.analyst.press(
            {"type": "button", "action_id": ids.REVIEW_CLAIM, "block_id": "b", "value": ref}, message=card(world)
        )
        assert "Only reviewers" in await whispered(world, ANALYST)
        assert (await world.check(ref)).review is ReviewState.OPEN
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert not (await decide(world, REVIEWER, "rejected", "different_person")).errors
        assert "Rejected by @remi" in world.thread()[-1]
        for user in (ANALYST, ZOE):
            assert (await world.slack.person(user).click(world.root(), ids.DETAILS)).ok
            details = await world.slack.person(user).modal()
            assert WORDS in details.text(), "who wrote it and reviewers"
            await details.close(all_views=True)
        # Decided, it may be asked for anew.
        assert "Request review" in menus(world.root())


async def test_a_review_is_asked_for_once_however_many_ask(tmp_path: Path) -> None:
    """Two forms were open at once: the second says that reviewers know already; a repeated submit does nothing."""
    async with journey(tmp_path, story="rejected", **REVIEWED) as world:
        ref = await world.ask()
        await world.settle()
        stale = world.root()
        first = await open_request(world, ref)
        await first.choose(ids.REASON, "suspected_fraud")
        reviewer = world.slack.person(REVIEWER)
        second = await open_request(world, ref, person=reviewer)
        await second.choose(ids.REASON, "data_differs")
        submitted = await asyncio.gather(first.submit(), second.submit())
        assert sorted(one.closed for one in submitted) == [False, True]
        (refused,) = [one for one in submitted if not one.closed]
        assert "is in review already" in str(refused.errors)
        await world.settle()
        assert len(cards(world)) == 1
        await world.analyst.click(stale, ids.CHECK_MORE, value=entry(ids.REQUEST_REVIEW, ref), stale=True)
        assert "is in review already" in await whispered(world, ANALYST)


async def test_before_smile_id_has_answered_and_for_others_there_is_nothing_to_request(tmp_path: Path) -> None:
    async with waiting(tmp_path, **REVIEWED, KYC_REQUESTERS="*") as (world, ref):
        world.slack.add_user("U0BIMPE0001", "bimpe")
        assert menus(world.root()) == []
        element = {"type": "overflow", "action_id": ids.CHECK_MORE, "block_id": "b"}
        option = {"text": {"type": "plain_text", "text": "Request review"}, "value": entry(ids.REQUEST_REVIEW, ref)}
        for user, words in ((ANALYST, "There is nothing to decide"), ("U0BIMPE0001", f"No check {ref} that you")):
            await world.slack.person(user).press({**element, "selected_option": option}, message=world.root())
            await world.answered()
            assert words in await whispered(world, user)
        gone = {**option, "value": entry("kyc_gone", ref)}
        await world.analyst.press({**element, "selected_option": gone}, message=world.root())
        await world.answered()
        assert "kyc" in world.slack.ephemerals(ANALYST)[-1].text, "an entry of another version says so"


async def test_the_row_of_a_file_is_reviewed_on_request_without_a_reviewers_channel(tmp_path: Path) -> None:
    """A plain verdict of a row has no message of its own: `/kyc status` has the menu."""
    async with journey(tmp_path, **{**STAFF, "KYC_REVIEW_CHANNEL": ""}) as world:
        world.slack.add_user(ZOE, "zoe")
        await batches.drop(world, {"applicants.csv": batches.csv_of([batches.person(0)]), **batches.photos(1)})
        await batches.send(world)
        ref = await world.newest()
        assert (await world.check(ref)).state.value == "approved"
        status = await world.analyst.command(f"status {ref}")
        assert status.ok
        form = await open_request(world, ref, world.slack.ephemerals(ANALYST)[-1])
        await form.choose(ids.REASON, "suspected_fraud")
        assert (await form.submit()).closed
        await world.settle()
        (told,) = [line for line in batches.told(world) if "Review requested — suspected fraud" in line]
        assert "@remi @zoe please look at this." in told
        assert ref in told
