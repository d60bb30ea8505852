"""Answers to what people write or press: what they say, and how each reaches its person once.

Where the person acted, an answer is seen by them alone, and Slack lets nobody look for it afterwards. So it is tried
again only where Slack surely did not take it. Whatever else goes wrong, one direct message says it: a post of the
outbox, which is looked for before it is ever posted again.

A row of the outbox never holds an answer, since that quotes what the message says. It holds the ids of the message,
and the answer is built when it is delivered, from the message as Slack has it then: edited since, it is answered as it
reads now; deleted since, that is said; and the author's rights are looked at anew. Only in memory, and for minutes, is
an answer kept that is on its way; an answer to anything but a message is told from there alone, and once it is gone
its person hears that it never came.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import structlog

from bot.domain.mentions.channel import holds_number
from bot.domain.mentions.inbox import InboxItem, InboxKind, InboxOutcome
from bot.domain.mentions.incoming import IncomingMessage
from bot.domain.outbox import Message, Post, PostKind
from bot.errors import Refused, SlackError, SlackRefused, SlackUncertain
from bot.intake.batches import Batches, applicants_in
from bot.intake.messages import MessageReader, MessageReading
from bot.intake.service import PLACE_FRESH_FOR, Accepted, CheckedBefore, Intake, SubmittedForm
from bot.slack.blocks import (
    batch,
    held,
    message,
    notices,
    private,
    refusals,
)
from bot.slack.blocks.message import MessagePointer
from bot.slack.client import SlackClient
from bot.slack.retry import Retry
from storage import outbox
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

T = TypeVar("T")

RESPONSES = 3
"""Tries of a response_url, which takes five answers."""
KEPT_FOR = timedelta(minutes=2)
"""How long an answer waits in memory for its delivery. Rights are lost meanwhile: later it is built anew."""
_WORDS = {
    InboxOutcome.SENT: f"{message.SENT} {message.HINT}",
    InboxOutcome.SENT_BEFORE: f"{message.SENT_BEFORE} {message.HINT}",
    InboxOutcome.FILE: batch.RECEIVED,
    InboxOutcome.FILE_BEFORE: batch.RECEIVED_BEFORE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said, and in which words it can be said again without the message."""

    said: Message = field(repr=False)
    outcome: InboxOutcome | None = None
    subject: str = ""
    """The reference that the outcome names."""
    in_place: bool = False
    """In place of the message whose button was pressed, which has served."""


def gives_number_away(dropped: IncomingMessage) -> bool:
    """Whether others can read something there that looks like an ID number."""
    return not dropped.is_direct and holds_number(dropped.text)


def not_read(dropped: IncomingMessage | None) -> Answer:
    """Slack did not let a message, or its thread, be read."""
    answer = Answer(said=private.says(message.NOT_READ))
    return answer if dropped is None else _with_warning(answer, dropped)


def _with_warning(answer: Answer, dropped: IncomingMessage) -> Answer:
    """Whatever the answer is, its author hears to delete a number that others can read."""
    return replace(answer, said=message.delete_your_message(answer.said)) if gives_number_away(dropped) else answer


