"""Connections of our own before real servers: what is read and written, and what each end of them is called."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import httpcore
import pytest

from bot.network.direct import DirectBackend, DirectRule
from bot.network.streams import FULL_BYTES, TCPStream, TLSStream
from tests.outside import PrivateAuthority, Served, forward, listening
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

MUCH = bytes(range(256)) * 12_000
"""3 MB: more than the kernel, TLS and we hold together on the way."""
SOON = 0.05


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The bot runs on uvloop, which has transports of its own."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    return PrivateAuthority(tmp_path_factory.mktemp("authority"))


class Outside:
    """Opens streams to a server of this machine: in plain, by TLS, or by TLS within the TLS of a proxy."""

    def __init__(self, authority: PrivateAuthority, layers: int) -> None:
        self.layers = layers
        self.serving = authority.serves("127.0.0.1")
        self.trusting = ssl.create_default_context(cafile=str(authority.ca_file))
        self._backend = DirectBackend(DirectRule(own=frozenset({"127.0.0.1"})))

    @asynccontextmanager
    async def to(self, handle: Served) -> AsyncIterator[httpcore.AsyncNetworkStream]:
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(listening(handle, tls=self.serving if self.layers else None))
            for _proxy in range(1, self.layers):
                port = await stack.enter_async_context(listening(forward(port), tls=self.serving))
            stream = await self.connect(port)
            for _layer in range(self.layers):
                stream = await stream.start_tls(self.trusting, "127.0.0.1", GIVE_UP_SECONDS)
            async with aclosing(stream):
                yield stream

    async def connect(self, port: int) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_tcp("127.0.0.1", port, GIVE_UP_SECONDS)


@pytest.fixture(params=[0, 1], ids=["plain", "tls"])
def outside(request: pytest.FixtureRequest, authority: PrivateAuthority) -> Outside:
    return Outside(authority, request.param)


async def whole(stream: httpcore.AsyncNetworkStream) -> bytes:
    found = bytearray()
    while piece := await stream.read(65536, GIVE_UP_SECONDS):
        assert len(piece) <= 65536
        found += piece
    return bytes(found)


def connection(stream: httpcore.AsyncNetworkStream) -> TCPStream:
    below = stream._inner if isinstance(stream, TLSStream) else stream
    assert isinstance(below, TCPStream)
    return below


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not holds():  # noqa: ASYNC110  # it is a state of the stream, which tells nobody
            await asyncio.sleep(0)


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection so that the other side gets an RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# What is sent and received


async def test_much_goes_both_ways_whole(outside: Outside) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(MUCH), 400_000):
            writer.write(await reader.readexactly(min(400_000, len(MUCH) - start)))
        await writer.drain()
        writer.close()

    async with outside.to(echo) as stream:
        answer = asyncio.create_task(whole(stream))
        await stream.write(MUCH, GIVE_UP_SECONDS)
        await stream.write(b"")
        assert await answer == MUCH
        assert await stream.read(1) == b""


@pytest.mark.slow
async def test_whoever_reads_slowly_has_the_other_side_wait_and_gets_all(outside: Outside) -> None:
    """Half a gigabyte on its way to the disk must not lie in the memory, and its end must not overtake it."""

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(8):
            writer.write(MUCH)
        await writer.drain()
        writer.close()

    async with outside.to(send) as stream:
        assert await stream.read(1, GIVE_UP_SECONDS) == MUCH[:1]
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(connection(stream)._received) <= 2 * FULL_BYTES
        assert len(await whole(stream)) == 8 * len(MUCH) - 1


async def test_an_idle_connection_that_was_ended_is_known_before_the_loop_hears_of_it(outside: Outside) -> None:
    ends: list[socket.socket] = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        ends.append(socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno())))
        await reader.read()

    async with outside.to(answer_once) as stream:
        await stream.write(b"x")
        assert await stream.read(100, GIVE_UP_SECONDS) == b"x"
        assert not stream.get_extra_info("is_readable")
        with ends[0] as end:
            end.shutdown(socket.SHUT_RDWR)
        # Nothing was awaited in between.
        assert stream.get_extra_info("is_readable")


# How it ends


async def test_an_answer_before_a_reset_is_still_read(outside: Outside) -> None:
    """As when a store refuses a zip half-way: the refusal counts, and not the fault behind it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        await reader.readexactly(1)
        writer.write(b"refused")
        await writer.drain()
        await read.wait()
        reset(writer)

    read = asyncio.Event()
    async with outside.to(refuse) as stream:
        # TLS's own first words are read with it.
        await stream.write(b"x")
        assert await stream.read(100, GIVE_UP_SECONDS) == b"x"
        await stream.write(b"x")
        # The loop has the answer, and hears of the reset before anybody reads.
        below = connection(stream)
        await until(lambda: len(below._received) > 0)
        read.set()
        await until(lambda: below._fault is not None)
        assert await stream.read(100) == b"refused"
        with pytest.raises(httpcore.ReadError):
            await stream.read(100)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"more")


