"""Receipts: every message from Smile ID, stored once, sealed, without pictures."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.results.attempt import Receipt
from bot.domain.results.trust_rules import Disposition, Source
from storage import blind_index
from storage.engine.database import Transaction, load
from storage.engine.sql import Row

CALLBACKS = "callbacks"
"""Topic woken when a callback was kept that is to be settled."""

REFUSED_KEPT = 20
"""How many refused messages are kept per job: enough to see what happened, too few to fill the disk.

As many signed ones, and as many of anybody's: who has but the address leaves room for Smile ID.
"""
REFUSED_BYTES_KEPT = 64 * 1024
"""How much of their bodies is kept per job; of one that does not fit any more, its size."""
_UNSIGNED = ", unsigned"
SIGNED_KEPT = 40
"""How many different messages that came signed and fresh are kept per job. Smile ID sends fewer than ten.

A signature covers no body: who catches one message could say as many others under it as fit into its lifetime.
"""
SIGNED_BYTES_KEPT = 1024 * 1024
"""How much of them is kept per job, and then no other."""

PICTURES = frozenset({"photo", "document", "selfie_image", "liveness_images", "imagelinks", "image_links"})
"""Fields that hold pictures or links to them, at any depth and however written: never stored."""
LONGEST_TEXT = 2_000
"""No field that Smile ID documents is as long, except pictures."""

_WITH_OTHERS: frozenset[type[object]] = frozenset({dict, list})
_OF_RECORD = frozenset({"ResultCode", "SmileJobID", "IsFinalResult", "bytes"})
_OF_JOB = frozenset({"job_id", "job_type", "user_id"})
_ACTION, _OUTCOME = re.compile(r"[A-Za-z_]{1,64}"), re.compile(r"[A-Za-z][A-Za-z ]{0,31}")
"""`Verify_ID_Number`, `Not Applicable`: words of Smile ID's, and no number or name of a person."""
_LONGEST_OF_RECORD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The receipt of a message that was to be kept."""

    id: str
    is_new: bool
    """False for a repeat, however it was signed."""
    is_settled: bool
    """Whether a ruling was made on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message that is to be kept."""

    id: str
    """Of its receipt."""
    job_id: str
    source: Source
    code: str
    body_sha256: str
    body: Mapping[str, object] | str = field(repr=False)
    """Its text where it could not be parsed."""
    fate: Disposition
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A callback that was kept and does its part in a moment."""

    id: str
    job_id: str
    ref: str


def keep(tx: Transaction, message: Incoming) -> Kept:
    """Store a message of Smile ID's own record, or one that is refused.

    Of a check whose personal data was erased only what belongs to the record is kept.
    """
    [kept] = _keep(tx, [message], is_full=lambda _known: False)
    assert kept is not None
    return kept


def keep_callbacks(tx: Transaction, messages: Sequence[Incoming]) -> list[Kept | None]:
    """Store callbacks that are trusted as far as callbacks are; of each what became of it, in their order.

    None of one that is new and for which there is no room: enough are kept of its job. What is kept wakes whoever
    settles it.
    """
    kept = _keep(tx, messages, is_full=_Known.has_enough)
    if any(one is not None and one.is_new for one in kept):
        tx.wake(CALLBACKS)
    return kept


def keep_refused(
    tx: Transaction,
    *,
    receipt_id: str,
    job_id: str,
    why: str,
    body: str | None,
    size: int,
    body_sha256: str,
    now: datetime,
) -> bool:
    """Store what came with a known token but was not trusted; False when it is a repeat or enough are stored.

    `body` is None for what nobody has signed: of that the digest and `size`, in bytes, are all that is kept.
    """
    is_signed = body is not None
    code = why if is_signed else f"{why}{_UNSIGNED}"
    refused = tx.one(
        f"""
        SELECT COUNT(*) AS rows, COALESCE(SUM(length(body_sealed)), 0) AS bytes FROM receipts
        WHERE job_id = :job_id AND fate = 'refused' AND code {"NOT LIKE" if is_signed else "LIKE"} '%' || :unsigned
        """,
        job_id=job_id,
        unsigned=_UNSIGNED,
    )
    if refused["rows"] >= REFUSED_KEPT:
        return False
    if body is None or refused["bytes"] + len(body.encode(errors="surrogatepass")) > REFUSED_BYTES_KEPT:
        body = json.dumps({"bytes": size})
    message = Incoming(
        id=receipt_id,
        job_id=job_id,
        source=Source.CALLBACK,
        code=code,
        body_sha256=body_sha256,
        body=body,
        fate=Disposition.REFUSED,
        at=now,
    )
    return keep(tx, message).is_new


@dataclass(slots=True)
class _Known:
    """What is kept of one job."""

    is_erased: bool = False
    """The personal data of its check was."""
    callbacks: int = 0
    """That were trusted."""
    callback_bytes: int = 0
    receipts: dict[tuple[str, str], Kept] = field(default_factory=dict)
    """By code and print of the body."""

    def has_enough(self) -> bool:
        return self.callbacks >= SIGNED_KEPT or self.callback_bytes >= SIGNED_BYTES_KEPT

    def add(self, kept: Kept, *, code: str, body_print: str, source: str, fate: str, size: int) -> None:
        self.receipts[code, body_print] = kept
        if source == Source.CALLBACK and fate != Disposition.REFUSED:
            self.callbacks += 1
            self.callback_bytes += size


