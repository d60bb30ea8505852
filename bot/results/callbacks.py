"""Receives callbacks: each is kept before it is answered, and trusted only as far as it is signed, fresh and ours.

What one does to its check follows the answer, in `settling`: Smile ID waits for the commit of a receipt alone.
"""

import hashlib
import json
from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

import structlog

from bot.access.process import Process
from bot.domain.results.attempt import Addressee
from bot.results.repeats import KnownJob, Repeats
from bot.results.settlement import Settlement, TrustedCallback
from bot.smile_id.interface import Delivery, SmileID, UnreadResult
from storage import attempts, receipts
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

AHEAD = timedelta(minutes=5)
"""How far Smile ID's clock may be ahead of ours, or ours behind."""
ASK_AT_MOST_EVERY = timedelta(minutes=1)
"""How often refused callbacks may make us ask Smile ID's record: a stolen address must not make us flood it."""

NEW, REPEAT = "new", "repeat"
"""One that is new is counted once it is settled, by what became of it."""
SHORT_BYTES = 16 * 1024
"""A result without pictures. It is read before anybody asks whose address it came to."""
TOO_MANY = "too_many"
"""Its job has had more different messages than Smile ID sends."""
ANOTHER_JOB = "another_job"
"""The address is that of another job than the message names, or of none."""


