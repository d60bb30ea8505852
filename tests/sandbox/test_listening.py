"""A listener that ends leaves nobody waiting, however late they came; and it tells its clients apart."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web

from bot.sandbox.listening import HOST, caller, listen
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_that_comes_at_the_last_moment_is_closed_too(turns: int) -> None:
    listener = await listen(web.Application())
    with socket.create_connection((HOST, listener.port)) as late:
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.close()
        late.setblocking(False)
        with contextlib.suppress(ConnectionResetError):
            read = asyncio.get_running_loop().sock_recv(late, 1)
            assert await asyncio.wait_for(read, timeout=GIVE_UP_SECONDS) == b""


async def test_a_port_that_is_taken_is_an_error_and_one_that_is_free_again_is_none() -> None:
    first = await listen(web.Application())
    with pytest.raises(OSError, match="in use"):
        await listen(web.Application(), first.port)
    await first.close()
    second = await listen(web.Application(), first.port)
    assert second.port == first.port
    await second.close()


async def test_who_answers_a_request_knows_which_connection_it_came_by() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=str(caller.get()))

    app = web.Application()
    app.router.add_get("/", answer)
    listener = await listen(app)
    clients = [await asyncio.open_connection(HOST, listener.port) for _ in range(2)]
    for reader, writer in clients:
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        ports = writer.get_extra_info("sockname")[1], listener.port
        assert said.endswith(str(ports).encode())
        writer.close()
    await listener.close()
