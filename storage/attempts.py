"""Attempts: one row per job at Smile ID, written before Smile ID is asked, and when to ask for its status."""

import json
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from bot.domain.backoff import LATE_FOR
from bot.domain.results.attempt import Addressee, Attempt, Step
from bot.domain.results.codes import Outcome
from bot.errors import DatabaseFault
from storage import keys, leases
from storage.engine.database import Transaction, from_text, load, to_text
from storage.engine.sql import Row

RESULTS = "results"
"""Topic woken when a job is due for job_status."""

_QUEUE = leases.Queue(
    table="attempts", key="job_id", due=f"ask_at <= :now AND {leases.FREE}", order="ask_at", taken="asked_at = :now"
)

RETIRED_AFTER = LATE_FOR
"""As long after the end of its round a callback address is known: one that leaks from an old log is worth nothing."""

TOKEN_PURPOSE = "callback-token"  # noqa: S105  a label, not a token


def record(tx: Transaction, *, ref: str, asked_at: datetime, now: datetime) -> Attempt:
    """(a) of the order: the job id, user id and callback token are ours before any call.

    They follow from the check under the key: recorded again in a backup that was put back, the attempt has the same
    ones, and Smile ID can be asked whether it has that job. Until that is answered, such an attempt is in doubt. The
    token, a secret, follows the newest key: after a change of the keys such an attempt has another one, and is polled.
    """
    number = tx.value("SELECT COUNT(*) FROM attempts WHERE ref = :ref", ref=ref) + 1
    source = f"{ref} {to_text(asked_at)} {number}"
    job_id, user_id = map(_id, keys.job_prints(tx, source, "job-id", "user-id"))
    user_id = _user_of_last_round(tx, ref) or user_id
    token = tx.sealer.fingerprint(source, purpose="new-callback-token").rpartition(":")[2]
    row = tx.one(
        """
        INSERT INTO attempts (
            job_id, ref, number, round, user_id, step, in_doubt_since, token_print, token_sealed, created_at)
        VALUES (
            :job_id, :ref, :number, (SELECT round FROM verifications WHERE ref = :ref), :user_id, 'recorded',
            (SELECT m.value FROM meta m JOIN verifications v ON v.ref = :ref
             WHERE m.name = 'restored' AND v.asked_at <= m.value),
            :token_print, :token_sealed, :now)
        RETURNING *
        """,
        job_id=job_id,
        ref=ref,
        number=number,
        user_id=user_id,
        token_print=tx.sealer.fingerprint(token, purpose=TOKEN_PURPOSE),
        token_sealed=tx.sealer.seal(token, place=f"attempts.token:{job_id}"),
        now=now,
    )
    return _attempt(tx, row)


def _user_of_last_round(tx: Transaction, ref: str) -> str | None:
    """A check that is run again keeps its user at Smile ID; once that id was taken, each attempt has its own."""
    sql = """
        SELECT a.user_id, a.round, v.round AS now FROM attempts a JOIN verifications v ON v.ref = a.ref
        WHERE a.ref = :ref ORDER BY a.number DESC LIMIT 1
        """
    row = tx.row(sql, ref=ref)
    return row["user_id"] if row is not None and row["round"] < row["now"] else None


def count_of_round(tx: Transaction, ref: str) -> int:
    sql = """
        SELECT COUNT(*) FROM attempts a JOIN verifications v ON v.ref = a.ref AND v.round = a.round
        WHERE a.ref = :ref
        """
    count: int = tx.value(sql, ref=ref)
    return count


def get(tx: Transaction, job_id: str) -> Attempt:
    return _attempt(tx, tx.one("SELECT * FROM attempts WHERE job_id = :job_id", job_id=job_id))


def latest(tx: Transaction, ref: str) -> Attempt | None:
    """The attempt that counts: the last one of the check's own round."""
    sql = """
        SELECT a.* FROM attempts a JOIN verifications v ON v.ref = a.ref AND v.round = a.round
        WHERE a.ref = :ref ORDER BY a.number DESC LIMIT 1
        """
    row = tx.row(sql, ref=ref)
    return _attempt(tx, row) if row is not None else None


def latest_job(tx: Transaction, ref: str) -> str | None:
    """The id of its job alone: each message of Smile ID asks for it."""
    sql = """
        SELECT a.job_id FROM attempts a JOIN verifications v ON v.ref = a.ref AND v.round = a.round
        WHERE a.ref = :ref ORDER BY a.number DESC LIMIT 1
        """
    job_id: str | None = tx.value(sql, ref=ref)
    return job_id


def of_check(tx: Transaction, ref: str) -> list[Attempt]:
    """Every attempt of every round, oldest first."""
    rows = tx.rows("SELECT * FROM attempts WHERE ref = :ref ORDER BY round, number", ref=ref)
    return [_attempt(tx, row) for row in rows]


