"""Puts a server so far away: a process that carries bytes to it and back, each of them a while later.

`python -m tests.benchmarks.distance PORT` says its own port. Each line of its input is the milliseconds that a round
trip takes longer from now on, and is answered by the number of round trips so far; it ends with its input.

Unlike `tests.postgresql.proxy` it looks at nothing of what is said, and is not slowed by what the benchmark itself has
to do.
"""

import asyncio
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

HOST = "127.0.0.1"


class Line:
    """The way to one server."""

    def __init__(self, port: int, milliseconds: IO[str], answers: IO[str]) -> None:
        self.port = port
        """Where the server is reached by it."""
        self._milliseconds = milliseconds
        self._answers = answers

    def stretch(self, milliseconds: float) -> int:
        """From now on a round trip takes so much longer than by itself; gives the number of those so far."""
        print(milliseconds, file=self._milliseconds, flush=True)
        answer = self._answers.readline()
        if not answer:
            raise ConnectionError("the process that stands before the server has ended")
        return int(answer)


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """To the server on this port of the loopback; nothing is added at first."""
    command = [sys.executable, "-m", "tests.benchmarks.distance", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Line(int(process.stdout.readline()), process.stdin, process.stdout)
        finally:
            process.kill()


class _Distance:
    def __init__(self) -> None:
        self.each_way_seconds = 0.0
        self.round_trips = 0


class _End(asyncio.Protocol):
    """One end of a connection: what it hears is said at the other end."""

    def __init__(self, distance: _Distance) -> None:
        self._distance = distance
        self._loop = asyncio.get_running_loop()
        self._under_way = deque[Callable[[], object]]()
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        assert self.other.transport is not None
        # Nobody is held back who sends faster than the other side reads: the bot and its server say little at once.
        self._later(partial(self.other.transport.write, data))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self._later(self.other.transport.close)

    def _later(self, call: Callable[[], object]) -> None:
        seconds = self._distance.each_way_seconds
        if not seconds and not self._under_way:
            call()
            return
        # In their order, although the way may have become shorter meanwhile.
        self._under_way.append(call)
        self._loop.call_later(seconds, self._arrive)

    def _arrive(self) -> None:
        self._under_way.popleft()()


class _Client(_End):
    """Who speaks first, and then in answer: each time that it does so is a round trip."""

    def __init__(self, distance: _Distance, target: int) -> None:
        super().__init__(distance)
        self._target = target
        self._joining: asyncio.Task[None] | None = None
        self.is_answered = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._joining = self._loop.create_task(self._join(self.transport))

    async def _join(self, transport: asyncio.Transport) -> None:
        try:
            _, self.other = await self._loop.create_connection(
                lambda: _Server(self._distance, self), HOST, self._target
            )
        except OSError:  # there is none; the client hears of it as its connection ends
            transport.abort()
            return
        transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.is_answered:
            self.is_answered = False
            self._distance.round_trips += 1
        super().data_received(data)


class _Server(_End):
    def __init__(self, distance: _Distance, client: _Client) -> None:
        super().__init__(distance)
        self.client = self.other = client

    def data_received(self, data: bytes) -> None:
        self.client.is_answered = True
        super().data_received(data)


async def _carry(target: int) -> None:
    distance, loop = _Distance(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(distance, target), HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)

    def obey() -> None:
        for line in sys.stdin:
            distance.each_way_seconds = float(line) / 2e3
            print(distance.round_trips, flush=True)

    await asyncio.to_thread(obey)


def main() -> None:
    # Unlike epoll's, the waits of select are finer than a millisecond.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_carry(int(sys.argv[1])))


if __name__ == "__main__":
    main()
