"""The bot of `kyc-bot serve` by a clock that the demo moves: `python -m bot.sandbox.demo.clocked_bot CLOCK_FILE`.

For the bot the time passes: leases end, waits end, days end. No clock was set, so none is reported.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from slack_bolt.async_app import AsyncApp

import handlers
from bot.errors import CannotListen, DatabaseFault, SettingsFault
from bot.runtime import log_config
from bot.runtime.bot import Bot
from bot.runtime.clock import Clock, utc_now
from bot.runtime.connections import Connections
from bot.runtime.server import run
from bot.sandbox.demo.clock import FOLLOWS, ClockFile
from bot.sandbox.demo.sample_face import with_sample_face
from bot.settings import Settings
from storage.engine.membership import seconds_since_boot

LOOK_EVERY_SECONDS = 0.02


class MovedTime:
    """The machine's time and a file's offset, which changes in one turn of the event loop and never back.

    A file that was read anew by each of the two clocks could change between them: the bot would take it for a
    clock that was set, and move every timer.
    """

    def __init__(self, file: ClockFile) -> None:
        self._file = file
        self.offset = file.offset

    def wall(self) -> datetime:
        return utc_now() + self.offset

    def since_boot(self) -> float:
        return seconds_since_boot() + self.offset.total_seconds()

    def follow(self) -> timedelta:
        """Take over what the file says now; gives the time that has passed by it."""
        passed = max(self._file.offset - self.offset, timedelta(0))
        self.offset += passed
        return passed


class Endpoints:
    """The bot's own endpoints, with the sample face on the customer's page; once there is a bot, its time is moved."""

    def __init__(self, time: MovedTime) -> None:
        self._time = time

    def web(self, bot: Bot, bolt: AsyncApp | None, connections: Connections) -> Any:
        capture = bot.capture and with_sample_face(bot.capture)
        return handlers.web(replace(bot, capture=capture), bolt, connections)

    def admin(self, bot: Bot, connections: Connections) -> Any:
        return handlers.admin(bot, connections)

    def bolt(self, bot: Bot) -> AsyncApp:
        bot.background.spawn(_keep_following(bot, self._time))
        return handlers.bolt(bot)


async def _keep_following(bot: Bot, time: MovedTime) -> None:
    demo, told = os.getppid(), None
    while not bot.health.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    # The first look at the summaries, a second after the start, notes since when days are summed up. By then a night
    # may have passed here, and its day would be missing.
    await bot.summary.tick()
    with contextlib.suppress(BrokenPipeError):  # the demo died between the two: seen below
        while os.getppid() == demo:
            if passed := time.follow():
                await bot.schedule.catch_up(passed)
            if told != time.offset:
                told = time.offset
                print(FOLLOWS, told.total_seconds(), flush=True)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    # A demo that was killed leaves no bot behind.
    signal.raise_signal(signal.SIGTERM)


def main() -> None:
    settings = Settings.load(os.environ)
    log_config.configure(settings.log_format)
    time = MovedTime(ClockFile(Path(sys.argv[1])))
    run(settings, Endpoints(time), clock=Clock(wall=time.wall, since_boot=time.since_boot))


if __name__ == "__main__":
    try:
        main()
    except (SettingsFault, CannotListen, DatabaseFault) as fault:
        sys.exit(str(fault))
