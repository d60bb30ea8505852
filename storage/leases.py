"""Leases: rows that a worker has taken, and that nobody else takes before the lease ends."""

from datetime import datetime

from storage.database import Transaction, to_text


def release_all(tx: Transaction, *, now: datetime) -> None:
    """At start every lease is dead, since only one process uses a database."""
    tx.run("UPDATE verifications SET leased_until = NULL WHERE leased_until IS NOT NULL")
    tx.run("UPDATE attempts SET leased_until = NULL WHERE leased_until IS NOT NULL")
    # A post or a batch that has come to its end has given its lease back: only those that wait are looked at.
    tx.run("UPDATE posts SET leased_until = NULL WHERE state = 'due' AND leased_until IS NOT NULL")
    tx.run(
        "UPDATE batches SET leased_until = NULL WHERE state IN ('reading', 'confirmed') AND leased_until IS NOT NULL"
    )
    # Whether a tab was shown is not known: it is shown anew, whatever it showed before.
    tx.run(
        "UPDATE homes SET due_at = :now, view_print = '', leased_until = NULL WHERE leased_until IS NOT NULL",
        now=to_text(now),
    )
