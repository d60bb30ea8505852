"""Fetches the photos of a check, from Slack or from the files of its batch, and prepares them for Smile ID.

A fault is raised, and names the photo; the caller decides what it means for the check.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.domain.applicants import PhotoSource
from bot.domain.check.check import Check, PhotoKind, PhotoRef
from bot.domain.check.photos import Photo
from bot.errors import FileUnusable, PhotoCode, PhotoUnusable, SlackRefused
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.slack.error_codes import FILE_GONE
from bot.submission.photo_decoder import PhotoDecoder
from storage import batches
from storage.engine.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPhoto:
    """One photo of a check, ready to be sent."""

    ref: PhotoRef
    size: int
    """Of the file as it was attached, in bytes."""
    is_inline: bool
    """It came as base64 in a table."""
    photo: Photo = field(repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class PhotoLoader:
    """Fetches the photos of a check and prepares them."""

    database: Database
    slack: SlackClient
    files: SlackDownloads
    bundles: BatchFiles
    decoder: PhotoDecoder

    async def load(self, check: Check, refs: Sequence[PhotoRef], *, limit: asyncio.Timeout) -> list[LoadedPhoto]:
        """All of them, in order. Raises PhotoUnusable, or SlackError where waiting helps.

        The time-out `limit` is suspended while they wait for other checks' photos to be decoded.
        """
        found = await self._fetch_all(check, refs)
        return [
            LoadedPhoto(ref=ref, size=len(data), is_inline=inline, photo=await self._prepare(ref, data, limit))
            for ref, (data, inline) in zip(refs, found, strict=True)
        ]

    async def _fetch_all(self, check: Check, refs: Sequence[PhotoRef]) -> list[tuple[bytes, bool]]:
        """Each photo's bytes, and whether they came as base64 in a table."""
        if check.batch is None or all(ref.inside is None for ref in refs):
            try:
                async with asyncio.TaskGroup() as group:
                    fetching = [group.create_task(self._fetch(ref)) for ref in refs]
            except ExceptionGroup as faults:
                # The first fault has cancelled the others: nobody would use what they fetch.
                first = faults.exceptions[0]
                raise first from first.__cause__
            return [(task.result(), False) for task in fetching]
        batch = await self.database.read(batches.get, check.batch)
        try:
            async with self.bundles.open(batch.files) as (_files, bundle):
                return [
                    (await self._fetch(ref), False)
                    if ref.inside is None
                    else await asyncio.to_thread(bundle.photo, PhotoSource(file_id=ref.file_id, inside=ref.inside))
                    for ref in refs
                ]
        except FileUnusable as unusable:
            raise PhotoUnusable(unusable.code, **unusable.facts) from unusable
        except SlackRefused as no:
            if no.code in FILE_GONE:
                raise PhotoUnusable(PhotoCode.GONE_WITH_ITS_FILE) from no
            raise

    async def _fetch(self, photo: PhotoRef) -> bytes:
        try:
            return await self.files.fetch(await self.slack.file(photo.file_id))
        except PhotoUnusable as unusable:
            raise _named(photo, unusable) from unusable
        except SlackRefused as no:
            if no.code in FILE_GONE:
                raise _named(photo, PhotoUnusable(PhotoCode.GONE)) from no
            raise

    async def _prepare(self, photo: PhotoRef, data: bytes, limit: asyncio.Timeout) -> Photo:
        try:
            return await self.decoder.prepare(data, limit=limit)
        except PhotoUnusable as unusable:
            raise _named(photo, unusable) from unusable


def _named(photo: PhotoRef, unusable: PhotoUnusable) -> PhotoUnusable:
    """The same, saying which of the nine photos it is about."""
    which = {"selfie": True} if photo.kind is PhotoKind.SELFIE else {"liveness_image": photo.position + 1}
    return PhotoUnusable(unusable.code, **unusable.facts, **which)
