"""The parties of a journey: Slack and Smile ID played on the loopback, and a real bot between them.

`Journey` runs the bot inside the test, real handlers on a real port, with a clock that the test moves and workers that
the test lets work. Journeys of whole processes use `bot.sandbox.demo`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx

import handlers
from bot.domain.check.check import SearchFilter
from bot.domain.database_address import is_address, parse
from bot.domain.trail import ACTS
from bot.errors import DatabaseFault
from bot.runtime.bot import Bot, Timeouts
from bot.runtime.factory import build
from bot.runtime.server import connections_of, listen, serve_asgi
from bot.runtime.socket_mode import SocketMode
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, Message, Modal, Person, SlackSandbox, Submission
from bot.sandbox.smile_id import SandboxJob, SmileIDSandbox
from bot.settings import Settings
from bot.slack.blocks import ids
from bot.smile_id.interface import SmileID
from storage import checks, search
from storage.engine.database import Transaction
from storage.engine.sealing import Sealer
from tests import engines
from tests.patience import GIVE_UP_SECONDS

PHOTOS = Path(__file__).parents[2] / "bot" / "sandbox" / "data" / "photos"
SELFIE = (PHOTOS / "selfie.jpg").read_bytes()
REVIEWER = "U0REMI00001"
ADMIN = "U0MUSA00001"
REVIEW_CHANNEL = "C0KYCREV001"


class MovedClock:
    """Real time plus whatever the test added."""

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self._moved = asyncio.Event()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def move(self, **by: float) -> None:
        self.offset += timedelta(**by)
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Let time pass in steps of a second at most, so that whoever waits for an earlier moment acts first."""
        until = self() + timedelta(seconds=seconds)
        while (left := (until - self()).total_seconds()) > 0:
            self.move(seconds=min(left, 1))
            await asyncio.sleep(0)

    async def until(self, moment: datetime) -> None:
        """Wait for others to move the clock so far."""
        while self() < moment:
            await self._moved.wait()


