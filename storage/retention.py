"""Erases what is known of a customer, clock by clock, and finds the checks whose time has come.

`storage.engine.lifespans` says what goes with which clock. Each erasure is one function for one check: it writes its
line into the audit trail, and its commit makes the next MAC of what is left. Where it is told in Slack, and what is to
be erased there, is for `bot.privacy` to say, in the same transaction and before: the rows that know it go, too.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from bot.domain.backoff import ASKED_FOR, CLAIM_KEEPS
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.holds import HoldCause, Stay
from bot.domain.review.review import UNANSWERED
from bot.errors import IllegalMove, RecordAltered
from storage import audit, meta, outbox, receipts, trail_people
from storage.engine import traces
from storage.engine.database import Transaction, any_moment, load
from storage.engine.sql import Row

_ENDED_BATCH = "('refused', 'cancelled', 'done')"


def erase_photos(tx: Transaction, ref: str, *, at: datetime, actor: str = audit.BOT) -> dict[str, int]:
    """Forget which photos were sent, and what they are recognised by; how many they were. A repeat does nothing.

    Raises IllegalMove for a check that has not ended, RecordAltered for an altered one, LookupError for none.
    """
    _require_ended(tx, ref)
    sql = "UPDATE verifications SET photos_erased_at = :at WHERE ref = :ref AND photos_erased_at IS NULL"
    if not tx.change(sql, ref=ref, at=at):
        return {}
    gone = {"photos": tx.run("DELETE FROM photos WHERE ref = :ref", ref=ref)}
    _note_traces(tx)
    audit.record(tx, at=at, actor=actor, act="photos.erased", ref=ref)
    return _counted(gone)


def erase_personal(tx: Transaction, ref: str, *, at: datetime, actor: str = audit.BOT) -> dict[str, int]:
    """Forget the customer: what was entered, the authority's record, all prints of it, and what reviewers wrote.

    Of Smile ID's messages the code, what was checked and the ids of the job are left. A file of customers that this
    check came from is forgotten with its first check. Counts what went, by kind; a repeat does nothing, and counts 0.
    Raises as `erase_photos` does.
    """
    _require_ended(tx, ref)
    sql = """
        UPDATE verifications SET applicant_sealed = NULL, number_print = NULL, reference_print = NULL,
            held_note = '{}', personal_erased_at = :at
        WHERE ref = :ref AND personal_erased_at IS NULL
        """
    if not tx.change(sql, ref=ref, at=at):
        return {}
    gone: Counter[str] = Counter(customers=1)
    gone["messages"] = _erase_messages(tx, ref)
    for table in ("reviews", "decisions", "review_notes"):
        erased = f"UPDATE {table} SET words_sealed = NULL WHERE ref = :ref AND words_sealed IS NOT NULL"
        gone["words"] += tx.run(erased, ref=ref)
    for request_id in tx.column("SELECT id FROM review_requests WHERE ref = :ref", ref=ref):
        nothing = tx.sealer.seal("", place=f"review_requests.words:{request_id}")
        tx.update("review_requests", "id = :id", {"id": request_id}, words_sealed=nothing)
        gone["words"] += 1
    tx.run("UPDATE attempts SET upload_sealed = NULL WHERE ref = :ref AND upload_sealed IS NOT NULL", ref=ref)
    _ask_no_more(tx, ref)
    of_links = ("token_sealed", "token_sha256_sealed", "token_print", "device_sha256")
    tx.update("capture_links", "ref = :ref", {"ref": ref}, **dict.fromkeys(of_links))
    # What tabs showed may have held the name; each is published anew when it is due next.
    tx.run("UPDATE homes SET view_print = '' WHERE view_print <> ''")
    trail_people.forget_check(tx, ref)
    _note_traces(tx)
    batch = tx.value("SELECT batch FROM verifications WHERE ref = :ref", ref=ref)
    if batch is not None:
        gone["files"] = erase_file(tx, batch)
    audit.record(tx, at=at, actor=actor, act="personal.erased", ref=ref)
    return _counted(gone)


def _ask_no_more(tx: Transaction, ref: str) -> None:
    """Of a check without a verdict or decision: what Smile ID would answer is about nobody any more (`trust_rules`)."""
    sql = """
        UPDATE attempts SET ask_at = NULL WHERE ref = :ref AND ask_at IS NOT NULL AND EXISTS (
            SELECT 1 FROM verifications v
            WHERE v.ref = :ref AND v.state = 'failed' AND v.verdict_outcome IS NULL AND v.decision IS NULL)
        """
    tx.run(sql, ref=ref)


def erase_file(tx: Transaction, batch_id: str) -> int:
    """Forget what a file of customers held, once it has ended; 1, or 0 where nothing was left or it has not ended."""
    has_ended = f"id = :id AND reading_sealed IS NOT NULL AND state IN {_ENDED_BATCH}"
    files = tx.value(f"SELECT files FROM batches WHERE {has_ended}", id=batch_id)
    if files is None:
        return 0
    left = json.dumps({**json.loads(files), "files": []})
    tx.update("batches", has_ended, {"id": batch_id}, reading_sealed=None, files=left)
    _note_traces(tx)
    return 1


def ended_files(tx: Transaction, *, ended_before: datetime) -> list[str]:
    """Files that ended by then and of which still something is known."""
    sql = f"""
        SELECT id FROM batches
        WHERE reading_sealed IS NOT NULL AND ended_at IS NOT NULL AND state IN {_ENDED_BATCH} AND ended_at <= :before
        """
    return tx.column(sql, before=ended_before)


def unconfirmed_files(tx: Transaction, *, asked_before: datetime) -> list[str]:
    """Files that were read by then, and that nobody has confirmed since."""
    sql = "SELECT id FROM batches WHERE state = 'preview' AND asked_at <= :before"
    return tx.column(sql, before=asked_before)


def erase_record(tx: Transaction, ref: str, *, at: datetime, actor: str = audit.BOT) -> dict[str, int]:
    """Remove a check and all that hangs on it. Its figures stay, and its lines in the audit trail.

    Counts what went, by kind; nothing for a check that is not there (any more). Raises IllegalMove and RecordAltered as
    `erase_photos` does.
    """
    if not tx.exists("SELECT 1 FROM verifications WHERE ref = :ref", ref=ref):
        return {}
    _require_ended(tx, ref)
    jobs = "job_id IN (SELECT job_id FROM attempts WHERE ref = :ref)"
    gone = Counter(records=1)
    gone["photos"] = tx.run("DELETE FROM photos WHERE ref = :ref", ref=ref)
    tx.run("DELETE FROM posts WHERE ref = :ref", ref=ref)
    tx.run("UPDATE attempts SET claim_receipt = NULL, claim_outcome = NULL WHERE ref = :ref", ref=ref)
    # Before the attempts, by which a message is known as this check's.
    gone["messages"] = tx.run(f"DELETE FROM receipts WHERE {jobs}", ref=ref)
    for table in ("attempts", "decisions", "review_notes", "reviews", "review_requests", "holds", "capture_links"):
        tx.run(f"DELETE FROM {table} WHERE ref = :ref", ref=ref)
    # A row for each round, and a semicolon follows the colon.
    tx.run("DELETE FROM spending WHERE id > :ref || ':' AND id < :ref || ';'", ref=ref)
    trail_people.forget_check(tx, ref)
    _note_traces(tx)
    tx.run("DELETE FROM verifications WHERE ref = :ref", ref=ref)
    audit.record(tx, at=at, actor=actor, act="record.erased", ref=ref)
    return _counted(gone)


def _note_traces(tx: Transaction) -> None:
    """For `Database.clear_traces`; another text each time, so that none is taken for an earlier one."""
    meta.keep(tx, traces.NOTE, uuid4().hex)


def _erase_messages(tx: Transaction, ref: str) -> int:
    sql = """
        SELECT r.id, r.job_id, r.code, r.body_sealed FROM receipts r JOIN attempts a ON a.job_id = r.job_id
        WHERE a.ref = :ref ORDER BY r.received_at, r.id
        """
    rows = tx.rows(sql, ref=ref)
    seen: set[tuple[str, str, str]] = set()
    for row in rows:
        text = tx.sealer.open(row["body_sealed"], place=f"receipts.body:{row['id']}") if row["body_sealed"] else ""
        kept = receipts.of_record(_object_or_text(text))
        if (row["job_id"], row["code"], digest := receipts.digest(kept)) in seen:
            # They differed in nothing but what is gone: the schema wants each message of a job once.
            kept = {**kept, "again": len(seen)}
            digest = receipts.digest(kept)
        seen.add((row["job_id"], row["code"], digest))
        receipts.replace_body(tx, row["id"], kept, body_sha256=digest)
    return len(rows)


def _object_or_text(text: str) -> Mapping[str, object] | str:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


def _require_ended(tx: Transaction, ref: str) -> None:
    # A result of Smile ID's, a reviewer or *Run again* may have opened it again since the caller looked.
    row = tx.one("SELECT ended_at FROM verifications WHERE ref = :ref", ref=ref)
    if tx.altered([ref]):
        raise RecordAltered(ref)
    if row["ended_at"] is None or _has_open_review(tx, ref):
        raise IllegalMove(f"{ref} has not ended")


def _has_open_review(tx: Transaction, ref: str) -> bool:
    return tx.exists("SELECT 1 FROM reviews WHERE ref = :ref AND state = 'open'", ref=ref)


def _counted(gone: Mapping[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in gone.items() if count}


# What stands against it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A check that has ended, from whichever moment its clocks count."""

    ref: str
    country: str
    ended_at: datetime
    """Of its row: by this and the reference pages follow each other."""
    over_since: datetime
    """The end that counts: also of a review that came later, and of a customer relationship."""
    photos_erased_at: datetime | None
    personal_erased_at: datetime | None


