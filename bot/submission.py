"""From an accepted request to a zip at Smile ID, in steps that a crash can fall between.

The order of commits: (a) our job id, user id and callback token, before any call; (b) Smile ID's job id and the
upload URL; (c) the zip is there. Whatever was under way when an answer was lost is settled by asking `job_status`,
never by sending again blindly.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.access import Access, Role
from bot.bundles import Bundles
from bot.domain import photos
from bot.domain.applicants import PhotoSource
from bot.domain.backoff import first_poll_in, retry_in
from bot.domain.checks import Attempt, Check, Held, PhotoKind, PhotoRef, Step
from bot.domain.id_types import IDTypes
from bot.domain.photo_quality import Flaw, same_pictures
from bot.domain.states import State
from bot.errors import (
    Fault,
    FileUnusable,
    IllegalMove,
    PhotoUnusable,
    SlackError,
    SlackRateLimited,
    SlackRefused,
    SmileIDAnswerInvalid,
    SmileIDError,
    SmileIDRefused,
    SmileIDUnavailable,
    SmileIDUncertain,
    SmileIDUploadExpired,
)
from bot.settings import Environment, Settings
from bot.slack.files import SlackFiles
from bot.slack.web import SlackWeb
from bot.smile_id.client import Photo, Prepared, SmileID
from bot.smile_id.package import Consent, Job
from storage import attempts, batches, checks, holds, outbox, reviewing
from storage.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
"""Longer than one pass may take, and void at every start: two passes over one check would pay for it twice."""
PASS_SECONDS = 8 * 60.0
"""A pass that takes longer is broken off, and what it was sending is in doubt."""
SETTLES_AFTER = timedelta(seconds=10)
"""Smile ID may need this long before its record shows a zip; what it does not know then, it does not have."""
ROWS_AT_ONCE = 6
"""Rows of batches under way: each holds up to nine photos of ten megabytes."""
MAX_TRIES = 20
"""With the waits of `retry_in` about an hour."""
LONGEST_WAIT = timedelta(hours=1)
"""However long the other side asks us to wait: a person does."""
LOOK_ONCE_MORE = timedelta(hours=1)
"""After giving up in doubt: without callbacks nobody would hear of a result that comes after all."""
MAX_USER_IDS = 3
"""User ids tried when Smile ID says that one is taken; ours are random, so the first one should do."""


_GONE = frozenset({"file_not_found", "file_deleted", "not_visible", "access_denied"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Images:
    selfie: Photo = field(repr=False)
    liveness: tuple[Photo, ...] = field(repr=False)


class Submission:
    """Sends checks that are due."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackWeb,
        files: SlackFiles,
        smile_id: SmileID,
        access: Access,
        id_types: IDTypes,
        bundles: Bundles,
        settings: Settings,
        now: Callable[[], datetime],
        dice: random.Random,
        pass_seconds: float = PASS_SECONDS,
    ) -> None:
        self._pass_seconds = pass_seconds
        self._database = database
        self._slack = slack
        self._files = files
        self._smile_id = smile_id
        self._access = access
        self._id_types = id_types
        self._bundles = bundles
        self._settings = settings
        self._now = now
        self._dice = dice
        self._under_way: set[str] = set()
        """A lease may run out under a pass, when the clock jumps; this does not."""

    async def claim(self, limit: int) -> list[str]:
        """References of checks that are due, ours until the lease ends."""
        now = self._now()
        return await self._database.write(
            checks.claim_due,
            now=now,
            until=now + LEASE,
            limit=limit,
            under_way=frozenset(self._under_way),
            of_batches=ROWS_AT_ONCE,
        )

    async def work(self, ref: str) -> None:
        """Bring one check as far as it will go now; a failure leaves it due for another try."""
        if ref in self._under_way:
            return
        self._under_way.add(ref)
        try:
            await self._one_pass(ref)
        finally:
            self._under_way.remove(ref)

    async def _one_pass(self, ref: str) -> None:
        try:
            async with asyncio.timeout(self._pass_seconds):
                await self._pass(ref)
        except IllegalMove as late:
            # It was cancelled, or a result came, between our reading and our writing.
            log.info("check.left", ref=ref, error=str(late))
        except Exception:
            # Nobody knows how far the last call came: the attempt is put in doubt, and the failure counts as a try.
            log.exception("check.pass_failed", ref=ref)
            await self._broken_off(ref)

    async def _pass(self, ref: str) -> None:
        check = await self._database.read(checks.the, ref)
        if check.state not in (State.REQUESTED, State.SUBMITTING):
            return
        attempt = await self._database.read(attempts.latest, ref)
        if attempt is not None and await self._database.read(attempts.heard_of, attempt.job_id):
            # A callback came before the answer to the zip: whatever became of that answer, the zip is there.
            await self._learned(check, attempt, "callback")
            return
        if attempt is not None and attempt.in_doubt_since is not None:
            attempt = await self._settle_doubt(check, attempt)
            if attempt is None:
                return
        images = await self._images(check)
        if images is None:
            return
        if attempt is None:
            attempt = await self._record(check)
            if attempt is None:
                return
        await self._send(check, attempt, images)

    async def _broken_off(self, ref: str) -> None:
        """A pass failed for no reason we foresaw, so nobody knows how far its last call came."""
        check = await self._database.read(checks.the, ref)
        attempt = await self._database.read(attempts.latest, ref)
        if attempt is not None and attempt.step is not Step.SENT:
            await self._database.write(attempts.doubt, attempt.job_id, since=self._now())
        await self._again(check, "broken off", gives_up_as="fault" if attempt is None else "unsettled")

    # Photos

    async def _images(self, check: Check) -> _Images | None:
        """Fetch and check all photos; None when the check ended or waits because of them."""
        refs = await self._database.read(checks.photos, check.ref)
        try:
            found = await self._fetch_all(check, refs)
            fetched = [data for data, _inline in found]
            ready = [await self._prepare_photo(ref, data) for ref, data in zip(refs, fetched, strict=True)]
        except PhotoUnusable as unusable:
            log.info("check.photo_unusable", ref=check.ref, error=unusable.reason)
            await self._fail(check, "photo", unusable.words)
            return None
        except SlackError as fault:
            asked = fault.retry_after if isinstance(fault, SlackRateLimited) else None
            await self._again(check, str(fault), asked_seconds=asked, gives_up_as="slack_away")
            return None
        if check.photos_checked_at is None:
            sizes = [(ref, len(data), photo.sha256) for ref, data, photo in zip(refs, fetched, ready, strict=True)]
            await self._database.write(checks.photos_checked, check.ref, sizes, now=self._now())
        if check.state is State.REQUESTED and await self._is_held(check, refs, ready):
            return None
        sent = [
            (ref.kind, Photo(data=photo.jpeg, base64=inline))
            for ref, photo, (_data, inline) in zip(refs, ready, found, strict=True)
        ]
        return _Images(
            selfie=next(photo for kind, photo in sent if kind is PhotoKind.SELFIE),
            liveness=tuple(photo for kind, photo in sent if kind is PhotoKind.LIVENESS),
        )

    async def _is_held(self, check: Check, refs: Sequence[PhotoRef], ready: Sequence[photos.Photo]) -> bool:
        """Whether the requester is asked first: photos that look unusable, a selfie that was checked before."""
        selfie = next(photo for ref, photo in zip(refs, ready, strict=True) if ref.kind is PhotoKind.SELFIE)
        flaws = [
            [ref.kind.value, ref.position, flaw.value]
            for ref, photo in zip(refs, ready, strict=True)
            for flaw in photo.look.flaws
        ]
        if same_pictures([photo.look.picture for photo in ready]):
            flaws.append([PhotoKind.SELFIE.value, 0, Flaw.SAME_PICTURE.value])
        since = self._now() - self._settings.seen_before
        entry = self._id_types.find(check.country, check.id_type)
        stands_for_nobody = (
            self._settings.smile_id_environment is Environment.SANDBOX
            and entry is not None
            and entry.is_test_number(check.id_info.get("id_number", ""))
        )

        def commit(tx: Transaction, now: datetime) -> bool:
            passed = holds.passed(tx, check.ref)
            if flaws and Held.PHOTOS.value not in passed:
                holds.hold(tx, check.ref, Held.PHOTOS, {"flaws": flaws}, now=now)
                return True
            if Held.SELFIE_SEEN.value in passed or stands_for_nobody or not self._settings.asks_about_selfies:
                return False
            found = holds.same_selfie(tx, check.ref, selfie.sha256, since=since)
            if checks.AGAIN in passed:
                # Asked and answered with the form, as far as the number is the same.
                found = [(ref, same) for ref, same in found if not same]
            if not found:
                return False
            note = {
                "seen": [ref for ref, _same in found[:10]],
                "others": len(found),
                "other_number": any(not same for _ref, same in found),
            }
            holds.hold(tx, check.ref, Held.SELFIE_SEEN, note, now=now)
            return True

        return await self._database.write(commit, self._now())

    async def _fetch_all(self, check: Check, refs: Sequence[PhotoRef]) -> list[tuple[bytes, bool]]:
        """Each photo's bytes, and whether they came as base64 in a table."""
        if check.batch is None or all(ref.inside is None for ref in refs):
            fetched = await _all_or_the_first_fault([self._fetch(ref) for ref in refs])
            return [(data, False) for data in fetched]
        batch = await self._database.read(batches.the, check.batch)
        try:
            async with self._bundles.open(batch.files) as (_files, bundle):
                return [
                    (await self._fetch(ref), False)
                    if ref.inside is None
                    else await asyncio.to_thread(bundle.photo, PhotoSource(file_id=ref.file_id, inside=ref.inside))
                    for ref in refs
                ]
        except FileUnusable as unusable:
            raise PhotoUnusable(unusable.reason, unusable.words) from unusable
        except SlackRefused as no:
            if no.code in _GONE:
                raise PhotoUnusable(no.code, "The file that holds it is no longer in Slack.") from no
            raise

    async def _fetch(self, photo: PhotoRef) -> bytes:
        try:
            return await self._files.fetch(await self._slack.file(photo.file_id))
        except PhotoUnusable as unusable:
            raise _named(photo, unusable) from unusable
        except SlackRefused as no:
            if no.code in _GONE:
                gone = PhotoUnusable(no.code, "It is no longer in Slack, or I may not read it.")
                raise _named(photo, gone) from no
            raise

    async def _prepare_photo(self, photo: PhotoRef, data: bytes) -> photos.Photo:
        try:
            return await asyncio.to_thread(photos.prepare, data)
        except PhotoUnusable as unusable:
            raise _named(photo, unusable) from unusable

    # The three commits

    async def _record(self, check: Check, *, replaces: Attempt | None = None) -> Attempt | None:
        """(a). None when it may have been recorded, and sent, after the backup that we work on: asked about first."""

        def record(tx: Transaction, now: datetime) -> Attempt:
            if replaces is None:
                checks.move(tx, check.ref, State.SUBMITTING, now=now)
            return attempts.record(tx, ref=check.ref, asked_at=check.asked_at, now=now)

        attempt = await self._database.write(record, self._now())
        log.info("attempt.recorded", ref=check.ref, job_id=attempt.job_id)
        if attempt.in_doubt_since is not None:
            await self._again(check, "known from before a restore?", at_once=True, gives_up_as="unsettled")
            return None
        return attempt

    async def _send(self, check: Check, attempt: Attempt, images: _Images) -> None:
        """(b) and (c), from wherever the attempt stands."""
        urls_died = 0
        while True:
            try:
                if attempt.step is Step.RECORDED:
                    attempt = await self._prepare(check, attempt)
                await self._put(check, attempt, images)
                return
            except SmileIDUploadExpired as fault:
                # The URL died before the zip was taken, so the same job is asked for a new one.
                await self._database.write(attempts.ask_again, attempt.job_id, with_retry_flag=False)
                urls_died += 1
                if urls_died > 1:
                    # A fresh one dies as well: something else is wrong, and asking faster will not mend it.
                    await self._again(check, str(fault), gives_up_as="smile_id_away")
                    return
                attempt = await self._database.read(attempts.the, attempt.job_id)
            except SmileIDRefused as no:
                replaced = await self._refused(check, attempt, no)
                if replaced is None:
                    return
                attempt = replaced
            except (SmileIDUncertain, SmileIDAnswerInvalid) as fault:
                await self._doubt(check, attempt, fault)
                return
            except SmileIDError as fault:
                asked = fault.retry_after if isinstance(fault, SmileIDUnavailable) else None
                await self._again(check, str(fault), asked_seconds=asked, gives_up_as="smile_id_away")
                return

    async def _prepare(self, check: Check, attempt: Attempt) -> Attempt:
        prepared = await self._smile_id.prepare(self._job(check, attempt), retry=attempt.retry_flag)

        def commit(tx: Transaction) -> Attempt:
            attempts.prepared(tx, attempt.job_id, smile_job_id=prepared.smile_job_id, answer=prepared.answer)
            if attempt.smile_job_id is None:
                # A second URL is no step forward: with it the tries would never come to an end.
                checks.stepped(tx, check.ref)
            return attempts.the(tx, attempt.job_id)

        return await self._database.write(commit)

    async def _put(self, check: Check, attempt: Attempt, images: _Images) -> None:
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
            selfie=images.selfie,
            liveness=images.liveness,
            prepared=prepared,
        )
        await self._smile_id.send(prepared.upload_url, package)
        await self._database.write(self._sent, check.ref, attempt.job_id, self._now())
        log.info("check.sent", ref=check.ref, job_id=attempt.job_id)

    def _sent(self, tx: Transaction, ref: str, job_id: str, now: datetime) -> None:
        """(c). A result may have come before this commit; then the check is already beyond."""
        first = first_poll_in(callbacks=bool(self._settings.public_url), poll_after=self._settings.poll_after)
        attempts.sent(tx, job_id, now=now, ask_at=now + first)
        checks.stepped(tx, ref, sent_at=now)
        if checks.the(tx, ref).state is State.SUBMITTING:
            checks.move(tx, ref, State.PROCESSING, now=now)
        else:
            checks.progress(tx, ref, now=now)

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

    # Doubt, refusal, another try

    async def _doubt(self, check: Check, attempt: Attempt, fault: SmileIDError) -> None:
        """An answer was lost: nothing is sent before Smile ID's own record was asked, which happens at once."""
        await self._database.write(attempts.doubt, attempt.job_id, since=self._now())
        await self._again(check, str(fault), at_once=True, gives_up_as="unsettled")

    async def _settle_doubt(self, check: Check, attempt: Attempt) -> Attempt | None:
        """What does Smile ID know? The attempt to go on with, or None to stop for now."""
        assert attempt.in_doubt_since is not None
        is_in = await self._zip_is_in(check, attempt)
        if is_in is None:
            return None
        if is_in:
            await self._learned(check, attempt, "job_status")
            return None
        # Sending again and again every ten seconds would use up all tries in minutes.
        settled_at = attempt.in_doubt_since + max(SETTLES_AFTER, retry_in(check.tries, jitter=0.5))
        now = self._now()
        if now < settled_at:
            await self._database.write(checks.postpone, check.ref, until=settled_at, now=now, counts=False)
            return None
        await self._database.write(attempts.settle_doubt, attempt.job_id)
        return await self._database.read(attempts.the, attempt.job_id)

    async def _zip_is_in(self, check: Check, attempt: Attempt) -> bool | None:
        """Ask `job_status`; None when it gives no answer, and then the check waits for another try."""
        try:
            status = await self._smile_id.job_status(user_id=attempt.user_id, job_id=attempt.job_id)
        except SmileIDRefused as no:
            # Nothing is wrong with this check: it waits for the operators, who hear of it now.
            await self._again(check, str(no), gives_up_as="unsettled", refusal=no)
            return None
        except SmileIDError as fault:
            asked = fault.retry_after if isinstance(fault, SmileIDUnavailable) else None
            await self._again(check, str(fault), asked_seconds=asked, gives_up_as="unsettled")
            return None
        return not (status.no_zip or status.unknown_job)

    async def _learned(self, check: Check, attempt: Attempt, how: str) -> None:
        """(c), from somewhere else than the answer to the zip."""
        await self._database.write(self._sent, check.ref, attempt.job_id, self._now())
        log.info("check.sent", ref=check.ref, job_id=attempt.job_id, learned=how)

    async def _refused(self, check: Check, attempt: Attempt, no: SmileIDRefused) -> Attempt | None:
        """Smile ID said no, surely: the attempt to go on with, or None when the check ended or waits."""
        log.warning("smile_id.refused", ref=check.ref, job_id=attempt.job_id, error=str(no))
        if no.fault is Fault.JOB_ID and not attempt.retry_flag and attempt.step is Step.RECORDED:
            await self._database.write(attempts.ask_again, attempt.job_id, with_retry_flag=True)
            return await self._database.read(attempts.the, attempt.job_id)
        if no.fault is Fault.JOB_ID:
            await self._taken(check, attempt)
            return None
        if no.fault is Fault.USER_ID and attempt.smile_job_id is not None:
            # A zip of this attempt may have been sent, and then it was ours that enrolled the user.
            await self._doubt(check, attempt, no)
            return None
        if no.fault is Fault.USER_ID and await self._database.read(attempts.count_of_round, check.ref) < MAX_USER_IDS:
            return await self._record(check, replaces=attempt)
        if no.fault is Fault.REQUESTER:
            await self._fail(check, "input", no.words)
        else:
            await self._fail(check, "refused", no.words, alert=_alert_for(no))
        return None

    async def _taken(self, check: Check, attempt: Attempt) -> None:
        """Smile ID knows the job and opens it to nobody, `retry` or not: its record has the last word."""
        is_in = await self._zip_is_in(check, attempt)
        if is_in:
            await self._learned(check, attempt, "job_status")
        elif is_in is False:
            await self._fail(check, "unsettled", None, alert="unsettled")

    async def _again(
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
            await self._fail(check, gives_up_as, None, alert=gives_up_as)
            return
        wait = retry_in(tries, jitter=self._dice.random())
        if asked_seconds is not None:
            wait = max(wait, min(timedelta(seconds=asked_seconds), LONGEST_WAIT))
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            checks.postpone(tx, check.ref, until=now if at_once else now + wait, now=now)
            if refusal is not None:
                note = {"ref": check.ref, "words": f"Smile ID refuses to tell of jobs. {refusal.words}"}
                outbox.alert(tx, _alert_for(refusal), recipients=operators, now=now, note=note)

        await self._database.write(commit, self._now())

    async def _fail(self, check: Check, failure: str, words: str | None, *, alert: str | None = None) -> None:
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            if checks.the(tx, check.ref).state not in (State.REQUESTED, State.SUBMITTING):
                # A result came while we were trying: it says more than our failure.
                return
            told = None
            if alert:
                note = {"ref": check.ref, "words": _FOR_OPERATORS.get(failure, "") + (words or "")}
                told = outbox.alert(tx, alert, recipients=operators, now=now, note=note)
            attempt = attempts.latest(tx, check.ref)
            if failure == "unsettled":
                # Whether it was paid for is for a person to find out, before anybody runs it again.
                key = f"unsettled:{check.ref}:{check.round}:{check.attempts}"
                channel, note = self._settings.review_channel, {"tell": "unsettled"}
                reviewing.call(tx, check, key, channel=channel, now=now, note=note)
            checks.fail(tx, check.ref, failure=failure, words=words, now=now, told=told)
            if failure == "unsettled" and attempt is not None:
                attempts.ask_soon(tx, attempt.job_id, at=now + LOOK_ONCE_MORE)

        await self._database.write(commit, self._now())
        log.info("check.failed", ref=check.ref, error=failure)


async def _all_or_the_first_fault(calls: Sequence[Coroutine[Any, Any, bytes]]) -> list[bytes]:
    """All results in order. At the first fault the others are broken off: nobody would look at what they fetch."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _named(photo: PhotoRef, unusable: PhotoUnusable) -> PhotoUnusable:
    """The same, saying which of the nine photos it is about."""
    which = "Selfie" if photo.kind is PhotoKind.SELFIE else f"Liveness image {photo.position + 1}"
    return PhotoUnusable(unusable.reason, f"{which}: {unusable.words}")


def _alert_for(no: SmileIDRefused) -> str:
    """One kind of fault for the operators, however many checks it strikes."""
    return f"smile_id:{no.code or no.status}"


_FOR_OPERATORS = {
    "refused": "Smile ID refuses our requests. ",
    "smile_id_away": "Smile ID has not been reachable for about an hour; checks are ending without a result.",
    "slack_away": "Photos cannot be fetched from Slack; checks are ending without a result.",
    "unsettled": "Checks are ending in doubt: Smile ID gives no clear answer whether it has them.",
    "fault": "Checks cannot be prepared because of a fault of the bot; its log says where.",
}
