"""The report of each purge, counted in the transactions of what it erases: a kill loses no number."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from bot.domain.privacy import purge
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.purge import Purge
from storage import audit
from storage.engine.database import Transaction, load

_LAST = "SELECT * FROM purges WHERE ended_at IS NOT NULL ORDER BY seq DESC LIMIT 1"


def begin(tx: Transaction, *, actor: str, erases: bool, now: datetime) -> int:
    """A new report, empty so far; its number."""
    sql = """
        INSERT INTO purges (began_at, actor, erases, report) VALUES (:now, :actor, :erases, '{}') RETURNING seq
        """
    return int(tx.one(sql, now=now, actor=actor, erases=erases)["seq"])


def count(tx: Transaction, number: int, clock: Clock, found: Mapping[str, int]) -> None:
    """Add to what is counted of one clock."""
    counts = dict(purge.load(tx.value("SELECT report FROM purges WHERE seq = :number", number=number)))
    counts[clock] = Counter(counts.get(clock, {})) + Counter(found)
    tx.update("purges", "seq = :number", {"number": number}, report=purge.dump(counts))


def end(tx: Transaction, number: int, *, now: datetime) -> Purge:
    """It has come to its end. Its line in the trail, where it has erased something."""
    tx.update("purges", "seq = :number", {"number": number}, ended_at=now)
    done = _purge(tx.one("SELECT * FROM purges WHERE seq = :number", number=number))
    if done.erases and done.erased:
        detail = " ".join(f"{clock.value}:{done.of(clock)}" for clock in Clock)
        audit.record(tx, at=now, actor=done.actor, act="purge.done", detail=detail)
    return done


def keep_survey(tx: Transaction, counts: purge.Counts, *, actor: str, now: datetime) -> Purge:
    """The report of one that erased nothing, and only counted."""
    number = begin(tx, actor=actor, erases=False, now=now)
    tx.update("purges", "seq = :number", {"number": number}, report=purge.dump(counts))
    return end(tx, number, now=now)


def last(tx: Transaction) -> Purge | None:
    """The last one that came to its end."""
    row = tx.row(_LAST)
    return _purge(row) if row is not None else None


def read_last(connection: sqlite3.Connection) -> Purge | None:
    """The same from a file that is only looked at. Raises sqlite3.Error where there is no such table yet."""
    with closing(connection.cursor()) as cursor:
        cursor.row_factory = sqlite3.Row
        row = cursor.execute(_LAST).fetchone()
    return _purge(row) if row is not None else None


def has_erased(tx: Transaction) -> bool:
    """Whether any purge of this database was one that erases."""
    return tx.exists("SELECT 1 FROM purges WHERE erases = 1 LIMIT 1")


def _purge(row: sqlite3.Row) -> Purge:
    return load(Purge, row, counts=purge.load(row["report"]))
