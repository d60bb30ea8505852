"""Who had any part in asking does not decide: who requested the review, or answered for the requester."""

from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack.world import BOT_USER_ID
from bot.slack.blocks import ids
from tests.journeys.intake import test_batches as batches
from tests.journeys.intake.test_preflight import NUMBER, blurred
from tests.journeys.intake.test_selfie_seen import SITE, caught, question
from tests.journeys.review.test_deciding import APPROVE, REJECT, UNCLAIMED, modal
from tests.journeys.review.test_review import ZOE, decide, press, stands, text, whispered
from tests.journeys.review.test_review_requests import REVIEWED, open_request
from tests.journeys.smile import call_back, put_on_record
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


async def test_who_had_the_check_reviewed_does_not_decide_it(tmp_path: Path) -> None:
    """Their form says so: a reviewer looks at it, and they can't decide it."""
    async with journey(tmp_path, story="rejected", **REVIEWED) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        ref = await world.ask()
        await world.settle()
        form = await open_request(world, ref, person=world.slack.person(REVIEWER))
        assert "You can't decide it." in form.text()
        await form.choose(ids.REASON, "suspected_fraud")
        assert (await form.submit()).closed
        await world.settle()
        for action_id in (APPROVE, REJECT, ids.REVIEW_CLAIM):
            await press(world, REVIEWER, action_id)
            assert "somebody else must decide it" in await whispered(world, REVIEWER)
        assert UNCLAIMED in text(world)
        # Nor as the second person.
        assert not stands(await decide(world, ZOE, "approved", "same_person"))
        await press(world, REVIEWER, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision is None
        # Nor does it come next, nor can it be given to them.
        assert ref not in str(await world.bot.cards.first(REVIEWER))


@pytest.mark.parametrize("answer", ["sent anyway", "other photos"])
async def test_who_answered_for_the_requester_does_not_decide(tmp_path: Path, answer: str) -> None:
    async with journey(tmp_path, **SITE) as world:
        _first, ref = await caught(world)
        admin = world.slack.person(ADMIN)
        world.slack.channels[REVIEW_CHANNEL].members.add(ADMIN)
        if answer == "sent anyway":
            assert (await admin.click(question(world), ids.SEND_HELD)).ok
            form = await admin.modal()
            await form.choose(ids.REASON, "known_customer")
        else:
            assert (await admin.click(question(world), ids.OTHER_PHOTOS)).ok
            form = await admin.modal()
            await form.attach(ids.SELFIE, await admin.upload(blurred(1), "other.jpg"))
        assert (await form.submit()).closed
        await world.settle()
        assert ADMIN in (await world.check(ref)).requesters
        await press(world, ADMIN, APPROVE)
        form = await modal(world, ADMIN)
        # As an admin, openly: the box is theirs to tick, and unticked nothing is decided.
        assert ids.OVERRIDE in str(form.view)
        await form.choose(ids.REASON, "same_person")
        assert (await form.submit(client_checks=False)).errors
        assert (await world.check(ref)).decision is None


async def test_who_supplied_the_photos_decides_nothing_although_somebody_else_asked(tmp_path: Path) -> None:
    """The reviewer uploads, the analyst sends: the file's uploader counts, not who brought it to the bot."""
    async with journey(tmp_path, story="never", **SITE) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        ref = await world.ask()
        for file in world.slack.files.values():
            file.user = REVIEWER
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        assert (await world.check(ref)).requesters == {world.analyst.user_id, REVIEWER}
        await press(world, REVIEWER, APPROVE)
        said = await whispered(world, REVIEWER)
        assert f"You asked for {ref} or its review, or supplied its photos, so somebody else must decide it." in said
        assert (await world.check(ref)).decision is None
        assert stands(await decide(world, ZOE, "approved", "same_person"))


@pytest.mark.parametrize("part", ["people.csv", "0.jpg", "people.zip"])
async def test_who_uploaded_a_part_of_a_file_decides_no_row_of_it(tmp_path: Path, part: str) -> None:
    """The reviewer fills in the table, or takes the photos; the analyst sends them."""
    rows = {"people.csv": batches.csv_of([batches.person(0, NUMBER)]), **batches.photos(1)}
    files = {part: batches.zip_of(rows)} if part.endswith("zip") else rows
    async with journey(tmp_path, **SITE) as world:
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
        world.smile_id.stories_by_id_number[NUMBER] = "unknown_code"
        people = {name: world.slack.person(REVIEWER) if name == part else world.analyst for name in files}
        uploaded = [await people[name].upload(data, name) for name, data in files.items()]
        await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}>", files=uploaded)
        await world.answered()
        await world.work()
        await batches.send(world)
        ref = await world.newest()
        assert (await world.check(ref)).requesters == {ANALYST, REVIEWER}
        for action_id in (APPROVE, REJECT, ids.REVIEW_CLAIM):
            await press(world, REVIEWER, action_id)
            assert "supplied its photos, so somebody else must decide it." in await whispered(world, REVIEWER)
        # Nor does it come next, nor can it be given to them.
        assert ref not in str(await world.bot.cards.first(REVIEWER))
        await press(world, ZOE, ids.REVIEW_CLAIM)
        _check, eligible = await world.bot.review.may_hand_on(ZOE, ref)
        assert REVIEWER not in (eligible or [REVIEWER])
