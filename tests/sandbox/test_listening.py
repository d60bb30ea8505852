"""A listener that ends leaves nobody waiting, however late they came."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web

from bot.sandbox.listening import HOST, listen
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
