"""What a host that is named to us may answer: as much as it likes, and as oddly."""

import asyncio

import aiohttp
import pytest

from bot.slack.client import SlackClient
from tests.outside import Served, listening
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
ENDLESS = 512 * MIB


async def answered_by(handle: Served) -> None:
    """Sends an answer to a `response_url` whose host does this."""
    async with (
        listening(handle) as port,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)) as session,
    ):
        slack = SlackClient(token="xoxb-invented", base_url=f"http://127.0.0.1:{port}/api/", session=session)
        await slack.respond(f"http://127.0.0.1:{port}/answer", text="invented")


async def test_an_answer_without_end_is_not_taken_into_the_memory() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ENDLESS)
        while sent < ENDLESS:
            writer.write(bytes(MIB))
            await writer.drain()
            sent += MIB

    await answered_by(endless)
    # What the kernel holds of it at most, on its way.
    assert sent < 32 * MIB


async def test_an_answer_nested_without_measure_is_no_error_of_ours() -> None:
    async def nested(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60_000)
        await writer.drain()

    await answered_by(nested)