def _known(tx: Transaction, job_ids: Collection[str]) -> defaultdict[str, _Known]:
    sql = f"""
        SELECT a.job_id, v.personal_erased_at, r.id, r.code, r.body_print, r.source, r.fate, length(r.body_sealed)
        FROM {tx.dialect.each(":jobs")} j CROSS JOIN attempts a ON a.job_id = j.value
        CROSS JOIN verifications v ON v.ref = a.ref LEFT JOIN receipts r ON r.job_id = a.job_id
        """
    found: defaultdict[str, _Known] = defaultdict(_Known)
    for job_id, erased_at, id_, code, body_print, source, fate, size in tx.rows(sql, jobs=json.dumps(list(job_ids))):
        of_job = found[job_id]
        of_job.is_erased = erased_at is not None
        if id_ is not None:
            kept = Kept(id=id_, is_new=False, is_settled=fate != Disposition.KEPT)
            of_job.add(kept, code=code, body_print=body_print, source=source, fate=fate, size=size or 0)
    return found


def _keep(tx: Transaction, messages: Sequence[Incoming], *, is_full: Callable[[_Known], bool]) -> list[Kept | None]:
    """Store those that are new, unless the job `is_full`.

    The schema's UNIQUE sees the prints of one key alone. Nothing comes between the look at what is kept and the inserts
    after it: both run inside one transaction, and there is one writer. What one of them adds is known to the next.
    """
    known = _known(tx, {message.job_id for message in messages})
    rows, done = list[dict[str, Any]](), list[Kept | None]()
    for message in messages:
        of_job, body, body_sha256 = known[message.job_id], message.body, message.body_sha256
        if of_job.is_erased:
            body = of_record(body)
            body_sha256 = digest(body)
        prints = tx.sealer.fingerprints(body_sha256, purpose=blind_index.BODY.purpose)
        earlier = next(filter(None, (of_job.receipts.get((message.code, print_)) for print_ in prints)), None)
        if earlier is not None or is_full(of_job):
            done.append(earlier)
            continue
        text = body if isinstance(body, str) else json.dumps(without_pictures(body))
        sealed = tx.sealer.seal(text, place=f"receipts.body:{message.id}")
        row: dict[str, Any] = {
            "id": message.id,
            "job_id": message.job_id,
            "source": message.source,
            "code": message.code,
            "body_print": prints[0],
            "body_sha256_sealed": blind_index.seal(tx.sealer, blind_index.BODY, body_sha256, row=message.id),
            "body_sealed": sealed,
            "fate": message.fate,
            "received_at": message.at,
        }
        rows.append(row)
        done.append(Kept(id=message.id, is_new=True, is_settled=False))
        again = Kept(id=message.id, is_new=False, is_settled=False)
        same = {column: row[column] for column in ("code", "body_print", "source", "fate")}
        of_job.add(again, **same, size=len(sealed))
    tx.insert_all("receipts", rows)
    return done


def without_pictures(body: Mapping[str, object]) -> dict[str, object]:
    """A message as it is kept. The authority's own data (`FullData`) can hold a portrait as well."""
    # Each callback comes through here with some forty values: by their classes, which is quicker than a pattern.
    return {
        name: _pictureless(value) if value.__class__ in _WITH_OTHERS else value
        for name, value in body.items()
        if not (name.casefold() in PICTURES or _is_long(value))
    }


def of_record(body: Mapping[str, object] | str) -> dict[str, object]:
    """What is left of a message when its customer's data is erased: its code, what was checked, and ids of the job."""
    if isinstance(body, str):
        return {"bytes": len(body.encode(errors="surrogatepass"))}
    kept = {name: value for name, value in body.items() if name in _OF_RECORD and _is_short(value)}
    if isinstance(job := body.get("PartnerParams"), Mapping):
        kept["PartnerParams"] = {name: value for name, value in job.items() if name in _OF_JOB and _is_short(value)}
    if isinstance(actions := body.get("Actions"), Mapping):
        kept["Actions"] = {
            name: value
            for name, value in actions.items()
            if _ACTION.fullmatch(name) and isinstance(value, str) and _OUTCOME.fullmatch(value)
        }
    return kept


