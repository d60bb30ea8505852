"""Every breakage of the desk strikes as it says, and ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import httpx
import pytest

from bot.sandbox.desk.breakages import BREAKAGES, Part
from bot.sandbox.desk.breaking import NO_CALLBACK_YET
from tests.sandbox.desk.world import Broken, breakable
from tests.sandbox.slack_setup import CHANNEL

pytestmark = pytest.mark.anyio

Probe = Callable[[Broken], Awaitable[None]]


async def post(broken: Broken) -> httpx.Response:
    return await broken.call_slack("chat.postMessage", channel=CHANNEL, text="hello")


async def works(broken: Broken) -> None:
    """Both sides take requests, and Slack shows pictures of files."""
    assert broken.slack.world.takes_slack_files
    assert (await post(broken)).json()["ok"]
    assert (await broken.stage.http.get(f"{broken.smile_id.base_url}/services")).status_code == 200


async def slack_answers_500(broken: Broken) -> None:
    assert (await post(broken)).status_code == 500
    assert (await broken.call_slack("auth.test")).status_code == 500


async def slack_limits_posts(broken: Broken) -> None:
    refused = await post(broken)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert (await broken.call_slack("auth.test")).json()["ok"]


async def slack_is_not_there(broken: Broken) -> None:
    for method in ("chat.postMessage", "apps.connections.open"):
        with pytest.raises(httpx.TransportError):
            await broken.call_slack(method)


async def slack_is_slow(broken: Broken) -> None:
    assert broken.slack.fault is not None
    fault = broken.slack.fault("chat.postMessage", 1)
    assert fault is not None
    assert fault.seconds == 2


async def slack_shows_no_pictures(broken: Broken) -> None:
    assert not broken.slack.world.takes_slack_files


async def smile_id_is_slow(broken: Broken) -> None:
    assert broken.smile_id.fault is not None
    fault = broken.smile_id.fault("upload", 1)
    assert fault is not None
    assert fault.wait_before_seconds == 5


async def smile_id_answers_503(broken: Broken) -> None:
    assert (await broken.stage.prepare()).status_code == 503


async def smile_id_limits(broken: Broken) -> None:
    refused = await broken.stage.prepare()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")


LASTING: dict[str, Probe] = {
    "slack-slow": slack_is_slow,
    "slack-fails": slack_answers_500,
    "slack-rate-limits": slack_limits_posts,
    "slack-away": slack_is_not_there,
    "slack-hides-files": slack_shows_no_pictures,
    "smile-id-slow": smile_id_is_slow,
    "smile-id-fails": smile_id_answers_503,
    "smile-id-rate-limits": smile_id_limits,
}
ONCE = {"kill-in-upload", "slack-answer-lost", "upload-lost", "upload-unanswered"}
AT_ONCE = {"kill", "socket-cut", "callback-doubled", "callback-forged", "callback-stale"}


def test_every_breakage_is_tried_here_and_bounded() -> None:
    assert set(BREAKAGES) == set(LASTING) | ONCE | AT_ONCE
    for key, breakage in BREAKAGES.items():
        assert (breakage.lasts is None) is (key in AT_ONCE)
        assert breakage.strikes_once is (key in ONCE)
        assert breakage.lasts is None or breakage.lasts.total_seconds() <= 600


def test_every_breakage_has_a_title_and_says_what_people_should_see() -> None:
    assert len({breakage.title for breakage in BREAKAGES.values()}) == len(BREAKAGES)
    assert all(breakage.shows.endswith(".") and len(breakage.shows) <= 110 for breakage in BREAKAGES.values())
    assert {breakage.part for breakage in BREAKAGES.values()} == set(Part)


@pytest.mark.parametrize("key", sorted(LASTING))
async def test_what_lasts_strikes_until_its_time_is_over(key: str) -> None:
    async with breakable() as broken:
        assert BREAKAGES[key].title in await broken.breaker.start(key)
        assert list(broken.breaker.running) == [key]
        await LASTING[key](broken)
        lasts = BREAKAGES[key].lasts
        assert lasts is not None
        assert [timer.seconds for timer in broken.timers.set] == [lasts.total_seconds()]
        broken.timers.all_go_off()
        assert broken.breaker.running == {}
        await works(broken)


@pytest.mark.parametrize("key", sorted(LASTING))
async def test_what_lasts_can_be_mended(key: str) -> None:
    async with breakable() as broken:
        await broken.breaker.start(key)
        told = len(broken.changes)
        broken.breaker.mend(key)
        assert len(broken.changes) > told
        assert broken.timers.set[0].is_cancelled
        await works(broken)


async def test_what_is_on_begins_anew_when_it_is_asked_for_again() -> None:
    async with breakable() as broken:
        await broken.breaker.start("slack-fails")
        await broken.breaker.start("slack-fails")
        first, second = broken.timers.set
        assert (first.is_cancelled, second.is_cancelled) == (True, False)
        assert len(broken.breaker.running) == 1


async def test_everything_is_mended_at_once() -> None:
    async with breakable() as broken:
        for key in (*LASTING, *ONCE):
            await broken.breaker.start(key)
        broken.breaker.mend()
        assert broken.breaker.running == {}
        await works(broken)


async def test_the_real_timer_mends_too() -> None:
    async with breakable() as broken:
        breaker = type(broken.breaker)(
            broken.slack,
            broken.smile_id,
            broken.bot,
            changed=lambda: broken.changes.append(None),
            later=lambda _seconds, act: asyncio.get_running_loop().call_later(0, act),
        )
        await breaker.start("slack-fails")
        await broken.slack.wait_for(lambda: not breaker.running)
        await works(broken)


async def test_slack_posts_and_the_answer_is_lost_once() -> None:
    async with breakable() as broken:
        await broken.breaker.start("slack-answer-lost")
        assert (await broken.call_slack("auth.test")).json()["ok"]
        with pytest.raises(httpx.TransportError):
            await post(broken)
        assert [message.text for message in broken.slack.messages(CHANNEL)] == ["hello"]
        assert broken.breaker.running == {}
        await works(broken)


@pytest.mark.parametrize(("key", "arrives"), [("upload-lost", False), ("upload-unanswered", True)])
async def test_an_upload_is_lost_before_or_after_smile_id_has_it(key: str, *, arrives: bool) -> None:
    async with breakable() as broken:
        await broken.breaker.start(key)
        url = (await broken.stage.prepare()).json()["upload_url"]
        with pytest.raises(httpx.TransportError):
            await broken.stage.put(url)
        assert broken.smile_id.jobs["job-1"].upload_count == int(arrives)
        assert broken.breaker.running == {}
        assert (await broken.stage.put(url)).status_code == 200


async def test_the_bot_dies_with_the_upload_that_smile_id_has_taken() -> None:
    async with breakable() as broken:
        await broken.breaker.start("kill-in-upload")
        url = (await broken.stage.prepare()).json()["upload_url"]
        assert broken.bot.kills == 0
        await broken.stage.put(url)
        assert broken.bot.kills == 1
        assert broken.smile_id.jobs["job-1"].upload_count == 1
        await broken.stage.put(url)
        assert broken.bot.kills == 1


async def test_the_bot_is_killed_at_once() -> None:
    async with breakable() as broken:
        assert "comes back" in await broken.breaker.start("kill")
        assert broken.bot.kills == 1
        assert broken.breaker.running == {}


async def test_socket_mode_is_cut_and_can_be_opened_again() -> None:
    async with breakable() as broken:
        opened = await broken.stage.http.post(
            f"{broken.slack.api_url}apps.connections.open", headers={"Authorization": "Bearer xapp-sandbox"}
        )
        async with aiohttp.ClientSession() as session, session.ws_connect(opened.json()["url"]) as socket:
            await broken.slack.wait_for(lambda: broken.slack.socket_count == 1)
            assert await broken.breaker.start("socket-cut") == "1 connection cut. The bot connects again by itself."
            await broken.slack.wait_for(lambda: broken.slack.socket_count == 0)
            kinds = [(await socket.receive()).type for _hello_and_end in range(2)]
            assert kinds[1] in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)
        assert broken.breaker.running == {}


@pytest.mark.parametrize("key", ["callback-doubled", "callback-forged", "callback-stale"])
async def test_without_a_callback_there_is_none_to_send(key: str) -> None:
    async with breakable() as broken:
        assert await broken.breaker.start(key) == NO_CALLBACK_YET


async def test_the_last_callback_is_sent_again_signed_anew() -> None:
    async with breakable() as broken:
        await broken.stage.submit()
        await broken.stage.all_delivered()
        assert await broken.breaker.start("callback-doubled") == "The bot answered 200."
        *_, last, again = broken.stage.received
        assert (again["ResultCode"], again["SmileJobID"]) == (last["ResultCode"], last["SmileJobID"])
        assert again["signature"] == broken.smile_id.sign(again["timestamp"])


async def test_a_forged_callback_approves_under_a_wrong_signature() -> None:
    async with breakable() as broken:
        broken.smile_id.story = "rejected"
        await broken.stage.submit()
        await broken.stage.all_delivered()
        broken.stage.replies.append(401)
        assert await broken.breaker.start("callback-forged") == "The bot answered 401."
        forged = broken.stage.received[-1]
        assert forged["ResultCode"] == "0810"
        assert forged["signature"] != broken.smile_id.sign(forged["timestamp"])


async def test_a_stale_callback_is_signed_a_day_ago() -> None:
    async with breakable() as broken:
        await broken.stage.submit()
        await broken.stage.all_delivered()
        await broken.breaker.start("callback-stale")
        stale = broken.stage.received[-1]
        assert stale["signature"] == broken.smile_id.sign(stale["timestamp"])
        assert stale["timestamp"] < (broken.slack.world.clock() - timedelta(hours=23)).isoformat()


def test_the_page_about_the_sandbox_lists_the_breakages_in_the_same_words() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    rows = [f"| {breakage.title} | {breakage.shows} |" for breakage in BREAKAGES.values()]
    assert "\n".join(["| what breaks | what people see |", "| --- | --- |", *rows]) + "\n" in page
