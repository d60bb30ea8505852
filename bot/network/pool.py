"""Connections, each for one request at a time, and kept for the next: at the same price however many there are.

httpcore's own pool looks at each of them whenever a request begins and ends: 32 cost more than the requests, and 128
take most of the time. Its connections are used here one by one, so that what an exception says of what was sent stays
httpcore's own.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpcore

from bot.network import fence
from bot.network.streams import in_time

KEPT_SECONDS = 5.0
"""How long a connection is kept for the next request: httpx's own default."""

Connection = httpcore.AsyncConnectionInterface


@dataclass(slots=True, eq=False)
class _Ways:
    """The connections to one origin, which is a scheme with host and port."""

    places: asyncio.Semaphore
    """One for each request that may be under way."""
    asking: int = 0
    """Requests under way, or waiting for a place."""
    idle: deque[tuple[float, Connection]] = field(default_factory=deque)
    """Each with the moment of its last use, in seconds of the monotonic clock; the latest is the last."""


class Pool:
    """Takes the place of httpcore's pool below httpx's own transport."""

    def __init__(
        self, create: Callable[[httpcore.Origin], Connection], *, connections: int, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        """`create` makes a connection, which connects when it is first used; an origin gets at most `connections`."""
        self._create = create
        self._most = connections
        self._kept_seconds = kept_seconds
        self._origins: dict[tuple[bytes, bytes, int], _Ways] = {}
        self._open = set[Connection]()

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """The answer keeps its place until it is closed. Raises PoolTimeout where none was free in time."""
        origin = request.url.origin
        key = origin.scheme, origin.host, origin.port
        ways = self._origins.get(key) or self._origins.setdefault(key, _Ways(asyncio.Semaphore(self._most)))
        use = _Use(self, ways)
        try:
            for unused in self._take_unused():
                await self.close(unused)
            await use.take_place(request.extensions.get("timeout", {}).get("pool"))
            await fence.require_open()
            use.connection = await self._connection(ways, origin)
            response = await use.connection.handle_async_request(request)
        except BaseException:
            await use.end()
            raise
        assert isinstance(response.stream, AsyncIterable)
        return httpcore.Response(
            response.status,
            headers=response.headers,
            content=_Body(response.stream, use),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Those of requests under way too."""
        self._origins.clear()
        for connection in list(self._open):
            await self.close(connection)

    async def close(self, connection: Connection) -> None:
        self._open.discard(connection)
        await connection.aclose()

    async def _connection(self, ways: _Ways, origin: httpcore.Origin) -> Connection:
        # The one that was used last, so that few requests keep few connections.
        while ways.idle:
            _since, connection = ways.idle.pop()
            if not connection.has_expired() and not _said_more(connection):
                return connection
            # The other side has ended it, or went on after its answer.
            await self.close(connection)
        made = self._create(origin)
        self._open.add(made)
        return made

    def _take_unused(self) -> list[Connection]:
        """What nobody has used for as long as it is kept, to whatever origin: to some no request may come for days."""
        over, unused = time.monotonic() - self._kept_seconds, list[Connection]()
        for key, ways in list(self._origins.items()):
            while ways.idle and ways.idle[0][0] <= over:
                unused.append(ways.idle.popleft()[1])
            if not ways.idle and not ways.asking:
                del self._origins[key]
        return unused


class _Use:
    """One request, from asking for a place until its answer is closed."""

    def __init__(self, pool: Pool, ways: _Ways) -> None:
        self._pool, self._ways = pool, ways
        self._has_place = self._is_over = False
        self.connection: Connection | None = None
        # Before anything is awaited: nobody may take these ways for unused.
        ways.asking += 1

    async def take_place(self, seconds: float | None) -> None:
        await in_time(self._ways.places.acquire(), seconds, httpcore.PoolTimeout)
        self._has_place = True

    async def end(self) -> None:
        """Once for each request, however often it is called: httpx may close a body twice."""
        if self._is_over:
            return
        self._is_over = True
        self._ways.asking -= 1
        try:
            if self.connection is not None:
                if self.connection.is_idle() and not self.connection.is_closed():
                    self._ways.idle.append((time.monotonic(), self.connection))
                else:
                    await self._pool.close(self.connection)
        finally:
            # After it: whoever waits for the place finds the connection.
            if self._has_place:
                self._ways.places.release()


def _said_more(connection: Connection) -> bool:
    """Whether anything was read behind the last answer: the next request would take it for its own.

    It may be the answer to somebody else's. h11 keeps it, and only httpcore knows its h11: one that is not found there
    counts as if it held something.
    """
    inner: Any = connection
    while hasattr(inner, "_connection"):
        inner = inner._connection  # noqa: SLF001
    state = getattr(inner, "_h11_state", None)
    # The second is whether it heard the end.
    return state is None or state.trailing_data != (b"", False)


class _Body:
    """The body of an answer; its connection is taken until it is closed."""

    def __init__(self, body: AsyncIterable[bytes], use: _Use) -> None:
        self._body, self._use = body, use

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        try:
            if hasattr(self._body, "aclose"):
                await self._body.aclose()
        finally:
            await self._use.end()
