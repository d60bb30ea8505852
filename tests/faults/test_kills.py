"""The bot's process is killed where it talks to the world, started again on its database, and nothing comes of it.

Points are addressed by call and occurrence, since with several things going on at once a bare count means something
else in each run. A clean run says which points there are.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack.faults import Kind
from bot.sandbox.smile_id import Fault
from tests.faults.counts import Counts
from tests.faults.kept_up import KeptUp, kept_up

pytestmark = pytest.mark.anyio

AT_ONCE = 4
SMILE_ID_CALLS = frozenset({"upload", "put", "job_status", "products_config"})
MOMENTS = ("before", "after", "answered")
Strike = Callable[[str], str | None]
"""Asked at each request, by its call: the moment at which the bot dies there, if it does."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th request of one call, and how far the other side was when the process died."""

    call: str
    number: int
    when: str
    """`before` acting, `after` acting, or `answered`: the answer had left."""

    def __str__(self) -> str:
        return f"{self.call}-{self.number}-{self.when}"


SAMPLE = [
    Point("files.info", 2, "before"),
    Point("files.download", 1, "after"),
    Point("upload", 1, "before"),
    Point("upload", 1, "after"),
    Point("upload", 1, "answered"),
    Point("put", 1, "before"),
    Point("put", 1, "after"),
    Point("put", 1, "answered"),
    Point("job_status", 1, "before"),
    Point("job_status", 1, "answered"),
    Point("chat.postMessage", 1, "before"),
    Point("chat.postMessage", 1, "after"),
    Point("conversations.replies", 1, "after"),
    Point("chat.postMessage", 2, "before"),
    Point("chat.postMessage", 2, "after"),
    Point("chat.update", 1, "after"),
]


def set_on(bot: KeptUp, strike: Strike) -> None:
    """Have the stand-ins kill the bot where `strike` says."""

    def at_slack(method: str, _number: int) -> SlackFault | None:
        match strike(method):
            case None:
                return None
            case "before":
                # Nothing is done for a caller that died first.
                return SlackFault(kind=Kind.RESET_BEFORE, run_before=bot.kill)
            case "after":
                return SlackFault.call(after=bot.kill)
            case _:
                return SlackFault.call(answered=bot.kill)

    def at_smile_id(call: str, _number: int) -> Fault | None:
        match strike(call):
            case None:
                return None
            case "before":
                return Fault.call(before=bot.kill)
            case "after":
                return Fault.call(after=bot.kill)
            case _:
                return Fault.call(answered=bot.kill)

    bot.world.slack.fault = at_slack
    bot.world.smile_id.fault = at_smile_id


async def play(point: Point | None) -> tuple[Counts, Counter[str]]:
    """One check from the form to its result, with the process killed at `point`; and the requests of each call."""
    seen: Counter[str] = Counter()

    def strike(call: str) -> str | None:
        seen[call] += 1
        here = point is not None and (call, seen[call]) == (point.call, point.number)
        return point.when if here and point is not None else None

    async with kept_up(prepare=lambda bot: set_on(bot, strike)) as bot:
        await bot.ask()
        return await bot.end(), seen


async def play_all(points: Sequence[Point], one: Callable[[Point], Awaitable[Counts]]) -> dict[Point, Counts]:
    """Several at a time, since most of each is waiting; what goes wrong in one is its own."""
    seats = asyncio.Semaphore(AT_ONCE)

    async def seated(point: Point) -> Counts:
        async with seats:
            try:
                counts = await one(point)
            except Exception as fault:  # noqa: BLE001 - the others are worth knowing all the same
                counts = Counts(asked=1, lost=1, details=[f"{point}: {fault!r}"])
            return counts

    return dict(zip(points, await asyncio.gather(*map(seated, points)), strict=True))


async def test_a_bot_that_nobody_kills_tells_one_result_and_the_sample_holds_only_points_that_it_passes() -> None:
    counts, seen = await play(None)
    print(f"\nno fault at all: {counts}")
    assert counts.clean, counts
    assert {(point.call, point.number) for point in SAMPLE} <= {
        (call, n + 1) for call in seen for n in range(seen[call])
    }
    assert set(seen) >= SMILE_ID_CALLS | {"chat.postMessage", "chat.update", "files.download"}


@pytest.mark.sample
@pytest.mark.parametrize("point", SAMPLE, ids=str)
async def test_a_bot_killed_here_loses_nothing_and_doubles_nothing(point: Point) -> None:
    counts, _seen = await play(point)
    print(f"\nkilled at {point}: {counts}")
    assert counts.clean, counts
    assert counts.faults == 1


@pytest.mark.all_faults
@pytest.mark.parametrize("when", MOMENTS)
async def test_a_bot_killed_at_any_request_loses_nothing_and_doubles_nothing(when: str) -> None:
    _counts, seen = await play(None)
    points = [Point(call, n + 1, when) for call, times in sorted(seen.items()) for n in range(times)]

    async def one(point: Point) -> Counts:
        counts, _seen = await play(point)
        if not counts.faults:
            counts.details.append(f"{point} was not reached")
        return counts

    ends = await play_all(points, one)
    print(f"\nkilled at every request, {when}: {sum(ends.values(), Counts())}")
    assert [f"{point}: {counts}" for point, counts in ends.items() if not counts.clean] == []
    assert sum(counts.faults for counts in ends.values()) >= len(points) * 0.9


@pytest.mark.parametrize(
    ("checks", "kills"),
    [
        pytest.param(20, 2, marks=pytest.mark.sample),
        pytest.param(200, 20, marks=pytest.mark.all_faults),
    ],
)
async def test_a_bot_killed_about_every_tenth_check_loses_nothing_and_doubles_nothing(checks: int, kills: int) -> None:
    rng = random.Random(20)
    armed = [rng.choice(MOMENTS) for _ in range(kills)]
    due = 0

    def strike(_call: str) -> str | None:
        """Die at some request after each tenth form."""
        if armed and due > kills - len(armed) and rng.random() < 0.2:
            return armed.pop()
        return None

    async with kept_up(
        prepare=lambda bot: set_on(bot, strike),
        posts_per_second=18,
    ) as bot:
        for number in range(checks):
            due = (number + 5) * kills // checks
            await bot.ask()
        due = kills
        counts = await bot.end()
    print(f"\nkilled about every tenth check: {counts}")
    assert counts.clean, counts
    assert counts.asked == checks
    assert counts.faults == kills
