"""Messages as Slack writes them in answers and payloads."""

from bot.sandbox.slack.world import APP_ID, BOT_ID, BOT_NAME, BOT_USER_ID, JSON, TEAM_ID, Message, World

_PROFILE: JSON = {
    "id": BOT_ID,
    "app_id": APP_ID,
    "user_id": BOT_USER_ID,
    "name": BOT_NAME,
    "icons": {},
    "deleted": False,
    "updated": 1795375000,
    "team_id": TEAM_ID,
}


def message_json(world: World, message: Message, *, with_metadata: bool = False) -> JSON:
    shown: JSON = {"user": message.user, "type": "message", "ts": message.ts}
    if message.tombstone:
        return shown | {"subtype": "tombstone", "text": "This message was deleted.", "hidden": True}
    if message.user == BOT_USER_ID:
        shown |= {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": _PROFILE}
    else:
        shown["client_msg_id"] = f"00000000-0000-4000-8000-{message.ts.replace('.', '')[-12:]}"
    if message.broadcast:
        shown["subtype"] = "thread_broadcast"
    shown |= {"text": message.text, "team": TEAM_ID}
    if message.blocks:
        shown["blocks"] = message.blocks
    if message.files:
        shown["files"] = [file.in_message(world.files_url) for file in message.files]
        shown |= {"upload": False, "display_as_bot": False}
    if message.forwarded is not None:
        shown["attachments"] = [_shared(world, message.forwarded)]
    if with_metadata and message.metadata:
        shown["metadata"] = message.metadata
    if message.edited and message.user != BOT_USER_ID:
        shown["edited"] = {"user": message.user, "ts": message.edited[-1].replaced_ts}
    elif message.edited and not message.blocks:
        shown["edited"] = {"user": BOT_ID, "ts": message.ts}
    return shown | _thread_keys(world, message)


def _shared(world: World, original: Message) -> JSON:
    """A forwarded message: its files lie in the attachment (NousResearch/hermes-agent#75481, read 2026-11)."""
    shown: JSON = {
        "id": 1,
        "ts": original.ts,
        "author_id": original.user,
        "channel_id": original.channel,
        "channel_team": TEAM_ID,
        "is_msg_unfurl": True,
        "is_share": True,
        "text": original.text,
        "fallback": original.text,
        "mrkdwn_in": ["text"],
    }
    files = [file.in_message(world.files_url) for file in original.files]
    return shown | ({"files": files} if files else {})


def _thread_keys(world: World, message: Message) -> JSON:
    if message.thread_ts:
        root = world.channels[message.channel].root(message.thread_ts)
        parent = {"parent_user_id": root.user} if root is not None else {}
        return {"thread_ts": message.thread_ts, **parent}
    replies = world.channels[message.channel].replies(message.ts)
    if not replies:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len({reply.user for reply in replies}),
        "latest_reply": replies[-1].ts,
        "reply_users": sorted({reply.user for reply in replies}),
        "is_locked": False,
        "subscribed": False,
    }
