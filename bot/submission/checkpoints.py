"""The three commits of a submission; a crash may fall between any two of them.

(a) our job id, user id and callback token, before any call; (b) each checkpoint that Smile ID's interface returns,
before the next call; (c) Smile ID has the photos. Each runs inside a transaction of the caller, `sender`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from bot.domain.backoff import first_poll_in
from bot.domain.capture.links import LinkEnding
from bot.domain.check.check import Check, PhotoRef
from bot.domain.check.states import State
from bot.domain.results.attempt import Attempt
from bot.outbox import link_notices, refresh
from bot.settings import Settings
from bot.smile_id.interface import Checkpoint
from bot.submission.budget import count_if_uncounted
from storage import attempts, audit, capture_links, checks
from storage.engine.database import Transaction

TAKEN_AGAIN_WITHIN = timedelta(minutes=30)
"""How long a customer at least has for photos that did not arrive, however soon their link would have expired."""


def photos_checked(
    tx: Transaction,
    check: Check,
    hashes: Sequence[tuple[PhotoRef, int, str]],
    suppliers: Collection[str] = (),
    *,
    now: datetime,
) -> None:
    """The photos were decoded: keep the size and SHA-256 of each, and who supplied them. Raises EditedMeanwhile.

    Nobody is shown that by itself: what is asked or sent because of it follows in the same transaction.
    """
    checks.require_unedited(tx, check)
    checks.photos_checked(tx, check.ref, hashes, now=now)
    for person in sorted(set(suppliers) - {check.requester}):
        # Whoever brings the photos could bring their own: what comes of them is for others to decide.
        checks.also_asked_by(tx, check.ref, person)


def record(tx: Transaction, check: Check, *, replaces: Attempt | None, settings: Settings, now: datetime) -> Attempt:
    """Commit (a). Raises EditedMeanwhile where what would be sent is no longer what the check holds."""
    checks.require_unedited(tx, check)
    if replaces is None:
        # Raises IllegalMove where the requester cancelled the check while its photos were loading.
        checks.move(tx, check.ref, State.SUBMITTING, now=now)
        refresh.check_changed(tx, check.ref, now=now)
    count_if_uncounted(tx, check, zone=settings.zone, now=now)
    if replaces is None and (unsent := attempts.latest(tx, check.ref)) is not None:
        # A customer's photos that did not arrive are taken once more, for the same job.
        return unsent
    made = attempts.record(tx, ref=check.ref, asked_at=check.asked_at, now=now)
    audit.record(tx, at=now, actor=audit.BOT, act="job.made", ref=check.ref, detail=made.job_id)
    return made


def reached(tx: Transaction, check: Check, attempt: Attempt, checkpoint: Checkpoint) -> Attempt:
    """Commit (b). The checkpoint's state is opaque to us."""
    attempts.prepared(tx, attempt.job_id, smile_job_id=checkpoint.smile_job_id, checkpoint=checkpoint.state)
    if check.tries and attempt.checkpoint is None and attempt.smile_job_id is None:
        # Only the first one is progress: if each reset the count of tries, they would never end.
        checks.stepped(tx, check.ref)
    return attempts.get(tx, attempt.job_id)


def photos_lost(tx: Transaction, ref: str, *, now: datetime) -> bool:
    """Back to the customer: Smile ID does not have the photos that they took, and nobody else has them.

    The attempt stays, with its job id and checkpoint, for the photos that they take next. False where Smile ID has
    spoken of it since the caller looked: the photos have arrived, which a worker takes note of.
    """
    attempt = attempts.latest(tx, ref)
    if attempt is not None and attempts.heard_of(tx, attempt.job_id):
        checks.postpone(tx, ref, until=now, counts=False)
        tx.wake(checks.SUBMISSION)
        return False
    checks.keep_photos(tx, ref, ())
    checks.forget_photo_checks(tx, ref)
    checks.move(tx, ref, State.AWAITING_PHOTOS, now=now)
    capture_links.given_back(tx, ref, until=now + TAKEN_AGAIN_WITHIN, now=now)
    refresh.check_changed(tx, ref, now=now)
    return True


def ask_first(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Leave a check whose customer has photos at hand to a worker: Smile ID may have others of the same job."""
    checks.move(tx, ref, State.SUBMITTING, now=now)
    checks.postpone(tx, ref, until=now, counts=False)
    refresh.check_changed(tx, ref, now=now)
    tx.wake(checks.SUBMISSION)


def sent(
    tx: Transaction, ref: str, attempt: Attempt, *, settings: Settings, now: datetime, smile_job_id: str | None = None
) -> None:
    """Commit (c). `smile_job_id` is Smile ID's own id for the job, if it became known only now."""
    job_id = attempt.job_id
    if smile_job_id is not None:
        attempts.learned_job(tx, job_id, smile_job_id)
    first = first_poll_in(callbacks=bool(settings.public_url), poll_after=settings.poll_after)
    attempts.sent(tx, job_id, now=now, ask_at=now + first)
    audit.record(tx, at=now, actor=audit.BOT, act="job.sent", ref=ref, detail=job_id)
    check = checks.get(tx, ref, sealed=False)
    if attempt.round != check.round:
        # Its result came before this answer, and the check was run again: the photos of this round are yet to be sent.
        return
    checks.stepped(tx, ref, sent_at=now)
    # Here and nowhere earlier: until Smile ID has the photos, the customer's link is the only way to them.
    link_notices.end(tx, ref, LinkEnding.USED, by=audit.BOT, now=now)
    # A callback may have overtaken the answer to the photos: then the check has its result already, and keeps it.
    if check.state is State.SUBMITTING:
        checks.move(tx, ref, State.PROCESSING, now=now)
    refresh.check_changed(tx, ref, now=now)
