"""Until when nothing is posted to a conversation, since Slack has asked to wait (table `pauses`).

Its word is to the app, whichever instance heard it, and whether or not that one is still there.
"""

from datetime import datetime

from storage.engine.database import Transaction


def keep(tx: Transaction, lane: str, *, until: datetime, now: datetime) -> None:
    """Post nothing there until then. A shorter pause never ends a longer one; those that are over are forgotten."""
    tx.run("DELETE FROM pauses WHERE until <= :now", now=now)
    sql = """
        INSERT INTO pauses (lane, until) VALUES (:lane, :until)
        ON CONFLICT (lane) DO UPDATE SET until = excluded.until WHERE pauses.until < excluded.until
        """
    tx.run(sql, lane=lane, until=until)
