"""Smile ID, Slack, the disk and the clock break while checks are on their way, and nothing comes of it."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from storage.engine.database import Transaction
from tests.faults.counts import Counts
from tests.faults.weather import HANG_SECONDS, Weather, weather
from tests.patience import GIVE_UP_SECONDS
from tests.raw_sqlite import raw

pytestmark = pytest.mark.anyio

SMILE_ID_FAULTS: dict[str, Callable[[], Fault]] = {
    "500": lambda: Fault.status(500),
    "429": lambda: Fault.rate_limited(2),
    "silence": lambda: Fault.hang_before(HANG_SECONDS),
    "silence after acting": lambda: Fault.hang_after(HANG_SECONDS),
    "a reset": Fault.reset_before,
    "a reset after acting": Fault.reset_after,
    "half an answer": Fault.half_answer,
}
SLACK_FAULTS: dict[str, Callable[[], SlackFault]] = {
    "500": lambda: SlackFault.status(500),
    "429": lambda: SlackFault.rate_limited(2),
    "silence": lambda: SlackFault.hang_before(HANG_SECONDS),
    "silence after acting": lambda: SlackFault.hang_after(HANG_SECONDS),
    "a reset": SlackFault.reset_before,
    "a reset after acting": SlackFault.reset_after,
    "half an answer": SlackFault.half_answer,
}
WORK = frozenset(
    {"chat.postMessage", "chat.update", "conversations.replies", "conversations.history", "files.download"}
)
"""What the bot does by itself. Opening and filling forms is left alone, since nobody tries again for these people."""


def tell(what: str, counts: Counts) -> None:
    print(f"\n{what}: {counts}")
    assert counts.clean, counts


@pytest.mark.parametrize(
    ("checks", "kinds"),
    [
        pytest.param(10, sorted(SMILE_ID_FAULTS), id="all-kinds"),
        *(pytest.param(30, [kind], id=kind, marks=pytest.mark.all_faults) for kind in SMILE_ID_FAULTS),
        pytest.param(30, sorted(SMILE_ID_FAULTS), id="30-all-kinds", marks=pytest.mark.all_faults),
    ],
)
async def test_smile_id_failing_at_every_third_request_loses_nothing_and_doubles_nothing(
    tmp_path: Path, checks: int, kinds: list[str]
) -> None:
    rng = random.Random(3)
    async with weather(tmp_path) as it:

        def fault(_call: str, _number: int) -> Fault | None:
            # Then the weather clears: a check whose every try met a fault by chance, twenty times, is rightly given up.
            if it.faults >= 2 * checks or rng.random() >= 1 / 3:
                return None
            it.faults += 1
            return SMILE_ID_FAULTS[rng.choice(kinds)]()

        it.world.smile_id.fault = fault
        for _check in range(checks):
            await it.ask()
        it.begin()
        counts = await it.end(speed=100)
    tell(f"Smile ID answers a third with {', '.join(kinds)}", counts)
    assert counts.faults >= checks / 2


@pytest.mark.parametrize(
    ("checks", "kinds"),
    [
        pytest.param(10, sorted(SLACK_FAULTS), id="all-kinds"),
        *(pytest.param(30, [kind], id=kind, marks=pytest.mark.all_faults) for kind in SLACK_FAULTS),
        pytest.param(30, sorted(SLACK_FAULTS), id="30-all-kinds", marks=pytest.mark.all_faults),
    ],
)
async def test_slack_failing_at_every_third_request_loses_nothing_and_doubles_nothing(
    tmp_path: Path, checks: int, kinds: list[str]
) -> None:
    rng = random.Random(4)
    async with weather(tmp_path) as it:

        def fault(method: str, _number: int) -> SlackFault | None:
            if method not in WORK or rng.random() >= 1 / 3:
                return None
            it.faults += 1
            return SLACK_FAULTS[rng.choice(kinds)]()

        it.world.slack.fault = fault
        for _check in range(checks):
            await it.ask()
        it.begin()
        counts = await it.end()
    tell(f"Slack answers a third with {', '.join(kinds)}", counts)
    assert counts.faults >= checks / 2


def _full(tx: Transaction) -> None:
    (pages,) = raw(tx).execute("PRAGMA page_count").fetchone()
    raw(tx).execute(f"PRAGMA max_page_count = {pages}")


def _roomy(tx: Transaction) -> None:
    raw(tx).execute("PRAGMA max_page_count = 1000000")


async def _fill(it: Weather) -> None:
    await it.world.bot.database.write(_full)


@pytest.mark.parametrize("call", ["upload", "put", "job_status", "chat.postMessage", "chat.update"])
async def test_a_disk_that_is_full_for_a_while_loses_nothing_and_doubles_nothing(tmp_path: Path, call: str) -> None:
    """It fills up when the other side has acted and before the bot can write that down."""
    async with weather(tmp_path) as it:
        full = asyncio.Event()

        async def fill() -> None:
            if not full.is_set():
                full.set()
                it.faults += 1
                await _fill(it)

        it.world.slack.fault = lambda name, _number: SlackFault.call(after=fill) if name == call else None
        it.world.smile_id.fault = lambda name, _number: Fault.call(after=fill) if name == call else None
        for _check in range(5):
            await it.ask()
        it.begin()
        await asyncio.wait_for(full.wait(), GIVE_UP_SECONDS)
        await it.let_go_on(3)
        await it.world.bot.database.write(_roomy)
        counts = await it.end(speed=60)
    tell(f"the disk full after {call}", counts)
    assert counts.faults == 1


@pytest.mark.parametrize("seconds", [1.0, 7.0])
@pytest.mark.parametrize("call", ["put", "chat.postMessage"])
async def test_a_database_that_another_program_locks_loses_nothing_and_doubles_nothing(
    tmp_path: Path, call: str, seconds: float
) -> None:
    """For less, and for more, than the bot waits for the lock."""
    async with weather(tmp_path) as it:
        locked = asyncio.Event()

        async def lock() -> None:
            if not locked.is_set():
                locked.set()
                it.faults += 1
                stack.enter_context(closing(await asyncio.to_thread(_hold, it.world.bot.settings.database_file)))

        it.world.slack.fault = lambda name, _number: SlackFault.call(after=lock) if name == call else None
        it.world.smile_id.fault = lambda name, _number: Fault.call(after=lock) if name == call else None
        with ExitStack() as stack:
            for _check in range(5):
                await it.ask()
            it.begin()
            await asyncio.wait_for(locked.wait(), GIVE_UP_SECONDS)
            await it.let_go_on(seconds, speed=1)
        counts = await it.end(speed=60)
    tell(f"the database locked for {seconds:g} s after {call}", counts)
    assert counts.faults == 1


def _hold(database: Path) -> sqlite3.Connection:
    other = sqlite3.connect(database, timeout=5, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


JUMPS = [
    (call, when, hours)
    for call in ("files.download", "upload", "put", "job_status", "chat.postMessage", "chat.update")
    for when in ("before", "after")
    for hours in (1, -1)
]
SAMPLE = {("put", "before", 1), ("put", "after", -1), ("chat.postMessage", "before", 1), ("files.download", "after", 1)}


@pytest.mark.parametrize(
    ("call", "when", "hours"),
    [pytest.param(*jump, marks=() if jump in SAMPLE else pytest.mark.all_faults) for jump in JUMPS],
)
async def test_a_clock_that_jumps_an_hour_loses_nothing_and_doubles_nothing(
    tmp_path: Path, call: str, when: str, hours: int
) -> None:
    async with weather(tmp_path) as it:

        async def jump() -> None:
            if not it.faults:
                it.faults += 1
                it.world.clock.move(hours=hours)
                # Whoever looks for work now finds leases that have run out.
                await asyncio.sleep(0.4)

        slack_fault = SlackFault.call(before=jump) if when == "before" else SlackFault.call(after=jump)
        smile_id_fault = Fault.call(before=jump) if when == "before" else Fault.call(after=jump)
        it.world.slack.fault = lambda name, _number: slack_fault if name == call else None
        it.world.smile_id.fault = lambda name, _number: smile_id_fault if name == call else None
        for _check in range(5):
            await it.ask()
        it.begin()
        counts = await it.end(speed=300)
    tell(f"the clock jumps {hours:+} h {when} {call}", counts)
    assert counts.faults == 1
