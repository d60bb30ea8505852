"""Fetches the photos of a check that somebody attached: from Slack, or from the files of its batch."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from bot.domain.applicants import Bundle, PhotoSource
from bot.domain.check.check import PhotoRef
from bot.domain.check.request import MAX_FILE_BYTES
from bot.errors import FileUnusable, PhotoCode, PhotoUnusable, SlackRefused
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.slack.error_codes import FILE_GONE
from bot.slack.file_objects import file_info, uploader
from bot.submission.photo_memory import Share
from bot.submission.photos import FetchedPhoto, named

T = TypeVar("T")


@dataclass(slots=True, kw_only=True, eq=False)
class SlackPhotos:
    """Implements `bot.submission.photos.PhotoOrigin`."""

    slack: SlackClient
    files: SlackDownloads
    bundles: BatchFiles
    of_files: Sequence[str] = ()
    """Those of the check's batch, if it has one."""

    def of(self, files: Sequence[str]) -> Self:
        """The same for a check of a batch with these files."""
        return replace(self, of_files=files)

    async def fetch(self, refs: Sequence[PhotoRef], share: Share) -> list[FetchedPhoto]:
        if all(ref.inside is None for ref in refs):
            described = await _side_by_side(self._describe(ref) for ref in refs)
            await share.take(sum(map(_bytes_of, described)))
            return await _side_by_side(map(self._fetch, refs, described))
        try:
            async with self.bundles.open(self.of_files) as (files, bundle):
                return await self._fetch_from(bundle, refs, frozenset(file.supplied_by for file in files), share)
        except FileUnusable as unusable:
            raise PhotoUnusable(unusable.code, **unusable.facts) from unusable
        except SlackRefused as no:
            if no.code in FILE_GONE:
                raise PhotoUnusable(PhotoCode.GONE_WITH_ITS_FILE) from no
            raise

    async def _fetch_from(
        self, bundle: Bundle, refs: Sequence[PhotoRef], suppliers: frozenset[str], share: Share
    ) -> list[FetchedPhoto]:
        """A row's photos, of which some may be files in Slack themselves."""
        described = {ref: await self._describe(ref) for ref in refs if ref.inside is None}
        sources = {ref: PhotoSource(file_id=ref.file_id, inside=ref.inside) for ref in refs if ref.inside is not None}
        inside = await asyncio.to_thread(lambda: sum(map(bundle.size, sources.values())))
        await share.take(inside + sum(map(_bytes_of, described.values())))
        return [
            await _fetch_inside(bundle, sources[ref], suppliers)
            if ref in sources
            else await self._fetch(ref, described[ref])
            for ref in refs
        ]

    async def _describe(self, photo: PhotoRef) -> Mapping[str, Any]:
        """The file as Slack has it now."""
        with named(photo):
            try:
                return await self.slack.file(photo.file_id)
            except SlackRefused as no:
                if no.code in FILE_GONE:
                    raise PhotoUnusable(PhotoCode.GONE) from no
                raise

    async def _fetch(self, photo: PhotoRef, described: Mapping[str, Any]) -> FetchedPhoto:
        with named(photo):
            data = await self.files.fetch(described)
        return FetchedPhoto(data=data, supplied_by=frozenset({uploader(described)}))


async def _fetch_inside(bundle: Bundle, source: PhotoSource, suppliers: frozenset[str]) -> FetchedPhoto:
    data, is_inline = await asyncio.to_thread(bundle.photo, source)
    return FetchedPhoto(data=data, is_inline=is_inline, supplied_by=suppliers)


def _bytes_of(described: Mapping[str, Any]) -> int:
    """What may come of a file: as Slack says, and never more than is read of it."""
    size = file_info(described).size
    return MAX_FILE_BYTES if size is None else min(max(size, 0), MAX_FILE_BYTES)


async def _side_by_side(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The first fault cancels the others: nobody would use what they give."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as faults:
        first = faults.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]
