"""Faults on order: what the official client sees of them, and what Slack did meanwhile."""

import asyncio

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import Fault, SlackSandbox
from tests.sandbox.slack_setup import CHANNEL, client_of, running

pytestmark = pytest.mark.anyio


async def post(slack: SlackSandbox, timeout_seconds: float = 5) -> None:
    """One post without the SDK's own retry of broken connections."""
    body = {"channel": CHANNEL, "text": "hello"}
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    headers = {"Authorization": "Bearer xoxb-sandbox"}
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
        session.post(f"{slack.api_url}chat.postMessage", json=body) as response,
    ):
        await response.read()


@pytest.mark.parametrize(
    ("fault", "acted"),
    [
        (Fault.reset_before(), False),
        (Fault.reset_after(), True),
        (Fault.half_answer(), True),
    ],
)
async def test_a_broken_connection_hides_whether_slack_acted(fault: Fault, *, acted: bool) -> None:
    async with running() as slack:
        slack.fail_next("chat.postMessage", fault)
        with pytest.raises(aiohttp.ClientError):
            await post(slack)
        assert bool(slack.messages(CHANNEL)) is acted
        assert slack.calls[-1].fault is fault


async def test_a_call_is_written_down_with_its_status_and_time() -> None:
    async with running() as slack:
        slack.fail_next("chat.postMessage", Fault.status(503), Fault.reset_after())
        await post(slack)
        with pytest.raises(aiohttp.ClientError):
            await post(slack)
        await post(slack)
        assert [call.status for call in slack.calls] == [503, None, 200]
        assert all(call.seconds is not None for call in slack.calls)


async def test_slack_may_act_long_after_the_connection_broke() -> None:
    time_comes = asyncio.Event()
    async with running() as slack:
        slack.fail_next("chat.postMessage", Fault.late(time_comes.wait))
        with pytest.raises(aiohttp.ClientError):
            await post(slack)
        assert not slack.messages(CHANNEL)
        time_comes.set()
        await slack.wait_for(lambda: len(slack.messages(CHANNEL)) == 1)


@pytest.mark.parametrize(("fault", "acted"), [(Fault.hang_before(5), False), (Fault.hang_after(5), True)])
async def test_a_silent_slack_may_have_acted_or_not(fault: Fault, *, acted: bool) -> None:
    async with running() as slack:
        slack.fail_next("chat.postMessage", fault)
        with pytest.raises(TimeoutError):
            await post(slack, timeout_seconds=0.1)
        assert bool(slack.messages(CHANNEL)) is acted


async def test_faults_strike_in_order_and_only_their_method() -> None:
    async with running() as slack:
        client = client_of(slack)
        slack.fail_next("chat.postMessage", Fault.status(500), Fault.rate_limited(7), Fault.error("is_archived"))
        await client.auth_test()
        answers = []
        for _ in range(3):
            with pytest.raises(SlackApiError) as caught:
                await client.chat_postMessage(channel=CHANNEL, text="x")
            answers.append(caught.value.response)
        assert [answer.status_code for answer in answers] == [500, 429, 200]
        assert answers[1].headers["Retry-After"] == "7"
        assert answers[2]["error"] == "is_archived"
        assert (await client.chat_postMessage(channel=CHANNEL, text="x"))["ok"]


async def test_the_hook_sees_every_request_and_may_spoil_it() -> None:
    seen: list[tuple[str, int]] = []

    def hook(method: str, number: int) -> Fault | None:
        seen.append((method, number))
        return Fault.error("fatal_error") if number == 2 else None

    async with running() as slack:
        slack.fault = hook
        client = client_of(slack)
        await client.auth_test()
        with pytest.raises(SlackApiError):
            await client.auth_test()
        assert seen == [("auth.test", 1), ("auth.test", 2)]


async def test_a_call_runs_just_before_and_just_after_the_act() -> None:
    async with running() as slack:
        counts: list[int] = []
        look = Fault.call(
            before=lambda: counts.append(len(slack.messages(CHANNEL))),
            after=lambda: counts.append(len(slack.messages(CHANNEL))),
        )
        slack.fail_next("chat.postMessage", look)
        await client_of(slack).chat_postMessage(channel=CHANNEL, text="x")
        assert counts == [0, 1]


async def test_slack_comes_back_at_the_same_address_with_all_it_knew() -> None:
    async with running() as slack:
        await client_of(slack).chat_postMessage(channel=CHANNEL, text="before")
        address = slack.api_url
        await slack.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await client_of(slack).auth_test()
        await slack.start()
        assert slack.api_url == address
        await client_of(slack).chat_postMessage(channel=CHANNEL, text="after")
        assert [message.text for message in slack.messages(CHANNEL)] == ["before", "after"]
