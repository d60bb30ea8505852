"""Connections of asyncio's own, as httpcore wants them: TCP, and TLS within any other stream.

httpcore's backend brings anyio, whose layers cost more than what they carry. What an exception says of what was sent is
the same. A stream has one reader and one writer at a time.
"""

import asyncio
import select
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar, cast

import httpcore

from bot.network import fence

FULL_BYTES = 256 * 1024
"""Received and not yet read: from here on the other side has to wait."""
_TLS_BYTES = 64 * 1024
"""How much is encrypted, or asked for, at a time."""

T = TypeVar("T")


class TCPStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A TCP connection that asyncio has made with this as its protocol."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._fault: Exception | None = None
        self._readable, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._has_ended = False
        self._kernel = select.poll()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Empty once the other side has ended. Raises ReadTimeout, or ReadError when all before the fault was read."""
        if not self._readable.is_set():
            await in_time(self._readable.wait(), timeout, httpcore.ReadTimeout)
        if not self._received and self._fault is not None:
            raise httpcore.ReadError(self._fault) from self._fault
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if not self._received and not self._has_ended:
            self._readable.clear()
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Returns once the kernel has all of it. Raises WriteTimeout or WriteError."""
        if not fence.is_open():
            # What went before is no whole request, and nobody waits for an answer to it.
            self._transport.abort()
        if not self._transport.is_closing():
            self._transport.write(buffer)
            if not self._writable.is_set():
                await in_time(self._writable.wait(), timeout, httpcore.WriteTimeout)
        if self._transport.is_closing():
            raise httpcore.WriteError(self._fault) from self._fault

    async def aclose(self) -> None:
        # Not `close`, which would go on sending: who closes has the whole answer, or has given it up.
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Raises ConnectTimeout or ConnectError, and is closed then."""
        return await TLSStream.within(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """`is_readable`, which httpcore asks of an idle connection: if it is, the other side has ended it."""
        if info != "is_readable":
            return None
        # The kernel may know what the loop has not come to.
        return self._readable.is_set() or bool(self._kernel.poll(0))

    # What asyncio tells of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        # A write is over when nothing of it waits here: its time-out watches the other side, and not our memory.
        self._transport.set_write_buffer_limits(0)
        self._kernel.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._readable.set()
        if len(self._received) >= FULL_BYTES:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._has_ended = True
        self._readable.set()
        # An answer may come and end before all of the request was sent.
        return True

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fault = exc
        self._has_ended = True
        self._readable.set()
        self._writable.set()


class TLSStream(httpcore.AsyncNetworkStream):
    """TLS within another stream: a connection, or the TLS of a proxy."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, context: ssl.SSLContext, hostname: str | None) -> None:
        self._inner = inner
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_hostname=hostname)

    @classmethod
    async def within(
        cls, inner: httpcore.AsyncNetworkStream, context: ssl.SSLContext, hostname: str | None, timeout: float | None
    ) -> Self:
        """Raises ConnectTimeout or ConnectError, and closes `inner` then."""
        try:
            made = cls(inner, context, hostname)
            await in_time(made._done(made._tls.do_handshake), timeout, httpcore.ConnectTimeout)
        except BaseException as fault:
            await inner.aclose()
            if isinstance(fault, (httpcore.NetworkError, ssl.SSLError)):
                raise httpcore.ConnectError(fault) from fault
            raise
        return made

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Empty once the other side has ended. Raises ReadTimeout or ReadError."""
        try:
            return await in_time(self._done(self._tls.read, max_bytes), timeout, httpcore.ReadTimeout)
        except ssl.SSLEOFError:
            # Without TLS's own word for an end, as many servers do it: HTTP's lengths say whether something is missing.
            return b""
        except ssl.SSLError as fault:
            raise httpcore.ReadError(fault) from fault

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Returns once the kernel has all of it. Raises WriteTimeout or WriteError."""
        try:
            await in_time(self._send(buffer), timeout, httpcore.WriteTimeout)
        except ssl.SSLError as fault:
            raise httpcore.WriteError(fault) from fault

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Within a proxy's own TLS. Raises ConnectTimeout or ConnectError, and is closed then."""
        return await TLSStream.within(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._tls
        if info == "is_readable" and (self._tls.pending() or self._arrived.pending):
            # Taken from the connection already: a record behind the last answer.
            return True
        return self._inner.get_extra_info(info)

    async def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[await self._done(self._tls.write, left[:_TLS_BYTES]) :]

    async def _done(self, act: Callable[..., T], *given: Any) -> T:
        """What OpenSSL makes of it, once it has read and sent whatever it needs for that."""
        while True:
            try:
                made = act(*given)
            except ssl.SSLWantReadError:
                await self._flush()
                if arrived := await self._inner.read(_TLS_BYTES):
                    self._arrived.write(arrived)
                else:
                    self._arrived.write_eof()
            else:
                await self._flush()
                return made

    async def _flush(self) -> None:
        if self._leaving.pending:
            await self._inner.write(self._leaving.read())


async def in_time(work: Awaitable[T], seconds: float | None, late: type[httpcore.TimeoutException]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as fault:
        raise late from fault
