"""The bot's process is killed at the moment at which a commit would reach the disk, at each of them.

The kernel kills it on its way into the n-th fdatasync or fsync of a thread: what was written is in the file, whoever
waited for the commit never heard of it. Only what happens at that thread's other commits lies between two points.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.counts import Counts
from tests.faults.kept_up import kept_up
from tests.strace import why_not

pytestmark = pytest.mark.anyio

AT_ONCE = 4
SYNCS = "fdatasync,fsync"
SAMPLE = (3, 8, 13, 17, 21)


@pytest.fixture(scope="module", autouse=True)
def _needs_strace() -> None:
    if reason := why_not():
        print(f"\n{reason}: kills at commits are not played")
        pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Strace:
    """The first start runs under it; those after it run as they always do."""

    log: Path
    options: Sequence[str] = ()

    def __call__(self, start: int) -> list[str]:
        if start:
            return []
        return ["strace", "-f", "-qq", "-e", f"trace={SYNCS}", *self.options, "-o", str(self.log)]


async def commits_of_a_clean_run(folder: Path) -> int:
    log = folder / "clean.log"
    async with kept_up(wrap=Strace(log)) as bot:
        await bot.ask()
        counts = await bot.end()
    assert counts.clean, counts
    threads = Counter(re.findall(r"^(\d+) +f(?:data)?sync\(", log.read_text(encoding="utf-8"), re.MULTILINE))
    # One thread writes; the count that strace keeps is each thread's own.
    return max(threads.values())


async def killed_at(number: int, folder: Path) -> Counts:
    options = ["-e", f"inject={SYNCS}:signal=SIGKILL:when={number}"]
    async with kept_up(wrap=Strace(folder / f"{number}.log", options)) as bot:
        await bot.ask()
        counts = await bot.end()
        counts.faults = bot.starts - 1
    return counts


@pytest.mark.sample
@pytest.mark.parametrize("number", SAMPLE)
async def test_a_bot_killed_at_this_commit_loses_nothing_and_doubles_nothing(number: int, tmp_path: Path) -> None:
    counts = await killed_at(number, tmp_path)
    print(f"\nkilled at commit {number}: {counts}")
    assert counts.clean, counts
    assert counts.faults == 1


@pytest.mark.all_faults
async def test_a_bot_killed_at_any_commit_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    total = await commits_of_a_clean_run(tmp_path)
    seats = asyncio.Semaphore(AT_ONCE)

    async def seated(number: int) -> Counts:
        async with seats:
            try:
                return await killed_at(number, tmp_path)
            except Exception as fault:  # noqa: BLE001 - the others are worth knowing all the same
                return Counts(asked=1, lost=1, details=[f"commit {number}: {fault!r}"])

    ends = await asyncio.gather(*map(seated, range(1, total + 1)))
    print(f"\nkilled at each of {total} commits: {sum(ends, Counts())}")
    assert [f"commit {n}: {counts}" for n, counts in enumerate(ends, start=1) if not counts.clean] == []
    # How many there are depends on what came together; of the last ones some may not come.
    assert sum(counts.faults for counts in ends) >= total * 0.8
