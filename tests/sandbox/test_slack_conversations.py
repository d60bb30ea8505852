"""What people say to the bot, and what it hears of it: direct messages, mentions, edits, files in threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox.slack import BOT_ID, BOT_USER_ID, ClientRefuses, SlackSandbox
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, REMI, answering, bolt_for, by_http, client_of, running

pytestmark = pytest.mark.anyio

JPEG = b"\xff\xd8 picture"
MENTION = f"<@{BOT_USER_ID}>"


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[SlackSandbox, list[JSON]]]:
    """A stand-in and the events that it brought, in order."""
    events: list[JSON] = []

    async def note(request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            events.append((await request.json())["event"])
        return web.Response()

    async with running(**options) as slack, answering(slack, note):
        yield slack, events


async def test_a_direct_message_with_files_reaches_the_bot() -> None:
    async with listening() as (slack, events):
        amina = slack.person(AMINA)
        message = await amina.write("hello")
        selfie = await amina.upload(JPEG, "me.jpg")
        shared = await amina.write("", files=[selfie], thread_ts=message.ts)
        said, with_file = events
    assert (said["type"], said["channel_type"], said["channel"]) == ("message", "im", amina.direct_channel_id)
    assert (said["text"], said["user"], said["ts"]) == ("hello", AMINA, message.ts)
    assert "subtype" not in said
    assert "bot_id" not in said
    assert (with_file["subtype"], with_file["files"][0]["id"]) == ("file_share", selfie.id)
    assert (with_file["ts"], with_file["thread_ts"], with_file["parent_user_id"]) == (shared.ts, message.ts, AMINA)


async def test_a_direct_message_is_never_a_mention_too() -> None:
    async with listening() as (slack, events):
        await slack.person(AMINA).write(f"{MENTION} check")
    assert [event["type"] for event in events] == ["message"]


@pytest.mark.parametrize("options", [{"scopes": ["chat:write"]}, {"events": []}])
async def test_nothing_is_told_without_scope_and_subscription(options: Any) -> None:
    async with listening(**options) as (slack, events):
        amina = slack.person(AMINA)
        await amina.edit(await amina.write("hello"), "hello again")
        await amina.say(CHANNEL, f"{MENTION} check")
        await client_of(slack).chat_postMessage(channel=AMINA, text="hello")
    assert events == []


async def test_one_of_the_two_events_may_be_subscribed_alone() -> None:
    async with listening(events=["app_mention", "tokens_revoked"]) as (slack, events):
        await slack.person(AMINA).write("hello")
        await slack.person(AMINA).say(CHANNEL, f"{MENTION} check")
    assert [event["type"] for event in events] == ["app_mention"]


async def test_the_bot_hears_its_own_direct_messages() -> None:
    async with listening() as (slack, events):
        client = client_of(slack)
        answer = await client.chat_postMessage(channel=AMINA, text="first")
        await slack.wait_for(lambda: len(events) == 1)
        await client.chat_update(channel=answer["channel"], ts=answer["ts"], text="second")
        await slack.wait_for(lambda: len(events) == 2)
        await client.chat_delete(channel=answer["channel"], ts=answer["ts"])
        await slack.wait_for(lambda: len(events) == 3)
        await client.chat_postMessage(channel=CHANNEL, text="not in a direct message")
        await client.chat_postEphemeral(channel=CHANNEL, user=AMINA, text="nor this")
    posted, changed, deleted = events
    assert (posted["bot_id"], posted["user"], posted["text"]) == (BOT_ID, BOT_USER_ID, "first")
    assert (changed["subtype"], changed["message"]["bot_id"]) == ("message_changed", BOT_ID)
    assert (deleted["subtype"], deleted["previous_message"]["text"]) == ("message_deleted", "second")


async def test_an_edit_and_a_deletion_are_told_with_what_stood_before() -> None:
    async with listening() as (slack, events):
        amina = slack.person(AMINA)
        message = await amina.write("NG BVN")
        await amina.edit(message, "GH PASSPORT")
        assert message.text == "GH PASSPORT"
        await amina.delete(message)
        assert slack.messages(amina.direct_channel_id) == []
        with pytest.raises(ClientRefuses):
            await amina.edit(message, "too late")
    _, changed, deleted = events
    assert (changed["subtype"], changed["hidden"], changed["channel_type"]) == ("message_changed", True, "im")
    assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("NG BVN", "GH PASSPORT")
    assert "edited" not in changed["previous_message"]
    assert changed["message"]["edited"]["user"] == AMINA
    assert changed["message"]["ts"] == message.ts != changed["ts"]
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", message.ts)
    assert deleted["previous_message"]["text"] == "GH PASSPORT"


async def test_a_root_with_replies_is_deleted_into_a_stone() -> None:
    async with listening() as (slack, events):
        amina = slack.person(AMINA)
        root = await amina.write("root")
        await amina.write("reply", thread_ts=root.ts)
        await amina.delete(root)
        with pytest.raises(ClientRefuses):
            await amina.write("reply to nothing", thread_ts="1.0")
    assert events[-1]["subtype"] == "message_changed"
    assert (events[-1]["message"]["subtype"], events[-1]["message"]["ts"]) == ("tombstone", root.ts)


async def test_people_change_only_their_own_words() -> None:
    async with running(event_retry_seconds=()) as slack:
        message = await slack.person(AMINA).say(CHANNEL, "mine")
        with pytest.raises(ClientRefuses):
            await slack.person(REMI).edit(message, "not yours")
        with pytest.raises(ClientRefuses):
            await slack.person(REMI).delete(message)


async def test_an_edited_mention_comes_again_and_says_so() -> None:
    async with listening() as (slack, events):
        amina = slack.person(AMINA)
        message = await amina.say(CHANNEL, "check")
        await amina.edit(message, f"{MENTION} check")
        await amina.edit(message, f"{MENTION} check, please")
        await amina.delete(message)
    assert [event["ts"] for event in events] == [message.ts, message.ts]
    assert all(event["edited"]["user"] == AMINA for event in events)


async def test_a_mention_in_a_thread_brings_its_files() -> None:
    async with listening() as (slack, events):
        root = await slack.person(REMI).say(CHANNEL, "customer's photos")
        amina = slack.person(AMINA)
        files = [await amina.upload(JPEG, name) for name in ("me.jpg", "people.zip")]
        await amina.say(CHANNEL, f"{MENTION} check these", files=files, thread_ts=root.ts)
    (event,) = events
    assert (event["type"], event["thread_ts"], event["parent_user_id"]) == ("app_mention", root.ts, REMI)
    assert [file["name"] for file in event["files"]] == ["me.jpg", "people.zip"]
    assert event["files"][0]["url_private_download"].endswith("/download/me.jpg")


async def test_typed_words_come_escaped_and_as_rich_text() -> None:
    async with listening() as (slack, events):
        await slack.person(AMINA).say(CHANNEL, f"Ada & <Obi> {MENTION} <tel:0800000000|0800000000> A &amp; B")
    (event,) = events
    assert event["text"] == f"Ada &amp; &lt;Obi&gt; {MENTION} <tel:0800000000|0800000000> A &amp; B"
    (section,) = event["blocks"][0]["elements"]
    assert section["elements"] == [
        {"type": "text", "text": "Ada & <Obi> "},
        {"type": "user", "user_id": BOT_USER_ID},
        {"type": "text", "text": " "},
        {"type": "link", "url": "tel:0800000000", "text": "0800000000"},
        {"type": "text", "text": " A & B"},
    ]


async def test_a_shortcut_is_offered_on_a_reply_with_files() -> None:
    async with running(event_retry_seconds=()) as slack:
        bodies: list[JSON] = []
        app = bolt_for(slack)

        @app.shortcut("kyc_check_message")
        async def _check(ack: Any, body: JSON) -> None:
            bodies.append(body)
            await ack()

        async with by_http(slack, app):
            amina = slack.person(AMINA)
            root = await amina.say(CHANNEL, "photos")
            photo = await amina.upload(JPEG, "me.jpg")
            reply = await amina.say(CHANNEL, "", files=[photo], thread_ts=root.ts)
            for ts in (root.ts, reply.ts):
                assert (await slack.person(REMI).message_shortcut("kyc_check_message", CHANNEL, ts)).ok
            photo.is_deleted = True
            await slack.person(REMI).message_shortcut("kyc_check_message", CHANNEL, reply.ts)
    on_root, on_reply, after_deletion = (body["message"] for body in bodies)
    assert (on_root["thread_ts"], on_root["reply_count"]) == (root.ts, 1)
    assert (on_reply["thread_ts"], on_reply["files"][0]["id"]) == (root.ts, photo.id)
    assert bodies[1]["message_ts"] == reply.ts
    assert after_deletion["files"] == [{"id": photo.id, "mode": "tombstone"}]
