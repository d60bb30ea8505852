"""The Slack stand-in's Web API, asked by the official client."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import SlackSandbox
from tests.sandbox.slack_setup import AMINA, CHANNEL, REMI, REVIEW, client_of, running, section

pytestmark = pytest.mark.anyio


async def refusal(call: Any) -> Any:
    """The answer of a call that Slack refuses."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def test_auth_test_tells_who_the_bot_is_and_what_its_token_allows() -> None:
    async with running(scopes=["chat:write", "files:read"]) as slack:
        answer = await client_of(slack).auth_test()
        assert (answer["user_id"], answer["bot_id"]) == ("U0KYCBOT001", "B0KYCBOT001")
        assert answer.headers["x-oauth-scopes"] == "chat:write,files:read"


async def test_wrong_tokens_and_unknown_methods_are_refused() -> None:
    async with running() as slack:
        assert (await refusal(client_of(slack, "xoxb-other").auth_test()))["error"] == "invalid_auth"
        assert (await refusal(client_of(slack, "").auth_test(token="")))["error"] == "not_authed"
        assert (await refusal(client_of(slack).api_call("no.such")))["error"] == "unknown_method"
        socket_call = client_of(slack).apps_connections_open(app_token="xoxb-sandbox")
        assert (await refusal(socket_call))["error"] == "not_allowed_token_type"


async def test_a_missing_scope_is_named() -> None:
    async with running(scopes=["commands"]) as slack:
        answer = await refusal(client_of(slack).chat_postMessage(channel=CHANNEL, text="hello"))
        assert answer["error"] == "missing_scope"
        assert (answer["needed"], answer["provided"]) == ("chat:write", "commands")


async def test_private_channels_need_the_scope_of_private_channels() -> None:
    async with running(scopes=["channels:read"]) as slack:
        client = client_of(slack)
        assert (await client.conversations_info(channel=CHANNEL))["channel"]["is_member"]
        answer = await refusal(client.conversations_info(channel=REVIEW))
        assert (answer["error"], answer["needed"]) == ("missing_scope", "groups:read")


async def test_a_post_stands_in_its_channel_with_ids_that_slack_filled_in() -> None:
    async with running() as slack:
        answer = await client_of(slack).chat_postMessage(
            channel=CHANNEL, text="hello", blocks=[section("*hello*")], metadata=_metadata("K-1")
        )
        (message,) = slack.messages(CHANNEL)
        assert (message.ts, message.text, message.thread_ts) == (answer["ts"], "hello", None)
        assert message.metadata == _metadata("K-1")
        assert message.blocks[0]["block_id"]
        assert slack.calls[-1].method == "chat.postMessage"
        assert slack.calls[-1].arguments["channel"] == CHANNEL


async def test_fields_may_come_as_a_form_with_json_inside() -> None:
    async with running() as slack:
        blocks = '[{"type": "divider"}]'
        await client_of(slack).api_call("chat.postMessage", data={"channel": CHANNEL, "blocks": blocks, "text": "x"})
        assert slack.messages(CHANNEL)[0].blocks[0]["type"] == "divider"


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("C0OPEN00001", "not_in_channel"),
        ("C0SECRET001", "channel_not_found"),
        ("C0OLD000001", "is_archived"),
        ("C0NOWHERE01", "channel_not_found"),
        ("D0OTHERS001", "channel_not_found"),
        ("U0GONE00001", "channel_not_found"),
    ],
)
async def test_posts_go_only_where_the_bot_may_speak(channel: str, error: str) -> None:
    async with running() as slack:
        _add_places(slack)
        answer = await refusal(client_of(slack).chat_postMessage(channel=channel, text="hello"))
        assert answer["error"] == error


async def test_a_post_to_a_user_lands_in_the_direct_conversation() -> None:
    async with running() as slack:
        client = client_of(slack)
        answer = await client.chat_postMessage(channel=AMINA, text="psst")
        opened = await client.conversations_open(users=AMINA)
        assert answer["channel"] == opened["channel"]["id"]
        assert [message.text for message in slack.direct_messages(AMINA)] == ["psst"]


