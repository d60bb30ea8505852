"""The one way in which a message becomes the state of a check, and what people are told of it.

Everything here runs inside a transaction of the caller: the message is kept, the check moved and the posts enqueued
together, or not at all.
"""

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.access import Access, Role
from bot.domain.assurance import Doubt, doubt_about_approval
from bot.domain.attempt import Attempt, Step
from bot.domain.backoff import first_poll_in
from bot.domain.checks import Check
from bot.domain.liveness import liveness_of
from bot.domain.outbox import OVERTAKEN_BY_DISPUTE, OVERTAKEN_BY_FINAL, PostKind
from bot.domain.outcomes import NEEDS_EYES, Outcome, Reading, Why
from bot.domain.record_match import RecordMatch
from bot.domain.reviews import Agreement, Choice, Decision, ReviewState
from bot.domain.rulings import Fate, Ruling, Situation, Source, rule
from bot.domain.states import FINAL, POLLED_REASONS, STICKY_REASONS, State
from bot.outbox import alerts, refresh
from bot.results.comparison import comparison_of_job, tells_of_a_person
from bot.review import subscriptions, transitions
from bot.settings import ReviewNotify, Settings
from bot.smile_id.interface import ResultMessage, SmileID
from storage import attempts, checks, facts, outbox, receipts, reviews
from storage.database import Transaction

