"""An ID number in a channel is never read in, and whoever wrote it there hears privately how to delete it."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault, Modal, Person
from bot.sandbox.slack.files import SlackFile
from bot.slack.blocks import ids
from bot.slack.blocks.form import ResultPlace
from bot.slack.blocks.message import MessagePointer
from tests.journeys.world import HASTY, REVIEWER, SELFIE, Journey, journey
from tests.journeys.writing import MENTION, NUMBER, filled, mention, said, said_directly, write

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
WRITTEN = "22298765432"
"""No example of ours: it stands in no hint of the form."""
PERSONAL = (WRITTEN, "Ada-Invented", "Obi-Invented", "1983-07-15")
WHOLE = f"{MENTION} NG BVN {WRITTEN} Ada-Invented Obi-Invented 1983-07-15"
HOW_TO_DELETE = "More actions (⋯), then Delete message"
EVERYBODY = f"{ANALYST},{REVIEWER}"


def database_of(world: Journey) -> str:
    with closing(sqlite3.connect(f"file:{world.bot.settings.database_file}?mode=ro", uri=True)) as db:
        return "\n".join(db.iterdump())


async def complete(modal: Modal) -> None:
    """Type the number where nobody else reads it, and send."""
    assert not modal.values["id_number"]
    await modal.fill("id_number", NUMBER)
    await modal.choose("consent", ["consented"])
    assert (await modal.submit()).closed


@BOTH
async def test_a_number_in_a_channel_is_not_used_and_its_author_learns_how_to_delete_it(
    tmp_path: Path, log_lines: io.StringIO, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        root = await mention(world, WHOLE, "selfie.jpg")
        shown = await said(world)
        read = world.slack.plain(shown)
        assert "everyone in this channel can read them" in read
        assert HOW_TO_DELETE in read
        assert HOW_TO_DELETE in shown.text
        assert "Nigeria · BVN" in read
        assert "Selfie: selfie.jpg" in read
        assert ids.SEND_MESSAGE not in json.dumps(shown.blocks)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        assert (modal.values["country"], modal.values["id_type"]) == ("NG", "BVN")
        for personal in PERSONAL:
            assert personal not in json.dumps(shown.blocks) + shown.text
            assert personal not in json.dumps(modal.view)
            assert personal not in database_of(world)
            assert personal not in log_lines.getvalue()
        await complete(modal)
        await world.settle()
        assert any("Approved" in world.slack.plain(reply) for reply in world.slack.thread(CHANNEL, root.ts))
        posted = [post for post in world.slack.messages(CHANNEL) if post.ts != root.ts]
        assert not any(number in world.slack.plain(post) for post in posted for number in (WRITTEN, NUMBER))


async def test_a_choice_in_the_form_takes_nothing_more_from_the_channel(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await mention(world, f"{MENTION} {WRITTEN} Ada-Invented Obi-Invented 1983-07-15", "selfie.jpg")
        await world.analyst.click(await said(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        assert not any(personal in json.dumps(modal.view) for personal in PERSONAL)


async def test_a_form_opened_before_an_upgrade_takes_nothing_from_the_channel(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        root = await mention(world, f"{MENTION} {WRITTEN} Ada-Invented Obi-Invented", "selfie.jpg")
        await world.analyst.click(await said(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        modal.view["private_metadata"] = ResultPlace(channel=CHANNEL, thread_ts=root.ts, message_ts=root.ts).dump()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        assert not any(personal in json.dumps(modal.view) for personal in PERSONAL)


async def test_a_button_to_send_from_before_an_upgrade_sends_nothing_from_a_channel(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        root = await mention(world, WHOLE, "selfie.jpg")
        shown = await said(world)
        pointer = MessagePointer(channel=CHANNEL, ts=root.ts, thread_ts=None, fingerprint="0" * 32)
        button = {"type": "button", "action_id": ids.SEND_MESSAGE, "text": {"type": "plain_text", "text": "Send"}}
        shown.blocks = [{"type": "actions", "block_id": "b", "elements": [button | {"value": pointer.dump()}]}]
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.bot.background.done()
        assert "Open the form to complete this check" in world.slack.ephemerals(ANALYST)[-1].text
        await world.work()
        assert not world.smile_id.jobs


async def test_a_message_without_a_number_brings_no_advice_to_delete_it(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await mention(world, f"{MENTION} NG BVN", "selfie.jpg")
        read = world.slack.plain(await said(world))
        assert "Nigeria · BVN" in read
        assert "Missing or unclear" not in read
        assert "delete" not in read.casefold()


async def test_a_direct_message_with_a_number_is_not_said_to_be_read_by_others(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, WHOLE, "selfie.jpg")
        assert "can read" not in world.slack.plain(await said_directly(world))


@pytest.mark.parametrize(
    ("requesters", "channels", "answer"),
    [(REVIEWER, CHANNEL, "You don't have access yet"), (ANALYST, "C0OTHER0001", "You can't start checks here")],
)
async def test_an_author_without_rights_also_learns_how_to_delete_the_number(
    tmp_path: Path, requesters: str, channels: str, answer: str
) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=requesters, KYC_CHANNELS=channels) as world:
        await mention(world, WHOLE, "selfie.jpg")
        read = world.slack.plain(await said(world))
        assert answer in read
        assert HOW_TO_DELETE in read


async def test_a_number_in_a_message_with_a_table_brings_the_warning_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        table = b"country,id_type,id_number\nNG,BVN,22212345678\n"
        attached = await world.analyst.upload(table, "people.csv")
        await world.analyst.say(CHANNEL, WHOLE, files=[attached])
        assert HOW_TO_DELETE in world.slack.plain(await said(world))


async def test_a_message_deleted_first_still_opens_the_form_and_its_check_is_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await mention(world, WHOLE, "ada.jpg")
        shown = await said(world)
        await world.analyst.delete(message)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        assert "no longer there" in modal.text()
        assert "ada.jpg" not in modal.text()
        await world.fill(modal)
        assert (await modal.submit()).closed
        await world.settle()
        roots = [post for post in world.slack.messages(CHANNEL) if "Biometric KYC" in world.slack.plain(post)]
        assert len(roots) == 1


# The message shortcut


async def shortcut(world: Journey, text: str, *, by: Person, files: list[SlackFile]) -> Modal:
    message = await world.analyst.say(CHANNEL, text, files=files)
    await by.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, message.ts)
    return await filled(world, by)


@BOTH
async def test_the_shortcut_takes_no_number_from_a_channel_and_says_so(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        photo = await world.analyst.upload(SELFIE, "ada.jpg")
        modal = await shortcut(world, WHOLE.removeprefix(MENTION), by=world.analyst, files=[photo])
        assert HOW_TO_DELETE in modal.text()
        assert "ada.jpg" in modal.text()
        assert (modal.values["country"], modal.values["id_type"]) == ("NG", "BVN")
        assert not any(personal in json.dumps(modal.view) for personal in PERSONAL)
        await complete(modal)
        await world.bot.background.done()
        assert not world.slack.ephemerals(ANALYST)


async def test_an_author_is_warned_of_the_number_when_somebody_else_uses_the_shortcut(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=EVERYBODY) as world:
        remi = world.slack.person(REVIEWER)
        photo = await world.analyst.upload(SELFIE, "ada.jpg")
        modal = await shortcut(world, WHOLE.removeprefix(MENTION), by=remi, files=[photo])
        assert "Ask its author to delete the message" in modal.text()
        assert not any(personal in json.dumps(modal.view) for personal in PERSONAL)
        told = await said(world)
        assert HOW_TO_DELETE in told.text
        assert not any(personal in told.text for personal in PERSONAL)


async def test_the_form_opens_although_the_author_cannot_be_warned(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY, KYC_REQUESTERS=EVERYBODY) as world:
        world.slack.fault = lambda method, _count: Fault.status(503) if method.startswith("chat.post") else None
        remi = world.slack.person(REVIEWER)
        photo = await world.analyst.upload(SELFIE, "ada.jpg")
        modal = await shortcut(world, WHOLE.removeprefix(MENTION), by=remi, files=[photo])
        await world.bot.background.done()
        world.slack.fault = None
        await world.work()
        assert "ada.jpg" in modal.text()
        assert not world.direct(REVIEWER)


async def test_the_shortcut_on_a_direct_message_reads_it_whole(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, WHOLE, "ada.jpg")
        await said_directly(world)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, message.channel, message.ts)
        modal = await filled(world)
        assert modal.values["id_number"] == WRITTEN
        assert modal.values["first_name"] == "Ada-Invented"


async def test_the_shortcut_on_a_deleted_direct_message_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, WHOLE, "ada.jpg")
        await said_directly(world)

        async def delete() -> None:
            await world.analyst.delete(message)

        world.slack.fail_next("conversations.history", Fault.call(before=delete))
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, message.channel, message.ts)
        assert "no longer there" in (await filled(world)).text()


@pytest.mark.parametrize("answer", [None, Fault.status(503)])
async def test_the_shortcut_reads_nothing_of_what_two_people_write_each_other(
    tmp_path: Path, answer: Fault | None
) -> None:
    """Its id looks like that of a direct message to the bot, and Slack may not say in time that it is none."""
    async with journey(tmp_path, timeouts=HASTY) as world:
        theirs = "D0AMINAREMI"
        world.slack.add_channel(theirs, "theirs", members=[ANALYST, REVIEWER], private=True, bot_is_member=False)
        message = await world.analyst.say(theirs, WHOLE.removeprefix(MENTION))
        world.slack.fault = lambda method, _count: answer if method == "conversations.open" else None
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, theirs, message.ts)
        modal = await filled(world)
        assert not any(personal in json.dumps(modal.view) for personal in PERSONAL)
        assert "country" not in modal.values
