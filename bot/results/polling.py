"""Asks Smile ID's own record: polls, confirmations, and everything that waiting brings."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.access.permissions import Access, Role
from bot.domain.backoff import POLL_FOR, confirm_in, next_poll_in, overdue_level
from bot.domain.check.check import Check
from bot.domain.check.states import POLLED_REASONS, State
from bot.domain.outbox import OperatorAlert, encode_fault
from bot.domain.results.attempt import Attempt
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.domain.results.trust_rules import Source, pick_record, settle_unconfirmed
from bot.errors import Fault, SmileIDError, SmileIDRefused
from bot.outbox import alerts, refresh
from bot.results.announcements import ReceivedMessage
from bot.results.settlement import Settlement, is_replaced, situation_of
from bot.settings import Settings
from bot.smile_id.interface import Record, SmileID
from storage import attempts, checks, receipts
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than one call may take, and void at every start. Two askings at once would do no harm, since a message is kept
once; the lease saves Smile ID the second one."""
CONFIRM_EVERY = timedelta(minutes=15)
"""A claim that nothing else makes due any more: no poll is left, and its time to be confirmed is over."""


class StatusPoller:
    """Asks Smile ID's own record about jobs that are due."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        settlement: Settlement,
        access: Access,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._smile_id = smile_id
        self._settlement = settlement
        self._access = access
        self._settings = settings
        self._now = now

    async def claim(self, limit: int) -> list[Attempt]:
        """Jobs due for job_status, ours until the lease ends."""
        now = self._now()
        return await self._database.write(attempts.claim_due, now=now, until=now + LEASE, limit=limit)

    async def work(self, due: Attempt) -> None:
        """Ask for one job, settle what the record says, and set the time of the next asking."""
        record: Record | None = None
        refusal: SmileIDRefused | None = None
        try:
            record = await self._smile_id.ask(due)
        except SmileIDRefused as no:
            refusal = no
            log.warning("job_status.refused", ref=due.ref, job_id=due.job_id, error=str(no))
        except SmileIDError as fault:
            log.warning("job_status.failed", ref=due.ref, job_id=due.job_id, error=str(fault))
        now = self._now()
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction) -> None:
            if refusal is not None and refusal.fault is Fault.OPERATOR:
                payload = {
                    "ref": due.ref,
                    "words": encode_fault(OperatorAlert.RESULTS_NOT_GIVEN, {"why": refusal.why.value}),
                }
                alerts.alert(tx, refusal.alert, recipients=operators, now=now, payload=payload)
            if record is not None:
                self._settle(tx, attempts.get(tx, due.job_id), record, now)
            self._look_at_the_clock(tx, due.job_id, now)

        await self._database.write(commit)

    def _settle(self, tx: Transaction, attempt: Attempt, record: Record, now: datetime) -> None:
        """Settle everything that Smile ID's record says of this job."""
        found = [message for message in record.messages if message.is_about(attempt, strictly=False)]
        has_told = (attempt.claim_outcome or checks.get(tx, attempt.ref).verdict_outcome) is not None
        for number, past in _order([message.reading for message in found], has_told=has_told):
            self._settlement.settle(tx, attempt.job_id, found[number], source=Source.JOB_STATUS, now=now, past=past)

    def _look_at_the_clock(self, tx: Transaction, job_id: str, now: datetime) -> None:
        """Do whatever waiting brings: tell an unconfirmed result as such, tell long waits, set the next asking."""
        attempt = attempts.get(tx, job_id)
        check = checks.get(tx, attempt.ref)
        if is_replaced(tx, attempt):
            self._leave(tx, check, attempt, now)
            return
        waited = attempt.claim_at is not None and now - attempt.claim_at >= self._settings.confirm_wait
        if waited and (ruling := settle_unconfirmed(situation_of(check, attempt, frozenset()))) is not None:
            self._settlement.apply(tx, ruling, self._claimed(tx, check, attempt, now))
            check, attempt = checks.get(tx, attempt.ref), attempts.get(tx, job_id)
        is_waiting = check.state is State.PROCESSING or check.reason in POLLED_REASONS
        if is_waiting:
            self._tell_the_waiting(tx, check, attempt, now)
        self._set_next(tx, attempt, is_waiting=is_waiting, waited=waited, now=now)

    def _leave(self, tx: Transaction, check: Check, attempt: Attempt, now: datetime) -> None:
        """Ask no more about a job whose check was run again."""
        if attempt.claim_receipt is not None:
            # It was run again before this result was confirmed, perhaps before anybody had heard of it.
            self._settlement.tell_old(tx, self._claimed(tx, check, attempt, now))
            attempts.end_claim(tx, attempt.job_id)
        attempts.next_ask(tx, attempt.job_id, ask_at=None, poll_at=None, polls=attempt.polls, confirms=0)

    def _set_next(self, tx: Transaction, attempt: Attempt, *, is_waiting: bool, waited: bool, now: datetime) -> None:
        """Give the lease back with the time of the next asking: to confirm a claim, or to poll, or never."""
        polls, poll_at, confirms = attempt.polls, attempt.poll_at, attempt.confirm_tries
        if poll_at is not None and poll_at <= now:
            polls += 1
            poll_at = now + next_poll_in(
                now - (attempt.sent_at or now),
                polls,
                callbacks=bool(self._settings.public_url),
                poll_after=self._settings.poll_after,
            )
        ask_at = poll_at if is_waiting else None
        if attempt.claim_at is not None:
            confirms += 1
            wait = confirm_in(confirms)
            times = (
                poll_at,
                now + wait if wait is not None else None,
                # Then it is told as not confirmed, and that must not wait for a poll.
                None if waited else attempt.claim_at + self._settings.confirm_wait,
            )
            ask_at = min(filter(None, times), default=now + CONFIRM_EVERY)
        attempts.next_ask(tx, attempt.job_id, ask_at=ask_at, poll_at=poll_at, polls=polls, confirms=confirms)

    def _claimed(self, tx: Transaction, check: Check, attempt: Attempt, now: datetime) -> ReceivedMessage:
        """The final result that came by callback and waits for confirmation."""
        receipt = receipts.find(tx, attempt.claim_receipt or "")
        assert receipt is not None
        reading = self._smile_id.read_message(receipt.body).reading
        return ReceivedMessage(check=check, attempt=attempt, reading=reading, receipt=receipt.id, at=now)

    def _tell_the_waiting(self, tx: Transaction, check: Check, attempt: Attempt, now: datetime) -> None:
        """In the request's own message at first; after a week a reviewer is asked to look in Smile ID's portal."""
        elapsed = now - (attempt.sent_at or now)
        level = overdue_level(elapsed, self._settings.poll_after)
        if level and attempts.overdue_told(tx, attempt.job_id, level):
            refresh.check_changed(tx, check.ref, now=now)
        if elapsed >= POLL_FOR:
            self._settlement.announcements.tell_overdue(tx, check, attempt.job_id, now=now)


