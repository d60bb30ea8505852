"""The report of each purge, counted in the transactions of what it erases: a kill loses no number."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from bot.domain.privacy import purge
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.purge import Purge
from storage import audit
from storage.engine.database import Transaction, load
from storage.engine.sql import Row, SqlConnection

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


def read_last(connection: SqlConnection) -> Purge | None:
    """The same from a file that is only looked at. Raises the engine's own error where there is no such table yet."""
    rows = connection.fetch_rows(_LAST)
    return _purge(rows[0]) if rows else None


def has_erased(tx: Transaction) -> bool:
    """Whether any purge of this database was one that erases."""
    return tx.exists("SELECT 1 FROM purges WHERE erases = 1 LIMIT 1")


def _purge(row: Row) -> Purge:
    return load(Purge, row, counts=purge.load(row["report"]))