def by_token(tx: Transaction, token: str, *, now: datetime) -> Addressee | None:
    """The job whose callback URL holds this token; None also once the token is retired."""
    return by_tokens(tx, (token,), now=now).get(token)


def by_tokens(tx: Transaction, tokens: Collection[str], *, now: datetime) -> dict[str, Addressee]:
    """The same for many; those that belong to no job, or are retired, are left out."""
    # Of an earlier round: at the latest, it ended when the next one was begun. A job that is still to be asked about
    # may still be spoken of.
    sql = f"""
        SELECT a.token_print, a.job_id, a.ref, a.smile_job_id
        FROM {tx.dialect.each(":prints")} p CROSS JOIN attempts a ON a.token_print = p.value
        CROSS JOIN verifications v ON v.ref = a.ref
        WHERE a.ask_at IS NOT NULL OR
            COALESCE(CASE WHEN a.round < v.round THEN v.consent_at ELSE v.ended_at END, :now) > :retired
        """
    tokens_of = {print_: token for token in tokens for print_ in tx.sealer.fingerprints(token, purpose=TOKEN_PURPOSE)}
    rows = tx.rows(sql, prints=json.dumps(list(tokens_of)), now=now, retired=now - RETIRED_AFTER)
    return {
        tokens_of[print_]: Addressee(job_id=job_id, ref=ref, smile_job_id=smile_job_id or None)
        for print_, job_id, ref, smile_job_id in rows
    }


def heard_of(tx: Transaction, job_id: str) -> bool:
    """Whether a trusted message about this job was kept: Smile ID speaks only of jobs whose zip it has."""
    known = "SELECT 1 FROM receipts WHERE job_id = :job_id AND fate NOT IN ('refused', 'released') LIMIT 1"
    return tx.exists(known, job_id=job_id)


def prepared(tx: Transaction, job_id: str, *, smile_job_id: str | None, checkpoint: Mapping[str, object]) -> None:
    """(b): Smile ID knows the job and waits for its photos; a checkpoint that was stored before is replaced.

    `retry_flag` is a column that nothing writes any more.
    """
    # A callback about the job may have come before the answer to our upload: then it is sent already.
    tx.run(
        """
        UPDATE attempts SET step = 'prepared', smile_job_id = COALESCE(:smile_job_id, smile_job_id, ''),
            upload_sealed = :checkpoint, in_doubt_since = NULL
        WHERE job_id = :job_id AND step IN ('recorded', 'prepared')
        """,
        smile_job_id=smile_job_id,
        checkpoint=tx.sealer.seal(json.dumps(checkpoint), place=f"attempts.upload:{job_id}"),
        job_id=job_id,
    )


def sent(tx: Transaction, job_id: str, *, now: datetime, ask_at: datetime) -> None:
    """(c): Smile ID has the zip. The upload URL is forgotten."""
    # Learned twice, from the answer to the zip and from a callback: the first one sets when it is asked about.
    sql = """
        UPDATE attempts SET step = 'sent', upload_sealed = NULL, in_doubt_since = NULL, sent_at = :now,
            smile_job_id = COALESCE(smile_job_id, ''), poll_at = :ask_at,
            ask_at = CASE WHEN ask_at IS NULL OR ask_at > :ask_at THEN :ask_at ELSE ask_at END
        WHERE job_id = :job_id AND step IN ('recorded', 'prepared')
        """
    # Nobody is woken: seconds pass before it is to be asked about, and the clock's tick finds it.
    tx.run(sql, now=now, ask_at=ask_at, job_id=job_id)


def doubt(tx: Transaction, job_id: str, *, since: datetime) -> None:
    """An answer was lost: nothing is sent again before job_status was asked."""
    sql = "UPDATE attempts SET in_doubt_since = COALESCE(in_doubt_since, :since) WHERE job_id = :job_id"
    tx.run(sql, since=since, job_id=job_id)


def doubt_unsent(tx: Transaction, ref: str, *, since: datetime) -> None:
    """A worker left this check without a result: whether Smile ID has its zip is in doubt."""
    sql = """
        UPDATE attempts SET in_doubt_since = COALESCE(in_doubt_since, :since)
        WHERE ref = :ref AND step IN ('recorded', 'prepared')
        """
    tx.run(sql, since=since, ref=ref)


def doubt_open_ones(tx: Transaction, *, since: datetime) -> None:
    """At start, whatever was in progress when the process ended is in doubt."""
    tx.update("attempts", "step IN ('recorded', 'prepared') AND in_doubt_since IS NULL", {}, in_doubt_since=since)


def settle_doubt(tx: Transaction, job_id: str) -> None:
    """Smile ID has no zip: the doubt is over, and sending resumes from the checkpoint."""
    _set(tx, job_id, in_doubt_since=None)


