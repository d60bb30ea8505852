"""Stands before several instances, as a site's own proxy does: each connection goes to one of those that answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from bot.sandbox.demo import reserved_port
from tests.patience import GIVE_UP_SECONDS

HOST = "127.0.0.1"
LOOK_EVERY_SECONDS = 0.5
ANSWER_SECONDS = 5.0
"""On a busy machine one that lives may take a second or two: cut off for that again and again, it gets nothing done."""
_ASKED = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Balancer:
    """On a port of its own, before instances on these ports."""

    def __init__(self, port: int, ports: Sequence[int]) -> None:
        self.port = port
        self._ports = ports
        self._healthy = set[int]()
        self._turn = 0
        self._changed = asyncio.Condition()
        self._open: dict[int, set[asyncio.StreamWriter]] = {port: set() for port in ports}

    async def wait_until_healthy(self, *ports: int) -> None:
        """Until these answer, or any of them if none is named.

        Raises TimeoutError: one that has ended because something else was broken never answers.
        """
        async with asyncio.timeout(GIVE_UP_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self._healthy.issuperset(ports) and bool(self._healthy))

    async def look(self, port: int) -> None:
        """Again and again whether this one answers. One that does not loses its connections: nobody waits for it."""
        while True:
            healthy = await _answers(port)
            if not healthy:
                for writer in self._open[port]:
                    writer.transport.abort()
            async with self._changed:
                (self._healthy.add if healthy else self._healthy.discard)(port)
                self._changed.notify_all()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._in_turn():
            try:
                there_reader, there_writer = await asyncio.open_connection(HOST, port)
            except OSError:
                continue
            self._open[port] |= {writer, there_writer}
            try:
                await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))
            finally:
                self._open[port] -= {writer, there_writer}
            return
        writer.transport.abort()

    def _in_turn(self) -> list[int]:
        self._turn += 1
        ready = [port for port in self._ports if port in self._healthy]
        first = self._turn % len(ready) if ready else 0
        return ready[first:] + ready[:first]


async def _answers(port: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(_ASKED)
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    return False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def balanced(ports: Sequence[int]) -> AsyncIterator[Balancer]:
    with reserved_port() as own:
        balancer = Balancer(own, ports)
        server = await asyncio.start_server(balancer.serve, HOST, balancer.port)
        looking = [asyncio.create_task(balancer.look(port)) for port in ports]
        try:
            yield balancer
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
            server.close()
