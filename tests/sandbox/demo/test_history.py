"""The demo's history: played by the real bot, quick, the same each time, and loud where it fails."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from bot.sandbox.demo import DemoFailed
from bot.sandbox.demo.history import History, Progress
from bot.sandbox.demo.passage import until_next
from bot.sandbox.demo.people import AMINA, NIA, REMI, REQUESTS, REVIEWS, SUMMARIES, TUNDE, applicants
from bot.sandbox.demo.timeline import DAY_BEGINS, DAY_ENDS, TODAY, YESTERDAY, Ask, Batch, begins, checks, fitted
from bot.sandbox.smile_id import Fault
from bot.sandbox.smile_id.stories import STORIES
from tests.conftest import Took
from tests.sandbox.demo.clocked import Clocked, clocked

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

LAGOS = ZoneInfo("Africa/Lagos")


def roots(world: Clocked, channel: str) -> list[str]:
    return [world.slack.plain(m) for m in world.slack.messages(channel) if m.thread_ts in (None, m.ts)]


async def test_thirty_checks_of_two_days_are_played_through_the_bot(took: Took) -> None:
    seen: list[tuple[int, int]] = []

    def hear(progress: Progress) -> None:
        seen.append((progress.done, progress.total))

    now = datetime.now(UTC)
    async with clocked(offset=begins(now, LAGOS) - now, review_seconds=3600) as world:
        history = History(world.slack, world.smile_id, world.passage, zone=LAGOS, on_progress=hear)
        began = asyncio.get_running_loop().time()
        await history.play(now)
        seconds = asyncio.get_running_loop().time() - began
        print(f"\nhistory in {seconds:.1f} s")
        took(seconds, less_than=20)

        assert seen[0] == (0, 30)
        assert seen[-1] == (30, 30)
        assert world.clock.offset == timedelta(0)
        assert len(world.smile_id.jobs) == 29  # one was cancelled before it was sent
        assert world.asked_of_smile_id("put") == 29

        # Every message has its time: none is ahead, none from before.
        for channel in (REQUESTS, REVIEWS, SUMMARIES):
            times = [datetime.fromtimestamp(float(m.ts), UTC) for m in world.slack.messages(channel)]
            assert times == sorted(times)
            assert begins(now, LAGOS) <= times[0]
            assert times[-1] <= datetime.now(UTC)
        days = Counter(datetime.fromtimestamp(float(m.ts), LAGOS).date() for m in world.slack.messages(REQUESTS))
        assert set(days) == {now.astimezone(LAGOS).date() - timedelta(days=n) for n in (0, 1)}

        shown = "\n".join(roots(world, REQUESTS))
        for words in (
            "Approved — face", "Rejected — the", "No result — the", "Cancelled — before", "Done · B-",
            "Approved by a reviewer", "Rejected by a reviewer", "Needs review", "Not final", "Waiting for Smile ID",
        ):  # fmt: skip
            assert words in shown
        cards = roots(world, REVIEWS)
        assert sum("Nobody has claimed this yet." in card for card in cards) >= 4
        assert sum("Claimed by @remi" in card for card in cards) == 1
        (summary,) = world.summaries()
        assert f"{checks(YESTERDAY)} checks" in summary
        assert "Posted late" not in summary
        assert all(world.slack.person(user).home is not None for user in (AMINA, REMI))
        assert f"{checks(YESTERDAY)} checks" in world.slack.ephemerals(NIA)[0].text
        assert "approved" in world.slack.plain(world.slack.ephemerals(TUNDE)[0]).lower()
        async with httpx.AsyncClient(timeout=30) as http:
            ready = await http.get(f"{world.admin}/readyz")
        assert ready.status_code == 200
        assert ready.json()["degraded"] == {}


async def test_history_that_fails_says_what_the_bot_did_not_do() -> None:
    now = datetime.now(UTC)
    async with clocked(offset=begins(now, LAGOS) - now) as world:
        world.smile_id.fault = lambda _call, _number: Fault.status(503)
        history = History(world.slack, world.smile_id, world.passage, zone=LAGOS, patience_seconds=2)
        with pytest.raises(DemoFailed, match="no word of “Approved —” in the thread of “"):
            await history.play(now)


def test_every_step_has_a_story_and_the_times_of_a_day_go_on() -> None:
    for steps in (YESTERDAY, TODAY):
        times = [step.at for step in steps]
        assert times == sorted(times)
        assert times[0] >= DAY_BEGINS
        assert times[-1] <= DAY_ENDS
        for step in steps:
            stories = step.stories if isinstance(step, Batch) else [step.story] if isinstance(step, Ask) else []
            assert set(stories) <= set(STORIES)
    assert checks(YESTERDAY) + checks(TODAY) == 30


@pytest.mark.parametrize("hour", ["00:00:00", "00:00:10", "02:30:00", "08:30:00", "12:00:00", "23:59:59"])
def test_today_ends_now_however_early_it_is(hour: str) -> None:
    now = datetime.fromisoformat(f"2026-11-27T{hour}").replace(tzinfo=LAGOS)
    midnight = now.replace(hour=0, minute=0, second=0)
    times = [fitted(step.at, midnight, now) for step in TODAY]
    assert times == sorted(times)
    assert midnight <= times[0]
    assert times[-1] <= now
    assert fitted(DAY_ENDS, midnight, now) == now
    assert begins(now, LAGOS) == datetime(2026, 11, 26, 8, 30, tzinfo=LAGOS)


def test_applicants_are_the_same_for_a_seed_and_have_numbers_of_their_own() -> None:
    first, again, other = (list(applicants(seed))[:60] for seed in (1, 1, 2))
    assert first == again != other
    assert len({(it.id_type, it.ending) for it in first}) == 60


def test_the_next_summary_hour_is_always_ahead() -> None:
    midnight = datetime.fromisoformat("2026-11-27T00:00:00").replace(tzinfo=LAGOS)
    assert until_next(midnight.time(), LAGOS, midnight) == timedelta(days=1, minutes=1)
    assert until_next(midnight.time(), LAGOS, midnight - timedelta(minutes=1)) == timedelta(minutes=2)
    assert until_next(DAY_BEGINS, LAGOS, midnight) == timedelta(hours=8, minutes=31)
