"""Retries a failed submission with backoff, a bounded number of times, then ends the check.

A check that ends is reported in its thread, and to the operators by an alert.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.access.permissions import Access, Role
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.outbox import OperatorAlert, encode_fault
from bot.errors import KycError, SlackRateLimited, SmileIDRefused, SmileIDUnavailable
from bot.outbox import alerts, refresh
from bot.review import transitions
from bot.settings import Settings
from bot.submission import lifecycle
from storage import attempts, checks
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

MAX_TRIES = 20
"""With the backoff of `retry_in` about an hour: longer than most outages, short enough for a person who waits."""
LONGEST_WAIT = timedelta(hours=1)
"""The most that a `Retry-After` makes us wait: a person is waiting too."""
ASK_ONCE_MORE = timedelta(hours=1)
"""After giving up in doubt the record is asked once more: a site without callbacks would miss a late result."""

_FOR_OPERATORS = {
    "smile_id_away": OperatorAlert.SMILE_ID_AWAY,
    "slack_away": OperatorAlert.SLACK_AWAY,
    "unsettled": OperatorAlert.UNSETTLED,
    "fault": OperatorAlert.FAULT,
}
"""By the failure that a check ends with after its last try."""


@dataclass(slots=True, kw_only=True, eq=False)
class RetryPolicy:
    """Reschedules a check, or ends it."""

    database: Database
    access: Access
    settings: Settings
    now: Callable[[], datetime]
    rng: random.Random

    async def reschedule(
        self,
        check: Check,
        error: KycError | str,
        *,
        gives_up_as: str,
        at_once: bool = False,
        refusal: SmileIDRefused | None = None,
    ) -> None:
        """Retry with backoff; after `MAX_TRIES` end the check with the failure `gives_up_as`.

        A `refusal` alerts the operators at the first try already.
        """
        tries = check.tries + 1
        log.warning("check.try_failed", ref=check.ref, error=str(error), tries=tries)
        if tries >= MAX_TRIES:
            await self.fail(check, gives_up_as, None, alert=gives_up_as)
            return
        wait = retry_in(tries, jitter=self.rng.random())
        if isinstance(error, (SmileIDUnavailable, SlackRateLimited)) and error.retry_after is not None:
            # It makes our wait longer, never shorter: twenty waits of a second are no hour.
            wait = max(wait, min(timedelta(seconds=error.retry_after), LONGEST_WAIT))
        operators = self.access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            # At once only where an answer was lost: the next pass asks Smile ID's record before it sends anything.
            checks.postpone(tx, check.ref, until=now if at_once else now + wait)
            refresh.check_changed(tx, check.ref, now=now)
            if refusal is not None:
                payload = {
                    "ref": check.ref,
                    "words": encode_fault(OperatorAlert.JOBS_NOT_TOLD, {"why": refusal.why.value}),
                }
                alerts.alert(tx, refusal.alert, recipients=operators, now=now, payload=payload)

        await self.database.write(commit, self.now())

    async def fail(
        self, check: Check, failure: str, words: str | None, *, alert: str | None = None, tell: str | None = None
    ) -> None:
        """End a check without a result, unless one has come meanwhile.

        `words` is a code as `encode_fault` keeps it, for the thread; so is `tell`, for the operators' alert of the kind
        `alert`, if it says more than the failure.
        """
        operators = self.access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            if checks.get(tx, check.ref).state not in (State.REQUESTED, State.SUBMITTING):
                # A callback, a poll or a cancellation may have won: they count for more than our failure.
                return
            alerted = None
            if alert:
                payload = {"ref": check.ref, "words": tell or encode_fault(_FOR_OPERATORS[failure], {})}
                alerted = alerts.alert(tx, alert, recipients=operators, now=now, payload=payload)
            attempt = attempts.latest(tx, check.ref)
            if failure == "unsettled":
                # A person must find out whether it was paid for, before anybody runs it again.
                event = f"unsettled:{check.ref}:{check.round}:{check.attempts}"
                channel = self.settings.review_channel
                transitions.call(tx, check, event, channel=channel, now=now, payload={"tell": "unsettled"})
            lifecycle.fail(tx, check.ref, failure=failure, words=words, now=now, alerted=alerted)
            if failure == "unsettled" and attempt is not None:
                attempts.ask_soon(tx, attempt.job_id, at=now + ASK_ONCE_MORE)

        await self.database.write(commit, self.now())
        log.info("check.failed", ref=check.ref, error=failure)
