"""Which checks are due to be sent, and who sends them: the queue in the table `verifications`.

Asked each second and after each check, on the one writer thread: every statement reads along a partial index that
holds open checks alone (m0011), however many have ended.
"""

import sqlite3
from collections.abc import Collection
from datetime import datetime, timedelta

from storage.database import Transaction, from_text, to_text

# The planner takes a partial index only where the statement repeats the index's own conditions, word for word.
_UNSENT = "state IN ('requested', 'submitting') AND held IS NULL"
_FREE = "due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)"
_IN_ORDER = "ORDER BY due_at, ref LIMIT :limit"


def claim(
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
    At most `of_batches` rows of batches are leased at any time, since their photos lie in memory meanwhile.
    A lease that ran out is taken anew. Of a check that is `under_way` in this process nothing else comes of it, since
    it was the clock that jumped. Any other was left by a pass that could not even write down how far it had come.
    """
    rows = _singles(tx, now=now, limit=limit)
    room = min(limit - len(rows), of_batches - _leased_of_batches(tx, now=now))
    if room > 0:
        rows += _of_batches(tx, now=now, limit=room)
    for row in rows:
        tx.run("UPDATE verifications SET leased_until = :until WHERE ref = :ref", until=to_text(until), ref=row["ref"])
        if row["leased_until"] is not None and row["ref"] not in under_way:
            tx.run(
                """
                UPDATE attempts SET in_doubt_since = COALESCE(in_doubt_since, :now)
                WHERE ref = :ref AND step IN ('recorded', 'prepared')
                """,
                now=to_text(now),
                ref=row["ref"],
            )
    return [row["ref"] for row in rows if row["ref"] not in under_way]


def _singles(tx: Transaction, *, now: datetime, limit: int) -> list[sqlite3.Row]:
    return tx.rows(
        f"""
        SELECT ref, leased_until FROM verifications
        WHERE {_UNSENT} AND batch IS NULL AND {_FREE} {_IN_ORDER}
        """,
        now=to_text(now),
        limit=limit,
    )


def _of_batches(tx: Transaction, *, now: datetime, limit: int) -> list[sqlite3.Row]:
    """Rows that go by themselves, and those of every batch that is being sent; of paused ones none is even read."""
    rows = tx.rows(
        f"""
        SELECT ref, leased_until, due_at FROM verifications
        WHERE {_UNSENT} AND batch IS NOT NULL AND (state = 'submitting' OR round > 1) AND {_FREE} {_IN_ORDER}
        """,
        now=to_text(now),
        limit=limit,
    )
    for batch in tx.rows("SELECT id FROM batches WHERE state = 'sending'"):
        rows += tx.rows(
            f"""
            SELECT ref, leased_until, due_at FROM verifications
            WHERE batch = :batch AND held IS NULL AND state = 'requested' AND round = 1 AND {_FREE} {_IN_ORDER}
            """,
            batch=batch["id"],
            now=to_text(now),
            limit=limit,
        )
    return sorted(rows, key=lambda row: (row["due_at"], row["ref"]))[:limit]


def _leased_of_batches(tx: Transaction, *, now: datetime) -> int:
    row = tx.row(
        "SELECT COUNT(*) AS n FROM verifications WHERE batch IS NOT NULL AND leased_until > :now", now=to_text(now)
    )
    assert row is not None
    return int(row["n"])


def oldest(tx: Transaction, *, now: datetime) -> timedelta:
    """How long the oldest check that is due has been waiting; rows of batches aside, which wait for each other."""
    row = tx.row(
        f"SELECT MIN(due_at) AS due FROM verifications WHERE {_UNSENT} AND batch IS NULL AND due_at <= :now",
        now=to_text(now),
    )
    return now - from_text(row["due"]) if row is not None and row["due"] else timedelta(0)
