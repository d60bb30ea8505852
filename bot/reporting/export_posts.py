"""What managers take out of the bot: the file, written when it is really to be sent, and the message of a long one."""

from collections.abc import Callable
from datetime import datetime
from typing import IO

from bot.access.permissions import Access, Permission, Role
from bot.domain.outbox import Message, Post, PostKind
from bot.domain.reporting.exports import Export, ExportState
from bot.errors import SlackNotSent
from bot.outbox.builders import Builders, File
from bot.outbox.refresh import UPDATE_EVERY
from bot.reporting import export_writer
from bot.reporting.export_commits import give_up, keep_written
from bot.slack.blocks import export as words
from bot.slack.client import SlackClient
from storage import exports
from storage.engine.database import Database
from storage.exports import ExportRange


class ExportPosts:
    """Writes exports."""

    def __init__(self, *, database: Database, slack: SlackClient, access: Access, now: Callable[[], datetime]) -> None:
        self._database = database
        self._slack = slack
        self._access = access
        self._now = now

    def builders(self) -> Builders:
        return {
            PostKind.EXPORT: self._message,
            PostKind.EXPORT_PROGRESS: self._message,
            PostKind.EXPORT_FILE: self._file,
        }

    async def _message(self, post: Post) -> Message | None:
        export = await self._database.read(exports.find, post.payload["export"])
        return words.message(export) if export is not None else None

    async def _file(self, post: Post) -> File | None:
        """The file, not written yet; None when it is not to be sent any more.

        Weeks of Slack's silence may lie between asking and sending, so the right to it is looked at again.
        """
        export = await self._database.read(exports.find, post.payload["export"])
        if export is None or export.state not in (ExportState.ASKED, ExportState.FAILED):
            return None
        match await self._access.has(export.person, Role.MANAGER, Role.ADMIN):
            case Permission.UNKNOWN:
                raise SlackNotSent("who may export is not known now")
            case Permission.NO:
                await self._database.write(give_up, export.id, ExportState.REFUSED, now=self._now())
                return None
            case Permission.YES:
                pass
        return File(
            channel=await self._slack.direct_channel(export.person),
            thread_ts=None,
            name=export.file_name,
            write=lambda out: self._write(export, out),
        )

    async def _write(self, export: Export, out: IO[bytes]) -> str:
        """Gives the words above the file. How far it is, is told from time to time."""
        told_at = self._now()

        async def on_page(count: int) -> None:
            nonlocal told_at
            # Set back meanwhile, the clock would leave the message as it stands for as long.
            if abs(self._now() - told_at) >= UPDATE_EVERY:
                told_at = self._now()
                await self._database.write(keep_written, export.id, count, now=told_at)

        wanted = ExportRange(since=export.since, until=export.until)
        count = await export_writer.write(self._database, export.form, wanted, out, on_page=on_page)
        await self._database.write(keep_written, export.id, count, now=self._now())
        whole = await self._database.read(exports.find, export.id)
        return words.comment(whole or export)
