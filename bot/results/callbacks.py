"""Receives callbacks: each is kept before it is answered, and trusted only as far as it is signed, fresh and ours."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

import structlog

from bot.domain.results.attempt import Attempt
from bot.domain.results.trust_rules import Disposition, Source
from bot.results.settlement import Settlement
from bot.settings import Settings
from bot.smile_id.interface import Delivery, SmileID
from storage import attempts, receipts
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

AHEAD = timedelta(minutes=5)
"""How far Smile ID's clock may be ahead of ours, or ours behind."""
ASK_AT_MOST_EVERY = timedelta(minutes=1)
"""A refused callback has Smile ID's record asked, but not more often: a stolen address must not make us flood it."""
REFUSED_BYTES = 4_096
"""How much is kept of a refused body that is no JSON: enough to see what it is."""


class Answer(IntEnum):
    """How a callback is answered, by HTTP status."""

    KEPT = 200
    NOT_AN_OBJECT = 400
    NOT_TRUSTED = 401
    """Signature or time."""
    UNKNOWN_TOKEN = 404
    ANOTHER_JOB = 409
    TOO_LARGE = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One delivery, whose body is still coming in."""

    token: str = field(repr=False)
    body: Awaitable[bytes | None]
    """None when it is longer than allowed, and is not read to its end."""
    headers: Mapping[str, str] = field(repr=False)
    """Without regard to upper and lower case."""


class Callbacks:
    """Takes deliveries in."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        settlement: Settlement,
        settings: Settings,
        now: Callable[[], datetime],
        on_callback: Callable[[str], None],
    ) -> None:
        self._database = database
        self._smile_id = smile_id
        self._settlement = settlement
        self._settings = settings
        self._now = now
        self._on_callback = on_callback

    async def receive(self, callback: Callback) -> Answer:
        """Keep one delivery and settle what it says; the answer is given only after the commit.

        The body is awaited only for a token of ours, so that strangers cannot fill the memory.
        """
        attempt = await self._database.read(attempts.by_token, callback.token)
        if attempt is None:
            self._on_callback("unknown_token")
            return Answer.UNKNOWN_TOKEN
        raw = await callback.body
        if raw is None:
            return await self._refuse(attempt, Answer.TOO_LARGE, b"")
        delivery = self._smile_id.read_callback(raw, callback.headers)
        if delivery.body is None:
            return await self._refuse(attempt, Answer.NOT_AN_OBJECT, raw)
        if not self._is_fresh(delivery):
            return await self._refuse(attempt, Answer.NOT_TRUSTED, raw, delivery.body)
        message = delivery.message
        if message is None:
            # Signed, for one of our jobs, and not a result: kept and marked, and Smile ID's record is asked instead.
            return await self._refuse(attempt, Answer.KEPT, raw, delivery.body)
        if not message.is_about(attempt):
            return await self._refuse(attempt, Answer.ANOTHER_JOB, raw, delivery.body)
        now = self._now()

        def commit(tx: Transaction) -> Disposition | None:
            return self._settlement.settle(tx, attempt.job_id, message, source=Source.CALLBACK, now=now)

        fate = await self._database.write(commit)
        self._on_callback(fate.value if fate else "repeat")
        log.info("callback.kept", ref=attempt.ref, job_id=attempt.job_id, state=fate.value if fate else "repeat")
        return Answer.KEPT

    def _is_fresh(self, delivery: Delivery) -> bool:
        """Signed by Smile ID, and lately: whoever caught an older signature could send anything under it."""
        now = self._now()
        return any(now - self._settings.callback_max_age <= at <= now + AHEAD for at in delivery.signed_at)

    async def _refuse(
        self, attempt: Attempt, answer: Answer, raw: bytes, body: Mapping[str, object] | None = None
    ) -> Answer:
        """Keep what is not trusted, and ask Smile ID's record: it came to an address that only Smile ID should know."""
        now, receipt_id = self._now(), self._settlement.new_id()
        why = "not_a_result" if answer is Answer.KEPT else answer.name.lower()
        text = raw[:REFUSED_BYTES].decode("utf-8", "replace")
        if body is not None:
            text = json.dumps(receipts.without_pictures(body))

        def commit(tx: Transaction) -> None:
            receipts.keep_refused(
                tx,
                receipt_id=receipt_id,
                job_id=attempt.job_id,
                why=why,
                body=text,
                body_sha256=hashlib.sha256(raw).hexdigest(),
                now=now,
            )
            attempts.ask_soon(tx, attempt.job_id, at=now, at_most_every=ASK_AT_MOST_EVERY)

        await self._database.write(commit)
        self._on_callback(why)
        log.warning("callback.refused", ref=attempt.ref, job_id=attempt.job_id, error=why)
        return answer
