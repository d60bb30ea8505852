"""Socket Mode, with the official client of Bolt at the other end."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.sandbox.slack import BOT_USER_ID
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, bolt_for, by_socket, client_of, form, running

pytestmark = pytest.mark.anyio


async def test_a_command_opens_a_form_over_the_socket() -> None:
    async with running() as slack:
        app = bolt_for(slack)

        @app.command("/kyc")
        async def _open(ack: Any, body: JSON, client: Any) -> None:
            await client.views_open(trigger_id=body["trigger_id"], view=form())
            await ack("The form is open.")

        async with by_socket(slack, app):
            reply = await slack.person(AMINA).command("check")
            assert (reply.ok, reply.text) == (True, "The form is open.")
            assert (await slack.person(AMINA).modal()).title == "KYC check"


async def test_an_event_without_an_ack_comes_again_with_its_number() -> None:
    async with running(answer_seconds=0.05, event_retry_seconds=(0, 0.01)) as slack:
        app = bolt_for(slack)
        retries: list[str] = []

        @app.event("app_mention")
        async def _mention(request: Any) -> None:
            retries.append(request.headers["x-slack-retry-num"][0])
            if len(retries) < 3:
                await asyncio.sleep(0.2)

        async with by_socket(slack, app):
            await slack.person(AMINA).say(CHANNEL, f"<@{BOT_USER_ID}> check")
            await slack.wait_for(lambda: len(retries) == 3)
            await asyncio.sleep(0)
        assert retries == ["0", "1", "2"]


async def test_each_payload_goes_to_one_of_several_connections() -> None:
    async with running() as slack:
        taken: list[str] = []

        def numbered(name: str) -> Any:
            app = bolt_for(slack)

            @app.command("/kyc")
            async def _take(ack: Any) -> None:
                taken.append(name)
                await ack()

            return app

        async with by_socket(slack, numbered("a")), by_socket(slack, numbered("b")):
            assert slack.socket_count == 2
            for _ in range(4):
                assert (await slack.person(AMINA).command()).ok
        assert sorted(taken) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("abrupt", [False, True])
async def test_the_client_comes_back_after_a_disconnect(*, abrupt: bool) -> None:
    async with running() as slack:
        app = bolt_for(slack)

        @app.command("/kyc")
        async def _take(ack: Any) -> None:
            await ack("here")

        async with by_socket(slack, app):
            opened = _times_opened(slack.calls)
            await slack.disconnect_sockets(abrupt=abrupt)
            await slack.wait_for(lambda: _times_opened(slack.calls) > opened and slack.socket_count == 1)
            assert (await slack.person(AMINA).command()).text == "here"


async def test_without_a_connection_nothing_is_delivered() -> None:
    async with running() as slack:
        reply = await slack.person(AMINA).command("check")
        assert (reply.ok, reply.error) == (False, "dispatch_failed")


async def test_an_address_serves_one_connection() -> None:
    async with running() as slack:
        opened = await client_of(slack).apps_connections_open(app_token="xapp-sandbox")
        url = opened["url"]
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url) as socket:
                hello = await socket.receive_json()
                assert (hello["type"], hello["num_connections"]) == ("hello", 1)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)


def _times_opened(calls: list[Any]) -> int:
    return sum(call.method == "apps.connections.open" for call in calls)
