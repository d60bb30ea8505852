"""A fence around work, before real servers: what is behind it is sent whole while it is open, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import httpx
import pytest

from bot.errors import DatabaseUnusable, LeaseLost, SlackNotSent, SmileIDNotSent, SmileIDUncertain
from bot.network import Outbound
from bot.network.fence import Fence, behind_fence, is_open
from bot.settings import NetworkSettings
from bot.slack.client import SlackClient
from bot.smile_id.client import V1Client
from tests.outside import listening
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

MUCH = bytes(range(256)) * 12_000
"""More than is sent in one piece."""


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@dataclass(slots=True)
class Gate:
    """A fence that a test opens and closes."""

    looks_until_closed: int = 1_000_000
    when_asked: BaseException | None = None
    asked: int = 0

    async def require(self) -> None:
        self.asked += 1
        if self.when_asked is not None:
            raise self.when_asked

    def is_open(self) -> bool:
        self.looks_until_closed -= 1
        return self.looks_until_closed >= 0


@dataclass(slots=True)
class Other:
    """The other side: answers whatever comes whole, and keeps what came."""

    answer: bytes
    port: int = 0
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    cut_off: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            self.heads.append(head)
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            length, body = int(fields.get(b"content-length", b"0")), bytearray()
            while len(body) < length and (piece := await reader.read(65536)):
                body += piece
            self.bodies.append(bytes(body))
            if len(body) < length:
                self.cut_off.set()
                return
            kind = b"content-type: application/json\r\n"
            head = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n" % (kind, len(self.answer))
            writer.write(head + self.answer)
            await writer.drain()


@asynccontextmanager
async def smile_id() -> AsyncIterator[tuple[Other, V1Client]]:
    async with AsyncExitStack() as stack:
        other = Other(b"")
        other.port = await stack.enter_async_context(listening(other.serve))
        outbound = Outbound.of(NetworkSettings.load({}), own=["http://127.0.0.1"])
        http = await stack.enter_async_context(outbound.http(timeout=httpx.Timeout(GIVE_UP_SECONDS)))
        client = V1Client(
            http=http,
            base_url=f"http://127.0.0.1:{other.port}/v1",
            partner_id="001",
            api_key="invented",
            now=lambda: datetime.now(UTC),
        )
        yield other, client


@asynccontextmanager
async def slack() -> AsyncIterator[tuple[Other, SlackClient]]:
    async with AsyncExitStack() as stack:
        other = Other(b'{"ok": true, "channel": "C1", "ts": "1.1"}')
        other.port = await stack.enter_async_context(listening(other.serve))
        outbound = Outbound.of(NetworkSettings.load({}), own=["http://127.0.0.1"])
        session = outbound.session(timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS))
        await stack.enter_async_context(session)
        yield other, SlackClient(token="xoxb-1", base_url=f"http://127.0.0.1:{other.port}/", session=session)


async def send(other: Other, client: V1Client, fence: Fence) -> None:
    with behind_fence(fence):
        await client.send(f"http://127.0.0.1:{other.port}/zip", MUCH)


async def post(client: SlackClient, fence: Fence) -> None:
    with behind_fence(fence):
        await client.post(channel="C1", text="invented", blocks=[], post_id="alert:1")


async def test_photos_pass_an_open_fence_which_is_asked_once_for_each_request() -> None:
    async with smile_id() as (other, client):
        gate = Gate()
        for _time in range(2):
            await send(other, client, gate)
        assert (gate.asked, other.connections) == (2, 1)
        assert other.bodies == [MUCH, MUCH]


async def test_a_fence_that_closes_while_photos_are_sent_keeps_the_rest_back() -> None:
    async with smile_id() as (other, client):
        # The head, and two pieces; frozen between two of them, a process would go on here.
        with pytest.raises(SmileIDUncertain):
            await asyncio.wait_for(send(other, client, Gate(looks_until_closed=3)), GIVE_UP_SECONDS / 2)
        await asyncio.wait_for(other.cut_off.wait(), GIVE_UP_SECONDS)
        assert 0 < len(other.bodies[0]) < len(MUCH)


async def test_behind_a_closed_fence_nothing_of_the_photos_is_sent() -> None:
    async with smile_id() as (other, client):
        with pytest.raises((SmileIDUncertain, SmileIDNotSent)):
            await send(other, client, Gate(looks_until_closed=0))
        assert other.heads == []


async def test_behind_a_closed_fence_no_message_is_sent_and_it_counts_as_such() -> None:
    async with slack() as (other, client):
        await post(client, Gate())
        for gate in (Gate(looks_until_closed=0), Gate(looks_until_closed=0)):
            with pytest.raises(SlackNotSent):
                await post(client, gate)
        assert len(other.heads) == 1
        # The next one finds a way again.
        await post(client, Gate())
        assert len(other.heads) == 2


async def test_a_fence_that_closes_once_there_is_a_connection_keeps_the_message_back() -> None:
    async with slack() as (other, client):
        for _time in range(2):  # by a new connection, and by one that was kept
            with pytest.raises(SlackNotSent):
                await asyncio.wait_for(post(client, Gate(looks_until_closed=1)), GIVE_UP_SECONDS / 2)
            assert other.heads == []
            await post(client, Gate())
            other.heads.clear()


@pytest.mark.parametrize("fault", [DatabaseUnusable("invented"), LeaseLost("i-1")], ids=["error", "end"])
async def test_what_a_fence_raises_reaches_whoever_does_the_work(fault: BaseException) -> None:
    async with smile_id() as (other, client), slack() as (workspace, messages):
        gate = Gate(when_asked=fault)
        with pytest.raises(type(fault)):
            await send(other, client, gate)
        with pytest.raises(type(fault)):
            await post(messages, gate)
        assert (other.heads, workspace.heads) == ([], [])
        # Nothing is left taken by what was not sent.
        await send(other, client, Gate())
        await post(messages, Gate())


def test_without_a_fence_all_passes() -> None:
    assert is_open()
    with behind_fence(Gate(looks_until_closed=0)):
        assert not is_open()
        with behind_fence(None):
            assert is_open()
    assert is_open()
