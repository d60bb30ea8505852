"""Fetches the photos of a check, from Slack or from the files of its batch, and prepares them for Smile ID.

A fault is raised, and names the photo; the caller decides what it means for the check.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.domain.applicants import PhotoSource
from bot.domain.check.check import Check, PhotoKind, PhotoRef
from bot.domain.check.photos import Photo
from bot.errors import FileUnusable, PhotoCode, PhotoUnusable, SlackRefused
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.slack.error_codes import FILE_GONE
from bot.slack.file_objects import uploader
from bot.submission.photo_decoder import PhotoDecoder
from storage import batches
from storage.engine.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPhoto:
    ref: PhotoRef
    size: int
    """Of the file as it was attached, in bytes."""
    is_inline: bool
    """It came as base64 in a table."""
    supplied_by: frozenset[str]
    """Who uploaded it, or the files of its batch."""
    photo: Photo = field(repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class PhotoLoader:
    database: Database
    slack: SlackClient
    files: SlackDownloads
    bundles: BatchFiles
    decoder: PhotoDecoder

    async def load(self, check: Check, refs: Sequence[PhotoRef], *, limit: asyncio.Timeout) -> list[LoadedPhoto]:
        """All of them, in order. Raises PhotoUnusable, or SlackError where waiting helps.

        The time-out `limit` is suspended while they wait for other checks' photos to be decoded.
        """
        loaded = []
        for ref, (data, is_inline, suppliers) in zip(refs, await self._fetch_all(check, refs), strict=True):
            with _named(ref):
                photo = await self.decoder.prepare(data, limit=limit)
            loaded.append(LoadedPhoto(ref=ref, size=len(data), is_inline=is_inline, supplied_by=suppliers, photo=photo))
        return loaded

    async def _fetch_all(self, check: Check, refs: Sequence[PhotoRef]) -> list[tuple[bytes, bool, frozenset[str]]]:
        """Each photo's bytes, whether they came as base64 in a table, and who supplied it."""
        if check.batch is None or all(ref.inside is None for ref in refs):
            try:
                async with asyncio.TaskGroup() as group:
                    fetching = [group.create_task(self._fetch(ref)) for ref in refs]
            except ExceptionGroup as faults:
                # The first fault has cancelled the others: nobody would use what they fetch.
                first = faults.exceptions[0]
                raise first from first.__cause__
            return [task.result() for task in fetching]
        batch = await self.database.read(batches.get, check.batch)
        try:
            async with self.bundles.open(batch.files) as (files, bundle):
                suppliers = frozenset(file.supplied_by for file in files)
                return [
                    await self._fetch(ref)
                    if ref.inside is None
                    else (
                        *await asyncio.to_thread(bundle.photo, PhotoSource(file_id=ref.file_id, inside=ref.inside)),
                        suppliers,
                    )
                    for ref in refs
                ]
        except FileUnusable as unusable:
            raise PhotoUnusable(unusable.code, **unusable.facts) from unusable
        except SlackRefused as no:
            if no.code in FILE_GONE:
                raise PhotoUnusable(PhotoCode.GONE_WITH_ITS_FILE) from no
            raise

    async def _fetch(self, photo: PhotoRef) -> tuple[bytes, bool, frozenset[str]]:
        with _named(photo):
            try:
                found = await self.slack.file(photo.file_id)
                return await self.files.fetch(found), False, frozenset({uploader(found)})
            except SlackRefused as no:
                if no.code in FILE_GONE:
                    raise PhotoUnusable(PhotoCode.GONE) from no
                raise


@contextmanager
def _named(photo: PhotoRef) -> Iterator[None]:
    """A fault says which of the nine photos it is about."""
    try:
        yield
    except PhotoUnusable as unusable:
        which = {"selfie": True} if photo.kind is PhotoKind.SELFIE else {"liveness_image": photo.position + 1}
        raise PhotoUnusable(unusable.code, **unusable.facts, **which) from unusable
