"""Commands, mentions, clicks and answers, before a real Bolt app; and what only Slack's edge shows."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import BOT_USER_ID, ClientRefuses
from tests.sandbox.slack_setup import (
    AMINA,
    CHANNEL,
    JSON,
    REMI,
    REVIEW,
    answering,
    bolt_for,
    button,
    by_http,
    client_of,
    running,
    section,
)

pytestmark = pytest.mark.anyio


async def test_words_in_an_ack_appear_to_one_person() -> None:
    async with running() as slack:
        app = bolt_for(slack)

        @app.command("/kyc")
        async def _help(ack: Any, body: JSON) -> None:
            await ack(text=f"You said {body['text']} in {body['channel_name']}")

        async with by_http(slack, app):
            reply = await slack.person(AMINA).command("help")
            assert (reply.ok, reply.text) == (True, "You said help in kyc-requests")
            assert [message.text for message in slack.ephemerals(AMINA)] == [reply.text]
            private = await slack.person(REMI).command("help", channel_id=REVIEW)
            assert private.text.endswith("in privategroup")
            with pytest.raises(ClientRefuses):
                await slack.person(AMINA).command("help", channel_id=REVIEW)


async def test_what_the_bot_does_not_take_fails_visibly() -> None:
    async with running() as slack, by_http(slack, bolt_for(slack)):
        reply = await slack.person(AMINA).command("help")
        assert (reply.ok, reply.error) == (False, "dispatch_failed")


async def test_an_answer_after_the_limit_is_lost() -> None:
    async def slowly(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response(text="too late")

    async with running(answer_seconds=0.05) as slack, answering(slack, slowly):
        reply = await slack.person(AMINA).command("help")
        assert (reply.ok, reply.error, reply.text) == (False, "operation_timeout", "")
        assert slack.ephemerals(AMINA) == []


async def test_a_command_comes_signed_and_as_plain_form_fields() -> None:
    seen: list[tuple[str, dict[str, list[str]]]] = []

    async def note(request: web.Request) -> web.Response:
        assert request.headers["X-Slack-Signature"].startswith("v0=")
        seen.append((request.content_type, parse_qs(await request.text(), keep_blank_values=True)))
        return web.Response()

    async with running() as slack, answering(slack, note):
        await slack.person(AMINA).command("check é&=")
    content_type, fields = seen[0]
    assert content_type == "application/x-www-form-urlencoded"
    assert fields["text"] == ["check é&="]
    assert (fields["user_id"], fields["channel_id"]) == ([AMINA], [CHANNEL])
    assert fields["trigger_id"][0]
    assert fields["response_url"][0].startswith("http://127.0.0.1")


async def test_bolt_refuses_a_wrong_signature() -> None:
    async with running(signing_secret="another secret") as slack, by_http(slack, bolt_for(slack)):
        delivery = await slack.deliver("slash_commands", {"command": "/kyc"})
        assert (delivery.status, delivery.failure) == (401, "http_error")


async def test_slack_checks_the_address_itself() -> None:
    async with running() as slack, by_http(slack, bolt_for(slack)):
        challenge = {"token": "x", "challenge": "abc", "type": "url_verification"}
        answer = await slack.deliver("events_api", challenge)
        assert answer.body == {"challenge": "abc"}
        check = await slack.deliver("slash_commands", {"token": "x", "ssl_check": "1"})
        assert check.status == 200


async def test_a_click_carries_message_value_and_place() -> None:
    async with running() as slack:
        app = bolt_for(slack)
        bodies: list[JSON] = []

        @app.action("approve")
        async def _approve(ack: Any, body: JSON) -> None:
            bodies.append(body)
            await ack()

        async with by_http(slack, app):
            actions = {"type": "actions", "elements": [button("approve", value="K-1"), button("reject")]}
            client = client_of(slack)
            await client.chat_postMessage(channel=REVIEW, text="card", blocks=[section("card"), actions])
            (card,) = slack.messages(REVIEW)
            assert (await slack.person(REMI).click(card, "app")).ok
            with pytest.raises(ClientRefuses):
                await slack.person(AMINA).click(card, "approve")
            with pytest.raises(ClientRefuses, match="approve, reject"):
                await slack.person(REMI).click(card, "escalate")
            await client.chat_update(channel=REVIEW, ts=card.ts, text="done", blocks=[section("done")])
            with pytest.raises(ClientRefuses):
                await slack.person(REMI).click(card, "approve")
            assert (await slack.person(REMI).click(card, "approve", stale=True)).ok
        body = bodies[0]
        assert body["actions"][0]["value"] == "K-1"
        assert (body["channel"]["id"], body["message"]["ts"]) == (REVIEW, card.ts)
        assert body["container"]["is_ephemeral"] is False
        assert body["state"] == {"values": {}}


async def test_message_shortcuts_carry_the_message_with_its_files() -> None:
    async with running() as slack:
        app = bolt_for(slack)
        bodies: list[JSON] = []

        @app.shortcut("kyc_check_message")
        async def _check(ack: Any, body: JSON) -> None:
            bodies.append(body)
            await ack()

        async with by_http(slack, app):
            amina = slack.person(AMINA)
            selfie = await amina.upload(b"\xff\xd8", "me.jpg")
            message = await amina.say(CHANNEL, "please check", files=[selfie])
            await slack.person(REMI).message_shortcut("kyc_check_message", CHANNEL, message.ts)
        assert bodies[0]["message"]["files"][0]["id"] == selfie.id
        assert bodies[0]["user"]["id"] == REMI


async def test_a_mention_is_an_event_where_the_bot_is_present() -> None:
    async with running() as slack:
        slack.add_channel("C0ALONE0001", "alone", bot_is_member=False)
        app = bolt_for(slack)
        events: list[JSON] = []

        @app.event("app_mention")
        async def _mention(event: JSON) -> None:
            events.append(event)

        async with by_http(slack, app):
            amina = slack.person(AMINA)
            await amina.say(CHANNEL, "nobody in particular")
            await amina.say("C0ALONE0001", f"<@{BOT_USER_ID}> hello?")
            root = await amina.say(CHANNEL, "root")
            await amina.say(CHANNEL, f"<@{BOT_USER_ID}> check", thread_ts=root.ts)
            await slack.wait_for(lambda: bool(events))
        (event,) = events
        assert (event["user"], event["channel"], event["thread_ts"]) == (AMINA, CHANNEL, root.ts)


async def test_the_home_tab_is_told_and_pressed() -> None:
    async with running() as slack:
        app = bolt_for(slack)
        pressed: list[JSON] = []

        @app.event("app_home_opened")
        async def _home(event: JSON, client: Any) -> None:
            assert "view" not in event
            actions = {"type": "actions", "elements": [button("refresh")]}
            await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [actions]})

        @app.action("refresh")
        async def _refresh(ack: Any, body: JSON) -> None:
            pressed.append(body)
            await ack()

        async with by_http(slack, app):
            amina = slack.person(AMINA)
            await amina.open_home()
            await slack.wait_for(lambda: amina.home is not None)
            assert (await amina.click_home("refresh")).ok
        assert pressed[0]["view"]["type"] == "home"


async def test_strangers_act_in_the_name_of_their_own_team() -> None:
    async with running() as slack:
        slack.add_user("U0STRANGE01", "sam", stranger=True, team_id="T0OTHER0009")
        bodies: list[JSON] = []
        app = bolt_for(slack)

        @app.shortcut("kyc_check")
        async def _check(ack: Any, body: JSON) -> None:
            bodies.append(body)
            await ack()

        async with by_http(slack, app):
            await slack.person("U0STRANGE01").shortcut("kyc_check")
        assert bodies[0]["user"]["team_id"] == "T0OTHER0009"


async def test_a_response_url_works_five_times_and_minds_its_original() -> None:
    async with running() as slack:
        app = bolt_for(slack)
        urls: list[str] = []

        @app.action("dismiss")
        async def _dismiss(ack: Any, body: JSON, respond: Any) -> None:
            await ack()
            urls.append(body["response_url"])
            await respond(text="noted")
            await respond(text="gone", replace_original=True)

        async with by_http(slack, app):
            blocks = [{"type": "actions", "elements": [button("dismiss")]}]
            await client_of(slack).chat_postMessage(channel=CHANNEL, text="card", blocks=blocks)
            (card,) = slack.messages(CHANNEL)
            await slack.person(AMINA).click(card, "dismiss")
        assert [message.text for message in slack.ephemerals(AMINA)] == ["noted"]
        assert (card.text, card.blocks) == ("gone", [])
        statuses = []
        async with aiohttp.ClientSession() as session:
            for body in (
                {"text": "to all", "response_type": "in_channel"},
                {"text": "", "blocks": []},
                {"delete_original": True},
                {"text": "once too often"},
            ):
                async with session.post(urls[0], json=body) as response:
                    statuses.append(response.status)
        assert statuses == [200, 400, 200, 404]
        assert [message.text for message in slack.messages(CHANNEL)] == ["to all"]


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        ({"guest": True}, {"is_restricted": True, "is_ultra_restricted": False}),
        ({"single_channel_guest": True}, {"is_restricted": True, "is_ultra_restricted": True}),
        ({"invited": True}, {"is_invited_user": True}),
        ({"bot": True}, {"is_bot": True}),
        ({"workflow_bot": True}, {"is_workflow_bot": True}),
        ({"deleted": True}, {"deleted": True}),
        ({"stranger": True}, {"is_stranger": True, "team_id": "T0OTHER0001"}),
        ({}, {"deleted": False, "is_restricted": False, "is_invited_user": False, "team_id": "T0ACME00001"}),
    ],
)
async def test_a_persons_profile_says_what_kind_of_member_they_are(kind: JSON, flags: JSON) -> None:
    async with running() as slack:
        slack.add_user("U0SOMEBODY1", "somebody", **kind)
        shown = (await client_of(slack).users_info(user="U0SOMEBODY1"))["user"]
        assert {name: shown.get(name) for name in flags} == flags


async def test_somebody_of_an_organization_acts_in_the_workspace_that_the_bot_is_in() -> None:
    async with running() as slack:
        teams = ["T0SISTER001", "T0ACME00001"]
        slack.add_user(
            "U0GRID00001", "grid", team_id="T0SISTER001", enterprise_id="E0ACME00001", enterprise_teams=teams
        )
        shown = (await client_of(slack).users_info(user="U0GRID00001"))["user"]
        assert shown["enterprise_user"]["enterprise_id"] == "E0ACME00001"
        assert shown["enterprise_user"]["teams"] == teams
        bodies: list[JSON] = []
        app = bolt_for(slack)

        @app.shortcut("kyc_check")
        async def _check(ack: Any, body: JSON) -> None:
            bodies.append(body)
            await ack()

        async with by_http(slack, app):
            await slack.person("U0GRID00001").shortcut("kyc_check")
    (body,) = bodies
    assert (body["team"]["id"], body["user"]["team_id"]) == ("T0ACME00001", "T0SISTER001")
    assert (body["team"]["enterprise_id"], body["enterprise"]["id"]) == ("E0ACME00001", "E0ACME00001")


async def test_the_tokens_workspace_organization_and_app_are_told() -> None:
    async with running() as slack:
        client = client_of(slack)
        alone = await client.auth_test()
        assert (alone["team_id"], "enterprise_id" in alone.data) == ("T0ACME00001", False)
        slack.world.team_id, slack.world.enterprise_id = "T0OTHER0001", "E0OTHER0001"
        moved = await client.auth_test()
        assert (moved["team_id"], moved["enterprise_id"]) == ("T0OTHER0001", "E0OTHER0001")
        assert (await client.bots_info(bot=moved["bot_id"]))["bot"]["app_id"] == "A0KYCAPP001"
        with pytest.raises(SlackApiError, match="bot_not_found"):
            await client.bots_info(bot="B0NOBODY001")


async def test_a_channel_says_that_it_is_shared_or_about_to_be() -> None:
    async with running() as slack:
        channel = slack.channels[REVIEW]
        channel.is_pending_ext_shared, channel.pending_shared = True, ("T0OTHER0001",)
        channel.is_org_shared = True
        shown = (await client_of(slack).conversations_info(channel=REVIEW))["channel"]
        assert (shown["is_pending_ext_shared"], shown["pending_shared"]) == (True, ["T0OTHER0001"])
        assert (shown["is_shared"], shown["is_org_shared"], shown["is_ext_shared"]) == (True, True, False)


async def test_a_payload_can_come_as_if_from_elsewhere() -> None:
    async with running() as slack:
        seen: list[JSON] = []
        app = bolt_for(slack)

        @app.command("/kyc")
        async def _help(ack: Any, body: JSON) -> None:
            seen.append(body)
            await ack()

        async with by_http(slack, app):
            slack.disguise = lambda payload: {**payload, "team_id": "T0OTHER0001"}
            assert (await slack.person(AMINA).command("help")).ok
            slack.disguise = None
            assert (await slack.person(AMINA).command("help")).ok
    assert [body["team_id"] for body in seen] == ["T0OTHER0001", "T0ACME00001"]
