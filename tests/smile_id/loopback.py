"""A server that answers with whatever bytes a test wants, or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import httpx

from bot.network import Outbound
from bot.settings import NetworkSettings
from bot.smile_id.client import V1Client
from bot.smile_id.interface import JobPhoto, JobRequest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PARTNER_ID = "0421"
API_KEY = "test-api-key-0000"


def request_of(**fields: Any) -> JobRequest:
    """A small job; `fields` replace its parts."""
    small: dict[str, Any] = {
        "job_id": "job-7c1",
        "user_id": "user-9a2",
        "callback_url": "",
        "id_info": {},
        "consent_at": NOW,
        "labels": {},
        "selfie": JobPhoto(data=b"\xff\xd8selfie"),
    }
    return JobRequest(**small | fields)


class Trouble(Enum):
    """Ways of a server not to answer."""

    SILENCE = auto()
    DRIP = auto()
    """An answer that comes byte by byte and never ends."""
    CLOSE = auto()
    RESET = auto()
    RESET_BEFORE_READING = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


Reply = bytes | Trouble


@dataclass(slots=True)
class Loopback:
    """A running server and what it was asked."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def reply(status: int, body: object = b"", **headers: str) -> bytes:
    """A whole answer; anything but bytes travels as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def _read(reader: asyncio.StreamReader, *, body: bool) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    length = int(headers.get("content-length", "0")) if body else 0
    return Request(method, target, headers, await reader.readexactly(length))


async def _play(trouble: Trouble, running: Loopback, writer: asyncio.StreamWriter) -> None:
    match trouble:
        case Trouble.SILENCE:
            running.asked.set()
            await running.over.wait()
        case Trouble.DRIP:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            over = asyncio.ensure_future(running.over.wait())
            while not over.done():
                writer.write(b" ")
                await asyncio.wait([over], timeout=0.02)
        case Trouble.RESET | Trouble.RESET_BEFORE_READING:
            # closing with a linger time of zero sends a reset
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case Trouble.CLOSE:
            pass


@asynccontextmanager
async def loopback(answer: Callable[[Request], Reply] | Reply, *, reads_bodies: bool = True) -> AsyncIterator[Loopback]:
    running = Loopback()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = answer
        if said is not Trouble.RESET_BEFORE_READING:
            request = await _read(reader, body=reads_bodies)
            running.requests.append(request)
            said = answer(request) if callable(answer) else answer
        assert not callable(said)
        if isinstance(said, Trouble):
            await _play(said, running, writer)
        else:
            writer.write(said)
            if not reads_bodies:
                writer.write_eof()
                while await reader.read(1 << 20):
                    pass
        writer.close()
        # the peer may have gone first
        with suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        running.over.set()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def client_of(
    origin: str,
    *,
    calls: list[tuple[str, str]] | None = None,
    seconds: float = 5.0,
    call_seconds: float = 10.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[V1Client]:
    timeout = httpx.Timeout(5.0, read=seconds)
    outbound = Outbound.of(NetworkSettings.load({}), own=[origin])
    client = httpx.AsyncClient(transport=transport, trust_env=False) if transport else outbound.http(timeout=timeout)
    async with client as http:
        yield V1Client(
            http=http,
            base_url=f"{origin}/v1",
            partner_id=PARTNER_ID,
            api_key=API_KEY,
            now=lambda: NOW,
            call_seconds=call_seconds,
            on_call=(lambda call, result: None) if calls is None else lambda *told: calls.append(told),
        )
