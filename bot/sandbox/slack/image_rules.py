"""Which `slack_file` Slack takes in an image: one that exists, is finished, is a picture, and that the bot may read.

Source: docs.slack.dev/reference/block-kit/composition-objects/slack-file-object, and for files that Slack still works
on github.com/slackapi/python-slack-sdk/issues/1658 (read 2026-11). Whether each reader of the image may see the file is
not asked here: Slack's client shows a gap to those who may not (not documented), as the page does.
"""

from collections.abc import Iterator

from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.world import JSON, World

_PICTURES = {"png", "jpg", "jpeg", "gif"}


def refuse_unfit_files(world: World, blocks: list[JSON], *, error: str, at: str) -> None:
    """Raises `error` if an image of these blocks, which stand at the pointer `at`, names a file that Slack refuses."""
    faults = [
        f"invalid slack file [json-pointer:{at}/{where}/slack_file]"
        for where, given in _named(blocks)
        if not _is_taken(world, given)
    ]
    if faults:
        raise ApiError.about_fields(error, faults)


def file_named(world: World, given: JSON) -> SlackFile | None:
    """The file that a `slack_file` names by its id, its private address or its permalink."""
    if "id" in given:
        return world.files.get(str(given["id"]))
    addresses = ("url_private", "permalink")
    return next(
        (
            file
            for file in world.files.values()
            if given.get("url") in [file.as_json(world.files_url)[key] for key in addresses]
        ),
        None,
    )


def _named(blocks: list[JSON]) -> Iterator[tuple[str, JSON]]:
    """Each `slack_file` with the pointer of the image that has it."""
    for index, block in enumerate(blocks):
        images = {f"{index}": block, f"{index}/accessory": block.get("accessory") or {}}
        images |= {f"{index}/elements/{number}": element for number, element in enumerate(block.get("elements", ()))}
        for where, image in images.items():
            if image.get("type") == "image" and "slack_file" in image:
                yield where, image["slack_file"]


def _is_taken(world: World, given: JSON) -> bool:
    file = file_named(world, given)
    if file is None or not world.takes_slack_files or not world.bot_may_read(file):
        return False
    is_finished = file.ready_at is None or world.clock() >= file.ready_at
    return is_finished and not (file.is_deleted or file.refusal or file.external_type) and file.filetype in _PICTURES
