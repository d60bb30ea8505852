"""An answer was lost, so nobody knows whether the zip arrived: Smile ID's own record says, before anything is sent.

Sending itself is `sender`'s part, waiting and giving up are `retries`'.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.domain.attempt import Attempt
from bot.domain.backoff import retry_in
from bot.domain.checks import Check
from bot.errors import SmileIDError, SmileIDRefused, SmileIDUnavailable
from bot.settings import Settings
from bot.smile_id.client import SmileID
from bot.submission import checkpoints
from bot.submission.retries import RetryPolicy
from storage import attempts, checks
from storage.database import Database

log = structlog.get_logger(__name__)

SETTLES_AFTER = timedelta(seconds=10)
"""Smile ID may need this long before its record shows a zip; what it does not know then, it does not have."""


class Reconciler:
    """Notes that an attempt is in doubt, and settles it."""

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
        """An answer was lost: nothing is sent before Smile ID's own record was asked, which happens at once."""
        await self._database.write(attempts.doubt, attempt.job_id, since=self._now())
        await self._retries.reschedule(check, str(fault), at_once=True, gives_up_as="unsettled")

    async def settle(self, check: Check, attempt: Attempt) -> Attempt | None:
        """What does Smile ID know? The attempt to go on with, or None to stop for now."""
        assert attempt.in_doubt_since is not None
        asked_at = self._now()
        is_in = await self.zip_is_in(check, attempt)
        if is_in is None:
            return None
        if is_in:
            await self.learned(check, attempt, "job_status")
            return None
        # Sending again and again every ten seconds would use up all tries in minutes.
        settles_after = max(SETTLES_AFTER, retry_in(check.tries, jitter=0.5))
        # Reckoned to the asking and not to its answer: a clock that was set meanwhile ends no doubt early.
        wait = min(attempt.in_doubt_since + settles_after - asked_at, settles_after)
        if wait > timedelta(0):
            now = self._now()
            await self._database.write(checks.postpone, check.ref, until=now + wait, now=now, counts=False)
            return None
        await self._database.write(attempts.settle_doubt, attempt.job_id)
        return await self._database.read(attempts.get, attempt.job_id)

    async def zip_is_in(self, check: Check, attempt: Attempt) -> bool | None:
        """Ask `job_status`; None when it gives no answer, and then the check waits for another try."""
        try:
            status = await self._smile_id.job_status(user_id=attempt.user_id, job_id=attempt.job_id)
        except SmileIDRefused as no:
            # Nothing is wrong with this check: it waits for the operators, who hear of it now.
            await self._retries.reschedule(check, str(no), gives_up_as="unsettled", refusal=no)
            return None
        except SmileIDError as fault:
            asked = fault.retry_after if isinstance(fault, SmileIDUnavailable) else None
            await self._retries.reschedule(check, str(fault), asked_seconds=asked, gives_up_as="unsettled")
            return None
        return not (status.no_zip or status.unknown_job)

    async def learned(self, check: Check, attempt: Attempt, how: str) -> None:
        """(c), from somewhere else than the answer to the zip."""
        await self._database.write(
            checkpoints.sent, check.ref, attempt.job_id, settings=self._settings, now=self._now()
        )
        log.info("check.sent", ref=check.ref, job_id=attempt.job_id, learned=how)
