"""*By link*: the requester gets a link by direct message, everybody else sees how far its customer has come."""

import json
import re
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.capture import link_actions
from bot.domain.capture.links import Decline
from bot.domain.check.states import State
from bot.errors import NotNow, Refused
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault, Message, Modal
from bot.sandbox.smile_id import Fault as SmileFault
from bot.slack.blocks import ids
from storage import capture_links
from tests.journeys.capture.customer import Customer, asked
from tests.journeys.submission.test_submission_faults import finish
from tests.journeys.world import ADMIN, REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

WHOLE: dict[str, Any] = {"KYC_COMPANY_NAME": "Example Bank", "KYC_PRIVACY_URL": "https://www.example.com/privacy"}
DEVICE = "a-phone-of-the-customers-0001"
NOTICE: dict[str, Any] = {"notice": "2026-11", "language": "en"}


async def form_by_link(world: Journey, *, id_number: str = "00000000000") -> Modal:
    modal = await world.form()
    await modal.choose("country", "NG")
    await modal.choose("id_type", "BVN")
    await modal.fill("id_number", id_number)
    await modal.choose("photos_by", "link")
    return modal


async def ask(world: Journey) -> str:
    """A check by link, its message delivered; gives the reference."""
    modal = await form_by_link(world)
    submission = await modal.submit()
    assert submission.closed, submission
    await world.work()
    await world.answered()
    return await world.newest()


def the_link(world: Journey, user: str = ANALYST) -> Message:
    """The newest direct message that has a link."""
    return [one for one in world.slack.direct_messages(user) if "/c#" in json.dumps(one.blocks)][-1]


def token_in(message: Message) -> str:
    tokens = set(re.findall(r"/c#([\w-]{43})", json.dumps(message.blocks)))
    (token,) = tokens
    return str(token)


async def sealed_token(world: Journey, ref: str, number: int = 1) -> str | None:
    found: str | None = await world.bot.database.read(capture_links.token_of, ref, number)
    return found


async def leads_to(world: Journey, token: str) -> str | None:
    """The check of this link, if it is open."""
    link = await world.bot.database.read(capture_links.by_token, token)
    return link.ref if link is not None and link.is_open(world.clock()) else None


def files_in(folder: Path) -> bytes:
    """The database, with its log."""
    found = [file.read_bytes() for file in folder.glob("kyc.db*")]
    assert found
    return b"".join(found)


# Asking


async def test_the_choice_is_there_only_with_everything_that_a_link_needs(tmp_path: Path) -> None:
    for lacking in (*WHOLE, "KYC_PUBLIC_URL"):
        settings = {name: value for name, value in WHOLE.items() if name != lacking}
        folder = tmp_path / lacking
        folder.mkdir()
        async with journey(folder, public=lacking != "KYC_PUBLIC_URL", **settings) as world:
            modal = await world.form()
            await modal.choose("country", "NG")
            await modal.choose("id_type", "BVN")
            assert "photos_by" not in modal.values


