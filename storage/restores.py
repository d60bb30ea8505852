"""A database on a server that was taken back to an earlier state: what is under way is in doubt from then on.

By hand. Where a failover did it the first commit after it does the same by itself (`storage.engine.restored`).
"""

from collections.abc import Sequence
from datetime import datetime

from storage import audit
from storage.engine import erasure_lists, restored
from storage.engine.erasure_lists import CarriedList
from storage.engine.transaction import Transaction, moment_or_none


def mark(tx: Transaction, *, now: datetime, erased: Sequence[CarriedList] = ()) -> datetime | None:
    """What `kyc-bot restore` tells a file; `erased` is taken over from the database before.

    Gives until when the database knows what happened; None where nothing has yet.
    """
    erasure_lists.have_wait(tx.connection, tx.sealer, erased)
    known = restored.doubt(tx.connection, now=now)
    if known is not None:
        audit.record(tx, at=now, actor=audit.OPERATOR, act=restored.ACT, detail=known)
    return moment_or_none(known)
