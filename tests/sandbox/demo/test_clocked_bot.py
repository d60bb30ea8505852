"""The real bot by a clock that the demo moves: waits end when their time comes, once, and nobody reports a step."""

from datetime import timedelta

import httpx
import pytest

from bot.sandbox.smile_id import Fault
from tests.sandbox.demo.clocked import Clocked, clocked

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

APPROVED = "Approved — face and ID number verified"


async def degraded(world: Clocked) -> dict[str, str]:
    async with httpx.AsyncClient(timeout=30) as http:
        ready = await http.get(f"{world.admin}/readyz")
    assert ready.status_code == 200, ready.text
    found: dict[str, str] = ready.json()["degraded"]
    return found


async def test_a_question_that_is_due_in_six_hours_is_asked_once_they_have_passed() -> None:
    async with clocked(story="never", KYC_POLL_AFTER="6h") as world:
        await world.ask()
        # Recorded, not only received: hours that pass before would have the bot ask whether it was.
        await world.slack.wait_for(lambda: "4: sent to Smile ID" in world.request())
        assert world.asked_of_smile_id("put") == 1
        # Ten seconds after sending the record is asked for the first time, whatever is due later.
        await world.pass_time(hours=5)
        await world.slack.wait_for(lambda: world.asked_of_jobs() == 1)
        await world.pass_time(hours=1, minutes=1)
        await world.slack.wait_for(lambda: world.asked_of_jobs() == 2)
        assert world.asked_of_smile_id("put") == 1
        assert "clock_step" not in await degraded(world)


def _is_processed(world: Clocked) -> bool:
    return all(job.processed for job in world.smile_id.jobs.values())


async def test_the_days_summary_is_posted_once_the_night_has_passed() -> None:
    async with clocked() as world:
        await world.ask()
        await world.slack.wait_for(lambda: any(APPROVED in reply for reply in world.replies()))
        assert world.summaries() == []
        await world.pass_time(days=1)
        await world.slack.wait_for(lambda: len(world.summaries()) == 1)
        assert "1 check" in world.summaries()[0]
        await world.pass_time(hours=1)
        await world.bot.kill()
        await world.bot.is_running()
        await world.pass_time(hours=1)
        assert len(world.summaries()) == 1


async def test_hours_that_pass_in_the_middle_of_an_upload_double_nothing() -> None:
    async with clocked() as world:
        # The zip is there and its answer on the way.
        world.smile_id.fail_next("put", Fault.call(after=lambda: world.passage.by(timedelta(hours=6))))
        await world.ask()
        await world.slack.wait_for(lambda: any(APPROVED in reply for reply in world.replies()))
        await world.pass_time(hours=6)
        assert sum(APPROVED in reply for reply in world.replies()) == 1
        assert len(world.smile_id.jobs) == 1
        assert world.asked_of_smile_id("put") == 1


async def test_a_bot_that_comes_back_goes_on_by_the_clock_of_the_file() -> None:
    async with clocked(story="silent", KYC_POLL_AFTER="6h") as world:
        await world.ask()
        await world.slack.wait_for(lambda: bool(world.smile_id.jobs) and _is_processed(world))
        await world.bot.kill()
        world.clock.set(timedelta(hours=7))
        await world.slack.wait_for(lambda: any(APPROVED in reply for reply in world.replies()))
        assert world.bot.kills == 1
        assert "clock_step" not in await degraded(world)
