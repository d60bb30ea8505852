"""Uploads a file into a thread, or to one person directly."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from bot.domain.outbox import BATCHES, Post
from bot.outbox.builders import File
from bot.outbox.lost_answers import LostAnswers
from bot.outbox.outcomes import Delivered, DeliveryOutcome, Failed
from bot.outbox.recipients import SHARED, Recipients
from bot.slack.client import SlackClient


class FileDelivery:
    def __init__(self, *, slack: SlackClient, recipients: Recipients, lost_answers: LostAnswers) -> None:
        self._slack = slack
        self._recipients = recipients
        self._lost_answers = lost_answers

    async def deliver(self, post: Post, file: File) -> DeliveryOutcome:
        """Raises SlackError where a call failed. An upload whose answer was lost is looked for by the file's name."""
        if post.kind in BATCHES and await self._recipients.is_shared(post.destination):
            return Failed(SHARED)
        looked = await self._lost_answers.look(
            post,
            lambda since: self._slack.find_file(
                channel=file.channel, thread_ts=file.thread_ts, name=file.name, since=since
            ),
        )
        if looked is not None:
            return looked
        if file.thread_ts and not await self._slack.thread_exists(channel=file.channel, ts=file.thread_ts):
            return Failed("the thread's first message is gone")
        async with _content(file) as (data, comment), self._lost_answers.intent(post):
            await self._slack.upload(
                channel=file.channel,
                thread_ts=file.thread_ts,
                name=file.name,
                data=data,
                comment=comment,
                alt_text=file.alt_text,
            )
        return Delivered(None)


@asynccontextmanager
async def _content(file: File) -> AsyncIterator[tuple[bytes | IO[bytes], str]]:
    """The bytes and the comment; a file that may be large is written only now, to a temporary file without a name."""
    if file.write is None:
        yield file.data, file.comment
        return
    with tempfile.TemporaryFile() as kept:
        comment = await file.write(kept)
        yield kept, comment
