"""The public port under strangers: connections that wait or drip, heads without end, other hosts' names, proxies."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

import handlers
from bot.runtime.connections import HEAD_BYTES, PIPELINED, WHOLE, Connections, Phase, forwarded_source, source_of
from bot.runtime.server import connections_of, connections_of_monitors, listen, serve_asgi
from tests.conftest import Took
from tests.journeys.smile import message, post, signed, waiting
from tests.journeys.world import Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

FEW: dict[str, Any] = {"KYC_CONNECTIONS": "32", "KYC_CONNECTIONS_PER_SOURCE": "24"}
BEYOND = 80
"""More than may be open at once."""
DRIPS = b"POST /slack/events HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY_NEVER = b"POST /slack/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{"
STOLEN = BODY_NEVER.replace(b"/slack/events", b"/the/callback's/own/address")
NO_ROUTE = b"POST /smile-id/callback/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


def address_of(world: Journey) -> tuple[str, int]:
    url = urlsplit(world.job().callback_url)
    return url.hostname or "", url.port or 0


async def called_back(world: Journey) -> int:
    """A signed callback over a connection of its own, as Smile ID makes one."""
    body = json.dumps(signed(world, message(world.job(), "0811")))
    async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, trust_env=False) as client:
        return (await client.post(world.job().callback_url, content=body)).status_code


async def answer(line: SocketStream) -> bytes:
    """What comes until the other side closes."""
    came = b""
    with anyio.fail_after(GIVE_UP_SECONDS):
        while True:
            try:
                came += await line.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return came


async def metric(world: Journey, name: str) -> float:
    lines = (await world.bot.figures()).decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@pytest.mark.parametrize(
    "sent",
    [b"", DRIPS, BODY_NEVER, STOLEN],
    ids=["idle", "dripping heads", "bodies that never come", "bodies that never come to its own address"],
)
@pytest.mark.parametrize("proxied", [False, True], ids=["directly", "behind a trusted proxy"])
async def test_callbacks_come_through_however_many_connections_wait(
    tmp_path: Path, took: Took, sent: bytes, *, proxied: bool
) -> None:
    trusted = {"KYC_TRUSTED_PROXIES": "127.0.0.1"} if proxied else {}
    async with waiting(tmp_path, **FEW, **trusted) as (world, _ref), AsyncExitStack() as stack:
        sent = sent.replace(b"/the/callback's/own/address", urlsplit(world.job().callback_url).path.encode())
        for number in range(BEYOND):
            line = await stack.enter_async_context(await anyio.connect_tcp(*address_of(world)))
            if sent:
                with anyio.move_on_after(1):
                    head, _, rest = sent.partition(b"\r\n")
                    forwarded = f"\r\nX-Forwarded-For: 198.51.100.{number}\r\n".encode()
                    await line.send(head + forwarded + rest)
        begin = asyncio.get_running_loop().time()
        assert await called_back(world) == 200
        took(asyncio.get_running_loop().time() - begin, less_than=2)
        assert await metric(world, "kyc_connections_closed_total") >= BEYOND - 32


async def test_one_source_does_not_take_the_place_of_another(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_CONNECTIONS="32", KYC_CONNECTIONS_PER_SOURCE="4") as (world, _ref):
        host, port = address_of(world)
        async with AsyncExitStack() as stack:
            neighbour = await stack.enter_async_context(await anyio.connect_tcp(host, port, local_host="127.0.0.2"))
            lines = [await stack.enter_async_context(await anyio.connect_tcp(host, port)) for _ in range(6)]
            # The two that waited longest have gone, and the neighbour is heard.
            for line in lines[:2]:
                assert await answer(line) == b""
            for line in (neighbour, *lines[2:]):
                await line.send(b"GET /healthz HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n")
                assert (await answer(line)).startswith(b"HTTP/1.1 200")
            assert await metric(world, 'kyc_connections_closed_total{why="too_many_of_one_source"}') == 2


def limited(world: Journey, **limits: Any) -> Connections:
    """As the bot's own, but for these limits, and without trusted proxies."""
    own = connections_of(world.bot)
    return Connections(
        **{"most": own.most, "per_source": own.per_source, **limits},
        on_closed=world.bot.metrics.connection_closed,
        on_refused=world.bot.metrics.http_refused,
    )


