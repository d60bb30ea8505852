"""Before a check is paid for: photos that look unusable, and people who were checked before."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter

from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Modal
from bot.settings import Settings
from bot.slack.blocks import ids
from tests.journeys.world import ADMIN, REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
SEEN: dict[str, Any] = {"KYC_SEEN_BEFORE": "30d", "KYC_REQUESTERS": "*"}
NUMBER, OTHER_NUMBER = "22222222222", "33333333333"
OTHER_ANALYST = "U0BIMPE0001"
OTHER_CHANNEL = "C0OTHER0001"


def blurred(radius: int = 9) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(SELFIE)).filter(ImageFilter.GaussianBlur(radius)).save(out, "JPEG", quality=95)
    return out.getvalue()


def variant(quality: int) -> bytes:
    """The same person, another file."""
    out = io.BytesIO()
    Image.open(io.BytesIO(SELFIE)).save(out, "JPEG", quality=quality)
    return out.getvalue()


async def press(world: Journey, action_id: str) -> None:
    question = [m for m in world.slack.thread(CHANNEL, world.root().ts) if action_id in str(m.blocks)][-1]
    assert (await world.analyst.click(question, action_id)).ok


# Photos


@BOTH
async def test_a_blurred_selfie_is_asked_about_and_sent_all_the_same(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        ref = await world.ask(selfie=blurred())
        await world.settle()
        check = await world.check(ref)
        assert (check.state, str(check.held)) == (State.REQUESTED, "photos")
        assert not world.smile_id.jobs
        question = world.thread()[-1]
        assert question.startswith("@amina Not sent yet")
        assert "The selfie looks blurred. Smile ID may not be able to use it. Choose Send anyway, " in question
        assert "Nothing has been charged." in question
        assert "waiting for an answer in the thread" in world.slack.plain(world.root())

        await press(world, ids.SEND_HELD)
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        texts = world.thread()
        assert "Sent anyway by @amina" in texts[0]
        assert "[Send all the same]" not in texts[0]
        assert "Approved" in texts[-1]
        assert len(world.smile_id.jobs) == 1


@BOTH
async def test_other_photos_take_the_place_of_those_that_were_held(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        await press(world, ids.OTHER_PHOTOS)
        modal = await world.analyst.modal()
        assert "selfie" in ((await modal.submit(client_checks=False)).errors or {})
        await modal.attach("selfie", await world.analyst.upload(SELFIE, "better.jpg"))
        assert (await modal.submit()).closed
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        assert "Sent with other photos" in world.thread()[0]


async def test_other_photos_that_are_no_better_are_asked_about_again(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask(selfie=blurred())
        await world.work()
        await press(world, ids.OTHER_PHOTOS)
        modal = await world.analyst.modal()
        await modal.attach("selfie", await world.analyst.upload(blurred(7), "no-better.jpg"))
        assert (await modal.submit()).closed
        world.clock.move(seconds=1)
        await world.work()
        assert len([text for text in world.thread() if "Not sent yet" in text]) == 1
        assert "Sent with other photos" in world.thread()[0]
        assert not world.smile_id.jobs


async def test_a_held_check_is_cancelled_by_its_button(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        await press(world, ids.CANCEL)
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ANALYST)))
        await world.settle()
        assert (await world.check(ref)).state is State.CANCELLED
        assert "Cancelled by @amina" in world.thread()[0]
        assert "Cancelled by @amina" in world.thread()[-1]


async def test_two_answers_send_once(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask(selfie=blurred())
        await world.work()
        (question,) = [m for m in world.slack.thread(CHANNEL, world.root().ts) if m.ts != world.root().ts]
        await world.analyst.click(question, ids.SEND_HELD)
        await world.settle()
        await world.analyst.click(question, ids.SEND_HELD, stale=True)
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ANALYST)))
        assert "needs no answer any more" in world.slack.ephemerals(ANALYST)[-1].text
        assert len(world.smile_id.jobs) == 1


async def test_only_who_asked_or_an_admin_answers(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ADMINS=ADMIN, KYC_REVIEWERS=REVIEWER) as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        (question,) = [m for m in world.slack.thread(CHANNEL, world.root().ts) if m.ts != world.root().ts]
        await world.slack.person(REVIEWER).click(question, ids.SEND_HELD)
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(REVIEWER)))
        assert "This question is for the person who asked" in world.slack.ephemerals(REVIEWER)[-1].text
        assert (await world.check(ref)).held is not None
        await world.slack.person(ADMIN).click(question, ids.SEND_HELD)
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED


async def test_silence_is_reminded_of_once_and_ends_without_charge(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        await world.bot.preflight.tick()
        await world.work()
        assert len(world.thread()) == 1
        for _look in range(3):
            world.clock.move(hours=25)
            await world.bot.preflight.tick()
            await world.work()
        assert len([text for text in world.thread() if "Still not sent" in text]) == 1
        world.clock.move(days=5)
        await world.bot.preflight.tick()
        await world.work()
        assert (await world.check(ref)).state is State.CANCELLED
        assert "Nothing was charged." in world.thread()[-1]
        assert not world.smile_id.jobs


# Seen before


async def filled(world: Journey, number: str, *, selfie: bytes, **more: Any) -> Modal:
    return await world.fill(await world.form(), id_number=number, selfie=selfie, **more)


@BOTH
async def test_the_same_number_is_asked_about_and_paid_for_once_more_when_confirmed(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode, **SEEN) as world:
        first = await world.ask(id_number=NUMBER)
        await world.settle()
        modal = await filled(world, "222-222-22222", selfie=variant(80))
        submission = await modal.submit()
        assert not submission.closed
        shown = modal.text()
        assert "This ID number was checked before." in shown
        assert first in shown
        assert "asked by @amina" in shown
        assert modal.values["id_number"] == "222-222-22222"
        assert len(world.smile_id.jobs) == 1
        await modal.choose(ids.AGAIN, [ids.CHECK_AGAIN])
        assert (await modal.submit()).closed
        await world.settle()
        assert len(world.smile_id.jobs) == 2


async def test_a_customer_reference_is_asked_about_too(tmp_path: Path) -> None:
    async with journey(tmp_path, **SEEN) as world:
        await world.ask(id_number=NUMBER, customer_reference="CUST-17")
        await world.settle()
        modal = await filled(world, OTHER_NUMBER, selfie=variant(80), customer_reference="cust-17 ")
        await modal.submit()
        assert "This customer reference was checked before." in modal.text()


async def test_beyond_the_time_nobody_asks(tmp_path: Path) -> None:
    async with journey(tmp_path, **SEEN) as world:
        await world.ask(id_number=NUMBER)
        await world.settle()
        world.clock.move(days=31)
        assert (await (await filled(world, NUMBER, selfie=variant(80))).submit()).closed


async def test_test_numbers_stand_for_nobody_in_the_sandbox(tmp_path: Path) -> None:
    async with journey(tmp_path, **SEEN) as world:
        for _time in range(2):
            await world.ask()
            await world.settle()
            assert "Approved" in world.thread()[-1]


async def test_in_the_sandbox_selfies_are_asked_about_only_if_wished(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        environment = {
            "SLACK_BOT_TOKEN": "xoxb-sandbox",
            "SLACK_APP_TOKEN": "xapp-sandbox",
            "SMILE_ID_PARTNER_ID": "0421",
            "SMILE_ID_API_KEY": "sandbox-api-key",
            "KYC_REQUESTERS": "*",
            "KYC_ENCRYPTION_KEYS": world.bot.settings.encryption_keys.get_secret_value(),
        }
    for more, asks in (
        ({}, False),
        ({"KYC_SEEN_BEFORE": "30d"}, True),
        ({"SMILE_ID_ENVIRONMENT": "production"}, True),
        ({"SMILE_ID_ENVIRONMENT": "production", "KYC_SEEN_BEFORE": "0"}, False),
    ):
        assert Settings.load(environment | more).asks_about_selfies is asks


async def test_a_cancelled_check_was_no_check(tmp_path: Path) -> None:
    async with journey(tmp_path, **SEEN) as world:
        ref = await world.ask(id_number=NUMBER)
        await world.analyst.command(f"cancel {ref}")
        assert (await (await filled(world, NUMBER, selfie=variant(80))).submit()).closed


async def test_that_somebody_was_checked_before_is_said_only_to_who_may_see_that_check(tmp_path: Path) -> None:
    """Whoever submits numbers learns of none whether somebody else has checked it, wherever they ask."""
    async with journey(tmp_path, **SEEN, KYC_REVIEWERS=REVIEWER) as world:
        world.slack.add_user(OTHER_ANALYST, "bimpe")
        world.slack.channels[CHANNEL].members.update({OTHER_ANALYST, REVIEWER})
        world.slack.add_channel(OTHER_CHANNEL, "other", members=[OTHER_ANALYST, REVIEWER], bot_is_member=True)
        first = await world.ask(id_number=NUMBER, first_name="Ada-Invented", customer_reference="CUST-17")
        await world.settle()

        async def ask(user: str, channel: str, number: str, **more: Any) -> Modal:
            person = world.slack.person(user)
            modal = await world.form(person, channel=channel)
            await world.fill(modal, person=person, id_number=number, selfie=variant(80), **more)
            await modal.submit()
            return modal

        modal = await ask(REVIEWER, OTHER_CHANNEL, NUMBER)
        shown = modal.text()
        assert "This ID number was checked before." in shown
        assert first in shown
        assert "@amina" in shown
        assert "Ada-Invented" not in shown
        await modal.close(all_views=True)
        # To the other analyst it reads like any number that nobody has ever asked about, in the same channel too.
        modal = await ask(OTHER_ANALYST, CHANNEL, NUMBER, customer_reference="CUST-17")
        assert not modal.is_open
        mine = await world.newest()
        assert mine != first
        # Of what they asked for themselves they are asked, and only of that.
        modal = await ask(OTHER_ANALYST, OTHER_CHANNEL, NUMBER)
        shown = modal.text()
        assert mine in shown
        assert first not in shown
        assert "access" not in shown


@BOTH
async def test_the_same_selfie_with_another_number_is_asked_about_in_the_thread(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode, **SEEN) as world:
        first = await world.ask(id_number=NUMBER)
        await world.settle()
        second = await world.ask(id_number=OTHER_NUMBER)
        await world.settle()
        assert str((await world.check(second)).held) == "selfie_seen"
        question = world.thread()[-1]
        assert "Possible fraud: this selfie was already used with a different ID number" in question
        assert first in question
        assert NUMBER not in question
        assert len(world.smile_id.jobs) == 1
        await press(world, ids.SEND_HELD)
        form = await world.analyst.modal()
        await form.choose(ids.REASON, "number_corrected")
        assert (await form.submit()).closed
        await world.settle()
        assert len(world.smile_id.jobs) == 2


async def test_the_selfie_of_a_check_elsewhere_is_not_named(tmp_path: Path) -> None:
    async with journey(tmp_path, **SEEN) as world:
        world.slack.add_channel(OTHER_CHANNEL, "other", members=[ANALYST], bot_is_member=True)
        modal = await world.form(channel=OTHER_CHANNEL)
        await world.fill(modal, id_number=NUMBER)
        assert (await modal.submit()).closed
        first = await world.newest()
        await world.settle()
        await world.ask(id_number=OTHER_NUMBER)
        await world.settle()
        assert "an earlier check elsewhere" in world.thread()[-1]
        assert first not in world.thread()[-1]


async def test_running_a_check_again_is_not_asked_about_for_its_own_sake(tmp_path: Path) -> None:
    async with journey(tmp_path, **SEEN) as world:
        ref = await world.ask(id_number=NUMBER)
        await world.settle()
        assert (await world.check(ref)).state in {State.REJECTED, State.FAILED}
        await world.analyst.click(world.root(), ids.RUN_AGAIN)
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        assert len(world.smile_id.jobs) == 2


async def test_nothing_personal_is_logged(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path, **SEEN) as world:
        await world.ask(id_number=NUMBER, first_name="Ada-Invented")
        await world.settle()
        await (await filled(world, NUMBER, selfie=SELFIE)).submit()
        await world.ask(id_number=OTHER_NUMBER)
        await world.settle()
        for secret in (NUMBER, OTHER_NUMBER, "Ada-Invented"):
            assert secret not in log_lines.getvalue()
