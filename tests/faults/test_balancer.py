"""The balancer of these tests sends nobody to an instance that is silent, and a site that ends leaves nothing open."""

import sys
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.listening import Listener, listen
from tests.faults.balancer import balanced
from tests.faults.instances import several
from tests.faults.stores import SqliteStore
from tests.postgresql.proxy import proxy_to

pytestmark = pytest.mark.anyio


async def instance(name: str) -> Listener:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=name)

    app = web.Application()
    app.router.add_get("/{any}", answer)
    return await listen(app)


async def test_connections_go_to_those_that_answer_in_turn_and_to_no_other() -> None:
    first, second = await instance("first"), await instance("second")
    async with balanced([first.port, second.port]) as balancer:

        async def heard(times: int) -> Counter[str]:
            found = Counter[str]()
            for _ in range(times):
                async with (
                    aiohttp.ClientSession() as http,
                    http.get(f"http://127.0.0.1:{balancer.port}/who") as answer,
                ):
                    found[await answer.text()] += 1
            return found

        await balancer.wait_until_healthy(first.port, second.port)
        assert await heard(6) == {"first": 3, "second": 3}
        await first.close()
        assert await heard(6) == {"second": 6}
        await second.close()


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists what a process has open")
async def test_a_site_that_has_ended_leaves_no_socket_open(tmp_path: Path) -> None:
    """Every fault is played in one process, some hundreds of sites. The proxies' `select` ends at descriptor 1,023."""
    store = SqliteStore(tmp_path / "kyc.db")

    async def played() -> int:
        with proxy_to(1), proxy_to(1):
            async with several(store, [str(tmp_path)] * 2, begin=False):
                pass
        return descriptors()

    await played()  # the first opens what all share
    before = await played()
    assert [await played() for _ in range(3)] == [before] * 3
