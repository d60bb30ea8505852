"""What instances tell each other to look up anew (table `cache_news`): each has its own memory of it.

A line is read by those that run when it is written, within seconds; who starts later reads everything anyway.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.engine.database import Transaction

CACHE_NEWS = "cache_news"
"""Topic woken when something is told."""
KEPT_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    seq: int
    what: str
    which: str
    told_by: str


def tell(tx: Transaction, what: str, which: str, *, now: datetime) -> None:
    """Have the other instances hear of it with their next look, which this wakes."""
    tx.insert("cache_news", what=what, which=which, told_by=tx.instance, at=now)
    # The newest stays, whose number the next one follows.
    sql = "DELETE FROM cache_news WHERE at <= :before AND seq < (SELECT MAX(n.seq) FROM cache_news n)"
    tx.run(sql, before=now - KEPT_FOR)
    tx.wake(CACHE_NEWS)


def newest(tx: Transaction) -> int:
    """The number of the last line; 0 of none."""
    return int(tx.value("SELECT COALESCE(MAX(seq), 0) FROM cache_news"))


def after(tx: Transaction, seq: int) -> list[News]:
    """What was told since that line, oldest first."""
    sql = "SELECT seq, what, which, told_by FROM cache_news WHERE seq > :seq ORDER BY seq"
    return [
        News(seq=row["seq"], what=row["what"], which=row["which"], told_by=row["told_by"])
        for row in tx.rows(sql, seq=seq)
    ]
