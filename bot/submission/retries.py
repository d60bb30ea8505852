"""Retries a failed submission with backoff, a bounded number of times, then ends the check.

The caller knows why it failed. People are told here: the requester in the check's thread, operators by an alert.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.access.permissions import Access, Role
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.outbox import OperatorAlert, encode_fault
from bot.errors import SmileIDRefused
from bot.outbox import alerts, refresh
from bot.review import transitions
from bot.settings import Settings
from bot.submission import lifecycle
from storage import attempts, checks
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

MAX_TRIES = 20
"""Take about an hour with the waits of `retry_in`: longer than most outages, short enough for somebody who waits."""
LONGEST_WAIT = timedelta(hours=1)
"""The most that a `Retry-After` makes us wait: a person is waiting too."""
LOOK_ONCE_MORE = timedelta(hours=1)
"""After giving up in doubt the record is asked once more: a site without callbacks would miss a late result."""

_FOR_OPERATORS = {
    "smile_id_away": OperatorAlert.SMILE_ID_AWAY,
    "slack_away": OperatorAlert.SLACK_AWAY,
    "unsettled": OperatorAlert.UNSETTLED,
    "fault": OperatorAlert.FAULT,
}
"""By the failure that a check gives up with after its last try."""


class RetryPolicy:
    """Postpones a check, or ends it."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        settings: Settings,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._database = database
        self._access = access
        self._settings = settings
        self._now = now
        self._rng = rng

    async def reschedule(
        self,
        check: Check,
        error: str,
        *,
        gives_up_as: str,
        at_once: bool = False,
        asked_seconds: float | None = None,
        refusal: SmileIDRefused | None = None,
    ) -> None:
        """Try later, a bounded number of times; then tell people and stop.

        `asked_seconds` is the wait that the other side asked for: it makes ours longer, never shorter, since twenty
        waits of a second are no hour. With `refusal` the operators hear of it at the first try.
        """
        tries = check.tries + 1
        log.warning("check.try_failed", ref=check.ref, error=error, tries=tries)
        if tries >= MAX_TRIES:
            await self.fail(check, gives_up_as, None, alert=gives_up_as)
            return
        wait = retry_in(tries, jitter=self._rng.random())
        if asked_seconds is not None:
            wait = max(wait, min(timedelta(seconds=asked_seconds), LONGEST_WAIT))
        operators = self._access.people(Role.ADMIN)

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

        await self._database.write(commit, self._now())

    async def fail(
        self, check: Check, failure: str, words: str | None, *, alert: str | None = None, tell: str | None = None
    ) -> None:
        """End a check without a result, unless one has come meanwhile.

        `words` are a code as `encode_fault` keeps it; so is `tell`, what the operators hear of the fault named
        `alert` if that says more than the failure.
        """
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            if checks.get(tx, check.ref).state not in (State.REQUESTED, State.SUBMITTING):
                # A callback or a poll may have won: a result says more than our failure. So may a cancellation.
                return
            alerted = None
            if alert:
                payload = {"ref": check.ref, "words": tell or encode_fault(_FOR_OPERATORS[failure], {})}
                alerted = alerts.alert(tx, alert, recipients=operators, now=now, payload=payload)
            attempt = attempts.latest(tx, check.ref)
            if failure == "unsettled":
                # A person must find out whether it was paid for, before anybody runs it again.
                key = f"unsettled:{check.ref}:{check.round}:{check.attempts}"
                channel, payload = self._settings.review_channel, {"tell": "unsettled"}
                transitions.call(tx, check, key, channel=channel, now=now, payload=payload)
            lifecycle.fail(tx, check.ref, failure=failure, words=words, now=now, alerted=alerted)
            if failure == "unsettled" and attempt is not None:
                attempts.ask_soon(tx, attempt.job_id, at=now + LOOK_ONCE_MORE)

        await self._database.write(commit, self._now())
        log.info("check.failed", ref=check.ref, error=failure)
