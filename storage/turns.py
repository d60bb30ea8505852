"""Whose turn it is to do what one instance alone does, though all of them would (table `turns`)."""

from datetime import datetime

from storage.engine.database import Transaction


def take(tx: Transaction, name: str, *, until: datetime, now: datetime) -> bool:
    """Whether it is ours until then: nobody has it, we have it already, it is over, or whoever has it has ended."""
    # Of two that come at once the second finds it taken.
    sql = """
        INSERT INTO turns (name, taken_by, until) VALUES (:name, :instance, :until)
        ON CONFLICT (name) DO UPDATE SET taken_by = excluded.taken_by, until = excluded.until
        WHERE turns.taken_by = excluded.taken_by OR turns.until <= :now
            OR turns.taken_by NOT IN (SELECT i.id FROM instances i WHERE i.ended_at IS NULL)
        """
    return tx.change(sql, name=name, instance=tx.instance, until=until, now=now)
