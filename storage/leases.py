"""Leases: rows that a worker has taken, and that no other takes before the lease ends.

A lease belongs to the instance whose worker has it. Its end is compared by the clock of that instance alone: another
one never takes such a row, however long ago that was, before the instance itself has ended (`storage.instances`).

Each table whose rows are worked off names its `Queue` in its own module; how one is claimed is defined here.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.engine.database import Transaction, any_moment
from storage.engine.sql import Row


def not_anothers(row: str = "") -> str:
    """No other instance that lives has it, or had it last; `row` is the row's name with a dot, where it needs one."""
    return f"""
        (COALESCE({row}leased_by, :instance) = :instance
            OR {row}leased_by NOT IN (SELECT i.id FROM instances i WHERE i.ended_at IS NULL))
        """


NOT_ANOTHERS = not_anothers()
FREE = f"(leased_until IS NULL OR (leased_until <= :now AND {NOT_ANOTHERS}))"
"""Nobody is working on it, or a lease of our own ran out: it was set longer than any worker takes.

`leased_by` says whose the lease is, or was: it counts while `leased_until` is set.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Rows that are worked off, oldest first. All SQL in it is ours, and used as it is."""

    table: str
    key: str
    columns: str = "*"
    due: str
    """Which rows are due at `:now`, written exactly as in the partial index: the planner compares the text."""
    order: str
    taken: str = ""
    """What a lease changes in the row in addition to `leased_until`."""


def claim_due(
    tx: Transaction, queue: Queue, *, now: datetime, until: datetime, limit: int, under_way: Collection[str] = ()
) -> list[Row]:
    """Rows that are due, oldest first, ours until the lease ends; as they were before they were taken."""
    rows = may_be_taken(find_due(tx, queue, now=now, limit=limit), key=queue.key, under_way=under_way)
    keys = (row[queue.key] for row in rows)
    take(tx, queue.table, queue.key, keys, now=now, until=until, also=queue.taken)
    return rows


def find_due(tx: Transaction, queue: Queue, *, now: datetime, limit: int, **parameters: object) -> list[Row]:
    """Rows that are due, oldest first, which the caller may `take` in this transaction."""
    sql = f"SELECT {queue.columns} FROM {queue.table} WHERE {queue.due} ORDER BY {queue.order} LIMIT :limit"
    return tx.rows(sql, now=now, instance=tx.instance, limit=limit, **parameters)


def may_be_taken(rows: Iterable[Row], *, key: str, under_way: Collection[str]) -> list[Row]:
    """Without rows that this process works on and has given back: that worker is about to end.

    Leased now, such a row would wait for nobody until the lease ends: `UnderWay` begins no second work on it. The next
    claim takes it. One whose lease ran out under its worker keeps that worker, and may be leased anew.
    """
    return [row for row in rows if row[key] not in under_way or row["leased_until"] is not None]


def take(
    tx: Transaction, table: str, key: str, values: Iterable[str], *, now: datetime, until: datetime, also: str = ""
) -> None:
    """Lease rows that this very transaction has found to be free."""
    # No guard: one writer runs one transaction at a time, so nobody can come between the query and this update.
    assignments = ", ".join(filter(None, ("leased_until = :until, leased_by = :instance", also)))
    for value in values:
        sql = f"UPDATE {table} SET {assignments} WHERE {key} = :value"
        tx.run(sql, until=until, now=now, instance=tx.instance, value=value)


def give_up(tx: Transaction, table: str, key: str, values: Iterable[str], *, now: datetime) -> None:
    """End leases of our own whose workers could not store what they had done: each counts as one that ran out.

    Whoever claims such a row next puts in doubt what may have been sent, as for any lease that ran out.
    """
    sql = f"""
        UPDATE {table} SET leased_until = :now
        WHERE {key} = :value AND leased_by = :instance AND leased_until > :now
        """
    for value in values:
        tx.run(sql, now=now, instance=tx.instance, value=value)


