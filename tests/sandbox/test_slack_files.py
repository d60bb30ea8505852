"""Files: who may see them, and the login page that comes instead of an error."""

import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from PIL import Image
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import Fault, SlackFile, SlackSandbox
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
