"""A check on PostgreSQL beside one on SQLite: with one instance and with two, near their server and far from it.

Three sites stand side by side: on SQLite, on a server, and on the same server behind a way that is made longer or
shorter (`distance`). In each round they take turns, so that what slows the machine slows all of them. The stand-ins and
the balancer of each site are in this process. At first every site has one instance, then the second ones come, and in
the end the server gets a standby whose word each commit waits for.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psycopg

from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Modal
from bot.sandbox.smile_id import SandboxJob
from tests.benchmarks.callbacks import letter, strike
from tests.benchmarks.distance import Line, line_to
from tests.benchmarks.figures import RATIO, Figure, Goal
from tests.faults.instances import Instance, Several, Store, several
from tests.faults.kept_up import filled_form
from tests.faults.stores import PostgresqlStore, SqliteStore
from tests.journeys.asking import ask_for
from tests.journeys.smile import message
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster, cluster, why_not
from tests.postgresql.cluster import address

ROUNDS = 3
BURST = 25
"""Checks of one round whose callbacks come at once."""
WHOLE = 3
"""Checks of one round that go their whole way one after the other."""
WARM_UP = 5
"""Checks at once in the round before the first, which is played for nothing, with a single one behind them."""
PINGS = 100
IDLE_SECONDS = 5.0
PREPARED_SECONDS = 400.0
"""However busy the machine is, nothing that checks are prepared by takes as long."""
LONGEST_SECONDS = 1_200.0
"""For all of it, which takes a quarter of that on an idle machine."""
QUICK_ANSWER_MS = 300.0
"""A tenth of the three seconds that Slack gives a form."""
SOON = timedelta(minutes=1)
ASK_AT = "SELECT MIN(ask_at) FROM attempts"
DUE = "SELECT COUNT(*) FROM posts WHERE state = 'due'"


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """A site: its instances on one database, and checks of which Smile ID has not told the result yet."""

    name: str
    world: Several
    address: str
    """By which its database is reached at once."""
    lines: Sequence[Line] = ()
    """Of each instance to the server."""
    jobs: Iterator[SandboxJob] = field(default_factory=lambda: iter(()))

    async def burst(self, checks: int) -> float:
        """Checks in a second, from the first callback of so many to the last of their results in Slack."""
        jobs = list(itertools.islice(self.jobs, checks))
        assert len(jobs) == checks, "more rounds are played than checks were prepared for"
        return checks / await self._tell(jobs)

    async def whole(self) -> tuple[float, float]:
        """Milliseconds of one check: from its form to the answer, and from its callback to its post."""
        smile_id, before = self.world.smile_id, len(self.world.smile_id.jobs)
        modal = await self._form()
        began = time.perf_counter()
        submission = await modal.submit()
        answered = time.perf_counter() - began
        if not submission.closed:
            raise RuntimeError(f"the form was not taken: {submission}")
        await smile_id.wait_for(lambda: len(smile_id.jobs) > before and _newest(smile_id.jobs).processed)
        job = _newest(smile_id.jobs)
        job.record[:] = [message(job, "0810")]
        return answered * 1e3, await self._tell([job]) * 1e3

    async def rest(self, patience: float = GIVE_UP_SECONDS) -> None:
        """Until nothing more is to be said: what one site has left to do would slow the next."""
        async with asyncio.timeout(patience):
            while int(await self.world.store.read(DUE)):  # noqa: ASYNC110 - a database tells nobody
                await asyncio.sleep(0.05)

    def round_trips(self, milliseconds: float) -> int:
        """So far, of all its instances, which are as far from the server from now on."""
        return sum(line.stretch(milliseconds) for line in self.lines)

    @property
    def instances(self) -> list[Instance]:
        """Those that run."""
        return [instance for instance in self.world.instances if instance.runs]

    async def _form(self) -> Modal:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while (modal := await filled_form(self.world.slack)) is None:
                pass
        return modal

    async def _tell(self, jobs: Sequence[SandboxJob]) -> float:
        """Seconds from the first of their callbacks, which come to all instances alike, to the last reply."""
        slack, instances = self.world.slack, self.instances
        letters = [letter(self.world.smile_id, job) for job in jobs]
        shares = [letters[number :: len(instances)] for number in range(len(instances))]
        before = len(slack.messages(CHANNEL))

        def told() -> bool:
            return sum(post.thread_ts is not None for post in slack.messages(CHANNEL)[before:]) >= len(jobs)

        began = time.perf_counter()
        await asyncio.gather(
            *(strike(instance.port, share) for instance, share in zip(instances, shares, strict=True) if share)
        )
        await slack.wait_for(told, GIVE_UP_SECONDS)
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round has said of one kind of site."""

    rate: float
    """Checks told in a second."""
    tell: float
    """Milliseconds from a callback to its post, of one check at a time."""
    answer: float
    """Milliseconds from a form that is sent to its answer."""
    round_trips: float | None = None
    """Of a check that goes its whole way alone, from its form to its last post; None where nobody counts them."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """All rounds of one kind of site."""

    name: str
    rounds: list[Round] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    """Of its rates to those of SQLite in the same rounds."""

    def note(self, found: Round, *, beside: Round) -> None:
        self.rounds.append(found)
        self.ratios.append(found.rate / beside.rate)


@dataclass(slots=True, kw_only=True)
class Kind:
    """One kind of site, and what its rounds have said."""

    tally: Tally
    place: Place
    milliseconds: float = 0.0
    """Added to each round trip, where the way to the server can be made longer."""

    async def play(self, *, burst: int = BURST, whole: int = WHOLE) -> Round:
        """One round, after which nothing more is to be said."""
        place = self.place
        place.round_trips(self.milliseconds)
        rate = await place.burst(burst)
        await place.rest()
        before = place.round_trips(self.milliseconds)
        found = [await place.whole() for _ in range(whole)]
        await place.rest()
        answers, tells = zip(*found, strict=True)
        return Round(
            rate=rate,
            tell=median(tells),
            answer=median(answers),
            round_trips=(place.round_trips(0.0) - before) / whole if place.lines else None,
        )


def _newest(jobs: Mapping[str, SandboxJob]) -> SandboxJob:
    return list(jobs.values())[-1]


@contextmanager
def at(what: str, instances: Sequence[Instance]) -> Iterator[None]:
    """Says of a failure where it was, and what the instances there had said last."""
    try:
        yield
    except BaseException as error:  # one that is cancelled has taken too long
        error.add_note(f"In the benchmark of PostgreSQL: {what}.")
        for instance in instances:
            said = instance.log.read_text(encoding="utf-8", errors="replace")[-2_000:] if instance.log.exists() else ""
            state = "runs" if instance.runs else "does not run"
            error.add_note(f"{instance.name} {state}. The end of its log:\n{said or '(nothing)'}")
        raise


@asynccontextmanager
async def sqlite_place(folder: Path) -> AsyncIterator[Place]:
    path = folder / "kyc.db"
    async with _several(SqliteStore(path), [str(path)]) as world:
        yield Place(name="SQLite", world=world, address=str(path))


@asynccontextmanager
async def server_place(server: Cluster, lines: Sequence[Line] = ()) -> AsyncIterator[Place]:
    """For two instances."""
    database = server.database()
    ports = [line.port for line in lines] or [server.port] * 2
    async with _several(PostgresqlStore(database, [server]), [address(database, port) for port in ports]) as world:
        name = "PostgreSQL behind a longer way" if lines else "PostgreSQL"
        yield Place(name=name, world=world, address=server.address(database), lines=lines)


def _several(store: Store, addresses: Sequence[str]) -> AbstractAsyncContextManager[Several]:
    """Of which none runs; Smile ID tells a result when it is made to, and the bot asks by itself after an hour."""
    return several(
        store, addresses, begin=False, story="never", pace=1_000, KYC_CONFIRM_WAIT="30m", KYC_POLL_AFTER="1h"
    )


async def prepare(place: Place, checks: int) -> None:
    """Start its first instance, and have the photos of so many checks at Smile ID, which has not told their results."""
    world = place.world
    # Slack and Smile ID's stand-ins need not find out which instance is calling them.
    world.slack.fault = world.smile_id.fault = None
    with at(f"preparing {checks} checks on {place.name}", world.instances):
        first, jobs = world.instances[0], world.smile_id.jobs
        await ask_for(world.slack, {**first.environment, "KYC_DATABASE": place.address}, checks)
        await begin(world, first)
        await world.smile_id.wait_for(
            lambda: len(jobs) == checks and all(job.processed for job in jobs.values()), PREPARED_SECONDS
        )
        await place.rest(PREPARED_SECONDS)
        await _asked_once(place)
    for job in jobs.values():
        job.record[:] = [message(job, "0810")]
    place.jobs = iter(list(jobs.values()))


async def _asked_once(place: Place) -> None:
    """After a check was sent the bot asks once, early: what it is told then leaves nothing for the callback."""
    async with asyncio.timeout(PREPARED_SECONDS):
        # It is the database that is waited for, and it tells nobody.
        while datetime.fromisoformat(await place.world.store.read(ASK_AT)) < datetime.now(UTC) + SOON:  # noqa: ASYNC110
            await asyncio.sleep(0.25)


async def begin(world: Several, instance: Instance) -> None:
    """Returns once it takes requests."""
    instance.begin()
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await world.balancer.wait_until_healthy(instance.port)


def figures() -> list[Figure]:
    if reason := why_not():
        sys.exit(reason)
    return asyncio.run(_figures())


async def _figures() -> list[Figure]:
    async with asyncio.timeout(LONGEST_SECONDS), AsyncExitStack() as stack:
        server = stack.enter_context(cluster())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lines = [stack.enter_context(line_to(server.port)) for _ in range(2)]
        sqlite = await stack.enter_async_context(sqlite_place(folder))
        near = await stack.enter_async_context(server_place(server))
        far = await stack.enter_async_context(server_place(server, lines))
        checks = ROUNDS * BURST + WARM_UP
        async with asyncio.TaskGroup() as group:
            for place, kinds in ((sqlite, 3), (near, 3), (far, 4)):
                group.create_task(prepare(place, kinds * checks))

        way = await asyncio.to_thread(_Way.measured, server, lines[0])
        on_sqlite = _kind("SQLite", sqlite)
        one = [
            _kind("one instance", near),
            _kind("one instance, 0.5 ms added", far, milliseconds=way.settings[0.5]),
            _kind("one instance, 2 ms added", far, milliseconds=way.settings[2.0]),
        ]
        two = [
            _kind("two instances", near),
            _kind("two instances, 0.5 ms added", far, milliseconds=way.settings[0.5]),
            _kind("two instances, 2 ms added", far, milliseconds=way.settings[2.0]),
        ]
        safe = [_kind("two instances, a synchronous standby", near)]
        idle = await _idle(far)
        await _rounds([on_sqlite, *one])
        for place in (near, far):
            with at("the second instance starts", place.world.instances):
                await begin(place.world, place.world.instances[1])
        await _rounds([on_sqlite, *two])
        await asyncio.to_thread(server.standby)
        await _rounds([on_sqlite, *safe])
        return [*figures_of([kind.tally for kind in (on_sqlite, *one, *two, *safe)]), *way.figures, idle]


def _kind(name: str, place: Place, *, milliseconds: float = 0.0) -> Kind:
    return Kind(tally=Tally(name=name), place=place, milliseconds=milliseconds)


async def _rounds(kinds: Sequence[Kind]) -> None:
    """All in turn, at first for nothing. The first of them is what the others are compared with."""
    for kind in kinds:
        with at(f"warming up {kind.tally.name}", kind.place.world.instances):
            await kind.play(burst=WARM_UP, whole=1)
    for turn in range(1, ROUNDS + 1):
        found = list[Round]()
        for kind in kinds:
            with at(f"round {turn} of {kind.tally.name}", kind.place.world.instances):
                found.append(await kind.play())
        for kind, one in zip(kinds, found, strict=True):
            kind.tally.note(one, beside=found[0])


@dataclass(frozen=True, slots=True)
class _Way:
    """How long a statement is under way that asks for nothing."""

    settings: Mapping[float, float]
    """What a line is stretched by, so that so many milliseconds are added: it takes a while by itself, too."""
    figures: Sequence[Figure]

    @classmethod
    def measured(cls, server: Cluster, line: Line) -> "_Way":
        itself = _pings(server.port)
        found, settings = {"nothing added": itself}, dict[float, float]()
        for milliseconds in (0.5, 2.0):
            line.stretch(milliseconds)
            too_much = median(_pings(line.port)) - median(itself) - milliseconds
            settings[milliseconds] = max(0.0, milliseconds - too_much)
            line.stretch(settings[milliseconds])
            found[f"{milliseconds:g} ms added"] = _pings(line.port)
        line.stretch(0.0)
        work = "round trip to the server"
        return cls(settings, [Figure(work=f"{work}, {name}", rounds=pings, unit="ms") for name, pings in found.items()])


def _pings(port: int) -> list[float]:
    with psycopg.connect(address("postgres", port), autocommit=True) as connection:
        return [median(_ping(connection) for _ in range(PINGS)) for _ in range(ROUNDS)]


def _ping(connection: "psycopg.Connection[tuple[object, ...]]") -> float:
    began = time.perf_counter()
    connection.execute("SELECT 1")
    return (time.perf_counter() - began) * 1e3


async def _idle(place: Place) -> Figure:
    before = place.round_trips(0.0)
    await asyncio.sleep(IDLE_SECONDS)
    found = (place.round_trips(0.0) - before) / IDLE_SECONDS
    return Figure(work="round trips of one instance that has nothing to do", rounds=[found], unit="/s")


def figures_of(tallies: Sequence[Tally]) -> list[Figure]:
    """By what is measured, one column after the other; the first of the sites is SQLite."""
    sqlite, *others = tallies
    answers = _each("a form to its answer", tallies, lambda one: one.answer, unit="ms")
    return [
        *_each(f"checks told, {BURST} at once", tallies, lambda one: one.rate, unit="/s"),
        *(
            Figure(work="of SQLite's rate", site=tally.name, beside=sqlite.name, rounds=tally.ratios, unit=RATIO)
            for tally in others
        ),
        *_each("one check, callback to post", tallies, lambda one: one.tell, unit="ms"),
        *(replace(figure, goal=Goal.AT_MOST, bound=QUICK_ANSWER_MS) for figure in answers),
        *_each("round trips of a check", tallies, lambda one: one.round_trips, unit=""),
    ]


def _each(work: str, tallies: Sequence[Tally], value: Callable[[Round], float | None], *, unit: str) -> list[Figure]:
    """A figure of each kind of site where this was measured."""
    rounds = {tally.name: [found for one in tally.rounds if (found := value(one)) is not None] for tally in tallies}
    return [Figure(work=work, site=site, rounds=found, unit=unit) for site, found in rounds.items() if found]
