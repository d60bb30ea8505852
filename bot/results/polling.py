"""Asks Smile ID's own record: polls, confirmations, and what happens when they take long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.backoff import (
    ASK_LAST_EVERY,
    ASK_LAST_FOR,
    LATE_FOR,
    POLL_FOR,
    confirm_in,
    next_poll_in,
    overdue_level,
)
from bot.domain.check.check import Check
from bot.domain.check.states import POLLED_REASONS, State
from bot.domain.outbox import AdminAlert
from bot.domain.results.attempt import Attempt, Step
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.domain.results.trust_rules import pick_record, settle_unconfirmed
from bot.domain.review.review import UNANSWERED
from bot.errors import Fault, SmileIDError, SmileIDRefused
from bot.outbox import alerts, refresh
from bot.results.announcements import ReceivedMessage
from bot.results.settlement import Settlement, is_replaced, situation_of
from bot.smile_id.interface import Record, SmileID
from storage import attempts, checks, leases, receipts
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than one call may take, and void at every start. Two requests at once would do no harm, since a message is
kept once; the lease saves Smile ID the second one."""
CONFIRM_EVERY = timedelta(minutes=15)
"""For a claim that nothing else makes due: no poll is left, and its confirmations are used up."""
_NO_END = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True, eq=False)
class StatusPoller(Process):
    smile_id: SmileID
    settlement: Settlement

    async def claim(self, limit: int) -> list[Attempt]:
        now = self.now()
        return await self.database.write(attempts.claim_due, now=now, until=now + LEASE, limit=limit)

    async def give_up(self, due: Sequence[Attempt]) -> None:
        await self.database.write(leases.give_up, "attempts", "job_id", [one.job_id for one in due], now=self.now())

    async def work(self, due: Attempt) -> None:
        """Ask for one job's record, settle what it says, and schedule the next request."""
        record: Record | None = None
        refusal: SmileIDRefused | None = None
        asked_at = self.now()
        try:
            record = await self.smile_id.ask(due)
        except SmileIDRefused as no:
            refusal = no
            log.warning("job_status.refused", ref=due.ref, job_id=due.job_id, error=str(no))
        except SmileIDError as fault:
            log.warning("job_status.failed", ref=due.ref, job_id=due.job_id, error=str(fault))
        now = self.now()
        admins = self.access.people(Role.ADMIN)

        def commit(tx: Transaction) -> None:
            if refusal is not None and refusal.fault is Fault.OPERATOR:
                code, why = AdminAlert.RESULTS_NOT_GIVEN, refusal.why.value
                alerts.alert(tx, refusal.alert, code, recipients=admins, now=now, ref=due.ref, why=why)
            if record is not None:
                self._settle(tx, due.job_id, record, now)
            self._apply_timeouts(tx, due.job_id, asked_at if record is not None else None, now)

        await self.database.write(commit)

    def _settle(self, tx: Transaction, job_id: str, record: Record, now: datetime) -> None:
        attempt = attempts.get(tx, job_id)
        found = [message for message in record.messages if message.is_about(attempt)]
        has_told = (attempt.claim_outcome or checks.get(tx, attempt.ref).verdict_outcome) is not None
        settled = set[tuple[str, bool]]()
        for number, past in _order([message.reading for message in found], has_told=has_told):
            # The last result stands in the history as well; said a second time, it does nothing.
            once = (found[number].digest, past)
            if once not in settled:
                if settled:
                    attempt = attempts.get(tx, job_id)  # the message before may have claimed a result, or ended a claim
                settled.add(once)
                self.settlement.settle(tx, attempt, found[number], now=now, past=past)

    def _apply_timeouts(self, tx: Transaction, job_id: str, asked_at: datetime | None, now: datetime) -> None:
        """Report a result that stays unconfirmed, and long waits; schedule the next request.

        `asked_at` is when the request began that was answered just now; None where it was not.
        """
        attempt = attempts.get(tx, job_id)
        check = checks.get(tx, attempt.ref, sealed=False)
        if check.is_altered:
            # No answer of Smile ID's could be told.
            attempts.next_ask(tx, job_id, ask_at=None, poll_at=None, polls=attempt.polls, confirms=0)
            return
        if is_replaced(tx, attempt):
            if attempt.claim_receipt is not None:
                # It was run again before this result was confirmed, perhaps before anybody had heard of it.
                self.settlement.report_old(tx, self._claimed(tx, attempt, now))
                attempts.end_claim(tx, job_id)
            again = _asked_again_at(check, check.consent_at, now) if asked_at is None else None
            attempts.next_ask(tx, job_id, ask_at=again, poll_at=None, polls=attempt.polls, confirms=0)
            return
        waited = attempt.claim_at is not None and now - attempt.claim_at >= self.settings.confirm_wait
        if waited and (ruling := settle_unconfirmed(situation_of(check, attempt, frozenset()))) is not None:
            self.settlement.apply(tx, ruling, self._claimed(tx, attempt, now))
            check, attempt = checks.get(tx, attempt.ref, sealed=False), attempts.get(tx, job_id)
        if asked_at is not None and _answers_end(attempt, asked_at):
            attempts.settle_doubt(tx, job_id)
        is_waiting = check.state is State.PROCESSING or check.reason in POLLED_REASONS
        if is_waiting:
            self._report_delay(tx, check, attempt, now)
        until = _NO_END if is_waiting else _asked_until(check)
        again = None
        if asked_at is None and check.state is State.FAILED and check.failure == "unsettled":
            # Never polled, since whether Smile ID has it is unclear: one fault must not use up its one request.
            again = _asked_again_at(check, check.ended_at, now)
        is_answered = asked_at is not None
        self._set_next(tx, attempt, until=until, again=again, is_answered=is_answered, waited=waited, now=now)

    def _set_next(
        self,
        tx: Transaction,
        attempt: Attempt,
        *,
        until: datetime | None,
        again: datetime | None,
        is_answered: bool,
        waited: bool,
        now: datetime,
    ) -> None:
        """Give the lease back with the time of the next request: to confirm a claim, to poll `until` then, to make one
        `again` that had no answer, or never."""
        polls, poll_at, confirms = attempt.polls, attempt.poll_at, attempt.confirm_tries
        if poll_at is not None and poll_at <= now:
            polls += 1
            poll_at = now + next_poll_in(
                now - (attempt.sent_at or now),
                polls,
                callbacks=bool(self.settings.public_url),
                poll_after=self.settings.poll_after,
            )
        if poll_at is not None and until is not None and poll_at >= until and not is_answered:
            # This was to be the last one: it is made until it is answered.
            poll_at, until = now + ASK_LAST_EVERY, until + ASK_LAST_FOR
        ask_at = poll_at if poll_at is not None and until is not None and poll_at < until else again
        if attempt.claim_at is not None:
            confirms += 1
            times = (
                poll_at,
                now + wait if (wait := confirm_in(confirms)) is not None else None,
                # At that time it is reported as not confirmed, which must not wait for a poll.
                None if waited else attempt.claim_at + self.settings.confirm_wait,
            )
            ask_at = min(filter(None, times), default=now + CONFIRM_EVERY)
        attempts.next_ask(tx, attempt.job_id, ask_at=ask_at, poll_at=poll_at, polls=polls, confirms=confirms)

    def _claimed(self, tx: Transaction, attempt: Attempt, now: datetime) -> ReceivedMessage:
        """The final result that came by callback and waits for confirmation."""
        receipt = receipts.find(tx, attempt.claim_receipt or "")
        assert receipt is not None
        reading = self.smile_id.read_message(receipt.body).reading
        check = checks.get(tx, attempt.ref)
        return ReceivedMessage(check=check, attempt=attempt, reading=reading, receipt=receipt.id, at=now)

    def _report_delay(self, tx: Transaction, check: Check, attempt: Attempt, now: datetime) -> None:
        """In the request's own message at first; after a week a reviewer is asked to open Smile ID's portal."""
        elapsed = now - (attempt.sent_at or now)
        level = overdue_level(elapsed, self.settings.poll_after)
        if level and attempts.overdue_told(tx, attempt.job_id, level):
            refresh.check_changed(tx, check.ref, now=now)
        if elapsed >= POLL_FOR:
            self.settlement.announcements.overdue(tx, check, attempt.job_id, now=now)


