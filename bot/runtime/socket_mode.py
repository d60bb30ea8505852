"""The Socket Mode connection: kept, watched, and drained before it is closed."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import structlog
from aiohttp import WSMessage
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from bot.runtime.health import Degraded, Health

log = structlog.get_logger(__name__)

CHECK_EVERY = timedelta(seconds=5)


class SocketMode(AsyncSocketModeHandler):
    """Tracks its listeners in flight, since closing the connection loses their answers; reconnects."""

    def __init__(self, app: AsyncApp, app_token: str, health: Health) -> None:
        super().__init__(app, app_token, ping_interval=5)
        self._health = health
        self._in_flight: set[asyncio.Task[Any]] = set()
        self._was_connected = False
        self.client.on_message_listeners.append(self._heard)

    async def keep(self) -> None:
        """Connect, and reconnect whenever the connection is lost.

        The library watches ping and pong and reconnects, but retries the address it was given, and an address is good
        for one connection: once that failed, every retry would be refused. Without an address it requests a new one.
        """
        connecting = asyncio.create_task(self.connect_async())  # type: ignore[no-untyped-call]  # Bolt leaves it untyped
        try:
            while True:
                await asyncio.sleep(CHECK_EVERY.total_seconds())
                connected = await self.client.is_connected()
                self._health.note(Degraded.SOCKET_MODE, None if connected else "not connected")
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

    async def _heard(self, message: WSMessage) -> None:
        """Slack says at each hello how many connections this app holds; it gives each request to any one of them.

        One more than ours is another bot with the same app token, a forgotten laptop say, that takes every other
        request. After a reconnect the old connection may still be counted.
        """
        if not isinstance(message.data, str) or '"hello"' not in message.data:
            return
        try:
            hello = json.loads(message.data)
        except ValueError:
            return
        if hello.get("type") != "hello":
            return
        self._health.note(Degraded.SOCKET_MODE, None)
        count = hello.get("num_connections")
        expected = 2 if self._was_connected else 1
        self._was_connected = True
        too_many = isinstance(count, int) and count > expected
        words = f"{count} open, {expected} expected" if too_many else None
        self._health.note(Degraded.SOCKET_MODE_CONNECTIONS, words)
        if too_many:
            log.warning("socket_mode.more_connections_than_expected", count=count, expected=expected)
