"""Files that the bot uploads: an address for the bytes, and their share. The answer never has the message's ts."""

import secrets
from datetime import timedelta

from bot.sandbox.slack import kinds
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.chat import POST_TEXT_MAX, Content, read_content
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.file_info import early_file
from bot.sandbox.slack.files import MAX_BYTES, PendingUpload, SlackFile
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import BOT_USER_ID, JSON, TEAM_ID, Channel, World

ALT_TEXT_MAX = 1_000


def get_upload_url(workspace: Workspace, arguments: Arguments) -> JSON:
    name, length = arguments.text("filename"), arguments.number("length", 0)
    if not name or length <= 0:
        raise ApiError("missing_argument")
    if length > MAX_BYTES:
        raise ApiError("file_upload_size_restricted")
    if len(arguments.text("alt_txt")) > ALT_TEXT_MAX:
        raise ApiError("alt_txt_too_large")
    world = workspace.world
    file = SlackFile(
        id=world.new_id("F"),
        name=name,
        content=b"",
        mimetype=kinds.mimetype(name),
        user=BOT_USER_ID,
        user_team=TEAM_ID,
        created=int(world.clock().timestamp()),
        alt_text=arguments.text("alt_txt"),
    )
    ticket = secrets.token_urlsafe(18)
    workspace.uploads[ticket] = PendingUpload(file=file, length_bytes=length)
    return {"ok": True, "upload_url": f"{world.files_url}/upload/v1/{ticket}", "file_id": file.id}


def complete_upload(workspace: Workspace, arguments: Arguments) -> JSON:
    """All files, as one message of the bot, or nothing at all.

    What Slack answers to a second completion of the same file is not documented: here it is refused, so that a bot
    must look with files.info when it does not know.
    """
    chosen = _announced(workspace, arguments)
    channels = [_place(workspace, channel_id) for channel_id in _wanted_channels(arguments)]
    thread_ts = arguments.optional("thread_ts")
    for channel in channels:
        root = channel.find(thread_ts) if thread_ts else None
        if thread_ts and (root is None or root.thread_ts is not None):
            # Slack's page names no error for this; a thread that is not there takes no file.
            raise ApiError("invalid_arguments")
    world = workspace.world
    content = _comment(world, arguments)
    ready_at = world.clock() + timedelta(seconds=workspace.file_seconds)
    files = []
    for ticket, title in chosen.items():
        file = workspace.uploads.pop(ticket).file
        file.title, file.ready_at = title, ready_at
        world.files[file.id] = file
        files.append(file)
    for channel in channels:
        world.post(
            channel.id, user=BOT_USER_ID, text=content.text, blocks=content.blocks, thread_ts=thread_ts, files=files
        )
    return {"ok": True, "files": [early_file(file.as_json(world.files_url)) for file in files]}


def _announced(workspace: Workspace, arguments: Arguments) -> dict[str, str]:
    """Tickets of the files named, with their titles."""
    named = arguments.fields.get("files")
    if not isinstance(named, list) or not named:
        raise ApiError.about_fields("invalid_arguments", ["missing required field: files [json-pointer:/files]"])
    tickets = {pending.file.id: ticket for ticket, pending in workspace.uploads.items() if pending.file.content}
    chosen = {}
    for entry in named:
        file_id = entry.get("id") if isinstance(entry, dict) else None
        if file_id not in tickets:
            raise ApiError("file_not_found")
        chosen[tickets[file_id]] = str(entry.get("title") or "")
    return chosen


def _wanted_channels(arguments: Arguments) -> list[str]:
    one, many = arguments.text("channel_id"), arguments.text("channels")
    return [one] if one else [name.strip() for name in many.split(",") if name.strip()]


def _place(workspace: Workspace, channel_id: str) -> Channel:
    """Where the bot may share: only conversations it is in, even with chat:write.public."""
    if not channel_id.startswith(("C", "D", "G")):
        raise ApiError("invalid_channel")
    channel = workspace.visible_channel(channel_id)
    if not channel.bot_is_member:
        raise ApiError("not_in_channel")
    if channel.is_archived:
        raise ApiError("posting_to_channel_denied")
    return channel


def _comment(world: World, arguments: Arguments) -> Content:
    text, blocks = arguments.text("initial_comment"), arguments.fields.get("blocks")
    if not text and not blocks:
        return Content(text="", blocks=[], metadata=None)
    return read_content(world, {"text": text, "blocks": blocks}, text_max=POST_TEXT_MAX)


METHODS: dict[str, Method] = {
    "files.getUploadURLExternal": get_upload_url,
    "files.completeUploadExternal": complete_upload,
}
