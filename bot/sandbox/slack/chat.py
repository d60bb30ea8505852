"""chat.*: posting, changing and deleting the bot's messages."""

from dataclasses import dataclass

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.block_rules import ONLY_ONE_TABLE, faults_in_message, has_two_tables
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.image_rules import refuse_unfit_files
from bot.sandbox.slack.message_json import message_json
from bot.sandbox.slack.normal import normal_blocks
from bot.sandbox.slack.rules import LIMITS
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import BOT_USER_ID, JSON, TEAM_DOMAIN, Channel, Message, World

POST_TEXT_MAX = 40_000
UPDATE_TEXT_MAX = 4_000
METADATA_MAX_BYTES = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message is to say, checked."""

    text: str
    blocks: list[JSON]
    metadata: JSON | None


def read_content(world: World, fields: JSON, *, text_max: int) -> Content:
    """Refuses what Slack refuses in any message, whatever way it is sent."""
    text = str(fields.get("text") or fields.get("markdown_text") or "")
    blocks = fields.get("blocks") or []
    if not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    if not text.strip() and not blocks and not fields.get("attachments"):
        raise ApiError("no_text")
    if len(text) > text_max:
        raise ApiError("msg_too_long")
    if len(fields.get("attachments") or ()) > LIMITS["message"]["attachments"]["max_items"]:
        raise ApiError("too_many_attachments")
    if faults := faults_in_message(blocks):
        raise ApiError.about_fields("invalid_blocks", faults)
    refuse_unfit_files(world, blocks, error="invalid_blocks", at="/blocks")
    if has_two_tables(blocks):
        raise ApiError(ONLY_ONE_TABLE)
    return Content(text=text, blocks=normal_blocks(blocks), metadata=_metadata(fields.get("metadata")))


def _metadata(metadata: object) -> JSON | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or set(metadata) - {"event_type", "event_payload", "entities"}:
        raise ApiError("invalid_metadata_format")
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(event_type, str) or not event_type or not isinstance(payload, dict):
        raise ApiError("invalid_metadata_format")
    if len(str(metadata)) > METADATA_MAX_BYTES:
        raise ApiError("metadata_too_large")
    return metadata


def _place_for_post(workspace: Workspace, target: str) -> Channel:
    """Where a post to this channel or user id lands."""
    world = workspace.world
    if target.startswith(("U", "W")):
        user = world.users.get(target)
        if user is None or user.is_deleted or user.is_stranger or user.id == BOT_USER_ID:
            raise ApiError("channel_not_found")
        return world.direct_channel(target)
    channel = workspace.visible_channel(target)
    if channel.is_archived:
        raise ApiError("is_archived")
    if not channel.bot_is_member and "chat:write.public" not in workspace.scopes:
        raise ApiError("not_in_channel")
    return channel


def _check_thread(channel: Channel, thread_ts: str | None) -> None:
    """A reply hangs on a root: on a reply, or on nothing, it is refused."""
    if thread_ts is None:
        return
    root = channel.find(thread_ts)
    if root is None or root.thread_ts is not None:
        raise ApiError("cannot_reply_to_message")


def post_message(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("channel")
    channel = _place_for_post(workspace, arguments.text("channel"))
    content = read_content(workspace.world, arguments.fields, text_max=POST_TEXT_MAX)
    thread_ts = arguments.optional("thread_ts")
    _check_thread(channel, thread_ts)
    message = workspace.world.post(
        channel.id,
        user=BOT_USER_ID,
        text=content.text,
        blocks=content.blocks,
        thread_ts=thread_ts,
        metadata=content.metadata,
        broadcast=arguments.flag("reply_broadcast"),
    )
    shown = message_json(workspace.world, message, with_metadata=True)
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": shown}


def post_ephemeral(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("channel", "user")
    channel = _place_for_post(workspace, arguments.text("channel"))
    user_id = arguments.text("user")
    if user_id not in channel.members:
        raise ApiError("user_not_in_channel")
    content = read_content(workspace.world, arguments.fields, text_max=POST_TEXT_MAX)
    thread_ts = arguments.optional("thread_ts")
    _check_thread(channel, thread_ts)
    message = workspace.world.whisper(
        channel.id, user_id, text=content.text, blocks=content.blocks, thread_ts=thread_ts
    )
    return {"ok": True, "message_ts": message.ts}


def _own_message(workspace: Workspace, arguments: Arguments, *, refusal: str) -> Message:
    arguments.require("channel", "ts")
    channel = workspace.visible_channel(arguments.text("channel"))
    message = channel.find(arguments.text("ts"))
    if message is None:
        raise ApiError("message_not_found")
    if message.user != BOT_USER_ID:
        raise ApiError(refusal)
    return message


def update(workspace: Workspace, arguments: Arguments) -> JSON:
    """Replaces text and blocks together: text alone removes the blocks. Metadata stays unless given."""
    message = _own_message(workspace, arguments, refusal="cant_update_message")
    content = read_content(workspace.world, arguments.fields, text_max=UPDATE_TEXT_MAX)
    workspace.world.rewrite(message, text=content.text, blocks=content.blocks, metadata=content.metadata)
    shown = message_json(workspace.world, message, with_metadata=True)
    return {"ok": True, "channel": message.channel, "ts": message.ts, "text": message.text, "message": shown}


def delete(workspace: Workspace, arguments: Arguments) -> JSON:
    message = _own_message(workspace, arguments, refusal="cant_delete_message")
    workspace.world.delete(message)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


def get_permalink(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("channel", "message_ts")
    channel = workspace.visible_channel(arguments.text("channel"))
    message = channel.find(arguments.text("message_ts"))
    if message is None:
        raise ApiError("message_not_found")
    link = f"https://{TEAM_DOMAIN}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"ok": True, "channel": channel.id, "permalink": link}


METHODS: dict[str, Method] = {
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
}
