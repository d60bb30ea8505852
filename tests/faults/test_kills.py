"""The bot's process is killed where it talks to the world, started again on its database, and nothing comes of it.

Points are addressed by call and occurrence, since with several things going on at once a bare count means something
else in each run. A clean run says which points there are; of these a sample is played, several sites at a time.
"""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest

from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack.faults import Kind
from bot.sandbox.smile_id import Fault
from tests.journeys.site import Site, site
from tests.journeys.world import ADMIN, REVIEW_CHANNEL

pytestmark = pytest.mark.anyio

AT_ONCE = 4
SMILE_ID_CALLS = frozenset({"upload", "put", "job_status"})


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th request of one call, and whether the other side had acted on it when the process died."""

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


@dataclass(slots=True, kw_only=True)
class Played:
    """What stood at the end of one run."""

    kills: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    roots: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    elsewhere: int = 0
    """Messages anywhere but in the request's thread."""
    uploads_by_job: dict[str, int] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    """Job ids that Smile ID was ever asked to take."""
    fault: BaseException | None = None


class Assassin:
    """Kills the bot's process at one point, once, and has it started again."""

    def __init__(self, world: Site, point: Point | None) -> None:
        self.world = world
        self.point = point
        self.seen: Counter[str] = Counter()
        self.kills = 0
        self.up = asyncio.Event()
        self.up.set()
        self._restart: asyncio.Task[None] | None = None
        world.slack.fault = self._at_slack
        world.smile_id.fault = self._at_smile_id

    async def _kill(self) -> None:
        self.kills += 1
        self.up.clear()
        await self.world.kill()
        self._restart = asyncio.create_task(self._start_again())

    async def _start_again(self) -> None:
        await self.world.start()
        self.up.set()

    def _is_here(self, call: str) -> bool:
        self.seen[call] += 1
        point = self.point
        return point is not None and (call, self.seen[call]) == (point.call, point.number) and not self.kills

    def _at_slack(self, method: str, _number: int) -> SlackFault | None:
        if not self._is_here(method):
            return None
        assert self.point is not None
        if self.point.when == "before":
            return SlackFault(kind=Kind.RESET_BEFORE, run_before=self._kill)
        return SlackFault.call(after=self._kill)

    def _at_smile_id(self, call: str, _number: int) -> Fault | None:
        if not self._is_here(call):
            return None
        assert self.point is not None
        match self.point.when:
            case "before":
                return Fault.call(before=self._kill)
            case "after":
                return Fault.call(after=self._kill)
            case _:
                return Fault.call(answered=self._kill)

    async def ask(self) -> None:
        """Send the form; where the process died before it could answer, send it again, as a person would."""
        modal = await self.world.form()
        for _try in range(5):
            if (await modal.submit()).closed:
                return
            await asyncio.sleep(0.1)
            await self.up.wait()
        raise AssertionError("the form was never taken")


async def play(point: Point | None) -> Played:
    """One check from the form to its result, with the process killed at `point`."""
    async with site(socket_mode=False) as world:
        assassin = Assassin(world, point)
        await assassin.ask()
        await world.wait_for(lambda: any("Approved" in text for text in world.replies()), timeout_seconds=60)
        await assassin.up.wait()
        await world.wait_for_the_end(60)
        slack, smile_id = world.slack, world.smile_id
        others = [REVIEW_CHANNEL, *(channel for channel in slack.channels if channel.startswith("D"))]
        return Played(
            kills=assassin.kills,
            requests=assassin.seen,
            roots=world.roots(),
            replies=world.replies(),
            elsewhere=sum(len(slack.messages(channel)) for channel in others)
            + sum(len(slack.direct_messages(person)) for person in (ADMIN, ANALYST)),
            uploads_by_job={job.job_id: job.upload_count for job in smile_id.jobs.values()},
            announced={
                request.body["partner_params"]["job_id"]
                for request in smile_id.requests
                if request.call == "upload" and request.body
            },
        )


@pytest.fixture(scope="module")
async def played() -> dict[Point | None, Played]:
    """The clean run (None) and all of the sample, several at a time: most of each is waiting."""
    seats = asyncio.Semaphore(AT_ONCE)

    async def one(point: Point | None) -> Played:
        async with seats:
            try:
                return await play(point)
            except Exception as fault:  # noqa: BLE001 - it is this point's test that must fail
                return Played(fault=fault)

    points = [None, *SAMPLE]
    return dict(zip(points, await asyncio.gather(*map(one, points)), strict=True))


async def test_the_sample_holds_only_points_that_a_clean_run_passes(played: dict[Point | None, Played]) -> None:
    clean = played[None]
    assert clean.fault is None
    assert clean.kills == 0
    passed = set(
        itertools.chain.from_iterable([(call, n + 1) for n in range(times)] for call, times in clean.requests.items())
    )
    assert {(point.call, point.number) for point in SAMPLE} <= passed
    assert {call for call, _number in passed} >= SMILE_ID_CALLS | {"chat.postMessage", "chat.update", "files.download"}


@pytest.mark.parametrize("point", [None, *SAMPLE], ids=str)
async def test_a_bot_killed_here_loses_nothing_and_doubles_nothing(
    played: dict[Point | None, Played], point: Point | None
) -> None:
    end = played[point]
    assert end.fault is None, repr(end.fault)
    assert end.kills == (0 if point is None else 1)
    assert list(end.uploads_by_job.values()) == [1]
    assert end.announced == set(end.uploads_by_job)
    (root,) = end.roots
    assert "— Approved" in root
    (result,) = end.replies
    assert result.startswith("@amina Approved — identity confirmed")
    assert end.elsewhere == 0
