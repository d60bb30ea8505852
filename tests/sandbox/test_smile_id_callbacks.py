"""How results reach the partner: retries, signatures, where they may go, and messages sent by hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web

from bot.sandbox.listening import listen

from .smile_id_partner import Stage, prep_body, set_up, sign

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_up(story="id_not_found") as stage:
        yield stage


async def submit_with(stage: Stage, callback_url: str) -> None:
    """One job whose results go there."""
    prepared = await stage.prepare(prep_body(callback_url=callback_url))
    await stage.put(prepared.json()["upload_url"])
    await stage.processed()


async def test_a_message_that_is_refused_is_sent_again_until_it_is_taken(stage: Stage) -> None:
    stage.replies = [503, 404]
    await stage.submit()
    await stage.all_delivered()
    assert [sent.status for sent in stage.sandbox.callbacks] == [503, 404, 200]
    assert stage.codes == ["1013"] * 3


async def test_after_the_last_retry_it_gives_up(stage: Stage) -> None:
    stage.replies = [500] * 9
    await stage.submit()
    await stage.sandbox.wait_for(lambda: len(stage.sandbox.callbacks) == 4)
    await asyncio.sleep(0.05)
    assert [sent.status for sent in stage.sandbox.callbacks] == [500] * 4


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    stage.replies = [307, 200]
    await stage.submit()
    await stage.all_delivered()
    assert [sent.status for sent in stage.sandbox.callbacks] == [307, 200]


async def test_a_refused_message_does_not_hold_up_the_next_one() -> None:
    async with set_up(callback_retry_seconds=(60,)) as stage:
        stage.replies = [500, 200]
        await stage.submit()
        await stage.sandbox.wait_for(lambda: len(stage.sandbox.callbacks) == 2)
        assert stage.codes == ["1012", "0810"]


async def test_every_delivery_is_signed_at_its_own_time() -> None:
    async with set_up(story="id_not_found", callback_retry_seconds=(0.1,)) as stage:
        stage.replies = [500]
        await stage.submit()
        await stage.sandbox.wait_for(lambda: bool(stage.received))
        stage.clock.move(timedelta(seconds=30))
        await stage.sandbox.wait_for(lambda: len(stage.received) == 2)
        first, second = stage.received
        assert first["timestamp"] != second["timestamp"]
        assert [sign(first["timestamp"]), sign(second["timestamp"])] == [
            first["signature"],
            second["signature"],
        ]


async def test_a_receiver_that_is_down_is_tried_again(stage: Stage) -> None:
    await submit_with(stage, "http://127.0.0.1:9/nobody")
    await stage.sandbox.wait_for(lambda: len(stage.sandbox.callbacks) == 4)
    assert {sent.status for sent in stage.sandbox.callbacks} == {None}


async def test_without_a_callback_url_nothing_is_sent(stage: Stage) -> None:
    await submit_with(stage, "")
    await asyncio.sleep(0.05)
    assert not stage.sandbox.callbacks
    assert (await stage.result())["result"]["ResultCode"] == "1013"


@pytest.mark.parametrize("url", ["https://bot.example.com/cb", "http://10.0.0.1/cb", "ftp://127.0.0.1/", "?"])
async def test_only_loopback_addresses_are_called(stage: Stage, url: str) -> None:
    await submit_with(stage, url)
    await stage.sandbox.wait_for(lambda: bool(stage.sandbox.callbacks))
    sent = stage.sandbox.callbacks[0]
    assert (sent.url, sent.status) == (url, None)
    assert sent.fault


async def test_localhost_by_name_is_called(stage: Stage) -> None:
    await submit_with(stage, stage.callback_url.replace("127.0.0.1", "localhost"))
    await stage.all_delivered()
    assert stage.codes == ["1013"]


async def test_a_message_by_hand_is_signed_unless_told_otherwise(stage: Stage) -> None:
    await submit_with(stage, "")
    message = {"ResultCode": "0810"}
    send, url = stage.sandbox.send_callback, stage.callback_url
    old = "2020-01-01T00:00:00.000Z"
    await send("job-1", message, token_url=url)
    await send("job-1", message, token_url=url, timestamp=old)
    await send("job-1", message, token_url=url, signature="forged")
    await send("job-1", message, token_url=url, signed=False)
    await send("job-1", message, token_url=url, signed=False, timestamp=old, signature="both given")
    honest, stale, forged, bare, both = stage.received
    assert honest["signature"] == sign(honest["timestamp"])
    assert stale == message | {"timestamp": old, "signature": sign(old)}
    assert forged["signature"] == "forged"
    assert bare == message
    assert both == message | {"timestamp": old, "signature": "both given"}


async def test_a_message_by_hand_goes_to_the_jobs_own_url_and_tells_the_answer(stage: Stage) -> None:
    await stage.submit()
    await stage.all_delivered()
    stage.replies = [409]
    assert await stage.sandbox.send_callback("job-1", {"ResultCode": "0810"}) == 409
    assert stage.sandbox.callbacks[-1].status == 409


async def test_a_message_by_hand_without_an_answer_raises(stage: Stage) -> None:
    await submit_with(stage, "")
    for url in ("http://127.0.0.1:9/nobody", "https://bot.example.com/", ""):
        with pytest.raises(ConnectionError):
            await stage.sandbox.send_callback("job-1", {}, token_url=url)


async def test_a_receiver_that_hangs_holds_up_the_next_message_for_a_second_only() -> None:
    async with set_up() as stage:
        released = asyncio.Event()

        async def hang(_request: web.Request) -> web.Response:
            await released.wait()
            return web.Response()

        app = web.Application()
        app.router.add_post("/hang", hang)
        listener = await listen(app)
        try:
            await submit_with(stage, f"http://127.0.0.1:{listener.port}/hang")
            await stage.sandbox.wait_for(lambda: len(stage.sandbox.callbacks) == 2, timeout_seconds=3)
            released.set()
        finally:
            await listener.close()


async def test_stopping_gives_up_reviews_and_retries_and_starting_again_keeps_address_and_jobs() -> None:
    async with set_up(story="provisional_approved", callback_retry_seconds=(60,), review_delay_seconds=60) as stage:
        stage.replies = [500] * 9
        await stage.submit()
        await stage.sandbox.wait_for(lambda: len(stage.received) == 2)
        address = stage.sandbox.base_url
        await stage.sandbox.stop()
        await stage.sandbox.start()
        assert stage.sandbox.base_url == address
        assert (await stage.result())["result"]["ResultCode"] == "0814"
        assert len(stage.received) == 2


async def test_people_may_speak_for_the_reviews_under_way_alone() -> None:
    async with set_up(story="provisional_approved", review_delay_seconds=600) as stage:
        await stage.submit()
        await stage.sandbox.wait_for(lambda: len(stage.received) == 2)
        stage.sandbox.let_people_speak(for_good=False)
        await stage.sandbox.wait_for(lambda: len(stage.received) == 3)
        # Whoever comes later waits for their own turn, or for a quicker pace.
        await stage.submit(job_id="job-2", user_id="user-2")
        await stage.sandbox.wait_for(lambda: len(stage.received) == 5)
        stage.sandbox.pace.review_delay_seconds = 0
        await stage.submit(job_id="job-3", user_id="user-3")
        await stage.sandbox.wait_for(lambda: len(stage.received) == 8)
        assert [message["ResultCode"] for message in stage.received].count("1210") == 2
