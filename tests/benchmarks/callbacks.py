"""Callbacks: first ones until their durable 200, repeats, and all that one costs until its check is told.

Beside them a handler that reads the body and does nothing. Both are processes of their own; this one sends.
"""

import asyncio
import json
import os
import random
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bot.sandbox.demo import free_port
from bot.sandbox.smile_id import SandboxJob, SmileIDSandbox
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import ROUNDS, percentile
from tests.journeys.asking import ask_for
from tests.journeys.site import Site, site
from tests.journeys.smile import message, written

AT_ONCE = 32
CHECKS = 100
"""Whose first callback comes in one round: enough that the 99th percentile is not simply the slowest."""
REPEATS = 5
"""Of each of them, and of what the bare handler gets."""
PATIENCE_SECONDS = 300.0
BARE = "bare handler"


@dataclass(slots=True)
class Strike:
    """What a volley of requests met with."""

    seconds: float
    waits: list[float] = field(default_factory=list)
    """Of each request, in seconds."""

    @property
    def rate(self) -> float:
        return len(self.waits) / self.seconds


def figures() -> list[Figure]:
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    async with (
        bare() as port,
        site(story="never", start=False, pace=1_000, KYC_POLL_AFTER="1h", KYC_CONFIRM_WAIT="30m") as world,
    ):
        await _prepare(world, CHECKS * (ROUNDS + 1))
        jobs, rounds = list(world.smile_id.jobs.values()), _Rounds(world, port)
        for number in range(ROUNDS + 1):
            await rounds.play(jobs[number * CHECKS : (number + 1) * CHECKS], counts=number > 0)
    return rounds.figures()


@dataclass(slots=True)
class _Rounds:
    world: Site
    bare_port: int
    peers: list[Strike] = field(default_factory=list)
    first: list[Strike] = field(default_factory=list)
    again: list[Strike] = field(default_factory=list)
    anew: list[Strike] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    """Milliseconds of the bot's processors for each check, from its callback to its last post."""
    commits: list[float] = field(default_factory=list)
    told: int = 0

    async def play(self, jobs: Sequence[SandboxJob], *, counts: bool) -> None:
        """The bare handler, then these checks' first callbacks, all that follows from them, and their repeats."""
        smile_id = self.world.smile_id
        letters = [letter(smile_id, job) for job in jobs]
        peer = await strike(self.bare_port, letters * REPEATS)
        before, commits = self._processor(), await self._commits()
        first = await strike(self._port, letters)
        await self._until_told(self.told + len(jobs))
        spent = (self._processor() - before) / len(jobs) * 1e3
        commits = (await self._commits() - commits) / len(jobs)
        self.told += len(jobs)
        again = await strike(self._port, _shuffled(letters * REPEATS))
        anew = await strike(self._port, _shuffled([letter(smile_id, job) for job in jobs for _ in range(REPEATS)]))
        if counts:
            self.peers.append(peer)
            self.first.append(first)
            self.again.append(again)
            self.anew.append(anew)
            self.spent.append(spent)
            self.commits.append(commits)

    def figures(self) -> list[Figure]:
        of = {
            f"first callback to its durable 200, {AT_ONCE} at once": (self.first, 0.15, 30.0),
            f"repeated callback, {AT_ONCE} at once": (self.again, 0.30, 20.0),
            f"the same, signed anew, {AT_ONCE} at once": (self.anew, 0.30, 20.0),
        }
        found = []
        for work, (strikes, share, most_ms) in of.items():
            rates = [ours.rate / peer.rate for ours, peer in zip(strikes, self.peers, strict=True)]
            slowest = [percentile(ours.waits, 0.99) * 1e3 for ours in strikes]
            found += [
                Figure(work=work, beside=BARE, rounds=rates, unit="×", goal=Goal.AT_LEAST, bound=share),
                Figure(work=f"{work}: 99th percentile", rounds=slowest, unit="ms", goal=Goal.AT_MOST, bound=most_ms),
            ]
        whole = "a check, from its callback to its posts"
        return [
            *found,
            Figure(work=f"{whole}: processor", rounds=self.spent, unit="ms", goal=Goal.AT_MOST, bound=8.0),
            Figure(work=f"{whole}: commits", rounds=self.commits, unit="", goal=Goal.AT_MOST, bound=7.0),
        ]

    @property
    def _port(self) -> int:
        return int(self.world.environment["KYC_PORT"])

    def _processor(self) -> float:
        assert self.world.process is not None
        stat = Path(f"/proc/{self.world.process.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def _commits(self) -> float:
        async with aiohttp.ClientSession() as http, http.get(f"{self.world.admin}/metrics") as answer:
            found = re.search(r"^kyc_commit_group_size_count (\S+)$", await answer.text(), re.MULTILINE)
        assert found is not None
        return float(found[1])

    async def _until_told(self, checks: int) -> None:
        """Until so many checks have ended, and nothing more is to be said."""
        sql = """
            SELECT (SELECT COUNT(*) FROM verifications WHERE ended_at IS NOT NULL),
                   (SELECT COUNT(*) FROM posts WHERE state = 'due')
            """
        with closing(sqlite3.connect(f"file:{self.world.database}?mode=ro", uri=True)) as db:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    if db.execute(sql).fetchone() == (checks, 0):
                        return
                    await asyncio.sleep(0.1)


async def _prepare(world: Site, checks: int) -> None:
    """So many checks whose photos are at Smile ID, which has the result on record and has not called yet."""
    await ask_for(world.slack, world.environment, checks)
    await world.start()
    jobs = world.smile_id.jobs
    await world.wait_for(
        lambda: len(jobs) == checks and all(job.processed for job in jobs.values()), timeout_seconds=PATIENCE_SECONDS
    )
    await world.wait_for_posts(timeout_seconds=PATIENCE_SECONDS)
    # After each was sent the bot asks once, early: a result that it is given then leaves nothing for the callback.
    await world.wait_for_asks(timeout_seconds=PATIENCE_SECONDS)
    for job in jobs.values():
        job.record[:] = [message(job, "0810")]


@asynccontextmanager
async def bare() -> AsyncIterator[int]:
    """The port of a bare handler."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.bare", str(port))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break
        yield port
    finally:
        process.terminate()
        await process.wait()


def letter(smile_id: SmileIDSandbox, job: SandboxJob) -> bytes:
    """The callback that approves a check: a whole request, signed now."""
    stamp = written(datetime.now(UTC))
    body = json.dumps({**message(job, "0810"), "timestamp": stamp, "signature": smile_id.sign(stamp)}).encode()
    head = f"POST {urlsplit(job.callback_url).path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}"
    return b"%b\r\n\r\n%b" % (head.encode(), body)


async def strike(port: int, letters: Sequence[bytes]) -> Strike:
    """Send all of them over `AT_ONCE` connections, or one each; all are open by then, and each must be answered 200."""
    waiting, waits = iter(letters), list[float]()
    doors = [await asyncio.open_connection("127.0.0.1", port) for _ in range(min(AT_ONCE, len(letters)))]

    async def postman(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in waiting:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            waits.append(time.perf_counter() - began)
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert b"content-length: 0\r\n" in head, head
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(postman(*door) for door in doors))
    return Strike(time.perf_counter() - began, waits)


def _shuffled(letters: list[bytes]) -> list[bytes]:
    random.Random(len(letters)).shuffle(letters)
    return letters