async def test_empty_and_endless_texts_are_refused() -> None:
    async with running() as slack:
        client = client_of(slack)
        empty = client.api_call("chat.postMessage", json={"channel": CHANNEL, "text": " "})
        assert (await refusal(empty))["error"] == "no_text"
        endless = client.chat_postMessage(channel=CHANNEL, text="x" * 40_001)
        assert (await refusal(endless))["error"] == "msg_too_long"
        posted = await client.chat_postMessage(channel=CHANNEL, text="x")
        longer = client.chat_update(channel=CHANNEL, ts=posted["ts"], text="x" * 4_001)
        assert (await refusal(longer))["error"] == "msg_too_long"


async def test_replies_hang_on_roots_only() -> None:
    async with running() as slack:
        client = client_of(slack)
        root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
        reply = (await client.chat_postMessage(channel=CHANNEL, text="reply", thread_ts=root))["ts"]
        assert [message.text for message in slack.thread(CHANNEL, root)] == ["root", "reply"]
        for elsewhere in (reply, "1.000100"):
            wrong = client.chat_postMessage(channel=CHANNEL, text="no", thread_ts=elsewhere)
            assert (await refusal(wrong))["error"] == "cannot_reply_to_message"


async def test_an_update_with_text_alone_takes_the_blocks_away_and_keeps_metadata() -> None:
    async with running() as slack:
        client = client_of(slack)
        posted = await client.chat_postMessage(
            channel=CHANNEL, text="old", blocks=[section("old")], metadata=_metadata("K-1")
        )
        await client.chat_update(channel=CHANNEL, ts=posted["ts"], text="new")
        (message,) = slack.messages(CHANNEL)
        assert (message.text, message.blocks, message.metadata) == ("new", [], _metadata("K-1"))
        assert [edition.text for edition in message.edited] == ["old"]


async def test_only_own_messages_that_still_stand_are_updated() -> None:
    async with running() as slack:
        client = client_of(slack)
        foreign = await slack.person(AMINA).say(CHANNEL, "mine")
        answer = await refusal(client.chat_update(channel=CHANNEL, ts=foreign.ts, text="x"))
        assert answer["error"] == "cant_update_message"
        own = await client.chat_postMessage(channel=CHANNEL, text="x")
        slack.delete_message(CHANNEL, own["ts"])
        answer = await refusal(client.chat_update(channel=CHANNEL, ts=own["ts"], text="x"))
        assert answer["error"] == "message_not_found"


async def test_an_ephemeral_is_seen_by_one_and_found_by_none() -> None:
    async with running() as slack:
        client = client_of(slack)
        posted = await client.chat_postEphemeral(channel=CHANNEL, user=AMINA, text="only you")
        assert [message.text for message in slack.ephemerals(AMINA)] == ["only you"]
        assert slack.messages(CHANNEL) == []
        answer = await refusal(client.chat_update(channel=CHANNEL, ts=posted["message_ts"], text="x"))
        assert answer["error"] == "message_not_found"
        outside = client.chat_postEphemeral(channel=REVIEW, user=AMINA, text="x")
        assert (await refusal(outside))["error"] == "user_not_in_channel"


async def test_own_posts_are_found_again_by_their_metadata() -> None:
    async with running() as slack:
        client = client_of(slack)
        root = (await client.chat_postMessage(channel=CHANNEL, text="a", metadata=_metadata("K-1")))["ts"]
        for text in ("b", "c"):
            await client.chat_postMessage(channel=CHANNEL, text=text, thread_ts=root)
        bare = await client.conversations_history(channel=CHANNEL)
        full = await client.conversations_history(channel=CHANNEL, include_all_metadata=True, oldest="0")
        assert [message["text"] for message in full["messages"]] == ["a"]
        assert "metadata" not in bare["messages"][0]
        assert full["messages"][0]["metadata"]["event_payload"] == {"id": "K-1"}
        since = await client.conversations_history(channel=CHANNEL, oldest=root)
        assert since["messages"] == []
        page = await client.conversations_replies(channel=CHANNEL, ts=root, limit=2)
        assert [message["text"] for message in page["messages"]] == ["a", "b"]
        cursor = page["response_metadata"]["next_cursor"]
        rest = await client.conversations_replies(channel=CHANNEL, ts=root, limit=2, cursor=cursor)
        assert [message["text"] for message in rest["messages"]] == ["c"]


