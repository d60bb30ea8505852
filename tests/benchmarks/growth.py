"""What a large file makes slower: the same work beside 1,000 checks and beside `CHECKS`, a million unless said.

The files lie in build/ and are made once. The large one is worked on where it lies, and grows by a hundred checks each
time; of the small one a copy, since it would soon be another. Both are used in turn, so that both meet the machine's
moods.
"""

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlite_utils

from bot.domain.reporting.periods import Period, day_of, month_of
from bot.domain.reporting.summary_command import SummaryRequest
from storage.engine.database import Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import large_file
from tests.benchmarks import growth_processes
from tests.benchmarks.figures import RATIO, Figure, Goal
from tests.journeys.world import Journey, journey
from tests.storage.asked import Asking, asking, calls

BUILD = Path(__file__).parents[2] / "build"
FEW = 1_000
CHECKS_IN_A_ROUND = 10
ROUNDS = 5
ROUNDS_OF_CALLS = 9
ROUNDS_AT_LEAST = 3
LONGEST_SECONDS = 1.0
"""For the rounds of one call; those under way are ended."""
CERTAIN = 1.5
"""A call that takes no more times as long by then needs no further rounds."""
SHORTEST_SECONDS = 100e-6
"""Of a call; below that its ratio says more about Python than about the file."""

REASONS: Mapping[str, str] = {
    "check_facts.settled": "reads the checks of 30 days, which are as many as there are",
    "batches.unapproved_checks": "counts what one person sent of files, for each file: within a day, and here of 30",
    "erasures.countries": "once for each wish to erase, along one narrow index",
    "exports.count": "counts the checks of 30 days, once for each export, along one narrow index",
    "retention.ended_files": "gives every file that has ended since, each night: 2 in the small file, and 502",
    "trail_check.compare_records": "compares a page of 2,000 records, and the small file holds 1,000",
}
"""Calls that may grow, and why; see also WHOLE of tests/storage/test_plans.py."""


def figures() -> list[Figure]:
    checks = int(os.environ.get("CHECKS", "1_000_000"))
    beside = f"the same with {FEW:,} checks"
    say = f" with {checks:,} checks"
    many = _file(checks)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        few = Path(shutil.copy(_file(FEW), Path(folder) / "few.db"))
        grown = _calls(few, many)
        return [
            Figure(
                work=f"the call of storage that grows most, of {len(grown)} and but for {len(REASONS)},{say}",
                beside=beside,
                rounds=[max(grown.values())],
                unit=RATIO,
                goal=Goal.AT_MOST,
                bound=3,
            ),
            *asyncio.run(_whole(few, many, say, beside)),
            *growth_processes.figures(few, many, Path(folder), say, beside),
        ]


