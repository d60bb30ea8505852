"""The one place where objects are made, and the order in which they start and stop.

`build` makes a `Bot` from settings; `serve` runs one until a signal. What comes in is `handlers`' part, handed in as
`Entrances` by the command line.
"""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import httpx
import structlog
import uvicorn
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from bot.access import Access
from bot.desk import Desk
from bot.domain.id_types import IDTypes
from bot.domain.outcomes import ResultCodes
from bot.errors import SettingsFault, SmileIDError
from bot.intake import Intake
from bot.metrics import Metrics
from bot.outbox import Outbox
from bot.results import Results
from bot.schedule import REFRESH_ACCESS, REFRESH_PRODUCTS, Crew, Schedule
from bot.settings import Settings
from bot.slack.files import SlackFiles
from bot.slack.web import SlackWeb
from bot.smile_id.client import TIMEOUT, SmileID
from bot.submission import PASS_SECONDS, Submission
from storage import attempts, checks, meta, outbox
from storage.database import Database, Transaction
from storage.lock import DatabaseLock
from storage.migrations import migrate
from storage.sealing import Sealer

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=8)
"""How long work under way may finish after a signal; the process ends within ten seconds."""
SUBMISSIONS_AT_ONCE = 32
LATE = timedelta(minutes=5)
"""Work that is due for longer is told at `/readyz`."""
ASK_FOR_PRODUCTS_AGAIN = timedelta(minutes=1)
LOOK_AT_SOCKET = timedelta(seconds=5)

_SMILE_ID_IS_THERE = frozenset({"ok", "refused", "expired"})
_SLACK_IS_CLOSED = frozenset({"failed", "invalid_auth", "not_authed", "token_revoked", "token_expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each kind of call may take; tests have less of it."""

    listener: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=1.5))
    """Calls inside a listener: the answer to Slack must leave within 3 s."""
    worker: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=15, connect=5))
    smile_id: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    files: httpx.Timeout = field(default_factory=lambda: httpx.Timeout(30, connect=5))
    one_pass_seconds: float = PASS_SECONDS


class Background:
    """Small tasks that nobody awaits, held until done, cancelled at the end: nothing that must survive."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    async def _run(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("background.failed")


@dataclass(slots=True, kw_only=True)
class Readiness:
    """What `/readyz` tells."""

    started: bool = False
    stopping: bool = False
    degraded: dict[str, str] = field(default_factory=dict)
    """What is wrong outside, in few words: none of it keeps the bot from taking requests."""

    def note(self, what: str, fault: str | None) -> None:
        """`fault` is how it stands with `what`; None: well."""
        if fault is None:
            self.degraded.pop(what, None)
        else:
            self.degraded[what] = fault

    def smile_id(self, _call: str, result: str) -> None:
        self.note("smile_id", None if result in _SMILE_ID_IS_THERE else result)

    def slack(self, _method: str, result: str) -> None:
        self.note("slack", result if result in _SLACK_IS_CLOSED else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Everything that handlers and tests need, ready made."""

    settings: Settings
    database: Database
    slack: SlackWeb
    """For calls inside a listener: 1.5 s at most."""
    access: Access
    id_types: IDTypes
    intake: Intake
    submission: Submission
    results: Results
    outbox: Outbox
    desk: Desk
    metrics: Metrics
    schedule: Schedule
    background: Background
    readiness: Readiness
    refresh: Callable[[], Coroutine[Any, Any, bool]]
    """Ask Smile ID what this partner may use; False when it gave no answer."""
    now: Callable[[], datetime]

    async def figures(self) -> bytes:
        """The metrics, with gauges read from the database now."""
        now = self.now()
        states, due, lag = await self.database.read(_gauges, now)
        late = [kind for kind, wait in {**due, "outbox": lag}.items() if wait > LATE]
        self.readiness.note("late", ", ".join(late) or None)
        return self.metrics.render(checks=states, oldest_due=due, outbox_lag=lag)


class Entrances(Protocol):
    """What comes in from outside, made for a bot by `handlers`."""

    def web(self, bot: Bot, bolt: AsyncApp | None) -> Any:
        """The public ASGI application; with Slack's requests where `bolt` is given."""

    def admin(self, bot: Bot) -> Any:
        """The ASGI application of the admin port."""

    def bolt(self, bot: Bot) -> AsyncApp: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


