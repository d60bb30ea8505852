"""The stand-in played from the shell by JSON endpoints; and the rule that it imports nothing of the bot."""

import ast
from pathlib import Path
from typing import Any

import httpx
import pytest

import bot.sandbox.slack
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, bolt_for, button, by_http, form, running, section

pytestmark = pytest.mark.anyio


async def test_a_check_is_asked_from_the_shell(tmp_path: Path) -> None:
    selfie = tmp_path / "me.jpg"
    selfie.write_bytes(b"\xff\xd8")
    async with running() as slack:
        app = bolt_for(slack)

        @app.command("/kyc")
        async def _open(ack: Any, body: JSON, client: Any) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=form())

        @app.action("v")
        async def _chosen(ack: Any) -> None:
            await ack()

        @app.view("form")
        async def _submit(ack: Any, client: Any) -> None:
            await ack()
            blocks = [section("*K-1* asked"), {"type": "actions", "elements": [button("cancel")]}]
            await client.chat_postMessage(channel=CHANNEL, text="K-1 asked", blocks=blocks)

        @app.action("cancel")
        async def _cancel(ack: Any, respond: Any) -> None:
            await ack()
            await respond(text="cancelled", replace_original=True)

        base = slack.api_url.removesuffix("/api/")
        async with (
            by_http(slack, app),
            httpx.AsyncClient(base_url=f"{base}/sandbox/", trust_env=False) as shell,
        ):
            assert (await shell.post("command", json={"user": "amina", "text": "check"})).json()["ok"]
            values = {"country": "ghana", "id_number": "1", "selfie": [str(selfie)]}
            filled = await shell.post("fill", json={"user": AMINA, "values": values})
            assert filled.json()["fields"] == list(values)
            assert (await shell.post("submit", json={"user": AMINA})).json()["closed"]
            listed = (await shell.get("messages", params={"channel": CHANNEL})).json()["messages"]
            assert [message["plain"] for message in listed] == ["K-1 asked\n[Press]"]
            pressed = {"user": "amina", "ts": listed[0]["ts"], "action_id": "cancel"}
            assert (await shell.post("click", json=pressed)).json()["ok"]
            assert slack.messages(CHANNEL)[0].text == "cancelled"
            wrong = await shell.post("command", json={"user": "nobody"})
            assert (wrong.status_code, wrong.json()["ok"]) == (400, False)


async def test_a_conversation_is_held_from_the_shell(tmp_path: Path) -> None:
    selfie = tmp_path / "me.jpg"
    selfie.write_bytes(b"\xff\xd8")
    async with running() as slack:
        app = bolt_for(slack)
        heard: list[JSON] = []

        @app.event("message")
        async def _direct(event: JSON) -> None:
            heard.append(event)

        @app.event("app_mention")
        async def _mention(event: JSON, client: Any) -> None:
            blocks = [section("Shall I?"), {"type": "actions", "elements": [button("yes")]}]
            where = {"channel": event["channel"], "user": event["user"], "thread_ts": event["thread_ts"]}
            await client.chat_postEphemeral(text="Shall I?", blocks=blocks, **where)

        @app.action("yes")
        async def _yes(ack: Any, respond: Any) -> None:
            await ack()
            await respond(text="Done", replace_original=True)

        @app.shortcut("kyc_check_message")
        async def _check(ack: Any, body: JSON) -> None:
            heard.append(body["message"])
            await ack()

        base = slack.api_url.removesuffix("/api/")
        async with (
            by_http(slack, app),
            httpx.AsyncClient(base_url=f"{base}/sandbox/", trust_env=False) as shell,
        ):
            root = (await shell.post("say", json={"user": "amina", "text": "photos", "files": [str(selfie)]})).json()
            assert slack.files[root["files"][0]].name == "me.jpg"
            asked = {"user": "amina", "text": "<@U0KYCBOT001> check", "thread_ts": root["ts"]}
            assert (await shell.post("say", json=asked)).json()["ok"]
            await slack.wait_for(lambda: bool(slack.ephemerals(AMINA)))
            listed = (await shell.get("messages", params={"user": "amina"})).json()
            assert listed["messages"][0]["files"] == ["me.jpg"]
            (private,) = listed["ephemerals"]
            assert (private["plain"], private["thread_ts"]) == ("Shall I?\n[Press]", root["ts"])
            pressed = {"user": "amina", "ts": private["ts"], "action_id": "yes"}
            assert (await shell.post("click", json=pressed)).json()["ok"]
            assert slack.ephemerals(AMINA)[0].text == "Done"
            chosen = {"user": "remi", "ts": root["ts"], "callback_id": "kyc_check_message"}
            assert (await shell.post("message_shortcut", json=chosen)).json()["ok"]
            assert (await shell.post("say", json={"user": "amina", "channel": "direct", "text": "hello"})).json()["ok"]
            await slack.wait_for(lambda: len(heard) == 2)
            gone = await shell.post("say", json={"user": "amina", "files": [str(tmp_path / "none.jpg")]})
            assert (gone.status_code, gone.json()["ok"]) == (400, False)
            assert "ephemerals" not in (await shell.get("messages")).json()
    assert heard[0]["files"][0]["name"] == "me.jpg"
    assert (heard[1]["channel_type"], heard[1]["text"]) == ("im", "hello")


def test_the_stand_in_imports_nothing_of_the_bot() -> None:
    ours = {"bot", "handlers", "storage"}
    for path in Path(bot.sandbox.slack.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            foreign = [name for name in names if name.partition(".")[0] in ours]
            assert all(name.startswith(("bot.sandbox.slack", "bot.sandbox.listening")) for name in foreign), path.name