def _file(checks: int) -> Path:
    """With today's schema: it may have been made by an earlier version."""
    path = BUILD / f"growth-{checks}.db"
    if not path.exists():
        BUILD.mkdir(exist_ok=True)
        half = path.with_suffix(".part")
        half.unlink(missing_ok=True)
        large_file.make(half, checks=checks)
        half.rename(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(sqlite_utils.Database(db), Sealer.from_text([large_file.KEY]))
    return path


# Each call of storage


def _calls(few: Path, many: Path) -> dict[str, float]:
    """By function: how many times as long it takes, by the quickest of its rounds; what grows is said."""
    sealer = Sealer.from_text([large_file.KEY])
    grown: dict[str, float] = {}
    with asking(few, sealer) as small, asking(many, sealer) as large:
        ours, theirs = calls(small.known), calls(large.known)
        for name, ways in theirs.items():
            if name.startswith("rekey."):
                continue  # `kyc-bot rekey` goes through everything, once
            pairs = zip(ours[name], ways, strict=True)
            took = [_quickest(((small, one), (large, other))) for one, other in pairs]
            slow = [(large_s / small_s, large_s) for small_s, large_s in took if large_s > SHORTEST_SECONDS]
            grown[name] = max((ratio for ratio, _seconds in slow), default=1.0)
            if grown[name] > 3 and name not in REASONS:
                print(f"{name}: {grown[name]:.1f} x, {max(slow)[1] * 1000:.2f} ms", file=sys.stderr)
    return {name: ratio for name, ratio in grown.items() if name not in REASONS}


def _quickest(pair: Sequence[tuple[Asking, Callable[[Transaction], object]]]) -> tuple[float, float]:
    """Seconds of the processor with the small file and with the large one."""
    best = [float("inf"), float("inf")]
    until = time.perf_counter() + LONGEST_SECONDS
    for number in range(ROUNDS_OF_CALLS):
        is_plain = number >= ROUNDS_AT_LEAST and best[1] <= max(SHORTEST_SECONDS, CERTAIN * best[0])
        if is_plain or time.perf_counter() > until:
            break
        for place, (asked, call) in enumerate(pair):
            began = time.process_time()
            asked.once(call)
            best[place] = min(best[place], time.process_time() - began)
    return best[0], best[1]


# The whole bot


@dataclass(frozen=True, slots=True)
class _Place:
    world: Journey
    threads: Sequence[threading.Thread]
    """Of its database."""

    def stored(self) -> float:
        """CPU seconds of its database so far."""
        clocks = [time.pthread_getcpuclockid(thread.ident) for thread in self.threads if thread.ident]
        return sum(time.clock_gettime(clock) for clock in clocks)


@asynccontextmanager
async def _place(file: Path) -> AsyncIterator[_Place]:
    before = set(threading.enumerate())
    key = large_file.KEY
    async with journey(BUILD, KYC_DATABASE=str(file), KYC_ENCRYPTION_KEYS=key, KYC_SEEN_BEFORE="0") as world:
        world.has_thief = True  # at its end a journey compares all records: of a million, for minutes
        await world.bot.database.learned()  # what goes on behind a start is no check's
        await _one_check(world)  # every thread runs after that
        started = [thread for thread in threading.enumerate() if thread not in before]
        yield _Place(world, [thread for thread in started if thread.name.startswith("database")])


async def _whole(few: Path, many: Path, say: str, beside: str) -> list[Figure]:
    async with AsyncExitStack() as stack:
        small, large = [await stack.enter_async_context(_place(file)) for file in (few, many)]
        stored: list[float] = []
        whole: list[float] = []
        for _round in range(ROUNDS):
            costs = [await _checks(place) for place in (small, large)]
            stored.append(costs[1][0] / costs[0][0])
            whole.append(costs[1][1] / costs[0][1])
        yesterday = (datetime.now(UTC) - timedelta(days=2)).date()
        day = await _summed(large.world, day_of(yesterday))
        month = await _summed(large.world, month_of(yesterday).before())
    at_most: dict[str, Any] = {"unit": RATIO, "goal": Goal.AT_MOST}
    quick: dict[str, Any] = {"unit": "ms", "goal": Goal.AT_MOST}
    return [
        Figure(work=f"one check from form to result, its CPU{say}", beside=beside, rounds=whole, bound=1.2, **at_most),
        Figure(work="the database's share of it", beside=beside, rounds=stored, bound=1.2, **at_most),
        Figure(work=f"figures of a day{say}", rounds=day, bound=10, **quick),
        Figure(work=f"figures of a month{say}", rounds=month, bound=150, **quick),
    ]


async def _one_check(world: Journey) -> None:
    await world.ask(id_number="00000000001")
    await world.settle()


async def _checks(place: _Place) -> tuple[float, float]:
    """CPU seconds of a check: of the database, and of the bot with its stand-ins."""
    stored, whole = place.stored(), time.process_time()
    for _check in range(CHECKS_IN_A_ROUND):
        await _one_check(place.world)
    return place.stored() - stored, time.process_time() - whole


async def _summed(world: Journey, period: Period) -> list[float]:
    """Milliseconds, to the end of all that a summary says, once its days are summed."""
    took: list[float] = []
    request = SummaryRequest(period=period)
    await world.bot.summary.reports.read(request)
    for _round in range(ROUNDS):
        began = time.perf_counter()
        await world.bot.summary.reports.read(request)
        took.append((time.perf_counter() - began) * 1000)
    return took