async def build(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    now: Callable[[], datetime] = utc_now,
    dice: random.Random | None = None,
    patience: Patience | None = None,
) -> Bot:
    """Make everything, opened; `stack` closes it again. Nobody is called yet, nothing runs yet."""
    dice = dice or random.SystemRandom()
    patience = patience or Patience()
    metrics, readiness = Metrics(), Readiness()
    codes, id_types = read_tables(settings)
    sealer = Sealer.from_text([k for k in settings.encryption_keys.get_secret_value().replace(",", " ").split() if k])
    database = await Database.open(settings.database, sealer=sealer, migrate=migrate, on_commit=metrics.commit)
    stack.push_async_callback(database.close)
    await database.write(meta.check_key)
    token = settings.slack_bot_token.get_secret_value()
    listener_slack, worker_slack = [
        SlackWeb(
            token=token,
            base_url=settings.slack_api_url,
            session=await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout)),
            on_call=_both(metrics.slack, readiness.slack),
        )
        for timeout in (patience.listener, patience.worker)
    ]
    limits = httpx.Limits(max_connections=SUBMISSIONS_AT_ONCE, max_keepalive_connections=8)
    smile_http, file_http = [
        await stack.enter_async_context(httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False))
        for timeout in (patience.smile_id, patience.files)
    ]
    smile_id = SmileID(
        http=smile_http,
        base_url=settings.smile_id_url,
        partner_id=settings.smile_id_partner_id,
        api_key=settings.smile_id_api_key.get_secret_value(),
        now=now,
        timeout=patience.smile_id,
        on_call=_both(metrics.smile_id, readiness.smile_id),
    )
    access = Access(settings=settings, slack=listener_slack, now=now)
    submission = Submission(
        database=database,
        slack=worker_slack,
        files=SlackFiles(http=file_http, token=token, hosts=settings.download_hosts),
        smile_id=smile_id,
        access=access,
        settings=settings,
        now=now,
        dice=dice,
        pass_seconds=patience.one_pass_seconds,
    )
    results = Results(
        database=database,
        smile_id=smile_id,
        codes=codes,
        access=access,
        settings=settings,
        now=now,
        dice=dice,
        on_callback=metrics.callback,
    )
    outgoing = Outbox(
        database=database,
        slack=worker_slack,
        access=access,
        codes=codes,
        id_types=id_types,
        settings=settings,
        now=now,
        dice=dice,
        # The crew is made of the outbox, and wakes again when a pause of the outbox ends.
        wake_in=lambda wait: posting.wake_in(wait),  # noqa: PLW0108 - `posting` does not exist yet
    )
    submitting = Crew("submission", claim=submission.claim, work=submission.work, size=SUBMISSIONS_AT_ONCE)
    asking = Crew("results", claim=results.claim, work=results.work, size=8)
    posting = Crew("outbox", claim=outgoing.claim, work=outgoing.work, size=8)
    database.subscribe(checks.SUBMISSION, submitting.wake)
    database.subscribe(attempts.RESULTS, asking.wake)
    database.subscribe(outbox.OUTBOX, posting.wake)
    schedule = Schedule([submitting, asking, posting])
    schedule.every(REFRESH_ACCESS, access.refresh, "access")

    async def refresh() -> bool:
        return await refresh_products(smile_id, id_types)

    schedule.every(REFRESH_PRODUCTS, refresh, "products")
    return Bot(
        settings=settings,
        database=database,
        slack=listener_slack,
        access=access,
        id_types=id_types,
        intake=Intake(
            database=database,
            slack=listener_slack,
            access=access,
            id_types=id_types,
            timezone=settings.timezone,
            now=now,
            dice=dice,
        ),
        submission=submission,
        results=results,
        outbox=outgoing,
        desk=Desk(
            database=database,
            slack=listener_slack,
            smile_id=smile_id,
            access=access,
            codes=codes,
            id_types=id_types,
            now=now,
        ),
        metrics=metrics,
        schedule=schedule,
        background=Background(),
        readiness=readiness,
        now=now,
        refresh=refresh,
    )


def read_tables(settings: Settings) -> tuple[ResultCodes, IDTypes]:
    """Smile ID's tables, ours or an operator's copy; raises SettingsFault."""
    ours = resources.files("bot") / "data"
    trusted = ResultCodes.parse((ours / "result-codes.csv").read_text(encoding="utf-8"))
    codes = ResultCodes.parse(_copy(settings.result_codes), trusted=trusted) if settings.result_codes else trusted
    types = _copy(settings.id_types) if settings.id_types else (ours / "id-types.csv").read_text(encoding="utf-8")
    return codes, IDTypes.parse(types)


