"""files.delete: the bot deletes its own files, and a person's token those that this person may.

docs.slack.dev/reference/methods/files.delete (2026-11) names the errors; who may delete whose file is in Slack's help
pages: everybody their own, and admins of the workspace those of others that they can see.
"""

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import BOT_USER_ID, JSON, World


def files_delete(workspace: Workspace, arguments: Arguments, *, by: str = BOT_USER_ID) -> JSON:
    """`by` is whose token it is."""
    arguments.require("file")
    world = workspace.world
    file = world.files.get(arguments.text("file"))
    if file is None or not _may_see(world, file, by):
        raise ApiError("file_not_found")
    if file.is_deleted:
        raise ApiError("file_deleted")
    if not workspace.files_may_be_deleted:
        raise ApiError("file_deleting_disabled")
    if file.user != by and not (by in world.users and world.users[by].is_admin):
        raise ApiError("cant_delete_file")
    world.delete_file(file)
    return {"ok": True}


def _may_see(world: World, file: SlackFile, by: str) -> bool:
    if by == BOT_USER_ID:
        return world.bot_may_read(file)
    shared = [world.channels[channel] for channel in file.shared_in if channel in world.channels]
    is_public = any(not (channel.is_private or channel.is_im) for channel in shared)
    return file.user == by or is_public or any(by in channel.members for channel in shared)


METHODS: dict[str, Method] = {"files.delete": files_delete}
