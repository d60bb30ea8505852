"""Many connections, by several small pools of httpx's own kind.

httpcore's pool looks at each of its connections whenever a request begins and ends, and asks the kernel about those
that are idle: 32 of them cost more than the requests, and 128 take most of the time. What an exception says of what was
sent stays httpx's own.
"""

import time
from collections.abc import AsyncIterator, Callable

import httpx

AT_ONCE = 8
"""Requests that a pool has under way, and so the connections that it looks at."""

KEPT_SECONDS = 5.0
"""How long a connection is kept for the next request: httpx's own default."""

_Origin = tuple[str, str, int | None]
"""Scheme, host and port. Each has pools of its own: in one for all, API and uploads would close each other's
connections to make room.
"""


class _Pool:
    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.under_way = 0
        self.idle_since = 0.0
        """In seconds of the monotonic clock, once nothing is under way."""

    def leave(self) -> None:
        """A request is over: it failed, or its answer was read or given up."""
        self.under_way -= 1
        self.idle_since = time.monotonic()


class _Body(httpx.AsyncByteStream):
    """The body of an answer; its connection is taken until it is closed."""

    def __init__(self, body: httpx.AsyncByteStream, pool: _Pool) -> None:
        self._body = body
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            yield piece

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            # httpx may close a body twice, after reading it and when its response is left.
            if self._pool is not None:
                self._pool.leave()
                self._pool = None


class Pools(httpx.AsyncBaseTransport):
    """One transport, in front of as many small ones as the requests under way need."""

    def __init__(
        self,
        make: Callable[[httpx.Limits], httpx.AsyncBaseTransport],
        *,
        connections: int,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """`make` makes the transport of one pool; `connections` is the most that one origin gets."""
        self._make = make
        self._most = -(-connections // AT_ONCE)
        self._kept_seconds = kept_seconds
        size = min(AT_ONCE, connections)
        # All are kept for the next request, which would need another handshake.
        self._limits = httpx.Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=kept_seconds)
        self._pools: dict[_Origin, list[_Pool]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._pool_for((request.url.scheme, request.url.host, request.url.port))
        # Before anything is awaited: the next request must find it busier, and nobody may take it for idle.
        pool.under_way += 1
        try:
            while (idle := self._take_idle()) is not None:
                await idle.transport.aclose()
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.leave()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Body(response.stream, pool)
        return response

    async def aclose(self) -> None:
        pools = [pool for of_one in self._pools.values() for pool in of_one]
        self._pools.clear()
        for pool in pools:
            await pool.transport.aclose()

    def _pool_for(self, origin: _Origin) -> _Pool:
        """The first with room, so that few requests use few connections; else a new one, else the least busy."""
        pools = self._pools.setdefault(origin, [])
        for pool in pools:
            if pool.under_way < AT_ONCE:
                return pool
        if len(pools) < self._most:
            pools.append(_Pool(self._make(self._limits)))
            return pools[-1]
        # There it waits for a connection, and hears by httpx's own time-out that nothing was sent.
        return min(pools, key=lambda pool: pool.under_way)

    def _take_idle(self) -> _Pool | None:
        """One that nobody has used for as long as connections are kept: all of its connections have expired.

        httpcore closes those only when a request comes to their pool, and to the last pools none may come for days.
        """
        over = time.monotonic() - self._kept_seconds
        for origin, pools in self._pools.items():
            for pool in pools:
                if not pool.under_way and pool.idle_since <= over:
                    pools.remove(pool)
                    if not pools:
                        del self._pools[origin]
                    return pool
        return None
