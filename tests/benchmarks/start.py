"""`kyc-bot serve` until it listens, and its memory a moment later, beside a Python that imports its libraries alone."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.sandbox.demo import KYC_BOT
from tests.benchmarks.figures import Figure, Goal
from tests.journeys.site import bare, site
from tests.patience import GIVE_UP_SECONDS

ROUNDS = 5
IDLE_SECONDS = 2.0
"""After its start, when it has greeted Slack and Smile ID and collected what it imported."""
LIBRARIES = (
    "aiohttp, anyascii, apscheduler.schedulers.asyncio, click, cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.ciphers.aead, cryptography.hazmat.primitives.kdf.hkdf, httpcore, httpx, PIL.Image",
    "PIL.ImageFilter, PIL.ImageStat, prometheus_client, pydantic_settings, rapidfuzz.distance, slack_bolt.async_app",
    "slack_bolt.adapter.starlette.async_handler, slack_sdk.web.async_client, sqlite_utils, starlette.applications",
    "structlog, uvicorn.protocols.http.auto, uvloop",
)
"""What the bot has imported of others when it listens; sqlite-utils without numpy, as the bot has it."""
PEER = f"""
import sys
sys.modules["numpy"] = None
import {", ".join(LIBRARIES)}
print("kyc-bot listens", flush=True)
sys.stdin.read()
"""


def figures() -> list[Figure]:
    return asyncio.run(_figures())


async def _figures() -> list[Figure]:
    own, peer = list[tuple[float, float]](), list[tuple[float, float]]()
    async with site(start=False) as there:
        for turn in range(ROUNDS + 1):
            for found, command, environment in (
                (own, [*KYC_BOT, "serve"], there.environment),
                (peer, [sys.executable, "-c", PEER], bare()),
            ):
                costs = await _started(command, environment)
                if turn:  # the first makes the database, and reads all from the disk
                    found.append(costs)
    works = (("start of `kyc-bot serve`, by the processor's time", 0, 1.25), ("idle memory", 1, 1.2))
    return [
        Figure(
            work=work,
            beside="importing its libraries",
            rounds=[ours[which] / theirs[which] for ours, theirs in zip(own, peer, strict=True)],
            unit="×",
            goal=Goal.AT_MOST,
            bound=bound,
            by_processor=True,
        )
        for work, which, bound in works
    ]


async def _started(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of the processor until the first line, and the memory in MB a moment later."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(environment), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)
        assert b"listens" in line, line
        seconds = _processor_seconds(process.pid)
        await asyncio.sleep(IDLE_SECONDS)
        return seconds, _resident_megabytes(process.pid)
    finally:
        process.kill()
        await process.wait()


def _processor_seconds(pid: int) -> float:
    """Of all its threads, in the kernel too (proc(5): utime and stime are fields 14 and 15, counted in ticks)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _resident_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
