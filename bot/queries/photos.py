"""What a reviewer sees behind *Show photos*: each photo of the last round as Slack has it now, or why it has lapsed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.domain.check.check import Check, PhotoKind, PhotoRef, PhotosBy
from bot.domain.check.field_faults import FieldCode
from bot.errors import SlackError, SlackRefused
from bot.outbox.links import Links
from bot.review import eligibility
from bot.review.photos import PhotoAccess
from bot.slack.blocks import photos, review_actions
from bot.slack.blocks.kit import Block
from bot.slack.blocks.photos import AskedFor, Missing, ShownPhoto
from bot.slack.client import SlackClient
from bot.slack.error_codes import FILE_GONE
from bot.slack.file_objects import file_info
from storage import checks, reviews

_IMAGES = frozenset({"png", "jpg", "jpeg", "gif"})
"""What an image block takes (docs.slack.dev/reference/block-kit/composition-objects/slack-file-object, 2026-11)."""
_BARRED: Mapping[FieldCode, Missing] = {
    FieldCode.FILE_DELETED: Missing.DELETED,
    FieldCode.FILE_HIDDEN: Missing.HIDDEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoViews:
    """The same view twice, since only Slack knows whether it takes the first."""

    with_images: Mapping[str, Any]
    with_links: Mapping[str, Any]


@dataclass(slots=True, kw_only=True, eq=False)
class CheckPhotos(Process):
    slack: SlackClient
    links: Links
    photo_access: PhotoAccess

    async def views(self, user: str, ref: str) -> PhotoViews:
        """For somebody whom `PhotoAccess.open` has let in; asks Slack about each file. Raises Refused."""
        check = await self.photo_access.still_open(user, ref)
        is_attached = check.photos_by is PhotosBy.ATTACHED
        held = await self.database.read(checks.photos, ref) if is_attached else []
        shown = await asyncio.gather(*map(self._shown, held))
        asked, entry = await self._asked(user, check), self.id_types.find(check.country, check.id_type)
        has_left = is_attached and await self.access.is_member(check.consent_by) is Permission.NO
        row = await self._row(user, check)
        with_images, with_links = [
            photos.photos(check, entry, shown, as_links=as_links, asked=asked, has_left=has_left, row=row)
            for as_links in (False, True)
        ]
        return PhotoViews(with_images=with_images, with_links=with_links)

    async def _row(self, user: str, check: Check) -> list[Block]:
        """What decides, for who may: a reviewer who has looked need not go back for it."""
        is_admin = await eligibility.overrides(self.access, user)
        reader = review_actions.Reader(user=user, is_reviewer=True, is_admin=is_admin)
        return review_actions.in_photos(check, await self.database.read(reviews.find, check.ref), reader)

    async def _asked(self, user: str, check: Check) -> AskedFor | None:
        at = await self.photo_access.asked_at(user, check)
        if at is None:
            return None
        return AskedFor(at=at, thread=await self.links.thread(check))

    async def _shown(self, held: PhotoRef) -> ShownPhoto:
        name = "Selfie" if held.kind is PhotoKind.SELFIE else f"Liveness image {held.position + 1}"
        photo = ShownPhoto(name=name, file_id=held.file_id)
        if held.inside is not None:
            # Neither shown nor linked: the file holds other customers too, some of whom this reader may have asked for.
            return replace(photo, missing=Missing.INSIDE)
        try:
            found = await asyncio.wait_for(self.slack.file(held.file_id), self.slack.look_up_seconds)
        except SlackRefused as no:
            gone = Missing.DELETED if no.code == "file_deleted" else Missing.CLOSED
            return replace(photo, missing=gone if no.code in FILE_GONE else Missing.SILENT)
        except (SlackError, TimeoutError):
            return replace(photo, missing=Missing.SILENT)
        told = file_info(found)
        if told.barred is not None:
            return replace(photo, missing=_BARRED.get(told.barred, Missing.CLOSED))
        return replace(photo, link=str(found.get("permalink") or ""), is_image=told.filetype in _IMAGES)