async def test_the_choice_turns_photos_and_consent_off_and_on_and_keeps_what_was_typed(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        modal = await form_by_link(world, id_number="00000000001")
        shown = [block["block_id"] for block in modal.blocks if block["type"] == "input"]
        assert shown == ["country", "id_type", "id_number", "photos_by"]
        await modal.choose("photos_by", "attached")
        shown = [block["block_id"] for block in modal.blocks if block["type"] == "input"]
        assert shown == ["country", "id_type", "id_number", "photos_by", "selfie", "liveness", "consent"]
        assert modal.values["id_number"] == "00000000001"


async def test_photos_of_a_message_are_there_again_when_the_link_is_unchosen(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        selfie = await world.analyst.upload(SELFIE, "ada.jpg", channel_id=CHANNEL)
        posted = await world.analyst.say(CHANNEL, "New customer", files=[selfie])
        assert (await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, posted.ts)).ok
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        (photo,) = [name for name in modal.values if name.startswith(ids.PHOTO)]
        assert modal.values[photo] == "selfie"
        await modal.choose("photos_by", "link")
        assert photo not in modal.values
        assert "ada.jpg: not used" in modal.text()
        await modal.choose("photos_by", "attached")
        assert modal.values[photo] == "selfie"


async def test_the_link_goes_to_who_asked_alone_and_where_they_asked_stands_that_it_did(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        assert (await world.check(ref)).state is State.AWAITING_PHOTOS
        message = the_link(world)
        token = token_in(message)
        said = world.slack.plain(message)
        assert said.startswith(f"Link for the customer · {ref}")
        assert "Bonjour. Example Bank vous demande" in said
        (whisper,) = world.slack.ephemerals(ANALYST)
        assert world.slack.plain(whisper) == f"The link for the customer is in your direct messages with me ({ref})."
        assert whisper.channel == CHANNEL
        # Nobody else has it, wherever they look.
        seen = [*world.slack.messages(CHANNEL), *world.slack.ephemerals(ANALYST)]
        seen += [m for user in (ADMIN, "U0REMI00001") for m in world.slack.direct_messages(user)]
        assert token not in json.dumps([[m.text, m.blocks] for m in seen])
        assert "Waiting for the customer's photos" in world.slack.plain(world.root())
        assert "step 1 of 6: link made" in world.slack.plain(world.root())


async def test_below_it_stands_its_qr_code_and_then_nobody_knows_the_token_any_more(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        (file,) = [one for one in world.slack.files.values() if one.name == f"link-{ref}-1.png"]
        assert file.content.startswith(b"\x89PNG")
        message = the_link(world)
        below = world.slack.thread(message.channel, message.ts)
        assert f"The same link as a QR code ({ref})" in world.slack.plain(below[-1])
        assert await sealed_token(world, ref) is None


# The way of the customer


async def test_the_message_of_the_request_follows_the_customer(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        await ask(world)
        token = token_in(the_link(world))
        await world.bot.capture_links.open(token, DEVICE)
        await world.work()
        assert "step 2 of 6: link opened" in world.slack.plain(world.root())
        await world.bot.capture_links.agree(token, DEVICE, **NOTICE)
        await world.work()
        assert "step 3 of 6: customer agreed" in world.slack.plain(world.root())


async def test_from_the_form_to_approved_without_a_photo_in_slack(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        message = the_link(world)
        customer = Customer(world=world, ref=ref, token=token_in(message), device=DEVICE)
        await customer.open()
        await customer.agree()
        await customer.hand_in()
        await world.work()
        # The link is used up: it goes out of its message.
        assert world.slack.plain(message).startswith(f"The customer has taken the photos · {ref}")
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        (result,) = world.thread()
        assert "Approved — face and ID number verified" in result
        pictures = [one for one in world.slack.files.values() if not one.is_deleted]
        assert pictures == [], "neither a face nor the QR code"


@pytest.mark.parametrize(
    ("reason", "why"),
    [(Decline.NO, "the customer does not agree"), (Decline.NOT_ME, "the customer says that this is not their ID")],
)
async def test_whoever_declines_ends_the_check_and_the_thread_says_what_next(
    tmp_path: Path, reason: Decline, why: str
) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        message = the_link(world)
        await world.bot.capture_links.open(token_in(message), DEVICE)
        await world.bot.capture_links.decline(token_in(message), DEVICE, reason=reason)
        await world.work()
        assert (await world.check(ref)).state is State.CANCELLED
        (ended,) = world.thread()
        assert f"Cancelled — {why} · {ref}" in ended
        assert "Run again" in ended
        assert why in world.slack.plain(world.root())
        after = world.slack.direct_messages(ANALYST)[0]
        assert "/c#" not in json.dumps([after.text, after.blocks])
        assert f"This link does not work any more — {why}" in world.slack.plain(after)


async def test_one_that_nobody_uses_is_reminded_of_once_and_expires(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        ref = await ask(world)
        world.clock.move(hours=4.9)
        await world.bot.capture_links.tick()
        await world.work()
        assert len(world.direct(ANALYST)) == 2, "the link and its QR code"
        for _ in range(2):
            world.clock.move(minutes=10)
            await world.bot.capture_links.tick()
            await world.work()
        reminders = [said for said in world.direct(ANALYST) if said.startswith("No photos yet")]
        assert len(reminders) == 1
        assert "The customer has not opened the link yet" in reminders[0]
        world.clock.move(hours=5)
        await world.bot.capture_links.tick()
        await world.work()
        assert (await world.check(ref)).state is State.CANCELLED
        (ended,) = world.thread()
        assert f"Cancelled — the customer's link has expired · {ref}" in ended
        assert not [m for m in world.slack.direct_messages(ANALYST) if "/c#" in json.dumps([m.text, m.blocks])]


@pytest.mark.parametrize("ends", ["taken", "withdrawn", "replaced", "expired"])
async def test_once_the_link_has_ended_its_reminder_says_so_and_offers_nothing_of_it(tmp_path: Path, ends: str) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        ref = await ask(world)
        token = token_in(the_link(world))
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.work()
        reminder = world.slack.direct_messages(ANALYST)[-1]
        assert world.slack.plain(reminder).startswith("No photos yet")
        match ends:
            case "taken":
                customer = Customer(world=world, ref=ref, token=token, device=DEVICE)
                await customer.open()
                await customer.agree()
                await customer.hand_in()
            case "withdrawn":
                await world.bot.link_actions.withdraw(ANALYST, ref)
            case "replaced":
                await world.bot.link_actions.renew(ANALYST, ref)
            case _:
                world.clock.move(hours=5)
                await world.bot.capture_links.tick()
        await world.work()
        (reminder,) = [one for one in world.slack.direct_messages(ANALYST) if one.ts == reminder.ts]
        said = world.slack.plain(reminder)
        assert said.startswith("The customer has taken the photos" if ends == "taken" else "This link does not work")
        assert "works until" not in said
        assert not [action for action in (ids.NEW_LINK, ids.WITHDRAW_LINK) if action in json.dumps(reminder.blocks)]


async def test_a_link_that_ends_while_slack_takes_its_reminder_is_ended_there_too(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        ref = await ask(world)
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        withdraw = world.bot.link_actions.withdraw
        world.slack.fail_next("chat.postMessage", Fault.call(after=lambda: withdraw(ANALYST, ref)))
        await world.work()
        reminder = world.slack.direct_messages(ANALYST)[-1]
        assert world.slack.plain(reminder).startswith("This link does not work any more")


async def test_nobody_is_reminded_of_a_link_that_leads_nowhere_since_links_were_turned_off(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await asked(world)
        renew, now = link_actions.renew, world.clock()
        await world.bot.database.write(renew, customer.ref, by=ANALYST, hours=10, rng=SystemRandom(), now=now)
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.work()
        assert not [said for said in world.direct(ANALYST) if "the link works until" in said]
        world.clock.move(hours=5)
        await world.bot.capture_links.tick()
        assert (await world.check(customer.ref)).state is State.CANCELLED


async def test_of_a_check_that_may_have_been_charged_the_message_with_its_link_says_nothing_else(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path, **WHOLE, story="never") as world:
        ref = await ask(world)
        customer = Customer(world=world, ref=ref, token=token_in(the_link(world)))
        await customer.open()
        await customer.agree()
        world.smile_id.fail_next("put", SmileFault.reset_after())
        world.smile_id.fault = lambda call, _n: SmileFault.status(500) if call == "job_status" else None
        with pytest.raises(NotNow):
            await customer.hand_in()
        assert (await finish(world, ref, step_seconds=60)).failure == "unsettled"
        after = world.slack.direct_messages(ANALYST)[0]
        said = world.slack.plain(after)
        assert said.startswith("This link does not work any more")
        assert "charged" not in said
        assert "withdrawn" not in said
        assert ids.RUN_AGAIN not in json.dumps(after.blocks)
        assert "/c#" not in json.dumps([after.text, after.blocks])


# New link, Withdraw, Run again


async def test_a_new_link_replaces_the_one_before(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        first = the_link(world)
        before = token_in(first)
        assert (await world.analyst.click(first, ids.NEW_LINK)).ok
        await world.answered()
        await world.work()
        after = token_in(the_link(world))
        assert after != before
        assert "This link does not work any more" in world.slack.plain(first)
        assert (await world.check(ref)).state is State.AWAITING_PHOTOS
        assert await leads_to(world, after) == ref
        assert await leads_to(world, before) is None


async def test_who_withdraws_it_is_named_in_the_thread(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        assert (await world.analyst.click(the_link(world), ids.WITHDRAW_LINK)).ok
        await world.answered()
        await world.work()
        assert (await world.check(ref)).state is State.CANCELLED
        (ended,) = world.thread()
        assert "withdrawn" in ended
        assert "@" in ended


async def test_run_again_offers_the_link_again(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        await world.analyst.click(the_link(world), ids.WITHDRAW_LINK)
        await world.answered()
        await world.work()
        assert (await world.analyst.click(world.root(), ids.RUN_AGAIN)).ok
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        assert modal.values["photos_by"] == "link"
        assert (await modal.submit()).closed
        await world.work()
        assert (await world.check(ref)).state is State.AWAITING_PHOTOS
        assert (await world.check(ref)).round == 2
        assert await leads_to(world, token_in(the_link(world))) == ref


async def test_a_reviewer_can_neither_renew_nor_withdraw_it(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        remi = world.slack.person(REVIEWER)
        for action in (ids.NEW_LINK, ids.WITHDRAW_LINK):
            assert (await remi.click(world.root(), action)).ok
            await world.answered()
        await world.work()
        assert (await world.check(ref)).state is State.AWAITING_PHOTOS
        refused = [world.slack.plain(said) for said in world.slack.ephemerals(REVIEWER)]
        assert refused == [f"The link of {ref} is for the person who asked for the check, and for admins."] * 2
        assert "/c#" not in str(world.direct(REVIEWER))


async def test_an_admin_who_makes_a_new_link_gets_it(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        before = token_in(the_link(world))
        assert (await world.slack.person(ADMIN).click(world.root(), ids.NEW_LINK)).ok
        await world.answered()
        await world.work()
        assert await leads_to(world, token_in(the_link(world, ADMIN))) == ref
        assert await leads_to(world, before) is None
        assert "/c#" not in str(world.direct(ANALYST))
        # Whoever has a link could take the photos, and is a requester when it comes to deciding.
        assert (await world.check(ref)).requesters == {ANALYST, ADMIN}


async def test_a_button_that_comes_too_late_says_so_and_changes_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        opened = the_link(world)
        await world.analyst.click(opened, ids.WITHDRAW_LINK)
        await world.answered()
        for action in (ids.NEW_LINK, ids.WITHDRAW_LINK):
            await world.analyst.click(opened, action)
            await world.answered()
        said = [world.slack.plain(one) for one in world.slack.ephemerals(ANALYST)]
        assert said[-2:] == [f"{ref} has ended, and its link with it. Run again makes a new one."] * 2
        assert (await world.check(ref)).round == 1


async def test_nobody_is_asked_for_photos_that_the_customer_takes(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        await world.bot.check_photos.photo_access.open(REVIEWER, ref)
        views = await world.bot.check_photos.views(REVIEWER, ref)
        assert "The customer takes the photos of this check by a link." in world.slack.plain(dict(views.with_images))
        with pytest.raises(Refused, match="photos_by_link"):
            await world.bot.check_photos.photo_access.ask(REVIEWER, ref)


# What stays nowhere, and what goes wrong


async def test_when_the_link_has_ended_its_qr_code_is_taken_out_of_slack(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        ref = await ask(world)
        (picture,) = [one for one in world.slack.files.values() if one.name == f"link-{ref}-1.png"]
        assert not picture.is_deleted
        await world.analyst.click(the_link(world), ids.WITHDRAW_LINK)
        await world.answered()
        await world.work()
        (picture,) = [one for one in world.slack.files.values() if one.name == f"link-{ref}-1.png"]
        assert picture.is_deleted


async def test_neither_log_nor_audit_trail_nor_database_holds_a_link_that_was_delivered(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with journey(tmp_path, **WHOLE) as world:
            ref = await ask(world)
            token = token_in(the_link(world))
            trail = await world.bot.database.read(lambda tx: [tuple(row) for row in tx.rows("SELECT * FROM audit")])
            assert ("link.made" in str(trail), ref in str(trail)) == (True, True)
            assert token not in str(trail)
    assert token not in str(logs)
    assert token.encode() not in files_in(tmp_path)


async def test_where_slack_does_not_take_the_link_the_thread_says_so_and_a_new_one_comes(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        world.slack.fail_next("conversations.open", Fault.error("channel_not_found"))
        modal = await form_by_link(world)
        assert (await modal.submit()).closed
        await world.work()
        ref = await world.newest()
        (lost,) = world.thread()
        assert f"The customer's link did not reach you · {ref}" in lost
        assert await sealed_token(world, ref) is None
        (below,) = [one for one in world.slack.thread(CHANNEL, world.root().ts) if ids.NEW_LINK in str(one.blocks)][-1:]
        assert (await world.analyst.click(below, ids.NEW_LINK)).ok
        await world.answered()
        await world.work()
        assert await leads_to(world, token_in(the_link(world))) == ref
