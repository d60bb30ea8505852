"""What is said: the words of one post, built at delivery from what is stored then."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO

from bot.access import Access, Role
from bot.blocks import batch, held, thread
from bot.blocks.thread import Beside, NotifiedParties
from bot.domain.assurance import Doubt
from bot.domain.batches import Counts
from bot.domain.checks import Check
from bot.domain.id_types import IDTypes
from bot.domain.outbox import Message, Post, PostKind
from bot.domain.outcomes import Outcome, Reading, ResultCodes
from bot.domain.reviews import Agreement, Decided, Review
from bot.domain.states import POLLED_REASONS, ReviewReason, State
from bot.outbox.calling import REVIEWERS, Calling
from bot.outbox.context import Context
from bot.settings import Settings
from bot.slack.web import SlackWeb
from bot.smile_id.reading import reading_of
from bot.smile_id.wire import parse_message
from storage import attempts, batches, checks, outbox, receipts, reviews
from storage.database import Transaction

SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file for a thread, or for a direct conversation."""

    channel: str
    thread_ts: str | None
    name: str
    """Names the event too: when an answer was lost, the file is looked for by it."""
    data: bytes = field(repr=False, default=b"")
    comment: str = ""
    write: Callable[[IO[bytes]], Awaitable[str]] | None = None
    """Instead of `data`, where it may be much: writes it, once it is really to be sent, and gives the comment."""
    alt_text: str = ""
    """Of a picture: what it shows."""


