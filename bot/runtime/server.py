"""Runs a bot: the order in which its parts start, and in which they stop.

What comes in is `handlers`' part, handed in as `Endpoints` by the command line.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog
import uvicorn
from slack_bolt.async_app import AsyncApp

from bot.domain.database_address import DatabaseAddress
from bot.errors import CannotListen, DatabaseFault
from bot.runtime import greetings, starts
from bot.runtime.bot import Bot
from bot.runtime.clock import Clock
from bot.runtime.connections import Connections, protocol
from bot.runtime.factory import build
from bot.runtime.socket_mode import SocketMode
from bot.settings import Settings
from bot.submission.photo_decoder import return_freed_memory
from storage.engine import inspect
from storage.engine.lock import DatabaseLock

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=8)
"""How long work in progress may take to finish after a signal; the process ends within ten seconds."""
DAMAGE_SCAN = timedelta(seconds=1)
"""How long the database is searched for damage before it is worked on; larger ones are searched behind the start."""
RETRY_PRODUCTS = timedelta(minutes=1)
MONITORS = 64
"""Connections to the admin port at once."""


class Endpoints(Protocol):
    """What comes in from outside, made for a bot by `handlers`."""

    def web(self, bot: Bot, bolt: AsyncApp | None, connections: Connections) -> Any:
        """The public ASGI application; with Slack's requests where `bolt` is given."""

    def admin(self, bot: Bot, connections: Connections) -> Any:
        """The ASGI application of the admin port."""

    def bolt(self, bot: Bot) -> AsyncApp: ...


def _say(line: str) -> None:
    """To standard output, at once: into a journal or a pipe a line would wait for a full buffer.

    A bot whose output is full or gone serves all the same.
    """
    with suppress(OSError):
        print(line, flush=True)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: `serve` decides the order of stopping."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    settings: Settings,
    endpoints: Endpoints,
    *,
    clock: Clock | None = None,
    announce: Callable[[str], None] = _say,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Run until SIGTERM or SIGINT. Only settings, key and database can keep it from starting.

    `clock` replaces the machine's; the demo has one that it moves.
    """
    return_freed_memory()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with _held(settings.database) as is_whole:
        async with AsyncExitStack() as stack:
            bot = await build(settings, stack, clock=clock or Clock())
            if bot.watch is not None:
                await bot.watch.recover()
            await bot.instances.join()
            bot.instances.keep()
            # Before anybody is shown anything: a backup that was put back may hold whoever was erased since.
            await bot.erasures.tick()
            await bot.database.write(starts.begun, starts.used(settings), at=bot.now(), instance=bot.instances.name)
            bolt = endpoints.bolt(bot)
            public = stack.enter_context(listen(settings.host, settings.port))
            admin = stack.enter_context(listen("127.0.0.1", settings.admin_port))
            servers = AsyncExitStack()
            callers, monitors = connections_of(bot), connections_of_monitors(bot)
            web = endpoints.web(bot, None if settings.socket_mode else bolt, callers)
            for asgi, sock, connections in ((web, public, callers), (endpoints.admin(bot, monitors), admin, monitors)):
                await servers.enter_async_context(serve_asgi(asgi, sock, connections))
            sockets = (
                SocketMode(
                    bolt,
                    settings.slack_app_token.get_secret_value(),
                    slack=bot.patient_slack,
                    health=bot.health,
                    instances=lambda: bot.instances.count,
                )
                if settings.slack_app_token
                else None
            )
            bot.schedule.every(greetings.AGAIN_IN, partial(greetings.ask_again, bot), "smile id's key")
            bot.schedule.start()
            bot.background.spawn(bot.roles.refresh())
            bot.background.spawn(_learn_products(bot))
            bot.background.spawn(greetings.greet(bot, announce, connected=sockets.connected if sockets else None))
            if sockets is not None:
                bot.background.spawn(sockets.keep())
            bot.health.started = True
            where = f"{settings.host}:{public.getsockname()[1]}, admin on 127.0.0.1:{admin.getsockname()[1]}"
            announce(f"kyc-bot listens on {where}")
            log.info("bot.started")
            if settings.retention_note:
                log.warning("settings.older_name", note=settings.retention_note)
            if not is_whole:
                await stack.enter_async_context(swept_behind(settings.database_file, on_damage=stop.set))
            on_started()
            await stop.wait()
            log.info("bot.stopping")
            bot.health.stopping = True
            await _stop(bot, servers, sockets)
            with suppress(DatabaseFault):  # its disk may be full: no reason to end otherwise than well
                await bot.database.write(starts.ended, at=bot.now(), instance=bot.instances.name)
            await bot.instances.leave()
    log.info("bot.stopped")


@contextmanager
def _held(database: Path | DatabaseAddress) -> Iterator[bool]:
    """A file, which no other bot uses meanwhile; whether all of it was searched for damage.

    A server sees to damage by itself, and lets others in. Raises DatabaseFault.
    """
    if isinstance(database, DatabaseAddress):
        yield True
        return
    with DatabaseLock(database):
        yield inspect.require_whole(database, patience=DAMAGE_SCAN)


@asynccontextmanager
async def swept_behind(database: Path, *, on_damage: Callable[[], None]) -> AsyncIterator[None]:
    """Meanwhile a large database is searched for damage.

    Raises DatabaseFault at the end if some was found: a bot that works on a damaged file stops, as it would not start.
    """
    sweep = inspect.Sweep(database)
    running = asyncio.create_task(asyncio.to_thread(sweep.run), name="sweep")
    running.add_done_callback(lambda done: on_damage() if done.exception() is not None else None)
    try:
        yield
    finally:
        while not running.done():
            sweep.stop()
            await asyncio.wait({running}, timeout=0.1)
        log.info("database.swept", whole=running.result())


async def _learn_products(bot: Bot) -> None:
    """At start, until Smile ID answers: the next scheduled refresh is a day away."""
    while True:
        if await bot.refresh():
            return
        await asyncio.sleep(RETRY_PRODUCTS.total_seconds())


async def _stop(bot: Bot, servers: AsyncExitStack, sockets: SocketMode | None) -> None:
    """Stop accepting and drain work in progress, then cancel background tasks.

    All at once, since each may take seconds and the whole has ten.
    """
    drains = [servers.aclose(), bot.schedule.stop(GRACE)]
    if sockets is not None:
        drains.append(sockets.drain())
    await asyncio.gather(*drains)
    await bot.background.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket of our own, so that a taken port is an error in our hands; raises CannotListen."""
    try:
        sock = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except UnicodeError as fault:
        raise CannotListen(f"cannot listen on {host}:{port} (that is no name of a host)") from fault
    except OSError as fault:
        # `strerror` of a bind names the address, which this text has already.
        why = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror
        raise CannotListen(f"cannot listen on {host}:{port} ({why})") from fault
    sock.setblocking(False)
    return sock


