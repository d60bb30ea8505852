"""Files that the bot uploads: the three steps, who may, what the answers leave out, and what may break."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import BOT_USER_ID, Fault, SlackSandbox
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, REVIEW, answering, client_of, running

pytestmark = pytest.mark.anyio

CSV = b"ref,state\nK-1,approved\n"


async def announced(slack: SlackSandbox, content: bytes = CSV, name: str = "results.csv") -> tuple[str, str]:
    """The address for the bytes, and the file's id."""
    answer = await client_of(slack).files_getUploadURLExternal(filename=name, length=len(content))
    return answer["upload_url"], answer["file_id"]


async def send(url: str, content: bytes = CSV) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url, content=content)


async def uploaded(slack: SlackSandbox, name: str = "results.csv") -> str:
    url, file_id = await announced(slack, name=name)
    assert (await send(url)).text == f"OK - {len(CSV)}"
    return file_id


async def complete(slack: SlackSandbox, *file_ids: str, **more: Any) -> JSON:
    files: list[dict[str, str | None]] = [{"id": file_id, "title": "Results"} for file_id in file_ids]
    answer: Any = await client_of(slack).files_completeUploadExternal(files=files, **{"channel_id": CHANNEL, **more})
    return dict(answer.data)


async def test_a_file_comes_to_stand_in_the_thread() -> None:
    async with running() as slack:
        root = await slack.person(AMINA).say(CHANNEL, "root")
        file_id = await uploaded(slack)
        answer = await complete(slack, file_id, thread_ts=root.ts, initial_comment="Results of K-1")
        ((message, file),) = slack.bot_files(CHANNEL)
        assert (message.thread_ts, message.text, message.user) == (root.ts, "Results of K-1", BOT_USER_ID)
        assert (file.id, file.name, file.content) == (file_id, "results.csv", CSV)
        (early,) = answer["files"]
        assert (early["id"], early["title"], early["shares"], early["mimetype"]) == (file_id, "Results", {}, "")
        assert "ts" not in answer
        assert message.ts not in str(answer)
        found = await client_of(slack).conversations_replies(channel=CHANNEL, ts=root.ts)
        assert found["messages"][1]["files"][0]["id"] == file_id


async def test_kind_and_shares_are_filled_in_later() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    async with running(clock=lambda: now, file_seconds=5) as slack:
        root = await slack.person(AMINA).say(CHANNEL, "root")
        file_id = await uploaded(slack)
        await complete(slack, file_id, thread_ts=root.ts)
        client = client_of(slack)
        early = (await client.files_info(file=file_id))["file"]
        assert (early["mimetype"], early["shares"], early["channels"]) == ("", {}, [])
        now += timedelta(seconds=5)
        whole = (await client.files_info(file=file_id))["file"]
        assert (whole["mimetype"], whole["filetype"], whole["channels"]) == ("text/csv", "csv", [CHANNEL])
        (share,) = whole["shares"]["public"][CHANNEL]
        assert (share["ts"], share["thread_ts"]) == (slack.messages(CHANNEL)[1].ts, root.ts)


async def test_several_files_stand_in_one_message_or_none_does() -> None:
    async with running() as slack:
        first, second = await uploaded(slack, "a.csv"), await uploaded(slack, "b.xlsx")
        with pytest.raises(SlackApiError, match="file_not_found"):
            await complete(slack, first, "F0UNKNOWN")
        assert slack.messages(CHANNEL) == []
        await complete(slack, first, second)
        (message,) = slack.messages(CHANNEL)
        assert [file.name for file in message.files] == ["a.csv", "b.xlsx"]


async def test_the_sdk_uploads_in_one_call() -> None:
    async with running() as slack:
        root = await slack.person(AMINA).say(CHANNEL, "root")
        await client_of(slack).files_upload_v2(
            channel=CHANNEL, thread_ts=root.ts, file=CSV, filename="results.csv", title="Results"
        )
        ((message, file),) = slack.bot_files(CHANNEL)
        assert (message.thread_ts, file.content) == (root.ts, CSV)


