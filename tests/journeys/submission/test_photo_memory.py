"""Many of the largest photos at once: decoded one after the other, in memory that an operator can plan for."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import Fault
from bot.slack.blocks import ids
from bot.submission.photo_decoder import SMALL_AT_ONCE
from bot.submission.weighted_semaphore import WeightedSemaphore
from tests.journeys.intake.test_batch_of_500 import MIB, resident_kib
from tests.journeys.site import Site, site
from tests.journeys.submission.test_submission_faults import finish
from tests.journeys.world import PHOTOS, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

COUNT = 8
SIDE = 7000
MOST_MIB = 600
"""On top of the process at rest: 400 for one PNG with transparency, the rest for files and results of the others."""


def giant() -> bytes:
    """A PNG of 49 megapixels with transparency, the hungriest kind; well under Slack's and Smile ID's limits."""
    image = Image.open(PHOTOS / "selfie.jpg").resize((1000, 1000)).convert("RGBA").quantize(16).convert("RGBA")
    whole = Image.new("RGBA", (SIDE, SIDE))
    for place in range(49):
        whole.paste(image, (place % 7 * 1000, place // 7 * 1000))
    out = io.BytesIO()
    whole.save(out, "PNG", compress_level=1)
    return out.getvalue()


async def ask(world: Site, data: bytes) -> None:
    amina = world.slack.person(ANALYST)
    modal = await world.form()
    await modal.attach("selfie", await amina.upload(data, "giant.png"))
    assert (await modal.submit()).closed


async def test_eight_giants_at_once_fit_into_the_memory_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    data = await asyncio.to_thread(giant)
    assert len(data) < 10 * 1024 * MIB
    async with site() as world:
        assert world.process is not None
        before = resident_kib(world.process.pid, "VmRSS")
        everybody_asked = asyncio.Event()
        asked = 0

        async def wait_for_the_others() -> None:
            nonlocal asked
            asked += 1
            if asked == COUNT:
                everybody_asked.set()
            await everybody_asked.wait()

        world.slack.fail_next("files.download", *(Fault.call(before=wait_for_the_others) for _ in range(COUNT)))
        for _ in range(COUNT):
            await ask(world, data)
        await world.wait_for_the_end(240)
        peak = resident_kib(world.process.pid, "VmHWM")
        with capsys.disabled():
            print(
                f"\n{COUNT} photos of {SIDE**2 / 1e6:.0f} megapixels ({len(data) / 1e6:.1f} MB each): "
                f"{before // MIB} MiB before, {peak // MIB} MiB at the highest"
            )
        sizes = []
        for job in world.smile_id.jobs.values():
            (sent,) = [entry for name, entry in job.entries.items() if name != "info.json"]
            with Image.open(io.BytesIO(sent)) as image:
                sizes.append(image.size)
        assert sizes == [(SIDE, SIDE)] * COUNT
        assert peak - before < MOST_MIB * MIB
        assert "check.try_failed" not in world.log()


# While a photo waits for its turn


@asynccontextmanager
async def waiting(world: Journey) -> AsyncIterator[str]:
    """A check whose selfie waits for its turn, until the block ends; others' photos are being decoded."""
    budget: WeightedSemaphore = world.bot.submission.photo_loader.decoder._small
    await budget.take(SMALL_AT_ONCE)
    ref = await world.ask()
    # Alone: what the test does meanwhile must not be leased by a round of all workers that waits for this one.
    assert await world.bot.submission.claim(32) == [ref]
    working = asyncio.create_task(world.bot.submission.work(ref))
    await world.slack.wait_for(lambda: budget.waiting == 1)
    try:
        yield ref
    finally:
        budget.give_back(SMALL_AT_ONCE)
        await working
    assert budget.waiting == 0


async def test_a_check_whose_photo_waits_is_neither_late_nor_sent_twice(tmp_path: Path) -> None:
    """Its lease runs out meanwhile: whoever looks for due checks must leave it alone."""
    async with journey(tmp_path) as world:
        async with waiting(world) as ref:
            world.clock.move(hours=1)
            assert await world.bot.submission.claim(32) == []
        check = await finish(world, ref)
        assert (check.state, check.tries) == ("approved", 0)
        assert world.job().upload_count == 1


async def test_a_check_that_is_cancelled_while_its_photo_waits_is_not_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        async with waiting(world) as ref:
            for post in await world.bot.outbox.claim(8):
                await world.bot.outbox.work(post)
            assert (await world.analyst.click(world.root(), ids.CANCEL)).ok
            await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ANALYST)))
        check = await finish(world, ref)
        assert check.state == "cancelled"
        assert world.smile_id.jobs == {}
        assert (await finish(world, await world.ask())).state == "approved"
