"""What the bot sends to Slack is written out for Slack alone: slack_sdk would do it a second time, for debug lines."""

import aiohttp
import pytest

from bot.network import Outbound
from bot.settings import NetworkSettings
from bot.slack.client import SlackClient
from tests.smile_id.loopback import loopback, reply

pytestmark = pytest.mark.anyio


class Unprinted(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise AssertionError("what is sent was written out")


async def test_a_message_is_not_written_out_for_lines_that_nobody_logs() -> None:
    posted = reply(200, {"ok": True, "channel": "C1", "ts": "1.2"}, content_type="application/json")
    async with loopback(posted) as server:
        outbound = Outbound.of(NetworkSettings.load({}), own=[server.origin])
        async with outbound.session(timeout=aiohttp.ClientTimeout(total=5)) as session:
            slack = SlackClient(token="xoxb-1", base_url=f"{server.origin}/api/", session=session)
            await slack.post(channel="C1", text=Unprinted("Approved"), blocks=[], post_id="result:1")
    [request] = server.requests
    assert request.json()["text"] == "Approved"
