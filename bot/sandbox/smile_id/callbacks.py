"""Delivers result messages to callback URLs, with retries, to loopback addresses only.

Time-out and number of retries are V3's (docs.usesmileid.com, read 2026-11); v1 documents neither.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from .records import Message, SentCallback

_TIMEOUT_SECONDS = 35
_HEAD_START_SECONDS = 1
"""How long a message waits for the one before it to be answered. Real messages do not wait at all; this
much keeps stories in order without letting a receiver that hangs stop the next message."""


class Postman:
    """Sends messages and writes down every try."""

    def __init__(
        self,
        *,
        seal: Callable[[Message], Message],
        retry_seconds: tuple[float, ...],
        sent: list[SentCallback],
        changed: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._seal = seal
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._sent = sent
        self._changed = changed
        self._session: aiohttp.ClientSession | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Give up what is under way."""
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def deliver(self, job_id: str, url: str, messages: Iterable[Message]) -> None:
        """Start the deliveries one after the other; their retries go on by themselves."""
        for message in messages:
            tried = asyncio.Event()
            delivery = asyncio.create_task(self._deliver(job_id, url, message, tried))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEAD_START_SECONDS):
                    await tried.wait()

    async def _deliver(self, job_id: str, url: str, message: Message, tried: asyncio.Event) -> None:
        for pause in (0, *self._retry_seconds):
            await asyncio.sleep(pause)
            sent = await self.try_once(job_id, url, self._seal(message))
            tried.set()
            if not _is_loopback(url) or (sent.status is not None and 200 <= sent.status < 300):
                return

    async def try_once(self, job_id: str, url: str, body: Message) -> SentCallback:
        """One delivery of exactly this body."""
        sent = SentCallback(job_id=job_id, url=url, body=body, at=self._clock())
        began = time.monotonic()
        self._sent.append(sent)
        try:
            sent.status = await self._post(url, body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            sent.fault = f"{type(error).__name__}: {error}"
        finally:
            sent.seconds = time.monotonic() - began
            self._changed()
        return sent

    async def _post(self, url: str, body: Message) -> int:
        if not _is_loopback(url):
            raise ValueError("the sandbox calls loopback addresses only")
        if self._session is None:
            raise RuntimeError("the sandbox is not started")
        async with self._session.post(url, json=body, allow_redirects=False) as answer:
            await answer.read()
            return answer.status


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