async def test_the_bytes_may_come_as_a_form() -> None:
    async with running() as slack:
        url, file_id = await announced(slack)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(url, files={"filename": ("results.csv", io.BytesIO(CSV))})
        assert answer.text == f"OK - {len(CSV)}"
        await complete(slack, file_id)
        assert slack.files[file_id].content == CSV


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ({"channel_id": "C0NOWHERE01"}, "channel_not_found"),
        ({"channel_id": "C0ALONE0001"}, "not_in_channel"),
        ({"channel_id": "C0CLOSED001"}, "posting_to_channel_denied"),
        ({"channel_id": AMINA}, "invalid_channel"),
        ({"thread_ts": "1.0"}, "invalid_arguments"),
    ],
)
async def test_a_share_is_refused_where_the_bot_may_not_post(place: JSON, error: str) -> None:
    scopes = ["files:write", "chat:write", "chat:write.public"]
    async with running(scopes=scopes) as slack:
        slack.add_channel("C0ALONE0001", "alone", bot_is_member=False)
        slack.add_channel("C0CLOSED001", "closed", archived=True)
        file_id = await uploaded(slack)
        with pytest.raises(SlackApiError, match=error):
            await complete(slack, file_id, **place)
        assert slack.bot_files(CHANNEL) == []
        await complete(slack, file_id)
        assert len(slack.bot_files(CHANNEL)) == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"filename": "", "length": 3}, "missing_argument"),
        ({"filename": "a.csv", "length": 0}, "missing_argument"),
        ({"filename": "a.csv", "length": 1024**3 + 1}, "file_upload_size_restricted"),
        ({"filename": "a.csv", "length": 3, "alt_txt": "x" * 1001}, "alt_txt_too_large"),
    ],
)
async def test_an_announcement_is_refused_as_the_method_table_says(fields: JSON, error: str) -> None:
    async with running() as slack:
        with pytest.raises(SlackApiError, match=error):
            await client_of(slack).files_getUploadURLExternal(**fields)


async def test_uploading_needs_its_scope() -> None:
    async with running(scopes=["files:read", "chat:write"]) as slack:
        with pytest.raises(SlackApiError, match="missing_scope") as caught:
            await announced(slack)
        assert caught.value.response["needed"] == "files:write"


async def test_what_was_not_uploaded_or_is_completed_cannot_be_completed() -> None:
    async with running() as slack:
        url, file_id = await announced(slack)
        with pytest.raises(SlackApiError, match="file_not_found"):
            await complete(slack, file_id)
        assert (await send(url, CSV + b"more")).status_code == 400
        assert (await send(url)).status_code == 200
        with pytest.raises(SlackApiError, match="file_not_found"):
            await client_of(slack).files_info(file=file_id)
        await complete(slack, file_id)
        with pytest.raises(SlackApiError, match="file_not_found"):
            await complete(slack, file_id)
        assert (await send(url)).status_code == 404
        assert len(slack.bot_files(CHANNEL)) == 1


@pytest.mark.parametrize("fault", [Fault.status(500), Fault.rate_limited(3), Fault.error("fatal_error")])
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_each_call_may_be_spoiled_before_it_acts(method: str, fault: Fault) -> None:
    async with running() as slack:
        slack.fail_next(method, fault)
        with pytest.raises(SlackApiError):
            await complete(slack, await uploaded(slack))
        assert slack.bot_files(CHANNEL) == []
        await complete(slack, await uploaded(slack))


async def test_a_lost_answer_leaves_a_share_that_files_info_tells() -> None:
    async with running() as slack:
        file_id = await uploaded(slack)
        slack.fail_next("files.completeUploadExternal", Fault.reset_after())
        headers = {"Authorization": "Bearer xoxb-sandbox"}
        body = {"files": [{"id": file_id}], "channel_id": CHANNEL}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            with pytest.raises(httpx.TransportError):
                await client.post(f"{slack.api_url}files.completeUploadExternal", json=body)
        whole = (await client_of(slack).files_info(file=file_id))["file"]
        assert whole["shares"]["public"][CHANNEL][0]["ts"] == slack.messages(CHANNEL)[0].ts


async def test_the_bytes_may_be_lost_on_their_way() -> None:
    async with running() as slack:
        url, file_id = await announced(slack)
        slack.fail_next("files.upload", Fault.status(503), Fault.reset_before(), Fault.reset_after())
        assert (await send(url)).status_code == 503
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                await send(url)
        await complete(slack, file_id)
        assert [call.method for call in slack.calls].count("files.upload") == 3


async def test_a_share_in_a_direct_message_is_told_as_the_bots_own() -> None:
    events: list[JSON] = []

    async with running() as slack:

        async def note(request: web.Request) -> web.Response:
            events.append((await request.json())["event"])
            return web.Response()

        async with answering(slack, note):
            await complete(slack, await uploaded(slack), channel_id=slack.person(AMINA).direct_channel_id)
            await slack.wait_for(lambda: bool(events))
        assert slack.direct_messages(AMINA)[0].files
        assert slack.messages(REVIEW) == []
    assert (events[0]["subtype"], events[0]["user"]) == ("file_share", BOT_USER_ID)
