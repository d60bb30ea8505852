"""Checks from messages: a shortcut, a mention, a direct message, and what the person reads when it cannot be."""

import io
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Message, Modal
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.world import BOT_USER_ID
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from storage import checks
from tests.journeys.world import PHOTOS, SELFIE, Journey, MovedClock, bot_between, journey, patient_slack
from tests.journeys.writing import MENTION, NUMBER, WHOLE, filled, mention, said, said_directly, write

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])


async def files(world: Journey, *names: str) -> list[SlackFile]:
    return [await world.analyst.upload(SELFIE, name) for name in names]


def photo_fields(modal: Modal) -> dict[str, str]:
    return {b["label"]["text"]: b["block_id"] for b in modal.blocks if b.get("block_id", "").startswith(ids.PHOTO)}


def image_types(world: Journey) -> list[int]:
    info = world.job().info
    assert info is not None
    return [image["image_type_id"] for image in info["images"]]


def replies(world: Journey, root: Message) -> list[str]:
    return [world.slack.plain(m) for m in world.slack.thread(root.channel, root.ts) if m.user == BOT_USER_ID]


# The shortcut


@BOTH
async def test_the_shortcut_of_a_message_opens_the_form_with_its_photos(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        root = await world.analyst.say(CHANNEL, "New customer", files=await files(world, "ada.jpg"))
        assert (await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, root.ts)).ok
        modal = await filled(world)
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        assert modal.values[photo_fields(modal)["ada.jpg"]] == "selfie"
        submission = await modal.submit()
        assert submission.closed, submission
        await world.settle()
        assert "Approved" in replies(world, root)[-1]
        assert image_types(world) == [0]


async def test_of_several_photos_a_person_says_which_is_the_selfie(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        names = ["one.jpg", "two.jpg", *(f"liveness_{n}.jpg" for n in range(8))]
        frames = [SELFIE, SELFIE, *((PHOTOS / f"liveness_{n}.jpg").read_bytes() for n in range(8))]
        uploaded = [await world.analyst.upload(frame, name) for frame, name in zip(frames, names, strict=True)]
        root = await world.analyst.say(CHANNEL, "", files=uploaded)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, root.ts)
        modal = await filled(world)
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        fields = photo_fields(modal)
        assert list(fields) == names
        await modal.choose(fields["one.jpg"], ids.LEAVE_OUT)
        await modal.choose(fields["two.jpg"], "selfie")
        submission = await modal.submit()
        assert submission.closed, submission
        await world.settle()
        assert image_types(world) == [0] + [4] * 8


async def test_the_photos_of_the_thread_stand_in_the_form_when_the_message_has_none(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        root = await world.analyst.say(CHANNEL, "Customer", files=await files(world, "ada.jpg"))
        reply = await world.analyst.say(CHANNEL, "please check", thread_ts=root.ts)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, reply.ts)
        modal = await filled(world)
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        assert list(photo_fields(modal)) == ["ada.jpg"]


# Direct messages, and mentions in channels


