"""Connections one by one: as many as are needed, none forgotten, and httpx's own exceptions."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import h11
import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.network import PooledTransport
from bot.network.direct import DirectBackend, DirectRule
from bot.network.pool import Pool
from tests.outside import PrivateAuthority, listening
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

AT_ONCE = 20


class Server:
    """Answers each request when it is let, and counts its connections."""

    def __init__(self) -> None:
        self.origin = ""
        self.opened = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.open = 0
        self.waiting = 0
        self.may_answer = asyncio.Event()
        self.changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.writers.append(writer)
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
async def client(
    *, most: int = 128, kept_seconds: float = 60.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Pool]]:
    backend = DirectBackend(DirectRule(own=frozenset({"127.0.0.1"})))
    create = partial(httpcore.AsyncHTTPConnection, ssl_context=tls, network_backend=backend)
    pool = Pool(create, connections=most, kept_seconds=kept_seconds)
    timeout = httpx.Timeout(GIVE_UP_SECONDS, pool=0.05)
    async with aclosing(httpx.AsyncClient(transport=PooledTransport(pool), timeout=timeout, trust_env=False)) as http:
        yield http, pool


def under_way(pool: Pool) -> int:
    return sum(ways.asking for ways in pool._origins.values())


def idle(pool: Pool) -> int:
    return sum(len(ways.idle) for ways in pool._origins.values())


# How many connections


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with server() as there, client() as (http, _pool):
        for _ in range(20):
            assert (await http.get(there.origin)).text == "ok"
        assert there.opened == 1


async def test_many_at_once_have_a_connection_each_and_the_next_many_use_them_again() -> None:
    async with server(answers=False) as there, client() as (http, pool):
        for _ in range(2):
            asking = [asyncio.create_task(http.get(there.origin)) for _ in range(20)]
            await there.until(waiting=20)
            assert under_way(pool) == 20
            there.may_answer.set()
            await asyncio.gather(*asking)
            there.may_answer.clear()
        assert there.opened == 20
        assert not under_way(pool)


@pytest.mark.slow
async def test_two_hosts_do_not_close_each_others_connections() -> None:
    async with server() as api, server() as uploads, client() as (http, _pool):
        for _ in range(3):
            await asyncio.gather(*(http.get(there.origin) for there in (api, uploads) for _ in range(AT_ONCE)))
        assert (api.opened, uploads.opened) == (AT_ONCE, AT_ONCE)


async def test_a_request_too_many_is_told_that_nothing_was_sent() -> None:
    async with server(answers=False) as there, client(most=3) as (http, pool):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(3)]
        await there.until(waiting=3)
        with pytest.raises(httpx.PoolTimeout):
            await http.get(there.origin)
        there.may_answer.set()
        await asyncio.gather(*asking)
        assert under_way(pool) == 0
        assert there.opened == 3


async def test_a_request_that_waits_is_sent_on_the_connection_that_becomes_free() -> None:
    async with server(answers=False) as there, client(most=1) as (http, pool):
        patient = httpx.Timeout(GIVE_UP_SECONDS)
        asking = [asyncio.create_task(http.get(there.origin, timeout=patient)) for _ in range(4)]
        await there.until(waiting=1)
        asking[1].cancel()
        there.may_answer.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(one, httpx.Response) for one in found] == [True, False, True, True]
        assert (there.opened, under_way(pool), idle(pool)) == (1, 0, 1)


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    """So that few requests keep few connections, and the others end."""
    async with server(answers=False) as there, client() as (http, pool):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(3)]
        await there.until(waiting=3)
        there.may_answer.set()
        await asyncio.gather(*asking)
        before = next(iter(pool._origins.values())).idle.copy()
        for _ in range(3):
            await http.get(there.origin)
        after = next(iter(pool._origins.values())).idle
        assert [one for _since, one in after] == [one for _since, one in before]
        assert [since for since, _one in after][:2] == [since for since, _one in before][:2]


async def test_a_connection_that_the_other_side_has_ended_is_not_used_again() -> None:
    """Sent by such a one, a request would be lost, and whether it arrived not known."""
    async with server() as there, client() as (http, pool):
        await http.get(there.origin)
        (server_side,) = there.writers
        server_side.get_extra_info("socket").shutdown(socket.SHUT_WR)
        # Nothing is awaited in between: the kernel knows of it before the loop does.
        for _ in range(2):
            assert (await http.get(there.origin)).text == "ok"
        assert there.opened == 2
        assert len(pool._open) == 1


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OF_ANOTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nanother"


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "said",
    [
        [ANSWER + OF_ANOTHER],
        [ANSWER, OF_ANOTHER],
        [ANSWER, OF_ANOTHER[:9]],
        [ANSWER + b"\r\n"],
        [ANSWER.replace(b"200 OK", b"204 No Content")],
    ],
    ids=["at once", "piece by piece", "not whole", "a line too much", "a body that has no place"],
)
async def test_what_is_said_behind_an_answer_is_no_answer_to_the_next_request(
    tmp_path: Path, said: list[bytes], *, encrypted: bool
) -> None:
    """It may be somebody else's: the photos of one person would go where those of another belong."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readuntil(b"\r\n\r\n"):
            asked += 1
            for piece in said if asked == 1 else [ANSWER]:
                writer.write(piece)
            await writer.drain()

    authority = PrivateAuthority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    served = listening(serve, tls=authority.serves("127.0.0.1") if encrypted else None)
    async with served as port, client(tls=trusting) as (http, pool):
        url = f"{'https' if encrypted else 'http'}://127.0.0.1:{port}"
        assert (await http.get(url)).text in ("ok", "")
        for _ in range(2):
            assert (await http.get(url)).text == "ok"
        assert (asked, idle(pool), len(pool._open)) == (3, 1, 1)