def _copy(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsFault(f"{path.name}: cannot be read ({type(fault).__name__})") from fault


def _gauges(tx: Transaction, now: datetime) -> tuple[dict[str, int], dict[str, timedelta], timedelta]:
    due = {"submission": checks.oldest_due(tx, now=now), "results": attempts.oldest_due(tx, now=now)}
    return checks.count_by_state(tx), due, outbox.lag(tx, now=now)


def _both(*hear: Callable[[str, str], None]) -> Callable[[str, str], None]:
    def heard(call: str, result: str) -> None:
        for one in hear:
            one(call, result)

    return heard


async def refresh_products(smile_id: SmileID, id_types: IDTypes) -> bool:
    """Narrow the form to what this partner may use; while that is not known (False), the table is offered."""
    try:
        products = await smile_id.products()
    except SmileIDError as fault:
        log.warning("products.unknown", error=str(fault))
        return False
    id_types.enable_only(products.biometric_kyc if products else None)
    return True


# Running


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: `serve` decides the order of stopping."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _SocketMode(AsyncSocketModeHandler):
    """Knows its listeners in flight, since closing the connection loses their answers; finds its way back."""

    def __init__(self, app: AsyncApp, app_token: str, readiness: Readiness) -> None:
        super().__init__(app, app_token, ping_interval=5)
        self._readiness = readiness
        self._in_flight: set[asyncio.Task[Any]] = set()

    async def keep(self) -> None:
        """Connect, and see to it that a lost connection does not stay lost.

        The library goes on trying the address it was given, and an address is good for one connection: once that
        one failed, every further try would be refused. Without an address it asks for a new one.
        """
        connecting = asyncio.create_task(self.connect_async())  # type: ignore[no-untyped-call]  # Bolt leaves it untyped
        try:
            while True:
                await asyncio.sleep(LOOK_AT_SOCKET.total_seconds())
                connected = await self.client.is_connected()
                self._readiness.note("socket_mode", None if connected else "not connected")
                if not connected:
                    self.client.wss_uri = None
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    async def handle(self, client: Any, req: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._in_flight.add(task)
        try:
            await super().handle(client, req)
        finally:
            self._in_flight.discard(task)

    async def drain(self) -> None:
        """Let listeners answer, then close."""
        if self._in_flight:
            await asyncio.wait(set(self._in_flight), timeout=3)
        await self.close_async()  # type: ignore[no-untyped-call]  # Bolt leaves it untyped


async def serve(settings: Settings, entrances: Entrances, *, announce: Callable[[str], None] = print) -> None:
    """Run until SIGTERM or SIGINT. Only settings, key and database can keep it from starting."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with DatabaseLock(settings.database):
        async with AsyncExitStack() as stack:
            bot = await build(settings, stack)
            await bot.database.write(_recover, bot.now())
            bolt = entrances.bolt(bot)
            public = stack.enter_context(listen(settings.host, settings.port))
            admin = stack.enter_context(listen("127.0.0.1", settings.admin_port))
            doors = AsyncExitStack()
            for asgi, sock in (
                (entrances.web(bot, None if settings.socket_mode else bolt), public),
                (entrances.admin(bot), admin),
            ):
                await doors.enter_async_context(serve_asgi(asgi, sock))
            sockets = (
                _SocketMode(bolt, settings.slack_app_token.get_secret_value(), bot.readiness)
                if settings.slack_app_token
                else None
            )
            bot.schedule.start()
            bot.background.spawn(bot.access.refresh())
            bot.background.spawn(_learn_products(bot))
            if sockets is not None:
                bot.background.spawn(sockets.keep())
            bot.readiness.started = True
            where = f"{settings.host}:{public.getsockname()[1]}, admin on 127.0.0.1:{admin.getsockname()[1]}"
            announce(f"kyc-bot listens on {where}")
            log.info("bot.started")
            await stop.wait()
            log.info("bot.stopping")
            bot.readiness.stopping = True
            await _stop(bot, doors, sockets)
    log.info("bot.stopped")


async def _learn_products(bot: Bot) -> None:
    """At start, and again until Smile ID answers: the next regular asking is a day away."""
    while True:
        if await bot.refresh():
            return
        await asyncio.sleep(ASK_FOR_PRODUCTS_AGAIN.total_seconds())


async def _stop(bot: Bot, doors: AsyncExitStack, sockets: _SocketMode | None) -> None:
    """Stop accepting and drain what is under way, then close what it stood on.

    All at the same time, since each may take seconds and the whole has ten.
    """
    drains = [doors.aclose(), bot.schedule.stop(GRACE)]
    if sockets is not None:
        drains.append(sockets.drain())
    await asyncio.gather(*drains)
    await bot.background.close()


def _recover(tx: Transaction, now: datetime) -> None:
    """Leases of an earlier process are dead, and what it was sending is in doubt."""
    checks.release_leases(tx)
    attempts.doubt_open_ones(tx, since=now)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket of our own, so that a taken port is an error in our hands; raises SettingsFault."""
    try:
        sock = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as fault:
        # Python adds the address to the words, which stands here already.
        why = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror
        raise SettingsFault(f"cannot listen on {host}:{port} ({why})") from fault
    sock.setblocking(False)
    return sock


@asynccontextmanager
async def serve_asgi(asgi: Any, sock: socket.socket) -> AsyncIterator[None]:
    """Serve an ASGI application on a bound socket; at the end stop accepting and let requests finish."""
    server = _Server(
        uvicorn.Config(
            asgi,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            timeout_keep_alive=30,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def run(settings: Settings, entrances: Entrances) -> None:
    """`serve` on the fastest loop there is."""
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - absent on Windows, where the plain loop serves

        uvloop.run(serve(settings, entrances))
    else:
        asyncio.run(serve(settings, entrances))