def claim_due(tx: Transaction, *, now: datetime, until: datetime, limit: int) -> list[Attempt]:
    """Jobs due for job_status, ours until the lease ends."""
    rows = leases.claim_due(tx, _QUEUE, now=now, until=until, limit=limit)
    return [attempt for row in rows if (attempt := _attempt_or_none(tx, row)) is not None]


def next_ask(
    tx: Transaction, job_id: str, *, ask_at: datetime | None, poll_at: datetime | None, polls: int, confirms: int
) -> None:
    """Release the lease and set the next time to ask; None if there is nothing more to ask."""
    _set(tx, job_id, leased_until=None, ask_at=ask_at, poll_at=poll_at, polls=polls, confirm_tries=confirms)


def ask_soon(tx: Transaction, job_id: str, *, at: datetime, at_most_every: timedelta | None = None) -> None:
    """Make a job due for job_status at `at`, or earlier if it is already.

    With `at_most_every` no sooner than that after the last request began: delayed, never dropped.
    """
    if at_most_every is not None:
        asked_at = tx.value("SELECT asked_at FROM attempts WHERE job_id = :job_id", job_id=job_id)
        if asked_at is not None:
            at = max(at, from_text(asked_at) + at_most_every)
    sql = """
        UPDATE attempts SET ask_at = CASE WHEN ask_at IS NULL OR ask_at > :at THEN :at ELSE ask_at END
        WHERE job_id = :job_id
        """
    tx.run(sql, at=at, job_id=job_id)
    tx.wake(RESULTS)


def claim_result(tx: Transaction, job_id: str, *, receipt: str, outcome: Outcome, now: datetime) -> None:
    """A final result came by callback: it waits for confirmation."""
    # Of two that came at once the first one is the claim; the other is judged against it.
    claim = {"claim_receipt": receipt, "claim_outcome": outcome, "claim_at": now, "confirm_tries": 0}
    _set(tx, job_id, guard="claim_receipt IS NULL", **claim)
    ask_soon(tx, job_id, at=now)


def end_claim(tx: Transaction, job_id: str) -> None:
    """The claim is confirmed or void."""
    _set(tx, job_id, claim_receipt=None, claim_outcome=None, claim_at=None)


def leave_behind(tx: Transaction, ref: str, *, in_doubt: bool, now: datetime) -> None:
    """The check is run again: stop polling for its jobs, with two exceptions that matter to people.

    A final result that waits for confirmation is asked about once more, now. A job that Smile ID may or may not have
    keeps the one request that was scheduled when it was given up, which is made until it is answered. Callbacks are
    still accepted.
    """
    sql = """
        UPDATE attempts SET poll_at = NULL,
            ask_at = CASE WHEN claim_receipt IS NOT NULL THEN :now WHEN :in_doubt = 1 THEN ask_at ELSE NULL END
        WHERE ref = :ref
        """
    tx.run(sql, now=now, in_doubt=in_doubt, ref=ref)
    tx.wake(RESULTS)


def overdue_told(tx: Transaction, job_id: str, level: int) -> bool:
    """Record that people were notified of the wait this many times; False if they were already."""
    # A lease that ran out during a slow answer lets two workers get here.
    of = {"job_id": job_id, "level": level}
    return tx.update("attempts", "job_id = :job_id AND overdue_told < :level", of, overdue_told=level)


def learned_job(tx: Transaction, job_id: str, smile_job_id: str) -> None:
    """Store Smile ID's own id for the job, learned while the attempt was in doubt."""
    # The answer to the upload names it too, and stays where it came first.
    _set(tx, job_id, guard="(smile_job_id IS NULL OR smile_job_id = '')", smile_job_id=smile_job_id)


def _set(tx: Transaction, job_id: str, *, guard: str = "1 = 1", **columns: object) -> None:
    tx.update("attempts", f"job_id = :job_id AND {guard}", {"job_id": job_id}, **columns)


def _attempt_or_none(tx: Transaction, row: Row) -> Attempt | None:
    """None for what the bot has not written: one such row must not keep all others waiting."""
    try:
        return _attempt(tx, row)
    except (DatabaseFault, ValueError):
        tx.tell("results.unreadable", job=row["job_id"])
        return None


def _attempt(tx: Transaction, row: Row) -> Attempt:
    job_id = row["job_id"]
    checkpoint = token = None
    if row["step"] != Step.SENT:
        # Opened only for who sends: each message of Smile ID reads its attempt several times.
        token = tx.sealer.open(row["token_sealed"], place=f"attempts.token:{job_id}")
    if row["upload_sealed"] is not None:
        checkpoint = json.loads(tx.sealer.open(row["upload_sealed"], place=f"attempts.upload:{job_id}"))
    return load(
        Attempt,
        row,
        smile_job_id=row["smile_job_id"] or None,
        callback_token=token,
        checkpoint=checkpoint,
    )


def _id(hash_: str) -> str:
    return str(uuid.UUID(hash_[:32], version=4))