class CallbackResponse(IntEnum):
    """The HTTP status that answers a callback."""

    KEPT = 200
    """Or Smile ID's own record is asked instead: sent again it would change nothing."""
    NOT_AN_OBJECT = 400
    NOT_TRUSTED = 401
    """Signature or time."""
    UNKNOWN_TOKEN = 404
    ANOTHER_JOB = 409
    TOO_LARGE = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A result that came signed and fresh, to some address."""

    token: str = field(repr=False)
    message: UnreadResult
    at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Callbacks(Process):
    smile_id: SmileID
    settlement: Settlement
    on_callback: Callable[[str], None]
    _repeats: Repeats = field(init=False, default_factory=Repeats)

    async def receive(self, token: str, body: Future[bytes | None], headers: Mapping[str, str]) -> CallbackResponse:
        """Keep one delivery; returns the answer only after the commit.

        `body` yields None when it is too long. One that is long or still coming is awaited and read only for a token of
        ours, so that strangers cannot fill the memory. `headers` must not mind upper and lower case.
        """
        known = self._repeats.find(token, now=self.now())
        if known is None and not _is_short(body) and await self._find(token) is None:
            return self._unknown()
        raw = await body
        if known is not None and raw is not None and self._is_known_delivery(known, raw, headers):
            return self._repeated()
        delivery = self._read(raw, headers, known)
        if known is not None and raw is not None and delivery.known and self._is_fresh(delivery.signed_at):
            known.keep(self.smile_id.signature_of(headers), raw, delivery.signed_at, delivery.known)
            return self._repeated()
        message = delivery.message
        if raw is None or message is None or not self._is_fresh(delivery.signed_at):
            return await self._not_kept(token, raw, delivery)
        # It is signed: whether the token is ours is found in the transaction that keeps it.
        signed = _Signed(token=token, message=message, at=self.now())
        state, job = await self.database.write_together(self._keep, signed)
        if job is None:
            return self._unknown()
        if state == ANOTHER_JOB:
            return await self._refuse(job, CallbackResponse.ANOTHER_JOB, raw, delivery.body)
        if state != TOO_MANY:
            # Not before the commit: whoever repeats it is told that it is kept.
            known = self._repeats.of(token, now=self.now())
            known.keep(self.smile_id.signature_of(headers), raw, delivery.signed_at, message.digest)
        if state != NEW:
            self.on_callback(state)
        return CallbackResponse.KEPT

    def _read(self, raw: bytes | None, headers: Mapping[str, str], known: KnownJob | None) -> Delivery:
        if raw is None:
            return Delivery(body=None)
        return self.smile_id.read_callback(raw, headers, is_known=known.holds if known is not None else None)

    async def _find(self, token: str) -> Addressee | None:
        return await self.database.read(attempts.by_token, token, now=self.now())

    def _unknown(self) -> CallbackResponse:
        self.on_callback("unknown_token")
        return CallbackResponse.UNKNOWN_TOKEN

    def _is_known_delivery(self, known: KnownJob, raw: bytes, headers: Mapping[str, str]) -> bool:
        """Whether this very delivery came before, and its signature is still fresh: then it need not be read."""
        return self._is_fresh(known.signed_at(self.smile_id.signature_of(headers), raw))

    def _repeated(self) -> CallbackResponse:
        # Counted alone: a line for each would fill the log with what is no news.
        self.on_callback(REPEAT)
        return CallbackResponse.KEPT

    async def _not_kept(self, token: str, raw: bytes | None, delivery: Delivery) -> CallbackResponse:
        """What came to one of our addresses and is no fresh result; nothing is kept of what came to another."""
        job = await self._find(token)
        if job is None:
            return self._unknown()
        if raw is None:
            return await self._refuse(job, CallbackResponse.TOO_LARGE, b"")
        if delivery.body is None:
            return await self._refuse(job, CallbackResponse.NOT_AN_OBJECT, raw)
        if not self._is_fresh(delivery.signed_at):
            signed = delivery.body if delivery.signed_at else None
            return await self._refuse(job, CallbackResponse.NOT_TRUSTED, raw, signed)
        # Signed, for one of our jobs, and not a result: kept and marked, and Smile ID's record is asked instead.
        return await self._refuse(job, CallbackResponse.KEPT, raw, delivery.body)

    def _keep(self, tx: Transaction, signed: Sequence[_Signed]) -> list[tuple[str, Addressee | None]]:
        """Of each, which is trusted as far as a callback is, what became of it, and whose it is; None: nobody's.

        All that come within a commit at once: a burst of callbacks costs the database a statement where it would be as
        many as there are callbacks.
        """
        jobs = attempts.by_tokens(tx, {one.token for one in signed}, now=max(one.at for one in signed))
        fates: list[tuple[str, Addressee | None]] = [(ANOTHER_JOB, jobs.get(one.token)) for one in signed]
        ours = {
            number: TrustedCallback(job=job, message=one.message, at=one.at)
            for number, (one, (_, job)) in enumerate(zip(signed, fates, strict=True))
            if job is not None and one.message.is_about(job)
        }
        for (number, one), kept in zip(ours.items(), self.settlement.keep(tx, list(ours.values())), strict=True):
            if kept is None:
                # Whatever it says, Smile ID's record says it too: so a flood under one signature hides nothing.
                attempts.ask_soon(tx, one.job.job_id, at=one.at, at_most_every=ASK_AT_MOST_EVERY)
                fates[number] = TOO_MANY, one.job
            else:
                fates[number] = NEW if kept.is_new else REPEAT, one.job
        return fates

    def _is_fresh(self, signed_at: Sequence[datetime]) -> bool:
        """Whether it was signed by Smile ID lately: an older signature, once caught, would let anything through."""
        now = self.now()
        return any(now - self.settings.callback_max_age <= at <= now + AHEAD for at in signed_at)

    async def _refuse(
        self, job: Addressee, answer: CallbackResponse, raw: bytes, body: Mapping[str, object] | None = None
    ) -> CallbackResponse:
        """Keep what is not trusted, and ask Smile ID's record: only Smile ID should know the address it came to.

        `body` is None for what is not signed: it may be anybody's, and as long as they like.
        """
        now = self.now()
        receipt_id = self.settlement.new_id(now)
        why = "not_a_result" if answer is CallbackResponse.KEPT else answer.name.lower()
        text = json.dumps(receipts.without_pictures(body)) if body is not None else None

        def commit(tx: Transaction) -> bool:
            is_new = receipts.keep_refused(
                tx,
                receipt_id=receipt_id,
                job_id=job.job_id,
                why=why,
                body=text,
                size=len(raw) if raw else self.settings.callback_max_bytes,
                body_sha256=hashlib.sha256(raw).hexdigest(),
                now=now,
            )
            attempts.ask_soon(tx, job.job_id, at=now, at_most_every=ASK_AT_MOST_EVERY)
            return is_new

        is_new = await self.database.write(commit)
        self.on_callback(why)
        if is_new:
            # Those beyond what is kept are counted alone: who has an address must not fill the disk with lines.
            log.warning("callback.refused", ref=job.ref, job_id=job.job_id, error=why)
        return answer


def _is_short(body: Future[bytes | None]) -> bool:
    """Whether all of it is here, and little."""
    return body.done() and body.exception() is None and len(body.result() or b"") <= SHORT_BYTES
