"""What Slack sends, in the shapes of its own samples."""

import time

from bot.sandbox.slack.inputs import VALUE_KEYS
from bot.sandbox.slack.message_json import message_json
from bot.sandbox.slack.world import (
    APP_ID,
    BOT_USER_ID,
    ENTERPRISE_NAME,
    JSON,
    TEAM_DOMAIN,
    TEAM_ID,
    Channel,
    Message,
    User,
    World,
)

TOKEN = "legacy-verification-token"


def slash_command(user: User, channel: Channel, *, command: str, text: str, trigger_id: str, response_url: str) -> JSON:
    return {
        "token": TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": shown_name(channel),
        "user_id": user.id,
        "user_name": user.handle,
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
        **({"enterprise_id": user.enterprise_id, "enterprise_name": ENTERPRISE_NAME} if user.enterprise_id else {}),
    }


def shown_name(channel: Channel) -> str:
    """Slack hides the names of private conversations from commands."""
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name


def shortcut(user: User, *, callback_id: str, trigger_id: str, action_ts: str) -> JSON:
    return {
        "type": "shortcut",
        "token": TOKEN,
        "action_ts": action_ts,
        "team": _team(user),
        "user": {"id": user.id, "username": user.handle, "team_id": user.team_id},
        "is_enterprise_install": False,
        "enterprise": _enterprise(user),
        "callback_id": callback_id,
        "trigger_id": trigger_id,
    }


def message_shortcut(
    world: World,
    user: User,
    message: Message,
    *,
    callback_id: str,
    trigger_id: str,
    response_url: str,
) -> JSON:
    channel = world.channels[message.channel]
    return {
        "type": "message_action",
        "token": TOKEN,
        "action_ts": world.next_ts(),
        "team": _team(user),
        "user": {"id": user.id, "name": user.handle, "username": user.handle, "team_id": user.team_id},
        "channel": {"id": channel.id, "name": shown_name(channel)},
        "is_enterprise_install": False,
        "enterprise": _enterprise(user),
        "callback_id": callback_id,
        "trigger_id": trigger_id,
        "response_url": response_url,
        "message_ts": message.ts,
        "message": message_json(world, message),
    }


def block_actions(world: World, user: User, *, action: JSON, trigger_id: str, **place: object) -> JSON:
    """`place` is what depends on where the element stands: container, channel, message, view …"""
    return {
        "type": "block_actions",
        "user": _user(user),
        "api_app_id": APP_ID,
        "token": TOKEN,
        "trigger_id": trigger_id,
        "team": _team(user),
        "enterprise": _enterprise(user),
        "is_enterprise_install": False,
        **place,
        "actions": [{**action, "action_ts": world.next_ts()}],
    }


def place_of_message(world: World, message: Message, *, response_url: str, state: JSON) -> JSON:
    is_ephemeral = message.ephemeral_to is not None
    channel = world.channels[message.channel]
    container: JSON = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": is_ephemeral,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    place: JSON = {
        "container": container,
        "channel": {"id": channel.id, "name": shown_name(channel)},
        "state": state,
        "response_url": response_url,
    }
    if not is_ephemeral:
        place["message"] = message_json(world, message)
    return place


def place_of_view(view: JSON) -> JSON:
    return {"container": {"type": "view", "view_id": view["id"]}, "view": view}


def action_of(block: JSON, element: JSON, held: JSON | None) -> JSON:
    """The entry of `actions` for an element that was clicked, or now holds `held`."""
    action: JSON = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block["block_id"],
    }
    if element["type"] == "button":
        action["text"] = element["text"]
        for key in ("value", "style"):
            if key in element:
                action[key] = element[key]
    if held is not None:
        key = VALUE_KEYS.get(element["type"], "selected_option")
        action[key] = held[key]
    return action


def view_submission(user: User, view: JSON, *, trigger_id: str, response_urls: list[JSON]) -> JSON:
    return {
        "type": "view_submission",
        "team": _team(user),
        "user": _user(user),
        "api_app_id": APP_ID,
        "token": TOKEN,
        "trigger_id": trigger_id,
        "view": view,
        "response_urls": response_urls,
        "is_enterprise_install": False,
        "enterprise": _enterprise(user),
    }


