"""The customer's page at a real port, before whoever sends too much, too slowly, by halves or all at once."""

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

import handlers
from bot.domain.capture.upload import MAX_BODY_BYTES
from bot.runtime.server import connections_of, listen, serve_asgi
from handlers.capture import origin_of
from tests.conftest import Took
from tests.handlers.customers import NOTICE, PHOTOS, TOKEN, Behind, Link, capture, headers
from tests.journeys.intake.test_batch_of_500 import resident_kib
from tests.journeys.runtime.test_front_doors import answer, called_back, metric
from tests.journeys.smile import waiting
from tests.journeys.world import Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

MIB_OF_KIB = 1024
RAW = "application/octet-stream"
PLACES = 16
"""Uploads that are let in at once."""
CUSTOMERS = 50
BEYOND = 80
"""More than may be open at once."""


class Port:
    """The bot's public port, with stand-ins for what lies behind the page."""

    def __init__(self, world: Journey, behind: Behind, place: tuple[str, int]) -> None:
        self.behind = behind
        self.place = place
        self.origin = origin_of(world.bot.settings.public_url or "")

    def fields(self, **more: str | None) -> list[tuple[str, str]]:
        return headers(**{"origin": self.origin, **more})

    async def post(self, what: str, content: Any = b"{}", **more: Any) -> httpx.Response:
        if what == "photos":
            more = {"content_type": RAW, **more}
        async with httpx.AsyncClient(trust_env=False, timeout=GIVE_UP_SECONDS) as client:
            url = f"http://{self.place[0]}:{self.place[1]}/c/{what}"
            return await client.post(url, content=content, headers=self.fields(**more))

    def head(self, what: str, *, version: str = "1.1", **more: str | None) -> bytes:
        """Of a post as the page makes it, without its body."""
        if what == "photos":
            more = {"content_type": RAW, **more}
        lines = [f"{name}: {value}" for name, value in self.fields(**more)]
        return "\r\n".join([f"POST /c/{what} HTTP/{version}", "Host: localhost", *lines, "", ""]).encode()

    async def agreed(self, token: str = TOKEN) -> None:
        assert (await self.post("open", token=token)).status_code == 200
        consent = json.dumps({"notice": NOTICE, "language": "en"}).encode()
        assert (await self.post("consent", consent, token=token)).status_code == 200

    async def idle(self) -> None:
        """Until nothing is under way any more."""
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while self.behind.under_way:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.005)


@asynccontextmanager
async def port_of(world: Journey, **more: Any) -> AsyncIterator[Port]:
    behind, sock = Behind(places=PLACES), listen("127.0.0.1", 0)
    connections = connections_of(world.bot)
    bot = replace(world.bot, capture=capture(behind))
    web = handlers.web(bot, None, connections, **more)
    async with serve_asgi(web, sock, connections):
        yield Port(world, behind, sock.getsockname())


def statuses(said: bytes) -> list[bytes]:
    return [line for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]


