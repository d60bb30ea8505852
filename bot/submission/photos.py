"""Fetches the photos of a check, from Slack or from the files of its batch, and prepares them for Smile ID.

A fault is raised, and names the photo; the caller decides what it means for the check.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.domain.applicants import Bundle, PhotoSource
from bot.domain.check.check import PhotoKind, PhotoRef
from bot.domain.check.photos import Photo
from bot.domain.check.request import MAX_FILE_BYTES
from bot.errors import FileUnusable, PhotoCode, PhotoUnusable, SlackRefused
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.slack.error_codes import FILE_GONE
from bot.slack.file_objects import file_info, uploader
from bot.submission.photo_decoder import PhotoDecoder
from bot.submission.photo_memory import Share

T = TypeVar("T")

_Fetched = tuple[bytes, bool, frozenset[str]]
"""A photo's bytes, whether they came as base64 in a table, and who supplied it."""


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
    slack: SlackClient
    files: SlackDownloads
    bundles: BatchFiles
    decoder: PhotoDecoder

    async def load(
        self, refs: Sequence[PhotoRef], *, of_files: Sequence[str], share: Share, limit: asyncio.Timeout
    ) -> list[LoadedPhoto]:
        """All of a check's photos, in order; `of_files` are those of its batch, if it has one.

        Raises PhotoUnusable, or SlackError where waiting helps.

        Before any is fetched, their bytes are taken of `share`. The time-out `limit` is suspended while they wait for
        those and for other checks' photos to be decoded.
        """
        loaded = []
        fetched = deque(await self._fetch_all(refs, of_files, share))
        for ref in refs:
            # What is decoded is let go of: only the JPEG is needed from here on.
            data, is_inline, suppliers = fetched.popleft()
            with _named(ref):
                photo = await self.decoder.prepare(data, limit=limit)
            loaded.append(LoadedPhoto(ref=ref, size=len(data), is_inline=is_inline, supplied_by=suppliers, photo=photo))
        return loaded

    async def _fetch_all(self, refs: Sequence[PhotoRef], of_files: Sequence[str], share: Share) -> list[_Fetched]:
        if all(ref.inside is None for ref in refs):
            described = await _side_by_side(self._describe(ref) for ref in refs)
            await share.take(sum(map(_bytes_of, described)))
            return await _side_by_side(map(self._fetch, refs, described))
        try:
            async with self.bundles.open(of_files) as (files, bundle):
                return await self._fetch_from(bundle, refs, frozenset(file.supplied_by for file in files), share)
        except FileUnusable as unusable:
            raise PhotoUnusable(unusable.code, **unusable.facts) from unusable
        except SlackRefused as no:
            if no.code in FILE_GONE:
                raise PhotoUnusable(PhotoCode.GONE_WITH_ITS_FILE) from no
            raise

    async def _fetch_from(
        self, bundle: Bundle, refs: Sequence[PhotoRef], suppliers: frozenset[str], share: Share
    ) -> list[_Fetched]:
        """A row's photos, of which some may be files in Slack themselves."""
        described = {ref: await self._describe(ref) for ref in refs if ref.inside is None}
        sources = {ref: PhotoSource(file_id=ref.file_id, inside=ref.inside) for ref in refs if ref.inside is not None}
        inside = await asyncio.to_thread(lambda: sum(map(bundle.size, sources.values())))
        await share.take(inside + sum(map(_bytes_of, described.values())))
        return [
            (*await asyncio.to_thread(bundle.photo, sources[ref]), suppliers)
            if ref in sources
            else await self._fetch(ref, described[ref])
            for ref in refs
        ]

    async def _describe(self, photo: PhotoRef) -> Mapping[str, Any]:
        """The file as Slack has it now."""
        with _named(photo):
            try:
                return await self.slack.file(photo.file_id)
            except SlackRefused as no:
                if no.code in FILE_GONE:
                    raise PhotoUnusable(PhotoCode.GONE) from no
                raise

    async def _fetch(self, photo: PhotoRef, described: Mapping[str, Any]) -> _Fetched:
        with _named(photo):
            return await self.files.fetch(described), False, frozenset({uploader(described)})


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


@contextmanager
def _named(photo: PhotoRef) -> Iterator[None]:
    """A fault says which of the nine photos it is about."""
    try:
        yield
    except PhotoUnusable as unusable:
        which = {"selfie": True} if photo.kind is PhotoKind.SELFIE else {"liveness_image": photo.position + 1}
        raise PhotoUnusable(unusable.code, **unusable.facts, **which) from unusable
