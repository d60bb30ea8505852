"""More to store than can be stored soon: everybody hears it, and nothing of what they sent is lost or half done."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import BOT_USER_ID
from bot.slack.blocks import private
from storage.engine.lanes import WAITING_LIMIT
from tests.journeys.smile import fates, message, signed
from tests.journeys.world import Journey, MovedClock, journey, patient_slack
from tests.storage.engine.test_database import Held

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def busy(world: Journey) -> AsyncIterator[None]:
    """Meanwhile the writer is held, and as many functions wait for it as may."""
    database = world.bot.database
    async with Held(database):
        waiting = [asyncio.create_task(database.write(lambda _tx: None)) for _ in range(WAITING_LIMIT)]
        await asyncio.sleep(0)
        yield
    await asyncio.gather(*waiting)


async def test_everybody_is_told_to_try_again_and_may(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock, event_retry_seconds=(0.05,) * 400)
    async with journey(tmp_path, story="never", slack=slack, clock=clock) as world:
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        form = await world.fill(await world.form())
        verdict = json.dumps(signed(world, message(world.job(), "0810")))
        assert "kyc_writes_refused_total 0.0" in (await world.bot.figures()).decode()
        async with httpx.AsyncClient(trust_env=False) as smile_id:
            async with busy(world):
                refused = await form.submit()
                assert list(refused.errors.values()) == [private.BUSY]
                said = await world.analyst.command(f"cancel {ref}", channel_id=CHANNEL)
                assert private.BUSY in str(said)
                answer = await smile_id.post(world.job().callback_url, content=verdict)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
                told = len(slack.ephemerals(ANALYST))
                await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}> status {ref}")
            assert (await smile_id.post(world.job().callback_url, content=verdict)).status_code == 200
        assert "kyc_writes_refused_total 0.0" not in (await world.bot.figures()).decode()
        assert len(await fates(world)) == 1
        assert (await form.submit()).closed
        assert await world.newest() != ref
        # Slack brought the mention again, until it was taken.
        await slack.wait_for(lambda: len(slack.ephemerals(ANALYST)) > told)
