"""Retries a failed submission with backoff, a bounded number of times, then ends the check.

A check that ends is reported in its thread, and to the admins by an alert.
"""

from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.backoff import retry_in
from bot.domain.capture.links import LinkEnding
from bot.domain.check.check import Check, PhotosBy
from bot.domain.check.states import State
from bot.domain.dates import seconds_between
from bot.domain.outbox import OVERTAKEN_BY_FINAL, AdminAlert, PostKind
from bot.errors import KycError, SlackRateLimited, SmileIDRefused, SmileIDUnavailable
from bot.outbox import alerts, link_notices, refresh
from bot.review import transitions
from bot.submission import checkpoints
from bot.submission.budget import give_back
from storage import attempts, audit, checks, outbox
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

MAX_TRIES = 20
"""With the backoff of `retry_in` about an hour: longer than most outages, short enough for a person who waits."""
LONGEST_WAIT = timedelta(hours=1)
"""The most that a `Retry-After` makes us wait: a person is waiting too."""
ASK_ONCE_MORE = timedelta(hours=1)
"""After giving up in doubt the record is asked until it answers once more (`bot.results.polling`): a site without
callbacks would miss a late result."""

_ALERTS = {
    "smile_id_away": AdminAlert.SMILE_ID_AWAY,
    "slack_away": AdminAlert.SLACK_AWAY,
    "refused": AdminAlert.REQUESTS_REFUSED,
    "unsettled": AdminAlert.UNSETTLED,
    "fault": AdminAlert.FAULT,
}
"""By the failure that a check ends with; the others are the requester's to mend."""


class RetryPolicy(Process):
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

        A `refusal` alerts the admins at the first try already. Photos that a customer took are not here for a retry:
        unless Smile ID may have them, the check goes back to the customer, and no try is counted.
        """
        if check.photos_by is PhotosBy.LINK and await self.database.write(_back_to_customer, check, self.now()):
            log.warning("check.photos_lost", ref=check.ref, error=str(error))
            return
        tries = check.tries + 1
        log.warning("check.try_failed", ref=check.ref, error=str(error), tries=tries)
        if tries >= MAX_TRIES:
            await self.fail(check, gives_up_as)
            return
        wait = retry_in(tries, jitter=self.rng.random())
        if isinstance(error, (SmileIDUnavailable, SlackRateLimited)) and error.retry_after is not None:
            # It makes our wait longer, never shorter: twenty waits of a second are no hour.
            wait = max(wait, min(timedelta(seconds=error.retry_after), LONGEST_WAIT))
        admins = self.access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            checks.require_unedited(tx, check)
            # At once only where an answer was lost: the next pass asks Smile ID's record before it sends anything.
            checks.postpone(tx, check.ref, until=now if at_once else now + wait)
            refresh.check_changed(tx, check.ref, now=now)
            if refusal is not None:
                code, why = AdminAlert.JOBS_NOT_TOLD, refusal.why.value
                alerts.alert(tx, refusal.alert, code, recipients=admins, now=now, ref=check.ref, why=why)

        await self.database.write(commit, self.now())

    async def fail(
        self, check: Check, failure: str, words: str | None = None, *, refusal: SmileIDRefused | None = None
    ) -> None:
        """End a check without a result, unless one has come meanwhile, and post that in its thread.

        `words` is a code as `encode_fault` keeps it. A `refusal` is what the admins' alert then names.
        """
        admins = self.access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            checks.require_unedited(tx, check)
            found = checks.get(tx, check.ref)
            if found.state not in (State.REQUESTED, State.SUBMITTING):
                # A callback, a poll or a cancellation may have won: they count for more than our failure.
                return
            alerted = None
            if failure in _ALERTS:
                fault, facts = (refusal.alert, {"why": refusal.why.value}) if refusal else (failure, {})
                alerted = alerts.alert(tx, fault, _ALERTS[failure], recipients=admins, now=now, ref=found.ref, **facts)
            event = f"{found.ref}:{found.round}:{found.attempts}"
            if failure == "unsettled":
                # A person must find out whether it was paid for, before anybody runs it again.
                channel, payload = self.settings.review_channel, {"tell": failure}
                transitions.call(tx, found, f"unsettled:{event}", channel=channel, now=now, payload=payload)
            # Before the move, since the facts that are written with it say why.
            checks.keep_failure(tx, found.ref, failure=failure, words=words)
            checks.move(tx, found.ref, State.FAILED, now=now)
            give_back(tx, found)
            # Behind it nobody could do anything for this check any more.
            link_notices.end(tx, found.ref, LinkEnding.WITHDRAWN, by=audit.BOT, now=now)
            refresh.check_changed(tx, found.ref, now=now)
            outbox.drop_overtaken(tx, found.ref, kinds=OVERTAKEN_BY_FINAL, now=now)
            # With the alert as its parent: the thread mentions it once it is delivered.
            outbox.enqueue(
                tx, PostKind.FAILURE, ref=found.ref, key=event, destination=found.channel, now=now, parent_id=alerted
            )
            if failure == "unsettled" and (attempt := attempts.latest(tx, found.ref)) is not None:
                attempts.ask_soon(tx, attempt.job_id, at=now + ASK_ONCE_MORE)
            seconds = seconds_between(found.round_asked_at, now)
            tx.tell("check.failed", ref=found.ref, error=failure, seconds=seconds)

        await self.database.write(commit, self.now())


def _back_to_customer(tx: Transaction, check: Check, now: datetime) -> bool:
    """False where Smile ID may have the photos, or the check has gone on meanwhile."""
    attempt = attempts.latest(tx, check.ref)
    if attempt is not None and attempt.in_doubt_since is not None:
        return False
    if checks.get(tx, check.ref, sealed=False).state is not State.SUBMITTING:
        return False
    return checkpoints.photos_lost(tx, check.ref, now=now)
