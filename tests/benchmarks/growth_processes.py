"""What commands take beside a large file.

`kyc-bot serve` until it listens, what people wait for while it sends files of customers, and the memory of
`kyc-bot backup`.
"""

import asyncio
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.demo import KYC_BOT, stop_bot
from tests import large_file
from tests.benchmarks.batches import slowest_form
from tests.benchmarks.figures import RATIO, Figure, Goal
from tests.journeys.site import bare, site
from tests.patience import GIVE_UP_SECONDS

STARTS = 3
ANOTHER_WORD_SECONDS = 60.0
"""How long a backup may say nothing to whoever waits before a terminal."""
LOOK_EVERY_SECONDS = 0.05
"""How often its memory is asked for."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One `kyc-bot backup` before a terminal."""

    seconds: float
    peak_megabytes: float
    silent_seconds: float
    """The longest time between two words of it."""


def figures(few: Path, many: Path, folder: Path, say: str, beside: str) -> list[Figure]:
    """Of two databases that no bot works on; `say` is what the second is called. `folder` has room for a copy of it."""
    ready = asyncio.run(_ready(many))
    small, large = (_backup(path) for path in (few, many))
    # Smile ID's stand-in never says what came of these files: thousands of checks are left open in the copy.
    moved = Path(shutil.copy(many, folder / "many.db"))
    form = asyncio.run(slowest_form(say, KYC_DATABASE=str(moved), KYC_ENCRYPTION_KEYS=large_file.KEY))
    return [
        form,
        Figure(work=f"`kyc-bot serve` until it listens{say}", rounds=ready, unit="s", goal=Goal.AT_MOST, bound=2),
        Figure(
            work=f"memory of `kyc-bot backup`{say}, at its highest",
            beside=beside,
            rounds=[large.peak_megabytes / small.peak_megabytes],
            unit=RATIO,
            goal=Goal.AT_MOST,
            bound=1.2,
        ),
        Figure(
            work=f"the same, the longest without a word (of {large.seconds:,.0f} s)",
            rounds=[large.silent_seconds],
            unit="s",
            goal=Goal.AT_MOST,
            bound=ANOTHER_WORD_SECONDS,
        ),
    ]


async def _ready(database: Path) -> list[float]:
    """Seconds from the start of the process to its word that it listens; the first round reads all from the disk."""
    took: list[float] = []
    async with site(start=False, KYC_ENCRYPTION_KEYS=large_file.KEY) as there:
        environment = {**there.environment, "KYC_DATABASE": str(database)}
        for turn in range(STARTS + 1):
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *KYC_BOT,
                "serve",
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                assert process.stdout is not None
                line = await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)
                assert b"listens" in line, line
                if turn:
                    took.append(time.perf_counter() - began)
            finally:
                await stop_bot(process, patience_seconds=GIVE_UP_SECONDS)
    return took


def _backup(database: Path) -> Backup:
    target = database.with_suffix(".backup")
    environment = {**bare(), "KYC_DATABASE": str(database), "KYC_ENCRYPTION_KEYS": large_file.KEY}
    try:
        return _before_a_terminal([*KYC_BOT, "backup", str(target)], environment)
    finally:
        target.unlink(missing_ok=True)


def _before_a_terminal(command: list[str], environment: Mapping[str, str]) -> Backup:
    terminal, end = os.openpty()
    began = said = time.perf_counter()
    silent = peak = 0.0
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    try:
        while True:
            is_said = bool(select.select([terminal], [], [], LOOK_EVERY_SECONDS)[0])
            peak = max(peak, _peak_megabytes(process.pid))
            if is_said and not _word(terminal):
                break
            if is_said:
                now = time.perf_counter()
                silent, said = max(silent, now - said), now
        assert process.wait() == 0, process.returncode
    finally:
        os.close(terminal)
        if process.returncode is None:
            process.kill()
            process.wait()
    ended = time.perf_counter()
    return Backup(ended - began, peak, max(silent, ended - said))


def _peak_megabytes(pid: int) -> float:
    """The most memory so far; nothing of a process that has ended.

    What `wait4` says of a child is no less than its parent had when it was started.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return sum(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _word(terminal: int) -> bytes:
    """The next that is said; nothing at the end."""
    try:
        return os.read(terminal, 4_096)
    except OSError:  # as Linux says that nobody holds the other end any more
        return b""
