"""The files of batches, fetched from Slack once into temporary files that nobody else can open, while they are used."""

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from bot.domain.applicants import Bundle, Limits, SourceFile
from bot.domain.id_types.id_types import IDTypes
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads

MOST_OPEN = 3
"""Bundles kept open when nobody uses them; each may be as large as a zip may be."""


@dataclass(slots=True)
class _Open:
    files: list[SourceFile]
    bundle: Bundle
    users: int = 0
    temporary: list[IO[bytes]] = field(default_factory=list)


class BatchFiles:
    """Opens them, side by side with others that use the same."""

    def __init__(self, *, slack: SlackClient, files: SlackDownloads, id_types: IDTypes, limits: Limits) -> None:
        self._slack = slack
        self._files = files
        self._id_types = id_types
        self.limits = limits
        self._open: dict[tuple[str, ...], _Open] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def open(self, file_ids: Sequence[str]) -> AsyncIterator[tuple[list[SourceFile], Bundle]]:
        """The files and their bundle. Raises what fetching raises: FileUnusable, or SlackError where waiting helps."""
        key = tuple(file_ids)
        async with self._turn:
            # One at a time: two rows of a batch must not fetch its zip twice.
            found = self._open.pop(key, None) or await self._fetch(key)
            self._open[key] = found
            found.users += 1
        try:
            yield found.files, found.bundle
        finally:
            found.users -= 1
            self._close_some()

    async def close(self) -> None:
        for key in list(self._open):
            self._close(key)

    def _close_some(self) -> None:
        idle = [key for key, found in self._open.items() if not found.users]
        for key in idle[: max(0, len(idle) - MOST_OPEN)]:
            self._close(key)

    def _close(self, key: tuple[str, ...]) -> None:
        found = self._open.pop(key)
        found.bundle.close()
        for file in found.temporary:
            file.close()

    async def _fetch(self, key: tuple[str, ...]) -> _Open:
        temporary: list[IO[bytes]] = []
        try:
            sources = []
            for file_id in key:
                info = await self._slack.file(file_id)
                content = tempfile.TemporaryFile()  # noqa: SIM115 - stays open as long as the bundle
                temporary.append(content)
                await self._files.fetch_to(info, content, most=self.limits.zip_bytes)
                content.seek(0)
                sources.append(SourceFile(file_id=file_id, name=str(info.get("name") or ""), content=content))
            spool = tempfile.TemporaryFile()  # noqa: SIM115
            temporary.append(spool)
            bundle = Bundle(sources, self.limits, id_types=self._id_types, spool=spool, lock=threading.Lock())
        except BaseException:
            for file in temporary:
                file.close()
            raise
        return _Open(files=sources, bundle=bundle, temporary=temporary)
