"""Builds the answers to messages, and to the clicks that confirm them; `answer_delivery` gets each to its person.

An answer is built from the message as Slack has it now: an edited message is answered as it now reads, a deleted one
with a notice that it is gone; and the author's rights are checked each time.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from bot.access.permissions import FRESH_FOR
from bot.access.refusals import Refusals
from bot.domain.mentions.incoming import (
    InboxItem,
    InboxKind,
    InboxOutcome,
    IncomingMessage,
    fails_to_bring_applicants,
)
from bot.domain.mentions.parser import holds_number
from bot.domain.outbox import Message, Post
from bot.errors import Refused, SlackRefused
from bot.intake.batches import Batches, applicants_in
from bot.intake.messages import MessageReader, MessageReading
from bot.intake.service import PLACE_FRESH_FOR, Accepted, CheckedBefore, Intake, SubmittedForm
from bot.slack.blocks import batch, held, message, private, refusals
from bot.slack.blocks.message import MessagePointer
from bot.slack.retry import Retry

log = structlog.get_logger(__name__)

_TEXTS = {
    InboxOutcome.SENT: f"{message.SENT} {message.HINT}",
    InboxOutcome.SENT_BEFORE: f"{message.SENT_BEFORE} {message.HINT}",
    InboxOutcome.FILE: batch.RECEIVED,
    InboxOutcome.FILE_BEFORE: batch.RECEIVED_BEFORE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateAnswer:
    """A message for one person, and the outcome from which it can be rebuilt without the message it answers."""

    message: Message = field(repr=False)
    outcome: InboxOutcome | None = None
    subject: str = ""
    """The reference that the outcome names."""
    warns: bool = False
    """It asks to delete a number that others can read."""
    in_place: bool = False
    """Replaces the message whose button was pressed, which has served its purpose."""


def gives_number_away(incoming: IncomingMessage) -> bool:
    """Whether others can read something there that looks like an ID number."""
    return not incoming.is_direct and holds_number(incoming.text)


def not_read(incoming: IncomingMessage | None) -> PrivateAnswer:
    """Slack did not let a message, or its thread, be read."""
    answer = _plain(message.NOT_READ)
    return answer if incoming is None else _with_warning(answer, incoming)


@dataclass(slots=True, kw_only=True, eq=False)
class AnswerBuilder:
    intake: Intake
    messages: MessageReader
    batches: Batches
    refusals: Refusals

    async def build(self, item: InboxItem, retry: Retry, *, incoming: IncomingMessage | None = None) -> PrivateAnswer:
        """The answer to a message, or to the click that confirms one; the click submits the check.

        `incoming` is the message as the request itself brought it; without it, Slack is asked. Safe to repeat: a
        message becomes one check, however often it is confirmed. Raises SlackError when it cannot be read now.
        """
        try:
            incoming = incoming or await self.messages.find(item, retry)
            if incoming is None:
                return _plain(message.GONE, in_place=True)
            if incoming.user != item.user:
                return _plain(message.NOT_YOURS)
            return _with_warning(await self._answer_or_refusal(item, incoming, retry), incoming)
        except SlackRefused as no:
            if no.refuses_us:
                raise
            # The bot was removed from the channel, say: Slack will not let it be read later either.
            log.warning("answer.not_read", error=no.code)
            return not_read(incoming)

    async def build_for_file(self, incoming: IncomingMessage) -> PrivateAnswer:
        """Accepts a file of applicants, whoever wrote the message; its preview is posted separately."""
        try:
            await self._require_asking(incoming, fresh_for=FRESH_FOR)
            return await self._accept_file(await self.messages.with_files(incoming))
        except Refused as no:
            self.refusals.of_message(incoming.user, no)
            return PrivateAnswer(message=refusals.refusal_message(no))

    async def build_for_post(self, post: Post) -> Message | None:
        """Rebuilds the answer that a row of the outbox stands for; None for who must not read it. Raises SlackError."""
        outcome = post.payload.get("outcome")
        if outcome is not None:
            rebuilt = _of_outcome(InboxOutcome(outcome), post.payload["subject"])
            return (_warning(rebuilt) if "warns" in post.payload else rebuilt).message
        item = InboxItem.of_ids(post.payload, id_=post.id, asked_at=post.created_at)
        if item is None:
            return private.unanswered(post.payload)
        if post.destination not in (item.user, item.channel):
            # It quotes what its person wrote to the bot. The row has no MAC, and says another reader than the message.
            return None
        # As a message even where it was a click: nothing is submitted later than the person who pressed would expect.
        # No retries: the outbox reschedules its post, and holds up nobody else meanwhile.
        return (await self.build(replace(item, kind=InboxKind.MESSAGE), Retry(bound_seconds=0))).message

    async def _answer_or_refusal(self, item: InboxItem, incoming: IncomingMessage, retry: Retry) -> PrivateAnswer:
        try:
            if item.kind is InboxKind.CONFIRMATION:
                await self.intake.require_requester(item.user)
                return await self._submit(item, await self.messages.read(incoming, retry))
            return await self._summarize(incoming, retry)
        except Refused as no:
            self.refusals.of_message(item.user, no)
            return PrivateAnswer(message=refusals.refusal_message(no))

    async def _summarize(self, incoming: IncomingMessage, retry: Retry) -> PrivateAnswer:
        """What a message says, for its author to confirm or complete. Raises Refused."""
        await self._require_asking(incoming, fresh_for=PLACE_FRESH_FOR)
        incoming = await self.messages.with_files(incoming)
        if applicants_in(incoming.files):
            return await self._accept_file(incoming)
        reading = await self.messages.read(incoming, retry)
        unread = [file for file in incoming.files if fails_to_bring_applicants(file)]
        if unread and reading.understood.is_empty and not any(photo.fault is None for photo in reading.photos):
            return PrivateAnswer(message=message.unread_lists(unread))
        if reading.says_nothing:
            return _plain(message.HELP if incoming.is_direct else message.HELP_IN_CHANNEL)
        return PrivateAnswer(message=await self._summary(reading))

    async def _require_asking(self, incoming: IncomingMessage, *, fresh_for: timedelta) -> None:
        await self.intake.require_asking(incoming.user, incoming.channel)
        fault = await self.intake.place_fault(incoming.channel, incoming.user, fresh_for=fresh_for)
        if fault is not None:
            raise fault

    async def _accept_file(self, incoming: IncomingMessage) -> PrivateAnswer:
        batch_id, is_new = await self.batches.accept(incoming)
        return _of_outcome(InboxOutcome.FILE if is_new else InboxOutcome.FILE_BEFORE, batch_id)

    async def _submit(self, item: InboxItem, reading: MessageReading) -> PrivateAnswer:
        """Submits the check, if the message still says what its author confirmed."""
        if not reading.is_whole or await self.messages.fingerprint(reading) != item.fingerprint:
            return PrivateAnswer(message=await self._summary(reading, above=message.CHANGED), in_place=True)
        incoming = reading.incoming
        result = await self.intake.accept(
            SubmittedForm(
                requester=incoming.user,
                team=incoming.team,
                channel=item.channel,
                thread_ts=incoming.root_ts,
                view_id=f"message:{item.channel}:{item.ts}",
                again=item.again,
                form=reading.form,
            )
        )
        if isinstance(result, Accepted):
            return _of_outcome(InboxOutcome.SENT if result.is_new else InboxOutcome.SENT_BEFORE, result.ref)
        if isinstance(result, CheckedBefore):
            seen = held.earlier_checks(result.earlier, by_number=result.by_number)
            pointer = MessagePointer(
                channel=item.channel, ts=item.ts, thread_ts=item.thread_ts, fingerprint=item.fingerprint
            )
            return PrivateAnswer(message=message.checked_before(pointer, seen), in_place=True)
        sentences = [refusals.plain_sentence(fault) for fault in result.by_field.values()]
        sentences += [refusals.plain_sentence(no) for no in result.refused]
        return _plain(private.joined_faults(sentences))

    async def _summary(self, reading: MessageReading, *, above: str = "") -> Message:
        entry, faults = reading.parsed.id_type, reading.parsed.faults
        read = (reading.incoming, reading.understood, entry, reading.photos)
        left_out = message.left_out(reading.photos_left_out, thread_is_cut=reading.thread_is_cut)
        if not reading.incoming.is_direct:
            return message.in_channel(*read, faults=faults, left_out=left_out)
        if reading.is_whole and entry is not None:
            fingerprint = await self.messages.fingerprint(reading)
            return message.complete(
                reading.incoming, reading.understood, entry, reading.photos, fingerprint=fingerprint, above=above
            )
        return message.incomplete(*read, faults=faults, left_out=left_out, above=above)


def _plain(text: str, *, in_place: bool = False) -> PrivateAnswer:
    return PrivateAnswer(message=private.answer(text), in_place=in_place)


def _with_warning(answer: PrivateAnswer, incoming: IncomingMessage) -> PrivateAnswer:
    """Whatever the answer is, it asks its author to delete a number that others can read."""
    return _warning(answer) if gives_number_away(incoming) else answer


def _warning(answer: PrivateAnswer) -> PrivateAnswer:
    return replace(answer, message=message.delete_your_message(answer.message), warns=True)


def _of_outcome(outcome: InboxOutcome, subject: str) -> PrivateAnswer:
    return PrivateAnswer(
        message=private.answer(_TEXTS[outcome].format(ref=subject, batch=subject)),
        outcome=outcome,
        subject=subject,
        in_place=outcome in (InboxOutcome.SENT, InboxOutcome.SENT_BEFORE),
    )