_ENDED = f"""
    SELECT v.ref, v.country, v.ended_at, v.photos_erased_at, v.personal_erased_at, v.decided_at,
        -- One that nobody was called for is closed as it is opened, for a note.
        (SELECT MAX(r.closed_at) FROM reviews r WHERE r.ref = v.ref AND r.closed_at > r.opened_at) AS reviewed_at,
        (SELECT MAX(h.ended_at) FROM holds h
         WHERE h.ref = v.ref AND h.cause = '{HoldCause.RELATIONSHIP.value}') AS customer_until
    FROM verifications v
"""
_KEPT = {
    Clock.PHOTOS: "AND v.photos_erased_at IS NULL",
    Clock.PERSONAL: "AND v.personal_erased_at IS NULL",
    Clock.RECORD: "",
}


def ended(
    tx: Transaction, clock: Clock, *, until: datetime, after: tuple[datetime, str] | None = None, most: int
) -> list[Ended]:
    """Checks that ended by then and still have what this clock erases, the oldest end first, after that place."""
    sql = f"""
        {_ENDED}
        WHERE v.ended_at IS NOT NULL {_KEPT[clock]} AND v.ended_at <= :until
          AND (v.ended_at, v.ref) > (:at, :ref)
        ORDER BY v.ended_at, v.ref LIMIT :most
        """
    at, ref = after or ("", "")
    return [_ended(row) for row in tx.rows(sql, until=until, at=at, ref=ref, most=most)]


