"""SQLite's triggers of the writer's own connection: they note which checks it touches, and whether sums of days change.

They are of this one connection, so that no other program's change is ever noted. What they note goes with the savepoint
of the function that is rolled back.
"""

from collections.abc import Iterator

from storage.engine import chain
from storage.engine.connection import TrackedConnection
from storage.engine.covered import COVERED, LAST_ACT, CoveredTable


class TemporaryNotes:
    """What `storage.engine.writer_macs` asks of a writer's connection."""

    def __init__(self, connection: TrackedConnection) -> None:
        self._connection = connection
        for statement in _definitions():
            connection.run(statement)

    def begin(self) -> None:
        """The last group has left nothing: it has forgotten all of it, or was rolled back with it."""

    def decisive(self) -> list[str]:
        """Those of which something was changed that decides what comes of them."""
        return self._refs("WHERE decisive = 1")

    def touched(self) -> list[str]:
        """All of them."""
        return self._refs()

    def forget_touched(self) -> None:
        """From now on none is touched."""
        self._connection.run("DELETE FROM temp.touched_checks")

    def take_sums_changed(self) -> bool:
        """Whether a sum of days that is kept has changed since the last time."""
        if not self._connection.fetch("SELECT 1 FROM temp.changed_sums LIMIT 1"):
            return False
        self._connection.run("DELETE FROM temp.changed_sums")
        return True

    def has_lines_after(self, seq: int) -> bool:
        """Whether the audit trail has grown since its last line was this one."""
        return chain.last(self._connection).seq != seq

    def _refs(self, where: str = "") -> list[str]:
        return [ref for (ref,) in self._connection.fetch(f"SELECT DISTINCT ref FROM temp.touched_checks {where}")]


def _definitions() -> Iterator[str]:
    yield "CREATE TEMP TABLE touched_checks (ref TEXT NOT NULL, decisive INTEGER NOT NULL)"
    for table in COVERED:
        others = [column for column in table.columns if column not in table.decisive]
        yield _touching(table, "new_rows", "INSERT", "NEW", decisive=table.decisive_rows)
        yield _touching(table, "gone_rows", "DELETE", "OLD", decisive=table.decisive_rows)
        yield _touching(table, "others", f"UPDATE OF {', '.join(others)}", "NEW")
        if table.decisive:
            yield _touching(table, "decisive", f"UPDATE OF {', '.join(table.decisive)}", "NEW", decisive=True)
    acts = CoveredTable(name=LAST_ACT, key=(), columns=())
    yield _touching(acts, "new_rows", "INSERT", "NEW", where="WHEN NEW.ref IS NOT NULL")
    yield "CREATE TEMP TABLE changed_sums (ends TEXT)"
    yield _summing("new", "INSERT", "NEW.mac IS NOT NULL", "NEW")
    yield _summing("others", "UPDATE", "NEW.mac IS NOT NULL OR OLD.mac IS NOT NULL", "NEW")
    yield _summing("gone", "DELETE", "OLD.mac IS NOT NULL", "OLD")


def _touching(table: CoveredTable, name: str, event: str, row: str, *, decisive: bool = False, where: str = "") -> str:
    ref = f"(SELECT ref FROM attempts WHERE job_id = {row}.job_id)" if table.through_job else f"{row}.ref"
    where = where or (f"WHEN {row}.ref IS NOT NULL" if table.name == "posts" else "")
    return f"""
        CREATE TEMP TRIGGER {table.name}_{name} AFTER {event} ON main.{table.name} {where} BEGIN
            INSERT INTO touched_checks (ref, decisive) VALUES ({ref}, {int(decisive)});
        END
        """


def _summing(name: str, event: str, condition: str, row: str) -> str:
    return f"""
        CREATE TEMP TRIGGER day_sums_{name} AFTER {event} ON main.day_sums WHEN {condition} BEGIN
            INSERT INTO changed_sums (ends) VALUES ({row}.ends);
        END
        """
