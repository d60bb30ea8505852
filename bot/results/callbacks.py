"""Receives callbacks: each is kept before it is answered, and trusted only as far as it is signed, fresh and ours.

What one does to its check follows the answer, in `settling`: Smile ID waits for the commit of a receipt alone.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

import structlog

from bot.access.process import Process
from bot.domain.results.attempt import Attempt
from bot.results.repeats import KnownJob, Repeats
from bot.results.settlement import Settlement
from bot.smile_id.interface import ResultMessage, SmileID
from storage import attempts, receipts
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

AHEAD = timedelta(minutes=5)
"""How far Smile ID's clock may be ahead of ours, or ours behind."""
ASK_AT_MOST_EVERY = timedelta(minutes=1)
"""How often refused callbacks may make us ask Smile ID's record: a stolen address must not make us flood it."""

NEW, REPEAT = "new", "repeat"
"""One that is new is counted once it is settled, by what became of it."""
TOO_MANY = "too_many"
"""Its job has had more different messages than Smile ID sends."""


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


@dataclass(slots=True, kw_only=True, eq=False)
class Callbacks(Process):
    smile_id: SmileID
    settlement: Settlement
    on_callback: Callable[[str], None]
    _repeats: Repeats = field(init=False, default_factory=Repeats)

    async def receive(self, token: str, body: Awaitable[bytes | None], headers: Mapping[str, str]) -> CallbackResponse:
        """Keep one delivery; returns the answer only after the commit.

        `body` yields None when it is too long; it is awaited only for a token of ours, so that strangers cannot fill
        the memory. `headers` must not mind upper and lower case.
        """
        known = self._repeats.find(token, now=self.now())
        attempt = None if known else await self._find(token)
        if known is None and attempt is None:
            return self._unknown()
        raw = await body
        if known is not None and raw is not None and self._is_repeat(known, raw, headers):
            # Counted alone: a line for each would fill the log with what is no news.
            self.on_callback(REPEAT)
            return CallbackResponse.KEPT
        attempt = attempt or await self._find(token)
        return self._unknown() if attempt is None else await self._receive(attempt, raw, headers)

    async def _find(self, token: str) -> Attempt | None:
        return await self.database.read(attempts.by_token, token, now=self.now())

    def _unknown(self) -> CallbackResponse:
        self.on_callback("unknown_token")
        return CallbackResponse.UNKNOWN_TOKEN

    def _is_repeat(self, known: KnownJob, raw: bytes, headers: Mapping[str, str]) -> bool:
        """Whether this is signed and fresh, and its message stored already: as it came before, or signed anew."""
        signature = self.smile_id.signature_of(headers)
        if self._is_fresh(known.signed_at(signature, raw)):
            return True
        delivery = self.smile_id.read_callback(raw, headers)
        message = delivery.message
        if message is None or not self._is_fresh(delivery.signed_at) or not known.holds(message.digest):
            return False
        known.keep(signature, raw, delivery.signed_at, message.digest)
        return True

    async def _receive(self, attempt: Attempt, raw: bytes | None, headers: Mapping[str, str]) -> CallbackResponse:
        if raw is None:
            return await self._refuse(attempt, CallbackResponse.TOO_LARGE, b"")
        delivery = self.smile_id.read_callback(raw, headers)
        if delivery.body is None:
            return await self._refuse(attempt, CallbackResponse.NOT_AN_OBJECT, raw)
        if not self._is_fresh(delivery.signed_at):
            signed = delivery.body if delivery.signed_at else None
            return await self._refuse(attempt, CallbackResponse.NOT_TRUSTED, raw, signed)
        message = delivery.message
        if message is None:
            # Signed, for one of our jobs, and not a result: kept and marked, and Smile ID's record is asked instead.
            return await self._refuse(attempt, CallbackResponse.KEPT, raw, delivery.body)
        if not message.is_about(attempt):
            return await self._refuse(attempt, CallbackResponse.ANOTHER_JOB, raw, delivery.body)
        state = await self.database.write(self._keep, attempt.job_id, message, now=self.now())
        if state != TOO_MANY:
            # Not before the commit: whoever repeats it is told that it is kept.
            known = self._repeats.of(attempt.callback_token, now=self.now())
            known.keep(self.smile_id.signature_of(headers), raw, delivery.signed_at, message.digest)
        if state != NEW:
            self.on_callback(state)
        return CallbackResponse.KEPT

    def _keep(self, tx: Transaction, job_id: str, message: ResultMessage, *, now: datetime) -> str:
        """What became of a message that is trusted as far as a callback is."""
        room = receipts.has_room(
            tx, job_id=job_id, code=message.reading.code, body_sha256=message.digest, body=message.body
        )
        if not room:
            # Whatever it says, Smile ID's record says it too: so a flood under one signature hides nothing.
            attempts.ask_soon(tx, job_id, at=now, at_most_every=ASK_AT_MOST_EVERY)
            return TOO_MANY
        return NEW if self.settlement.keep(tx, job_id, message, now=now) else REPEAT

    def _is_fresh(self, signed_at: Sequence[datetime]) -> bool:
        """Whether it was signed by Smile ID lately: an older signature, once caught, would let anything through."""
        now = self.now()
        return any(now - self.settings.callback_max_age <= at <= now + AHEAD for at in signed_at)

    async def _refuse(
        self, attempt: Attempt, answer: CallbackResponse, raw: bytes, body: Mapping[str, object] | None = None
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
                job_id=attempt.job_id,
                why=why,
                body=text,
                size=len(raw) if raw else self.settings.callback_max_bytes,
                body_sha256=hashlib.sha256(raw).hexdigest(),
                now=now,
            )
            attempts.ask_soon(tx, attempt.job_id, at=now, at_most_every=ASK_AT_MOST_EVERY)
            return is_new

        is_new = await self.database.write(commit)
        self.on_callback(why)
        if is_new:
            # Those beyond what is kept are counted alone: who has an address must not fill the disk with lines.
            log.warning("callback.refused", ref=attempt.ref, job_id=attempt.job_id, error=why)
        return answer