def connections_of(bot: Bot) -> Connections:
    """What the public port lets in at once."""
    settings, metrics = bot.settings, bot.metrics
    return Connections(
        most=settings.connections,
        per_source=settings.connections_per_source,
        proxies=settings.trusted_proxies,
        on_closed=metrics.connection_closed,
        on_refused=metrics.http_refused,
    )


def connections_of_monitors(bot: Bot) -> Connections:
    """What the admin port lets in at once. Its refusals are no stranger's: the figures are of the public port alone."""
    return Connections(
        most=MONITORS,
        per_source=MONITORS,
        proxies=bot.settings.trusted_proxies,
        on_closed=lambda _why: None,
        on_refused=lambda _status: None,
    )


def http_config(asgi: Any, connections: Connections | None) -> uvicorn.Config:
    """How each of our listeners speaks HTTP."""
    return uvicorn.Config(
        asgi,
        http="auto" if connections is None else protocol(connections),
        ws="none",
        # Whose word about its clients counts is ours to say.
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=30,
    )


@asynccontextmanager
async def serve_asgi(asgi: Any, sock: socket.socket, connections: Connections | None = None) -> AsyncIterator[None]:
    """Serve an ASGI application on a bound socket; at the end stop accepting and let requests finish.

    Without `connections` it takes all that come: for a door that stands open for seconds.
    """
    server = _Server(http_config(asgi, connections))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def run(settings: Settings, endpoints: Endpoints, *, clock: Clock | None = None) -> None:
    """`serve` on the fastest loop there is, in a process of its own."""
    serving = serve(settings, endpoints, clock=clock, on_started=_collect_from_now_on)
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - absent on Windows, where the plain loop serves

        uvloop.run(serving)
    else:
        asyncio.run(serving)


def _collect_from_now_on() -> None:
    """Look for garbage among what comes from now on: modules, classes and the bot's objects stay as long as it runs.

    To look through all of them takes some 60 ms, in which no request is answered, and is done once.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
