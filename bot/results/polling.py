"""Asking job_status: polls, confirmations, and everything that waiting brings."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.access import Access, Role
from bot.domain.attempt import Attempt
from bot.domain.backoff import POLL_FOR, confirm_in, next_poll_in, overdue_level
from bot.domain.checks import Check
from bot.domain.outbox import PostKind
from bot.domain.outcomes import Outcome, Reading, Why
from bot.domain.rulings import Source, record_of, waited_enough
from bot.domain.states import POLLED_REASONS, State
from bot.errors import Fault, SmileIDError, SmileIDRefused
from bot.outbox import alerts, refresh
from bot.results.settlement import Heard, Settlement, is_replaced, situation_of
from bot.settings import Settings
from bot.smile_id.interface import Record, SmileID
from storage import attempts, checks, outbox, receipts
from storage.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)


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
                payload = {"ref": due.ref, "words": f"Smile ID refuses to give results. {refusal.words}"}
                alerts.alert(tx, refusal.alert, recipients=operators, now=now, payload=payload)
            if record is not None:
                self._digest(tx, due.job_id, record, now)
            self._look_at_the_clock(tx, due.job_id, now)

        await self._database.write(commit)

    def _digest(self, tx: Transaction, job_id: str, record: Record, now: datetime) -> None:
        """Settle Smile ID's record: first the message that bears the verdict, then what counts beside it."""
        attempt = attempts.get(tx, job_id)
        read = [message for message in record.messages if message.is_about(attempt, strictly=False)]
        readings = [message.reading for message in read]
        chosen = record_of(readings)
        order = list(reversed(range(len(read))))
        if chosen is not None:
            order.remove(chosen)
            order.insert(0, chosen)
        if self._two_verdicts(tx, attempt, readings):
            # Nobody was told of either: the older one is the first.
            order.sort(key=lambda number: (not readings[number].is_final, -number))
        # What the authority holds comes before the verdict, so that the result is told with the comparison.
        order.sort(key=lambda number: readings[number].why is not Why.ID_DETAILS)
        past = {n for n in order if n != chosen and chosen is not None and _is_past(readings[n], readings[chosen])}
        # Kept and not told, but what they hold of the authority's record is compared with the verdict.
        order.sort(key=lambda number: number not in past)
        for number in order:
            self._settlement.settle(tx, job_id, read[number], source=Source.JOB_STATUS, now=now, past=number in past)

    def _two_verdicts(self, tx: Transaction, attempt: Attempt, record: Sequence[Reading]) -> bool:
        """Whether the record alone, with nothing heard before, holds two results that differ."""
        verdicts = {reading.outcome for reading in record if reading.is_final and not reading.is_id_message}
        heard_before = attempt.claim_outcome or checks.get(tx, attempt.ref).verdict_outcome
        return len(verdicts) > 1 and heard_before is None

    def _look_at_the_clock(self, tx: Transaction, job_id: str, now: datetime) -> None:
        """Whatever waiting brings: an unconfirmed result told as such, long waits told, the next asking."""
        attempt = attempts.get(tx, job_id)
        check = checks.get(tx, attempt.ref)
        if is_replaced(tx, attempt):
            if attempt.claim_receipt is not None:
                # The check was run again before this result was confirmed, perhaps before anybody had heard of it.
                self._settlement.tell_of_old(tx, self._claimed(tx, check, attempt, now))
                attempts.end_claim(tx, job_id)
            attempts.next_ask(tx, job_id, ask_at=None, poll_at=None, polls=attempt.polls, confirms=0)
            return
        waited = attempt.claim_at is not None and now - attempt.claim_at >= self._settings.confirm_wait
        if waited and (ruling := waited_enough(situation_of(check, attempt, frozenset()))) is not None:
            self._settlement.apply(tx, ruling, self._claimed(tx, check, attempt, now))
            check, attempt = checks.get(tx, attempt.ref), attempts.get(tx, job_id)
        elapsed = now - (attempt.sent_at or now)
        waits = check.state is State.PROCESSING or check.reason in POLLED_REASONS
        if waits:
            self._tell_the_waiting(tx, check, attempt, elapsed, now)
        polls, poll_at = attempt.polls, attempt.poll_at
        if poll_at is not None and poll_at <= now:
            polls += 1
            poll_at = now + next_poll_in(
                elapsed, polls, callbacks=bool(self._settings.public_url), poll_after=self._settings.poll_after
            )
        confirms = attempt.confirm_tries
        ask_at: datetime | None = None
        if waits or attempt.claim_receipt is not None:
            ask_at = poll_at
        if attempt.claim_at is not None and attempt.claim_receipt is not None:
            confirms += 1
            times = [poll_at] if poll_at else []
            if (wait := confirm_in(confirms)) is not None:
                times.append(now + wait)
            deadline = attempt.claim_at + self._settings.confirm_wait
            if not waited:
                times.append(deadline)
            ask_at = min(times) if times else now + timedelta(minutes=15)
        attempts.next_ask(tx, job_id, ask_at=ask_at, poll_at=poll_at, polls=polls, confirms=confirms)

    def _claimed(self, tx: Transaction, check: Check, attempt: Attempt, now: datetime) -> Heard:
        """The final result that came by callback and waits for confirmation."""
        receipt = receipts.find(tx, attempt.claim_receipt or "")
        assert receipt is not None
        reading = self._smile_id.read_message(receipt.body).reading
        return Heard(check=check, attempt=attempt, reading=reading, receipt=receipt.id, at=now)

    def _tell_the_waiting(
        self, tx: Transaction, check: Check, attempt: Attempt, elapsed: timedelta, now: datetime
    ) -> None:
        level = overdue_level(elapsed, self._settings.poll_after)
        if level and attempts.overdue_told(tx, attempt.job_id, level):
            refresh.check_changed(tx, check.ref, now=now)
        if elapsed >= POLL_FOR:
            notice = self._settlement.notice(
                tx, check, f"overdue:{attempt.job_id}", now=now, payload={"tell": PostKind.OVERDUE.value}
            )
            outbox.enqueue(
                tx,
                PostKind.OVERDUE,
                key=attempt.job_id,
                ref=check.ref,
                destination=check.channel,
                now=now,
                parent_id=notice,
            )


def _is_past(reading: Reading, record: Reading) -> bool:
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
