"""`make soak MINUTES=10`: a mixed load with faults and kills for a while, and a table of what came of it.

Every check is asked for through the form, with a story of its own, by Socket Mode or by signed HTTP in turn. At the
end everything is counted from what the stand-ins saw; the exit code is 1 if anything was lost or doubled.
"""

import argparse
import asyncio
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import BOT_USER_ID, ClientRefuses
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from tests.journeys.site import Site, site
from tests.journeys.world import PHOTOS

ENDINGS: Mapping[str, str] = {
    "approved": "Approved",
    "rejected": "Rejected",
    "provisional_approved": "Approved",
    "provisional_rejected": "Rejected",
    "spoof": "Rejected",
    "authority_down": "No result",
    "no_face": "Rejected",
    "repeats": "Approved",
    "out_of_order": "Approved",
    "callback_first": "Approved",
    "silent": "Approved",
}
"""The stories that end by themselves, and how the message begins that ends them."""

ASK_EVERY_SECONDS = 1.5
KILL_EVERY_SECONDS = 60.0
ONE_IN = 12
"""How many requests there are to one fault."""
SETTLE_SECONDS = 240.0
REFERENCE = re.compile(r"K-\w{6}")


T = TypeVar("T")


class Weather:
    """Spoils one in so many requests of the bot while it lasts; counts what it did."""

    def __init__(self, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self.calm = False
        self._rng = rng

    def at_slack(self, method: str, _number: int) -> SlackFault | None:
        # Calls inside a listener fail for the person who waits; those have tests of their own.
        if not method.startswith(("chat.", "conversations.replies", "files.download")):
            return None
        return self._strike(
            {
                "429": lambda: SlackFault.rate_limited(1),
                "500": lambda: SlackFault.status(500),
                "reset before": SlackFault.reset_before,
                "reset after": SlackFault.reset_after,
                "slow": lambda: SlackFault.hang_after(1.0),
            }
        )

    def at_smile_id(self, call: str, _number: int) -> Fault | None:
        if call not in {"upload", "put", "job_status"}:
            return None
        return self._strike(
            {
                "429": lambda: Fault.rate_limited(1),
                "500": lambda: Fault.status(500),
                "reset before": Fault.reset_before,
                "reset after": Fault.reset_after,
                "slow": lambda: Fault.hang_after(1.0),
            }
        )

    def _strike(self, makers: Mapping[str, Callable[[], T]]) -> T | None:
        if self.calm or self._rng.randrange(ONE_IN):
            return None
        name = self._rng.choice(sorted(makers))
        self.counts[name] += 1
        return makers[name]()


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of one site's load."""

    checks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Seconds from the delivery of a final callback to its post."""
    memory_at_start: float = 0.0
    memory_at_end: float = 0.0


class Load:
    """One site under load: its asker, its weather, and whoever kills its process."""

    def __init__(self, world: Site, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.weather = Weather(rng)
        self.story_of: dict[str, str] = {}
        self.tally = Tally()

    async def run(self, seconds: float) -> Tally:
        world, until = self.world, time.monotonic() + seconds
        self.tally.memory_at_start = memory(world)
        world.slack.fault, world.smile_id.fault = self.weather.at_slack, self.weather.at_smile_id
        await asyncio.gather(self._ask_until(until), self._kill_until(until))
        self.weather.calm = True
        with suppress(TimeoutError):
            await world.wait_for_the_end(SETTLE_SECONDS)
        self.tally.memory_at_end = memory(world)
        self.tally.faults = self.weather.counts
        self._count()
        return self.tally

    async def _ask_until(self, until: float) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            number = f"{len(self.story_of) + 1:010d}0"
            story = self.rng.choice(sorted(ENDINGS))
            self.world.smile_id.stories_by_id_number[number] = story
            if await self._ask(number):
                self.story_of[number] = story
            await asyncio.sleep(max(0.0, ASK_EVERY_SECONDS - (time.monotonic() - begun)))

    async def _ask(self, number: str) -> bool:
        """One check; a form that breaks off is sent again, one that never opened is not counted."""
        try:
            modal = await self.world.form()
            await modal.fill("id_number", number)
        except (AssertionError, TimeoutError, ClientRefuses):
            return False
        if self.rng.random() < 0.3:
            amina = self.world.slack.person(ANALYST)
            names = [f"liveness_{n}.jpg" for n in range(8)]
            await modal.attach("liveness", *[await amina.upload((PHOTOS / name).read_bytes(), name) for name in names])
        for _try in range(60):
            if (await modal.submit()).closed:
                return True
            await asyncio.sleep(0.5)
        raise RuntimeError("a form was never taken")

    async def _kill_until(self, until: float) -> None:
        while time.monotonic() + KILL_EVERY_SECONDS < until:
            await asyncio.sleep(KILL_EVERY_SECONDS * self.rng.uniform(0.5, 1.0))
            await self.world.kill()
            self.weather.counts["SIGKILL"] += 1
            await self.world.start()

    def _count(self) -> None:
        """From what the stand-ins saw, and from nothing else."""
        slack, jobs = self.world.slack, self.world.smile_id.jobs.values()
        posts = [post for post in slack.messages(CHANNEL) if post.user == BOT_USER_ID]
        roots = {post.ts: REFERENCE.findall(slack.plain(post))[0] for post in posts if post.thread_ts is None}
        written = Counter(roots.values())
        endings: dict[str, list[tuple[str, float]]] = {ref: [] for ref in written}
        for post in posts:
            words = slack.plain(post)
            if post.thread_ts is not None and any(f" {word} —" in words for word in set(ENDINGS.values())):
                endings[roots[post.thread_ts]].append((words, float(post.ts)))
        tally = self.tally
        tally.checks = len(self.story_of)
        tally.doubled = [f"{ref}: asked twice" for ref, times in written.items() if times > 1]
        seen = Counter(str(job.partner_params["reference"]) for job in jobs)
        tally.doubled += [f"{ref}: two jobs" for ref, times in seen.items() if times > 1]
        tally.doubled += [f"{job.partner_params['reference']}: two zips" for job in jobs if job.upload_count > 1]
        tally.doubled += [f"{ref}: told twice" for ref, told in endings.items() if len(told) > 1]
        tally.lost = [f"number {len(self.story_of) - len(written)} never shown"] * (len(self.story_of) > len(written))
        story_of_ref = {str(job.partner_params["reference"]): job.story for job in jobs}
        for ref, told in endings.items():
            expected = ENDINGS.get(story_of_ref.get(ref, ""), "?")
            if not told or f" {expected} —" not in told[0][0]:
                tally.lost.append(f"{ref} ({story_of_ref.get(ref, 'not sent')}): {[words[:60] for words, _at in told]}")
        for job in jobs:
            told = endings.get(str(job.partner_params["reference"]), [])
            delivered = [
                datetime.fromisoformat(sent.body["timestamp"]).timestamp()
                for sent in self.world.smile_id.callbacks
                if sent.job_id == job.job_id and sent.status == 200
                if job.record and sent.body["ResultCode"] == job.record[-1]["ResultCode"]
            ]
            if told and delivered:
                tally.waits.append(max(0.0, told[0][1] - min(delivered)))


def memory(world: Site) -> float:
    """Resident memory of the bot's process, in MiB."""
    assert world.process is not None
    status = Path(f"/proc/{world.process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def table(tallies: Sequence[Tally], minutes: float) -> str:
    waits = sorted(wait for tally in tallies for wait in tally.waits)
    faults = sum((tally.faults for tally in tallies), Counter[str]())
    quantiles = statistics.quantiles(waits, n=100, method="inclusive") if len(waits) > 1 else [0.0] * 99
    rows = {
        "minutes of load": f"{minutes:g}",
        "checks": str(sum(tally.checks for tally in tallies)),
        "faults": f"{faults.total()} ({', '.join(f'{name} {times}' for name, times in sorted(faults.items()))})",
        "lost": str(sum(len(tally.lost) for tally in tallies)),
        "doubled": str(sum(len(tally.doubled) for tally in tallies)),
        "callback to post": f"p50 {quantiles[49]:.2f} s, p99 {quantiles[98]:.2f} s ({len(waits)} measured)",
        "memory at start": " / ".join(f"{tally.memory_at_start:.0f} MiB" for tally in tallies),
        "memory at end": " / ".join(f"{tally.memory_at_end:.0f} MiB" for tally in tallies),
    }
    return "\n".join(f"{name:<18} {value}" for name, value in rows.items())


async def soak(minutes: float, seed: int) -> int:
    """Two sites side by side, one by Socket Mode and one by signed HTTP."""
    async with AsyncExitStack() as stack:
        worlds = [
            await stack.enter_async_context(site(socket_mode=socket_mode, KYC_POLL_AFTER="20s", KYC_CONFIRM_WAIT="10m"))
            for socket_mode in (True, False)
        ]
        loads = [Load(world, random.Random(seed + number)) for number, world in enumerate(worlds)]
        tallies = await asyncio.gather(*(load.run(minutes * 60) for load in loads))
    print(table(tallies, minutes))
    wrong = [line for tally in tallies for line in (*tally.lost, *tally.doubled)]
    for line in wrong:
        print("  " + line)
    return 1 if wrong else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    sys.exit(asyncio.run(soak(min(chosen.minutes, 24 * 60), chosen.seed)))


if __name__ == "__main__":
    main()
