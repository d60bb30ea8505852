"""The bot is killed while a customer's photos are on their way, at each request and commit, and the page tries again.

The photos are in the bot's memory alone and die with it. The page has them still, and is told whether to send them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests.faults.counts import Counts
from tests.faults.kept_up import KeptUp, kept_up
from tests.faults.test_commits import SYNCS
from tests.faults.test_kills import MOMENTS, Point, play_all, set_on
from tests.journeys.capture.customer import OFFERED, agreed, post_photos
from tests.journeys.world import MovedClock, bot_between
from tests.patience import GIVE_UP_SECONDS
from tests.strace import why_not

pytestmark = pytest.mark.anyio

CALLS = ("upload", "put")
SAMPLE = [Point("upload", 1, "after"), Point("put", 1, "before"), Point("put", 1, "after"), Point("put", 1, "answered")]
COMMITS = 6
"""As many at least come after the photos: the try, (a), (b), (c), and what is said in the thread."""
COMMITS_SAMPLE = (2, 4)


@asynccontextmanager
async def waiting(prepare: Callable[[KeptUp], None] = lambda _bot: None) -> AsyncIterator[KeptUp]:
    """A bot that is up, and a customer of it who has agreed."""
    async with kept_up(prepare=prepare, start=False, **OFFERED) as bot:
        world = bot.world
        async with bot_between(world.slack, world.smile_id, world.environment, clock=MovedClock()) as inside:
            await agreed(inside)
        bot.asked = 1
        bot.begin()
        await bot.up.wait()
        yield bot


async def hand_in(bot: KeptUp) -> None:
    """As the page does: again and again with the same photos, until it hears that they have arrived."""
    origin = bot.world.environment["KYC_PUBLIC_URL"]
    async with asyncio.timeout(2 * GIVE_UP_SECONDS), httpx.AsyncClient(timeout=GIVE_UP_SECONDS) as phone:
        while True:
            await bot.up.wait()
            try:
                answer = await post_photos(phone, origin)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == HTTPStatus.OK:
                assert answer.json() == {"step": "taken"}
                return
            assert answer.status_code in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_EARLY), answer.text
            await asyncio.sleep(1)


async def killed_at_request(point: Point) -> Counts:
    seen: Counter[str] = Counter()

    def strike(call: str) -> str | None:
        seen[call] += 1
        return point.when if (call, seen[call]) == (point.call, point.number) else None

    async with waiting(lambda bot: set_on(bot, strike)) as bot:
        await hand_in(bot)
        return await bot.end()


async def killed_at_commit(number: int, folder: Path) -> Counts:
    """By the kernel, at the n-th commit after the page has begun."""
    async with waiting() as bot:
        await bot.world.wait_for_posts()
        assert bot.world.process is not None
        kernel = await asyncio.create_subprocess_exec(
            *("strace", "-f", "-e", f"trace={SYNCS}", "-e", f"inject={SYNCS}:signal=SIGKILL:when={number}"),
            *("-p", str(bot.world.process.pid), "-o", str(folder / f"{number}.log")),
            stderr=asyncio.subprocess.PIPE,
        )
        assert kernel.stderr is not None
        assert b"attached" in await asyncio.wait_for(kernel.stderr.readline(), GIVE_UP_SECONDS)
        await hand_in(bot)
        counts = await bot.end()
        counts.faults = bot.starts - 1
        if kernel.returncode is None:
            kernel.terminate()
        await kernel.communicate()
        return counts


@pytest.mark.sample
@pytest.mark.parametrize("point", SAMPLE, ids=str)
async def test_photos_are_sent_once_by_a_bot_killed_here(point: Point) -> None:
    counts = await killed_at_request(point)
    print(f"\nkilled at {point}: {counts}")
    assert counts.clean, counts
    assert counts.faults == 1


@pytest.mark.all_faults
async def test_photos_are_sent_once_by_a_bot_killed_at_any_request() -> None:
    points = [Point(call, 1, when) for call in CALLS for when in MOMENTS]
    ends = await play_all(points, killed_at_request)
    print(f"\nkilled at every request of an upload: {sum(ends.values(), Counts())}")
    assert [f"{point}: {counts}" for point, counts in ends.items() if not counts.clean or counts.faults != 1] == []


@pytest.mark.sample
@pytest.mark.parametrize("number", COMMITS_SAMPLE)
async def test_photos_are_sent_once_by_a_bot_killed_at_this_commit(number: int, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    counts = await killed_at_commit(number, tmp_path)
    print(f"\nkilled at commit {number} of an upload: {counts}")
    assert counts.clean, counts
    assert counts.faults == 1


@pytest.mark.all_faults
async def test_photos_are_sent_once_by_a_bot_killed_at_any_commit(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    ends = [await killed_at_commit(number, tmp_path) for number in range(1, COMMITS + 1)]
    print(f"\nkilled at {COMMITS} commits of an upload: {sum(ends, Counts())}")
    assert [f"commit {n}: {counts}" for n, counts in enumerate(ends, start=1) if not counts.clean] == []
