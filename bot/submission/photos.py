"""Loads the photos of a check, from whoever holds them, and prepares them for Smile ID.

A fault is raised, and names the photo; the caller decides what it means for the check.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bot.domain.check.check import PhotoKind, PhotoRef
from bot.domain.check.photos import Photo
from bot.errors import PhotoUnusable
from bot.submission.photo_decoder import PhotoDecoder
from bot.submission.photo_memory import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPhoto:
    """A photo as it came."""

    data: bytes = field(repr=False)
    is_inline: bool = False
    """It came as base64 in a table."""
    supplied_by: frozenset[str] = frozenset()
    """Who uploaded it, or the files of its batch."""


class PhotoOrigin(Protocol):
    """Whoever holds the photos of a check until they are sent."""

    async def fetch(self, refs: Sequence[PhotoRef], share: Share) -> list[FetchedPhoto]:
        """These photos, in order. Before any is in memory, what they may come to is taken of `share`.

        Raises PhotoUnusable, or SlackError where waiting helps.
        """


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
    decoder: PhotoDecoder

    async def load(
        self, refs: Sequence[PhotoRef], origin: PhotoOrigin, *, share: Share, limit: asyncio.Timeout
    ) -> list[LoadedPhoto]:
        """All of a check's photos, in order. Raises what `origin` does, and PhotoUnusable.

        The time-out `limit` is suspended while they wait for their share of the memory, and for other checks' photos
        to be decoded.
        """
        loaded = []
        fetched = deque(await origin.fetch(refs, share))
        for ref in refs:
            # What is decoded is let go of: only the JPEG is needed from here on.
            came = fetched.popleft()
            with named(ref):
                photo = await self.decoder.prepare(came.data, limit=limit)
            loaded.append(
                LoadedPhoto(
                    ref=ref,
                    size=len(came.data),
                    is_inline=came.is_inline,
                    supplied_by=came.supplied_by,
                    photo=photo,
                )
            )
        return loaded


@contextmanager
def named(photo: PhotoRef) -> Iterator[None]:
    """A fault says which of the nine photos it is about."""
    try:
        yield
    except PhotoUnusable as unusable:
        which = {"selfie": True} if photo.kind is PhotoKind.SELFIE else {"liveness_image": photo.position + 1}
        raise PhotoUnusable(unusable.code, **unusable.facts, **which) from unusable
