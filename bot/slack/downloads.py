"""Downloads from Slack: only from allowed hosts, never following a redirect, photos never onto the disk."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any
from urllib.parse import urlsplit

import httpx

from bot.domain.check.request import MAX_FILE_BYTES
from bot.errors import FileCode, FileUnusable, PhotoCode, PhotoUnusable, SlackNotSent, SlackRateLimited, SlackUncertain

FILE_SECONDS = 120.0
"""Longest that the download of a photo may take, however steadily the other side drips."""
LARGE_FILE_SECONDS = 15 * 60.0
"""The same for a table, or a zip of half a gigabyte."""


class SlackDownloads:
    """Downloads with the bot's token, which is shown to `hosts` alone (`host` or `host:port`)."""

    def __init__(
        self, *, http: httpx.AsyncClient, token: str, hosts: frozenset[str], file_seconds: float = FILE_SECONDS
    ) -> None:
        """`http` carries the time-outs between bytes, `file_seconds` bounds a whole download."""
        self._http = http
        self._token = token
        self._hosts = hosts
        self._file_seconds = file_seconds

    async def fetch(self, file: Mapping[str, Any]) -> bytes:
        """The bytes of a file as files.info describes it.

        Raises PhotoUnusable where the person can do something, SlackUncertain or SlackNotSent where waiting helps.
        """
        url = file.get("url_private_download") or file.get("url_private")
        if not isinstance(url, str) or not url:
            raise PhotoUnusable(PhotoCode.NOT_LET)
        if not self._may_see_the_token(url):
            raise PhotoUnusable(PhotoCode.FOREIGN_HOST)
        return await self._read(url, file.get("size"))

    async def fetch_to(self, file: Mapping[str, Any], sink: IO[bytes], *, most: int) -> None:
        """A table or zip, written to `sink` as it comes. Raises FileUnusable where the person can do something."""
        url = file.get("url_private_download") or file.get("url_private")
        if not isinstance(url, str) or not self._may_see_the_token(url):
            raise FileUnusable(FileCode.NOT_LET)
        await self._write(url, file.get("size"), sink, most)

    async def _write(self, url: str, size: object, sink: IO[bytes], most: int) -> None:
        too_large = FileUnusable(FileCode.TOO_LARGE, megabytes=most // 1024 // 1024)
        if isinstance(size, int) and size > most:
            raise too_large
        written = 0
        async with self._opened(url, seconds=LARGE_FILE_SECONDS) as response:
            if response.status_code != 200 or _is_page(response):
                raise FileUnusable(FileCode.NOT_LET)
            async for chunk in response.aiter_raw():
                written += len(chunk)
                if written > most:
                    raise too_large
                await asyncio.to_thread(sink.write, chunk)
        if isinstance(size, int) and size != written:
            raise SlackUncertain("download: not all of the file arrived")

    @asynccontextmanager
    async def _opened(self, url: str, *, seconds: float) -> AsyncIterator[httpx.Response]:
        """With the bot's token, and never a step further than this address; all that is read must come in time."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream("GET", url, headers=headers, follow_redirects=False) as response,
            ):
                if response.status_code == 429:
                    raise SlackRateLimited(_seconds(response.headers.get("Retry-After", "")))
                if response.status_code >= 500 or response.status_code == 408:
                    raise SlackUncertain(f"download: HTTP {response.status_code}")
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as fault:
            raise SlackNotSent("download: no connection") from fault
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as fault:
            raise SlackUncertain(f"download: {type(fault).__name__}") from fault

    def _may_see_the_token(self, url: str) -> bool:
        """An allowed host, and encrypted unless it is this machine."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        if parts.netloc not in self._hosts:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))

    async def _read(self, url: str, size: object) -> bytes:
        async with self._opened(url, seconds=self._file_seconds) as response:
            if response.status_code != 200 or _is_page(response):
                raise PhotoUnusable(PhotoCode.NOT_LET)
            data = bytearray()
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise PhotoUnusable(PhotoCode.FILE_TOO_LARGE, megabytes=MAX_FILE_BYTES // 1024 // 1024)
        if isinstance(size, int) and size != len(data):
            raise SlackUncertain("download: not all of the file arrived")
        return bytes(data)


def _is_page(response: httpx.Response) -> bool:
    """Without the right to a file Slack answers with its sign-in page, by redirect or with 200."""
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().casefold() == "text/html"


def _seconds(header: str) -> float:
    """What Slack asks us to wait; half a minute when it does not say so in whole seconds."""
    return min(max(float(header), 1.0), 3600.0) if header.isascii() and header.isdecimal() else 30.0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
