"""A storm of callbacks on a whole process: ten for each check, in any order, nine of ten of them repeats."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import BOT_USER_ID
from bot.sandbox.smile_id import SandboxJob
from tests.journeys.asking import ask_for
from tests.journeys.site import Site, site
from tests.journeys.smile import message, written
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

COPIES = 10
AT_ONCE = 50
VERDICTS = {"0810": "Approved — ", "0811": "Rejected — ", "1210": "Approved — ", "1211": "Rejected — "}


async def strike(world: Site, code_of: dict[str, str], rng: random.Random) -> Counter[int]:
    """Each check's verdict ten times, each time signed anew, all shuffled; the answers by status."""
    letters = [job for job in world.smile_id.jobs.values() for _ in range(COPIES)]
    rng.shuffle(letters)
    waiting = iter(letters)
    answers: Counter[int] = Counter()

    def written_anew(job: SandboxJob) -> bytes:
        body = message(job, code_of[job.job_id])
        timestamp = written(datetime.now(UTC))
        return json.dumps({**body, "timestamp": timestamp, "signature": world.smile_id.sign(timestamp)}).encode()

    async def postman(session: aiohttp.ClientSession) -> None:
        for job in waiting:
            async with session.post(job.callback_url, data=written_anew(job)) as answer:
                answers[answer.status] += 1

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)) as session:
        await asyncio.gather(*(postman(session) for _ in range(AT_ONCE)))
    return answers


def megabytes(pid: int, name: str) -> float:
    """The process's memory now (`VmRSS`) or at its highest (`VmHWM`)."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


async def test_ten_callbacks_for_each_check_make_one_final_post_for_each(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 1_000 if request.config.getoption("--whole-storm") else 200
    rng = random.Random(count)
    async with site(story="never", start=False, pace=1_000, KYC_POLL_AFTER="1h", KYC_CONFIRM_WAIT="30m") as world:
        refs = await ask_for(world.slack, world.environment, count)
        began = time.monotonic()
        await world.start()
        assert world.process is not None
        jobs = world.smile_id.jobs

        def all_wait() -> bool:
            return len(jobs) == count and all(job.processed for job in jobs.values())

        await world.wait_for(all_wait, timeout_seconds=GIVE_UP_SECONDS + count * 0.5)
        await world.wait_for_posts(timeout_seconds=GIVE_UP_SECONDS + count * 0.5)
        sent, before = time.monotonic(), megabytes(world.process.pid, "VmRSS")
        code_of = {job_id: rng.choice(list(VERDICTS)) for job_id in jobs}
        for job in jobs.values():
            job.record[:] = [message(job, code_of[job.job_id])]

        answers = await strike(world, code_of, rng)
        struck = time.monotonic()
        await world.wait_for_the_end(timeout_seconds=GIVE_UP_SECONDS + count * 0.5)
        ended, peak = time.monotonic(), megabytes(world.process.pid, "VmHWM")

        assert answers == {200: count * COPIES}
        posts = [post for post in world.slack.messages(CHANNEL) if post.user == BOT_USER_ID]
        roots = {post.ts: world.slack.plain(post) for post in posts if post.thread_ts is None}
        replies = [post for post in posts if post.thread_ts is not None]
        assert len(replies) == len(roots) == count
        assert {post.thread_ts for post in replies} == set(roots)
        by_ref = {str(job.partner_params["reference"]): code_of[job.job_id] for job in jobs.values()}
        assert set(by_ref) == set(refs)
        for post in replies:
            ref = next(ref for ref in re.findall(r"K-\w{6}", roots[str(post.thread_ts)]))
            assert VERDICTS[by_ref[ref]] in world.slack.plain(post)
        assert all(job.upload_count == 1 for job in jobs.values())
    with capsys.disabled():
        print(
            f"\nstorm: {count * COPIES:,} callbacks for {count:,} checks -> {len(replies):,} final posts; "
            f"sent in {sent - began:.1f} s, answered in {struck - sent:.1f} s "
            f"({count * COPIES / (struck - sent):.0f}/s), all told {ended - struck:.1f} s later; "
            f"memory {before:.0f} MiB before, {peak:.0f} MiB at the highest"
        )
