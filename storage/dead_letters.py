"""Dead letters: messages from Smile ID that fit nowhere, and posts that could not be delivered."""

from dataclasses import dataclass
from datetime import datetime

from storage.engine.database import Transaction, load


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One row, with ids and keys only."""

    id: str
    kind: str
    """`receipt` or `post`."""
    ref: str
    why: str
    """Fate and code of a receipt; Slack's word for a post."""
    at: datetime


# CROSS JOIN: from what is stuck to the jobs that it is about, and not the other way.
_RECEIPTS = """
    SELECT r.id, 'receipt' AS kind, a.ref, r.fate || ' ' || r.code AS why, r.received_at AS at
    FROM receipts r CROSS JOIN attempts a ON a.job_id = r.job_id
    WHERE r.fate IN ('refused', 'misfit', 'old_attempt')
"""
_POSTS = """
    SELECT p.id, 'post' AS kind, COALESCE(p.ref, '') AS ref, COALESCE(p.error, '') AS why, p.created_at AS at
    FROM posts p WHERE p.state = 'failed'
"""


def listing(tx: Transaction) -> list[DeadLetter]:
    """Everything that waits, oldest first."""
    rows = tx.rows(f"{_RECEIPTS} UNION ALL {_POSTS} ORDER BY at, id")
    return [load(DeadLetter, row) for row in rows]


def find(tx: Transaction, stuck_id: str) -> DeadLetter | None:
    """One of them."""
    row = tx.row(f"{_RECEIPTS} AND r.id = :id UNION ALL {_POSTS} AND p.id = :id", id=stuck_id)
    return load(DeadLetter, row) if row is not None else None
