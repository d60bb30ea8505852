"""The balancer of these tests sends nobody to an instance that does not answer."""

from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.listening import Listener, listen
from tests.faults.balancer import balanced

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