_NOTHING_NEW = frozenset({PostKind.NOT_FINAL.value, PostKind.OVERDUE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One message, in the circumstances in which it is settled."""

    check: Check
    attempt: Attempt
    reading: Reading
    receipt: str
    at: datetime


class Settlement:
    """Interprets, moves, tells."""

    def __init__(self, *, smile_id: SmileID, access: Access, settings: Settings, dice: random.Random) -> None:
        self._smile_id = smile_id
        self._access = access
        self._settings = settings
        self._dice = dice

    def settle(
        self,
        tx: Transaction,
        job_id: str,
        message: ResultMessage,
        *,
        source: Source,
        now: datetime,
        past: bool = False,
    ) -> Fate | None:
        """Keep one message and do what it does. None for a repeat.

        A callback that was here before does nothing. Smile ID's own record is looked at again each time, since the
        very message that a callback claimed is what confirms it. What is `past` is kept and tells nothing.
        """
        attempt, reading = attempts.get(tx, job_id), message.reading
        receipt_id, is_new = receipts.keep(
            tx,
            receipt_id=self.new_id(),
            job_id=job_id,
            source=source,
            code=reading.code,
            body_sha256=message.digest,
            body=message.body,
            fate=Fate.LATE,
            now=now,
        )
        if not is_new and source is Source.CALLBACK:
            return None
        if past:
            return Fate.LATE
        check = checks.get(tx, attempt.ref)
        if is_replaced(tx, attempt):
            receipts.set_fate(tx, receipt_id, Fate.OLD_ATTEMPT)
            if attempt.round < check.round:
                self.tell_of_old(tx, Heard(check=check, attempt=attempt, reading=reading, receipt=receipt_id, at=now))
            return Fate.OLD_ATTEMPT
        if message.smile_job_id and source is Source.JOB_STATUS:
            attempts.learned_job(tx, job_id, message.smile_job_id)
        before = check.record.outcome
        # With a final result too: what the authority holds may have come before an update that began to compare.
        # A repeat confirms what was claimed, perhaps before that update.
        if reading.is_final or (is_new and tells_of_a_person(message)):
            check = self._compare(tx, check, job_id, now)
        ruling = rule(reading, source, situation_of(check, attempt, outbox.told_codes(tx, job_id)))
        if is_new or ruling.fate is Fate.COUNTED:
            receipts.set_fate(tx, receipt_id, ruling.fate)
        heard = Heard(check=check, attempt=attempt, reading=reading, receipt=receipt_id, at=now)
        self.apply(tx, ruling, heard)
        if check.record.outcome is not before and ruling.tell is not PostKind.RESULT and _is_to_be_told(check, before):
            self._tell_of_the_record(tx, heard)
        return ruling.fate

    def _compare(self, tx: Transaction, check: Check, job_id: str, now: datetime) -> Check:
        """Compare anew with everything that is known of the authority's record by now."""
        found = comparison_of_job(tx, self._smile_id, job_id, check.id_info, country=check.country)
        if found == check.record:
            return check
        checks.compared(tx, check.ref, found)
        if found.outcome is not check.record.outcome:
            # What is proposed was proposed in the light of what was known before.
            reviews.withdraw_proposal(tx, check.ref, now=now)
        if check.state in FINAL or check.state is State.IN_REVIEW:
            facts.note(tx, check.ref, now=now)
            refresh.check_changed(tx, check.ref, now=now)
        return checks.get(tx, check.ref)

    def apply(self, tx: Transaction, ruling: Ruling, heard: Heard) -> None:
        check, attempt, now = heard.check, heard.attempt, heard.at
        agreement, doubt = None, None
        if ruling.claims:
            attempts.claim_result(tx, attempt.job_id, receipt=heard.receipt, outcome=heard.reading.outcome, now=now)
        amended = outbox.unconfirmed_post(tx, attempt.job_id) if ruling.ends_claim else None
        if ruling.ends_claim and attempt.claim_receipt is not None:
            receipts.set_fate(tx, attempt.claim_receipt, Fate.COUNTED)
            attempts.end_claim(tx, attempt.job_id)
        if ruling.move is not None:
            target, reason = ruling.move
            if attempt.step is not Step.SENT:
                # Smile ID answers for a zip whose arrival we had not heard of: it is there.
                first = first_poll_in(callbacks=bool(self._settings.public_url), poll_after=self._settings.poll_after)
                attempts.sent(tx, attempt.job_id, now=now, ask_at=now + first)
            if target is not check.state or reason is not check.reason:
                if target in (State.APPROVED, State.REJECTED):
                    checks.keep_liveness(tx, check.ref, liveness_of(check.liveness_images, heard.reading.actions))
                checks.move(tx, check.ref, target, reason=reason, reading=heard.reading, now=now)
                refresh.check_changed(tx, check.ref, now=now)
            doubt = self._doubt(tx, check.ref) if ruling.tell is PostKind.RESULT and target is State.APPROVED else None
            calls = ruling.tell is not None and (doubt is not None or self._calls_reviewer(ruling, heard.reading))
            agreement = transitions.settle(tx, check.ref, now=now, needs_eyes=calls)
            if reason in POLLED_REASONS:
                # It may come from a state in which nobody asked any more.
                attempts.ask_soon(tx, attempt.job_id, at=now + self._settings.poll_after)
        if ruling.tell in (PostKind.CONFIRMED, PostKind.RESULT) and amended is not None:
            outbox.enqueue(
                tx,
                PostKind.CONFIRMED,
                key=attempt.job_id,
                ref=check.ref,
                destination=check.channel,
                receipt=amended.receipt,
                parent_id=amended.id,
                now=now,
            )
        if ruling.tell is PostKind.CONFIRMED:
            refresh.check_changed(tx, check.ref, now=now)
        elif ruling.tell is not None:
            self._tell(tx, ruling, heard, agreement, doubt)

    def _tell(
        self, tx: Transaction, ruling: Ruling, heard: Heard, agreement: Agreement | None, doubt: Doubt | None
    ) -> None:
        """Enqueue the message of the thread, and before it the notices that it may truthfully speak of.

        `agreement` is how a final result stands to what a reviewer had decided, `doubt` why an approval needs one.
        """
        assert ruling.tell is not None
        check, attempt, reading, now = heard.check, heard.attempt, heard.reading, heard.at
        kind = ruling.tell
        key = attempt.job_id
        if ruling.tell in (PostKind.NOT_FINAL, PostKind.UNKNOWN_CODE, PostKind.ID_UNVERIFIED):
            key = f"{attempt.job_id}:{reading.code}"
        elif ruling.tell is PostKind.SECOND_FINAL:
            key = f"{attempt.job_id}:{reading.outcome.value}"
        if ruling.tell not in (PostKind.NOT_FINAL, PostKind.SUSPECTS):
            in_dispute = ruling.move is not None and ruling.move[1] in STICKY_REASONS
            overtaken = OVERTAKEN_BY_DISPUTE if in_dispute else OVERTAKEN_BY_FINAL
            outbox.drop_overtaken(tx, check.ref, now=now, kinds=overtaken)
        first = ruling.against or Outcome.FAILED
        is_differing = ruling.tell is PostKind.RESULT and reading.outcome is Outcome.APPROVED
        is_differing = is_differing and check.record.outcome is RecordMatch.DIFFERS
        title = Doubt.RECORD_DIFFERS if is_differing else doubt or kind
        payload = {"tell": title.value, "first": first.value, "outcome": reading.outcome.value}
        parent_id = None
        calls = doubt is not None or self._calls_reviewer(ruling, reading)
        if doubt is not None:
            payload["doubt"] = doubt.value
        if agreement is not None:
            decided = reviews.decided(tx, check.ref, check.round)
            assert decided is not None
            payload |= {"agreement": agreement.value, "number": str(decided.number), "round": str(check.round)}
        if agreement is Agreement.CONTRADICTS or calls:
            parent_id = self.notice(
                tx, check, f"{kind.value}:{key}", now=now, payload=payload, receipt_id=heard.receipt
            )
        elif self._informs_reviewer(ruling, reading):
            parent_id = self.notice(
                tx, check, f"{kind.value}:{key}", now=now, payload=payload, receipt_id=heard.receipt, opens=False
            )
        elif reading.why is Why.REFUSED:
            words = "Smile ID says that this ID type is not active for our account."
            parent_id = alerts.alert(
                tx,
                f"smile_id:{reading.code}",
                recipients=self._access.people(Role.ADMIN),
                now=now,
                payload={"ref": check.ref, "words": words},
            )
        outbox.enqueue(
            tx,
            kind,
            key=key,
            ref=check.ref,
            destination=check.channel,
            receipt=heard.receipt,
            payload=payload,
            parent_id=parent_id,
            now=now,
            is_silent=parent_id is None and not calls and self._is_told_with_its_file(tx, check, kind, reading),
        )
        is_final = kind in (PostKind.RESULT, PostKind.RESULT_UNCONFIRMED)
        choice = Choice.RESULTS if is_final else Choice.NEWS
        subscriptions.tell(
            tx, check, choice, event=f"{kind.value}:{key}", now=now, payload=payload, receipt=heard.receipt
        )

    @staticmethod
    def _is_told_with_its_file(tx: Transaction, check: Check, kind: PostKind, reading: Reading) -> bool:
        """Whether the file of applicants that the check came with tells its result, so that its thread need not.

        Those are a file's plain verdicts: they stand in its counts and in its file of results. What differs from the
        authority's record must stand in the thread too, and so must the result of a row of which something was told
        there before, or that somebody ran again by itself.
        """
        return (
            kind is PostKind.RESULT
            and reading.outcome in (Outcome.APPROVED, Outcome.REJECTED)
            and check.record.outcome is not RecordMatch.DIFFERS
            and check.batch is not None
            and check.round == 1
            and not outbox.has_told(tx, check.ref)
        )

    def _doubt(self, tx: Transaction, ref: str) -> Doubt | None:
        """Why the approval that a check has come to needs a reviewer."""
        check = checks.get(tx, ref)
        return doubt_about_approval(
            check.record.outcome,
            check.liveness,
            record_rule=self._settings.name_differs,
            liveness_rule=self._settings.liveness,
        )

    def _tell_of_the_record(self, tx: Transaction, heard: Heard) -> None:
        """The authority's record came after an approval that people may act on: they must hear that it differs."""
        check, now = checks.get(tx, heard.check.ref), heard.at
        stands = Decision.APPROVED if check.state is State.APPROVED else None
        if (check.decision or stands) is not Decision.APPROVED:
            return
        # The result is built when it is delivered: it would tell the same, and call nobody.
        outbox.drop_overtaken(tx, check.ref, now=now, kinds=frozenset({PostKind.RESULT}))
        doubt = self._doubt(tx, check.ref)
        payload = {"tell": f"record_{check.record.outcome.value}", "outcome": heard.reading.outcome.value}
        key, parent_id = f"{heard.attempt.job_id}:{check.record.outcome.value}", None
        if doubt is not None:
            payload["doubt"] = doubt.value
        if doubt is Doubt.RECORD_DIFFERS:
            parent_id = self.notice(
                tx, check, f"{PostKind.RECORD_DIFFERS.value}:{key}", now=now, payload=payload, receipt_id=heard.receipt
            )
        elif doubt is not None:
            # Called already with the result, whose message may have been dropped above: this one says so in its place.
            result = f"{PostKind.REVIEW_NOTICE.value}:{PostKind.RESULT.value}:{heard.attempt.job_id}"
            parent_id = result if outbox.find(tx, result) is not None else None
        outbox.enqueue(
            tx,
            PostKind.RECORD_DIFFERS,
            key=key,
            ref=check.ref,
            destination=check.channel,
            receipt=heard.receipt,
            payload=payload,
            parent_id=parent_id,
            now=now,
        )
        event = f"{PostKind.RECORD_DIFFERS.value}:{key}"
        subscriptions.tell(tx, check, Choice.RESULTS, event=event, now=now, payload=payload, receipt=heard.receipt)

    def tell_of_old(self, tx: Transaction, heard: Heard) -> None:
        """A final result of an attempt that was run again since moves nothing; one that is new, people must hear."""
        job_id, outcome = heard.attempt.job_id, heard.reading.outcome
        # By what each message said, not by its code: 0810 without a verified ID number was told as no approval.
        known = {self._smile_id.read_message(receipt.body).reading.outcome for receipt in receipts.told(tx, job_id)}
        if not heard.reading.is_final or outcome in known:
            return
        payload = {"tell": PostKind.OLD_RESULT.value, "outcome": outcome.value}
        key = f"{job_id}:{outcome.value}"
        parent_id = self.notice(
            tx, heard.check, f"old_result:{key}", now=heard.at, payload=payload, receipt_id=heard.receipt
        )
        outbox.enqueue(
            tx,
            PostKind.OLD_RESULT,
            key=key,
            ref=heard.check.ref,
            destination=heard.check.channel,
            receipt=heard.receipt,
            payload=payload,
            parent_id=parent_id,
            now=heard.at,
        )

    def _calls_reviewer(self, ruling: Ruling, reading: Reading) -> bool:
        return ruling.calls_reviewer or reading.why in NEEDS_EYES

    def _informs_reviewer(self, ruling: Ruling, reading: Reading) -> bool:
        if ruling.tell not in (PostKind.RESULT, PostKind.RESULT_UNCONFIRMED):
            return False
        notify = self._settings.review_notify
        return notify is ReviewNotify.ALL or (notify is ReviewNotify.REJECTED and reading.outcome is Outcome.REJECTED)

    def notice(
        self,
        tx: Transaction,
        check: Check,
        key: str,
        *,
        now: datetime,
        payload: Mapping[str, str],
        receipt_id: str | None = None,
        opens: bool = True,
    ) -> str | None:
        """Call the reviewers, with a card in their channel if there is one.

        What was decided is not opened again because Smile ID still has no final result.
        """
        if payload["tell"] in _NOTHING_NEW and checks.get(tx, check.ref).review is ReviewState.DECIDED:
            return None
        channel = self._settings.review_channel
        return transitions.call(
            tx, check, key, channel=channel, now=now, payload=payload, receipt=receipt_id, opens=opens
        )

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))


def _is_to_be_told(check: Check, before: RecordMatch) -> bool:
    """Whether what the record says now takes back what people read: another person, or *nothing more to do*."""
    match check.record.outcome:
        case RecordMatch.DIFFERS:
            return True
        case RecordMatch.PARTLY:
            return before is RecordMatch.MATCHES and check.state is State.APPROVED and check.decision is None
        case RecordMatch.MATCHES | RecordMatch.NOT_COMPARED:
            return False


def is_replaced(tx: Transaction, attempt: Attempt) -> bool:
    """Whether a newer attempt counts instead, or will: a check that is run again waits for its own."""
    latest = attempts.latest(tx, attempt.ref)
    return latest is None or latest.job_id != attempt.job_id


def situation_of(check: Check, attempt: Attempt, codes_told: frozenset[str]) -> Situation:
    return Situation(
        state=check.state,
        reason=check.reason,
        claim=attempt.claim_outcome,
        verdict=check.verdict_outcome if check.state is not State.IN_REVIEW else None,
        codes_told=codes_told,
    )
