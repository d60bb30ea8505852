"""How many checks were started for which day, and by whom: what daily limits are counted from.

A check has a row for each of its rounds. A file of customers has one row for all its rows, until a row of it is started
by somebody anew.
"""

from datetime import date

from bot.domain.check.check import Check
from storage.engine.database import Transaction


def used(tx: Transaction, day: date, person: str) -> tuple[int, int]:
    """How many checks count for a day: this person's, and everybody's."""
    sql = "SELECT COALESCE(SUM(checks), 0) FROM spending WHERE day = :day"
    all_: int = tx.value(sql, day=day.isoformat())
    own: int = tx.value(f"{sql} AND person = :person", day=day.isoformat(), person=person)
    return own, all_


def of_check(tx: Transaction, check: Check) -> tuple[date, str] | None:
    """The day for which a check counts in its round, and whose it is; None: it was accepted before checks counted."""
    return _of(tx, _id(check)) or (_of(tx, check.batch) if _counts_with_file(check) else None)


def take(tx: Transaction, check: Check, *, day: date, person: str) -> None:
    """Count a check for a day. If it counts for another one, or as another's, it no longer does."""
    give_back(tx, check)
    _add(tx, _id(check), day=day, person=person, checks=1)


def take_file(tx: Transaction, batch_id: str, *, day: date, person: str, checks: int) -> None:
    """Count all rows of a file that will become checks."""
    _add(tx, batch_id, day=day, person=person, checks=checks)


def give_back(tx: Transaction, check: Check) -> None:
    """A check was never sent: it no longer counts. Does nothing for one that does not count."""
    if not tx.run("DELETE FROM spending WHERE id = :id", id=_id(check)) and _counts_with_file(check):
        tx.run("UPDATE spending SET checks = checks - 1 WHERE id = :id AND checks > 0", id=check.batch)


def keep_of_file(tx: Transaction, batch_id: str, *, checks: int) -> None:
    """Of a file that ends early, only the rows that became checks count on."""
    sql = "UPDATE spending SET checks = :checks WHERE id = :id AND checks > :checks"
    tx.run(sql, id=batch_id, checks=checks)


def move_rows(tx: Transaction, batch_id: str, *, day: date, person: str) -> None:
    """Count those rows of a file for a day that were not sent, and were started for an earlier one."""
    unsent = "FROM verifications WHERE batch = :id AND state = 'requested' AND round = 1"
    of = {"id": batch_id, "day": day.isoformat()}
    tx.run(f"UPDATE spending SET day = :day WHERE day < :day AND id IN (SELECT ref || ':1' {unsent})", **of)
    moved = tx.run(
        f"""
        INSERT INTO spending (id, day, person, checks)
        SELECT ref || ':1', :day, :person, 1 {unsent}
            AND EXISTS (SELECT 1 FROM spending WHERE id = :id AND day < :day AND checks > 0)
        ON CONFLICT (id) DO NOTHING
        """,
        person=person,
        **of,
    )
    tx.run("UPDATE spending SET checks = checks - :moved WHERE id = :id AND checks >= :moved", id=batch_id, moved=moved)


def _id(check: Check) -> str:
    return f"{check.ref}:{check.round}"


def _counts_with_file(check: Check) -> bool:
    return check.batch is not None and check.round == 1


def _of(tx: Transaction, id_: str | None) -> tuple[date, str] | None:
    row = tx.row("SELECT day, person FROM spending WHERE id = :id AND checks > 0", id=id_)
    return (date.fromisoformat(row["day"]), row["person"]) if row is not None else None


def _add(tx: Transaction, id_: str, *, day: date, person: str, checks: int) -> None:
    tx.insert("spending", id=id_, day=day.isoformat(), person=person, checks=checks)
