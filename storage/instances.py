"""The processes that work on one database: a row each, from their start to their end.

An instance proves with every commit that it lives: its row must not have ended, and says when it was seen. One that
is silent is ended by whichever other notices; what it had leased is free from then on, and what it was sending is in
doubt, as after a restart. It hears of it with its next commit, which is none of its own any more.

A file is used by one process at a time, as its lock proves: there every older instance has ended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import __version__
from storage import attempts, leases
from storage.engine.database import Transaction, from_text, load
from storage.engine.membership import NOW, name_of

KEPT_FOR = timedelta(days=30)
"""How long an instance that has ended stands in the table, for whoever asks what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One that has not ended, as far as anybody has noticed."""

    id: str
    name: str
    """For people; says nothing of its machine."""
    version: str
    started_at: datetime
    seen_at: datetime
    """When it last stored anything, by the database's clock: compared with nothing but what it was before."""


def join(tx: Transaction, *, now: datetime) -> None:
    """This process begins to take work."""
    name = name_of(tx.instance)
    tx.insert("instances", id=tx.instance, name=name, version=__version__, started_at=now, seen_at=now)
    tx.run("DELETE FROM instances WHERE ended_at <= :before", before=now - KEPT_FOR)


def join_alone(tx: Transaction, *, now: datetime) -> None:
    """The same where a lock proves that every other process has ended: their leases are dead."""
    tx.run("UPDATE instances SET ended_at = :now WHERE ended_at IS NULL", now=now)
    leases.release_all(tx, now=now)
    attempts.doubt_open_ones(tx, since=now)
    join(tx, now=now)


def living(tx: Transaction, *, but: str = "") -> list[Instance]:
    """Those that have not ended, the oldest first."""
    rows = tx.rows("SELECT * FROM instances WHERE ended_at IS NULL AND id <> :but ORDER BY started_at, id", but=but)
    return [load(Instance, row) for row in rows]


def database_now(tx: Transaction) -> datetime:
    """The time of day by the database's clock, which all instances go by."""
    return from_text(tx.value(f"SELECT {NOW[tx.dialect]}"))


def end(tx: Transaction, one: Instance, *, now: datetime, searched_in: timedelta) -> bool:
    """End an instance as it was seen: its leases are free, and what it may have sent is in doubt.

    A post that it may have posted is searched for in `searched_in`, when Slack would show it. False if it has shown
    itself since, or another was faster.
    """
    # Of two that notice at once the second finds it ended; and one that comes back meanwhile has stored when.
    is_as_seen = "id = :id AND seen_at = :seen_at AND ended_at IS NULL"
    if not tx.update("instances", is_as_seen, {"id": one.id, "seen_at": one.seen_at}, ended_at=now):
        return False
    for ref in leases.checks_of(tx, one.id):
        attempts.doubt_unsent(tx, ref, since=now)
    leases.release_of(tx, one.id, now=now, searched_in=searched_in)
    return True


def leave(tx: Transaction, *, now: datetime, searched_in: timedelta) -> None:
    """This process ends of its own accord: others go on with its work at once."""
    for one in living(tx):
        if one.id == tx.instance:
            end(tx, one, now=now, searched_in=searched_in)
