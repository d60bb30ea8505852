"""Messages that one person alone sees: who gets them, what their buttons tell, how they are replaced."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import ClientRefuses, SlackSandbox
from tests.sandbox.slack_setup import (
    AMINA,
    CHANNEL,
    JSON,
    REMI,
    REVIEW,
    bolt_for,
    button,
    by_http,
    client_of,
    option,
    running,
    section,
)

pytestmark = pytest.mark.anyio

OFFER: list[JSON] = [section("Open the form?"), {"type": "actions", "elements": [button("open"), button("dismiss")]}]


async def whisper(slack: SlackSandbox, **more: Any) -> str:
    answer = await client_of(slack).chat_postEphemeral(
        **{"channel": CHANNEL, "user": AMINA, "text": "Open the form?", "blocks": OFFER, **more}
    )
    return str(answer["message_ts"])


async def test_one_person_sees_them_in_order_and_in_the_thread() -> None:
    async with running() as slack:
        root = await slack.person(AMINA).say(CHANNEL, "root")
        first = await whisper(slack, thread_ts=root.ts)
        second = await whisper(slack, text="second", blocks=None)
        shown = slack.ephemerals(AMINA)
        assert [(message.ts, message.thread_ts) for message in shown] == [(first, root.ts), (second, None)]
        assert slack.ephemerals(REMI) == []
        assert slack.messages(CHANNEL) == [root]
        found = await client_of(slack).conversations_replies(channel=CHANNEL, ts=root.ts)
        assert [message["ts"] for message in found["messages"]] == [root.ts]
        with pytest.raises(ClientRefuses):
            await slack.person(REMI).click(shown[0], "open")


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ({"channel": "C0NOWHERE01"}, "channel_not_found"),
        ({"channel": "C0ALONE0001"}, "not_in_channel"),
        ({"channel": "C0SECRET001"}, "channel_not_found"),
        ({"channel": REVIEW}, "user_not_in_channel"),
        ({"thread_ts": "1.0"}, "cannot_reply_to_message"),
        ({"text": "x" * 40_001}, "msg_too_long"),
    ],
)
async def test_they_are_refused_where_slack_refuses(place: JSON, error: str) -> None:
    async with running() as slack:
        slack.add_channel("C0ALONE0001", "alone", members=[AMINA], bot_is_member=False)
        slack.add_channel("C0SECRET001", "secret", private=True, members=[AMINA], bot_is_member=False)
        with pytest.raises(SlackApiError, match=error):
            await whisper(slack, **place)
        assert slack.ephemerals(AMINA) == []


async def test_they_need_the_scope_to_write() -> None:
    async with running(scopes=["commands"]) as slack:
        with pytest.raises(SlackApiError, match="missing_scope"):
            await whisper(slack)


async def test_their_buttons_tell_where_but_not_the_message() -> None:
    async with running(event_retry_seconds=()) as slack:
        app = bolt_for(slack)
        bodies: list[JSON] = []

        @app.action("open")
        async def _open(ack: Any, body: JSON, respond: Any) -> None:
            bodies.append(body)
            await ack()
            await respond(text="Opened.", replace_original=True)

        @app.action("dismiss")
        async def _dismiss(ack: Any, respond: Any) -> None:
            await ack()
            await respond(delete_original=True)

        async with by_http(slack, app):
            amina = slack.person(AMINA)
            root = await amina.say(CHANNEL, "root")
            await whisper(slack, thread_ts=root.ts)
            await whisper(slack)
            in_thread, in_channel = slack.ephemerals(AMINA)
            assert (await amina.click(in_thread, "open")).ok
            assert (await amina.click(in_channel, "dismiss")).ok
            assert slack.ephemerals(AMINA) == [in_thread]
            assert (in_thread.text, in_thread.blocks, in_thread.thread_ts) == ("Opened.", [], root.ts)
            with pytest.raises(ClientRefuses):
                await amina.click(in_channel, "open")
            assert slack.messages(CHANNEL) == [root]
    (body,) = bodies
    assert body["container"] == {
        "type": "message",
        "message_ts": in_thread.ts,
        "channel_id": CHANNEL,
        "is_ephemeral": True,
        "thread_ts": root.ts,
    }
    assert "message" not in body
    assert body["channel"]["id"] == CHANNEL
    assert body["trigger_id"]


async def test_a_menu_in_them_brings_its_choice() -> None:
    menu = {
        "type": "overflow",
        "action_id": "more",
        "options": [{"text": {"type": "plain_text", "text": "Leave out"}, "value": "leave"}],
    }
    async with running() as slack:
        app = bolt_for(slack)
        chosen: list[str] = []

        @app.action("more")
        async def _more(ack: Any, action: JSON) -> None:
            await ack()
            chosen.append(action["selected_option"]["value"])

        async with by_http(slack, app):
            await whisper(slack, blocks=[{**section("me.jpg"), "accessory": menu}])
            (message,) = slack.ephemerals(AMINA)
            await slack.person(AMINA).click(message, "more", value="leave")
            await slack.person(AMINA).click(message, "more", value="Leave out")
            with pytest.raises(ClientRefuses, match="does not offer"):
                await slack.person(AMINA).click(message, "more")
    assert chosen == ["leave", "leave"]
    assert "[⋯ Leave out]" in slack.plain(message)


async def test_choices_in_their_menus_come_along_with_the_next_click() -> None:
    menu = {"type": "static_select", "action_id": "role", "options": [option("selfie"), option("liveness")]}
    rows = [{**section(name), "block_id": name, "accessory": menu} for name in ("photo_1", "photo_2")]
    blocks = [*rows, {"type": "actions", "elements": [button("open"), button("dismiss")]}]
    async with running() as slack:
        app = bolt_for(slack)
        bodies: list[JSON] = []

        @app.action({"type": "block_actions", "action_id": "role"})
        @app.action("open")
        async def _note(ack: Any, body: JSON) -> None:
            bodies.append(body)
            await ack()

        async with by_http(slack, app):
            await whisper(slack, blocks=blocks)
            (message,) = slack.ephemerals(AMINA)
            await slack.person(AMINA).click(message, "role", value="selfie")
            await slack.person(AMINA).click(message, "open")
    values = bodies[-1]["state"]["values"]
    assert values["photo_1"]["role"]["selected_option"]["value"] == "selfie"
    assert values["photo_2"]["role"]["selected_option"] is None