def view_closed(user: User, view: JSON, *, is_cleared: bool) -> JSON:
    return {
        "type": "view_closed",
        "enterprise": _enterprise(user),
        "team": _team(user),
        "user": _user(user),
        "api_app_id": APP_ID,
        "token": TOKEN,
        "view": view,
        "is_enterprise_install": False,
        "is_cleared": is_cleared,
    }


def block_suggestion(user: User, view: JSON, *, block_id: str, action_id: str, typed: str) -> JSON:
    return {
        "type": "block_suggestion",
        "user": _user(user),
        "container": {"type": "view", "view_id": view["id"]},
        "api_app_id": APP_ID,
        "token": TOKEN,
        "action_id": action_id,
        "block_id": block_id,
        "value": typed,
        "team": _team(user),
        "enterprise": _enterprise(user),
        "is_enterprise_install": False,
        "view": view,
    }


def event_callback(
    event: JSON, *, event_id: str, is_ext_shared: bool = False, enterprise_id: str | None = None
) -> JSON:
    return {
        "token": TOKEN,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(float(event.get("event_ts") or time.time())),
        "authorizations": [
            {
                "enterprise_id": enterprise_id,
                "team_id": TEAM_ID,
                "user_id": BOT_USER_ID,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": is_ext_shared,
        "event_context": f"4-{event_id}",
    }


def app_mention(world: World, user: User, message: Message) -> JSON:
    """Slack sends it again at each edit of a message that mentions the app; `edited` then tells so."""
    event = message_json(world, message)
    event |= {"type": "app_mention", "channel": message.channel, "event_ts": message.ts}
    if user.is_stranger:
        event |= {"user_team": user.team_id, "source_team": user.team_id}
    return event


def direct_message(world: World, message: Message) -> JSON:
    """A message in a conversation with the bot, be it a person's or the bot's own."""
    event = message_json(world, message)
    if message.files:
        event["subtype"] = "file_share"
    return event | {"channel": message.channel, "event_ts": message.ts, "channel_type": "im"}


def message_changed(world: World, message: Message, *, before: JSON) -> JSON:
    """`before` is the message as it was. A deleted root with replies changes too: into a stone."""
    shown = message_json(world, message)
    if message.tombstone:
        shown["user"] = "USLACKBOT"
    return _hidden(world, message, "message_changed") | {"message": shown, "previous_message": before}


def message_deleted(world: World, message: Message, *, before: JSON) -> JSON:
    return _hidden(world, message, "message_deleted") | {"deleted_ts": message.ts, "previous_message": before}


def _hidden(world: World, message: Message, subtype: str) -> JSON:
    """An event about another message; its own ts is that of the act."""
    now = world.next_ts()
    return {
        "type": "message",
        "subtype": subtype,
        "channel": message.channel,
        "hidden": True,
        "ts": now,
        "event_ts": now,
        "channel_type": "im",
    }


def app_home_opened(world: World, user: User, view: JSON | None) -> JSON:
    """`view` is absent until the first views.publish for this person."""
    event: JSON = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": world.direct_channel(user.id).id,
        "tab": "home",
        "event_ts": world.next_ts(),
    }
    return event if view is None else event | {"view": view}


def _team(user: User) -> JSON:
    """The acting person's team, which through Slack Connect may not be the bot's."""
    team = {"id": user.team_id, "domain": TEAM_DOMAIN if user.team_id == TEAM_ID else "elsewhere"}
    if user.enterprise_id is None:
        return team
    if TEAM_ID in user.enterprise_teams:
        # Whoever belongs to several workspaces of an organization acts in the one that the bot is in.
        team |= {"id": TEAM_ID, "domain": TEAM_DOMAIN}
    return team | {"enterprise_id": user.enterprise_id, "enterprise_name": ENTERPRISE_NAME}


def _enterprise(user: User) -> JSON | None:
    return {"id": user.enterprise_id, "name": ENTERPRISE_NAME} if user.enterprise_id else None


def _user(user: User) -> JSON:
    return {"id": user.id, "username": user.handle, "name": user.handle, "team_id": user.team_id}