def release_all(tx: Transaction, *, now: datetime) -> None:
    """Every lease is dead at the start of the one process that uses a file."""
    tx.run("UPDATE verifications SET leased_until = NULL WHERE leased_until IS NOT NULL")
    tx.run("UPDATE attempts SET leased_until = NULL WHERE leased_until IS NOT NULL")
    # A post or a batch that has come to its end has given its lease back: only those that wait are read.
    tx.run("UPDATE posts SET leased_until = NULL WHERE state = 'due' AND leased_until IS NOT NULL")
    tx.run(
        "UPDATE batches SET leased_until = NULL WHERE state IN ('reading', 'confirmed') AND leased_until IS NOT NULL"
    )
    # One that a version before m0035 had leased is of nobody.
    is_kept = "leased_until IS NOT NULL OR leased_by IS NOT NULL"
    tx.run(f"UPDATE inbox SET leased_until = NULL, leased_by = NULL WHERE {is_kept}")
    tx.run("UPDATE slack_removals SET leased_until = NULL WHERE state IN ('due', 'left') AND leased_until IS NOT NULL")
    # Whether a tab was published is unknown: publish it once more, whatever it showed before.
    tx.run(
        "UPDATE homes SET due_at = :now, view_print = '', leased_until = NULL WHERE leased_until IS NOT NULL", now=now
    )


def checks_of(tx: Transaction, instance: str) -> list[str]:
    """Checks that an instance is sending, or was when it ended."""
    sql = "SELECT ref FROM verifications WHERE leased_by = :instance AND leased_until IS NOT NULL"
    return tx.column(sql, instance=instance)


def release_of(tx: Transaction, gone: str, *, now: datetime, searched_in: timedelta) -> None:
    """Every lease of an instance that has ended is dead.

    A post that it may have posted is due in `searched_in`, once Slack would show it: the doubt is dated by its clock.
    """
    is_theirs = "leased_by = :gone AND leased_until IS NOT NULL"
    tx.run(f"UPDATE verifications SET leased_until = NULL WHERE {is_theirs}", gone=gone)
    tx.run(f"UPDATE attempts SET leased_until = NULL WHERE {is_theirs}", gone=gone)
    sql = f"""
        UPDATE posts SET leased_until = NULL,
            due_at = CASE WHEN in_doubt_since IS NOT NULL AND due_at < :soon THEN :soon ELSE due_at END
        WHERE state = 'due' AND {is_theirs}
        """
    tx.run(sql, gone=gone, soon=now + searched_in)
    tx.run(f"UPDATE batches SET leased_until = NULL WHERE state IN ('reading', 'confirmed') AND {is_theirs}", gone=gone)
    # What it had kept for itself, too.
    tx.run("UPDATE inbox SET leased_until = NULL, leased_by = NULL WHERE leased_by = :gone", gone=gone)
    tx.run(f"UPDATE slack_removals SET leased_until = NULL WHERE state IN ('due', 'left') AND {is_theirs}", gone=gone)
    tx.run(
        f"UPDATE homes SET due_at = :now, view_print = '', leased_until = NULL WHERE {is_theirs}", now=now, gone=gone
    )


_OLDEST = {
    # Rows of batches are left out: they wait for each other.
    "submission": """due_at FROM verifications
        WHERE state IN ('requested', 'submitting') AND held IS NULL AND batch IS NULL""",
    "callbacks": "received_at FROM receipts WHERE fate = 'kept'",
    "results": "ask_at FROM attempts WHERE 1 = 1",
    "homes": "due_at FROM homes WHERE 1 = 1",
    "inbox": "due_at FROM inbox WHERE 1 = 1",
    "outbox": "due_at FROM posts WHERE state = 'due'",
}


def oldest_due(tx: Transaction, queue: str, *, now: datetime) -> timedelta:
    """How long the oldest due row of a queue has been waiting."""
    column, _, rows = _OLDEST[queue].partition(" ")
    oldest = tx.value(f"SELECT MIN({column}) {rows} AND {column} <= :now", now=now)
    return now - any_moment(oldest) if oldest else timedelta(0)


class UnderWay:
    """What this process is working on, by key.

    A lease may run out under its worker, when the machine's clock jumps or the work waits for its turn; the row is then
    claimed once more, and must not be worked on twice at the same time.
    """

    def __init__(self) -> None:
        self._keys: set[str] = set()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._keys)

    async def run(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, unless work on this key is running already."""
        with self.only(key) as is_only:
            if is_only:
                await work()

    @contextmanager
    def only(self, key: str) -> Iterator[bool]:
        """Around work on this key; False where other work on it is running already."""
        if key in self._keys:
            yield False
            return
        self._keys.add(key)
        try:
            yield True
        finally:
            self._keys.remove(key)
