"""Small pools behind one transport: as many connections as are needed, none forgotten, and httpx's own exceptions."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.network.pools import AT_ONCE, Pools
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

UNUSED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is encrypted, and a context of its own for each pool takes 25 ms."""


class Server:
    """Answers each request when it is let, and counts its connections."""

    def __init__(self) -> None:
        self.origin = ""
        self.opened = 0
        self.open = 0
        self.waiting = 0
        self.may_answer = asyncio.Event()
        self.changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        await self._count(open_=1)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self._count(waiting=1)
                await self.may_answer.wait()
                await self._count(waiting=-1)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            await self._count(open_=-1)

    async def _count(self, *, open_: int = 0, waiting: int = 0) -> None:
        async with self.changed:
            self.open, self.waiting = self.open + open_, self.waiting + waiting
            self.changed.notify_all()

    async def until(self, *, open_: int | None = None, waiting: int | None = None) -> None:
        async with asyncio.timeout(GIVE_UP_SECONDS), self.changed:
            await self.changed.wait_for(lambda: open_ in (None, self.open) and waiting in (None, self.waiting))


@asynccontextmanager
async def server(*, answers: bool = True) -> AsyncIterator[Server]:
    found = Server()
    listening = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    if answers:
        found.may_answer.set()
    try:
        yield found
    finally:
        listening.close()
        found.may_answer.set()
        await found.until(open_=0)


@asynccontextmanager
async def client(*, most: int = 128, kept_seconds: float = 60.0) -> AsyncIterator[tuple[httpx.AsyncClient, Pools]]:
    pools = Pools(
        lambda limits: httpx.AsyncHTTPTransport(verify=UNUSED, limits=limits, trust_env=False),
        connections=most,
        kept_seconds=kept_seconds,
    )
    timeout = httpx.Timeout(GIVE_UP_SECONDS, pool=0.05)
    async with httpx.AsyncClient(transport=pools, timeout=timeout, trust_env=False) as http:
        yield http, pools


def under_way(pools: Pools) -> list[int]:
    return [pool.under_way for of_one in pools._pools.values() for pool in of_one]


# How many connections


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with server() as there, client() as (http, _pools):
        for _ in range(20):
            assert (await http.get(there.origin)).text == "ok"
        assert there.opened == 1


async def test_many_at_once_have_a_connection_each_and_the_next_many_use_them_again() -> None:
    async with server(answers=False) as there, client() as (http, pools):
        for _ in range(2):
            asking = [asyncio.create_task(http.get(there.origin)) for _ in range(20)]
            await there.until(waiting=20)
            assert under_way(pools) == [8, 8, 4]
            there.may_answer.set()
            await asyncio.gather(*asking)
            there.may_answer.clear()
        assert there.opened == 20
        assert not any(under_way(pools))


async def test_two_hosts_do_not_close_each_others_connections() -> None:
    async with server() as api, server() as uploads, client() as (http, _pools):
        for _ in range(3):
            await asyncio.gather(*(http.get(there.origin) for there in (api, uploads) for _ in range(AT_ONCE)))
        assert (api.opened, uploads.opened) == (AT_ONCE, AT_ONCE)


async def test_a_request_too_many_is_told_that_nothing_was_sent() -> None:
    async with server(answers=False) as there, client(most=3) as (http, pools):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(3)]
        await there.until(waiting=3)
        with pytest.raises(httpx.PoolTimeout):
            await http.get(there.origin)
        there.may_answer.set()
        await asyncio.gather(*asking)
        assert under_way(pools) == [0]
        assert there.opened == 3


# None is forgotten


async def test_pools_that_nobody_uses_are_closed_by_the_next_request() -> None:
    async with server(answers=False) as there, client(kept_seconds=0.0) as (http, pools):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(20)]
        await there.until(waiting=20)
        there.may_answer.set()
        await asyncio.gather(*asking)
        await http.get(there.origin)
        assert len(under_way(pools)) == 1
        async with server() as elsewhere:
            await http.get(elsewhere.origin)
            await there.until(open_=0)
            assert len(pools._pools) == 1


async def test_the_client_closes_the_connections_of_all_pools() -> None:
    async with server() as there:
        async with client() as (http, _pools):
            await asyncio.gather(*(http.get(there.origin) for _ in range(20)))
        await there.until(open_=0)


async def test_an_answer_keeps_its_place_until_it_is_closed_and_gives_it_back_once() -> None:
    async with server() as there, client() as (http, pools):
        response = await http.send(http.build_request("GET", there.origin), stream=True)
        assert under_way(pools) == [1]
        await response.aread()
        assert under_way(pools) == [0]
        await response.aclose()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await response.stream.aclose()
        assert under_way(pools) == [0]


async def test_what_fails_or_is_cancelled_gives_its_place_back() -> None:
    async with server(answers=False) as there, client() as (http, pools):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(20)]
        await there.until(waiting=20)
        for task in asking[::2]:
            task.cancel()
        there.may_answer.set()
        await asyncio.gather(*asking, return_exceptions=True)
        assert not any(under_way(pools))
        with pytest.raises(httpx.ConnectError):
            await http.get("http://127.0.0.1:1")
        assert not any(under_way(pools))


class Scripted(httpx.AsyncBaseTransport):
    """One small pool, whose requests end as the walk says."""

    def __init__(self, limits: httpx.Limits) -> None:
        self.limits = limits
        self.inside = 0
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert not self.is_closed
        self.inside += 1
        assert self.inside <= AT_ONCE
        try:
            for _ in range(request.extensions["turns"]):
                await asyncio.sleep(0)
            if request.extensions["fails"]:
                raise httpx.ReadError("lost")
            return httpx.Response(200, stream=httpx.ByteStream(b"ok"))
        finally:
            self.inside -= 1

    async def aclose(self) -> None:
        assert not self.inside
        self.is_closed = True


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]), st.booleans(), st.none() | st.integers(0, 3)),
        max_size=40,
    )
)
def test_in_any_order_of_events_no_place_is_lost_and_no_pool_closed_in_use(
    requests: list[tuple[int, str, bool, int | None]],
) -> None:
    asyncio.run(_walk(requests))


async def _walk(requests: list[tuple[int, str, bool, int | None]]) -> None:
    """Each takes some turns of the loop, and fails or not; some are cancelled after so many turns."""
    made: list[Scripted] = []

    def make(limits: httpx.Limits) -> Scripted:
        made.append(Scripted(limits))
        return made[-1]

    pools = Pools(make, connections=1000, kept_seconds=0.0)
    async with httpx.AsyncClient(transport=pools, trust_env=False) as http:
        tasks = []
        for turns, host, fails, cancelled_after in requests:
            extensions = {"turns": turns, "fails": fails}
            tasks.append(asyncio.create_task(http.get(f"https://{host}.example/", extensions=extensions)))
            if cancelled_after is not None:
                for _ in range(cancelled_after):
                    await asyncio.sleep(0)
                tasks[-1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not any(under_way(pools))
    assert all(pool.is_closed for pool in made)
