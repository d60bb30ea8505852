"""Reads messages to the bot: what one says of a check. It is read each time, since only its ids are stored.

A direct message is read whole. From a channel, where others read it too, only country and ID type are taken.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bot.access.process import Process
from bot.domain.check.check import PhotoKind
from bot.domain.check.request import Form, ParsedForm, parse
from bot.domain.mentions.incoming import (
    IncomingMessage,
    MessageIds,
    ProposedPhoto,
    are_clear,
    brings_applicants,
    is_direct,
    proposed,
)
from bot.domain.mentions.parser import ParsedMessage, understand, understand_in_channel
from bot.errors import SlackError, SlackRefused
from bot.slack.client import MessagePage, SlackClient
from bot.slack.file_objects import attached_files
from bot.slack.retry import Retry

log = structlog.get_logger(__name__)

PAGE = 200
"""Messages per request, as many as Slack recommends."""
THREAD_PAGES = 10
"""How much of a thread is searched for photos, from its beginning."""
THREAD_HALVES = 12
"""Attempts to find the newest page of a longer thread."""
MOST_PHOTOS = 20
"""The form offers the newest; it holds 100 blocks, and a check has nine photos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReading:
    """One message, read: what it says and what it lacks."""

    incoming: IncomingMessage
    understood: ParsedMessage = field(repr=False)
    photos: Sequence[ProposedPhoto] = field(repr=False)
    photos_left_out: int
    """Older photos of a long thread."""
    thread_is_cut: bool
    """The thread is so long that part of it was not read."""
    parsed: ParsedForm = field(repr=False)
    form: Form = field(repr=False)
    """As the form would hold it; consent is still to be confirmed."""

    @property
    def is_whole(self) -> bool:
        """Nothing is missing, wrong, unclear, or left to choose."""
        is_clear = not self.understood.unclear and not self.thread_is_cut and are_clear(self.photos)
        return self.incoming.is_direct and is_clear and not self.parsed.faults

    @property
    def says_nothing(self) -> bool:
        return self.understood.is_empty and not self.photos


