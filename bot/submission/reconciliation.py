"""Reconciles a submission whose answer was lost with Smile ID's own record, before anything is sent again."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.access.process import Process
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.dates import seconds_between
from bot.domain.results.attempt import Attempt, Step
from bot.errors import SmileIDError, SmileIDRefused
from bot.smile_id.interface import Arrival, SmileID
from bot.submission import checkpoints
from bot.submission.retries import RetryPolicy
from storage import attempts, checks

log = structlog.get_logger(__name__)

SETTLES_AFTER = timedelta(seconds=10)
"""Smile ID may need this long before its record shows a job; what it does not know then, it does not have."""


@dataclass(slots=True, kw_only=True, eq=False)
class Reconciler(Process):
    smile_id: SmileID
    retries: RetryPolicy

    async def begin(self, check: Check, attempt: Attempt, fault: SmileIDError) -> None:
        """Mark an attempt as in doubt: the next pass, which is due at once, asks Smile ID's record before it sends."""
        await self.database.write(attempts.doubt, attempt.job_id, since=self.now())
        await self.retries.reschedule(check, fault, at_once=True, gives_up_as="unsettled")

    async def pass_failed(self, ref: str) -> None:
        """A pass failed for a reason that nobody foresaw, perhaps in the middle of a call: the attempt is in doubt."""
        check = await self.database.read(checks.get, ref)
        attempt = await self.database.read(attempts.latest, ref)
        if attempt is not None and attempt.step is not Step.SENT:
            await self.database.write(attempts.doubt, attempt.job_id, since=self.now())
        await self.retries.reschedule(check, "pass failed", gives_up_as="fault" if attempt is None else "unsettled")

    async def settle(self, check: Check, attempt: Attempt) -> Attempt | None:
        """Ask Smile ID what it has. Returns the attempt if it should be sent, None to stop for now."""
        assert attempt.in_doubt_since is not None
        asked_at = self.now()
        arrival = await self.arrival_of(check, attempt)
        if arrival is Arrival.RECEIVED:
            await self.received(check, attempt, "record")
        if arrival is not Arrival.MISSING:
            return None
        # Sending every ten seconds would use up all tries in minutes.
        settles_after = max(SETTLES_AFTER, retry_in(check.tries, jitter=0.5))
        # Measured to the request and not to its answer: a clock that was set meanwhile must not end the doubt early.
        wait = min(attempt.in_doubt_since + settles_after - asked_at, settles_after)
        if wait > timedelta(0):
            await self.database.write(checks.postpone, check.ref, until=self.now() + wait, counts=False)
            return None
        await self.database.write(attempts.settle_doubt, attempt.job_id)
        return await self.database.read(attempts.get, attempt.job_id)

    async def arrival_of(self, check: Check, attempt: Attempt) -> Arrival:
        """Ask Smile ID whether it has the photos. On UNKNOWN the check is already rescheduled."""
        try:
            arrival = await self.smile_id.was_received(attempt)
        except SmileIDError as fault:
            # A refusal is no fault of this check: it waits for the admins, who are alerted at once.
            refusal = fault if isinstance(fault, SmileIDRefused) else None
            await self.retries.reschedule(check, fault, gives_up_as="unsettled", refusal=refusal)
            return Arrival.UNKNOWN
        if arrival is Arrival.UNKNOWN:
            # A callback may still decide it; after the last retry a person decides whether to pay a second time.
            await self.retries.reschedule(check, "no record to ask", gives_up_as="unsettled")
        return arrival

    async def received(self, check: Check, attempt: Attempt, how: str, *, smile_job_id: str | None = None) -> None:
        """Checkpoint (c): Smile ID has the photos, as the answer to them, its record or a callback says."""
        now = self.now()
        learned = smile_job_id if smile_job_id != attempt.smile_job_id else None
        await self.database.write(
            checkpoints.sent, check.ref, attempt, settings=self.settings, now=now, smile_job_id=learned
        )
        seconds = seconds_between(check.round_asked_at, now)
        log.info("check.sent", ref=check.ref, job_id=attempt.job_id, learned=how, seconds=seconds)
