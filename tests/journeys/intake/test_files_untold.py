"""Files whose channel is closed by the time something is to be told there: whoever sent one hears of it directly."""

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.domain.outbox import PostKind
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.world import BOT_USER_ID
from bot.slack.blocks import ids
from storage import deliveries
from tests.journeys.intake.test_batches import batch_message, bots_files, csv_of, drop, person, photos
from tests.journeys.intake.test_file_approvals import only_file, state
from tests.journeys.privacy.test_forget import say
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio

HERE = "#kyc-requests"
TWO = {"people.csv": csv_of([person(0, "22222222220"), person(1, "22222222221")]), **photos(2)}


async def read_and_closed(world: Journey, files: dict[str, bytes]) -> None:
    """The channel is archived after the file was read, and before its message is posted."""
    uploaded = [await world.analyst.upload(data, name) for name, data in files.items()]
    await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}>", files=uploaded)
    await world.answered()
    for batch_id in await world.bot.batches.claim(2):
        await world.bot.batches.work(batch_id)
    world.slack.channels[CHANNEL].is_archived = True
    await world.settle()


async def confirmed(world: Journey, files: dict[str, bytes] = TWO) -> None:
    """Its rows are checks, and none of them is sent yet."""
    await drop(world, files)
    assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
    for batch_id in await world.bot.batches.claim(2):
        await world.bot.batches.work(batch_id)


async def come_to_its_end(world: Journey) -> None:
    for _round in range(4):
        await world.settle()
        world.clock.move(seconds=4)
    assert await state(world) is BatchState.DONE


def results(world: Journey, user: str = ANALYST) -> list[tuple[str, SlackFile]]:
    """The files of results in somebody's direct messages, with what is said of each."""
    channels = {message.channel for message in world.slack.direct_messages(user)}
    found = [pair for channel in channels for pair in world.slack.bot_files(channel)]
    return [(message.text, file) for message, file in found if "-results-" in file.name]


