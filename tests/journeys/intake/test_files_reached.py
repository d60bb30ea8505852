"""Files whose message was deleted, by an admin or by Slack itself: whoever may move them still can."""

from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.outbox import refresh
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault, Message
from bot.slack.blocks import ids
from storage.engine.database import Transaction
from tests.engines import beside_file
from tests.journeys.intake.test_batches import batch_message, csv_of, drop, person, photos
from tests.journeys.intake.test_file_approvals import only_file, state
from tests.journeys.world import Journey, journey

pytestmark = pytest.mark.anyio

TWO = {"people.csv": csv_of([person(0, "22222222220"), person(1, "22222222221")]), **photos(2)}


def messages(world: Journey) -> list[Message]:
    """Those of the file that are still there."""
    found = [m for m in world.slack.messages(CHANNEL) if "file of customers" in m.text and m.thread_ts is None]
    return [message for message in found if not message.deleted]


def delete(world: Journey) -> None:
    for message in messages(world):
        world.slack.delete_message(CHANNEL, message.ts)


async def paused(world: Journey) -> str:
    """Its rows are checks, and none of them is sent."""
    await drop(world, TWO)
    assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
    for batch_id in await world.bot.batches.claim(2):
        await world.bot.batches.work(batch_id)
    await world.bot.batches.pause(ANALYST, batch_id)
    return batch_id


async def go_on(world: Journey, *, hours: float = 0) -> None:
    """As the clock does; hourly, as the bot's own."""
    world.clock.move(hours=hours)
    await world.bot.batches.look_at_messages()
    for _round in range(3):
        await world.settle()
        world.clock.move(seconds=4)


