"""The inbox: messages to the bot and confirming clicks, by id alone, from before their ack until they are answered."""

from collections.abc import Collection
from datetime import datetime

from bot.domain.mentions.incoming import InboxItem
from storage import leases
from storage.engine.database import Transaction, load, params
from storage.leases import FREE, NOT_ANOTHERS, Queue

INBOX = "inbox"
"""Topic woken when a request waits for its answer."""
_QUEUE = Queue(
    table="inbox",
    key="id",
    due=f"due_at <= :now AND {FREE} AND {NOT_ANOTHERS}",
    order="due_at, id",
)


def keep(tx: Transaction, item: InboxItem, *, now: datetime) -> None:
    """Store one request of Slack's, to be answered at once, by this instance as long as it lives.

    It alone has what came with the request in memory, and where its author acted an answer can be given.
    """
    sql = """
        INSERT INTO inbox (id, kind, channel, ts, thread_ts, person, team, fingerprint, again, asked_at, due_at,
            leased_by)
        VALUES (:id, :kind, :channel, :ts, :thread_ts, :user, :team, :fingerprint, :again, :now, :now, :instance)
        """
    tx.run(sql, **params(item), now=now, instance=tx.instance)
    tx.wake(INBOX)


def claim_due(
    tx: Transaction, *, now: datetime, until: datetime, limit: int, under_way: Collection[str] = ()
) -> list[InboxItem]:
    """Items whose time has come, oldest first, ours until the lease ends.

    An expired lease was left by a worker that could not even record its failure.
    """
    rows = leases.claim_due(tx, _QUEUE, now=now, until=until, limit=limit, under_way=under_way)
    return [load(InboxItem, row, user=row["person"]) for row in rows]


def reschedule(tx: Transaction, item_id: str, *, at: datetime) -> None:
    """It could not be answered now: retry at `at`."""
    tx.run("UPDATE inbox SET due_at = :at, leased_until = NULL, tries = tries + 1 WHERE id = :id", at=at, id=item_id)


def delete(tx: Transaction, item_id: str) -> None:
    """It was answered, or its answer is in the outbox: nothing of it is kept."""
    tx.run("DELETE FROM inbox WHERE id = :id", id=item_id)
