"""HTTP: Slack's requests, Smile ID's callbacks and liveness in public; readiness and metrics on the loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bot.errors import DatabaseBusy
from bot.runtime.bot import Bot
from bot.runtime.connections import WHOLE, Connections
from bot.runtime.health import Degraded
from handlers import slack_shapes
from handlers.bodies import read_body
from handlers.capture import PHOTOS_SECONDS, CapturePage
from handlers.http_guard import Guard, hosts_of, who_asks

SLACK_MAX_BYTES = 1024 * 1024
"""Slack's own views end at 250 kB; nothing that it sends comes near this."""
BUSY_SECONDS = 5
"""After which a request is to be brought again that came while too much waited to be stored."""
BODY_SECONDS = 30.0
"""Longest that a body may take to come in: a callback has a few kilobytes, or with photos a few megabytes."""


def web(
    bot: Bot,
    bolt: AsyncApp | None,
    connections: Connections,
    *,
    body_seconds: float = BODY_SECONDS,
    photos_seconds: float = PHOTOS_SECONDS,
) -> ASGIApp:
    """The public application; with Slack's requests only where there is no Socket Mode."""

    async def callback(request: Request) -> Response:
        # Read at once, since a sender may leave right after its last byte; a stranger's request is cut off below.
        reading = await _begin_to_read(request, bot.settings.callback_max_bytes, seconds=body_seconds)
        try:
            answer = await bot.callbacks.receive(request.path_params["token"], reading, request.headers)
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            return Response(status_code=408, headers={"Connection": "close"})
        finally:
            await _end(reading)
        return Response(status_code=answer.value)

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("alive")

    # What is asked for most stands first: whatever stands before it is looked at in vain.
    routes = _both("/smile-id/callback/{token}", callback, methods=["POST"])
    if bolt is not None:

        async def slack(request: Request) -> Response:
            try:
                async with asyncio.timeout(body_seconds):
                    body = await read_body(request, SLACK_MAX_BYTES)
            except ClientDisconnect:
                return Response(status_code=400)
            except TimeoutError:
                return Response(status_code=408, headers={"Connection": "close"})
            read = _read_at_the_door(bot, request, body)
            if isinstance(read, int):
                return Response(status_code=read)
            return to_starlette_response(await bolt.async_dispatch(read))

        routes += _both("/slack/events", slack, methods=["POST"])
    if bot.capture is not None and bot.settings.public_url is not None:
        page = CapturePage(
            bot.capture,
            bot.capture_door,
            public_url=bot.settings.public_url,
            source_of=lambda request: who_asks(request.scope, connections),
            body_seconds=body_seconds,
            photos_seconds=photos_seconds,
        )
        routes += [Route("/c", page), Route("/c/{name}", page)]
    routes += _both("/healthz", alive)
    return Guard(
        _application(routes),
        connections,
        hosts=hosts_of(bot.settings.public_url, socket_mode=bot.settings.socket_mode),
        on_refused=bot.metrics.http_refused,
    )


async def _begin_to_read(request: Request, most: int, *, seconds: float) -> asyncio.Future[bytes | None]:
    """The body, or None as soon as it is longer than `most` bytes. See `_end`."""
    if request.scope.get(WHOLE):
        # It came together with its head: a task and a clock would cost more than to read it.
        reading = asyncio.get_running_loop().create_future()
        try:
            reading.set_result(await read_body(request, most))
        except ClientDisconnect as left:
            reading.set_exception(left)
        return reading

    async def read() -> bytes | None:
        async with asyncio.timeout(seconds):
            return await read_body(request, most)

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)  # what is here of it is read by now, where a server does not say so
    return reading


async def _end(reading: asyncio.Future[bytes | None]) -> None:
    """Read no more of a body."""
    if not reading.done():
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    elif not reading.cancelled():
        reading.exception()  # counts as heard: a sender may have left before anybody waited for the body


def _both(path: str, endpoint: Callable[[Request], Awaitable[Response]], **more: Any) -> list[Route]:
    """A route with and without a slash at its end: portals and proxies add one, and a POST need not be redirected."""
    return [Route(path, endpoint, **more), Route(f"{path}/", endpoint, **more)]


def _application(routes: list[Route]) -> Starlette:
    made = Starlette(routes=routes, exception_handlers={DatabaseBusy: _busy})
    # It would redirect to another slash, at whatever host the request names.
    made.router.redirect_slashes = False
    return made


def _busy(_request: Request, _fault: Exception) -> Response:
    """Nothing of the request is stored: the sender may bring it again, and hears when."""
    return Response(status_code=503, headers={"Retry-After": str(BUSY_SECONDS)})


def admin(bot: Bot, connections: Connections) -> ASGIApp:
    """For operators' monitors, on the loopback alone: by whatever name, and a refusal is nothing to count."""

    async def ready(_request: Request) -> Response:
        state = bot.health
        now = {"starting": not state.started, "stopping": state.stopping, "scheduler": not bot.schedule.running}
        faults = [name for name, is_so in now.items() if is_so]
        state.note(Degraded.TICKS, bot.schedule.late)
        try:
            figures = await bot.figures()
        except Exception:  # noqa: BLE001 - whatever is wrong with the database, this page must say so
            figures = None
            faults.append("database")
        body = {"ready": not faults, "faults": faults, "degraded": dict(state.degraded)}
        return JSONResponse(body, status_code=200 if figures is not None and not faults else 503)

    async def metrics(_request: Request) -> Response:
        return Response(await bot.figures(), media_type="text/plain; version=0.0.4")

    pages = _application([*_both("/readyz", ready), *_both("/metrics", metrics)])
    return Guard(pages, connections, hosts=None, on_refused=lambda _status: None)


def _read_at_the_door(bot: Bot, request: Request, body: bytes | None) -> AsyncBoltRequest | int:
    """A request of Slack's, as Bolt reads it; the status of one in its name that no listener hears of."""
    if body is None:
        return 413
    if is_ssl_check(body):
        return 200
    if not bot.slack_door.lets_in(request.headers, body):
        return 401
    found = slack_shapes.read(body, request.headers)
    if found is None:
        bot.slack_door.requests.refused("unreadable", None)
        return 400
    return found


def is_ssl_check(body: bytes) -> bool:
    """Slack checks the certificate of a command's address from time to time, and wants a 200 only."""
    return b"ssl_check=1" in body.split(b"&")
