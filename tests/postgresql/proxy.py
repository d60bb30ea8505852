"""Stands between clients and a server of PostgreSQL's: cuts, holds and delays what they say to each other."""

import asyncio
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from bot.sandbox.demo import reserved_port
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql.frontend import Frontend

T = TypeVar("T")

HOST = "127.0.0.1"
CHUNK = 1 << 16
TERMINATE = b"X"
COMMITTED = b"COMMIT\0"
"""How the server says that it has."""
_RESET = struct.pack("ii", 1, 0)
"""`SO_LINGER` on, zero seconds: closing sends RST, as a machine does that knows nothing of the connection."""


class Held:
    """A COMMIT in the proxy's hands: on its way to the server, or its answer on the way back."""

    def __init__(self, *, answer: bool) -> None:
        self.answer = answer
        self.reached = threading.Event()
        """It is there and waits. Of an answer: the server has committed."""
        self._link: _Link | None = None
        self._decided: asyncio.Future[bool] | None = None

    def wait(self, seconds: float = GIVE_UP_SECONDS) -> None:
        if not self.reached.wait(seconds):
            raise TimeoutError("no such COMMIT came")

    def let_through(self) -> None:
        """Whether or not anybody waits for it any more."""
        self._decide(is_wanted=True)

    def drop(self) -> None:
        """It never arrives: the connections break on both sides."""
        self._decide(is_wanted=False)

    def cut(self) -> None:
        """The client's connection breaks; the server knows nothing of it, and the COMMIT is held on."""
        assert self._link is not None
        self._link.proxy.do(self._link.cut_client)

    def _decide(self, *, is_wanted: bool) -> None:
        assert self._link is not None
        self._link.proxy.do(self._set, is_wanted)

    def _set(self, is_wanted: bool) -> None:
        assert self._decided is not None
        if not self._decided.done():  # else the connection was cut meanwhile
            self._decided.set_result(is_wanted)

    async def hold(self, link: "_Link") -> bool:
        """In the proxy's loop: whether it is to go on."""
        self._link, self._decided = link, asyncio.get_running_loop().create_future()
        self.reached.set()
        return await self._decided


class Proxy:
    """One server's, in a thread of its own. Its methods may be called from any other."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.latency_seconds = 0.0
        """Added to each round trip, half on either way."""
        self.commits = 0
        """Of transactions that have written."""
        self.round_trips = 0
        """How often a client has spoken after it was answered."""
        self.at_commit: Callable[[int], Held | None] | None = None
        """Asked in the proxy's thread as the n-th COMMIT arrives, from 1 on; what it gives holds it."""
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        # Unlike epoll's, the waits of select are finer than a millisecond.
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.accept()

    def close(self) -> None:
        self.refuse()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold_commit(self, number: int = 1, *, answer: bool = False) -> Held:
        """The COMMIT that comes as the n-th from now on, or its answer."""
        held, due = Held(answer=answer), self.commits + number
        self.at_commit = lambda count: held if count == due else None
        return held

    def cut(self) -> None:
        """Break all connections, without a word to either side."""
        self._run(self._cut())

    def refuse(self) -> None:
        """As if no server were there; what is open stays."""
        self._run(self._refuse())

    def accept(self) -> None:
        self._run(self._accept())

    def stall(self) -> None:
        """Nothing arrives on either side until `flow`, and nobody is told."""
        self.do(self.flowing.clear)

    def flow(self) -> None:
        self.do(self.flowing.set)

    def do(self, call: Callable[..., object], *arguments: object) -> None:
        """In the proxy's thread, done when this returns."""

        async def called() -> None:
            call(*arguments)

        self._run(called())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(GIVE_UP_SECONDS)

    async def _cut(self) -> None:
        links = list(self._links)
        for link in links:
            link.cut()
        await asyncio.gather(*(link.running for link in links), return_exceptions=True)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port, limit=CHUNK)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await asyncio.wait([link.running])
        finally:
            self._links.remove(link)
            link.cut()


class _Link:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.running = asyncio.ensure_future(self._run())
        self._frontend = Frontend()
        self._client = reader, writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._is_answered = True
        self._answers: Held | None = None

    async def _run(self) -> None:
        try:
            self._server = await asyncio.open_connection(HOST, self.proxy.target, limit=CHUNK)
        except OSError:  # there is none; the client hears of it as its connection breaks
            return
        up = self._pump(self._client[0], self._server[1], self._ask)
        down = self._pump(self._server[0], self._client[1], self._answer)
        await asyncio.gather(up, down)

    def cut(self) -> None:
        self.running.cancel()
        self.cut_client()
        if self._server is not None:
            _reset(self._server[1])

    def cut_client(self) -> None:
        _reset(self._client[1])

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        passes: Callable[[bytes], Coroutine[Any, Any, bytes | None]],
    ) -> None:
        """Until one side ends; then the other one hears of it."""
        line: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(line, writer))
        now = asyncio.get_running_loop().time
        try:
            with suppress(OSError):
                while data := await reader.read(CHUNK):
                    arrived = now()
                    if (passed := await passes(data)) is None:
                        self.cut()
                    else:
                        line.put_nowait((arrived + self.proxy.latency_seconds / 2, passed))
            line.put_nowait(None)
            await delivering
        finally:
            delivering.cancel()

    async def _deliver(self, line: asyncio.Queue[tuple[float, bytes] | None], writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        with suppress(OSError):
            while (found := await line.get()) is not None:
                due, data = found
                if (wait := due - now()) > 0:
                    await asyncio.sleep(wait)
                await self.proxy.flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _ask(self, data: bytes) -> bytes | None:
        """What of it goes to the server now; None: nothing any more."""
        if self._is_answered and data[:1] != TERMINATE:
            self._is_answered = False
            self.proxy.round_trips += 1
        passed = b""
        for message, commits in self._frontend.messages(data):
            held = self._arrived() if commits else None
            if held is not None and held.answer:
                self._answers = held
            elif held is not None and not await self._go_on(held, passed):
                return None
            elif held is not None:
                passed = b""
            passed += message
        return passed

    def _arrived(self) -> Held | None:
        self.proxy.commits += 1
        return self.proxy.at_commit(self.proxy.commits) if self.proxy.at_commit else None

    async def _go_on(self, held: Held, before: bytes) -> bool:
        """What came before the COMMIT in one breath is no part of it, and reaches the server."""
        assert self._server is not None
        self._server[1].write(before)
        return await held.hold(self)

    async def _answer(self, data: bytes) -> bytes | None:
        self._is_answered = True
        if self._answers is not None and COMMITTED in data:
            held, self._answers = self._answers, None
            if not await held.hold(self):
                return None
        return data


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Before the server on this port of the loopback."""
    with reserved_port() as own:
        proxy = Proxy(own, port)
        proxy.start()
        try:
            yield proxy
        finally:
            proxy.close()
