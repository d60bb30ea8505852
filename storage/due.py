"""The queue of checks that are due to be sent, in the table `verifications`.

Read each second and after each check, on the one writer thread: every statement reads along a partial index that
holds open checks alone (m0011), however many have ended.
"""

from collections.abc import Collection
from datetime import datetime

from storage import attempts, leases
from storage.engine.database import Transaction
from storage.engine.sql import Row

# The planner takes a partial index only where the statement repeats the index's own conditions, word for word.
_UNSENT = "state IN ('requested', 'submitting') AND held IS NULL"


def _queue(which: str) -> leases.Queue:
    return leases.Queue(
        table="verifications",
        key="ref",
        columns="ref, leased_until, due_at",
        due=f"{which} AND due_at <= :now AND {leases.FREE}",
        order="due_at, ref",
    )


_SINGLES = _queue(f"{_UNSENT} AND batch IS NULL")
_BY_THEMSELVES = _queue(f"{_UNSENT} AND batch IS NOT NULL AND (state = 'submitting' OR round > 1)")
"""Rows of batches that wait for their batch no longer, or that somebody ran again."""
_OF_BATCH = _queue("batch = :batch AND held IS NULL AND state = 'requested' AND round = 1")


def claim_due(
    tx: Transaction,
    *,
    now: datetime,
    until: datetime,
    limit: int,
    under_way: Collection[str] = (),
    of_batches: int = 1_000,
) -> list[str]:
    """Checks that are due to be sent, oldest first, those of batches last; ours until the lease ends.

    A row of a batch waits for its batch, unless somebody ran it again by itself: that batch may be done long since.
    At most `of_batches` rows of batches are leased here at any time, since their photos lie in memory meanwhile.
    An expired lease of our own is renewed. A check that is `under_way` in this process is not claimed: the machine's
    clock jumped, or it was given back and its worker is about to end, and then no lease may keep it from the next. Any
    other was left by a worker that could not even record how far it had come.
    """
    rows = leases.find_due(tx, _SINGLES, now=now, limit=limit)
    room = min(limit - len(rows), of_batches - _leased_of_batches(tx, now=now))
    if room > 0:
        rows += _of_batches(tx, now=now, limit=room)
    rows = leases.may_be_taken(rows, key="ref", under_way=under_way)
    leases.take(tx, "verifications", "ref", (row["ref"] for row in rows), now=now, until=until)
    for row in rows:
        if row["leased_until"] is not None and row["ref"] not in under_way:
            # In the same transaction as the lease: the new worker must ask Smile ID before it sends.
            attempts.doubt_unsent(tx, row["ref"], since=now)
    return [row["ref"] for row in rows if row["ref"] not in under_way]


def lease(tx: Transaction, ref: str, *, now: datetime, until: datetime) -> None:
    """Keep the workers from a check that is sent without them; once the lease ends, it is due to them."""
    ours = {"due_at": now, "leased_until": until, "leased_by": tx.instance}
    tx.update("verifications", "ref = :ref AND state = 'submitting'", {"ref": ref}, **ours)


def lease_again(tx: Transaction, ref: str, *, now: datetime, until: datetime) -> bool:
    """Whether the worker that has a check begins it anew, since it was edited meanwhile; else its lease is given back.

    False where it is not due any more, and where another instance has taken it since.
    """
    not_theirs = f"(leased_until IS NULL OR {leases.NOT_ANOTHERS})"
    of = {"ref": ref, "instance": tx.instance}
    is_due = f"ref = :ref AND {_UNSENT} AND due_at <= :now AND {not_theirs}"
    if tx.update("verifications", is_due, {**of, "now": now}, leased_until=until, leased_by=tx.instance):
        return True
    tx.update("verifications", f"ref = :ref AND {not_theirs}", of, leased_until=None)
    return False


def _of_batches(tx: Transaction, *, now: datetime, limit: int) -> list[Row]:
    """Rows that go by themselves, and those of every batch that is being sent; of paused ones none is even read."""
    rows = leases.find_due(tx, _BY_THEMSELVES, now=now, limit=limit)
    for batch in tx.rows("SELECT id FROM batches WHERE state = 'sending'"):
        rows += leases.find_due(tx, _OF_BATCH, now=now, limit=limit, batch=batch["id"])
    return sorted(rows, key=lambda row: (row["due_at"], row["ref"]))[:limit]


def _leased_of_batches(tx: Transaction, *, now: datetime) -> int:
    sql = """
        SELECT COUNT(*) FROM verifications WHERE leased_by = :instance AND leased_until > :now AND batch IS NOT NULL
        """
    return int(tx.value(sql, instance=tx.instance, now=now))