class StoppedClock(MovedClock):
    """Only what the test adds: however long a busy machine takes, no time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped_at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self._stopped_at + self.offset


async def _a_moment(_seconds: float) -> None:
    await asyncio.sleep(0.01)


PATIENT = Timeouts(
    listener=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS),
    worker=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS),
    smile_id=httpx.Timeout(GIVE_UP_SECONDS),
    files=httpx.Timeout(GIVE_UP_SECONDS),
    look_up_seconds=GIVE_UP_SECONDS,
    show_seconds=GIVE_UP_SECONDS,
    answer_seconds=GIVE_UP_SECONDS,
    sum_up_seconds=GIVE_UP_SECONDS,
)
"""A bot that waits for a busy machine. Where it is to lose its patience, a test hands it less."""
HASTY = replace(PATIENT, answer_sleep=_a_moment)
"""One that tries to answer again sooner than one that gives Slack time."""
IN_EARNEST = Timeouts()
"""As patient as the bot really is."""


def patient_slack(clock: Callable[[], datetime], **more: Any) -> SlackSandbox:
    """A Slack that waits for a busy machine, where the real one gives up after three seconds."""
    return SlackSandbox(clock=clock, **{"trigger_seconds": GIVE_UP_SECONDS, "answer_seconds": GIVE_UP_SECONDS, **more})


@contextmanager
def hanging(slack: SlackSandbox, *methods: str) -> Iterator[None]:
    """Meanwhile Slack takes calls of these methods, or of all, and answers none of them."""
    over = asyncio.Event()
    hang = Fault.call(before=over.wait)
    slack.fault = lambda method, _number: hang if not methods or method in methods else None
    try:
        yield
    finally:
        slack.fault = None
        over.set()


class Journey:
    """One test's world, with the bot's workers in the test's hand."""

    def __init__(self, slack: SlackSandbox, smile_id: SmileIDSandbox, bot: Bot, clock: MovedClock) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.bot = bot
        self.clock = clock
        self.has_thief = False
        """Somebody else than the bot writes into its database."""

    @property
    def analyst(self) -> Person:
        return self.slack.person(ANALYST)

    @property
    def sealer(self) -> Sealer:
        """Opens what this bot has sealed."""
        return Sealer.from_text(self.bot.settings.encryption_keys.get_secret_value().split(","))

    @property
    def path(self) -> Path:
        """Of its database, on whichever engine it is."""
        return engines.path_of(self.bot.settings.database_place)

    async def form(self, person: Person | None = None, *, channel: str = CHANNEL) -> Modal:
        """The form as `/kyc` opens it."""
        person = person or self.analyst
        reply = await person.command("", channel_id=channel)
        assert reply.ok, reply
        return await person.modal()

    async def fill(
        self,
        modal: Modal,
        *,
        person: Person | None = None,
        country: str = "NG",
        id_type: str = "BVN",
        id_number: str = "00000000000",
        selfie: bytes = SELFIE,
        liveness: int = 0,
        **more: Any,
    ) -> Modal:
        """A form filled as an analyst fills it."""
        person = person or self.analyst
        await modal.choose("country", country)
        await modal.choose("id_type", id_type)
        await modal.fill("id_number", id_number)
        await modal.attach("selfie", await person.upload(selfie, "selfie.jpg"))
        if liveness:
            files = [
                await person.upload((PHOTOS / f"liveness_{n}.jpg").read_bytes(), f"liveness_{n}.jpg")
                for n in range(liveness)
            ]
            await modal.attach("liveness", *files)
        if set(more) - {block["block_id"] for block in modal.blocks}:
            await modal.click(ids.MORE_FIELDS)
        for name, value in more.items():
            await (modal.choose if name == "dob" else modal.fill)(name, value)
        await modal.choose("consent", ["consented"])
        return modal

    async def ask(self, **fields: Any) -> str:
        """A whole request, sent; gives its reference. Nothing is worked yet."""
        modal = await self.fill(await self.form(), **fields)
        submission: Submission = await modal.submit()
        assert not submission.errors, submission.errors
        assert submission.closed
        return await self.newest()

    async def newest(self) -> str:
        found = await self.bot.database.read(search.page, SearchFilter(), size=1)
        return found.checks[0].ref

    async def work(self) -> None:
        """Let every worker do what is due now, until nothing is."""
        idle = 0
        for _round in range(400):
            if await self._work_once():
                idle = 0
                continue
            idle += 1
            if idle == 2:
                return
            # A conversation that was just posted in pauses for a millisecond.
            await asyncio.sleep(0.003)
        raise AssertionError("the workers never came to rest")

    async def _work_once(self) -> bool:
        """Whether anything was due; it is worked by whoever claimed it."""
        bot = self.bot
        results = (bot.settler, bot.poller)
        processes: Any = (bot.batches, bot.submission, *results, bot.outbox, bot.home, bot.slack_removals)
        # Together, as one commit; what one of them brings about for another is claimed in the next round.
        claimed = await asyncio.gather(*(process.claim(32) for process in processes))
        for process, rows in zip(processes, claimed, strict=True):
            for row in rows:
                await process.work(row)
        return any(claimed)

    async def heard(self) -> None:
        """Let the callbacks that were answered do their part, and nothing else be worked."""
        while kept := await self.bot.settler.claim(32):
            for one in kept:
                await self.bot.settler.work(one)

    async def answered(self) -> None:
        """Until everything that was asked is answered where it was asked, or left to the outbox, or given up."""

        def waiting(tx: Transaction) -> int:
            return len(tx.rows("SELECT 1 FROM inbox WHERE tries = 0"))

        while True:
            await self.bot.background.done()
            if not await self.bot.database.read(waiting):
                return
            await asyncio.sleep(0.005)

    async def settle(self) -> None:
        """Work, hear what Smile ID calls back meanwhile, and work again until both are at rest."""
        for _round in range(50):
            if await self._work_once():
                await self.work()
            before = len(self.smile_id.callbacks)
            await asyncio.sleep(0.05)
            self.clock.move(seconds=1)
            if len(self.smile_id.callbacks) == before and _round >= 6:
                await self.work()
                return

    async def check(self, ref: str) -> Any:
        return await self.bot.database.read(checks.get, ref)

    def job(self) -> SandboxJob:
        """The newest job at Smile ID."""
        return list(self.smile_id.jobs.values())[-1]

    def root(self, channel: str = CHANNEL) -> Message:
        """The newest request's own message."""
        return [m for m in self.slack.messages(channel) if m.thread_ts in (None, m.ts)][-1]

    def thread(self) -> list[str]:
        """What stands in the thread of the newest request, as read."""
        root = self.root()
        return [self.slack.plain(m) for m in self.slack.thread(CHANNEL, root.ts) if m.ts != root.ts]

    def notices(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(REVIEW_CHANNEL)]

    def direct(self, user: str) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.direct_messages(user)]


