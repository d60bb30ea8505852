"""The only place where a message of Smile ID changes the state of a check; `announcements` reports it to people.

Inside the caller's transaction: the message is kept, the check moved and the posts enqueued together, or not at all.
"""

import random
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.backoff import first_poll_in
from bot.domain.capture.links import LinkEnding
from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, POLLED_REASONS, State
from bot.domain.dates import seconds_between
from bot.domain.outbox import Post, PostKind
from bot.domain.results.assurance import Doubt, doubt_about_approval, liveness_of
from bot.domain.results.attempt import Addressee, Attempt, Step
from bot.domain.results.codes import is_graver
from bot.domain.results.record_match import Comparison, RecordMatch, compare, entered_person, lower
from bot.domain.results.trust_rules import Disposition, Situation, Source, Transition, is_about_nobody, rule
from bot.domain.review.review import Agreement, Decision
from bot.outbox import link_notices, refresh
from bot.results.announcements import Announcements, ReceivedMessage, needs_eyes
from bot.review import transitions
from bot.settings import Settings
from bot.smile_id.interface import Authority, ResultMessage, SmileID, UnreadResult
from storage import attempts, audit, check_facts, checks, outbox, receipts, reviews
from storage.engine.database import Transaction

_CODE = re.compile(r"[0-9]{1,6}")
_RECEIVED = "result.received"
_WORST_FIRST = (RecordMatch.DIFFERS, RecordMatch.PARTLY, RecordMatch.MATCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCallback:
    """A callback that is trusted as far as callbacks are, and whose it is."""

    job: Addressee
    message: UnreadResult
    at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Settlement:
    smile_id: SmileID
    announcements: Announcements
    settings: Settings
    rng: random.Random

    def keep(self, tx: Transaction, callbacks: Sequence[TrustedCallback]) -> list[receipts.Kept | None]:
        """Store callbacks for `settle_kept`; of each what became of it, None where there is no room for more."""
        messages = [
            receipts.Incoming(
                id=self.new_id(one.at),
                job_id=one.job.job_id,
                source=Source.CALLBACK,
                code=one.message.code,
                body_sha256=one.message.digest,
                body=one.message.body,
                fate=Disposition.KEPT,
                at=one.at,
            )
            for one in callbacks
        ]
        done = receipts.keep_callbacks(tx, messages)
        received = [
            audit.Act(at=one.at, ref=one.job.ref, detail=_received(one.message.code, Source.CALLBACK))
            for one, kept in zip(callbacks, done, strict=True)
            if kept is not None and kept.is_new
        ]
        audit.record_of_checks(tx, received, actor=audit.SMILE_ID, act=_RECEIVED)
        return done

    def settle_kept(self, tx: Transaction, kept: receipts.Unsettled, *, now: datetime) -> Disposition | None:
        """Apply a callback that was kept. None if that was done meanwhile: it may be tried twice at once."""
        if not receipts.is_unsettled(tx, kept.id):
            return None
        attempt = attempts.get(tx, kept.job_id)
        check = checks.get(tx, attempt.ref)
        # Nothing of an altered record is opened, and nothing moves it.
        receipt = None if check.is_altered else receipts.find(tx, kept.id)
        if receipt is None:
            receipts.set_fate(tx, kept.id, Disposition.MISFIT)
            return Disposition.MISFIT
        message = self.smile_id.read_message(receipt.body)
        received = ReceivedMessage(check=check, attempt=attempt, reading=message.reading, receipt=kept.id, at=now)
        return self._settle(tx, received, message, source=Source.CALLBACK, is_new=True)

    def settle(
        self, tx: Transaction, attempt: Attempt, message: ResultMessage, *, now: datetime, past: bool = False
    ) -> Disposition:
        """Keep one message of Smile ID's own record, and apply it. `attempt` is as this transaction has it now.

        It is applied each time, since the very message that a callback claimed is what confirms it. What is `past` is
        kept and not reported.
        """
        kept = self._keep(tx, attempt, message, now=now)
        is_new = not kept.is_settled
        if past:
            if is_new:
                receipts.set_fate(tx, kept.id, Disposition.LATE)
            return Disposition.LATE
        check = checks.get(tx, attempt.ref)
        if check.is_altered:
            # Kept, and moves nothing: neither what the record says can be trusted, nor what it would say then.
            if is_new:
                receipts.set_fate(tx, kept.id, Disposition.MISFIT)
            return Disposition.MISFIT
        received = ReceivedMessage(check=check, attempt=attempt, reading=message.reading, receipt=kept.id, at=now)
        return self._settle(tx, received, message, source=Source.JOB_STATUS, is_new=is_new)

    def _settle(
        self, tx: Transaction, received: ReceivedMessage, message: ResultMessage, *, source: Source, is_new: bool
    ) -> Disposition:
        """Apply what is kept; `is_new` if no ruling was made on it before."""
        check, attempt, reading, receipt_id = received.check, received.attempt, received.reading, received.receipt
        if is_replaced(tx, attempt):
            receipts.set_fate(tx, receipt_id, Disposition.OLD_ATTEMPT)
            if attempt.round < check.round:
                self.report_old(tx, received)
            return Disposition.OLD_ATTEMPT
        if message.smile_job_id and not attempt.smile_job_id and source is Source.JOB_STATUS:
            # Only from Smile ID's own record: a forged callback could lock out the true ones with a wrong id.
            attempts.learned_job(tx, attempt.job_id, message.smile_job_id)
        if check.state is State.AWAITING_PHOTOS:
            received = self._arrived(tx, received)
        # Also with a final result: the authority's record may have come before the release that began to compare, and
        # a repeat may confirm what was claimed before it.
        if reading.is_final or (is_new and message.authority != Authority()):
            received = self._compare(tx, received, kept=message if source is Source.CALLBACK else None)
        told = outbox.told_codes(tx, attempt.job_id)
        ruling = rule(reading, source, situation_of(received.check, attempt, told))
        # The end of a claim counts the message that was claimed, most often this very one.
        is_counted_below = ruling.ends_claim and receipt_id == attempt.claim_receipt
        if is_new or (ruling.fate is Disposition.COUNTED and not is_counted_below):
            receipts.set_fate(tx, receipt_id, ruling.fate)
        self.apply(tx, ruling, received)
        if ruling.tell is not PostKind.RESULT and _is_news(received.check, before=check.record.outcome):
            self._report_record(tx, received)
        return ruling.fate

    def apply(self, tx: Transaction, ruling: Transition, received: ReceivedMessage) -> None:
        check, attempt, now = received.check, received.attempt, received.at
        if ruling.claims:
            outcome = received.reading.outcome
            attempts.claim_result(tx, attempt.job_id, receipt=received.receipt, outcome=outcome, now=now)
        unconfirmed = self._end_claim(tx, attempt) if ruling.ends_claim else None
        agreement, doubt = self._move(tx, ruling, received)
        if ruling.tell in _CONFIRMED:
            code = received.reading.code
            audit.record(tx, at=now, actor=audit.SMILE_ID, act="result.confirmed", ref=check.ref, detail=code)
        if ruling.tell in _CONFIRMED and unconfirmed is not None:
            self.announcements.amend(tx, received, unconfirmed)
        if ruling.tell is PostKind.CONFIRMED:
            refresh.check_changed(tx, check.ref, now=now)
        elif ruling.tell is not None:
            self.announcements.post(tx, ruling, received, agreement=agreement, doubt=doubt)

    def report_old(self, tx: Transaction, received: ReceivedMessage) -> None:
        """Report a final result of an attempt that was run again since, if it is new. It moves nothing."""
        if is_about_nobody(situation_of(received.check, received.attempt, frozenset())):
            return
        # By what each message meant, not by its code: 0810 without a verified ID number was reported as no approval.
        told = receipts.told(tx, received.attempt.job_id)
        known = {self.smile_id.read_message(receipt.body).reading.outcome for receipt in told}
        if received.reading.is_final and received.reading.outcome not in known:
            self.announcements.old(tx, received)

    def new_id(self, now: datetime) -> str:
        """For a receipt: UUID version 7 (RFC 9562), whose ids follow each other in time.

        In no order, each would go into another page of the indexes that they stand in.
        """
        milliseconds = int(now.timestamp() * 1_000) & (1 << 48) - 1
        chance = self.rng.getrandbits(74)
        number = milliseconds << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1
        return str(uuid.UUID(int=number))

    def _keep(self, tx: Transaction, attempt: Attempt, message: ResultMessage, *, now: datetime) -> receipts.Kept:
        """Store a message of Smile ID's own record, late unless a ruling says otherwise; one that is new also in the
        audit trail."""
        incoming = receipts.Incoming(
            id=self.new_id(now),
            job_id=attempt.job_id,
            source=Source.JOB_STATUS,
            code=message.reading.code,
            body_sha256=message.digest,
            body=message.body,
            fate=Disposition.LATE,
            at=now,
        )
        kept = receipts.keep(tx, incoming)
        if kept.is_new:
            detail = _received(incoming.code, incoming.source)
            audit.record(tx, at=now, actor=audit.SMILE_ID, act=_RECEIVED, ref=attempt.ref, detail=detail)
        return kept

    def _compare(self, tx: Transaction, received: ReceivedMessage, *, kept: ResultMessage | None) -> ReceivedMessage:
        """Repeat the comparison with everything that is known of the authority's record by now.

        `kept` is what was read from the receipt of this message just now: it is not opened and read again.
        """
        check, now = received.check, received.at
        if check.personal_erased_at is not None:
            return received  # what was compared once stays: there is nothing left to compare with
        found = self._comparison(tx, received, kept)
        if found == check.record:
            return received
        checks.compared(tx, check.ref, found)
        if found.outcome is not check.record.outcome:
            # The proposal was made before this was known.
            reviews.withdraw_proposal(tx, check.ref, now=now)
        if check.state in FINAL or check.state is State.IN_REVIEW:
            check_facts.note(tx, check.ref, now=now)
            refresh.check_changed(tx, check.ref, now=now)
        return replace(received, check=checks.get(tx, check.ref))

    def _comparison(self, tx: Transaction, received: ReceivedMessage, kept: ResultMessage | None) -> Comparison:
        """What was entered against the authority's record: by field the worst outcome of all trusted messages.

        A callback's signature does not cover its body. With the worst outcome a forged record can call a reviewer, but
        never turn *differs* into *matches*.
        """
        check = received.check
        entered, found = entered_person(check.id_info), []
        others = receipts.of_job(tx, received.attempt.job_id, but=received.receipt if kept else None)
        messages = [self.smile_id.read_message(receipt.body) for receipt in others]
        for message in messages if kept is None else [*messages, kept]:
            compared = compare(entered, message.authority.person, country=check.country)
            found.append(lower(compared, message.reading.actions))
        return Comparison(
            name=_worst(one.name for one in found),
            dob=_worst(one.dob for one in found),
            phone=_worst(one.phone for one in found),
        )

    def _arrived(self, tx: Transaction, received: ReceivedMessage) -> ReceivedMessage:
        """Smile ID speaks of photos that it was asked about and did not know: the customer need take no others.

        Where the message settles nothing, a worker takes note that they have arrived.
        """
        ref, now = received.check.ref, received.at
        checks.move(tx, ref, State.SUBMITTING, now=now)
        checks.postpone(tx, ref, until=now, counts=False)
        tx.wake(checks.SUBMISSION)
        return replace(received, check=checks.get(tx, ref))

    def _end_claim(self, tx: Transaction, attempt: Attempt) -> Post | None:
        """End a claim, which is confirmed or void. Returns the post that said *not yet confirmed*, if there is one."""
        unconfirmed = outbox.unconfirmed_post(tx, attempt.job_id)
        if attempt.claim_receipt is not None:
            receipts.set_fate(tx, attempt.claim_receipt, Disposition.COUNTED)
            attempts.end_claim(tx, attempt.job_id)
        return unconfirmed

    def _move(
        self, tx: Transaction, ruling: Transition, received: ReceivedMessage
    ) -> tuple[Agreement | None, Doubt | None]:
        """Move the check. Returns how a final result compares with a reviewer's decision, and a doubt about it."""
        if ruling.move is None:
            return None, None
        (target, reason), check, attempt, now = ruling.move, received.check, received.attempt, received.at
        if attempt.step is not Step.SENT:
            # Smile ID has a result for photos whose arrival was not confirmed to us: they have arrived.
            first = first_poll_in(callbacks=bool(self.settings.public_url), poll_after=self.settings.poll_after)
            attempts.sent(tx, attempt.job_id, now=now, ask_at=now + first)
            link_notices.end(tx, check.ref, LinkEnding.USED, by=audit.SMILE_ID, now=now)
        is_graver_now = is_graver(received.reading.why, check.verdict_why)
        if target is not check.state or reason is not check.reason or is_graver_now:
            is_verdict = target in (State.APPROVED, State.REJECTED)
            # A message that came late, or for another reason, must not make one reviewer's approval enough.
            is_outweighed = target is State.IN_REVIEW and is_graver(check.verdict_why, received.reading.why)
            liveness = liveness_of(check.liveness_images, received.reading.actions) if is_verdict else None
            reading = None if is_outweighed else received.reading
            checks.move(tx, check.ref, target, reason=reason, reading=reading, liveness=liveness, now=now)
            tx.tell(
                "check.result",
                ref=check.ref,
                job_id=attempt.job_id,
                state=target.value,
                code=received.reading.code,
                seconds=seconds_between(attempt.sent_at or now, now),
            )
            refresh.check_changed(tx, check.ref, now=now)
        is_approval = ruling.tell is PostKind.RESULT and target is State.APPROVED
        moved = checks.get(tx, check.ref, sealed=False)
        doubt = self._doubt(tx, moved) if is_approval else None
        calls = ruling.tell is not None and needs_eyes(ruling, received.reading, doubt)
        agreement = transitions.settle(tx, moved, now=now, needs_eyes=calls)
        if reason in POLLED_REASONS:
            # It may come from a state in which the job was no longer polled.
            attempts.ask_soon(tx, attempt.job_id, at=now + self.settings.poll_after)
        return agreement, doubt

    def _doubt(self, tx: Transaction, check: Check) -> Doubt | None:
        return doubt_about_approval(
            check.record.outcome,
            check.liveness,
            record_rule=self.settings.name_differs,
            liveness_rule=self.settings.liveness,
            is_review_wanted=transitions.is_wanted(tx, check.ref),
        )

    def _report_record(self, tx: Transaction, received: ReceivedMessage) -> None:
        """Report that the authority's record differs, where it came after an approval that people may act on."""
        check = checks.get(tx, received.check.ref)
        stands = Decision.APPROVED if check.state is State.APPROVED else None
        if (check.decision or stands) is Decision.APPROVED:
            self.announcements.record_differs(tx, replace(received, check=check), self._doubt(tx, check))


_CONFIRMED = frozenset({PostKind.RESULT, PostKind.CONFIRMED})
"""What only Smile ID's own record leads to."""


def _received(code: str, source: Source) -> str:
    # What is no code of Smile ID's may be any text.
    return f"{code if _CODE.fullmatch(code) else 'unknown'}:{source.value}"


def _worst(matches: Iterable[RecordMatch]) -> RecordMatch:
    found = frozenset(matches)
    return next((match for match in _WORST_FIRST if match in found), RecordMatch.NOT_COMPARED)


def _is_news(check: Check, *, before: RecordMatch) -> bool:
    """Whether the record now contradicts what people have read: another person, or *nothing more to do*."""
    if check.record.outcome is before:
        return False
    match check.record.outcome:
        case RecordMatch.DIFFERS:
            return True
        case RecordMatch.PARTLY:
            return before is RecordMatch.MATCHES and check.state is State.APPROVED and check.decision is None
        case RecordMatch.MATCHES | RecordMatch.NOT_COMPARED:
            return False


def is_replaced(tx: Transaction, attempt: Attempt) -> bool:
    """Whether a newer attempt counts instead, or will: a check that is run again waits for its own."""
    return attempts.latest_job(tx, attempt.ref) != attempt.job_id


def situation_of(check: Check, attempt: Attempt, codes_told: frozenset[str]) -> Situation:
    """What the rules of trust depend on."""
    return Situation(
        state=check.state,
        reason=check.reason,
        claim=attempt.claim_outcome,
        verdict=check.verdict_outcome if check.state is not State.IN_REVIEW else None,
        codes_told=codes_told,
        has_failed_here=check.failure is not None,
        story=check.verdict_why,
        is_forgotten=check.personal_erased_at is not None and check.decision is None,
    )
