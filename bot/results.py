"""What Smile ID says becomes the state of a check: by callback, by polling, by confirmation, all in one `_settle`.

A callback is kept before it is answered. What it claims is believed only as far as `bot.domain.rulings` says.
"""

import hashlib
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import structlog

from bot.access import Access, Role
from bot.domain.backoff import POLL_FOR, confirm_in, first_poll_in, next_poll_in, overdue_level
from bot.domain.checks import OVERTAKEN_BY_DISPUTE, OVERTAKEN_BY_FINAL, Attempt, Check, PostKind, Step
from bot.domain.outcomes import Outcome, Reading, ResultCodes, Why
from bot.domain.rulings import Fate, Ruling, Situation, Source, Tell, record_of, rule, waited_enough
from bot.domain.states import POLLED_REASONS, STICKY_REASONS, State
from bot.errors import Fault, SmileIDAnswerInvalid, SmileIDError, SmileIDRefused
from bot.settings import ReviewNotify, Settings
from bot.smile_id.client import JobStatus, SmileID
from bot.smile_id.wire import Message, canonical_hash, parse_message
from storage import attempts, checks, outbox, receipts
from storage.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
AHEAD = timedelta(minutes=5)
"""How far Smile ID's clock may be ahead of ours."""
ASK_AT_MOST_EVERY = timedelta(minutes=1)
"""A refused callback makes its job due for job_status, but not more often than this."""
REFUSED_BYTES = 4_096
"""How much is kept of a refused body that cannot be read: what it is shows at its beginning."""
DEEPEST = 64
"""Levels of JSON that are read; Smile ID's own messages have five or six."""
_LINKS = frozenset({"ImageLinks", "image_links"})
"""Signed anew at every asking: no part of what a message says."""


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
    header_timestamp: str | None = None
    header_signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """One message as it came, with what it is known by."""

    body: Mapping[str, object] = field(repr=False)
    message: Message
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One message, in the circumstances in which it is settled."""

    check: Check
    attempt: Attempt
    reading: Reading
    receipt: str
    at: datetime


class Results:
    """Receives, asks and settles."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        codes: ResultCodes,
        access: Access,
        settings: Settings,
        now: Callable[[], datetime],
        dice: random.Random,
        on_callback: Callable[[str], None] = lambda _fate: None,
    ) -> None:
        self._database = database
        self._smile_id = smile_id
        self._codes = codes
        self._access = access
        self._settings = settings
        self._now = now
        self._dice = dice
        self._on_callback = on_callback

    # Callbacks

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
        body = _json_object(raw)
        if body is None:
            return await self._refuse(attempt, Answer.NOT_AN_OBJECT, raw)
        if not self._is_trusted(callback, body):
            return await self._refuse(attempt, Answer.NOT_TRUSTED, raw, body)
        message = _message(body)
        if message is None:
            # Signed, ours, and not a result: kept and marked, and Smile ID's record is asked instead.
            await self._refuse(attempt, Answer.KEPT, raw, body)
            return Answer.KEPT
        if not _is_of(message, attempt):
            return await self._refuse(attempt, Answer.ANOTHER_JOB, raw, body)
        now, said = self._now(), _Said(body=body, message=message, body_hash=_hash(body))

        def commit(tx: Transaction) -> Fate | None:
            return self._settle(tx, attempt.job_id, said, source=Source.CALLBACK, now=now)

        fate = await self._database.write(commit)
        self._on_callback(fate.value if fate else "repeat")
        log.info("callback.kept", ref=attempt.ref, job_id=attempt.job_id, state=fate.value if fate else "repeat")
        return Answer.KEPT

    def _is_trusted(self, callback: Callback, body: Mapping[str, object]) -> bool:
        """Signed by Smile ID, and lately. The pair in the headers is looked at first, then the one in the body."""
        pairs = [
            (callback.header_timestamp, callback.header_signature),
            (body.get("timestamp"), body.get("signature")),
        ]
        for timestamp, signature in pairs:
            raw = str(timestamp) if isinstance(timestamp, (str, int)) and not isinstance(timestamp, bool) else ""
            if (
                raw
                and isinstance(signature, str)
                and self._smile_id.signed_by_smile(timestamp=raw, signature=signature)
                and self._is_fresh(raw)
            ):
                return True
        return False

    def _is_fresh(self, timestamp: str) -> bool:
        moment = read_timestamp(timestamp)
        now = self._now()
        return moment is not None and now - self._settings.callback_max_age <= moment <= now + AHEAD

    async def _refuse(
        self, attempt: Attempt, answer: Answer, raw: bytes, body: Mapping[str, object] | None = None
    ) -> Answer:
        """Not believed, but it came to an address that only Smile ID knows: keep it, and ask Smile ID."""
        now, receipt_id = self._now(), self._new_id()
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
                body_hash=hashlib.sha256(raw).hexdigest(),
                now=now,
            )
            attempts.ask_soon(tx, attempt.job_id, at=now, at_most_every=ASK_AT_MOST_EVERY)

        await self._database.write(commit)
        self._on_callback(why)
        log.warning("callback.refused", ref=attempt.ref, job_id=attempt.job_id, error=why)
        return answer

    # Asking job_status: polls and confirmations

    async def claim(self, limit: int) -> list[Attempt]:
        """Jobs due for job_status, ours until the lease ends."""
        now = self._now()
        return await self._database.write(attempts.claim_due, now=now, until=now + LEASE, limit=limit)

    async def work(self, due: Attempt) -> None:
        """Ask for one job, settle what the record says, and set the time of the next asking."""
        status: JobStatus | None = None
        refusal: SmileIDRefused | None = None
        try:
            status = await self._smile_id.job_status(user_id=due.user_id, job_id=due.job_id)
        except SmileIDRefused as no:
            refusal = no
            log.warning("job_status.refused", ref=due.ref, job_id=due.job_id, error=str(no))
        except SmileIDError as fault:
            log.warning("job_status.failed", ref=due.ref, job_id=due.job_id, error=str(fault))
        now = self._now()
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction) -> None:
            if refusal is not None and refusal.fault is Fault.OPERATOR:
                note = {"ref": due.ref, "words": f"Smile ID refuses to give results. {refusal.words}"}
                fault = f"smile_id:{refusal.code or refusal.status}"
                outbox.alert(tx, fault, recipients=operators, now=now, note=note)
            if status is not None:
                self._digest(tx, due.job_id, status, now)
            self._look_at_the_clock(tx, due.job_id, now)

        await self._database.write(commit)

    def _digest(self, tx: Transaction, job_id: str, status: JobStatus, now: datetime) -> None:
        """Settle Smile ID's record: first the message that bears the verdict, then what counts beside it."""
        if not status.complete:
            return
        attempt = attempts.the(tx, job_id)
        bodies = [*([status.result] if status.result else []), *status.history]
        read = [_Said(body=body, message=m, body_hash=_hash(body)) for body in bodies if (m := _message(body))]
        read = [said for said in read if _is_of(said.message, attempt, strictly=False)]
        readings = [self._read(said.message) for said in read]
        chosen = record_of(readings)
        order = list(reversed(range(len(read))))
        if chosen is not None:
            order.remove(chosen)
            order.insert(0, chosen)
        if self._two_verdicts(tx, attempt, readings):
            # Nobody was told of either: the older one is the first.
            order.sort(key=lambda number: (not readings[number].is_final, -number))
        for number in order:
            past = number != chosen and chosen is not None and _is_past(readings[number], readings[chosen])
            self._settle(tx, job_id, read[number], source=Source.JOB_STATUS, now=now, past=past)

    def _two_verdicts(self, tx: Transaction, attempt: Attempt, record: Sequence[Reading]) -> bool:
        """Whether the record alone, with nothing heard before, holds two results that differ."""
        verdicts = {reading.outcome for reading in record if reading.is_final and not reading.is_id_message}
        heard_before = attempt.claim_outcome or checks.the(tx, attempt.ref).verdict_outcome
        return len(verdicts) > 1 and heard_before is None

    def _look_at_the_clock(self, tx: Transaction, job_id: str, now: datetime) -> None:
        """Whatever waiting brings: an unconfirmed result told as such, long waits told, the next asking."""
        attempt = attempts.the(tx, job_id)
        if _is_replaced(tx, attempt):
            attempts.next_ask(tx, job_id, ask_at=None, poll_at=None, polls=attempt.polls, confirms=0)
            return
        check = checks.the(tx, attempt.ref)
        waited = attempt.claim_at is not None and now - attempt.claim_at >= self._settings.confirm_wait
        if waited and (ruling := waited_enough(_situation(check, attempt, frozenset()))) is not None:
            receipt = receipts.get(tx, attempt.claim_receipt or "")
            assert receipt is not None
            message = parse_message(json.loads(receipt.body))
            heard = _Heard(check=check, attempt=attempt, reading=self._read(message), receipt=receipt.id, at=now)
            self._apply(tx, ruling, heard)
            check, attempt = checks.the(tx, attempt.ref), attempts.the(tx, job_id)
        elapsed = now - (attempt.sent_at or now)
        waits = check.state is State.PROCESSING or check.reason in POLLED_REASONS
        if waits:
            self._tell_the_waiting(tx, check, attempt, elapsed, now)
        polls, poll_at = attempt.polls, attempt.poll_at
        if poll_at is not None and poll_at <= now:
            polls += 1
            poll_at = now + next_poll_in(
                elapsed, polls, callbacks=bool(self._settings.public_url), poll_after=self._settings.poll_after
            )
        confirms = attempt.confirm_tries
        ask_at: datetime | None = None
        if waits or attempt.claim_receipt is not None:
            ask_at = poll_at
        if attempt.claim_at is not None and attempt.claim_receipt is not None:
            confirms += 1
            times = [poll_at] if poll_at else []
            if (wait := confirm_in(confirms)) is not None:
                times.append(now + wait)
            deadline = attempt.claim_at + self._settings.confirm_wait
            if not waited:
                times.append(deadline)
            ask_at = min(times) if times else now + timedelta(minutes=15)
        attempts.next_ask(tx, job_id, ask_at=ask_at, poll_at=poll_at, polls=polls, confirms=confirms)

    def _tell_the_waiting(
        self, tx: Transaction, check: Check, attempt: Attempt, elapsed: timedelta, now: datetime
    ) -> None:
        level = overdue_level(elapsed, self._settings.poll_after)
        if level and attempts.overdue_told(tx, attempt.job_id, level):
            checks.progress(tx, check.ref, now=now)
        if elapsed >= POLL_FOR:
            notice = self._notice(
                tx, check, f"overdue:{attempt.job_id}", now=now, note={"tell": PostKind.OVERDUE.value}
            )
            outbox.enqueue(
                tx,
                PostKind.OVERDUE,
                key=attempt.job_id,
                ref=check.ref,
                lane=check.channel,
                now=now,
                about=notice,
            )

    # Settling

    def _settle(
        self,
        tx: Transaction,
        job_id: str,
        said: _Said,
        *,
        source: Source,
        now: datetime,
        past: bool = False,
    ) -> Fate | None:
        """Keep one message and do what it does. None for a repeat.

        A callback that was here before does nothing. Smile ID's own record is looked at again each time, since the
        very message that a callback claimed is what confirms it. What is `past` is kept and tells nothing.
        """
        attempt, message = attempts.the(tx, job_id), said.message
        receipt_id, is_new = receipts.keep(
            tx,
            receipt_id=self._new_id(),
            job_id=job_id,
            source=source,
            code=message.code,
            body_hash=said.body_hash,
            body=said.body,
            fate=Fate.LATE,
            now=now,
        )
        if not is_new and source is Source.CALLBACK:
            return None
        if past:
            return Fate.LATE
        if _is_replaced(tx, attempt):
            receipts.set_fate(tx, receipt_id, Fate.OLD_ATTEMPT)
            return Fate.OLD_ATTEMPT
        check = checks.the(tx, attempt.ref)
        if message.smile_job_id and source is Source.JOB_STATUS:
            attempts.learned_job(tx, job_id, message.smile_job_id)
        reading = self._read(message)
        ruling = rule(reading, source, _situation(check, attempt, outbox.told_codes(tx, job_id)))
        if is_new or ruling.fate is Fate.COUNTED:
            receipts.set_fate(tx, receipt_id, ruling.fate)
        self._apply(tx, ruling, _Heard(check=check, attempt=attempt, reading=reading, receipt=receipt_id, at=now))
        return ruling.fate

    def _apply(self, tx: Transaction, ruling: Ruling, heard: _Heard) -> None:
        check, attempt, now = heard.check, heard.attempt, heard.at
        if ruling.claims:
            attempts.claim_result(tx, attempt.job_id, receipt=heard.receipt, outcome=heard.reading.outcome, now=now)
        amended = outbox.unconfirmed_post(tx, attempt.job_id) if ruling.ends_claim else None
        if ruling.ends_claim and attempt.claim_receipt is not None:
            receipts.set_fate(tx, attempt.claim_receipt, Fate.COUNTED)
            attempts.end_claim(tx, attempt.job_id)
        if ruling.move is not None:
            target, reason = ruling.move
            if attempt.step is not Step.SENT:
                # Smile ID answers for a zip whose arrival we had not heard of: it is there.
                first = first_poll_in(callbacks=bool(self._settings.public_url), poll_after=self._settings.poll_after)
                attempts.sent(tx, attempt.job_id, now=now, ask_at=now + first)
            if target is not check.state or reason is not check.reason:
                checks.move(tx, check.ref, target, reason=reason, reading=heard.reading, now=now)
        if ruling.tell in (Tell.CONFIRMED, Tell.RESULT) and amended is not None:
            outbox.enqueue(
                tx,
                PostKind.CONFIRMED,
                key=attempt.job_id,
                ref=check.ref,
                lane=check.channel,
                receipt=amended.receipt,
                about=amended.id,
                now=now,
            )
        if ruling.tell is Tell.CONFIRMED:
            checks.progress(tx, check.ref, now=now)
        elif ruling.tell is not None:
            self._tell(tx, ruling, heard)

    def _tell(self, tx: Transaction, ruling: Ruling, heard: _Heard) -> None:
        """Enqueue the message of the thread, and before it the notices that it may truthfully speak of."""
        assert ruling.tell is not None
        check, attempt, reading, now = heard.check, heard.attempt, heard.reading, heard.at
        kind = PostKind(ruling.tell.value)
        key = attempt.job_id
        if ruling.tell in (Tell.NOT_FINAL, Tell.UNKNOWN_CODE, Tell.ID_UNVERIFIED):
            key = f"{attempt.job_id}:{reading.code}"
        elif ruling.tell is Tell.SECOND_FINAL:
            key = f"{attempt.job_id}:{reading.outcome.value}"
        if ruling.tell not in (Tell.NOT_FINAL, Tell.SUSPECTS):
            in_dispute = ruling.move is not None and ruling.move[1] in STICKY_REASONS
            overtaken = OVERTAKEN_BY_DISPUTE if in_dispute else OVERTAKEN_BY_FINAL
            outbox.drop_overtaken(tx, check.ref, now=now, kinds=overtaken)
        first = ruling.against or Outcome.FAILED
        note = {"tell": kind.value, "first": first.value}
        about = None
        if self._calls_reviewer(ruling, reading):
            about = self._notice(tx, check, f"{kind.value}:{key}", now=now, note=note, receipt_id=heard.receipt)
        elif reading.why is Why.REFUSED:
            words = "Smile ID says that this ID type is not active for our account."
            about = outbox.alert(
                tx,
                f"smile_id:{reading.code}",
                recipients=self._access.people(Role.ADMIN),
                now=now,
                note={"ref": check.ref, "words": words},
            )
        outbox.enqueue(
            tx,
            kind,
            key=key,
            ref=check.ref,
            lane=check.channel,
            receipt=heard.receipt,
            note=note,
            about=about,
            now=now,
        )

    def _calls_reviewer(self, ruling: Ruling, reading: Reading) -> bool:
        if ruling.calls_reviewer or reading.why in (Why.SPOOF, Why.SUSPECTED_SPOOF):
            return True
        if ruling.tell not in (Tell.RESULT, Tell.RESULT_UNCONFIRMED):
            return False
        notify = self._settings.review_notify
        return notify is ReviewNotify.ALL or (notify is ReviewNotify.REJECTED and reading.outcome is Outcome.REJECTED)

    def _notice(
        self,
        tx: Transaction,
        check: Check,
        key: str,
        *,
        now: datetime,
        note: Mapping[str, str],
        receipt_id: str | None = None,
    ) -> str | None:
        """One line in the reviewers' channel, if there is one."""
        if self._settings.review_channel is None:
            return None
        return outbox.enqueue(
            tx,
            PostKind.REVIEW_NOTICE,
            key=key,
            ref=check.ref,
            lane=self._settings.review_channel,
            receipt=receipt_id,
            note=note,
            now=now,
        )

    def _read(self, message: Message) -> Reading:
        return self._codes.read(
            code=message.code,
            text=message.text,
            actions=message.actions,
            said_final=message.is_final,
            confidence=message.confidence,
        )

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))


