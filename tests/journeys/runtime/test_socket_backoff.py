"""Socket Mode against a Slack that turns it away: how often the bot comes back, and what an operator learns of why."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx
import pytest
from aiohttp import web

from bot.sandbox.slack import Fault
from bot.sandbox.smile_id import Fault as SmileIDFault
from tests.journeys.site import Site, site
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.slack_setup import serving

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

Answer = Callable[[web.WebSocketResponse], Awaitable[None]]


class Rude:
    """A Slack that takes every token and gives every address, and does not keep what it opens."""

    def __init__(self, answer: Answer, *, handshake: int = 101, error: str = "", elsewhere: str = "") -> None:
        self._answer = answer
        self._elsewhere = elsewhere
        self._handshake = handshake
        self._error = error
        self.times: list[float] = []
        """When an address was asked for."""
        self.asked = asyncio.Event()
        self.address = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link/", self._link)
        return app

    async def _api(self, request: web.Request) -> web.Response:
        if request.match_info["method"] != "apps.connections.open":
            me = {"user": "kyc", "user_id": "U0", "bot_id": "B0", "team": "Acme", "team_id": "T0ACME00001"}
            return web.json_response({"ok": True, **me})
        self.times.append(asyncio.get_running_loop().time())
        self.asked.set()
        if self._error:
            return web.json_response({"ok": False, "error": self._error})
        here = self.address.replace("http", "ws", 1)
        return web.json_response({"ok": True, "url": f"{self._elsewhere or here}/link/?ticket=s3cret"})

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if self._handshake != 101:
            return web.Response(status=self._handshake)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self._answer(socket)
        await socket.close()
        return socket


async def hello(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"type": "hello", "num_connections": 1})


async def nothing(_socket: web.WebSocketResponse) -> None:
    return


async def nested(socket: web.WebSocketResponse) -> None:
    await hello(socket)
    await socket.send_str('{"a":' * 5_000 + r'"\ud83d"' + "}" * 5_000)


async def told(socket: web.WebSocketResponse, reason: str) -> None:
    await hello(socket)
    await socket.send_json({"type": "disconnect", "reason": reason})


async def disabled(socket: web.WebSocketResponse) -> None:
    await told(socket, "link_disabled")


async def crowded(socket: web.WebSocketResponse) -> None:
    await told(socket, "too_many_websockets")


async def refresh(socket: web.WebSocketResponse) -> None:
    await told(socket, "refresh_requested")


@asynccontextmanager
async def turned_away(rude: Rude) -> AsyncIterator[Site]:
    async with site(start=False) as world, serving(rude.app()) as address:
        rude.address = address
        world.environment["SLACK_API_URL"] = f"{address}/api/"
        await world.start()
        yield world


async def degraded(world: Site) -> dict[str, str]:
    """What is degraded, as soon as Socket Mode is."""
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            found: dict[str, str] = (await http.get(f"{world.admin}/readyz")).json()["degraded"]
            if "socket_mode" in found:
                return found
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "answer",
    [hello, nothing, nested, refresh],
    ids=["greets and closes", "closes", "says what nobody can read", "asks to refresh"],
)
async def test_a_slack_that_closes_at_once_is_come_back_to_ever_less_often(answer: Answer) -> None:
    """At 0, 1, 3 and 7 s, a quarter to either side: five in eight seconds at most, once more if Slack asked for it."""
    rude = Rude(answer)
    async with turned_away(rude):
        await asyncio.wait_for(rude.asked.wait(), GIVE_UP_SECONDS)
        await asyncio.sleep(8)
    opened = [moment for moment in rude.times if moment < rude.times[0] + 8]
    assert 2 <= len(opened) <= 6, len(opened)
    waits = [later - before for before, later in pairwise(opened)]
    assert waits == sorted(waits)


@pytest.mark.parametrize(
    ("rude", "reason"),
    [
        pytest.param(Rude(disabled), "Socket Mode is turned off in the app (link_disabled)", id="link disabled"),
        pytest.param(
            Rude(crowded),
            "too many connections are open with this app token (too_many_websockets)",
            id="too many sockets",
        ),
        pytest.param(Rude(hello), "Slack closed the connection (1000)", id="closed"),
        pytest.param(Rude(nothing, handshake=403), "Slack's socket answers with HTTP 403", id="handshake"),
        pytest.param(Rude(nothing, error="invalid_auth"), "Slack refuses the app token (invalid_auth)", id="token"),
        pytest.param(
            Rude(nothing, error="not_allowed_token_type"),
            "Slack refuses the app token (not_allowed_token_type)",
            id="bot token in its place",
        ),
        pytest.param(
            Rude(nothing, error="missing_scope"), "Slack refuses the app token (missing_scope)", id="without its scope"
        ),
        pytest.param(
            Rude(nothing, elsewhere="ws://wss-primary.slack.example"),
            "Slack's answer holds no encrypted address",
            id="without encryption",
        ),
        pytest.param(Rude(nothing, error="forbidden_team"), "Slack refuses to connect (forbidden_team)", id="refused"),
    ],
)
async def test_an_operator_reads_slacks_reason(rude: Rude, reason: str) -> None:
    async with turned_away(rude) as world:
        # The bot token is another one, and Slack takes it.
        assert await degraded(world) == {"socket_mode": f"not connected: {reason}"}
        await world.wait_for(lambda: "socket_mode.not_connected" in world.log())
        assert f'"error": "{reason}"' in world.log()
        assert "s3cret" not in world.log()
        assert await world.stop() == 0


async def test_slack_that_asks_to_wait_is_waited_for() -> None:
    async with site(start=False) as world:
        limited = web.Application()
        asked: list[float] = []

        async def later(request: web.Request) -> web.Response:
            if request.match_info["method"] == "apps.connections.open":
                asked.append(asyncio.get_running_loop().time())
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"})

        limited.router.add_route("*", "/api/{method}", later)
        async with serving(limited) as address:
            world.environment["SLACK_API_URL"] = f"{address}/api/"
            await world.start()
            assert (await degraded(world))["socket_mode"] == "not connected: Slack asks us to wait"
            await asyncio.sleep(4)
        assert len(asked) == 1


async def test_requests_are_taken_while_slack_replaces_the_connection() -> None:
    """The new one is open before the old one is closed: nobody's command falls between."""
    async with site() as world:
        await world.slack.disconnect_sockets("warning")
        await world.slack.wait_for(lambda: world.slack.socket_count == 2, GIVE_UP_SECONDS)
        await world.ask()
        await world.wait_for_the_end()
        assert "Approved" in " ".join(world.replies())
        assert "socket_mode.answer_lost" not in world.log()


# Stopping


async def test_a_connection_that_opens_while_the_bot_stops_takes_nothing() -> None:
    """What it took would be lost with its answer; Slack gives it to the bot that is started next."""
    async with site() as world:
        world.smile_id.fail_next("put", SmileIDFault.hang_after(GIVE_UP_SECONDS))
        await world.ask()
        await world.smile_id.wait_for(lambda: any(job.upload_count for job in world.smile_id.jobs.values()))
        asked, opens = asyncio.Event(), asyncio.Event()

        async def late() -> None:
            asked.set()
            await opens.wait()

        world.slack.fail_next("apps.connections.open", Fault.call(before=late))
        await world.slack.disconnect_sockets("warning")
        await asyncio.wait_for(asked.wait(), GIVE_UP_SECONDS)
        assert world.process is not None
        # The stop waits for Smile ID, seconds long.
        world.process.terminate()
        await world.slack.wait_for(lambda: world.slack.socket_count == 0, GIVE_UP_SECONDS)
        opens.set()
        assert await world.stop() == 0
        assert world.log().count("socket_mode.connected") == 1
