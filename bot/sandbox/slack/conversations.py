"""conversations.*: what the bot may learn about channels, and read back from them."""

from collections.abc import Callable

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.message_json import message_json
from bot.sandbox.slack.pages import page_of
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import BOT_USER_ID, JSON, TEAM_ID, Channel, Message

_SCOPE_OF_TYPE = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}


def _channel(workspace: Workspace, arguments: Arguments, right: str) -> Channel:
    """`right` is the second half of the scope; the first depends on the kind of conversation."""
    arguments.require("channel")
    channel = workspace.visible_channel(arguments.text("channel"))
    workspace.need_any_scope([f"{channel.scope_family}:{right}"])
    return channel


def info(workspace: Workspace, arguments: Arguments) -> JSON:
    channel = _channel(workspace, arguments, "read")
    shown = channel_json(channel)
    if arguments.flag("include_num_members"):
        shown["num_members"] = len(channel.members)
    return {"ok": True, "channel": shown}


def channel_json(channel: Channel) -> JSON:
    if channel.is_im:
        partner = next(iter(sorted(channel.members - {BOT_USER_ID})), BOT_USER_ID)
        return {"id": channel.id, "is_im": True, "user": partner, "is_archived": False, "created": 1795000000}
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.is_private,
        "is_group": channel.is_private,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.is_private,
        "created": 1795000000,
        "is_archived": channel.is_archived,
        "is_general": False,
        "name_normalized": channel.name,
        "is_shared": channel.is_ext_shared or channel.is_org_shared,
        "is_ext_shared": channel.is_ext_shared,
        "is_org_shared": channel.is_org_shared,
        "is_pending_ext_shared": channel.is_pending_ext_shared,
        "shared_team_ids": [TEAM_ID],
        "pending_shared": list(channel.pending_shared),
        "is_member": channel.bot_is_member,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "previous_names": [],
        "is_read_only": False,
        "is_thread_only": False,
        "context_team_id": TEAM_ID,
        "updated": 1795000000,
    }


def list_all(workspace: Workspace, arguments: Arguments) -> JSON:
    """Public channels unless other `types` are asked for; private ones only where the bot is a member."""
    return _listed(workspace, arguments, lambda channel: channel.bot_is_member or _is_public(channel))


def list_of_member(workspace: Workspace, arguments: Arguments) -> JSON:
    """The conversations of `user`, or without one of the bot, as far as the bot may know of them."""
    user_id = arguments.text("user") or BOT_USER_ID
    if user_id not in workspace.world.users:
        raise ApiError("user_not_found")

    def is_listed(channel: Channel) -> bool:
        return user_id in channel.members and (channel.bot_is_member or _is_public(channel))

    return _listed(workspace, arguments, is_listed)


def _listed(workspace: Workspace, arguments: Arguments, is_listed: Callable[[Channel], bool]) -> JSON:
    """Each type needs the scope of its own: one that lacks refuses the whole request."""
    types = [name.strip() for name in (arguments.text("types") or "public_channel").split(",")]
    if set(types) - set(_SCOPE_OF_TYPE):
        raise ApiError("invalid_types")
    for name in types:
        workspace.need_any_scope([_SCOPE_OF_TYPE[name]])
    without_archived = arguments.flag("exclude_archived")
    found = [
        {**channel_json(channel), "num_members": len(channel.members)}
        for channel in sorted(workspace.world.channels.values(), key=lambda channel: channel.id)
        if _type_of(channel) in types and is_listed(channel) and not (without_archived and channel.is_archived)
    ]
    page, following = page_of(found, arguments, default=100)
    return {"ok": True, "channels": page, "response_metadata": {"next_cursor": following}}


def _is_public(channel: Channel) -> bool:
    return _type_of(channel) == "public_channel"


def _type_of(channel: Channel) -> str:
    if channel.is_im:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"


def members(workspace: Workspace, arguments: Arguments) -> JSON:
    channel = _channel(workspace, arguments, "read")
    page, following = page_of(sorted(channel.members), arguments, default=100)
    return {"ok": True, "members": page, "response_metadata": {"next_cursor": following}}


def open_direct(workspace: Workspace, arguments: Arguments) -> JSON:
    world = workspace.world
    if arguments.text("channel"):
        channel = workspace.visible_channel(arguments.text("channel"))
    else:
        wanted = [name for name in arguments.text("users").strip("[]").replace('"', "").split(",") if name]
        if len(wanted) != 1:
            raise ApiError("users_list_not_supplied" if not wanted else "method_not_supported_for_channel_type")
        user = world.users.get(wanted[0].strip())
        if user is None:
            raise ApiError("user_not_found")
        if user.is_deleted:
            raise ApiError("user_disabled")
        if user.is_stranger:
            raise ApiError("user_not_visible")
        channel = world.direct_channel(user.id)
    shown = channel_json(channel) if arguments.flag("return_im") else {"id": channel.id}
    return {"ok": True, "channel": shown}


def _readable(workspace: Workspace, arguments: Arguments) -> Channel:
    channel = _channel(workspace, arguments, "history")
    if not channel.bot_is_member:
        raise ApiError("not_in_channel")
    return channel


def history(workspace: Workspace, arguments: Arguments) -> JSON:
    """Roots and broadcast replies, newest first."""
    channel = _readable(workspace, arguments)
    posts = [post for post in channel.posts if not post.deleted and (post.thread_ts is None or post.broadcast)]
    found = [post for post in reversed(posts) if _in_span(post, arguments)]
    return _messages(workspace, found, arguments, default=100)


def replies(workspace: Workspace, arguments: Arguments) -> JSON:
    """The root, then its replies, oldest first."""
    arguments.require("ts")
    channel = _readable(workspace, arguments)
    wanted = arguments.text("ts")
    root = channel.root(wanted)
    if root is None:
        raise ApiError("thread_not_found")
    found = [root, *(post for post in channel.replies(wanted) if _in_span(post, arguments))]
    return _messages(workspace, found, arguments, default=1000)


def _in_span(post: Message, arguments: Arguments) -> bool:
    ts = float(post.ts)
    try:
        oldest = float(arguments.text("oldest") or 0)
        latest = float(arguments.text("latest") or "inf")
    except ValueError:
        raise ApiError("invalid_ts_oldest") from None
    if arguments.flag("inclusive"):
        return oldest <= ts <= latest
    return oldest < ts < latest


def _messages(workspace: Workspace, found: list[Message], arguments: Arguments, *, default: int) -> JSON:
    page, following = page_of(found, arguments, default=default)
    with_metadata = arguments.flag("include_all_metadata")
    shown = [message_json(workspace.world, post, with_metadata=with_metadata) for post in page]
    answer: JSON = {"ok": True, "messages": shown, "has_more": bool(following)}
    if following:
        answer["response_metadata"] = {"next_cursor": following}
    return answer


METHODS: dict[str, Method] = {
    "conversations.list": list_all,
    "users.conversations": list_of_member,
    "conversations.info": info,
    "conversations.members": members,
    "conversations.open": open_direct,
    "conversations.history": history,
    "conversations.replies": replies,
}
