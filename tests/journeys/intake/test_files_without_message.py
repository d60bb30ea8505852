"""Files whose message is gone and cannot be posted anew: who sent one hears directly how it stands, and steers it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.domain.outbox import PostKind
from bot.outbox import refresh
from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import Fault, Message
from bot.slack.blocks import ids
from storage import deliveries
from storage.outbox import given_up
from tests.journeys.intake.test_batches import batch_message, drop
from tests.journeys.intake.test_file_approvals import only_file, state
from tests.journeys.intake.test_files_reached import TWO, delete, go_on, messages, paused
from tests.journeys.world import ADMIN, Journey, journey

pytestmark = pytest.mark.anyio

REFUSALS = {
    "rejected": "Talk to whoever rejected it before you send it again.",
    "expired": "Send the file in a new message, and tell a manager or an admin.",
}


def directly(world: Journey) -> list[str]:
    """What whoever sent the file has in their direct messages of it, as it stands now."""
    return [world.slack.plain(message) for message in letters(world)]


def letters(world: Journey) -> list[Message]:
    found = [m for m in world.slack.direct_messages(ANALYST) if "file of customers" in m.text]
    return [message for message in found if not message.deleted]


async def take_up(world: Journey) -> None:
    for batch_id in await world.bot.batches.claim(2):
        await world.bot.batches.work(batch_id)


async def deliver(world: Journey) -> None:
    """The outbox alone: the file is not taken up."""
    for _round in range(5):
        world.clock.move(seconds=5)
        for post in await world.bot.outbox.claim(10):
            await world.bot.outbox.work(post)


@asynccontextmanager
async def waiting(tmp_path: Path) -> AsyncIterator[Journey]:
    """For a second person."""
    async with journey(tmp_path, KYC_BATCH_APPROVAL="1") as world:
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await go_on(world)
        assert await state(world) is BatchState.APPROVAL
        yield world


async def lose(world: Journey) -> None:
    """Its message is deleted, and Slack refuses another one there."""
    await go_on(world)
    delete(world)
    world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"))
    await go_on(world, hours=25)
    assert messages(world) == []


async def end(world: Journey, how: str) -> None:
    if how == "rejected":
        await world.bot.batches.reject(ADMIN, await only_file(world))
    else:
        world.clock.move(days=7, minutes=1)
        await world.bot.batches.tick()
    assert await state(world) is BatchState.REFUSED


async def go_on_for_days(world: Journey) -> None:
    for _day in range(3):
        await go_on(world, hours=25)


@pytest.mark.parametrize("how", REFUSALS)
async def test_whoever_sent_a_file_hears_how_it_ended_though_its_message_was_deleted(tmp_path: Path, how: str) -> None:
    async with waiting(tmp_path) as world:
        delete(world)
        await end(world, how)
        await go_on_for_days(world)
        (said,) = directly(world)
        assert said.startswith(f"Nothing was sent · {await only_file(world)}\n{REFUSALS[how]}")


@pytest.mark.parametrize("how", REFUSALS)
async def test_whoever_heard_that_a_file_waits_hears_how_it_ended(tmp_path: Path, how: str) -> None:
    async with waiting(tmp_path) as world:
        await lose(world)
        (said,) = directly(world)
        assert said.startswith("Waiting for approval")
        await end(world, how)
        await go_on_for_days(world)
        before, after = directly(world)
        assert after.startswith(f"Nothing was sent · {await only_file(world)}")
        assert f"I can't post in #kyc-requests. {REFUSALS[how]}" in after
        assert "See my newer message about it." in before
        assert "[" not in before, "no button is left"


async def test_whoever_heard_that_a_file_is_sent_hears_that_it_was_refused(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        delete(world)
        world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"))
        await deliver(world)
        (said,) = directly(world)
        assert said.startswith("Sending")
        for file in world.slack.files.values():
            file.is_deleted = True
        await take_up(world)
        assert await state(world) is BatchState.REFUSED
        await go_on_for_days(world)
        _before, after = directly(world)
        assert after.startswith("Nothing was sent")
        assert world.smile_id.jobs == {}


async def test_a_file_that_is_refused_before_it_was_told_that_it_waits_is_told_once(tmp_path: Path) -> None:
    async with waiting(tmp_path) as world:
        batch_id = await only_file(world)
        delete(world)
        world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"))
        await world.bot.database.write(refresh.look_at_file, batch_id, now=world.clock())
        while not await world.bot.database.read(given_up, f"batch:{batch_id}"):
            (post,) = await world.bot.outbox.claim(1)
            await world.bot.outbox.work(post)
            world.clock.move(seconds=5)
        assert directly(world) == []
        await end(world, "rejected")
        await go_on_for_days(world)
        (said,) = directly(world)
        assert REFUSALS["rejected"] in said


async def test_a_refusal_that_the_message_has_said_is_not_told_once_more_after_that_was_deleted(tmp_path: Path) -> None:
    async with waiting(tmp_path) as world:
        await end(world, "rejected")
        await go_on(world)
        assert "Nothing was sent" in world.slack.plain(batch_message(world))
        delete(world)
        await world.bot.database.write(refresh.batch_changed, await only_file(world), now=world.clock())
        await go_on_for_days(world)
        assert directly(world) == []


async def test_a_preview_that_is_gone_for_good_is_told_once(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        await lose(world)
        for _day in range(8):
            await go_on(world, hours=25)
        assert await state(world) is BatchState.REFUSED
        # Released by an operator, and refused by Slack again.
        world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"))
        post = f"{PostKind.BATCH.value}:{await only_file(world)}"
        await world.bot.database.write(deliveries.release, post, now=world.clock())
        await go_on_for_days(world)
        (said,) = directly(world)
        assert "could not show you its preview" in said


async def test_a_file_is_paused_and_resumed_in_the_direct_message(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        batch_id = await paused(world)
        await lose(world)
        await world.bot.batches.resume(ANALYST, batch_id)
        await deliver(world)
        (letter,) = letters(world)
        assert world.slack.plain(letter).startswith("Sending")
        assert (await world.analyst.click(letter, ids.BATCH_PAUSE)).ok
        assert await state(world) is BatchState.PAUSED
        await go_on_for_days(world)
        (letter,) = letters(world)
        assert world.slack.plain(letter).startswith("Paused")
        assert "0 of 2 ended" in world.slack.plain(letter)
        assert (await world.analyst.click(letter, ids.BATCH_RESUME)).ok
        await go_on_for_days(world)
        assert await state(world) is BatchState.DONE
        assert len(world.smile_id.jobs) == 2
        (said,) = directly(world)
        assert said.startswith(f"Done · {batch_id}\nThe file of results comes here.")
        assert "2 of 2 ended" in said


async def test_a_file_that_somebody_else_cancels_is_cancelled_in_the_direct_message_too(tmp_path: Path) -> None:
    async with waiting(tmp_path) as world:
        await lose(world)
        await world.bot.batches.cancel(ADMIN, await only_file(world))
        await go_on_for_days(world)
        (said,) = directly(world)
        assert said.startswith(f"Cancelled · {await only_file(world)}\nNothing was sent and nothing was charged.")
        assert "[" not in said


@pytest.mark.parametrize("how", [BatchState.CANCELLED, BatchState.REFUSED])
async def test_an_end_that_comes_while_the_direct_message_is_on_its_way_is_in_it(
    tmp_path: Path, how: BatchState
) -> None:
    """It is built before the call to Slack."""
    async with waiting(tmp_path) as world:
        batch_id = await only_file(world)

        async def end_it() -> None:
            if how is BatchState.CANCELLED:
                await world.bot.batches.cancel(ANALYST, batch_id)
            else:
                await world.bot.batches.reject(ADMIN, batch_id)

        delete(world)
        world.slack.fail_next("chat.postMessage", Fault.error("restricted_action"), Fault.call(before=end_it))
        await go_on_for_days(world)
        assert await state(world) is how
        first, *more = directly(world)
        assert first.startswith("Cancelled" if how is BatchState.CANCELLED else "Nothing was sent")
        assert "[" not in first
        assert len(more) == (0 if how is BatchState.CANCELLED else 1)


async def test_a_direct_message_is_not_updated_while_nothing_happens(tmp_path: Path) -> None:
    """Files whose own message had no update are looked for each hour."""
    async with waiting(tmp_path) as world:
        await lose(world)
        await go_on(world, hours=25)
        sql = "SELECT COUNT(*) FROM posts WHERE kind = 'batch_progress'"
        before = await world.bot.database.read(lambda tx: tx.value(sql))
        for _hour in range(3):
            await go_on(world, hours=1)
        assert await world.bot.database.read(lambda tx: tx.value(sql)) == before


async def test_a_direct_message_that_was_deleted_is_posted_anew(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        batch_id = await paused(world)
        await lose(world)
        (letter,) = letters(world)
        world.slack.delete_message(letter.channel, letter.ts)
        await world.bot.database.write(refresh.batch_changed, batch_id, now=world.clock())
        await go_on(world)
        (letter,) = letters(world)
        assert (await world.analyst.click(letter, ids.BATCH_RESUME)).ok
        await go_on(world)
        assert await state(world) is BatchState.DONE
