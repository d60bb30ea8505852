"""Holds: which checks are kept beyond their time, and why. Covered by the MAC of the check."""

from datetime import datetime

from bot.domain.privacy.holds import Hold, HoldCause
from storage import audit
from storage.engine.database import Transaction, load


def add(tx: Transaction, ref: str, cause: HoldCause, *, by: str, now: datetime) -> bool:
    """Hold a check that exists. False when it is held for the same cause already."""
    # Two people may do it at once: the schema keeps one running hold for each cause.
    is_new = tx.insert_once("holds", ref=ref, cause=cause, held_by=by, held_at=now)
    if is_new:
        audit.record(tx, at=now, actor=by, act="check.hold", ref=ref, detail=cause.value)
    return is_new


def end(tx: Transaction, ref: str, cause: HoldCause | None = None, *, by: str, now: datetime) -> int:
    """End the running hold of this cause, or of every cause; how many these were."""
    running = "ref = :ref AND ended_at IS NULL"
    of: dict[str, object] = {"ref": ref}
    if cause is not None:
        running, of = f"{running} AND cause = :cause", {**of, "cause": cause}
    ended = tx.run(f"UPDATE holds SET ended_at = :now, ended_by = :by WHERE {running}", now=now, by=by, **of)
    if ended:
        audit.record(tx, at=now, actor=by, act="check.unhold", ref=ref, detail=cause.value if cause else "")
    return ended


def of_check(tx: Transaction, ref: str) -> list[Hold]:
    """Those that run, the oldest first."""
    rows = tx.rows("SELECT * FROM holds WHERE ref = :ref AND ended_at IS NULL ORDER BY seq", ref=ref)
    return [load(Hold, row) for row in rows]


def running(tx: Transaction, *, after: str = "", most: int = 500) -> list[Hold]:
    """All that run, in the order of their checks, from after that check on."""
    sql = """
        SELECT * FROM holds WHERE ended_at IS NULL AND ref IN (
            SELECT DISTINCT ref FROM holds WHERE ended_at IS NULL AND ref > :after ORDER BY ref LIMIT :most)
        ORDER BY ref, seq
        """
    return [load(Hold, row) for row in tx.rows(sql, after=after, most=most)]


def count(tx: Transaction) -> int:
    """How many checks are held."""
    count: int = tx.value("SELECT COUNT(DISTINCT ref) FROM holds WHERE ended_at IS NULL")
    return count