async def test_a_deleted_root_has_no_thread_unless_slack_left_a_stone() -> None:
    async with running() as slack:
        client = client_of(slack)
        for tombstone in (False, True):
            root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
            await client.chat_postMessage(channel=CHANNEL, text="reply", thread_ts=root)
            slack.delete_message(CHANNEL, root, tombstone=tombstone)
            call = client.conversations_replies(channel=CHANNEL, ts=root, limit=1)
            if tombstone:
                assert (await call)["messages"][0]["subtype"] == "tombstone"
            else:
                assert (await refusal(call))["error"] == "thread_not_found"
            orphan = client.chat_postMessage(channel=CHANNEL, text="late", thread_ts=root)
            assert (await refusal(orphan))["error"] == "cannot_reply_to_message"


async def test_people_and_groups_are_looked_up() -> None:
    async with running() as slack:
        slack.add_user("U0GUEST0001", "gift", guest=True)
        slack.add_user("U0STRANGE01", "sam", stranger=True)
        slack.add_usergroup("S0REVIEW001", [REMI])
        client = client_of(slack)
        assert (await client.users_info(user="U0GUEST0001"))["user"]["is_restricted"]
        assert (await client.users_info(user="U0STRANGE01"))["user"]["team_id"] != "T0ACME00001"
        assert (await client.usergroups_users_list(usergroup="S0REVIEW001"))["users"] == [REMI]
        groups = await client.usergroups_list(include_users=True)
        assert groups["usergroups"][0]["users"] == [REMI]
        assert (await refusal(client.users_info(user="U0NOBODY001")))["error"] == "user_not_found"
        unknown = client.usergroups_users_list(usergroup="S0NOTHING01")
        assert (await refusal(unknown))["error"] == "no_such_subteam"
        members = await client.conversations_members(channel=REVIEW)
        assert REMI in members["members"]
        assert AMINA not in members["members"]


async def test_a_channel_takes_only_so_many_posts_a_second() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    async with running(posts_per_second=1, clock=lambda: now) as slack:
        client = client_of(slack)
        await client.chat_postMessage(channel=CHANNEL, text="one")
        answer = await refusal(client.chat_postMessage(channel=CHANNEL, text="two"))
        assert (answer.status_code, answer["error"]) == (429, "ratelimited")
        assert answer.headers["Retry-After"] == "1"
        await client.chat_postMessage(channel=REVIEW, text="another channel")
        now += timedelta(seconds=1)
        await client.chat_postMessage(channel=CHANNEL, text="two")
        assert [message.text for message in slack.messages(CHANNEL)] == ["one", "two"]


async def test_a_permalink_names_channel_and_thread() -> None:
    async with running() as slack:
        client = client_of(slack)
        ts = (await client.chat_postMessage(channel=CHANNEL, text="x"))["ts"]
        link = (await client.chat_getPermalink(channel=CHANNEL, message_ts=ts))["permalink"]
        assert link.endswith(f"/archives/{CHANNEL}/p{ts.replace('.', '')}")


async def test_home_tabs_are_published_and_guarded_by_their_hash() -> None:
    async with running() as slack:
        client = client_of(slack)
        first = await client.views_publish(user_id=AMINA, view={"type": "home", "blocks": [section("one")]})
        stale = first["view"]["hash"]
        home = {"type": "home", "blocks": [section("two")]}
        await client.views_publish(user_id=AMINA, view=home, hash=stale)
        answer = await refusal(client.views_publish(user_id=AMINA, view=home, hash=stale))
        assert answer["error"] == "hash_conflict"
        shown = slack.person(AMINA).home
        assert shown is not None
        assert shown["blocks"][0]["text"]["text"] == "two"


