"""Files: who may see them, and the login page that comes instead of an error."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from PIL import Image
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import ClientRefuses, Fault, SlackFile, SlackSandbox
from tests.sandbox.slack_setup import AMINA, CHANNEL, REVIEW, answering, client_of, running

pytestmark = pytest.mark.anyio

BYTES = b"\xff\xd8 picture"


async def fetch(slack: SlackSandbox, file: SlackFile, token: str = "xoxb-sandbox") -> httpx.Response:
    url = file.as_json(slack.api_url.removesuffix("/api/"))["url_private_download"]
    async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as client:
        return await client.get(url, headers={"Authorization": f"Bearer {token}"})


async def test_a_file_opens_to_the_bot_where_it_was_shared() -> None:
    async with running() as slack:
        client = client_of(slack)
        file = await slack.person(AMINA).upload(BYTES, "me.jpg")
        with pytest.raises(SlackApiError, match="file_not_found"):
            await client.files_info(file=file.id)
        await slack.person(AMINA).say(CHANNEL, "here", files=[file])
        shown = (await client.files_info(file=file.id))["file"]
        assert (shown["size"], shown["mimetype"], shown["filetype"]) == (len(BYTES), "image/jpeg", "jpg")
        assert shown["shares"]["public"][CHANNEL][0]["ts"] == slack.messages(CHANNEL)[0].ts
        answer = await fetch(slack, file)
        assert (answer.content, answer.headers["content-type"]) == (BYTES, "image/jpeg")


@pytest.mark.parametrize("name", ["#1.jpg", "?.jpg", "100%.jpg", "a/b.jpg", "Zoë & me.jpg"])
async def test_a_file_is_downloaded_whatever_its_name_holds(name: str) -> None:
    async with running() as slack:
        file = await slack.person(AMINA).upload(BYTES, name, channel_id=CHANNEL)
        assert (await fetch(slack, file)).content == BYTES
        assert (await client_of(slack).files_info(file=file.id))["file"]["name"] == name


@pytest.mark.parametrize("why", ["token", "scope", "private"])
async def test_without_the_right_a_login_page_comes_with_status_200(why: str) -> None:
    scopes = ["chat:write"] if why == "scope" else None
    async with running(scopes=scopes) as slack:
        amina = slack.person(AMINA)
        file = await amina.upload(BYTES, "me.jpg", channel_id=None if why == "private" else CHANNEL)
        answer = await fetch(slack, file, "xoxb-wrong" if why == "token" else "xoxb-sandbox")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.history[0].status_code == 302
        assert slack.calls[-1].response == {"status": 302}


async def test_a_channel_without_the_bot_hides_its_files() -> None:
    async with running() as slack:
        file = await slack.person("U0REMI00001").upload(BYTES, "me.jpg", channel_id=REVIEW)
        assert (await fetch(slack, file)).content == BYTES
        slack.channels[REVIEW].members.discard("U0KYCBOT001")
        assert (await fetch(slack, file)).history


async def test_a_deleted_file_is_gone() -> None:
    async with running() as slack:
        file = await slack.person(AMINA).upload(BYTES, "me.jpg", channel_id=CHANNEL)
        file.is_deleted = True
        with pytest.raises(SlackApiError, match="file_deleted"):
            await client_of(slack).files_info(file=file.id)
        assert (await fetch(slack, file)).status_code == 404


REMI = "U0REMI00001"


@pytest.mark.parametrize(
    ("who", "shared", "error"),
    [
        pytest.param("bot", True, "cant_delete_file", id="a bot another's file"),
        pytest.param("bot", False, "file_not_found", id="a bot what it does not see"),
        pytest.param("author", False, None, id="everybody their own"),
        pytest.param("member", True, "cant_delete_file", id="a member another's file"),
        pytest.param("admin", True, None, id="an admin what they see"),
        pytest.param("admin", False, "file_not_found", id="an admin nothing private"),
        pytest.param("no scope", True, "missing_scope", id="a token without the scope"),
    ],
)
async def test_who_may_delete_a_file(who: str, shared: bool, error: str | None) -> None:
    async with running() as slack:
        file = await slack.person(AMINA).upload(BYTES, "me.jpg", channel_id=CHANNEL if shared else None)
        tokens: dict[str, Callable[[], str]] = {
            "bot": lambda: "xoxb-sandbox",
            "author": lambda: slack.token_of(AMINA, admin=False),
            "member": lambda: slack.token_of(REMI, admin=False),
            "admin": lambda: slack.token_of(REMI),
            "no scope": lambda: slack.token_of(REMI, scopes=["files:read"]),
        }
        client = client_of(slack, tokens[who]())
        if error is not None:
            with pytest.raises(SlackApiError, match=error):
                await client.files_delete(file=file.id)
            assert not file.is_deleted
            return
        await client.files_delete(file=file.id)
        assert (file.is_deleted, file.content) == (True, b"")
        with pytest.raises(SlackApiError, match="file_deleted"):
            await client.files_delete(file=file.id)


async def test_a_workspace_may_forbid_deleting_and_a_persons_token_does_nothing_else() -> None:
    async with running() as slack:
        file = await slack.person(AMINA).upload(BYTES, "me.jpg", channel_id=CHANNEL)
        client = client_of(slack, slack.token_of(AMINA))
        slack.forbid_deleting_files()
        with pytest.raises(SlackApiError, match="file_deleting_disabled"):
            await client.files_delete(file=file.id)
        me = await client.auth_test()
        assert (me["user_id"], me.headers["x-oauth-scopes"], me.get("bot_id")) == (AMINA, "files:write", None)
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await client.chat_postMessage(channel=CHANNEL, text="hello")


async def test_a_download_may_break_in_the_middle() -> None:
    async with running() as slack:
        file = await slack.person(AMINA).upload(BYTES * 1000, "me.jpg", channel_id=CHANNEL)
        slack.fail_next("files.download", Fault.half_answer(), Fault.status(503))
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(slack, file)
        assert (await fetch(slack, file)).status_code == 503
        assert (await fetch(slack, file)).content == BYTES * 1000


async def test_pictures_tell_their_size(tmp_path: Path) -> None:
    async with running() as slack:
        drawn = io.BytesIO()
        Image.new("RGB", (40, 30)).save(drawn, "PNG")
        path = tmp_path / "drawn.png"
        path.write_bytes(drawn.getvalue())
        file = await slack.person(AMINA).upload(path, "drawn.png")
        shown = file.as_json("http://x")
        assert (shown["original_w"], shown["original_h"]) == (40, 30)


async def test_a_strangers_file_arrives_as_a_stub() -> None:
    async with running(event_retry_seconds=()) as slack:
        slack.add_user("U0STRANGE01", "sam", stranger=True)
        slack.add_channel("C0SHARED001", "shared", ext_shared=True)
        seen: list[dict[str, Any]] = []

        async def note(request: web.Request) -> web.Response:
            seen.append(await request.json())
            return web.Response()

        async with answering(slack, note):
            sam = slack.person("U0STRANGE01")
            file = await sam.upload(BYTES, "me.jpg")
            await sam.say("C0SHARED001", "<@U0KYCBOT001> check", files=[file])
        assert seen[0]["is_ext_shared_channel"]
        assert seen[0]["event"]["files"][0]["file_access"] == "check_file_info"
        assert (await client_of(slack).files_info(file=file.id))["file"]["size"] == len(BYTES)


@pytest.mark.parametrize(
    ("name", "mimetype", "filetype", "mode"),
    [
        ("people.csv", "text/csv", "csv", "snippet"),
        ("people.json", "text/plain", "json", "snippet"),
        ("people.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", "hosted"),
        ("people.zip", "application/zip", "zip", "hosted"),
        ("me.HEIC", "image/heic", "heic", "hosted"),
        ("me.jpeg", "image/jpeg", "jpg", "hosted"),
        ("me.mp4", "video/mp4", "mp4", "hosted"),
        ("card.pdf", "application/pdf", "pdf", "hosted"),
        ("notes.txt", "text/plain", "text", "snippet"),
        ("unknown", "application/octet-stream", "binary", "hosted"),
    ],
)
async def test_each_kind_of_file_is_named_as_slack_names_it(name: str, mimetype: str, filetype: str, mode: str) -> None:
    async with running() as slack:
        file = await slack.person(AMINA).upload(BYTES, name, channel_id=CHANNEL)
        shown = (await client_of(slack).files_info(file=file.id))["file"]
        assert (shown["mimetype"], shown["filetype"], shown["mode"]) == (mimetype, filetype, mode)
        assert (await fetch(slack, file)).headers["content-type"] == mimetype


async def test_a_large_file_is_streamed_from_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "people.zip"
    with path.open("wb") as large:
        large.truncate(1024**3)
        large.seek(1024**3 - 4)
        large.write(b"last")
    async with running() as slack:
        file = await slack.person(AMINA).upload(path, path.name, channel_id=CHANNEL)
        assert (file.content, file.size) == (b"", 1024**3)
        url = file.as_json(slack.api_url.removesuffix("/api/"))["url_private_download"]
        headers = {"Authorization": "Bearer xoxb-sandbox"}
        tracemalloc.start()
        try:
            async with (
                httpx.AsyncClient(trust_env=False, headers=headers) as client,
                client.stream("GET", url) as answer,
            ):
                assert answer.headers["content-length"] == str(1024**3)
                async for piece in answer.aiter_raw():
                    received = len(piece)
                    if answer.num_bytes_downloaded >= 64 * 1024 * 1024:
                        break
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert received
        assert peak_bytes < 16 * 1024 * 1024
        slack.fail_next("files.download", Fault.half_answer())
        path.write_bytes(BYTES)
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(slack, file)
        assert (await fetch(slack, file)).content == BYTES


async def test_nobody_uploads_more_than_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "people.zip"
    with path.open("wb") as large:
        large.truncate(1024**3 + 1)
    async with running() as slack:
        with pytest.raises(ClientRefuses):
            await slack.person(AMINA).upload(path, path.name)


@pytest.mark.parametrize("refusal", ["file_not_found", "access_denied"])
async def test_another_company_may_keep_its_file_to_itself(refusal: str) -> None:
    async with running(event_retry_seconds=()) as slack:
        slack.add_channel("C0SHARED001", "shared", ext_shared=True)
        file = await slack.person(AMINA).upload(BYTES, "me.jpg", channel_id="C0SHARED001")
        file.is_stub, file.refusal = True, refusal
        client = client_of(slack)
        (message,) = (await client.conversations_history(channel="C0SHARED001"))["messages"]
        assert message["files"][0] == file.as_stub()
        with pytest.raises(SlackApiError, match=refusal):
            await client.files_info(file=file.id)
        assert (await fetch(slack, file)).headers["content-type"].startswith("text/html")
        file.refusal = ""
        assert (await client.files_info(file=file.id))["file"]["name"] == "me.jpg"


async def test_a_file_of_another_channel_is_not_found() -> None:
    async with running() as slack:
        slack.add_channel("C0ALONE0001", "alone", bot_is_member=False)
        file = await slack.person(AMINA).upload(BYTES, "me.jpg", channel_id="C0ALONE0001")
        with pytest.raises(SlackApiError, match="file_not_found"):
            await client_of(slack).files_info(file=file.id)
        await slack.person(AMINA).say(CHANNEL, "here too", files=[file])
        shown = (await client_of(slack).files_info(file=file.id))["file"]
        assert shown["channels"] == ["C0ALONE0001", CHANNEL]


async def test_a_message_is_read_back_with_its_files() -> None:
    async with running() as slack:
        amina, client = slack.person(AMINA), client_of(slack)
        root = await amina.say(CHANNEL, "root")
        photos = [await amina.upload(BYTES, f"{number}.jpg") for number in range(3)]
        replies = [await amina.say(CHANNEL, photo.name, files=[photo], thread_ts=root.ts) for photo in photos]
        found = (await client.conversations_replies(channel=CHANNEL, ts=root.ts))["messages"]
        assert [message.get("files", [{}])[0].get("id") for message in found] == [None, *(p.id for p in photos)]
        assert found[1]["files"][0]["url_private"]
        span: dict[str, Any] = {"oldest": replies[0].ts, "latest": replies[1].ts, "inclusive": True}
        found = (await client.conversations_replies(channel=CHANNEL, ts=root.ts, **span))["messages"]
        assert [message["ts"] for message in found] == [root.ts, replies[0].ts, replies[1].ts]
        seen, cursor = [], ""
        while True:
            page = await client.conversations_replies(channel=CHANNEL, ts=root.ts, limit=3, cursor=cursor)
            seen += [message["ts"] for message in page["messages"]]
            following: dict[str, str] = page.get("response_metadata") or {}
            cursor = following.get("next_cursor", "")
            assert page["has_more"] is bool(cursor)
            if not cursor:
                break
        assert seen == [root.ts, *(reply.ts for reply in replies)]


async def test_one_message_is_found_by_its_time() -> None:
    async with running() as slack:
        amina = slack.person(AMINA)
        photo = await amina.upload(BYTES, "me.jpg")
        posts = [await amina.say(CHANNEL, str(number), files=[photo] * (number == 1)) for number in range(3)]
        history = client_of(slack).conversations_history
        (found,) = (await history(channel=CHANNEL, latest=posts[1].ts, inclusive=True, limit=1))["messages"]
        assert (found["ts"], found["files"][0]["id"]) == (posts[1].ts, photo.id)
        (newer,) = (await history(channel=CHANNEL, oldest=posts[1].ts))["messages"]
        assert newer["ts"] == posts[2].ts
