"""One attempt brought to Smile ID, from wherever it stands, in the order of `checkpoints`.

A clear no is dealt with here: another user id, or the end of the check. A lost answer is `reconciliation`'s.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from bot.domain.check.check import Check, PhotoKind
from bot.domain.outbox import OperatorAlert, encode_fault
from bot.domain.results.attempt import Attempt
from bot.errors import (
    Fault,
    SmileIDAnswerInvalid,
    SmileIDError,
    SmileIDRefused,
    SmileIDUnavailable,
    SmileIDUncertain,
)
from bot.settings import Settings
from bot.smile_id.interface import Accepted, Arrival, JobPhoto, JobRequest, SmileID
from bot.submission import checkpoints
from bot.submission.photos import LoadedPhoto
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from storage import attempts
from storage.engine.database import Database

log = structlog.get_logger(__name__)

MAX_USER_IDS = 3
"""User ids tried when Smile ID says that one is taken; ours are random, so the first one should do."""
MAX_STEPS_BACK = 1
"""Checkpoints that take the place of another within one pass. When a fresh one is of no use either, something else is
wrong, and asking faster will not mend it."""


class Sender:
    """Sends the photos and data of a check, as one or more attempts."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        reconciler: Reconciler,
        retries: RetryPolicy,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._smile_id = smile_id
        self._reconciler = reconciler
        self._retries = retries
        self._settings = settings
        self._now = now

    async def record(self, check: Check, *, replaces: Attempt | None = None) -> Attempt | None:
        """(a). None when it may have been recorded, and sent, after the backup that we work on: asked about first."""
        attempt = await self._database.write(checkpoints.record, check, replaces=replaces, now=self._now())
        log.info("attempt.recorded", ref=check.ref, job_id=attempt.job_id)
        if attempt.in_doubt_since is not None:
            await self._retries.reschedule(check, "known from before a restore?", at_once=True, gives_up_as="unsettled")
            return None
        return attempt

    async def send(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> None:
        """(b) and (c), from wherever the attempt stands."""
        steps_back = 0
        while (reached := await self._step(check, attempt, photos)) is not None:
            steps_back += attempt.checkpoint is not None
            if steps_back > MAX_STEPS_BACK:
                await self._retries.reschedule(check, "one checkpoint after another", gives_up_as="smile_id_away")
                return
            attempt = reached

    async def _step(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> Attempt | None:
        """One call and its commit: the attempt to go on with, or None when nothing is left to do now."""
        try:
            reached = await self._smile_id.submit(self._request(check, attempt, photos), attempt.checkpoint)
        except SmileIDRefused as no:
            return await self._refused(check, attempt, no)
        except (SmileIDUncertain, SmileIDAnswerInvalid) as fault:
            await self._reconciler.begin(check, attempt, fault)
            return None
        except SmileIDError as fault:
            asked = fault.retry_after if isinstance(fault, SmileIDUnavailable) else None
            await self._retries.reschedule(check, str(fault), asked_seconds=asked, gives_up_as="smile_id_away")
            return None
        if not isinstance(reached, Accepted):
            return await self._database.write(checkpoints.reached, check, attempt, reached)
        await self._reconciler.received(check, attempt, "answer", smile_job_id=reached.smile_job_id)
        return None

    def _request(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> JobRequest:
        labels = {"reference": check.ref}
        if check.customer_reference:
            labels["customer_reference"] = check.customer_reference
        return JobRequest(
            job_id=attempt.job_id,
            user_id=attempt.user_id,
            callback_url=self._settings.callback_url(attempt.callback_token),
            id_info={"country": check.country, "id_type": check.id_type, **check.id_info},
            consent_at=check.consent_at,
            labels=labels,
            selfie=_of_kind(photos, PhotoKind.SELFIE)[0],
            liveness=_of_kind(photos, PhotoKind.LIVENESS),
        )

    # Smile ID says no

    async def _refused(self, check: Check, attempt: Attempt, no: SmileIDRefused) -> Attempt | None:
        """Smile ID said no, surely: the attempt to go on with, or None when the check ended or waits."""
        log.warning("smile_id.refused", ref=check.ref, job_id=attempt.job_id, error=str(no))
        if no.fault is Fault.JOB_ID:
            await self._taken(check, attempt)
            return None
        if no.fault is Fault.USER_ID and attempt.smile_job_id is not None:
            # Photos of this attempt may have been sent, and then it was they that enrolled the user.
            await self._reconciler.begin(check, attempt, no)
            return None
        if no.fault is Fault.USER_ID and await self._database.read(attempts.count_of_round, check.ref) < MAX_USER_IDS:
            return await self.record(check, replaces=attempt)
        if no.fault is Fault.REQUESTER:
            await self._retries.fail(check, "input", encode_fault(no.why, {}))
        else:
            tell = encode_fault(OperatorAlert.REQUESTS_REFUSED, {"why": no.why.value})
            await self._retries.fail(check, "refused", encode_fault(no.why, {}), alert=no.alert, tell=tell)
        return None

    async def _taken(self, check: Check, attempt: Attempt) -> None:
        """Smile ID knows the job already, and does not take it again: its record has the last word."""
        match await self._reconciler.arrival_of(check, attempt):
            case Arrival.RECEIVED:
                await self._reconciler.received(check, attempt, "record")
            case Arrival.MISSING:
                await self._retries.fail(check, "unsettled", None, alert="unsettled")
            case Arrival.UNKNOWN:
                pass  # already rescheduled


def _of_kind(photos: Sequence[LoadedPhoto], kind: PhotoKind) -> tuple[JobPhoto, ...]:
    return tuple(JobPhoto(data=it.photo.jpeg, is_inline=it.is_inline) for it in photos if it.ref.kind is kind)