@BOTH
async def test_a_direct_message_that_says_everything_is_shown_back_and_sent_by_one_click(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        root = await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        read = world.slack.plain(shown)
        assert "Nigeria · BVN" in read
        assert "ID number ending 000" in read
        assert "Selfie: selfie.jpg" in read
        assert "a bot cannot delete it for you" in read
        assert NUMBER not in json.dumps(shown.blocks) + shown.text
        assert (await world.analyst.click(shown, ids.SEND_MESSAGE)).ok
        await world.slack.wait_for(lambda: "is on its way" in shown.text)
        await world.settle()
        assert "Approved" in replies(world, root)[-1]
        assert all(NUMBER not in text for text in replies(world, root))
        sent = world.job().info
        assert sent is not None
        assert sent["id_info"]["id_number"] == NUMBER
        assert (sent["id_info"]["first_name"], sent["id_info"]["last_name"]) == ("Ada-Invented", "Obi-Invented")


@BOTH
async def test_a_direct_message_is_answered_and_sent_in_its_thread(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        message = await world.analyst.write(f"bvn {NUMBER} Nigeria", files=await files(world, "selfie.jpg"))
        await world.answered()
        await world.work()
        (shown,) = world.slack.direct_messages(ANALYST)
        assert shown.thread_ts == message.ts
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "is on its way" in shown.text)
        await world.settle()
        assert "Approved" in world.direct(ANALYST)[-1]


@BOTH
async def test_a_direct_message_that_lacks_something_opens_the_form_with_what_it_says(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        root = await write(world, f"{MENTION} bvn {NUMBER} 02/03/1990", "ada.jpg")
        shown = await said_directly(world)
        assert "Not clear to me: “02/03/1990”" in world.slack.plain(shown)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        assert (modal.values["country"], modal.values["id_type"]) == ("NG", "BVN")
        assert modal.values["id_number"] == NUMBER
        assert NUMBER not in modal.view["private_metadata"]
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        assert "Approved" in replies(world, root)[-1]


@BOTH
async def test_a_mention_in_a_thread_finds_the_photos_there(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        root = await world.analyst.say(CHANNEL, "Customer", files=await files(world, "ada.jpg"))
        await mention(world, WHOLE, thread_ts=root.ts)
        shown = await said(world)
        assert shown.thread_ts == root.ts
        assert "Selfie: ada.jpg" in world.slack.plain(shown)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        assert "Approved" in replies(world, root)[-1]


async def test_a_greeting_is_answered_with_help(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await mention(world, f"{MENTION} hello")
        in_channel = (await said(world)).text
        assert "Mention me with the country and the ID type" in in_channel
        assert "Don't write ID numbers or names in a channel" in in_channel
        await write(world, "hello")
        assert "Write what the check needs" in (await said_directly(world)).text


# Twice, later, changed


async def test_two_clicks_send_once(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "is on its way" in shown.text)
        await world.analyst.click(shown, ids.SEND_MESSAGE, stale=True)
        await world.slack.wait_for(lambda: "was sent already" in shown.text)
        await world.settle()
        assert len(world.smile_id.jobs) == 1


async def test_the_click_works_after_a_restart(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0.0, clock=clock)
    async with AsyncExitStack() as stack:
        for stand_in in (slack, smile_id):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        environment = settings_for(
            slack, smile_id, database=tmp_path / "kyc.db", socket_mode=False, KYC_SLACK_POSTS_PER_SECOND="1000"
        )
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            root = await write(world, WHOLE, "selfie.jpg")
            shown = await said_directly(world)
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.analyst.click(shown, ids.SEND_MESSAGE)
            await slack.wait_for(lambda: "is on its way" in shown.text)
            await world.settle()
            assert "Approved" in replies(world, root)[-1]


async def test_a_message_edited_meanwhile_is_summarized_once_more_and_not_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        await world.analyst.edit(message, message.text.replace(NUMBER, "22222222222"))
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "was changed since" in shown.text)
        await world.work()
        assert not world.smile_id.jobs


async def test_a_message_that_was_deleted_meanwhile_is_not_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        await world.analyst.delete(message)
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "no longer there" in shown.text)
        await world.work()
        assert not world.smile_id.jobs


# What cannot be used


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ada.heic", "This is a HEIC picture. Attach a JPEG or PNG photo."),
        ("ada.mp4", "This is a video. Attach a JPEG or PNG photo."),
        ("ada.pdf", "This is a PDF. Attach a JPEG or PNG photo."),
        ("ada.gif", "This is a GIF. Attach a JPEG or PNG photo."),
        ("ada.docx", "This is a document, which I don't read. Attach a JPEG or PNG photo."),
    ],
)
async def test_a_file_that_is_no_photo_is_named_with_what_to_do(tmp_path: Path, name: str, words: str) -> None:
    async with journey(tmp_path) as world:
        await mention(world, WHOLE, name)
        assert f"{name}: {words}" in world.slack.plain(await said(world))
        await world.analyst.click(await said(world), ids.OPEN_FORM_OF_MESSAGE)
        assert f"{name}: {words}" in (await filled(world)).text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("people.xls", "This is an old Excel workbook (.xls), which I don't read."),
        ("people.ods", "This is an OpenDocument spreadsheet (.ods), which I don't read."),
        ("people.numbers", "This is a Numbers spreadsheet, which I don't read."),
        ("people.txt", "This is a text file, which I don't read."),
        ("people.rar", "This is an archive that I don't read. Pack it as a .zip"),
    ],
)
@BOTH
async def test_a_list_in_a_form_that_is_not_read_is_named_with_what_to_save_it_as(
    tmp_path: Path, name: str, words: str, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        await world.analyst.write("", files=[await world.analyst.upload(b"some bytes", name)])
        told = world.slack.plain(await said_directly(world))
        assert "I could not read a list of customers in this message, so nothing was sent." in told
        assert f"{name}: {words}" in told


async def test_an_empty_list_is_called_empty(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.analyst.write("", files=[await world.analyst.upload(b"", "people.csv")])
        told = world.slack.plain(await said_directly(world))
        assert "I could not read a list of customers in this message, so nothing was sent." in told
        assert "people.csv: This file is empty (0 bytes). Attach it again from your device." in told


@pytest.mark.parametrize(
    ("name", "mimetype", "words"),
    [
        ("ada.jpg", "image/jpeg", "This file is kept in Google Drive, where I can't read it."),
        ("people.csv", "text/csv", "This file is kept in Google Drive, where I can't read it."),
        ("People", "application/vnd.google-apps.spreadsheet", "This is a Google sheet, which I can't read."),
    ],
)
async def test_a_file_kept_outside_slack_is_named_as_that(tmp_path: Path, name: str, mimetype: str, words: str) -> None:
    async with journey(tmp_path) as world:
        file = await world.analyst.upload(b"", name, mimetype=mimetype)
        file.external_type = "gdrive"
        await world.analyst.write("", files=[file])
        assert f"{name}: {words}" in world.slack.plain(await said_directly(world))


async def test_a_photo_in_the_form_that_is_kept_outside_slack(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        file = await world.analyst.upload(SELFIE, "selfie.jpg")
        file.external_type = "dropbox"
        await modal.attach("selfie", file)
        refused = await modal.submit()
        assert (refused.errors or {})["selfie"].startswith("This file is kept in Dropbox, where I can't read it.")


async def test_the_photo_of_a_forwarded_message_is_taken(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        original = await mention(world, "the customer's photo", "ada.jpg")
        own = world.analyst.direct_channel_id
        await world.analyst.say(own, f"NG BVN {NUMBER} Ada-Invented Obi-Invented 1990-01-02", forwarding=original)
        shown = await said_directly(world)
        assert "Selfie: ada.jpg" in world.slack.plain(shown)
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.settle()
        assert image_types(world) == [0]


async def test_a_forwarded_list_of_customers_is_read(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        file = await world.analyst.upload(b"country,BVN\nNG,22212345678", "people.csv")
        original = await world.analyst.say(CHANNEL, "here they are", files=[file])
        await world.analyst.say(world.analyst.direct_channel_id, "", forwarding=original)
        assert "B-" in world.slack.plain(await said_directly(world))
        await world.work()
        assert any("1 row: " in world.slack.plain(m) for m in world.slack.direct_messages(ANALYST))


async def test_a_list_of_customers_of_another_company_is_read_although_its_name_comes_late(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        file = await world.analyst.upload(b"country,BVN\nNG,22212345678", "people.csv")
        file.is_stub = True
        await world.analyst.write("", files=[file])
        assert "B-" in world.slack.plain(await said_directly(world))


async def test_a_heic_picture_named_as_a_jpeg_is_called_what_it_is(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask(selfie=b"\0\0\0\x24ftypheic" + bytes(9000))
        await world.settle()
        assert "By its content, whatever its name says, this is a HEIC picture." in world.thread()[-1]


async def test_a_photo_of_another_company_that_is_closed_to_the_bot(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        (file,) = await files(world, "selfie.jpg")
        file.is_stub, file.refusal = True, "access_denied"
        await world.analyst.say(CHANNEL, WHOLE, files=[file])
        assert "I may not read this file. Attach it again from your device." in world.slack.plain(await said(world))


async def test_a_photo_of_another_company_that_is_open_is_used(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        (file,) = await files(world, "selfie.jpg")
        file.is_stub = True
        await world.analyst.say(CHANNEL, WHOLE, files=[file])
        assert "Selfie: selfie.jpg" in world.slack.plain(await said(world))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{MENTION} NG BVN 123", "ID number: A BVN has 11 digits"),
        (f"{MENTION} Atlantis {NUMBER} NG BVN", "Not clear to me: “Atlantis”"),
        (f"{MENTION} NG BVN", "ID number: A BVN check needs this"),
        (f"{MENTION} {NUMBER}", "Country: Choose the country that issued the ID."),
        (f"{MENTION} NG BVN {NUMBER} 99999999999", "Not clear to me"),
    ],
)
async def test_what_is_wrong_or_missing_is_said_in_words(tmp_path: Path, text: str, words: str) -> None:
    async with journey(tmp_path) as world:
        await write(world, text, "selfie.jpg")
        shown = await said_directly(world)
        assert words in world.slack.plain(shown)
        assert not [b for b in shown.blocks if ids.SEND_MESSAGE in json.dumps(b)]


async def test_two_photos_are_a_choice_that_nobody_makes_for_them(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await mention(world, WHOLE, "one.jpg", "two.jpg")
        told = world.slack.plain(await said(world))
        assert "Say in the form which photo is the selfie." in told
        assert "Attach one selfie" not in told


async def test_of_two_photos_called_selfie_a_person_chooses_one(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, WHOLE, "selfie.jpg", "selfie new.jpg")
        shown = await said_directly(world)
        assert "Say in the form which photo is the selfie." in world.slack.plain(shown)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        listed = [block["block_id"] for block in modal.blocks if block["block_id"].startswith(ids.PHOTO)]
        await modal.choose("consent", ["consented"])
        for field in listed:
            await modal.choose(field, "selfie")
        refused = await modal.submit()
        assert refused.errors == {
            "selfie": "Two photos are attached as the selfie. Keep one, and leave out the others."
        }
        await modal.choose(listed[0], ids.LEAVE_OUT)
        assert (await modal.submit()).closed


async def test_a_selfie_put_into_the_form_takes_the_place_of_the_messages_own(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, f"{MENTION} NG BVN 123", "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        newer = await world.analyst.upload(SELFIE, "newer.jpg")
        await modal.attach("selfie", newer)
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        photos = await world.bot.database.read(checks.photos, await world.newest())
        assert [one.file_id for one in photos] == [newer.id]


async def test_only_the_author_sees_that_they_lack_the_right(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="U0REMI00001") as world:
        await mention(world, WHOLE, "selfie.jpg")
        assert "You don't have access yet" in (await said(world)).text


async def test_a_mention_in_a_channel_without_checks_names_the_channels_with_them(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS="C0OTHER0001") as world:
        await mention(world, WHOLE, "selfie.jpg")
        assert "You can't start checks here" in (await said(world)).text


async def test_texts_of_others_ping_nobody(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, f"{MENTION} NG BVN {NUMBER} <!channel> <https://evil.example|click>", "selfie.jpg")
        shown = await said_directly(world)
        assert "<!channel>" not in json.dumps(shown.blocks).replace("\\u003c", "<")
        assert "<https://evil" not in json.dumps(shown.blocks)


async def test_nothing_personal_is_logged_or_carried_by_a_button(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path) as world:
        await write(world, WHOLE, "Ada-Invented.jpg")
        shown = await said_directly(world)
        values = [e["value"] for b in shown.blocks if b["type"] == "actions" for e in b["elements"]]
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.settle()
        for secret in (NUMBER, "Ada-Invented", "Obi-Invented", "1990-01-02"):
            assert secret not in log_lines.getvalue()
            assert all(secret not in value for value in values)
