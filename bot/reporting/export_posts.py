"""Builds the posts of exports: the file, written right before its upload, and the progress message of a long one."""

from dataclasses import dataclass
from typing import IO

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.outbox import Message, Post, PostKind
from bot.domain.reporting.exports import Export, ExportState
from bot.errors import SlackNotSent
from bot.outbox.builders import Builders, File
from bot.outbox.refresh import UPDATE_EVERY
from bot.reporting import export_writer
from bot.reporting.exports import give_up, set_written
from bot.slack.blocks import export
from bot.slack.client import SlackClient
from storage import exports
from storage.exports import ExportRange


@dataclass(slots=True, kw_only=True, eq=False)
class ExportPosts(Process):
    slack: SlackClient

    def builders(self) -> Builders:
        return {
            PostKind.EXPORT: self._message,
            PostKind.EXPORT_PROGRESS: self._message,
            PostKind.EXPORT_FILE: self._file,
        }

    async def _message(self, post: Post) -> Message | None:
        found = await self.database.read(exports.find, post.payload["export"])
        return export.message(found) if found is not None else None

    async def _file(self, post: Post) -> File | None:
        """The file, not written yet; None when it is no longer needed.

        Slack may have been away for days since the request, so the right to it is checked once more.
        """
        found = await self.database.read(exports.find, post.payload["export"])
        if found is None or found.state not in (ExportState.ASKED, ExportState.FAILED):
            return None
        permission = await self.access.may(found.person, Right.EXPORT)
        if not permission.settled(SlackNotSent("who may export is not known now")):
            await self.database.write(give_up, found.id, ExportState.REFUSED, now=self.now())
            return None
        return File(
            channel=await self.slack.direct_channel(found.person),
            thread_ts=None,
            name=found.file_name,
            write=lambda out: self._write(found, out),
        )

    async def _write(self, found: Export, out: IO[bytes]) -> str:
        """Returns the comment above the file. Progress is stored from time to time."""
        stored_at = self.now()

        async def on_page(count: int) -> None:
            nonlocal stored_at
            # `abs`, or a clock set back meanwhile would stop the updates for as long.
            if abs(self.now() - stored_at) >= UPDATE_EVERY:
                stored_at = self.now()
                await self.database.write(set_written, found.id, count, now=stored_at)

        wanted = ExportRange(since=found.since, until=found.until)
        count = await export_writer.write(self.database, found.form, wanted, out, on_page=on_page)
        await self.database.write(set_written, found.id, count, now=self.now())
        written = await self.database.read(exports.find, found.id)
        return export.comment(written or found)