def _hash(body: Mapping[str, object]) -> str:
    return canonical_hash({name: value for name, value in body.items() if name not in _LINKS})


def _is_replaced(tx: Transaction, attempt: Attempt) -> bool:
    """Whether a newer attempt counts instead."""
    latest = attempts.latest(tx, attempt.ref)
    return latest is not None and latest.job_id != attempt.job_id


def _is_past(reading: Reading, record: Reading) -> bool:
    """Whether a message of the history is only the way to the one that bears the verdict.

    Beside a verdict on the face an older word on the ID number is no second verdict.
    """
    match reading.outcome:
        case Outcome.IN_PROGRESS:
            return True
        case Outcome.UNKNOWN | Outcome.ID_UNVERIFIED:
            return record.is_final
        case _:
            return reading.is_final and reading.is_id_message and not record.is_id_message


def _situation(check: Check, attempt: Attempt, codes_told: frozenset[str]) -> Situation:
    return Situation(
        state=check.state,
        reason=check.reason,
        claim=attempt.claim_outcome,
        verdict=check.verdict_outcome if check.state is not State.IN_REVIEW else None,
        codes_told=codes_told,
    )


def _is_of(message: Message, attempt: Attempt, *, strictly: bool = True) -> bool:
    """Whether a message is about this job. Smile ID's own record may leave its ids out; a callback may not."""
    if message.job_id != attempt.job_id and (strictly or message.job_id is not None):
        return False
    return not (attempt.smile_job_id and message.smile_job_id and message.smile_job_id != attempt.smile_job_id)


def _message(body: Mapping[str, object]) -> Message | None:
    if _is_too_deep(body):
        return None
    try:
        return parse_message(body)
    except SmileIDAnswerInvalid:
        return None


def _json_object(body: bytes) -> dict[str, object] | None:
    """A JSON object that means one thing to every reader: no name twice, no NaN, no depth that breaks a parser."""
    try:
        found = json.loads(body, object_pairs_hook=_each_name_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not _is_too_deep(found) else None


def _each_name_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list)))
        level = [child for children in inner for child in children]
        if not level:
            return False
    return True


def read_timestamp(raw: str) -> datetime | None:
    """ISO 8601 with a zone, or epoch milliseconds; None for anything else, which then counts as stale."""
    try:
        if raw.isascii() and raw.isdecimal() and len(raw) == 13:
            return datetime.fromtimestamp(int(raw) / 1000, UTC)
        moment = datetime.fromisoformat(raw)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None