def _asked_until(check: Check) -> datetime | None:
    """Until when a job is still to be asked about of a check that a reviewer ended, since Smile ID gave no result.

    Whatever its record says meanwhile: where a callback is lost, or none can come, nothing else finds a late result.
    None once its customer is erased: nobody could decide what would be found.
    """
    if check.state is not State.FAILED or check.failure != UNANSWERED or check.ended_at is None:
        return None
    if check.personal_erased_at is not None:
        return None
    return check.ended_at + LATE_FOR


def _answers_end(attempt: Attempt, asked_at: datetime) -> bool:
    """Whether this is the first answer since a reviewer ended its check without one: an erasure waits for it."""
    # One that may not have been sent is in doubt for another cause, which is not ended here.
    if attempt.step is not Step.SENT or attempt.in_doubt_since is None:
        return False
    # A request may have been under way when it was ended: what it read may be older.
    return asked_at > attempt.in_doubt_since


def _asked_again_at(check: Check, ended_at: datetime | None, now: datetime) -> datetime | None:
    """The one request about a job that was run again since, or ended `unsettled`, had no answer: when to make it again.

    For as long after the end of its round as callbacks about it are taken, unless its customer is erased.
    """
    if ended_at is None or check.personal_erased_at is not None:
        return None
    again = now + ASK_LAST_EVERY
    return again if again < ended_at + LATE_FOR else None


def _order(record: Sequence[ResultMeaning], *, has_told: bool) -> list[tuple[int, bool]]:
    """The messages of a record by their numbers in it, in the order to settle them, each with whether it is past.

    The message with the verdict comes first, the rest from old to new. Sorting is stable: each rule below takes
    precedence over those above it.
    """
    bearing = pick_record(record)
    verdict = record[bearing] if bearing is not None else None
    order = sorted(range(len(record)), key=lambda number: (number != bearing, -number))
    verdicts = {reading.outcome for reading in record if reading.is_final and not reading.is_id_message}
    if len(verdicts) > 1 and not has_told:
        # Two results that differ, and neither was reported: the older one comes first.
        order.sort(key=lambda number: (not record[number].is_final, -number))
    # What the authority holds comes before the verdict, so that the result is reported with the comparison.
    order.sort(key=lambda number: record[number].why is not ResultStory.ID_DETAILS)
    past = {n for n in order if n != bearing and verdict is not None and _is_past(record[n], verdict)}
    # Kept and not reported, but what they hold of the authority's record counts for the comparison.
    order.sort(key=lambda number: number not in past)
    return [(number, number in past) for number in order]


def _is_past(reading: ResultMeaning, record: ResultMeaning) -> bool:
    """Whether a message of the history was only a step on the way to the one with the verdict.

    After a verdict on the face, an older result about the ID number alone is no second verdict.
    """
    match reading.outcome:
        case Outcome.IN_PROGRESS:
            return True
        case Outcome.UNKNOWN | Outcome.ID_UNVERIFIED:
            return record.is_final
        case _:
            return reading.is_final and reading.is_id_message and not record.is_id_message
