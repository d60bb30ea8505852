"""The files of batches, fetched once from Slack into temporary files that no other process can read."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.applicants import Bundle, Limits, SourceFile
from bot.domain.id_types.id_types import IDTypes
from bot.sealed_file import sealed_file
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.slack.file_objects import file_info, uploader

MOST_OPEN = 3
"""Unused bundles kept open; each may be as large as a zip may be."""
IDLE = timedelta(minutes=10)
"""How long a bundle that nobody uses is kept: a preview may be confirmed tomorrow, and is fetched again then."""


@dataclass(slots=True, kw_only=True)
class _OpenFiles:
    sources: list[SourceFile]
    bundle: Bundle
    stack: ExitStack
    """Closes the bundle and its temporary files."""
    used_at: datetime
    users: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class BatchFiles:
    """Opens the files of a batch; concurrent users share them."""

    slack: SlackClient
    files: SlackDownloads
    id_types: IDTypes
    limits: Limits
    steady: Callable[[], datetime]
    """Time that is never set."""
    _open: dict[tuple[str, ...], _OpenFiles] = field(default_factory=dict, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @asynccontextmanager
    async def open(self, file_ids: Sequence[str]) -> AsyncIterator[tuple[list[SourceFile], Bundle]]:
        """The files and their bundle. Raises what fetching raises: FileUnusable, or SlackError where waiting helps."""
        key = tuple(file_ids)
        async with self._lock:
            # One at a time: two rows of a batch must not fetch its zip twice.
            found = self._open.pop(key, None) or await self._fetch(key)
            self._open[key] = found
            found.users += 1
        try:
            yield found.sources, found.bundle
        finally:
            found.users -= 1
            found.used_at = self.steady()
            idle = [key for key, found in self._open.items() if not found.users]
            for key in idle[: max(0, len(idle) - MOST_OPEN)]:
                self._open.pop(key).stack.close()

    async def close_idle(self) -> None:
        """Called each minute: customers' photos are kept on this machine no longer than they are needed."""
        over = [key for key, found in self._open.items() if not found.users and self.steady() - found.used_at >= IDLE]
        for key in over:
            self._open.pop(key).stack.close()

    async def close(self) -> None:
        while self._open:
            self._open.popitem()[1].stack.close()

    async def _fetch(self, key: tuple[str, ...]) -> _OpenFiles:
        with ExitStack() as stack:
            sources = []
            for file_id in key:
                info = await self.slack.file(file_id)
                described = file_info(info)
                content = stack.enter_context(sealed_file())
                await self.files.fetch_to(info, content, most=self.limits.zip_bytes)
                content.seek(0)
                sources.append(
                    SourceFile(
                        file_id=file_id,
                        name=described.name,
                        kind=described.kind,
                        content=content,
                        supplied_by=uploader(info),
                    )
                )
            spool = stack.enter_context(sealed_file())
            bundle = Bundle(sources, self.limits, id_types=self.id_types, spool=spool, lock=threading.Lock())
            stack.callback(bundle.close)
            return _OpenFiles(sources=sources, bundle=bundle, stack=stack.pop_all(), used_at=self.steady())
