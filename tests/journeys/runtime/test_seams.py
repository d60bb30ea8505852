"""What several rooms must do together."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.results import releases
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault
from bot.slack.blocks import ids
from storage import dead_letters, timers
from tests.conftest import Took
from tests.journeys.access.test_who_may import GROUP, asked_in_a_group, leave
from tests.journeys.intake.test_batches import (
    GOOD,
    batch_message,
    bots_files,
    csv_of,
    drop,
    person,
    photos,
)
from tests.journeys.review.test_review import MANAGER, ZOE, decide, press, provisional
from tests.journeys.smile import pass_time
from tests.journeys.world import ADMIN, IN_EARNEST, REVIEWER, Journey, MovedClock, journey, patient_slack

pytestmark = pytest.mark.anyio


async def share(world: Journey) -> None:
    world.slack.channels[CHANNEL].is_ext_shared = True
    assert (
        await world.slack.emit({"type": "channel_shared", "channel": CHANNEL, "connected_team_id": "T0OTHER0001"})
    ).ok


async def test_nothing_is_posted_while_slack_does_not_say_who_reads_the_channel(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await share(world)
        world.slack.fault = lambda method, _n: Fault.status(500) if method == "conversations.info" else None
        await world.settle()
        assert world.slack.messages(CHANNEL) == []
        world.slack.fault = None
        for _round in range(4):
            world.clock.move(minutes=2)
            await world.settle()
        assert world.slack.messages(CHANNEL) == []
        assert any("Approved" in text for text in world.direct(ANALYST))


async def test_results_of_a_file_do_not_go_to_a_channel_that_was_shared_since(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(1, GOOD)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await share(world)
        for _round in range(4):
            await world.settle()
            world.clock.move(seconds=4)
        assert bots_files(world) == {}


async def test_a_message_released_after_weeks_is_tried_again_when_slack_is_busy(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=GROUP) as world:
        await asked_in_a_group(world, f"D{ANALYST[1:]}")
        for post in await world.bot.outbox.claim(1):
            await world.bot.outbox.work(post)
        await leave(world)
        await world.settle()
        (failed,) = [row for row in await world.bot.database.read(dead_letters.listing) if "result" in row.id]
        world.clock.move(days=8)
        world.slack.usergroups[GROUP] = {ADMIN, ANALYST}
        await world.bot.access.changed(GROUP)
        await world.bot.database.write(releases.release, failed.id, now=world.clock())
        world.slack.fault = lambda method, _n: Fault.status(500) if method == "users.info" else None
        await world.work()
        world.slack.fault = None
        world.clock.move(minutes=2)
        await world.settle()
        assert "Approved" in world.direct(ANALYST)[-1]


async def test_a_choice_is_answered_in_time_although_each_look_up_takes_almost_a_second(
    tmp_path: Path, took: Took
) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST, KYC_REQUESTERS="*") as world:
        modal = await world.form()
        await world.answered()
        world.clock.move(minutes=11)

        async def almost_a_second() -> None:
            await asyncio.sleep(0.9)

        async def longer() -> None:
            await asyncio.sleep(1.4)

        world.slack.fault = lambda method, _n: Fault.call(
            before=longer if method == "views.update" else almost_a_second
        )
        began = asyncio.get_running_loop().time()
        await modal.choose("country", "NG")
        took(asyncio.get_running_loop().time() - began, less_than=3)


async def test_slack_is_not_asked_whose_workspace_this_is_before_the_wait_it_asked_for(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    # Since the bot's start: nothing was confirmed yet.
    slack.fault = lambda method, _n: Fault.rate_limited(30) if method == "auth.test" else None
    async with journey(tmp_path, slack=slack, clock=clock) as world:
        before = [call.method for call in world.slack.calls].count("auth.test")
        for _second in range(20):
            await world.bot.submission.claim(1)
            world.clock.move(seconds=1)
        assert [call.method for call in world.slack.calls].count("auth.test") - before <= 2


@pytest.mark.parametrize("step", [timedelta(days=365), timedelta(days=-365)], ids=str)
async def test_a_second_person_is_reminded_as_if_the_clock_had_not_been_set(tmp_path: Path, step: timedelta) -> None:
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        before = world.clock()
        world.clock.offset += step
        await world.bot.database.write(timers.move, by=step, before=before, now=before + step)
        await world.bot.reminders.tick()
        await world.work()
        assert world.direct(MANAGER) == []
        for _twice in range(2):
            world.clock.move(hours=4, minutes=1)
            await world.bot.reminders.tick()
            await world.work()
        (told,) = world.direct(MANAGER)
        assert "A decision has waited for a second person for 8 h" in told
        await press(world, ZOE, ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "approved"