@pytest.mark.slow
async def test_silence_is_a_read_time_out_and_a_full_way_a_write_time_out(outside: Outside) -> None:
    async def wait(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await over.wait()

    over = asyncio.Event()
    async with outside.to(wait) as stream:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, SOON)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(MUCH * 6, SOON)
        over.set()


@pytest.mark.slow
async def test_a_record_that_drips_does_not_outlast_the_time_out(authority: PrivateAuthority) -> None:
    """Each byte would begin the time anew, if it were the connection's and not the call's."""
    outside = Outside(authority, 0)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"\x17\x03\x03\x40\x00")
        while not over.is_set():
            writer.write(b"\x00")
            await asyncio.wait([asyncio.ensure_future(over.wait())], timeout=SOON / 5)

    over = asyncio.Event()
    async with outside.to(drip) as stream:
        await stream.write(b"x")
        tls = TLSStream(stream, outside.trusting, "127.0.0.1")
        async with asyncio.timeout(GIVE_UP_SECONDS):
            with pytest.raises(httpcore.ReadTimeout):
                await tls.read(1, SOON)
        over.set()


async def test_closed_by_us_it_ends_for_the_other_side(outside: Outside) -> None:
    async def wait(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            over.set()

    over = asyncio.Event()
    async with outside.to(wait) as stream:
        reading = asyncio.create_task(stream.read(1))
        await asyncio.sleep(0)
        await stream.aclose()
        assert await reading == b""
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x")
        await asyncio.wait_for(over.wait(), GIVE_UP_SECONDS)


# TLS


async def test_tls_goes_through_the_tls_of_a_proxy(authority: PrivateAuthority) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(70_000))
        await writer.drain()
        writer.close()

    async with Outside(authority, 2).to(echo) as stream:
        await stream.write(MUCH[:70_000], GIVE_UP_SECONDS)
        assert await whole(stream) == MUCH[:70_000]
        assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"


async def _rubbish(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
    await writer.drain()


async def _close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def _silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    ("handle", "fault"),
    [
        (_rubbish, httpcore.ConnectError),
        (_close, httpcore.ConnectError),
        (_reset, httpcore.ConnectError),
        (_silence, httpcore.ConnectTimeout),
    ],
)
async def test_a_handshake_that_fails_has_sent_nothing_and_is_closed(
    authority: PrivateAuthority, handle: Served, fault: type[Exception]
) -> None:
    outside, ended = Outside(authority, 0), asyncio.Event()

    async def until_it_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
            while await reader.read(1000):
                pass
        finally:
            ended.set()

    async with outside.to(until_it_ends) as stream:
        seconds = SOON if fault is httpcore.ConnectTimeout else GIVE_UP_SECONDS
        with pytest.raises(fault):
            await stream.start_tls(outside.trusting, "127.0.0.1", seconds)
        await asyncio.wait_for(ended.wait(), GIVE_UP_SECONDS)


async def test_another_name_or_another_authority_is_refused_before_anything_is_sent(
    authority: PrivateAuthority, tmp_path: Path
) -> None:
    outside, got = Outside(authority, 0), bytearray()

    async def listen(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read())

    async with listening(listen, tls=outside.serving) as port:
        for context, name in (
            (outside.trusting, "smile-id.example"),
            (ssl.create_default_context(cafile=str(PrivateAuthority(tmp_path).ca_file)), "127.0.0.1"),
        ):
            stream = await outside.connect(port)
            with pytest.raises(httpcore.ConnectError) as failed:
                await stream.start_tls(context, name, GIVE_UP_SECONDS)
            assert isinstance(failed.value.__cause__, ssl.SSLCertVerificationError)
    assert not got


async def test_a_handshake_that_is_cancelled_is_closed(authority: PrivateAuthority) -> None:
    outside, ended = Outside(authority, 0), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        ended.set()

    async with outside.to(wait) as stream:
        shaking = asyncio.create_task(stream.start_tls(outside.trusting, "127.0.0.1"))
        await asyncio.sleep(0)
        shaking.cancel()
        await asyncio.gather(shaking, return_exceptions=True)
        await asyncio.wait_for(ended.wait(), GIVE_UP_SECONDS)


async def test_what_breaks_tls_is_an_error_of_reading_like_any_other(authority: PrivateAuthority) -> None:
    """A bare ssl.SSLError would be nobody's: it left a submission without an answer and without a word."""

    async def break_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        # Below TLS, by the connection itself.
        raw = socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno()))
        with raw:
            raw.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        await reader.read()

    async with Outside(authority, 1).to(break_it) as stream:
        await stream.write(b"x", GIVE_UP_SECONDS)
        with pytest.raises(httpcore.ReadError):
            await stream.read(1, GIVE_UP_SECONDS)
