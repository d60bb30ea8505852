"""Events that the bot did not take are brought again; interactions never are."""

import pytest
from aiohttp import web

from bot.sandbox.slack import BOT_USER_ID
from tests.sandbox.slack_setup import AMINA, CHANNEL, answering, running

pytestmark = pytest.mark.anyio

QUICK = (0, 0.01, 0.02)


class Stubborn:
    """A bot that answers 500, or whatever is set, and remembers what came."""

    def __init__(self, *statuses: int, no_retry: bool = False) -> None:
        self.statuses = list(statuses)
        self.no_retry = no_retry
        self.retries: list[tuple[str | None, str | None]] = []
        self.event_ids: set[str] = set()

    async def take(self, request: web.Request) -> web.Response:
        number = request.headers.get("x-slack-retry-num")
        self.retries.append((number, request.headers.get("x-slack-retry-reason")))
        if request.content_type == "application/json":
            self.event_ids.add((await request.json())["event_id"])
        headers = {"x-slack-no-retry": "1"} if self.no_retry else {}
        return web.Response(status=self.statuses.pop(0) if self.statuses else 500, headers=headers)


async def test_an_event_comes_up_to_three_times_more_under_one_id() -> None:
    bot = Stubborn()
    async with running(event_retry_seconds=QUICK) as slack, answering(slack, bot.take):
        await slack.person(AMINA).say(CHANNEL, f"<@{BOT_USER_ID}> check")
        await slack.wait_for(lambda: len(bot.retries) == 4)
    assert bot.retries == [(None, None), *((str(number), "http_error") for number in (1, 2, 3))]
    assert len(bot.event_ids) == 1


async def test_retries_end_when_the_event_is_taken() -> None:
    bot = Stubborn(500, 200)
    async with running(event_retry_seconds=QUICK) as slack, answering(slack, bot.take):
        first = await slack.emit({"type": "app_uninstalled"})
        assert not first.ok
        await slack.wait_for(lambda: len(bot.retries) == 2)
        second = await slack.emit({"type": "app_uninstalled"})
        assert second.status == 500
    assert bot.retries[1] == ("1", "http_error")


async def test_a_bot_may_decline_retries() -> None:
    bot = Stubborn(no_retry=True)
    async with running(event_retry_seconds=(0,)) as slack, answering(slack, bot.take):
        delivery = await slack.emit({"type": "app_uninstalled"})
        assert delivery.stop_retrying
        await slack.emit({"type": "app_uninstalled"})
    assert [number for number, _ in bot.retries] == [None, None]


async def test_a_click_is_brought_once() -> None:
    bot = Stubborn()
    async with running(event_retry_seconds=(0,)) as slack, answering(slack, bot.take):
        reply = await slack.person(AMINA).shortcut("kyc_check")
        assert (reply.ok, reply.error) == (False, "dispatch_failed")
    assert bot.retries == [(None, None)]


async def test_a_replay_carries_the_retry_headers_asked_for() -> None:
    bot = Stubborn(200)
    async with running() as slack, answering(slack, bot.take):
        payload = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_mention"}}
        delivery = await slack.deliver("events_api", payload, retry_num=2, retry_reason="http_timeout")
        assert delivery.status == 200
    assert bot.retries == [("2", "http_timeout")]


async def test_nobody_listening_is_a_failed_connection() -> None:
    async with running(event_retry_seconds=()) as slack:
        slack.events_url = "http://127.0.0.1:9/slack/events"
        delivery = await slack.emit({"type": "app_uninstalled"})
        assert (delivery.status, delivery.failure) == (None, "connection_failed")
        assert [(sent.kind, sent.delivery) for sent in slack.sent] == [("events_api", delivery)]