class Saying:
    """Builds messages."""

    def __init__(
        self,
        *,
        slack: SlackWeb,
        access: Access,
        codes: ResultCodes,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._slack = slack
        self._access = access
        self._codes = codes
        self._id_types = id_types
        self._settings = settings
        self._now = now
        self._calling = Calling(slack=slack, access=access, id_types=id_types, now=now)

    def gather(self, tx: Transaction, post: Post) -> Context:
        """Everything that the words of this post may need, read in one go."""
        check = checks.find(tx, post.ref) if post.ref else None
        receipt = receipts.find(tx, post.receipt) if post.receipt else None
        reading = None
        if receipt is not None:
            message = parse_message(json.loads(receipt.body))
            reading = reading_of(message, self._codes)
        parent = outbox.find(tx, post.parent_id) if post.parent_id else None
        # An update says again who was told: its message knows of the notice.
        source = parent if post.kind is PostKind.CONFIRMED else post
        notice = outbox.find(tx, source.parent_id) if source and source.parent_id else None
        heard = notice is not None and outbox.delivered(tx, notice.id)
        attempt = attempts.latest(tx, post.ref) if post.ref else None
        review_, decided = _reviewed(tx, check, source.payload if source else post.payload)
        told_batch = batches.find(tx, post.payload["batch"]) if "batch" in post.payload else None
        return Context(
            batch=told_batch,
            counts=batches.counts(tx, told_batch.id) if told_batch else Counts(),
            check=check,
            reading=reading,
            received_at=receipt.received_at if receipt else None,
            told=NotifiedParties(
                reviewers=heard and notice is not None and notice.kind is PostKind.REVIEW_NOTICE,
                reviewer_mentions=self._access.mentions(Role.REVIEWER),
                operators=heard and notice is not None and notice.kind is PostKind.ALERT,
            ),
            claimed=attempt is not None and attempt.claim_receipt is not None,
            parent=parent,
            sent_at=attempt.sent_at if attempt else None,
            review=review_,
            decided=decided,
            below=parent.ts if parent is not None and parent.channel == post.destination else None,
            earlier=_earlier(tx, check) if check is not None and post.kind is PostKind.HELD else (),
        )

    async def say(self, post: Post, context: Context) -> Message | None:
        """The words of one post; None when there is nothing to say any more."""
        if post.kind in REVIEWERS:
            return await self._calling.say(post, context)
        if post.kind is PostKind.UNANSWERED:
            return thread.unanswered(post.payload)
        if post.kind in (PostKind.BATCH, PostKind.BATCH_PROGRESS):
            return batch.message(context.batch, context.counts) if context.batch else None
        return self._build(post, context)

    def file_of(self, tx: Transaction, post: Post) -> File | None:
        """The file that a post brings to the thread of its batch; None when there is nothing to say any more."""
        found = batches.find(tx, post.payload.get("batch", ""))
        if found is None or found.message_ts is None:
            return None
        if post.kind is PostKind.BATCH_FAULTS:
            comment = batch.faults_comment(found)
            data = batch.faults_csv(found)
            name = f"{found.id}-faults.csv"
        else:
            rows = [checks.get(tx, ref) for ref in batches.refs(tx, found.id)]
            still_open = post.payload.get("what") == "open"
            comment = batch.results_comment(found, batches.counts(tx, found.id), still_open=still_open)
            data = batch.results_csv(rows)
            name = f"{found.id}-results-{post.payload.get('what', '')}.csv"
        return File(channel=found.channel, thread_ts=found.message_ts, name=name, data=data, comment=comment)

    def _build(self, post: Post, context: Context) -> Message | None:
        if post.kind is PostKind.ALERT:
            return thread.alert(post.payload.get("fault", ""), post.payload)
        check, reading = context.check, context.reading
        if check is None:
            return None
        entry = self._id_types.find(check.country, check.id_type)
        match post.kind:
            case PostKind.REQUEST | PostKind.PROGRESS:
                waiting = self._now() - (context.sent_at or self._now())
                asked = check.state is State.PROCESSING or check.reason in POLLED_REASONS
                long = asked and waiting >= self._settings.poll_after
                return thread.request_message(
                    check,
                    entry,
                    waiting=waiting if long else None,
                    unconfirmed=context.claimed and check.ended_at is not None,
                    later=check.due_at if self._is_chosen_time(check) else None,
                )
            case PostKind.HELD:
                if check.held is None or check.held != post.payload.get("held"):
                    return None
                return held.question(check, context.earlier, is_reminder="reminder" in post.payload)
            case PostKind.HELD_ANSWERED:
                by = post.payload.get("by", check.requester)
                return held.answered(check, by=by, how=post.payload.get("how", ""), held=post.payload.get("held", ""))
            case PostKind.CANCELLED:
                return thread.cancelled(check, by=post.payload.get("by", check.requester))
            case PostKind.FAILURE:
                return thread.failure(check, told=context.told)
            case PostKind.OVERDUE:
                return thread.overdue(check, told=context.told)
            case PostKind.DECIDED:
                return thread.decided(_as_decided(check, post.payload), context.decided) if context.decided else None
            case _:
                return self._build_result(post, context, check, reading) if reading is not None else None

    def _is_chosen_time(self, check: Check) -> bool:
        """Due much later without any failed try: somebody chose so."""
        if check.due_at is None or check.held is not None or check.tries:
            return False
        return check.due_at - self._now() > SOON

    def _build_result(self, post: Post, context: Context, check: Check, reading: Reading) -> Message:
        entry = self._id_types.find(check.country, check.id_type)
        told, at = context.told, context.received_at or self._now()
        first = Outcome(post.payload.get("first", Outcome.FAILED.value))
        match post.kind:
            case PostKind.RESULT | PostKind.RESULT_UNCONFIRMED:
                confirmed = post.kind is PostKind.RESULT
                doubt = _doubt(post.payload)
                beside = _beside(post.payload, context)
                return thread.result(
                    check, entry, reading, told=told, confirmed=confirmed, at=at, beside=beside, doubt=doubt
                )
            case PostKind.CONFIRMED:
                if context.parent is not None and context.parent.kind is PostKind.APPROVAL_UNCONFIRMED:
                    return thread.approval_since_confirmed(check)
                beside = _beside(context.parent.payload, context) if context.parent else None
                return thread.result(check, entry, reading, told=told, confirmed=True, at=at, beside=beside)
            case PostKind.APPROVAL_UNCONFIRMED:
                return thread.approval_unconfirmed(check, reading, told=told)
            case PostKind.CONTRADICTION:
                return thread.contradiction(check, first, reading.outcome, told=told)
            case PostKind.SECOND_FINAL:
                return thread.second_final(check, first, reading, told=told)
            case PostKind.OLD_RESULT:
                return thread.old_result(check, reading, told=told)
            case PostKind.RECORD_DIFFERS:
                return thread.record_differs(check, told=told, doubt=_doubt(post.payload))
            case PostKind.SUSPECTS:
                return thread.suspects(check, reading, told=told)
            case PostKind.NOT_FINAL:
                return thread.not_final(check, entry, reading, told=told)
            case _:
                return thread.needs_person(check, entry, reading, told=told)


def _reviewed(tx: Transaction, check: Check | None, payload: Mapping[str, str]) -> tuple[Review | None, Decided | None]:
    """The review of the round that a post is about, and the decision that it names."""
    if check is None:
        return None, None
    round_ = int(payload.get("round", check.round))
    number = payload.get("number")
    return reviews.find(tx, check.ref, round_), reviews.decided(tx, check.ref, round_, int(number)) if number else None


def _as_decided(check: Check, payload: Mapping[str, str]) -> Check:
    """As Smile ID stood when a reviewer decided; a post of an older version does not know."""
    if "state" not in payload:
        return check
    return replace(
        check, state=State(payload["state"]), reason=ReviewReason(payload["reason"]) if payload["reason"] else None
    )


def _beside(payload: Mapping[str, str], context: Context) -> Beside | None:
    if context.decided is None or "agreement" not in payload:
        return None
    return Beside(decided=context.decided, agreement=Agreement(payload["agreement"]))


def _doubt(payload: Mapping[str, str]) -> Doubt | None:
    return Doubt(payload["doubt"]) if "doubt" in payload else None


def _earlier(tx: Transaction, check: Check) -> list[Check]:
    found = (checks.find(tx, ref) for ref in check.held_note.get("seen", ()))
    return [earlier for earlier in found if earlier is not None and earlier.channel == check.channel]
