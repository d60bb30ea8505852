"""How long Slack asks the bot to wait, in the answer to a call and to a download."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest

from bot.domain.hosts import HostKind
from bot.errors import SlackRateLimited
from bot.network.hosts import HostGate
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads

pytestmark = pytest.mark.anyio

WAITS = {
    "7": 7.0,
    "1.5": 1.5,
    "0": 1.0,
    "-5": 1.0,
    "86400": 3600.0,
    "inf": 3600.0,
    "nan": 30.0,
    "in a moment": 30.0,
    "": 30.0,
}


@asynccontextmanager
async def limited(retry_after: str | None) -> AsyncIterator[str]:
    """`host:port` of a server that answers everything with 429."""
    header = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 429 Too Many\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def wait_of_a_call(at: str) -> float:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        slack = SlackClient(token="xoxb-invented", base_url=f"http://{at}/api/", session=session)
        with pytest.raises(SlackRateLimited) as limit:
            await slack.whoami()
    return limit.value.retry_after


async def wait_of_a_download(at: str) -> float:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        files = SlackDownloads(
            http=http, token="xoxb-invented", gate=HostGate(kind=HostKind.FILES, usual=frozenset({at}), is_local=True)
        )
        with pytest.raises(SlackRateLimited) as limit:
            await files.fetch({"url_private": f"http://{at}/selfie.jpg"})
    return limit.value.retry_after


@pytest.mark.slow
@pytest.mark.parametrize(("retry_after", "seconds"), [*WAITS.items(), (None, 30.0)])
async def test_the_bot_waits_as_long_as_slack_asks_within_an_hour(retry_after: str | None, seconds: float) -> None:
    async with limited(retry_after) as at:
        assert await wait_of_a_call(at) == seconds
        assert await wait_of_a_download(at) == seconds
