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


def listing(tx: Transaction) -> list[DeadLetter]:
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
    return [load(DeadLetter, row) for row in rows]
