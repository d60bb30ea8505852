"""The machine's wall clock is set while the bot runs: the whole process under libfaketime, Slack in Socket Mode."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.journeys.faketime import WallClock, required, why_not
from tests.journeys.site import Site, site

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

HOUR_BACK, TEN_MINUTES_FORTH, YEAR_FORTH = -3600.0, 600.0, 365 * 86_400.0
APPROVED = "Approved — face and ID number verified"
WITHIN_SECONDS = 60.0
"""From the moment at which Smile ID has the result, in monotonic time."""


@pytest.fixture(scope="module", autouse=True)
def _needs_libfaketime() -> None:
    reason = why_not()
    assert not (reason and required()), reason
    if reason:
        print(f"\n{reason}")
        pytest.skip(reason)


@asynccontextmanager
async def waiting_for_a_person(
    tmp_path: Path, *, public: bool, **settings: str
) -> AsyncIterator[tuple[Site, WallClock]]:
    """A check that Smile ID's people look at: no final result until the test lets them speak."""
    clock = WallClock(tmp_path)
    # A process under libfaketime is slow to start and to answer on a busy machine.
    async with site(public=public, story="provisional_approved", review_seconds=3600, start=False) as world:
        world.environment |= clock.environment | settings
        await world.start()
        await world.wait_for(lambda: world.slack.socket_count == 1)
        await world.ask()
        await world.wait_for(lambda: len(world.replies()) == 1)
        await world.wait_for_posts()
        yield world, clock


async def assert_told_in_time(world: Site) -> None:
    """Smile ID's people end it now; the thread says so within a minute, once."""
    world.smile_id.let_people_speak()
    began = time.monotonic()
    await world.wait_for(lambda: any(APPROVED in reply for reply in world.replies()), WITHIN_SECONDS)
    print(f"\ntold after {time.monotonic() - began:.1f} s")
    await world.wait_for_posts()
    assert sum(APPROVED in reply for reply in world.replies()) == 1
    assert len(world.roots()) == 1


async def assert_noticed(world: Site, words: str) -> None:
    """The bot has seen what its machine's clock did, and says so to whoever watches it; it is ready all the same."""
    async with httpx.AsyncClient(timeout=30) as http, asyncio.timeout(WITHIN_SECONDS):
        while True:
            ready = await http.get(f"{world.admin}/readyz")
            assert ready.status_code == 200, ready.text
            if ready.json()["degraded"].get("clock_step", "").startswith(words):
                return
            await asyncio.sleep(0.2)


def askings(world: Site) -> int:
    return sum(request.call == "job_status" for request in world.smile_id.requests)


@pytest.mark.parametrize("public", [True, False], ids=["public", "polling"])
@pytest.mark.parametrize(
    ("step", "words"),
    [(HOUR_BACK, "set back by 60 min"), (TEN_MINUTES_FORTH, "set forth by 10 min")],
    ids=["hour-back", "ten-minutes-forth"],
)
async def test_a_result_is_told_within_a_minute_after_the_clock_was_set(
    tmp_path: Path, step: float, words: str, *, public: bool
) -> None:
    async with waiting_for_a_person(tmp_path, public=public, KYC_POLL_AFTER="3s") as (world, clock):
        await world.smile_id.wait_for(lambda: askings(world) > 0)
        clock.set(step)
        # Time for a tick or two under the new clock: before that nothing could have gone wrong.
        await asyncio.sleep(2.5)
        await assert_told_in_time(world)
        await assert_noticed(world, words)


async def test_a_callback_refused_as_stale_after_the_clock_was_set_leads_to_job_status(tmp_path: Path) -> None:
    async with waiting_for_a_person(tmp_path, public=True) as (world, clock):
        asked = askings(world)
        clock.set(HOUR_BACK)
        await assert_noticed(world, "set back by 60 min")
        await assert_told_in_time(world)
        # Smile ID's clock is an hour ahead of ours now, so what it signs is from the future.
        assert world.smile_id.callbacks[-1].status == 401
        assert askings(world) > asked


async def test_a_clock_that_jumps_a_year_ahead_and_comes_back_ends_nothing_and_tells_nobody_anything(
    tmp_path: Path,
) -> None:
    async with waiting_for_a_person(tmp_path, public=False, KYC_SUMMARY_CHANNEL="C0KYCREV001") as (world, clock):
        said = len(world.slack.messages("C0KYCREV001"))
        clock.set(YEAR_FORTH)
        await assert_noticed(world, "set forth by 365 d")
        clock.set(0)
        await assert_noticed(world, "set back by 365 d")
        assert len(world.replies()) == 1
        assert len(world.slack.messages("C0KYCREV001")) == said
        await assert_told_in_time(world)


async def test_a_clock_set_back_while_the_bot_is_down_keeps_no_result_waiting(tmp_path: Path) -> None:
    async with waiting_for_a_person(tmp_path, public=False) as (world, clock):
        await world.smile_id.wait_for(lambda: askings(world) > 0)
        assert await world.stop() == 0
        clock.set(HOUR_BACK)
        await world.start()
        await assert_told_in_time(world)
        await assert_noticed(world, "set back by")


async def test_slack_in_http_mode_is_heard_although_the_clock_is_an_hour_off(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    clock.set(HOUR_BACK)
    async with site(socket_mode=False, start=False) as world:
        world.environment |= clock.environment
        await world.start()
        async with httpx.AsyncClient(timeout=30) as http:
            await world.wait_for(lambda: bool(world.slack.calls))
            await world.ask()
            degraded = (await http.get(f"{world.admin}/readyz")).json()["degraded"]
        await world.wait_for_the_end(WITHIN_SECONDS)
        assert APPROVED in world.replies()[-1]
        assert degraded["clock_against_slack"].startswith("this machine is 60 min slow")