async def test_without_links_there_is_nothing_at_the_pages_addresses(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, httpx.AsyncClient(trust_env=False) as client:
        for path in ("/c", "/c/", "/c/style.css", "/c/open", "/c/photos", "/c/a/b"):
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                said = await client.request(method, f"{world.bot.settings.public_url}{path}", headers=headers())
                assert (said.status_code, said.headers["content-security-policy"][:18]) == (404, "default-src 'none'")


async def test_only_under_its_own_name(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, port_of(world) as port:
        for host, status in (("localhost", b"200"), ("evil.example", b"421")):
            async with await anyio.connect_tcp(*port.place) as line:
                sent = f"GET /c HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                await line.send(sent.encode())
                assert statuses(await answer(line))[0].split(b" ")[1] == status


async def test_older_programs_are_answered_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, port_of(world) as port:
        for sent, status, has_body in (
            (b"GET /c HTTP/1.0\r\n\r\n", b"421", False),
            (b"GET /c HTTP/1.0\r\nHost: localhost\r\n\r\n", b"200", True),
            (b"HEAD /c HTTP/1.0\r\nHost: localhost\r\n\r\n", b"200", False),
            (b"HEAD /c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200", False),
            (port.head("open", version="1.0", content_length="2") + b"{}", b"200", True),
            (port.head("open", version="1.0"), b"400", True),
            (port.head("open", version="1.0", transfer_encoding="chunked") + b"2\r\n{}\r\n0\r\n\r\n", None, True),
        ):
            async with await anyio.connect_tcp(*port.place) as line:
                await line.send(sent)
                said = await answer(line)
            assert status in (None, statuses(said)[0].split(b" ")[1]), sent
            assert bool(said.partition(b"\r\n\r\n")[2]) is has_body, sent


async def test_a_byte_now_and_then_is_not_waited_for(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, port_of(world, photos_seconds=0.3, body_seconds=0.3) as port:
        await port.agreed()
        for what, length in (("photos", "500000"), ("consent", "60")):
            async with await anyio.connect_tcp(*port.place) as line:
                await line.send(port.head(what, content_length=length))
                said = b""
                with anyio.fail_after(GIVE_UP_SECONDS):
                    while not said:
                        await line.send(b"K")
                        with anyio.move_on_after(0.02):
                            said = await line.receive()
            assert said.startswith(b"HTTP/1.1 408"), what
            assert b"connection: close" in said
            assert said.endswith(b'{"error": "too_slow"}')
        assert port.behind.under_way == 0
        assert (await port.post("photos", PHOTOS)).status_code == 200
        assert await metric(world, 'kyc_http_refused_total{status="408"}') == 2
        assert await metric(world, 'kyc_capture_requests_total{kind="photos",result="too_slow"}') == 1


async def test_who_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path) as world, port_of(world) as port:
        await port.agreed()
        for what in ("photos", "open"):
            async with await anyio.connect_tcp(*port.place) as line:
                await line.send(port.head(what, content_length="4000") + PHOTOS)
                if what == "photos":
                    async with asyncio.timeout(GIVE_UP_SECONDS):
                        while not port.behind.under_way:  # noqa: ASYNC110  # it tells nobody
                            await asyncio.sleep(0.005)
            await port.idle()
        assert port.behind.taken == []
        assert (await port.post("photos", PHOTOS)).status_code == 200
        assert await metric(world, 'kyc_capture_requests_total{kind="photos",result="left"}') == 1
        assert not [line for line in log_lines.getvalue().splitlines() if '"error"' in line]


async def test_what_does_not_say_its_length_is_bounded_all_the_same(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, port_of(world) as port:
        await port.agreed()

        async def pieces(count: int) -> AsyncIterator[bytes]:
            for _ in range(count):
                yield bytes(MAX_BODY_BYTES // 12)

        for count in (13, 40):
            assert (await port.post("photos", pieces(count))).status_code == 413
        assert port.behind.taken == []
        assert (await port.post("photos", pieces(12))).status_code == 200
        assert port.behind.taken == [MAX_BODY_BYTES]


@pytest.mark.parametrize("length", ["12582913", "4294967296", "9" * 18])
async def test_what_says_that_it_is_too_large_is_never_asked_for(tmp_path: Path, length: str) -> None:
    async with journey(tmp_path) as world, port_of(world) as port:
        await port.agreed()
        async with await anyio.connect_tcp(*port.place) as line:
            await line.send(port.head("photos", content_length=length, expect="100-continue"))
            said = await line.receive()
            assert said.startswith(b"HTTP/1.1 413")
        async with await anyio.connect_tcp(*port.place) as line:
            await line.send(port.head("photos", content_length=str(len(PHOTOS)), expect="100-continue"))
            assert (await line.receive()).startswith(b"HTTP/1.1 100")
            await line.send(PHOTOS)
            assert (await line.receive()).startswith(b"HTTP/1.1 200")


async def test_a_phone_that_changes_networks_begins_again(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, port_of(world) as port:
        await port.agreed()
        async with await anyio.connect_tcp(*port.place) as lost:
            await lost.send(port.head("photos", content_length="400000") + PHOTOS)
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while not port.behind.under_way:  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.005)
            assert (await port.post("photos", PHOTOS)).json() == {"step": "taken"}
            assert (await answer(lost)).endswith(b'{"error": "under_way"}')


def links(count: int) -> list[str]:
    return [f"{number:043d}" for number in range(count)]


async def agree_all(port: Port, tokens: list[str]) -> None:
    port.behind.links |= {token: Link() for token in tokens}
    for token in tokens:
        await port.agreed(token)


async def hanging(port: Port, tokens: list[str], stack: AsyncExitStack, body: bytes) -> list[SocketStream]:
    """An upload for each, all but its last byte."""
    lines = []
    for token in tokens:
        line = await stack.enter_async_context(await anyio.connect_tcp(*port.place))
        lines.append(line)
        with suppress(anyio.BrokenResourceError), anyio.move_on_after(5):
            await line.send(port.head("photos", token=token, content_length=str(len(body) + 1)) + body)
    return lines


async def test_many_customers_at_once_have_bounded_memory_and_callbacks_come_through(
    tmp_path: Path, took: Took, capsys: pytest.CaptureFixture[str]
) -> None:
    async with waiting(tmp_path) as (world, _ref), port_of(world) as port, AsyncExitStack() as stack:
        tokens, body = links(CUSTOMERS), bytes(MAX_BODY_BYTES - 1)
        await agree_all(port, tokens)
        before = resident_kib(os.getpid(), "VmRSS")
        lines = await hanging(port, tokens, stack, body)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while port.behind.under_way < PLACES:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        begin = asyncio.get_running_loop().time()
        assert await called_back(world) == 200
        took(asyncio.get_running_loop().time() - begin, less_than=2)
        most = resident_kib(os.getpid(), "VmRSS")
        heard = dict[bytes, int]()
        for line in lines:
            with suppress(anyio.BrokenResourceError):
                await line.send(b"x")
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                status = statuses(await line.receive())[0]
                heard[status] = heard.get(status, 0) + 1
        peak = max(most, resident_kib(os.getpid(), "VmRSS"))
        with capsys.disabled():
            grown = (peak - before) // MIB_OF_KIB
            print(f"\n{CUSTOMERS} uploads of 12 MiB at once: {grown} MiB more, {heard}")
        assert heard[b"HTTP/1.1 200 OK"] == PLACES
        assert heard[b"HTTP/1.1 503 Service Unavailable"] == CUSTOMERS - PLACES
        # Of all those that were let in, an eighth more while they grow, and once more of one that is just whole.
        assert peak - before < (PLACES * 9 / 8 + 4) * (MAX_BODY_BYTES // 1024)
        assert port.behind.taken == [MAX_BODY_BYTES] * PLACES


@pytest.mark.parametrize("what", ["photos", "open"])
async def test_callbacks_come_through_however_many_pages_hang(tmp_path: Path, took: Took, what: str) -> None:
    few: Mapping[str, str] = {"KYC_CONNECTIONS": "32", "KYC_CONNECTIONS_PER_SOURCE": "32"}
    async with waiting(tmp_path, **few) as (world, _ref), AsyncExitStack() as stack:
        # At the very port that the callbacks come to.
        behind = Behind(places=12)
        connections = connections_of(world.bot)
        sock = listen("127.0.0.1", 0)
        web = handlers.web(replace(world.bot, capture=capture(behind)), None, connections)
        await stack.enter_async_context(serve_asgi(web, sock, connections))
        port = Port(world, behind, sock.getsockname())
        tokens = links(BEYOND)
        await agree_all(port, tokens)
        for token in tokens:
            line = await stack.enter_async_context(await anyio.connect_tcp(*port.place))
            with suppress(anyio.BrokenResourceError):
                await line.send(port.head(what, token=token, content_length="3000") + b"{")
        begin = asyncio.get_running_loop().time()
        callback = world.job().callback_url.replace(str(world.bot.settings.port), str(port.place[1]))
        async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, trust_env=False) as client:
            said = await client.post(callback, content=b"{}")
        took(asyncio.get_running_loop().time() - begin, less_than=2)
        # Not signed: but heard, read and answered.
        assert said.status_code == 401
        assert await metric(world, "kyc_connections_closed_total") >= BEYOND - 32