def digest(body: Mapping[str, object]) -> str:
    """SHA-256 (hex) of what `of_record` has left."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _is_short(value: object) -> bool:
    return isinstance(value, str | int | float | bool) and len(str(value)) <= _LONGEST_OF_RECORD


def _pictureless(value: object) -> object:
    match value:
        case dict():
            return without_pictures(value)
        case list():
            return [_pictureless(item) for item in value if not _is_long(item)]
        case _:
            return value


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > LONGEST_TEXT


def replace_body(tx: Transaction, receipt_id: str, body: Mapping[str, object], *, body_sha256: str) -> None:
    """Keep this of a message, in place of what it said."""
    body_print, sha256_sealed = blind_index.make(tx.sealer, blind_index.BODY, body_sha256, row=receipt_id)
    tx.update(
        "receipts",
        "id = :id",
        {"id": receipt_id},
        body_sealed=tx.sealer.seal(json.dumps(body), place=f"receipts.body:{receipt_id}"),
        body_sha256_sealed=sha256_sealed,
        body_print=body_print,
    )


def unsettled(tx: Transaction, *, limit: int, but: Collection[str] = ()) -> list[Unsettled]:
    """Up to `limit` callbacks that are to be settled, oldest first, without those whose receipts are `but`."""
    # CROSS JOIN: along the index of what waits, to its jobs.
    sql = """
        SELECT r.id, r.job_id, a.ref FROM receipts r CROSS JOIN attempts a ON a.job_id = r.job_id
        WHERE r.fate = 'kept' ORDER BY r.received_at, r.id LIMIT :most
        """
    rows = tx.rows(sql, most=limit + len(but))
    return [load(Unsettled, row) for row in rows if row["id"] not in but][:limit]


def is_unsettled(tx: Transaction, receipt_id: str) -> bool:
    return tx.exists("SELECT 1 FROM receipts WHERE id = :id AND fate = 'kept'", id=receipt_id)


def is_awaited(tx: Transaction, job_id: str) -> bool:
    """Whether a callback about this job waits to be settled, or what it claims to be confirmed."""
    sql = "SELECT 1 FROM receipts WHERE job_id = :job_id AND fate IN ('kept', 'claimed') LIMIT 1"
    return tx.exists(sql, job_id=job_id)


def set_fate(tx: Transaction, receipt_id: str, fate: Disposition) -> None:
    tx.update("receipts", "id = :id", {"id": receipt_id}, fate=fate)


def release(tx: Transaction, receipt_id: str) -> str:
    """Take a message that fitted nowhere off the dead letters; it is never trusted. Returns its job's id."""
    released = tx.one("UPDATE receipts SET fate = 'released' WHERE id = :id RETURNING job_id", id=receipt_id)
    return str(released["job_id"])


def find(tx: Transaction, receipt_id: str) -> Receipt | None:
    """None of a check whose record was altered, as of everything that is told of a message."""
    sql = "SELECT r.*, a.ref FROM receipts r JOIN attempts a ON a.job_id = r.job_id WHERE r.id = :id"
    row = tx.row(sql, id=receipt_id)
    return _receipt(tx, row) if row is not None and not tx.altered([row["ref"]]) else None


def _is_altered(tx: Transaction, job_id: str) -> bool:
    return bool(tx.altered(tx.column("SELECT ref FROM attempts WHERE job_id = :job_id", job_id=job_id)))


def of_check(tx: Transaction, ref: str) -> list[Receipt]:
    """Everything said about a check and trusted, oldest first; nothing of one whose record was altered."""
    sql = """
        SELECT r.* FROM receipts r JOIN attempts a ON a.job_id = r.job_id
        WHERE a.ref = :ref AND r.fate NOT IN ('refused', 'released') ORDER BY r.received_at, r.id
        """
    rows = tx.rows(sql, ref=ref)
    return [_receipt(tx, row) for row in rows] if not tx.altered([ref]) else []


def of_job(tx: Transaction, job_id: str, *, but: str | None = None) -> list[Receipt]:
    """Everything said about one job and trusted, oldest first, without the receipt `but`."""
    sql = """
        SELECT r.*, a.ref FROM receipts r CROSS JOIN attempts a ON a.job_id = r.job_id
        WHERE r.job_id = :job_id AND r.fate NOT IN ('refused', 'released') ORDER BY r.received_at, r.id
        """
    rows = tx.rows(sql, job_id=job_id)
    if tx.altered({row["ref"] for row in rows}):
        return []
    return [_receipt(tx, row) for row in rows if row["id"] != but]


def newest(tx: Transaction, ref: str) -> str | None:
    """Id of the last message that counted in the round of a check that counts now."""
    sql = """
        SELECT r.id FROM receipts r JOIN attempts a ON a.job_id = r.job_id
        WHERE a.ref = :ref AND a.round = (SELECT v.round FROM verifications v WHERE v.ref = :ref)
          AND r.fate = 'counted' ORDER BY r.received_at DESC, r.id LIMIT 1
        """
    found: str | None = tx.value(sql, ref=ref)
    return found


def told(tx: Transaction, job_id: str) -> list[Receipt]:
    """Messages about a job that were or will be posted."""
    sql = """
        SELECT r.* FROM receipts r
        WHERE r.job_id = :job_id AND EXISTS (
            SELECT 1 FROM posts p
            WHERE p.receipt = r.id AND p.ref = (SELECT ref FROM attempts WHERE job_id = :job_id))
        """
    rows = tx.rows(sql, job_id=job_id)
    return [_receipt(tx, row) for row in rows] if not _is_altered(tx, job_id) else []


def _receipt(tx: Transaction, row: Row) -> Receipt:
    body = "{}"
    if row["body_sealed"] is not None:
        body = tx.sealer.open(row["body_sealed"], place=f"receipts.body:{row['id']}")
    return load(Receipt, row, body=body)
