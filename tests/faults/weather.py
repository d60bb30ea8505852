"""A bot inside the test, working as it does in earnest, while the test's clock runs fast."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import httpx

from storage.engine.database import Transaction
from tests.faults.counts import Counts, count
from tests.journeys.world import PATIENT, Journey, MovedClock, journey, patient_slack
from tests.patience import GIVE_UP_SECONDS

SHORT = replace(
    PATIENT,
    worker=aiohttp.ClientTimeout(total=1),
    smile_id=httpx.Timeout(1),
    files=httpx.Timeout(1),
    one_pass_seconds=20,
)
HANG_SECONDS = 1.5
"""Longer than the bot waits."""
TURN_SECONDS = 0.05


class Weather:
    """One world, its crews at work."""

    def __init__(self, world: Journey) -> None:
        self.world = world
        self.asked = 0
        self.faults = 0

    async def ask(self) -> None:
        await self.world.ask()
        self.asked += 1

    def begin(self) -> None:
        """From now on the bot works by itself."""
        self.world.bot.schedule.start()

    async def let_go_on(self, seconds: float, *, speed: float = 20) -> None:
        """Real time, in which the clock runs `speed` times as fast."""
        for _turn in range(round(seconds / TURN_SECONDS)):
            await asyncio.sleep(TURN_SECONDS)
            self.world.clock.move(seconds=TURN_SECONDS * (speed - 1))

    async def end(self, seconds: float = 3 * GIVE_UP_SECONDS, *, speed: float = 20) -> Counts:
        """Until all has been told and nothing more is to be said, then a little longer; then count."""
        late = False
        try:
            async with asyncio.timeout(seconds):
                while not await self._at_rest():
                    await self.let_go_on(0.2, speed=speed)
        except TimeoutError:
            late = True
        await self.let_go_on(1.5, speed=speed)
        counts = count(self.world.slack, self.world.smile_id, asked=self.asked, faults=self.faults)
        if late:
            counts.details.append(f"not at rest after {seconds:g} s")
        return counts

    async def _at_rest(self) -> bool:
        return await self.world.bot.database.read(_at_rest)


def _at_rest(tx: Transaction) -> bool:
    row = tx.row(
        """
        SELECT (SELECT COUNT(*) FROM verifications WHERE ended_at IS NULL)
             + (SELECT COUNT(*) FROM posts WHERE state = 'due') AS open
        """
    )
    return row is not None and row["open"] == 0


@asynccontextmanager
async def weather(folder: Path) -> AsyncIterator[Weather]:
    """What is asked before `begin` waits for it."""
    clock = MovedClock()
    slack = patient_slack(clock, trigger_seconds=3600)
    async with journey(folder, clock=clock, slack=slack, timeouts=SHORT, KYC_SLACK_POSTS_PER_SECOND="200") as world:
        try:
            yield Weather(world)
        finally:
            if world.bot.schedule.running:
                await world.bot.schedule.stop(timedelta(seconds=5))
