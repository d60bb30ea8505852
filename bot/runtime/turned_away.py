"""What came without a valid signature, address, role or form: one line of the audit trail for each minute and kind.

Anybody can send such requests, and as many as they like: a line for each would fill the disk and hide all others.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from bot.errors import DatabaseFault
from storage import audit
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class TurnedAway:
    """Counts in memory: killed, the bot loses the last minute of it at most."""

    _counts: Counter[str] = field(init=False, default_factory=Counter)

    def count(self, kind: str) -> None:
        """One more; `kind` is one of a few words of ours, never anything that was sent."""
        self._counts[kind] += 1

    async def store(self, database: Database, now: Callable[[], datetime]) -> None:
        """Called each minute, and at the end: a line for each kind of which there was any."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await database.write(_store, counts, at=now())
        except DatabaseFault as fault:
            # With the next minute's, once the database is back.
            self._counts.update(counts)
            log.warning("turned_away.not_stored", error=str(fault))


def _store(tx: Transaction, counts: Mapping[str, int], *, at: datetime) -> None:
    for kind, count in sorted(counts.items()):
        audit.record(tx, at=at, actor=audit.BOT, act="requests.turned_away", detail=f"{kind}:{count}")