# None is forgotten


async def test_connections_that_nobody_uses_are_closed_by_the_next_request() -> None:
    async with server(answers=False) as there, server() as elsewhere, client(kept_seconds=0.0) as (http, pool):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(20)]
        await there.until(waiting=20)
        there.may_answer.set()
        await asyncio.gather(*asking)
        await http.get(there.origin)
        assert len(pool._open) == idle(pool) == 1
        await http.get(elsewhere.origin)
        await there.until(open_=0)
        assert len(pool._origins) == len(pool._open) == 1


async def test_the_client_closes_all_connections() -> None:
    async with server() as there:
        async with client() as (http, _pool):
            await asyncio.gather(*(http.get(there.origin) for _ in range(20)))
        await there.until(open_=0)


async def test_an_answer_keeps_its_place_until_it_is_closed_and_gives_it_back_once() -> None:
    async with server() as there, client() as (http, pool):
        response = await http.send(http.build_request("GET", there.origin), stream=True)
        assert under_way(pool) == 1
        await response.aread()
        assert under_way(pool) == 0
        await response.aclose()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await response.stream.aclose()
        assert under_way(pool) == 0


async def test_what_fails_or_is_cancelled_gives_its_place_back() -> None:
    async with server(answers=False) as there, client() as (http, pool):
        asking = [asyncio.create_task(http.get(there.origin)) for _ in range(20)]
        await there.until(waiting=20)
        for task in asking[::2]:
            task.cancel()
        there.may_answer.set()
        await asyncio.gather(*asking, return_exceptions=True)
        assert not under_way(pool)
        with pytest.raises(httpx.ConnectError):
            await http.get("http://127.0.0.1:1")
        assert not under_way(pool)


async def test_the_client_ends_the_connections_of_requests_under_way_too() -> None:
    async with server(answers=False) as there:
        async with client() as (http, pool):
            asking = [asyncio.create_task(http.get(there.origin)) for _ in range(3)]
            await there.until(waiting=3)
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(one) for one in found} <= {httpx.ReadError, httpx.RemoteProtocolError}
        assert not pool._open
        there.may_answer.set()


def test_a_client_to_many_hosts_remembers_none_that_it_does_not_need() -> None:
    """Names come in answers: whoever gives a new one each time must not fill the memory."""
    asyncio.run(_walk([(0, f"host-{number}", False, None) for number in range(100)], one_by_one=True))


class Scripted(httpcore.AsyncConnectionInterface):
    """A connection, whose requests end as the walk says."""

    def __init__(self, origin: httpcore.Origin) -> None:
        self.origin = origin
        self.inside = 0
        self.closed = False
        self.idle = False
        self._h11_state = h11.Connection(our_role=h11.CLIENT)

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        assert request.url.origin == self.origin
        assert not self.closed
        self.inside += 1
        assert self.inside == 1
        self.idle = False
        try:
            for _ in range(request.extensions["turns"]):
                await asyncio.sleep(0)
            if request.extensions["fails"]:
                raise httpcore.ReadError("lost")
            self.idle = True
            return httpcore.Response(200, content=b"ok")
        finally:
            self.inside -= 1

    def has_expired(self) -> bool:
        return False

    def is_idle(self) -> bool:
        return self.idle

    def is_closed(self) -> bool:
        return self.closed

    async def aclose(self) -> None:
        assert not self.inside
        self.closed = True


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]), st.booleans(), st.none() | st.integers(0, 3)),
        max_size=40,
    )
)
def test_in_any_order_of_events_no_place_is_lost_and_no_connection_used_twice_or_closed_in_use(
    requests: list[tuple[int, str, bool, int | None]],
) -> None:
    asyncio.run(_walk(requests))


async def _walk(requests: list[tuple[int, str, bool, int | None]], *, one_by_one: bool = False) -> None:
    """Each takes some turns of the loop, and fails or not; some are cancelled after so many turns."""
    made: list[Scripted] = []

    def make(origin: httpcore.Origin) -> Scripted:
        made.append(Scripted(origin))
        return made[-1]

    pool = Pool(make, connections=3, kept_seconds=0.0)

    async def ask(host: str, *, turns: int, fails: bool) -> None:
        extensions = {"turns": turns, "fails": fails}
        response = await pool.handle_async_request(
            httpcore.Request("GET", f"https://{host}.example/", extensions=extensions)
        )
        try:
            assert await response.aread() == b"ok"
        finally:
            await response.aclose()

    tasks = []
    for turns, host, fails, cancelled_after in requests:
        tasks.append(asyncio.create_task(ask(host, turns=turns, fails=fails)))
        if one_by_one:
            await tasks[-1]
        if cancelled_after is not None:
            for _ in range(cancelled_after):
                await asyncio.sleep(0)
            tasks[-1].cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert ended is None or isinstance(ended, httpcore.ReadError | asyncio.CancelledError)
    assert not under_way(pool)
    assert {ways.places._value for ways in pool._origins.values()} <= {3}
    assert len(pool._origins) <= 2
    assert len(pool._open) == idle(pool) == len([one for one in made if not one.closed])
    await pool.aclose()
    assert all(one.closed for one in made)
