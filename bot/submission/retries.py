"""Retries a failed submission with backoff, a bounded number of times, then ends the check.

The caller knows why it failed. People are told here: the requester in the check's thread, operators by an alert.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.access import Access, Role
from bot.domain.backoff import retry_in
from bot.domain.checks import Check
from bot.domain.states import State
from bot.errors import SmileIDRefused
from bot.outbox import alerts, refresh
from bot.review import transitions
from bot.settings import Settings
from bot.submission import lifecycle
from storage import attempts, checks
from storage.database import Database, Transaction

log = structlog.get_logger(__name__)

MAX_TRIES = 20
"""Take about an hour with the waits of `retry_in`: longer than most outages, short enough for somebody who waits."""
LONGEST_WAIT = timedelta(hours=1)
"""The most that a `Retry-After` makes us wait: a person is waiting too."""
LOOK_ONCE_MORE = timedelta(hours=1)
"""After giving up in doubt the record is asked once more: a site without callbacks would miss a late result."""

_FOR_OPERATORS = {
    "refused": "Smile ID refuses our requests. ",
    "smile_id_away": "Smile ID has not been reachable for about an hour; checks are ending without a result.",
    "slack_away": "Photos cannot be fetched from Slack; checks are ending without a result.",
    "unsettled": "Checks are ending in doubt: Smile ID gives no clear answer whether it has them.",
    "fault": "Checks cannot be prepared because of a fault of the bot; its log says where.",
}


class RetryPolicy:
    """Postpones a check, or ends it."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        settings: Settings,
        now: Callable[[], datetime],
        dice: random.Random,
    ) -> None:
        self._database = database
        self._access = access
        self._settings = settings
        self._now = now
        self._dice = dice

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
        wait = retry_in(tries, jitter=self._dice.random())
        if asked_seconds is not None:
            wait = max(wait, min(timedelta(seconds=asked_seconds), LONGEST_WAIT))
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            # At once only where an answer was lost: the next pass asks Smile ID's record before it sends anything.
            checks.postpone(tx, check.ref, until=now if at_once else now + wait)
            refresh.check_changed(tx, check.ref, now=now)
            if refusal is not None:
                payload = {"ref": check.ref, "words": f"Smile ID refuses to tell of jobs. {refusal.words}"}
                alerts.alert(tx, refusal.alert, recipients=operators, now=now, payload=payload)

        await self._database.write(commit, self._now())

    async def fail(self, check: Check, failure: str, words: str | None, *, alert: str | None = None) -> None:
        """End a check without a result, unless one has come meanwhile. `alert` names the fault for operators."""
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            if checks.get(tx, check.ref).state not in (State.REQUESTED, State.SUBMITTING):
                # A callback or a poll may have won: a result says more than our failure. So may a cancellation.
                return
            alerted = None
            if alert:
                payload = {"ref": check.ref, "words": _FOR_OPERATORS.get(failure, "") + (words or "")}
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