def _order(record: Sequence[ResultMeaning], *, has_told: bool) -> list[tuple[int, bool]]:
    """In which order the messages of a record are settled, and which of them are past: by their numbers in it.

    The message that bears the verdict goes before what counts beside it, the rest from old to new. Sorting is stable:
    each rule below goes before those above it.
    """
    bearing = pick_record(record)
    verdict = record[bearing] if bearing is not None else None
    order = sorted(range(len(record)), key=lambda number: (number != bearing, -number))
    verdicts = {reading.outcome for reading in record if reading.is_final and not reading.is_id_message}
    if len(verdicts) > 1 and not has_told:
        # Two results that differ, and nobody was told of either: the older one is the first.
        order.sort(key=lambda number: (not record[number].is_final, -number))
    # What the authority holds comes before the verdict, so that the result is told with the comparison.
    order.sort(key=lambda number: record[number].why is not ResultStory.ID_DETAILS)
    past = {n for n in order if n != bearing and verdict is not None and _is_past(record[n], verdict)}
    # Kept and not told, but what they hold of the authority's record is compared with the verdict.
    order.sort(key=lambda number: number not in past)
    return [(number, number in past) for number in order]


def _is_past(reading: ResultMeaning, record: ResultMeaning) -> bool:
    """Whether a message of the history is only the way to the one that bears the verdict.

    Beside a verdict on the face an older word on the ID number is no second verdict.
    """
    match reading.outcome:
        case Outcome.IN_PROGRESS:
            return True
        case Outcome.UNKNOWN | Outcome.ID_UNVERIFIED:
            return record.is_final
        case _:
            return reading.is_final and reading.is_id_message and not record.is_id_message