def find(tx: Transaction, ref: str) -> Ended | None:
    """None for a check that is not there, or has not ended."""
    row = tx.row(f"{_ENDED} WHERE v.ref = :ref AND v.ended_at IS NOT NULL", ref=ref)
    return _ended(row) if row is not None else None


def _ended(row: Row) -> Ended:
    ends = (row[name] for name in ("ended_at", "decided_at", "reviewed_at", "customer_until"))
    return load(Ended, row, over_since=any_moment(max(filter(None, ends))))


def stays(tx: Transaction, ref: str, *, now: datetime) -> Stay | None:
    """Why nothing of a check can be erased now; None where nothing but a clock stands against it."""
    if tx.altered([ref]):
        return Stay.ALTERED
    if find(tx, ref) is None or _has_open_review(tx, ref):
        return Stay.NOT_ENDED
    if tx.exists("SELECT 1 FROM holds WHERE ref = :ref AND ended_at IS NULL", ref=ref):
        return Stay.HELD
    if outbox.has_to_say(tx, ref) or _is_in_open_file(tx, ref):
        return Stay.UNDER_WAY
    if _has_young_claim(tx, ref, now=now):
        return Stay.UNCONFIRMED
    return Stay.ASKED if _is_asked_about(tx, ref, now=now) else None


def _is_in_open_file(tx: Transaction, ref: str) -> bool:
    sql = f"""
        SELECT 1 FROM verifications v JOIN batches b ON b.id = v.batch
        WHERE v.ref = :ref AND b.state NOT IN {_ENDED_BATCH}
        """
    return tx.exists(sql, ref=ref)


def _has_young_claim(tx: Transaction, ref: str, *, now: datetime) -> bool:
    # Smile ID's record may never show what a callback said: an older claim keeps nothing. It stays a claim, so that
    # nothing calls the result confirmed, and what the record says later is handled as before the erasure.
    sql = "SELECT 1 FROM attempts WHERE ref = :ref AND claim_receipt IS NOT NULL AND claim_at > :since"
    return tx.exists(sql, ref=ref, since=now - CLAIM_KEEPS)


def _is_asked_about(tx: Transaction, ref: str, *, now: datetime) -> bool:
    # A result that is found calls reviewers, who decide with what would be erased. The first answer is waited for, not
    # the daily asking after it: an erasure that was asked for must not take two weeks. It ends by then (`polling`).
    sql = f"""
        SELECT 1 FROM verifications v JOIN attempts a ON a.ref = v.ref AND a.round = v.round
        WHERE v.ref = :ref AND v.state = 'failed' AND v.failure = '{UNANSWERED}' AND v.ended_at > :since
          AND a.ask_at IS NOT NULL AND a.in_doubt_since IS NOT NULL
        """
    return tx.exists(sql, ref=ref, since=now - ASKED_FOR)