async def test_refused_blocks_are_named_by_pointer() -> None:
    async with running() as slack:
        blocks = [section("fine"), {"type": "header", "text": {"type": "mrkdwn", "text": "*no*"}}]
        answer = await refusal(client_of(slack).chat_postMessage(channel=CHANNEL, text="x", blocks=blocks))
        assert answer["error"] == "invalid_blocks"
        assert "[json-pointer:/blocks/1/text/type]" in answer["response_metadata"]["messages"][0]


def _metadata(check_id: str) -> dict[str, Any]:
    return {"event_type": "kyc", "event_payload": {"id": check_id}}


def _add_places(slack: SlackSandbox) -> None:
    slack.add_channel("C0OPEN00001", "open", bot_is_member=False)
    slack.add_channel("C0SECRET001", "secret", private=True, bot_is_member=False)
    slack.add_channel("C0OLD000001", "old", archived=True)
    slack.add_channel("D0OTHERS001", "two others", members=[AMINA, REMI], bot_is_member=False)
    slack.add_user("U0GONE00001", "gone", deleted=True)


async def test_channels_are_listed_by_type_each_with_its_scope() -> None:
    async with running() as slack:
        slack.add_channel("C0SECRET001", "secret", private=True, bot_is_member=False)
        slack.add_channel("C0GENERAL01", "general", bot_is_member=False)
        slack.add_channel("C0OLD000001", "old", archived=True)
        client = client_of(slack)
        listed = await client.conversations_list()
        assert [channel["name"] for channel in listed["channels"]] == ["general", "kyc-requests", "old"]
        listed = await client.conversations_list(types="public_channel,private_channel", exclude_archived=True)
        assert [channel["name"] for channel in listed["channels"]] == ["general", "kyc-requests", "kyc-review"]
        assert (await refusal(client.conversations_list(types="public_channel,im")))["needed"] == "im:read"
        assert (await refusal(client.conversations_list(types="rooms")))["error"] == "invalid_types"


async def test_the_channels_of_a_member_are_those_the_bot_may_know() -> None:
    async with running() as slack:
        slack.add_channel("C0SECRET001", "secret", private=True, members=[REMI], bot_is_member=False)
        client = client_of(slack)
        types = "public_channel,private_channel"
        of_remi = await client.users_conversations(user=REMI, types=types)
        of_amina = await client.users_conversations(user=AMINA, types=types)
        of_the_bot = await client.users_conversations(types=types)
        unknown = await refusal(client.users_conversations(user="U0NOBODY001"))
    assert [channel["name"] for channel in of_remi["channels"]] == ["kyc-requests", "kyc-review"]
    assert [channel["name"] for channel in of_amina["channels"]] == ["kyc-requests"]
    assert [channel["name"] for channel in of_the_bot["channels"]] == ["kyc-requests", "kyc-review"]
    assert unknown["error"] == "user_not_found"


async def test_people_are_listed_page_by_page() -> None:
    async with running() as slack:
        names = []
        async for page in await client_of(slack).users_list(limit=3):
            assert len(page["members"]) <= 3
            names += [member["profile"]["display_name"] for member in page["members"]]
    assert sorted(names) == ["amina", "kyc-bot", "musa", "remi"]


async def test_the_workspace_tells_its_name_to_who_may_ask() -> None:
    async with running(scopes=["team:read"]) as slack:
        team = (await client_of(slack).team_info())["team"]
        assert (team["id"], team["name"], team["domain"]) == ("T0ACME00001", "Acme Compliance", "acme-compliance")
        assert (await refusal(client_of(slack).team_info(team="T0OTHER0001")))["error"] == "team_not_found"
    async with running() as slack:
        assert (await refusal(client_of(slack).team_info()))["needed"] == "team:read"
