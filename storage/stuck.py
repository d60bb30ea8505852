"""What waits for an operator: messages of Smile ID that fit nowhere, posts that could not be delivered."""

from dataclasses import dataclass
from datetime import datetime

from storage import attempts, audit, outbox
from storage.database import Transaction, from_text, to_text

OPERATOR = "operator"
"""The actor of what is released from the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """One row, with ids and keys only."""

    id: str
    kind: str
    """`receipt` or `post`."""
    ref: str
    why: str
    """Fate and code of a receipt; Slack's word for a post."""
    at: datetime


def listing(tx: Transaction) -> list[Stuck]:
    """Everything that waits, oldest first."""
    rows = tx.rows(
        """
        SELECT r.id AS id, 'receipt' AS kind, a.ref AS ref, r.fate || ' ' || r.code AS why, r.received_at AS at
        FROM receipts r JOIN attempts a ON a.job_id = r.job_id
        WHERE r.fate IN ('refused', 'misfit', 'old_attempt')
        UNION ALL
        SELECT p.id, 'post', COALESCE(p.ref, ''), COALESCE(p.error, ''), p.created_at
        FROM posts p WHERE p.state = 'failed'
        ORDER BY at, id
        """
    )
    return [
        Stuck(id=row["id"], kind=row["kind"], ref=row["ref"], why=row["why"], at=from_text(row["at"])) for row in rows
    ]


def release(tx: Transaction, stuck_id: str, *, now: datetime) -> Stuck | None:
    """Let one row go on: Smile ID's record is asked about a receipt's job, a post is due again. None: no such row.

    A receipt is never believed because somebody released it; what Smile ID's own record says then is.
    """
    found = next((row for row in listing(tx) if row.id == stuck_id), None)
    if found is None:
        return None
    if found.kind == "receipt":
        job = tx.row("SELECT job_id FROM receipts WHERE id = :id", id=stuck_id)
        assert job is not None
        tx.run("UPDATE receipts SET fate = 'released' WHERE id = :id", id=stuck_id)
        attempts.ask_soon(tx, job["job_id"], at=now)
    else:
        tx.run(
            """
            UPDATE posts SET state = 'due', due_at = :now, tries = 0, done_at = NULL,
                created_at = :now
            WHERE id = :id
            """,
            now=to_text(now),
            id=stuck_id,
        )
        tx.wake(outbox.OUTBOX)
    audit.record(tx, at=now, actor=OPERATOR, act=f"{found.kind}.released", ref=found.ref or None)
    return found