async def test_whoever_sent_a_file_hears_that_its_preview_could_not_be_posted(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await read_and_closed(world, TWO)
        (said,) = world.direct(ANALYST)
        assert "Nothing was sent" in said
        assert f"I can't post in {HERE}. Send the file again in a channel where I can." in said
        assert await only_file(world) in said
        assert any("could not be delivered" in line for line in world.direct(ADMIN))
        # Released by an operator it is told no second time; and shown, once somebody has opened the channel.
        for is_archived in (True, False):
            world.slack.channels[CHANNEL].is_archived = is_archived
            post = f"{PostKind.BATCH.value}:{await only_file(world)}"
            await world.bot.database.write(deliveries.release, post, now=world.clock())
            await world.settle()
        assert len(world.direct(ANALYST)) == 1
        assert "2 ready" in world.slack.plain(batch_message(world))


async def test_a_file_whose_preview_was_never_shown_comes_to_its_end(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await read_and_closed(world, TWO)
        for days, then in ((6, BatchState.PREVIEW), (2, BatchState.REFUSED)):
            world.clock.move(days=days)
            await world.bot.batches.look_at_messages()
            await world.settle()
            assert await state(world) is then
        assert len(world.direct(ANALYST)) == 1
        # Released by then, its message says so, without a button that sends it.
        world.slack.channels[CHANNEL].is_archived = False
        post = f"{PostKind.BATCH.value}:{await only_file(world)}"
        await world.bot.database.write(deliveries.release, post, now=world.clock())
        await world.settle()
        shown = world.slack.plain(batch_message(world))
        assert "I read this file, but could not show its preview" in shown
        assert "Send the file in a new message." in shown
        assert ids.BATCH_CONFIRM not in str(batch_message(world).blocks)


async def test_whoever_sent_a_file_hears_that_its_preview_was_dropped_while_they_had_no_role(tmp_path: Path) -> None:
    """In their own conversation with the bot nobody else would read it."""
    async with journey(tmp_path) as world:
        uploaded = [await world.analyst.upload(data, name) for name, data in TWO.items()]
        await world.analyst.write("", files=uploaded)
        await world.answered()
        for batch_id in await world.bot.batches.claim(2):
            await world.bot.batches.work(batch_id)
        for is_deleted, days in ((True, 0), (False, 8)):
            world.slack.users[ANALYST].is_deleted = is_deleted
            world.clock.move(days=days, minutes=30)
            await world.bot.access.refresh()
            await world.bot.batches.look_at_messages()
            await world.settle()
        assert await state(world) is BatchState.REFUSED
        said = world.direct(ANALYST)[-1]
        assert "could not show its preview" in said
        assert "Send the file again in a new message." in said


async def test_whoever_sent_a_file_that_cannot_be_used_hears_why_though_its_channel_is_closed(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await read_and_closed(world, {"people.csv": csv_of([])})
        (said,) = world.direct(ANALYST)
        assert "Correct the file and send it in a channel where I can." in said
        assert "no rows" in said


async def test_what_is_told_directly_of_a_file_that_cannot_be_used_repeats_no_names(tmp_path: Path) -> None:
    """Nothing erases that message again."""
    async with journey(tmp_path) as world:
        table = csv_of([person(0)])
        await read_and_closed(world, {"zainab-invented.csv": table, "musa-invented.csv": table})
        (said,) = world.direct(ANALYST)
        assert "I found 2 tables. Send one table at a time" in said
        assert "invented" not in said


async def test_results_of_a_file_whose_channel_is_closed_by_then_reach_who_sent_it(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await confirmed(world)
        world.slack.channels[CHANNEL].is_archived = True
        await come_to_its_end(world)
        ((comment, file),) = results(world)
        assert f"Sent here because I can't post in the thread of {await only_file(world)}." in comment
        rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))
        assert [row["customer_reference"] for row in rows] == ["CUST-0", "CUST-1"]
        assert not results(world, ADMIN)


async def test_results_of_a_file_whose_message_was_deleted_reach_who_sent_it_and_are_erased(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await confirmed(world)
        world.slack.delete_message(CHANNEL, batch_message(world).ts)
        await come_to_its_end(world)
        ((_comment, file),) = results(world)
        assert not file.is_deleted
        assert not any("results" in name for name in bots_files(world))
        for ref in await world.bot.database.read(lambda tx: tx.column("SELECT ref FROM verifications")):
            await say(world, ADMIN, f"forget {ref}")
            form = await world.slack.person(ADMIN).modal()
            await form.submit()
            await world.settle()
        for _round in range(3):
            world.clock.move(minutes=30)
            await world.bot.erasures.tick()
            await world.settle()
        assert file.is_deleted


async def test_results_go_to_nobody_whom_somebody_has_written_into_the_database(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        await confirmed(world)
        world.slack.channels[CHANNEL].is_archived = True
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            assert db.execute("UPDATE batches SET requester = ?", (REVIEWER,)).rowcount == 1
        await come_to_its_end(world)
        sql = "SELECT state FROM posts WHERE kind = 'batch_results' AND lane = :whom"
        assert await world.bot.database.read(lambda tx: tx.column(sql, whom=REVIEWER)) == ["dropped"]
        assert not results(world, REVIEWER)


async def confirmed_and_refused(world: Journey, refusal: str) -> None:
    """Its files are gone when they are to become checks, and Slack takes no update of its message."""
    assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
    for file in world.slack.files.values():
        file.is_deleted = True
    world.slack.fail_next("chat.update", *[Fault.error(refusal)] * 9)
    for batch_id in await world.bot.batches.claim(2):
        await world.bot.batches.work(batch_id)
    assert await state(world) is BatchState.REFUSED
    for _round in range(3):
        await world.settle()
        world.clock.move(days=1)


@pytest.mark.parametrize("refusal", ["is_archived", "not_in_channel", "is_inactive", "cant_update_message"])
async def test_whoever_sent_a_file_hears_that_it_was_refused_though_its_message_takes_no_update(
    tmp_path: Path, refusal: str
) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        await confirmed_and_refused(world, refusal)
        (said,) = world.direct(ANALYST)
        assert await only_file(world) in said
        assert "Nothing was sent" in said
        assert "Sent here because I can't update the file's own message." in said
        assert not [line for line in world.direct(ADMIN) if "could not be delivered" in line]


async def test_whoever_heard_that_a_preview_was_lost_hears_too_that_the_file_was_refused_later(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await read_and_closed(world, TWO)
        world.slack.channels[CHANNEL].is_archived = False
        post = f"{PostKind.BATCH.value}:{await only_file(world)}"
        await world.bot.database.write(deliveries.release, post, now=world.clock())
        await world.settle()
        await confirmed_and_refused(world, "is_archived")
        lost, refused = world.direct(ANALYST)
        assert "could not show you its preview" in lost
        assert "Sent here because I can't update the file's own message." in refused
