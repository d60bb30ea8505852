"""The Socket Mode connection: opened, watched, replaced with backoff, and drained before it is closed.

Not slack_sdk's client: it reconnects at once however often it is turned away, repeats an address that is good for one
connection, closes the old connection before the new one is open, and keeps Slack's reasons to itself.
"""

import asyncio
import json
import random
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.domain.backoff import retry_in
from bot.domain.half_characters import mended_json
from bot.errors import REFUSES_US, SlackError, SlackRateLimited, SlackRefused
from bot.network import why_unreachable
from bot.runtime.health import Degraded, Health
from bot.settings import is_loopback
from bot.slack.client import SlackClient

log = structlog.get_logger(__name__)

Message = dict[str, Any]

CONNECT_SECONDS = 15.0
HELLO_SECONDS = 15.0
"""Slack greets at once; a connection without its hello brings nothing."""
HEARTBEAT_SECONDS = 10.0
"""Between pings; without an answer within half of it the connection counts as lost."""
CLOSE_SECONDS = 1.0
RETIRE_SECONDS = 15.0
"""How long a connection that Slack will close is still listened to: its warning comes about ten seconds before."""
DRAIN_SECONDS = 3.0
STEADY_SECONDS = 30.0
"""A connection that lasted as long is replaced at once when it ends; after a shorter one comes a wait."""
LONGEST_WAIT = timedelta(minutes=1)
"""Whoever turns Socket Mode on again waits no longer than this for the bot."""

_WRONG_TOKEN = REFUSES_US | {"missing_scope", "not_allowed_token_type"}
"""Without `connections:write`, or a bot token in its place."""
_PLANNED = frozenset({"warning", "refresh_requested"})
_CODE = re.compile(r"[a-z_]{1,40}")
"""What Slack's reasons look like; anything else is not repeated."""
_REASONS = {
    "link_disabled": "Socket Mode is turned off in the app (link_disabled)",
    "too_many_websockets": "too many connections are open with this app token (too_many_websockets)",
}


@dataclass(frozen=True, slots=True)
class _End:
    """How a connection, or the attempt at one, ended."""

    reason: str
    """Slack's where it gave one; without anything that was sent."""
    is_planned: bool = False
    """Slack replaces a connection every few hours, and serves the old one until the new one is open."""
    lasted_seconds: float = 0.0
    """Since Slack's hello; 0 without one."""
    wait_seconds: float = 0.0
    """How long Slack asks to wait."""


