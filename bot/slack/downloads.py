"""Downloads from Slack: only from allowed hosts, never following a redirect, photos never onto the disk."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import httpx

from bot.domain.check.request import MAX_FILE_BYTES
from bot.domain.hosts import HostKind
from bot.errors import FileCode, FileUnusable, PhotoCode, PhotoUnusable, SlackNotSent, SlackRateLimited, SlackUncertain
from bot.network import why_unreachable
from bot.network.hosts import HostGate
from bot.slack.client import retry_after_seconds

FILE_SECONDS = 120.0
"""Limit for the download of a photo, however steadily the other side drips."""
LARGE_FILE_SECONDS = 15 * 60.0
"""The same for a table, or a zip of half a gigabyte."""


@dataclass(slots=True, kw_only=True, eq=False)
class SlackDownloads:
    """Downloads with the bot's token, which goes to the hosts of `gate` only."""

    http: httpx.AsyncClient
    """With the time-outs between bytes."""
    token: str = field(repr=False)
    gate: HostGate
    file_seconds: float = FILE_SECONDS

    async def fetch(self, file: Mapping[str, Any]) -> bytes:
        """Raises PhotoUnusable where a person can do something, SlackUncertain or SlackNotSent where waiting helps."""
        url, data = _url(file), bytearray()
        if not url:
            raise PhotoUnusable(PhotoCode.NOT_LET)
        if not self._admits(url):
            raise PhotoUnusable(PhotoCode.FOREIGN_HOST)
        async with self._opened(url, seconds=self.file_seconds) as response:
            if _is_refused(response):
                raise PhotoUnusable(PhotoCode.NOT_LET)
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise PhotoUnusable(PhotoCode.FILE_TOO_LARGE, megabytes=MAX_FILE_BYTES // 1024 // 1024)
        _require_all(file, len(data))
        return bytes(data)

    async def fetch_to(self, file: Mapping[str, Any], sink: IO[bytes], *, most: int) -> None:
        """Stream a table or zip to `sink`. Raises FileUnusable where the person can do something."""
        url, written = _url(file), 0
        too_large = FileUnusable(FileCode.TOO_LARGE, megabytes=most // 1024 // 1024)
        if not url:
            raise FileUnusable(FileCode.NOT_LET)
        if not self._admits(url):
            raise FileUnusable(FileCode.FOREIGN_HOST)
        if isinstance(size := file.get("size"), int) and size > most:
            raise too_large
        async with self._opened(url, seconds=LARGE_FILE_SECONDS) as response:
            if _is_refused(response):
                raise FileUnusable(FileCode.NOT_LET)
            async for chunk in response.aiter_raw():
                written += len(chunk)
                if written > most:
                    raise too_large
                await asyncio.to_thread(sink.write, chunk)
        _require_all(file, written)

    def _admits(self, url: str) -> bool:
        """False: whoever sent the file can send it in another way. Raises SlackNotSent where an operator must act."""
        if self.gate.admits(url):
            return True
        if self.gate.is_usual(url):
            raise SlackNotSent(f"download: a host that {HostKind.FILES} does not name")
        return False

    @asynccontextmanager
    async def _opened(self, url: str, *, seconds: float) -> AsyncIterator[httpx.Response]:
        """Opens the address with the bot's token, without redirects; `seconds` bounds all that is read."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(seconds),
                self.http.stream("GET", url, headers=headers, follow_redirects=False) as response,
            ):
                if response.status_code == 429:
                    raise SlackRateLimited(retry_after_seconds(response.headers.get("Retry-After")))
                if response.status_code >= 500 or response.status_code == 408:
                    raise SlackUncertain(f"download: HTTP {response.status_code}")
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as fault:
            why = why_unreachable(fault)
            raise SlackNotSent(f"download: no connection{f' ({why})' if why else ''}") from fault
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as fault:
            raise SlackUncertain(f"download: {type(fault).__name__}") from fault


def _url(file: Mapping[str, Any]) -> str:
    url = file.get("url_private_download") or file.get("url_private")
    return url if isinstance(url, str) else ""


def _require_all(file: Mapping[str, Any], received: int) -> None:
    if isinstance(size := file.get("size"), int) and size != received:
        raise SlackUncertain("download: not all of the file arrived")


def _is_refused(response: httpx.Response) -> bool:
    """Without the right to a file Slack answers with its sign-in page, by redirect or with 200."""
    kind = str(response.headers.get("Content-Type", "")).partition(";")[0].strip().casefold()
    return response.status_code != 200 or kind == "text/html"
