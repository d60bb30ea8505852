"""A database on a server that was taken back to an earlier state: what is under way is in doubt from then on."""

from datetime import datetime

from storage import audit
from storage.engine import restored
from storage.engine.transaction import Transaction, moment_or_none


def mark(tx: Transaction, *, now: datetime) -> datetime | None:
    """What `kyc-bot restore` tells a file. Until when the database knows what happened; None where nothing has yet."""
    known = restored.doubt(tx.connection, now=now)
    if known is not None:
        audit.record(tx, at=now, actor=audit.OPERATOR, act=restored.ACT, detail=known)
    return moment_or_none(known)
