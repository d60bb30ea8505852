"""From Slack to the bot: signed HTTP or Socket Mode, the three-second limit, and retries of events."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.slack.payloads import event_callback
from bot.sandbox.slack.socket_mode import Sockets
from bot.sandbox.slack.world import JSON, World

REMEMBERED = 200
"""Requests to the bot that are kept to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the bot took one request. A late answer is no answer."""

    status: int | None
    """None: no answer in time, or no connection. Socket Mode: 200 once acknowledged."""
    body: JSON | str | None
    seconds: float
    failure: str = ""
    """`http_timeout`, `http_error` or `connection_failed`, as x-slack-retry-reason names them."""
    stop_retrying: bool = False

    @property
    def ok(self) -> bool:
        return not self.failure


@dataclass(slots=True, kw_only=True)
class Sent:
    """One request to the bot."""

    kind: str
    """slash_commands, interactive or events_api."""
    payload: JSON = field(repr=False)
    at: datetime
    delivery: Delivery | None = None
    """None while it is under way."""


Disguise = Callable[[JSON], JSON]
"""Makes one payload look as if another workspace, organization or app had sent it."""


class Courier:
    """Brings payloads to the bot, by HTTP when there is an address and by a socket when there is none."""

    def __init__(
        self,
        world: World,
        sockets: Sockets,
        *,
        events_url: str | None,
        signing_secret: str,
        answer_seconds: float,
        event_retry_seconds: tuple[float, ...],
    ) -> None:
        self.events_url = events_url
        self.disguise: Disguise | None = None
        self.sent: deque[Sent] = deque(maxlen=REMEMBERED)
        self._world = world
        self._sockets = sockets
        self._signing_secret = signing_secret
        self.answer_seconds = answer_seconds
        self._event_retry_seconds = event_retry_seconds
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def deliver(self, kind: str, payload: JSON, *, retry_num: int = 0, retry_reason: str = "") -> Delivery:
        """One attempt. `kind` is Socket Mode's word: slash_commands, interactive or events_api."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        if self.disguise is not None:
            payload = self.disguise(payload)
        sent = Sent(kind=kind, payload=payload, at=self._world.clock())
        self.sent.append(sent)
        status: int | None = None
        body: JSON | str | None = None
        failure, stop = "", False
        try:
            async with asyncio.timeout(self.answer_seconds):
                if self.events_url is None:
                    body = await self._sockets.ask(kind, payload, retry_num=retry_num, retry_reason=retry_reason)
                    status = 200
                else:
                    status, body, stop = await self._post(kind, payload, retry_num, retry_reason)
                    failure = "" if 200 <= status < 300 else "http_error"
        except TimeoutError:
            failure = "http_timeout"
        except (aiohttp.ClientError, ConnectionError):
            failure = "connection_failed"
        seconds = loop.time() - started
        sent.delivery = Delivery(status=status, body=body, seconds=seconds, failure=failure, stop_retrying=stop)
        self._world.changes.tell()
        return sent.delivery

    async def emit(self, event: JSON, *, is_ext_shared: bool = False) -> Delivery:
        """Tell the bot of an event. Returns after the first attempt; retries go on by themselves."""
        payload = event_callback(
            event,
            event_id=self._world.new_id("Ev"),
            is_ext_shared=is_ext_shared,
            enterprise_id=self._world.enterprise_id,
        )
        first = await self.deliver("events_api", payload)
        if not first.ok and not first.stop_retrying:
            self.in_background(self._retry(payload, first.failure))
        return first

    async def _retry(self, payload: JSON, reason: str) -> None:
        for number, wait_seconds in enumerate(self._event_retry_seconds, start=1):
            await asyncio.sleep(wait_seconds)
            attempt = await self.deliver("events_api", payload, retry_num=number, retry_reason=reason)
            if attempt.ok or attempt.stop_retrying:
                return
            reason = attempt.failure

    async def _post(
        self, kind: str, payload: JSON, retry_num: int, retry_reason: str
    ) -> tuple[int, JSON | str | None, bool]:
        assert self._session is not None, "the stand-in is not started"
        assert self.events_url is not None
        body, content_type = encode(kind, payload)
        headers = {"Content-Type": content_type, **signature(self._signing_secret, body, self._world.clock())}
        if retry_num:
            headers |= {"x-slack-retry-num": str(retry_num), "x-slack-retry-reason": retry_reason}
        async with self._session.post(self.events_url, data=body, headers=headers, allow_redirects=False) as response:
            text = await response.text()
            stop = response.headers.get("x-slack-no-retry") == "1"
            return response.status, _body(text, response.content_type), stop

    def in_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Let it run while the caller goes on; cut short when the stand-in stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _body(text: str, content_type: str) -> JSON | str | None:
    if content_type == "application/json":
        with contextlib.suppress(ValueError):
            body: JSON | None = json.loads(text)
            return body
    return text or None


def encode(kind: str, payload: JSON) -> tuple[bytes, str]:
    """Body and content type of an HTTP delivery: Slack's JSON spells all that is not ASCII by escapes."""
    if kind == "slash_commands":
        return urlencode(payload, errors="surrogatepass").encode(), "application/x-www-form-urlencoded"
    if kind == "interactive":
        form = {"payload": json.dumps(payload)}
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    return json.dumps(payload).encode(), "application/json"


def signature(secret: str, body: bytes, now: datetime) -> dict[str, str]:
    """Slack's v0 signature over the raw body, by Slack's clock."""
    timestamp = str(int(now.timestamp()))
    signed = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return {
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={signed.hexdigest()}",
        "X-Slack-Request-Id": secrets.token_hex(8),
    }