class Answers:
    """Builds answers, and has the outbox deliver those that cannot be given where the person acted."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        intake: Intake,
        messages: MessageReader,
        batches: Batches,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._slack = slack
        self._intake = intake
        self._messages = messages
        self._batches = batches
        self._now = now
        self._kept: dict[str, _Kept] = {}
        """By post; until it is delivered."""

    # What is said

    async def to(self, item: InboxItem, retry: Retry, *, dropped: IncomingMessage | None = None) -> Answer:
        """The answer to a message, or to the click that confirms one; the click submits the check.

        `dropped` is the message as the request itself brought it; else it is read from Slack. Safe to repeat: a message
        becomes one check, however often it is confirmed. Raises SlackError when Slack does not let it be read now.
        """
        try:
            dropped = dropped or await self._messages.find(
                retry, channel=item.channel, ts=item.ts, thread_ts=item.thread_ts, team=item.team
            )
            if dropped is None:
                return Answer(said=private.says(message.GONE), in_place=True)
            if dropped.user != item.user:
                return Answer(said=private.says(message.NOT_YOURS))
            return _with_warning(await self._or_refusal(item, dropped, retry), dropped)
        except SlackRefused as no:
            if no.refuses_us:
                raise
            # The bot was put out of the channel, say: Slack will not let it be read later either.
            log.warning("answer.not_read", error=no.code)
            return not_read(dropped)

    async def to_file(self, dropped: IncomingMessage) -> Answer:
        """The answer to whoever asks for a file of applicants; its preview comes as a message of its own."""
        try:
            await self._intake.require_asking(dropped.user, dropped.channel)
            return await self._file(dropped)
        except Refused as no:
            return Answer(said=refusals.said(no))

    async def _or_refusal(self, item: InboxItem, dropped: IncomingMessage, retry: Retry) -> Answer:
        try:
            if item.kind is InboxKind.CONFIRMATION:
                await self._intake.require_requester(item.user)
                return await self._submitted(item, await self._messages.read(dropped, retry))
            return await self._shown(dropped, retry)
        except Refused as no:
            return Answer(said=refusals.said(no))

    async def _shown(self, dropped: IncomingMessage, retry: Retry) -> Answer:
        """What a message says, shown back to its author. Raises Refused."""
        await self._intake.require_asking(dropped.user, dropped.channel)
        fault = await self._intake.place_fault(dropped.channel, dropped.user, fresh_for=PLACE_FRESH_FOR)
        if fault is not None:
            raise fault
        if applicants_in(dropped.files):
            return await self._file(dropped)
        understanding = await self._messages.read(dropped, retry)
        if understanding.says_nothing:
            return Answer(said=private.says(message.HELP if dropped.is_direct else message.HELP_IN_CHANNEL))
        return Answer(said=await self._as_understood(understanding))

    async def _file(self, dropped: IncomingMessage) -> Answer:
        fault = await self._intake.place_fault(dropped.channel, dropped.user)
        if fault is not None:
            raise fault
        batch_id, is_new = await self._batches.accept(dropped)
        return _of(InboxOutcome.FILE if is_new else InboxOutcome.FILE_BEFORE, batch_id)

    async def _submitted(self, item: InboxItem, understanding: MessageReading) -> Answer:
        """The check, if the message still says what its author confirmed."""
        fits = understanding.is_whole and await self._messages.fingerprint(understanding) == item.fingerprint
        if not fits:
            return Answer(said=await self._as_understood(understanding, above=message.CHANGED), in_place=True)
        dropped = understanding.dropped
        result = await self._intake.accept(
            SubmittedForm(
                requester=dropped.user,
                team=dropped.team,
                channel=item.channel,
                thread_ts=dropped.root_ts,
                view_id=f"message:{item.channel}:{item.ts}",
                again=item.again,
                form=understanding.form,
            )
        )
        if isinstance(result, Accepted):
            return _of(InboxOutcome.SENT if result.is_new else InboxOutcome.SENT_BEFORE, result.ref)
        if isinstance(result, CheckedBefore):
            seen = held.seen(result.earlier, hidden=result.hidden, by_number=result.by_number)
            return Answer(said=message.seen(_pointer(item), seen), in_place=True)
        words = [refusals.plain_sentence(fault) for fault in result.by_field.values()]
        words += [refusals.plain_sentence(no) for no in result.refused]
        return Answer(said=private.says(private.plainly(words)))

    async def _as_understood(self, understanding: MessageReading, *, above: str = "") -> Message:
        entry = understanding.parsed.id_type
        left_out = message.left_out(understanding.photos_left_out, thread_is_cut=understanding.thread_is_cut)
        if not understanding.dropped.is_direct:
            return message.in_channel(
                understanding.dropped,
                understanding.understood,
                entry,
                understanding.photos,
                faults=understanding.parsed.faults,
                left_out=left_out,
            )
        if understanding.is_whole and entry is not None:
            return message.whole(
                understanding.dropped,
                understanding.understood,
                entry,
                understanding.photos,
                fingerprint=await self._messages.fingerprint(understanding),
                above=above,
            )
        return message.lacking(
            understanding.dropped,
            understanding.understood,
            entry,
            understanding.photos,
            faults=understanding.parsed.faults,
            left_out=left_out,
            above=above,
        )

    # How it reaches its person

    async def whisper(self, answer: Answer, retry: Retry, *, channel: str, user: str, thread_ts: str | None) -> bool:
        """Show it to one person alone, in a conversation. False where Slack does not say that it took it."""
        said = answer.said
        return await self._give(
            lambda: self._slack.whisper(
                channel=channel, user=user, text=said.text, blocks=said.blocks, thread_ts=thread_ts
            ),
            retry,
        )

    async def respond(self, response_url: str | None, answer: Answer, retry: Retry) -> bool:
        """The same by the address that came with a click or command, where they acted."""
        if not response_url:
            return False
        said, in_place = answer.said, answer.in_place

        async def way() -> None:
            await self._slack.respond(response_url, text=said.text, blocks=said.blocks, replace=in_place)

        if not in_place:
            return await self._give(way, retry)
        try:
            # It replaces the message that was acted on: told twice it does no harm.
            await retry.call(way, most=RESPONSES)
        except SlackError as fault:
            log.info("answer.not_in_place", error=str(fault))
            return False
        return True

    async def _give(self, way: Callable[[], Awaitable[None]], retry: Retry) -> bool:
        """Tried again only while Slack surely did not take it: what was lost on the way may stand there already."""

        async def once() -> bool:
            try:
                await way()
            except SlackUncertain as lost:
                log.info("answer.lost", error=str(lost))
                return False
            return True

        try:
            return await retry.call(once)
        except SlackError as fault:
            log.info("answer.not_in_place", error=str(fault))
            return False

    def enqueue(
        self, tx: Transaction, item: InboxItem, answer: Answer | None, *, now: datetime, code: str = ""
    ) -> None:
        """Have the outbox answer an item; `answer` None: it is told that there is none, with the `code` of a fault."""
        payload = {**item.ids(), "outcome": answer.outcome or "", "subject": answer.subject} if answer else {}
        destination = item.channel if item.is_direct and answer else item.user
        self._enqueue(
            tx,
            f"{item.user}:{item.id}",
            destination,
            {"channel": item.channel, "code": code, **payload},
            answer,
            now=now,
        )

    async def directly(
        self, user: str, about: str, answer: Answer | None, *, channel: str | None = None, code: str = ""
    ) -> None:
        """Have the outbox answer anything else. `about` is the same for a repeat of it, which changes nothing."""
        now, payload = self._now(), {"channel": channel or "", "code": code}
        await self._database.write(self._enqueue, f"{user}:{about}", user, payload, answer, now=now)

    def _enqueue(
        self,
        tx: Transaction,
        key: str,
        destination: str,
        payload: dict[str, str],
        answer: Answer | None,
        *,
        now: datetime,
    ) -> None:
        given = {name: text for name, text in payload.items() if text}
        post_id = outbox.enqueue(tx, PostKind.ANSWER, key=key, destination=destination, payload=given, now=now)
        self._kept = {known: kept for known, kept in self._kept.items() if now - kept.at < KEPT_FOR}
        if answer is not None:
            self._kept[post_id] = _Kept(answer.said, now)

    async def build(self, post: Post) -> Message:
        """What a row of the outbox brings: the answer as it was given, or built anew. Raises SlackError."""
        kept = self._kept.get(post.id)
        if kept is not None and self._now() - kept.at < KEPT_FOR:
            return kept.said
        outcome = post.payload.get("outcome")
        if outcome is not None:
            return _of(InboxOutcome(outcome), post.payload["subject"]).said
        item = InboxItem.of_ids(post.payload, id_=post.id, asked_at=post.created_at)
        if item is None:
            return notices.unanswered(post.payload)
        # Also for a click that was not taken: nothing is submitted later than the person who pressed would expect.
        return (await self.to(replace(item, kind=InboxKind.MESSAGE), _Once())).said


class _Kept(NamedTuple):
    said: Message
    at: datetime


class _Once(Retry):
    """No retries: the outbox itself reschedules its post, and holds up nobody else meanwhile."""

    async def call(self, call: Callable[[], Awaitable[T]], *, most: int | None = None) -> T:
        return await call()


def _of(outcome: InboxOutcome, subject: str) -> Answer:
    if outcome in (InboxOutcome.SENT, InboxOutcome.SENT_BEFORE):
        return Answer(
            said=private.says(_WORDS[outcome].format(ref=subject)), outcome=outcome, subject=subject, in_place=True
        )
    return Answer(said=private.says(_WORDS[outcome].format(batch=subject)), outcome=outcome, subject=subject)


def _pointer(item: InboxItem) -> MessagePointer:
    return MessagePointer(
        channel=item.channel, ts=item.ts, thread_ts=item.thread_ts, fingerprint=item.fingerprint, again=item.again
    )
