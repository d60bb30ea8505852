"""Reconciles a submission whose answer was lost with Smile ID's own record, before anything is sent again.

Sending itself is `sender`'s part, waiting and giving up are `retries`'.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.results.attempt import Attempt
from bot.errors import SmileIDError, SmileIDRefused, SmileIDUnavailable
from bot.settings import Settings
from bot.smile_id.interface import Arrival, SmileID
from bot.submission import checkpoints
from bot.submission.retries import RetryPolicy
from storage import attempts, checks
from storage.engine.database import Database

log = structlog.get_logger(__name__)

SETTLES_AFTER = timedelta(seconds=10)
"""Smile ID may need this long before its record shows a job; what it does not know then, it does not have."""


class Reconciler:
    """Marks attempts as in doubt, and settles the doubt."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        retries: RetryPolicy,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._smile_id = smile_id
        self._retries = retries
        self._settings = settings
        self._now = now

    async def begin(self, check: Check, attempt: Attempt, fault: SmileIDError) -> None:
        """Put an attempt in doubt: nothing more is sent before Smile ID's record was asked, which happens at once."""
        await self._database.write(attempts.doubt, attempt.job_id, since=self._now())
        await self._retries.reschedule(check, str(fault), at_once=True, gives_up_as="unsettled")

    async def settle(self, check: Check, attempt: Attempt) -> Attempt | None:
        """Ask Smile ID what it has: the attempt to go on with, or None to stop for now."""
        assert attempt.in_doubt_since is not None
        asked_at = self._now()
        arrival = await self.arrival_of(check, attempt)
        if arrival is Arrival.RECEIVED:
            await self.received(check, attempt, "record")
        if arrival is not Arrival.MISSING:
            return None
        # Sending again and again every ten seconds would use up all tries in minutes.
        settles_after = max(SETTLES_AFTER, retry_in(check.tries, jitter=0.5))
        # Measured to the asking and not to its answer: a clock that was set meanwhile ends no doubt early.
        wait = min(attempt.in_doubt_since + settles_after - asked_at, settles_after)
        if wait > timedelta(0):
            now = self._now()
            await self._database.write(checks.postpone, check.ref, until=now + wait, counts=False)
            return None
        await self._database.write(attempts.settle_doubt, attempt.job_id)
        return await self._database.read(attempts.get, attempt.job_id)

    async def arrival_of(self, check: Check, attempt: Attempt) -> Arrival:
        """Ask Smile ID; when nobody can tell, the check waits for another try."""
        try:
            arrival = await self._smile_id.was_received(attempt)
        except SmileIDRefused as no:
            # Nothing is wrong with this check: it waits for the operators, who hear of it now.
            await self._retries.reschedule(check, str(no), gives_up_as="unsettled", refusal=no)
            return Arrival.UNKNOWN
        except SmileIDError as fault:
            asked = fault.retry_after if isinstance(fault, SmileIDUnavailable) else None
            await self._retries.reschedule(check, str(fault), asked_seconds=asked, gives_up_as="unsettled")
            return Arrival.UNKNOWN
        if arrival is Arrival.UNKNOWN:
            # A callback may still tell; when all tries are used up, a person decides whether to pay a second time.
            await self._retries.reschedule(check, "no record to ask", gives_up_as="unsettled")
        return arrival

    async def received(self, check: Check, attempt: Attempt, how: str, *, smile_job_id: str | None = None) -> None:
        """(c): Smile ID has the photos, as the answer to them, its record or a callback says."""
        await self._database.write(
            checkpoints.sent,
            check.ref,
            attempt.job_id,
            settings=self._settings,
            now=self._now(),
            smile_job_id=smile_job_id,
        )
        log.info("check.sent", ref=check.ref, job_id=attempt.job_id, learned=how)