class SocketMode:
    """Keeps one connection, and tracks the requests in flight, since closing it loses their answers."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        *,
        slack: SlackClient,
        health: Health,
        instances: Callable[[], int] = lambda: 1,
        rng: random.Random | None = None,
    ) -> None:
        """`slack` opens the connections, by its session and its way out; `rng` spreads the waits.

        `instances`: how many processes of this bot have a connection each.
        """
        self._app = app
        self._app_token = app_token
        self._slack = slack
        self._health = health
        self._instances = instances
        self._rng = rng or random.SystemRandom()
        self._current: aiohttp.ClientWebSocketResponse | None = None
        self._was_connected = False
        self._closing = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._retiring: dict[asyncio.Task[None], aiohttp.ClientWebSocketResponse] = {}
        self.connected = asyncio.Event()
        """Slack has greeted the connection that is open now."""

    async def keep(self) -> None:
        """Connect, and reconnect whenever the connection ends, until cancelled or drained."""
        failures = 0
        while not self._closing.is_set():
            ended = await self._one_connection()
            self.connected.clear()
            if self._closing.is_set():
                return
            failures = 0 if ended.lasted_seconds >= STEADY_SECONDS else failures + 1
            if failures == 0 or (failures == 1 and ended.is_planned):
                log.info("socket_mode.reconnecting", reason=ended.reason)
                continue
            backoff = retry_in(failures, jitter=self._rng.random(), cap=LONGEST_WAIT).total_seconds()
            wait = max(backoff, ended.wait_seconds)
            self._health.note(Degraded.SOCKET_MODE, f"not connected: {ended.reason}")
            log.warning("socket_mode.not_connected", error=ended.reason, retry_in_seconds=round(wait, 1))
            await asyncio.sleep(wait)

    async def drain(self) -> None:
        """Let listeners answer, then close; no connection is opened any more."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                # Requests come until the connections are closed, and each is to be answered.
                while self._in_flight:
                    await asyncio.wait(set(self._in_flight))
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(
            *self._retiring,
            *(socket.close() for socket in (self._current, *self._retiring.values()) if socket),
            return_exceptions=True,
        )

    async def _one_connection(self) -> _End:
        try:
            socket = await self._open()
        except SlackRateLimited as limited:
            return _End("Slack asks us to wait", wait_seconds=limited.retry_after)
        except SlackRefused as no:
            return _End(f"Slack refuses {'the app token' if no.code in _WRONG_TOKEN else 'to connect'} ({no.code})")
        except SlackError as fault:
            return _End(str(fault))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            return _End(_words(fault))
        if self._closing.is_set():
            # Stopped meanwhile: what came by it now would be lost with its answer.
            await socket.close()
            return _End("the bot stops")
        self._current = socket
        reason, lasted = await self._listen(socket, patience_seconds=HELLO_SECONDS)
        is_planned = reason in _PLANNED
        if is_planned:
            self._retire(socket)
        else:
            await socket.close()
        return _End(_REASONS.get(reason, reason), is_planned=is_planned, lasted_seconds=lasted)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        url = await self._slack.open_socket(self._app_token)
        parts = urlsplit(url)
        if parts.scheme != "wss" and not (parts.scheme == "ws" and is_loopback(parts.hostname or "")):
            raise ValueError("Slack's answer holds no encrypted address")
        async with asyncio.timeout(CONNECT_SECONDS):
            return await self._slack.session.ws_connect(
                url,
                heartbeat=HEARTBEAT_SECONDS,
                proxy=self._slack.proxy_for(url),
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            )

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, *, patience_seconds: float) -> tuple[str, float]:
        """Take what comes until the connection ends, or no hello has come in time.

        Gives the reason, Slack's word where it is one, and the seconds since Slack's hello.
        """
        greeted_at = float("inf")

        def lasted() -> float:
            return max(0.0, asyncio.get_running_loop().time() - greeted_at)

        try:
            async with asyncio.timeout(patience_seconds) as limit:
                async for frame in socket:
                    message = _object(frame.data) if frame.type is aiohttp.WSMsgType.TEXT else {}
                    kind = message.get("type")
                    if kind == "hello":
                        limit.reschedule(None)
                        greeted_at = asyncio.get_running_loop().time()
                        self._greet(message)
                    elif kind == "disconnect":
                        return _reason(message), lasted()
                    elif isinstance(message.get("envelope_id"), str):
                        self._take(socket, message)
        except TimeoutError:
            return "Slack does not greet the connection", 0.0
        lost = socket.close_code in (None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
        reason = "the connection was lost" if lost else f"Slack closed the connection ({socket.close_code})"
        return reason, lasted()

    def _retire(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Keep hearing what still comes by a connection that is being replaced."""

        async def hear() -> None:
            try:
                await self._listen(socket, patience_seconds=RETIRE_SECONDS)
            finally:
                await socket.close()

        task = asyncio.create_task(hear())
        self._retiring[task] = socket
        task.add_done_callback(self._retiring.pop)

    def _take(self, socket: aiohttp.ClientWebSocketResponse, envelope: Message) -> None:
        task = asyncio.create_task(self._answer(socket, envelope))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, envelope: Message) -> None:
        """Hand one request to Bolt, and its answer back. Without an answer Slack repeats an event."""
        try:
            response = await self._app.async_dispatch(_request(envelope))
            if response.status != 200:
                log.info("socket_mode.not_acknowledged", status=response.status)
                return
            await self._send(socket, {"envelope_id": envelope["envelope_id"], **_payload(response)})
        except Exception:
            # Ours, of this one request: the connection goes on for the others, and Slack repeats or says so itself.
            log.exception("socket_mode.request_failed")

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, answer: Message) -> None:
        """By the connection that asked, or by the one that has taken its place."""
        text = json.dumps(answer)
        for each in (socket, self._current):
            if each is None or each.closed:
                continue
            try:
                await each.send_str(text)
            except (aiohttp.ClientError, ConnectionError):
                continue
            return
        log.warning("socket_mode.answer_lost")

    def _greet(self, hello: Message) -> None:
        """Slack says at each hello how many connections this app holds; it gives each request to any one of them.

        More than ours are of another bot with the same app token, a forgotten laptop say, that takes every other
        request. After a reconnect the old connection may still be counted, and so may those of the instances beside us.
        """
        self.connected.set()
        self._health.note(Degraded.SOCKET_MODE, None)
        log.info("socket_mode.connected")
        count = hello.get("num_connections")
        expected = 2 * self._instances() - (0 if self._was_connected else 1)
        self._was_connected = True
        too_many = isinstance(count, int) and count > expected
        words = f"{count} open, {expected} expected" if too_many else None
        self._health.note(Degraded.SOCKET_MODE_CONNECTIONS, words)
        if too_many:
            log.warning("socket_mode.more_connections_than_expected", count=count, expected=expected)


def _reason(disconnect: Message) -> str:
    reason = str(disconnect.get("reason"))
    return reason if _CODE.fullmatch(reason) else "Slack ends the connection"


def _object(text: str) -> Message:
    """A frame's JSON object; empty for anything else."""
    try:
        parsed = json.loads(mended_json(text))
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _request(envelope: Message) -> AsyncBoltRequest:
    """An envelope as Bolt takes it; that it is a repeat stands in headers, as in HTTP."""
    headers: dict[str, str | Sequence[str]] = {
        name: [str(envelope[key])]
        for name, key in (("x-slack-retry-num", "retry_attempt"), ("x-slack-retry-reason", "retry_reason"))
        if envelope.get(key) not in (None, "")
    }
    return AsyncBoltRequest(mode="socket_mode", body=envelope.get("payload") or {}, headers=headers)


def _payload(response: BoltResponse) -> Message:
    """What an acknowledgement carries back: nothing, an object, or a text."""
    if not response.body:
        return {}
    is_json = response.first_headers_without_set_cookie().get("content-type", "").startswith("application/json")
    return {"payload": json.loads(response.body) if is_json else {"text": response.body}}


def _words(fault: Exception) -> str:
    """Why no connection could be opened; a foreign text may quote the address, which is a secret."""
    if isinstance(fault, aiohttp.WSServerHandshakeError):
        return f"Slack's socket answers with HTTP {fault.status}"
    if isinstance(fault, TimeoutError):
        return "Slack's socket does not answer"
    if type(fault) is ValueError:
        return str(fault)
    why = why_unreachable(fault)
    return f"no connection to Slack's socket ({why or type(fault).__name__})"
