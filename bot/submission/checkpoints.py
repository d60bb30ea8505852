"""The three commits of a check on its way to Smile ID; a crash may fall between any two of them.

(a) our job id, user id and callback token, before any call; (b) Smile ID's job id and the upload URL; (c) the zip is
there. Each is a plain function inside a transaction of the caller; when they are due is `sender`'s part.
"""

from datetime import datetime

from bot.domain.attempt import Attempt
from bot.domain.backoff import first_poll_in
from bot.domain.checks import Check
from bot.domain.states import State
from bot.settings import Settings
from bot.smile_id.client import Prepared
from storage import attempts, checks
from storage.database import Transaction


def record(tx: Transaction, check: Check, *, replaces: Attempt | None, now: datetime) -> Attempt:
    """(a)."""
    if replaces is None:
        checks.move(tx, check.ref, State.SUBMITTING, now=now)
    return attempts.record(tx, ref=check.ref, asked_at=check.asked_at, now=now)


def prepared(tx: Transaction, check: Check, attempt: Attempt, answer: Prepared) -> Attempt:
    """(b)."""
    attempts.prepared(tx, attempt.job_id, smile_job_id=answer.smile_job_id, answer=answer.answer)
    if attempt.smile_job_id is None:
        # A second URL is no step forward: with it the tries would never come to an end.
        checks.stepped(tx, check.ref)
    return attempts.get(tx, attempt.job_id)


def sent(tx: Transaction, ref: str, job_id: str, *, settings: Settings, now: datetime) -> None:
    """(c). A result may have come before this commit; then the check is already beyond."""
    first = first_poll_in(callbacks=bool(settings.public_url), poll_after=settings.poll_after)
    attempts.sent(tx, job_id, now=now, ask_at=now + first)
    checks.stepped(tx, ref, sent_at=now)
    if checks.get(tx, ref).state is State.SUBMITTING:
        checks.move(tx, ref, State.PROCESSING, now=now)
    else:
        checks.progress(tx, ref, now=now)