async def test_a_file_whose_message_an_update_does_not_find_is_shown_once_more(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await paused(world)
        delete(world)
        await go_on(world)
        (message,) = messages(world)
        assert "Paused" in world.slack.plain(message)
        assert (await world.analyst.click(message, ids.BATCH_RESUME)).ok
        await go_on(world)
        assert await state(world) is BatchState.DONE
        assert len(world.smile_id.jobs) == 2
        # It is the one that is kept up to date.
        assert messages(world) == [batch_message(world)]
        assert "Done" in world.slack.plain(batch_message(world))


@pytest.mark.parametrize("stage", [BatchState.PREVIEW, BatchState.PAUSED])
async def test_a_file_whose_message_was_deleted_in_silence_is_shown_once_more_a_day_later(
    tmp_path: Path, stage: BatchState
) -> None:
    async with journey(tmp_path) as world:
        if stage is BatchState.PAUSED:
            await paused(world)
        else:
            await drop(world, TWO)
        await go_on(world)
        delete(world)
        await go_on(world, hours=12)
        assert messages(world) == []
        await go_on(world, hours=13)
        (message,) = messages(world)
        action = ids.BATCH_RESUME if stage is BatchState.PAUSED else ids.BATCH_CONFIRM
        assert (await world.analyst.click(message, action)).ok
        await go_on(world)
        assert await state(world) is BatchState.DONE
        assert len(world.smile_id.jobs) == 2
        if stage is BatchState.PREVIEW:
            # Its rows were made under the new message.
            assert [m for m in world.slack.thread(CHANNEL, message.ts) if "results" in str(m.files)]


async def test_a_file_whose_message_is_deleted_again_and_again_is_shown_once_a_day(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        shown = 0
        for _quarter in range(12):
            shown += len(messages(world))
            delete(world)
            await world.bot.database.write(refresh.batch_changed, await only_file(world), now=world.clock())
            await go_on(world, hours=6)
        assert shown in (4, 5)


async def test_a_file_that_has_ended_is_not_shown_once_more(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        delete(world)
        await world.bot.batches.cancel(ANALYST, await only_file(world))
        for _day in range(3):
            await go_on(world, hours=25)
        assert messages(world) == []


async def test_a_message_that_is_there_stays_the_only_one(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await drop(world, TWO)
        for _day in range(3):
            await go_on(world, hours=25)
        assert messages(world) == [message]
        updates = "SELECT COUNT(*) FROM posts WHERE kind = 'batch_progress'"
        assert await world.bot.database.read(lambda tx: tx.value(updates)) == 4
        # After a month nobody misses it.
        await go_on(world, hours=30 * 24)
        assert await world.bot.database.read(lambda tx: tx.value(updates)) == 4


async def test_a_message_that_was_posted_anew_before_a_backup_was_put_back_is_the_only_one(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await paused(world)
        await go_on(world)
        old = messages(world)[0]
        delete(world)
        await go_on(world, hours=25)
        (message,) = messages(world)

        def put_back(tx: Transaction) -> None:
            """Which message it has, as it was stored before."""
            tx.run(
                "UPDATE posts SET ts = :ts, note = json_remove(note, '$.gone', '$.former') WHERE kind = 'batch'",
                ts=old.ts,
            )
            tx.run("UPDATE batches SET message_ts = :ts", ts=old.ts)

        await world.bot.database.write(put_back)
        await go_on(world, hours=25)
        assert messages(world) == [message]
        assert (await world.analyst.click(message, ids.BATCH_RESUME)).ok
        await go_on(world)
        assert messages(world) == [message]
        assert "Done" in world.slack.plain(message)


async def test_a_row_of_a_file_that_never_was_keeps_no_other_file_from_being_looked_for(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        batch_id = await paused(world)
        await go_on(world)
        delete(world)
        await drop(world, {"one.csv": csv_of([person(5, "22222222225")]), "5.jpg": photos(1)["0.jpg"]})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        for other in await world.bot.batches.claim(2):
            await world.bot.batches.work(other)
        with closing(beside_file(world.path)) as db, db:
            db.execute("PRAGMA foreign_keys = OFF")
            db.execute("UPDATE verifications SET batch = 'A-NEVERWAS' WHERE batch = ?", [other])
        await go_on(world, hours=25)
        assert [message for message in messages(world) if batch_id in message.text]


async def test_whoever_paused_a_file_can_go_on_though_its_message_cannot_be_posted_anew(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        batch_id = await paused(world)
        await go_on(world)
        delete(world)
        world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"))
        await go_on(world, hours=25)
        assert messages(world) == []
        (told,) = [message for message in world.slack.direct_messages(ANALYST) if batch_id in message.text]
        said = world.slack.plain(told)
        assert said.startswith(f"Paused · {batch_id}")
        assert "Its message is gone, and I can't post it anew where you sent the file." in said
        for _day in range(3):
            await go_on(world, hours=25)
        assert [m for m in world.slack.direct_messages(ANALYST) if batch_id in m.text] == [told], "once"
        assert (await world.analyst.click(told, ids.BATCH_RESUME)).ok
        await go_on(world)
        assert await state(world) is BatchState.DONE
        assert len(world.smile_id.jobs) == 2
        assert [m for m in world.slack.direct_messages(ANALYST) if "Results of" in m.text], "they have no other place"


async def test_a_file_that_goes_on_by_itself_tells_who_sent_it_that_its_message_cannot_be_posted_anew(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="1") as world:
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await go_on(world)
        assert await state(world) is BatchState.APPROVAL
        delete(world)
        world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"))
        await go_on(world, hours=25)
        (told,) = [m for m in world.slack.direct_messages(ANALYST) if "Waiting for approval" in m.text]
        assert (await world.analyst.click(told, ids.BATCH_CANCEL)).ok
        assert await state(world) is BatchState.CANCELLED


async def test_a_file_in_place_of_whose_message_a_tombstone_stands_is_shown_once_more(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await paused(world)
        delete(world)
        world.slack.fail_next("chat.update", Fault.error("cant_update_message"))
        await go_on(world)
        (message,) = messages(world)
        assert "Paused" in world.slack.plain(message)
        assert (await world.analyst.click(message, ids.BATCH_RESUME)).ok
        await go_on(world)
        assert await state(world) is BatchState.DONE


async def test_a_file_whose_message_may_not_be_edited_any_more_is_not_shown_once_more(tmp_path: Path) -> None:
    """Its message is there, and each day's look for it would post another one."""
    async with journey(tmp_path) as world:
        message = await drop(world, TWO)
        world.slack.fail_next("chat.update", *[Fault.error("edit_window_closed")] * 9)
        for _day in range(3):
            await go_on(world, hours=25)
        assert messages(world) == [message]
