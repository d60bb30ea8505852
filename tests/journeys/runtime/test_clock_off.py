"""The bot's clock is an hour off against Slack's: what it looks for in Slack, it looks for by Slack's time."""

from pathlib import Path

import pytest

from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Fault, SlackSandbox
from tests.journeys.world import MovedClock, journey

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("hours", [1, -1], ids=["fast", "slow"])
async def test_a_message_whose_answer_was_lost_is_found_again_by_slacks_time(tmp_path: Path, hours: int) -> None:
    clock = MovedClock()
    clock.move(hours=hours)
    async with journey(tmp_path, slack=SlackSandbox(), clock=clock, socket_mode=True) as world:
        await world.ask()
        world.slack.fail_next("chat.postMessage", Fault.reset_after())
        await world.work()
        clock.move(seconds=15)
        await world.work()
        assert (
            len([message for message in world.slack.messages(CHANNEL) if message.thread_ts in (None, message.ts)]) == 1
        )
        assert "clock_against_slack" in world.bot.health.degraded
