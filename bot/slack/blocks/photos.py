"""*Show photos*: the one view in which faces stand, and the request to post the photos in the thread.

What an image takes: docs.slack.dev/reference/block-kit/composition-objects/slack-file-object (2026-11). Whether Slack
shows a file to somebody whom it was not shared with is not documented, so the view says what to do then.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.check.check import Check, PhotosBy
from bot.domain.dates import day_of
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.status import label, subject
from bot.slack.blocks.text import person, when

_SAFE_LINK = re.compile(r"https?://[^\s<>|]+")

WAIT = "Fetching the photos from Slack. If nothing appears here, close this page and press *Show photos* again."
ASKED = "The requester is asked to post the photos."
TAKEN_BY_LINK = (
    "The customer takes the photos of this check by a link. They go to Smile ID and lie nowhere else: *Details* has "
    "links to them at Smile ID, for a short time after the result."
)
LOGGED = "Opening this page is logged."
EXPIRED = "Slack could not open the photos in time. Press *Show photos* again."


class Missing(StrEnum):
    """Why a photo is not there to look at."""

    DELETED = "deleted"
    """By a person, or by the workspace's own retention."""
    HIDDEN = "hidden"
    """Beyond what the workspace's plan of Slack keeps visible."""
    CLOSED = "closed"
    """Slack does not let the bot see it, or does not know it any more."""
    INSIDE = "inside"
    """It lies in a zip or table of many customers, and has no file of its own in Slack."""
    SILENT = "silent"
    """Slack did not answer."""


_MISSING: Mapping[Missing, str] = {
    Missing.DELETED: "deleted from Slack.",
    Missing.HIDDEN: "hidden by the limits of your Slack plan.",
    Missing.CLOSED: "no longer in Slack, or no longer open to this bot.",
    Missing.INSIDE: "inside a file with the photos of other customers. Slack can't show one photo of such a file.",
    Missing.SILENT: "Slack did not answer. Close this page and press Show photos again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPhoto:
    """A photo of the check's last round, as far as Slack still has it."""

    name: str
    """*Selfie*, *Liveness image 3*."""
    file_id: str
    link: str = field(default="", repr=False)
    """The file's permalink, which holds the name that its sender gave it."""
    is_image: bool = True
    """Of a kind that an image block takes."""
    missing: Missing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """That this reader asked the requester to post the photos, and where they are to be found."""

    at: datetime
    thread: str | None
    """The thread's link; None where there is none, or nobody but its requester can read it."""


def opening(ref: str) -> View:
    """What stands there while Slack is asked for the files."""
    return _modal(ref, [kit.section(WAIT), kit.small(LOGGED)])


def photos(
    check: Check,
    entry: IDType | None,
    shown: Sequence[ShownPhoto],
    *,
    as_links: bool = False,
    asked: AskedFor | None = None,
    has_left: bool = False,
    row: Sequence[Block] = (),
) -> View:
    """The photos; `as_links` where Slack refuses to show them here. `row`: what can be done with the check.

    `has_left`: who attached them is no member of the workspace any more, so nobody can be asked for them.
    """
    blocks: list[Block] = [kit.section(f"*{subject(check, entry)}*")]
    for photo in shown:
        blocks += _photo(check.ref, photo, as_links=as_links)
    if check.photos_erased_at is not None:
        blocks.append(
            kit.section(f"*Erased on {day_of(check.photos_erased_at)}*: nothing tells which photos were sent.")
        )
    elif check.photos_by is PhotosBy.LINK:
        blocks.append(kit.section(TAKEN_BY_LINK))
    elif not shown:
        blocks.append(kit.section("The bot knows of no photos of this check."))
    if any(photo.missing is None for photo in shown):
        blocks.append(
            kit.small("Slack may show a photo only to people it was shared with. You may see an empty frame instead.")
        )
    if check.erased_at is None and check.photos_by is not PhotosBy.LINK:
        blocks += _asking(check, asked, has_left=has_left)
    if row:
        blocks.append(kit.actions(*row))
    return _modal(check.ref, [*blocks, kit.small(LOGGED)])


def _photo(ref: str, photo: ShownPhoto, *, as_links: bool) -> list[Block]:
    """By its name alone where it has lapsed. No name of a person: alternative texts are read aloud."""
    if photo.missing is not None:
        return [kit.section(f"*{photo.name}*: {_MISSING[photo.missing]}")]
    described = f"{photo.name} of check {ref}"
    if photo.is_image and not as_links:
        source = {"slack_file": {"id": photo.file_id}}
        return [{"type": "image", "title": kit.plain(photo.name), "alt_text": described, **source}]
    if _SAFE_LINK.fullmatch(photo.link):
        return [kit.section(f"<{photo.link.replace('&', '&amp;')}|Open {described} in Slack>")]
    return [kit.section(f"*{photo.name}*: {_MISSING[Missing.CLOSED]}")]


def _asking(check: Check, asked: AskedFor | None, *, has_left: bool) -> list[Block]:
    """Reviewers see what stands in a channel they are in; a conversation with the bot is the requester's alone."""
    who, is_private = person(check.consent_by), check.channel.startswith("D")
    if asked is not None:
        where = "They come to you by direct message." if is_private else "They come as replies in the thread"
        link = "" if is_private else (f": <{asked.thread}|open the thread>." if asked.thread else ".")
        return [kit.section(f"*You asked {who} for the photos* {when(asked.at)}. {where}{link}")]
    if has_left:
        return [kit.section(f"*Can't see a photo?* {who} attached the photos and has left this workspace.")]
    what = "send you the photos" if is_private else f"post the photos in the thread, in <#{check.channel}>"
    button = kit.confirmed(
        kit.check_button(ids.PHOTOS_ASK, "Ask for the photos", check.ref),
        title="Ask for the photos?",
        text="They come to you by direct message."
        if is_private
        else "Everybody in that channel will see the photos. You need to be in it to see them too.",
        confirm="Ask",
        deny="Don't ask",
    )
    return [kit.section(f"*Can't see a photo?* Ask {who} to {what}.") | {"accessory": button}]


def show_button(ref: str) -> Block:
    return kit.check_button(ids.PHOTOS_SHOW, "Show photos", ref)


def request(check: Check, *, by: str, is_direct: bool) -> Message:
    """To the requester: what to do so that the reviewer `by` sees the photos.

    Not in a conversation with the bot, where files ask for a new check and nobody else reads: then, as when it comes as
    a direct message, the photos go to the reviewer by name.
    """
    count = check.liveness_images
    photos_sent = "the selfie" + (
        f" and the {count} liveness images" if count > 1 else " and the liveness image" * count
    )
    why = f"{person(by)} reviews this check, and Slack shows them no photos that were not shared with them."
    if is_direct or check.channel.startswith("D"):
        title = "Photos needed by a reviewer"
        what = f"Send {photos_sent} of this check to {person(by)} in a direct message. Don't send them here."
    else:
        title = "Photos needed in this thread"
        what = (
            f"Attach {photos_sent} of this check to a reply here. Everybody in this channel will see them: "
            "delete the reply once the check is decided."
        )
    head = f"*{title}* · {label(check)}"
    blocks = [kit.section(f"{person(check.consent_by)} {head}"), kit.section(what), kit.small_mrkdwn(why)]
    return kit.told(
        blocks, verdict=title, ref=label(check), next_step=what, mention=person(check.consent_by), rest=[why]
    )


def _modal(ref: str, blocks: Sequence[Block]) -> View:
    return kit.modal(f"Photos of {ref}", blocks, callback_id=ids.PHOTOS_VIEW, close="Close", metadata=ref)
