"""The bot as the demo keeps it: it comes back when it was killed, with one result, and its log stays."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bot.sandbox.demo import DemoFailed
from bot.sandbox.demo.supervisor import LOG_LINES, BotState, Supervisor
from bot.sandbox.smile_id import Fault
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.demo.clocked import clocked

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

APPROVED = "Approved — face and ID number verified"
SERVES = "import time; print('it listens', flush=True); time.sleep(600)"


def child(code: str, *, restart_after_seconds: float = 0.01) -> Supervisor:
    return Supervisor([sys.executable, "-c", code], os.environ, restart_after_seconds=restart_after_seconds)


async def test_a_kill_in_the_middle_of_an_upload_ends_in_one_result() -> None:
    async with clocked() as world:
        world.smile_id.fail_next("put", Fault.call(after=world.bot.kill))
        await world.ask()
        await world.slack.wait_for(lambda: any(APPROVED in reply for reply in world.replies()))
        assert world.bot.state is BotState.RUNNING
        assert (world.bot.kills, world.bot.deaths) == (1, 1)
        assert sum(APPROVED in reply for reply in world.replies()) == 1
        assert len(world.smile_id.jobs) == 1
        assert world.asked_of_smile_id("put") == 1
        assert sum("listens on" in line for line in world.bot.log) == 2


async def test_what_is_killed_comes_back_and_what_is_stopped_stays_down() -> None:
    bot = child(SERVES)
    states = [bot.state]
    await bot.start()
    states.append(bot.state)
    for kills in (1, 2):
        await bot.kill()
        states.append(bot.state)
        await bot.is_running()
        assert (bot.kills, bot.deaths) == (kills, kills)
    await bot.stop()
    states.append(bot.state)
    down, running, coming_back = BotState.DOWN, BotState.RUNNING, BotState.COMING_BACK
    assert states == [down, running, coming_back, coming_back, down]
    await bot.kill()
    assert bot.kills == 2


async def test_what_ends_by_itself_comes_back_too() -> None:
    bot = child("print('it listens', flush=True)")
    await bot.start()
    await bot.changes.until(lambda: bot.deaths > 2, GIVE_UP_SECONDS)
    assert bot.kills == 0
    await bot.stop()


async def test_a_bot_that_does_not_start_is_told_with_its_last_words() -> None:
    bot = child("raise SystemExit('these settings do not fit')")
    with pytest.raises(DemoFailed, match="these settings do not fit"):
        await bot.start()
    assert bot.state is BotState.DOWN


async def test_a_bot_that_never_serves_is_not_waited_for_without_end() -> None:
    bot = child("import time; print('I am thinking', flush=True); time.sleep(600)")
    with pytest.raises(DemoFailed, match="did not start:\nI am thinking"):
        await bot.start(timeout_seconds=1)
    await bot.stop()


async def test_a_bot_that_cannot_come_back_is_said_to_fail_until_it_does(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    bot = child(f"from pathlib import Path; assert not Path({str(broken)!r}).exists()\n{SERVES}")
    await bot.start()
    broken.touch()
    await bot.kill()
    await bot.changes.until(lambda: bot.state is BotState.FAILING and bot.deaths > 2, GIVE_UP_SECONDS)
    assert "AssertionError" in bot.log[-1]
    broken.unlink()
    await bot.is_running()
    await bot.stop()


async def test_a_bot_that_is_stopped_while_it_starts_stays_down() -> None:
    bot = child("import time; time.sleep(600)")
    starting = asyncio.create_task(bot.start())
    await bot.changes.until(lambda: bot.state is BotState.STARTING, GIVE_UP_SECONDS)
    await bot.stop()
    with pytest.raises(DemoFailed):
        await starting


async def test_the_newest_lines_of_the_log_are_kept() -> None:
    bot = child(f"for n in range({LOG_LINES + 50}): print(n)\n{SERVES}")
    await bot.start()
    assert len(bot.log) == LOG_LINES
    assert list(bot.log)[-2:] == [str(LOG_LINES + 49), "it listens"]
    await bot.stop()
