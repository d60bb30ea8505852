"""Releases dead letters: messages of Smile ID that fit nowhere, posts that could not be delivered."""

from datetime import datetime

from storage import attempts, audit, dead_letters, deliveries, keys, receipts
from storage.dead_letters import DeadLetter
from storage.engine.database import Transaction

OPERATOR = "operator"
"""The actor of what is released from the command line."""


def release(tx: Transaction, stuck_id: str, *, now: datetime) -> DeadLetter | None:
    """Release one row: a receipt's job is polled, a post is delivered. None when there is no such row.

    A released receipt is not trusted for that; Smile ID's own record is. Raises WrongKey where the bot does not know
    the newest key yet.
    """
    keys.require_begun(tx)
    found = dead_letters.find(tx, stuck_id)
    if found is None:
        return None
    if found.kind == "receipt":
        attempts.ask_soon(tx, receipts.release(tx, stuck_id), at=now)
    else:
        deliveries.release(tx, stuck_id, now=now)
    audit.record(tx, at=now, actor=OPERATOR, act=f"{found.kind}.released", ref=found.ref or None)
    return found