@asynccontextmanager
async def journey(
    folder: Path,
    *,
    story: str = "approved",
    review_seconds: float = 0.05,
    public: bool = True,
    socket_mode: bool = False,
    slack: SlackSandbox | None = None,
    clock: MovedClock | None = None,
    timeouts: Timeouts | None = None,
    transport: SmileID | None = None,
    **settings: str,
) -> AsyncIterator[Journey]:
    """A bot between two fresh stand-ins, all on one movable clock; by HTTP, or in Socket Mode.

    People at Smile ID take `review_seconds` of real time, or until the test lets them speak.
    """
    clock = clock or MovedClock()
    slack = slack or patient_slack(clock)
    smile_id = SmileIDSandbox(
        partner_id="0421",
        api_key="sandbox-api-key",
        story=story,
        callback_delay_seconds=0.0,
        review_delay_seconds=review_seconds,
        callback_retry_seconds=(0.05, 0.1),
        clock=clock,
    )
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(
            slack,
            smile_id,
            database=engines.lay(folder / "kyc.db"),
            socket_mode=socket_mode,
            public=public,
            **{"KYC_SLACK_POSTS_PER_SECOND": "1000", **settings},
        )
        async with bot_between(
            slack, smile_id, environment, clock=clock, timeouts=timeouts, transport=transport
        ) as world:
            yield world
    finally:
        await smile_id.stop()
        await slack.stop()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def bot_between(
    slack: SlackSandbox,
    smile_id: SmileIDSandbox,
    environment: Mapping[str, str],
    *,
    clock: MovedClock,
    timeouts: Timeouts | None = None,
    rng: random.Random | None = None,
    transport: SmileID | None = None,
) -> AsyncIterator[Journey]:
    """A bot between stand-ins that run already; a second one with the same environment is the same bot, restarted.

    With `transport` it speaks to Smile ID in another way than to the stand-in. A database that is not there yet is one
    that the bot has just made.
    """
    text = environment["KYC_DATABASE"]
    place = parse(text) if is_address(text) else Path(text)
    if engines.knows(place):  # on a server of its own a test has made its database itself
        engines.lay(engines.path_of(place), Sealer.from_text(environment["KYC_ENCRYPTION_KEYS"].split(",")))
    async with AsyncExitStack() as stack:
        bot = await build(
            Settings.load(environment),
            stack,
            now=clock,
            rng=rng or random.Random(7),
            timeouts=timeouts or PATIENT,
            smile_id=transport,
        )
        # Answers come by themselves, as they do where a process runs; all other workers wait for the test.
        bot.inbox_pool.start()
        stack.push_async_callback(bot.background.close)
        stack.push_async_callback(bot.inbox_pool.stop, timedelta(0))
        await bot.access.refresh()
        sock = listen("127.0.0.1", bot.settings.port)
        bolt = handlers.bolt(bot)
        token = bot.settings.slack_app_token
        connections = connections_of(bot)
        web = handlers.web(bot, None if token else bolt, connections)
        await stack.enter_async_context(serve_asgi(web, sock, connections))
        if token is not None:
            sockets = SocketMode(
                bolt,
                token.get_secret_value(),
                slack=bot.patient_slack,
                health=bot.health,
                instances=lambda: bot.instances.count,
            )
            # Not among the bot's tasks, whose end `answered` waits for: it ends with the connection.
            keeping = asyncio.create_task(sockets.keep())
            stack.push_async_callback(_ended, keeping)
            await asyncio.wait_for(sockets.connected.wait(), GIVE_UP_SECONDS)
            stack.push_async_callback(sockets.drain)
        world = Journey(slack, smile_id, bot, clock)
        yield world
        if not world.has_thief:
            await _find_nothing_altered(bot)
            await _find_no_unknown_act(bot)


async def _find_nothing_altered(bot: Bot) -> None:
    """Whatever storage functions a journey has called, each record has the MAC that belongs to it."""
    try:
        last = await bot.database.read(checks.examine_after, "")
    except DatabaseFault:
        return  # a test has closed it
    while last:
        last = await bot.database.read(checks.examine_after, last)
    assert bot.database.altered == frozenset()
    assert not bot.database.is_older


async def _find_no_unknown_act(bot: Bot) -> None:
    """Every line of the trail is one that docs/trail.md explains."""
    with suppress(DatabaseFault):  # a test has closed it
        acts = await bot.database.read(lambda tx: set(tx.column("SELECT DISTINCT act FROM audit")))
        assert acts <= set(ACTS), f"docs/trail.md does not explain {sorted(acts - set(ACTS))}"
