"""Uploads a file into a thread, or to one person directly."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO

from bot.domain.outbox import Post
from bot.outbox.builders import File
from bot.outbox.lost_answers import LostAnswers
from bot.outbox.outcomes import Delivered, DeliveryOutcome, Failed, Postponed
from bot.sealed_file import sealed_file
from bot.slack.client import FoundMessage, SlackClient


@dataclass(slots=True, kw_only=True, eq=False)
class FileDelivery:
    slack: SlackClient
    lost_answers: LostAnswers

    async def deliver(self, post: Post, file: File) -> DeliveryOutcome:
        """Raises SlackError where a call failed. After a lost answer the upload is searched for by the file's name."""
        if file.channel[0] in "UW":
            file = replace(file, channel=await self.slack.direct_channel(file.channel))
        if found := await self.find(post, file):
            return found
        if file.thread_ts and not await self.slack.thread_exists(channel=file.channel, ts=file.thread_ts):
            return Failed(why="the thread's first message is gone")
        async with _content(file) as (data, comment), self.lost_answers.intent(post):
            file_id = await self.slack.upload(
                channel=file.channel,
                thread_ts=file.thread_ts,
                name=file.name,
                data=data,
                comment=comment,
                alt_text=file.alt_text,
            )
        return Delivered(place=None, file_id=file_id)

    async def find(self, post: Post, file: File) -> Delivered | Postponed | None:
        """Whether an earlier attempt, whose answer was lost, has brought it. Raises SlackError."""

        def find(since: datetime) -> Awaitable[FoundMessage | None]:
            return self.slack.find_file(channel=file.channel, thread_ts=file.thread_ts, name=file.name, since=since)

        return await self.lost_answers.search(post, find)


@asynccontextmanager
async def _content(file: File) -> AsyncIterator[tuple[bytes | IO[bytes], str]]:
    """The bytes and the comment; a file that may be large is written only now, to a sealed temporary file."""
    if file.write is None:
        yield file.data, file.comment
        return
    with sealed_file() as kept:
        comment = await file.write(kept)
        yield kept, comment
