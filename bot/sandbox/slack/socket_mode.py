"""Socket Mode: one-time addresses, hello, envelopes and their acknowledgements, disconnects."""

import asyncio
import itertools
import json
import secrets
import uuid
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.world import APP_ID, JSON, World

MAX_CONNECTIONS = 10
_GRACE_SECONDS = 1.0
"""How long a socket told to go may still bring acknowledgements."""


@dataclass(slots=True, kw_only=True, eq=False)
class Socket:
    channel: web.WebSocketResponse
    request: web.Request
    is_retiring: bool = False


class Sockets:
    def __init__(self, world: World) -> None:
        self._world = world
        self._open: list[Socket] = []
        self._tickets: set[str] = set()
        self._waiting: dict[str, asyncio.Future[JSON | None]] = {}
        self._turn = itertools.count()
        self._closers: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> list[Socket]:
        """The connections that payloads may go to."""
        return [socket for socket in self._open if not socket.is_retiring and not socket.channel.closed]

    def new_address(self) -> JSON:
        if len(self._open) > MAX_CONNECTIONS:
            raise ApiError("too_many_websockets")
        ticket = secrets.token_urlsafe(12)
        self._tickets.add(ticket)
        base = self._world.base_url.replace("http", "ws", 1)
        return {"ok": True, "url": f"{base}/link/?ticket={ticket}&app_id={APP_ID}"}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="this address was used or never given")
        self._tickets.discard(ticket)
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        socket = Socket(channel=channel, request=request)
        self._open.append(socket)
        try:
            await channel.send_json(self._hello())
            self._world.changes.tell()
            async for frame in channel:
                if frame.type is WSMsgType.TEXT:
                    self._acknowledge(frame.data)
        except ConnectionError:
            pass
        finally:
            self._open.remove(socket)
            self._world.changes.tell()
        return channel

    async def ask(self, kind: str, payload: JSON, *, retry_num: int = 0, retry_reason: str = "") -> JSON | None:
        """Send one payload over one of the sockets and wait for its acknowledgement's payload."""
        ready = self.ready
        if not ready:
            raise ConnectionError("no socket is connected")
        socket = ready[next(self._turn) % len(ready)]
        envelope_id = str(uuid.uuid4())
        envelope: JSON = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry_num, "retry_reason": retry_reason.replace("http_", "")}
        acknowledged: asyncio.Future[JSON | None] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = acknowledged
        try:
            await socket.channel.send_json(envelope)
            return await acknowledged
        finally:
            del self._waiting[envelope_id]

    async def disconnect(self, reason: str = "refresh_requested", *, abrupt: bool = False) -> None:
        """Tell every socket to go, or (abrupt) cut them without a word. `warning` only warns."""
        for socket in list(self._open):
            if abrupt:
                if socket.request.transport is not None:
                    socket.request.transport.abort()
                continue
            message = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-111-xxx"}}
            await socket.channel.send_json(message)
            if reason != "warning":
                socket.is_retiring = True
                task = asyncio.create_task(self._close_later(socket))
                self._closers.add(task)
                task.add_done_callback(self._closers.discard)
        self._world.changes.tell()

    async def stop(self) -> None:
        for task in self._closers:
            task.cancel()
        await asyncio.gather(*self._closers, return_exceptions=True)
        for socket in list(self._open):
            await socket.channel.close()

    async def _close_later(self, socket: Socket) -> None:
        await asyncio.sleep(_GRACE_SECONDS)
        await socket.channel.close()

    def _acknowledge(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.get(frame.get("envelope_id", "")) if isinstance(frame, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.get("payload") or None)

    def _hello(self) -> JSON:
        return {
            "type": "hello",
            "num_connections": len(self._open),
            "debug_info": {
                "host": "applink-111-xxx",
                "build_number": 10,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": APP_ID},
        }
