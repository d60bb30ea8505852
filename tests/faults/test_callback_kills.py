"""The bot is killed between the receipt of a callback, its 200, and what the callback does to its check.

At the 200 itself, when nothing is settled yet; and by the kernel, at one of the commits that follow the callback.
"""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.smile_id import SandboxJob
from tests.faults.counts import Counts
from tests.faults.kept_up import KeptUp, kept_up
from tests.faults.test_commits import SYNCS
from tests.journeys.smile import message
from tests.patience import GIVE_UP_SECONDS
from tests.strace import why_not

pytestmark = pytest.mark.anyio

SAMPLE = (1, 2)
"""The commit of the receipt, before the 200; that of the settling, after it."""
COMMITS = 8
"""As many at least come before the bot is at rest again: the confirmation, and what is said of it."""


async def waiting_job(bot: KeptUp) -> SandboxJob:
    """One check whose result is on record at Smile ID, which has not called yet; nothing else is to be done."""
    await bot.ask()
    jobs = bot.world.smile_id.jobs
    await bot.world.wait_for(lambda: bool(jobs) and all(job.processed for job in jobs.values()))
    await bot.world.wait_for_posts()
    (job,) = jobs.values()
    job.record[:] = [message(job, "0810")]
    return job


async def call_back(bot: KeptUp, job: SandboxJob) -> None:
    """As Smile ID does: again and again, until it is told that the result is kept."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            await bot.up.wait()
            try:
                status = await bot.world.smile_id.send_callback(job.job_id, message(job, "0810"))
            except ConnectionError:
                await asyncio.sleep(0.05)
                continue
            assert status == 200
            return


def fates(database: Path, folder: Path) -> list[str]:
    """Of the callbacks in the file as it lies there: in a copy, so that the bot itself recovers what a kill left."""
    for ending in ("", "-wal"):
        shutil.copy(f"{database}{ending}", folder / f"copy.db{ending}")
    with closing(sqlite3.connect(folder / "copy.db")) as db:
        return [fate for (fate,) in db.execute("SELECT fate FROM receipts WHERE source = 'callback'")]


async def end(bot: KeptUp, folder: Path) -> Counts:
    """Until the result is told; the one callback has done its part."""
    counts = await bot.end()
    (fate,) = fates(bot.world.database, folder)
    assert fate != "kept"
    return counts


async def test_a_bot_killed_right_after_its_200_settles_the_callback_later(tmp_path: Path) -> None:
    async with kept_up(story="never") as bot:
        job = await waiting_job(bot)
        await call_back(bot, job)
        await bot.kill()
        # Smile ID has its 200 and calls no more: all that is left of its word lies in the file.
        assert fates(bot.world.database, tmp_path) == ["kept"]
        counts = await end(bot, tmp_path)
    assert counts.clean, counts


async def killed_at(number: int, folder: Path) -> Counts:
    """At the n-th commit after the callback came."""
    async with kept_up(story="never") as bot:
        job = await waiting_job(bot)
        assert bot.world.process is not None
        kernel = await asyncio.create_subprocess_exec(
            *("strace", "-f", "-e", f"trace={SYNCS}", "-e", f"inject={SYNCS}:signal=SIGKILL:when={number}"),
            *("-p", str(bot.world.process.pid), "-o", str(folder / f"{number}.log")),
            stderr=asyncio.subprocess.PIPE,
        )
        assert kernel.stderr is not None
        attached = await kernel.stderr.readline()
        assert b"attached" in attached, attached
        await call_back(bot, job)
        counts = await end(bot, folder)
        counts.faults = bot.starts - 1
        if kernel.returncode is None:
            kernel.kill()
        await kernel.wait()
    return counts


@pytest.fixture
def _needs_strace() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.mark.usefixtures("_needs_strace")
@pytest.mark.parametrize(
    "number",
    [
        *(pytest.param(number, marks=pytest.mark.sample) for number in SAMPLE),
        *(pytest.param(number, marks=pytest.mark.all_faults) for number in range(1, COMMITS + 1)),
    ],
)
async def test_a_bot_killed_at_this_commit_after_a_callback_tells_its_result_once(number: int, tmp_path: Path) -> None:
    counts = await killed_at(number, tmp_path)
    print(f"\nkilled at commit {number} after the callback: {counts}")
    assert counts.clean, counts
    assert counts.faults == 1