@asynccontextmanager
async def port_of(world: Journey, connections: Connections, *, kernel_bytes: int = 0) -> AsyncIterator[tuple[str, int]]:
    """The same bot's port once more; the kernel takes so many bytes of an answer that is not read."""
    sock = listen("127.0.0.1", 0)
    if kernel_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, kernel_bytes)
    port = sock.getsockname()[1]
    async with serve_asgi(handlers.web(world.bot, None, connections), sock, connections):
        yield "127.0.0.1", port


@asynccontextmanager
async def impatient(world: Journey, **limits: Any) -> AsyncIterator[tuple[str, int]]:
    """A port which waits for a head no longer than a moment, say."""
    async with port_of(world, limited(world, **limits)) as place:
        yield place


async def reads_nothing(place: tuple[str, int], connections: Connections) -> socket.socket:
    """A sender who asks again and again, and takes no answer, until the kernel takes no more of them."""
    loop, line = asyncio.get_running_loop(), socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    line.setblocking(False)
    await loop.sock_connect(line, place)
    answered = -1.0
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (there := connections.find(line.getsockname())) is None or there.unread is None:
            # The next one when the last was answered: so nothing is pipelined.
            if there is not None and there.phase is Phase.IDLE and there.since != answered:
                answered = there.since
                await loop.sock_sendall(line, NO_ROUTE)
            await asyncio.sleep(0)
    return line


async def test_who_takes_no_answer_is_cut_off(tmp_path: Path) -> None:
    """It would hold its connection for ever, and be no idle one."""
    async with journey(tmp_path) as world:
        connections = limited(world, unread_seconds=0.2)
        async with port_of(world, connections, kernel_bytes=2048) as place:
            with await reads_nothing(place, connections):
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    while len(connections):  # noqa: ASYNC110  # it tells nobody
                        await asyncio.sleep(0)
        assert await metric(world, 'kyc_connections_closed_total{why="unread"}') == 1


