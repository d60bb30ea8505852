"""Sends an attempt to Smile ID, from its last checkpoint on.

A refusal is handled here: another user id, or the end of the check. `reconciliation` handles a lost answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bot.access.process import Process
from bot.domain.check.check import Check, PhotoKind
from bot.domain.outbox import encode_fault
from bot.domain.results.attempt import Attempt
from bot.errors import Fault, SmileIDAnswerInvalid, SmileIDError, SmileIDRefused, SmileIDUncertain
from bot.smile_id.interface import Accepted, Arrival, JobPhoto, JobRequest, SmileID
from bot.submission import checkpoints
from bot.submission.photos import LoadedPhoto
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from storage import attempts

log = structlog.get_logger(__name__)

MAX_USER_IDS = 3
"""User ids tried when Smile ID says that one is taken; ours are random, so the first one should do."""
MAX_STEPS_BACK = 1
"""Checkpoints that may replace another within one pass. If a fresh one does not help either, something else is wrong,
and asking faster will not mend it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Sender(Process):
    smile_id: SmileID
    reconciler: Reconciler
    retries: RetryPolicy

    async def recorded(self, check: Check, attempt: Attempt) -> Attempt | None:
        """Checkpoint (a) is stored. None if it may have been sent already, after the backup that was put back."""
        log.info("attempt.recorded", ref=check.ref, job_id=attempt.job_id)
        if attempt.in_doubt_since is not None:
            await self.retries.reschedule(check, "known from before a restore?", at_once=True, gives_up_as="unsettled")
            return None
        return attempt

    async def send(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> None:
        """Checkpoints (b) and (c), from the last one that the attempt has reached."""
        steps_back = 0
        while (reached := await self._step(check, attempt, photos)) is not None:
            steps_back += attempt.checkpoint is not None
            if steps_back > MAX_STEPS_BACK:
                await self.retries.reschedule(check, "one checkpoint after another", gives_up_as="smile_id_away")
                return
            attempt = reached

    async def _step(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> Attempt | None:
        """One call and its commit. Returns the attempt to continue with, or None when nothing is left to do now."""
        try:
            reached = await self.smile_id.submit(self._request(check, attempt, photos), attempt.checkpoint)
        except SmileIDRefused as no:
            return await self._refused(check, attempt, no)
        except (SmileIDUncertain, SmileIDAnswerInvalid) as fault:
            await self.reconciler.begin(check, attempt, fault)
            return None
        except SmileIDError as fault:
            await self.retries.reschedule(check, fault, gives_up_as="smile_id_away")
            return None
        if not isinstance(reached, Accepted):
            return await self.database.write(checkpoints.reached, check, attempt, reached)
        await self.reconciler.received(check, attempt, "answer", smile_job_id=reached.smile_job_id)
        return None

    def _request(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> JobRequest:
        assert attempt.callback_token is not None
        labels = {"reference": check.ref}
        if check.customer_reference:
            labels["customer_reference"] = check.customer_reference
        return JobRequest(
            job_id=attempt.job_id,
            user_id=attempt.user_id,
            callback_url=self.settings.callback_url(attempt.callback_token),
            id_info={"country": check.country, "id_type": check.id_type, **check.id_info},
            consent_at=check.consent_at,
            labels=labels,
            selfie=_of_kind(photos, PhotoKind.SELFIE)[0],
            liveness=_of_kind(photos, PhotoKind.LIVENESS),
        )

    async def _refused(self, check: Check, attempt: Attempt, no: SmileIDRefused) -> Attempt | None:
        """Handle a definite refusal. Returns another attempt to send, or None when the check ended or waits."""
        log.warning("smile_id.refused", ref=check.ref, job_id=attempt.job_id, error=str(no))
        if no.fault is Fault.JOB_ID:
            await self._job_id_taken(check, attempt)
            return None
        if no.fault is Fault.USER_ID and attempt.smile_job_id is not None:
            # Photos of this attempt may have arrived, and be what enrolled the user.
            await self.reconciler.begin(check, attempt, no)
            return None
        if no.fault is Fault.USER_ID and await self.database.read(attempts.count_of_round, check.ref) < MAX_USER_IDS:
            another = await self.database.write(
                checkpoints.record, check, replaces=attempt, settings=self.settings, now=self.now()
            )
            return await self.recorded(check, another)
        failure = "input" if no.fault is Fault.REQUESTER else "refused"
        await self.retries.fail(check, failure, encode_fault(no.why, {}), refusal=no)
        return None

    async def _job_id_taken(self, check: Check, attempt: Attempt) -> None:
        """Smile ID already knows the job and refuses it: its record decides."""
        match await self.reconciler.arrival_of(check, attempt):
            case Arrival.RECEIVED:
                await self.reconciler.received(check, attempt, "record")
            case Arrival.MISSING:
                await self.retries.fail(check, "unsettled")
            case Arrival.UNKNOWN:
                pass  # already rescheduled


def _of_kind(photos: Sequence[LoadedPhoto], kind: PhotoKind) -> tuple[JobPhoto, ...]:
    return tuple(JobPhoto(data=it.photo.jpeg, is_inline=it.is_inline) for it in photos if it.ref.kind is kind)