@dataclass(slots=True, kw_only=True, eq=False)
class MessageReader(Process):
    slack: SlackClient
    look_up_seconds: float

    async def read(self, incoming: IncomingMessage, retry: Retry) -> MessageReading:
        """What a message says, with its photos, or those of its thread if it has none that can be used.

        Raises SlackError when the thread cannot be read now: without its photos the answer would be a wrong one.
        """
        photos = proposed([f for f in await self.slack.describe(incoming.files) if not brings_applicants(f)])
        left_out, is_cut = 0, False
        if not any(photo.fault is None for photo in photos):
            of_thread, left_out, is_cut = await self._photos_of_thread(incoming, retry)
            photos = of_thread or photos
        understood = await self._understood(incoming)
        form = Form(
            country=understood.country or "",
            id_type=understood.id_type or "",
            texts=understood.texts,
            customer_reference=understood.customer_reference,
            selfie=[photo.file for photo in photos if photo.kind is PhotoKind.SELFIE],
            liveness=[photo.file for photo in photos if photo.kind is PhotoKind.LIVENESS],
            consent=True,
        )
        return MessageReading(
            incoming=incoming,
            understood=understood,
            photos=photos,
            photos_left_out=left_out,
            thread_is_cut=is_cut,
            parsed=parse(form, self.id_types, today=self.today(), liveness_required=self.settings.liveness_required),
            form=form,
        )

    async def with_files(self, incoming: IncomingMessage) -> IncomingMessage:
        """The message with what Slack says of those files that it holds by id alone; within a second."""
        return replace(incoming, files=await self.slack.describe(incoming.files))

    async def find(self, known: MessageIds, retry: Retry) -> IncomingMessage | None:
        """A message as it reads now; None when it is gone. Raises SlackError."""
        channel, ts, thread_ts = known.channel, known.ts, known.thread_ts
        message = await retry.call(lambda: self.slack.message(channel=channel, ts=ts, thread_ts=thread_ts))
        return None if message is None else of_message(message, channel=channel, team=known.team)

    async def read_fields(
        self, *, channel: str, ts: str, root_ts: str | None, chosen: tuple[str, str]
    ) -> Mapping[str, str]:
        """What a direct message says by field, once country and ID type are chosen; nothing if Slack is slow.

        For a listener: within a second.
        """
        if not is_direct(channel):
            # A form that was opened before an upgrade may still ask for the text of a channel's message.
            return {}
        thread_ts = root_ts if root_ts != ts else None
        try:
            async with asyncio.timeout(self.look_up_seconds):
                message = await self.slack.message(channel=channel, ts=ts, thread_ts=thread_ts)
                if message is None:
                    return {}
                understood = await self._understood(of_message(message, channel=channel, team=""), chosen=chosen)
        except (SlackError, TimeoutError) as fault:
            log.info("messages.fields_not_read", error=str(fault) or "timeout")
            return {}
        return understood.texts

    async def fingerprint(self, reading: MessageReading) -> str:
        """Changes when the message no longer says what its author confirmed.

        Under the database's key, since an ID number could be guessed from a bare hash. After a change of the key it no
        longer fits, and the author confirms once more.
        """
        form = reading.form
        content = {
            "country": form.country,
            "id_type": form.id_type,
            "id_info": dict(reading.parsed.id_info),
            "reference": reading.parsed.customer_reference,
            "selfie": [file.id for file in form.selfie],
            "liveness": [file.id for file in form.liveness],
        }

        text = json.dumps(content, sort_keys=True)
        keyed = await self.database.read(lambda tx: tx.sealer.fingerprint(text, purpose="message"))
        return keyed.rpartition(":")[2][:32]

    async def _understood(self, incoming: IncomingMessage, *, chosen: tuple[str, str] | None = None) -> ParsedMessage:
        """In a thread of its own: a long text without sense can take a while."""
        me = await self._me()
        if not incoming.is_direct:
            return await asyncio.to_thread(understand_in_channel, incoming.text, self.id_types, bot_user_id=me)
        return await asyncio.to_thread(
            understand, incoming.text, self.id_types, today=self.today(), bot_user_id=me, chosen=chosen
        )

    async def _me(self) -> str:
        try:
            return await self.slack.bot_user_id()
        except SlackError:
            return ""

    async def _photos_of_thread(self, incoming: IncomingMessage, retry: Retry) -> tuple[list[ProposedPhoto], int, bool]:
        """The newest photos, the number of older ones, and whether part of the thread was not read."""
        try:
            messages, is_cut = await self._thread(incoming, retry)
        except SlackRefused as no:
            log.info("messages.thread_not_read", error=no.code)
            return [], 0, False
        found = {
            file.id: file
            for message in messages
            for file in of_message(message, channel=incoming.channel, team="").files
            if not brings_applicants(file)
        }
        newest = await self.slack.describe(list(found.values())[-MOST_PHOTOS:])
        photos = [file for file in newest if not brings_applicants(file)]
        return proposed(photos), len(found) - len(newest), is_cut

    async def _thread(self, incoming: IncomingMessage, retry: Retry) -> tuple[list[Mapping[str, Any]], bool]:
        """Page by page from the first message; of a longer thread, the newest page too. True if it was cut."""

        async def page(cursor: str | None = None, oldest: str | None = None) -> MessagePage:
            channel, ts = incoming.channel, incoming.root_ts
            return await retry.call(
                lambda: self.slack.thread(channel=channel, ts=ts, limit=PAGE, cursor=cursor, oldest=oldest)
            )

        read = await page()
        messages = list(read.messages)
        for _page in range(THREAD_PAGES - 1):
            if read.cursor is None:
                break
            read = await page(read.cursor)
            messages += read.messages
        if read.cursor is None:
            return messages, False
        # Slack counts from the oldest, and the newest are wanted: halve the span until one page holds its end.
        newest = max(float(messages[0].get("latest_reply") or 0), float(incoming.ts))
        span = newest - float(messages[-1]["ts"])
        for _half in range(THREAD_HALVES):
            read = await page(oldest=f"{newest - span:.6f}")
            if read.cursor is None:
                messages += read.messages
                break
            span /= 2
        return messages, True


def of_message(message: Mapping[str, Any], *, channel: str, team: str) -> IncomingMessage:
    """From a message object of Slack's: of an event, a shortcut or the history."""
    ts = str(message.get("ts") or "")
    thread_ts = message.get("thread_ts")
    return IncomingMessage(
        channel=channel,
        ts=ts,
        thread_ts=str(thread_ts) if thread_ts and thread_ts != ts else None,
        user=str(message.get("user") or ""),
        team=str(message.get("team") or message.get("user_team") or team),
        text=str(message.get("text") or ""),
        files=attached_files(message),
    )