async def test_who_takes_no_answer_gives_way_also_at_a_callbacks_address(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, AsyncExitStack() as stack:
        connections = limited(world, most=3, per_source=3, unread_seconds=GIVE_UP_SECONDS)
        place = await stack.enter_async_context(port_of(world, connections, kernel_bytes=2048))
        for _ in range(3):
            stack.enter_context(await reads_nothing(place, connections))
        lines = [await stack.enter_async_context(await anyio.connect_tcp(*place)) for _ in range(2)]
        for line in lines:
            await line.send(b"GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
            assert (await line.receive()).startswith(b"HTTP/1.1 200")
        assert await metric(world, 'kyc_connections_closed_total{why="too_many_of_one_source"}') == 2


async def test_a_head_that_never_ends_is_given_up_and_so_is_a_silent_connection(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, impatient(world, head_seconds=0.2) as place, AsyncExitStack() as stack:
        silent, drips, again = [await stack.enter_async_context(await anyio.connect_tcp(*place)) for _ in range(3)]
        await drips.send(DRIPS)
        # The second request of a connection has no longer.
        await again.send(b"GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
        assert (await again.receive()).startswith(b"HTTP/1.1 200")
        await again.send(DRIPS)
        assert await answer(silent) == b""
        assert (await answer(drips)).startswith(b"HTTP/1.1 408")
        assert b"HTTP/1.1 408" in await answer(again)
        assert await metric(world, 'kyc_http_refused_total{status="408"}') == 2
        assert await metric(world, 'kyc_connections_closed_total{why="slow_head"}') == 3


async def test_a_head_without_measure_is_refused_whole_or_in_drips(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        path = urlsplit(world.job().callback_url).path
        too_much = b"X-Much: " + b"x" * (HEAD_BYTES + 1)
        async with await anyio.connect_tcp(*address_of(world)) as line:
            await line.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + too_much + b"\r\n\r\n")
            assert (await line.receive()).startswith(b"HTTP/1.1 431")
        async with await anyio.connect_tcp(*address_of(world)) as line:
            await line.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
            came = b""
            with anyio.fail_after(GIVE_UP_SECONDS):
                for _ in range(4096):
                    try:
                        await line.send(b"X-Much: " + b"x" * 1024 + b"\r\n")
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        break
            came = await answer(line)
            assert came in (b"",) or came.startswith(b"HTTP/1.1 431")
        assert await metric(world, 'kyc_http_refused_total{status="431"}') == 2
        assert await called_back(world) == 200


async def test_a_connection_may_not_heap_requests_up_before_it_has_its_answers(tmp_path: Path) -> None:
    """Each took kilobytes, and each answer let more of them in."""
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with journey(tmp_path) as world, impatient(world) as place, AsyncExitStack() as stack:
        few, many = [await stack.enter_async_context(await anyio.connect_tcp(*place)) for _ in range(2)]
        await few.send(one * PIPELINED + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await answer(few)).count(b"HTTP/1.1 200") == PIPELINED + 1
        with suppress(anyio.BrokenResourceError):
            await many.send(one * 10_000)
        assert (await answer(many)).count(b"HTTP/1.1 200") <= PIPELINED + 1
        assert await metric(world, 'kyc_connections_closed_total{why="malformed"}') == 1


@pytest.mark.parametrize(
    "endless", [b"0\r\nX-Much: ", b"0\r\nX-Much: 1\r\n", b"5;much="], ids=["a trailer", "trailers", "an extension"]
)
async def test_what_frames_a_body_has_a_measure_too(tmp_path: Path, endless: bytes) -> None:
    async with waiting(tmp_path) as (world, _ref):
        path = urlsplit(world.job().callback_url).path
        async with await anyio.connect_tcp(*address_of(world)) as line:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
            await line.send(head.encode() + endless)
            more = b"X-Much: 1\r\n" * 100 if endless.endswith(b"\n") else b"x" * 1000
            with anyio.fail_after(GIVE_UP_SECONDS), suppress(anyio.BrokenResourceError):
                for _ in range(10_000):
                    await line.send(more)
            with suppress(anyio.BrokenResourceError):
                assert (await answer(line))[:12] in (b"", b"HTTP/1.1 431", b"HTTP/1.1 400")
        assert await metric(world, "kyc_http_refused_total") >= 1
        assert await metric(world, "kyc_connections_closed_total") == 1
        assert await called_back(world) == 200


async def test_a_body_in_the_smallest_chunks_is_read(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        body = json.dumps(signed(world, message(world.job(), "0811")))

        async def letters() -> AsyncIterator[bytes]:
            for letter in body.encode():
                yield bytes([letter])

        assert await post(world, letters()) == 200


async def test_what_is_no_http_is_refused_with_the_headers_of_every_answer(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, impatient(world) as place:
        for sent in (b"\x16\x03\x01\x02\x00\x01", b"GET \xff HTTP/1.1\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n"):
            async with await anyio.connect_tcp(*place) as line:
                await line.send(sent)
                said = await answer(line)
            assert said.startswith(b"HTTP/1.1 400"), sent
            assert b"x-content-type-options: nosniff" in said
        assert await metric(world, 'kyc_http_refused_total{status="400"}') == 3


async def test_the_rest_of_a_body_whose_request_was_refused_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(journey(tmp_path))
        place = await stack.enter_async_context(impatient(world, head_seconds=0.2))
        line = await stack.enter_async_context(await anyio.connect_tcp(*place))
        await line.send(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{")
        assert (await line.receive()).startswith(b"HTTP/1.1 404")
        await line.send(b"{")
        assert await answer(line) == b""


async def test_only_its_own_name_is_answered_to(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, impatient(world) as (host, port):
        base = f"http://{host}:{port}"
        public = urlsplit(world.bot.settings.public_url or "").hostname or ""
        async with httpx.AsyncClient(trust_env=False, timeout=GIVE_UP_SECONDS) as client:

            async def status(path: str, named: str) -> int:
                answered = await client.post(f"{base}{path}", headers={"Host": named})
                assert answered.headers["x-content-type-options"] == "nosniff"
                assert answered.headers["cache-control"] == "no-store"
                policy = answered.headers["content-security-policy"].split("; ")
                # What `default-src` does not speak of is named.
                for part in ("default-src", "base-uri", "form-action", "frame-ancestors"):
                    assert f"{part} 'none'" in policy
                assert answered.headers["referrer-policy"] == "no-referrer"
                assert "server" not in answered.headers
                return answered.status_code

            callback = f"/smile-id/callback/{'0' * 64}"
            for ours in (public, f"{public}:443", "localhost:3000", "127.0.0.1", "[::1]:3000", f"{public}.".upper()):
                assert await status(callback, ours) == 404, ours
            for other in (
                "evil.example",
                f"{public}.evil.example",
                "0.0.0.1",
                "",
                "a b",
                "[::",
                "127.0.0.1@evil.example",
                "evil.example@127.0.0.1",
                "[::1]evil.example",
                "localhost/evil.example",
                "localhost?",
            ):
                assert await status(callback, other) == 421, other
            assert (await client.get(f"{base}/healthz", headers={"Host": "any.example"})).status_code == 200
        assert await metric(world, 'kyc_http_refused_total{status="404"}') == 6
        assert await metric(world, 'kyc_http_refused_total{status="421"}') == 11


async def test_a_request_with_two_hosts_is_refused_on_every_route_whichever_comes_first(tmp_path: Path) -> None:
    """A proxy or a wall before it may have believed the other one."""
    async with journey(tmp_path) as world, impatient(world) as public, monitored(world) as monitors:
        callback = f"/smile-id/callback/{'0' * 64}".encode()
        for place, path in ((public, callback), (public, b"/healthz"), (public, b"/nowhere"), (monitors, b"/metrics")):
            for hosts in (
                (b"localhost", b"evil.example"),
                (b"evil.example", b"localhost"),
                (b"localhost", b"localhost"),
            ):
                async with await anyio.connect_tcp(*place) as line:
                    fields = b"".join(b"Host: %b\r\n" % host for host in hosts)
                    await line.send(b"POST %b HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n" % (path, fields))
                    said = await answer(line)
                assert said.startswith(b"HTTP/1.1 400"), (path, hosts)
                assert b"x-content-type-options: nosniff" in said
        assert await metric(world, 'kyc_http_refused_total{status="400"}') == 9


async def test_only_a_request_whose_body_is_there_to_its_end_says_so(tmp_path: Path) -> None:
    head = b"POST /c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
    asked, begun = list[bool](), asyncio.Event()

    async def look(scope: Any, receive: Any, send: Any) -> None:
        asked.append(WHOLE in scope)
        begun.set()
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with journey(tmp_path) as world:
        connections, sock = limited(world), listen("127.0.0.1", 0)
        async with serve_asgi(look, sock, connections):
            for pieces in ([head + b"body"], [head, b"body"], [head + b"bo", b"dy"]):
                async with await anyio.connect_tcp("127.0.0.1", sock.getsockname()[1]) as line:
                    begun.clear()
                    for piece in pieces:
                        await line.send(piece)
                        await asyncio.wait_for(begun.wait(), GIVE_UP_SECONDS)
                    assert (await answer(line)).startswith(b"HTTP/1.1 204")
    assert asked == [True, False, False]


@asynccontextmanager
async def monitored(world: Journey) -> AsyncIterator[tuple[str, int]]:
    """The admin port of this bot."""
    connections, sock = connections_of_monitors(world.bot), listen("127.0.0.1", 0)
    connections.head_seconds = 0.2
    port = sock.getsockname()[1]
    async with serve_asgi(handlers.admin(world.bot, connections), sock, connections):
        yield "127.0.0.1", port


async def test_no_answer_sends_to_a_host_that_the_request_names(tmp_path: Path) -> None:
    async with (
        journey(tmp_path) as world,
        monitored(world) as (host, port),
        httpx.AsyncClient(trust_env=False, timeout=GIVE_UP_SECONDS) as client,
    ):
        for path, status in (("/metrics", 200), ("/metrics/", 200), ("/readyz/", 503), ("/metrics//", 404)):
            answered = await client.get(f"http://{host}:{port}{path}", headers={"Host": "evil.example"})
            assert answered.status_code == status, path
            assert "evil" not in str(answered.headers) + answered.text


async def test_what_the_admin_port_refuses_is_not_counted_among_strangers(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, monitored(world) as place, AsyncExitStack() as stack:
        slow, large, garbled = [await stack.enter_async_context(await anyio.connect_tcp(*place)) for _ in range(3)]
        await slow.send(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        await large.send(b"GET /metrics HTTP/1.1\r\nX-Much: " + b"x" * (HEAD_BYTES + 1))
        await garbled.send(b"\x16\x03\x01\x02\x00\x01")
        for line, status in ((slow, b"408"), (large, b"431"), (garbled, b"400")):
            assert (await answer(line)).startswith(b"HTTP/1.1 " + status)
        assert await metric(world, "kyc_http_refused_total") == 0
        assert await metric(world, "kyc_connections_closed_total") == 0
        await world.bot.turned_away.store(world.bot.database, world.bot.now)
        lines = await world.bot.database.read(
            lambda tx: tx.column("SELECT detail FROM audit WHERE act = 'requests.turned_away'")
        )
        assert lines == []


async def test_a_client_behind_the_proxy_is_one_source_and_smile_id_never_too_many(tmp_path: Path) -> None:
    settings = {"KYC_TRUSTED_PROXIES": "127.0.0.0/8", "KYC_CONNECTIONS_PER_SOURCE": "2"}
    async with waiting(tmp_path, **settings) as (world, _ref), AsyncExitStack() as stack:

        async def begin(forwarded: str, body: bytes = BODY_NEVER) -> SocketStream:
            line = await stack.enter_async_context(await anyio.connect_tcp(*address_of(world)))
            await line.send(body.replace(b"Host:", f"X-Forwarded-For: {forwarded}\r\nHost:".encode()))
            return line

        for _ in range(2):
            await begin("192.0.2.1, 198.51.100.7")
        # What stands on the left of what the proxy wrote is the stranger's own invention.
        with anyio.fail_after(GIVE_UP_SECONDS):
            refused = await begin("192.0.2.99, 198.51.100.7")
            while not (first := await refused.receive()):
                pass
        assert first.startswith(b"HTTP/1.1 429")
        heard = await begin("198.51.100.8", b"GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
        assert (await heard.receive()).startswith(b"HTTP/1.1 200")
        body = json.dumps(signed(world, message(world.job(), "0811")))
        async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, trust_env=False) as client:
            headers = {"X-Forwarded-For": "198.51.100.7"}
            assert (await client.post(world.job().callback_url, content=body, headers=headers)).status_code == 200


async def test_a_proxy_that_names_nobody_is_not_one_source(tmp_path: Path) -> None:
    settings = {"KYC_TRUSTED_PROXIES": "127.0.0.0/8", "KYC_CONNECTIONS_PER_SOURCE": "1"}
    async with waiting(tmp_path, **settings) as (world, _ref), AsyncExitStack() as stack:
        for named in (b"", b"X-Forwarded-For: unknown\r\n"):
            for _ in range(2):
                line = await stack.enter_async_context(await anyio.connect_tcp(*address_of(world)))
                await line.send(BODY_NEVER.replace(b"Host:", named + b"Host:"))
            heard = await stack.enter_async_context(await anyio.connect_tcp(*address_of(world)))
            await heard.send(b"GET /healthz HTTP/1.1\r\n" + named + b"Host: any\r\n\r\n")
            assert (await heard.receive()).startswith(b"HTTP/1.1 200")


PROXIES = (ip_network("10.0.0.0/24"), ip_network("2001:db8::5"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:61234", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.1, [2001:db8:1::7]:443, 10.0.0.2:8080", "2001:db8:1::7"),
        ("10.0.0.1", "[2001:db8:1::7]", "2001:db8:1::7"),
        ("10.0.0.1", "192.0.2.1, 198.51.100.1:", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, [198.51.100.1", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, ::ffff:198.51.100.1", "::ffff:198.51.100.1"),
        ("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8::5", "2001:db8:1::7", "2001:db8:1::7"),
    ],
)
def test_the_source_is_the_last_whom_no_proxy_of_ours_is(peer: str, forwarded: str, source: str) -> None:
    assert forwarded_source(peer, {"x-forwarded-for": forwarded}, PROXIES) == source


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("198.51.100.1", "::ffff:198.51.100.1", True),
        ("198.51.100.1", "198.51.100.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_a_source_is_one_address_or_one_network_of_a_household(one: str, other: str, *, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same
