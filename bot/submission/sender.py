"""One attempt brought to Smile ID, from wherever it stands, in the order of `checkpoints`.

A clear no is dealt with here: another user id, `retry`, or the end of the check. A lost answer is `reconciliation`'s.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from bot.domain.attempt import Attempt, Step
from bot.domain.checks import Check, PhotoKind
from bot.errors import (
    Fault,
    SmileIDAnswerInvalid,
    SmileIDError,
    SmileIDRefused,
    SmileIDUnavailable,
    SmileIDUncertain,
    SmileIDUploadExpired,
)
from bot.settings import Settings
from bot.smile_id.client import Photo, Prepared, SmileID
from bot.smile_id.package import Consent, Job
from bot.submission import checkpoints
from bot.submission.photos import LoadedPhoto
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from storage import attempts
from storage.database import Database

log = structlog.get_logger(__name__)

MAX_USER_IDS = 3
"""User ids tried when Smile ID says that one is taken; ours are random, so the first one should do."""


class Sender:
    """Records, prepares and sends."""

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
        urls_died = 0
        while True:
            try:
                if attempt.step is Step.RECORDED:
                    attempt = await self._prepare(check, attempt)
                await self._put(check, attempt, photos)
                return
            except SmileIDUploadExpired as fault:
                # The URL died before the zip was taken, so the same job is asked for a new one.
                await self._database.write(attempts.ask_again, attempt.job_id, with_retry_flag=False)
                urls_died += 1
                if urls_died > 1:
                    # A fresh one dies as well: something else is wrong, and asking faster will not mend it.
                    await self._retries.reschedule(check, str(fault), gives_up_as="smile_id_away")
                    return
                attempt = await self._database.read(attempts.get, attempt.job_id)
            except SmileIDRefused as no:
                replaced = await self._refused(check, attempt, no)
                if replaced is None:
                    return
                attempt = replaced
            except (SmileIDUncertain, SmileIDAnswerInvalid) as fault:
                await self._reconciler.begin(check, attempt, fault)
                return
            except SmileIDError as fault:
                asked = fault.retry_after if isinstance(fault, SmileIDUnavailable) else None
                await self._retries.reschedule(check, str(fault), asked_seconds=asked, gives_up_as="smile_id_away")
                return

    async def _prepare(self, check: Check, attempt: Attempt) -> Attempt:
        prepared = await self._smile_id.prepare(self._job(check, attempt), retry=attempt.retry_flag)
        return await self._database.write(checkpoints.prepared, check, attempt, prepared)

    async def _put(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> None:
        assert attempt.upload is not None
        assert attempt.smile_job_id is not None
        prepared = Prepared(
            smile_job_id=attempt.smile_job_id,
            upload_url=str(attempt.upload["upload_url"]),
            answer=attempt.upload,
        )
        package = await asyncio.to_thread(
            self._smile_id.package,
            self._job(check, attempt),
            selfie=_of_kind(photos, PhotoKind.SELFIE)[0],
            liveness=_of_kind(photos, PhotoKind.LIVENESS),
            prepared=prepared,
        )
        await self._smile_id.send(prepared.upload_url, package)
        await self._database.write(
            checkpoints.sent, check.ref, attempt.job_id, settings=self._settings, now=self._now()
        )
        log.info("check.sent", ref=check.ref, job_id=attempt.job_id)

    def _job(self, check: Check, attempt: Attempt) -> Job:
        extra = {"reference": check.ref}
        if check.customer_reference:
            extra["customer_reference"] = check.customer_reference
        return Job(
            job_id=attempt.job_id,
            user_id=attempt.user_id,
            callback_url=self._settings.callback_url(attempt.callback_token),
            id_info={"country": check.country, "id_type": check.id_type, **check.id_info},
            consent=Consent(
                granted_at=check.consent_at,
                personal_details=True,
                contact_information=True,
                document_information=True,
            ),
            extra=extra,
        )

    # Smile ID says no

    async def _refused(self, check: Check, attempt: Attempt, no: SmileIDRefused) -> Attempt | None:
        """Smile ID said no, surely: the attempt to go on with, or None when the check ended or waits."""
        log.warning("smile_id.refused", ref=check.ref, job_id=attempt.job_id, error=str(no))
        if no.fault is Fault.JOB_ID and not attempt.retry_flag and attempt.step is Step.RECORDED:
            await self._database.write(attempts.ask_again, attempt.job_id, with_retry_flag=True)
            return await self._database.read(attempts.get, attempt.job_id)
        if no.fault is Fault.JOB_ID:
            await self._taken(check, attempt)
            return None
        if no.fault is Fault.USER_ID and attempt.smile_job_id is not None:
            # A zip of this attempt may have been sent, and then it was ours that enrolled the user.
            await self._reconciler.begin(check, attempt, no)
            return None
        if no.fault is Fault.USER_ID and await self._database.read(attempts.count_of_round, check.ref) < MAX_USER_IDS:
            return await self.record(check, replaces=attempt)
        if no.fault is Fault.REQUESTER:
            await self._retries.fail(check, "input", no.words)
        else:
            await self._retries.fail(check, "refused", no.words, alert=no.alert)
        return None

    async def _taken(self, check: Check, attempt: Attempt) -> None:
        """Smile ID knows the job and opens it to nobody, `retry` or not: its record has the last word."""
        is_in = await self._reconciler.zip_is_in(check, attempt)
        if is_in:
            await self._reconciler.learned(check, attempt, "job_status")
        elif is_in is False:
            await self._retries.fail(check, "unsettled", None, alert="unsettled")


def _of_kind(photos: Sequence[LoadedPhoto], kind: PhotoKind) -> tuple[Photo, ...]:
    return tuple(Photo(data=it.photo.jpeg, base64=it.is_inline) for it in photos if it.ref.kind is kind)
