"""files.info: the whole of a file, where it was shared, and the refusals."""

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import JSON, TEAM_ID, Channel, Message, World


def files_info(workspace: Workspace, arguments: Arguments) -> JSON:
    """The whole file object, also of files that payloads show as a stub only."""
    arguments.require("file")
    world = workspace.world
    file = world.files.get(arguments.text("file"))
    if file is None or not world.bot_may_read(file):
        raise ApiError("file_not_found")
    if file.refusal:
        raise ApiError(file.refusal)
    if file.is_deleted:
        raise ApiError("file_deleted")
    return {"ok": True, "file": whole_file(world, file), "comments": [], "response_metadata": {"next_cursor": ""}}


def whole_file(world: World, file: SlackFile) -> JSON:
    shown = file.as_json(world.files_url)
    if file.ready_at is not None and world.clock() < file.ready_at:
        return early_file(shown)
    shares: dict[str, JSON] = {"public": {}, "private": {}}
    places: dict[str, list[str]] = {"channels": [], "groups": [], "ims": []}
    for channel_id in sorted(file.shared_in & set(world.channels)):
        channel = world.channels[channel_id]
        posts = [post for post in channel.posts if file in post.files and not post.deleted]
        is_public = not (channel.is_private or channel.is_im)
        shares["public" if is_public else "private"][channel_id] = [_share(world, channel, post) for post in posts]
        places[{"im": "ims"}.get(channel.scope_family, channel.scope_family)].append(channel_id)
    return shown | places | {"shares": {kind: found for kind, found in shares.items() if found}}


def early_file(shown: JSON) -> JSON:
    """What Slack knows of a file that it still works on: neither its kind nor where it stands."""
    unknown = {"mimetype": "", "filetype": "", "pretty_type": ""}
    early = shown | unknown | {"shares": {}, "channels": [], "groups": [], "ims": []}
    return {key: value for key, value in early.items() if key not in {"original_w", "original_h"}}


def _share(world: World, channel: Channel, post: Message) -> JSON:
    replies = channel.replies(post.ts)
    share: JSON = {
        "reply_users": sorted({reply.user for reply in replies}),
        "reply_users_count": len({reply.user for reply in replies}),
        "reply_count": len(replies),
        "ts": post.ts,
        "channel_name": channel.name,
        "team_id": TEAM_ID,
        "share_user_id": post.user,
        "source": "UNKNOWN",
        "is_silent_share": False,
    }
    return share | ({"thread_ts": post.thread_ts} if post.thread_ts else {})


METHODS: dict[str, Method] = {"files.info": files_info}
