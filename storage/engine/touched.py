"""SQLite's triggers of the writer's own connection: they note which checks it touches, and whether sums of days change.

They are of this one connection, so that no other program's change is ever noted. What they note goes with the savepoint
of the function that is rolled back.
"""

from collections.abc import Iterator

from storage.engine.connection import TrackedConnection
from storage.engine.covered import COVERED, LAST_ACT, CoveredTable

_TOUCHED, _DECISIVE, _SUM, _LINE = range(4)
"""What a note is of: a check, twice; a sum of days that is kept; a new line of the trail that names no check."""


class TemporaryNotes:
    """What `storage.engine.writer_macs` asks of a writer's connection.

    All of them are read at once, and known until the next function has run: most commits touch no check, and to ask
    for each kind by itself was a sixth of their statements.
    """

    def __init__(self, connection: TrackedConnection) -> None:
        self._connection = connection
        self._read: list[tuple[str, int]] | None = None
        """As the last statement found them; None where they may be others by now."""
        for statement in _definitions():
            connection.run(statement)

    def begin(self) -> None:
        """The last group has left nothing: it has forgotten all of it, or was rolled back with it."""
        self._read = None

    def forget(self) -> None:
        """What the function has noted went with its savepoint."""
        self._read = None

    def decisive(self) -> list[str]:
        """Those of which something was changed that decides what comes of them."""
        self._read = None  # a function has run
        return [ref for ref, kind in self._noted() if kind == _DECISIVE]

    def touched(self) -> list[str]:
        """All of them."""
        return list(dict.fromkeys(ref for ref, kind in self._noted() if kind in (_TOUCHED, _DECISIVE)))

    def forget_touched(self) -> None:
        """From now on none is touched."""
        self._connection.run("DELETE FROM temp.notes WHERE kind <> :sum", {"sum": _SUM})
        self._read = None

    def take_sums_changed(self) -> bool:
        """Whether a sum of days that is kept has changed since the last time."""
        if all(kind != _SUM for _ref, kind in self._noted()):
            return False
        self._connection.run("DELETE FROM temp.notes WHERE kind = :sum", {"sum": _SUM})
        self._read = None
        return True

    def has_lines(self) -> bool:
        """Whether the audit trail has grown."""
        # Each line that names a check has touched it.
        return any(kind != _SUM for _ref, kind in self._noted())

    def _noted(self) -> list[tuple[str, int]]:
        if self._read is None:
            self._read = self._connection.fetch("SELECT DISTINCT ref, kind FROM temp.notes")
        return self._read


def _definitions() -> Iterator[str]:
    yield "CREATE TEMP TABLE notes (ref TEXT NOT NULL, kind INTEGER NOT NULL)"
    for table in COVERED:
        others = [column for column in table.columns if column not in table.decisive]
        yield _touching(table, "new_rows", "INSERT", "NEW", decisive=table.decisive_rows)
        yield _touching(table, "gone_rows", "DELETE", "OLD", decisive=table.decisive_rows)
        yield _touching(table, "others", f"UPDATE OF {', '.join(others)}", "NEW")
        if table.decisive:
            yield _touching(table, "decisive", f"UPDATE OF {', '.join(table.decisive)}", "NEW", decisive=True)
    acts = CoveredTable(name=LAST_ACT, key=(), columns=())
    yield _touching(acts, "new_rows", "INSERT", "NEW", where="WHEN NEW.ref IS NOT NULL")
    yield _noting(LAST_ACT, "lines", "INSERT", _LINE, where="WHEN NEW.ref IS NULL")
    yield _noting("day_sums", "new", "INSERT", _SUM, where="WHEN NEW.mac IS NOT NULL")
    yield _noting("day_sums", "others", "UPDATE", _SUM, where="WHEN NEW.mac IS NOT NULL OR OLD.mac IS NOT NULL")
    yield _noting("day_sums", "gone", "DELETE", _SUM, where="WHEN OLD.mac IS NOT NULL")


def _touching(table: CoveredTable, name: str, event: str, row: str, *, decisive: bool = False, where: str = "") -> str:
    ref = f"(SELECT ref FROM attempts WHERE job_id = {row}.job_id)" if table.through_job else f"{row}.ref"
    where = where or (f"WHEN {row}.ref IS NOT NULL" if table.name == "posts" else "")
    return _noting(table.name, name, event, _DECISIVE if decisive else _TOUCHED, ref=ref, where=where)


def _noting(table: str, name: str, event: str, kind: int, *, ref: str = "''", where: str) -> str:
    return f"""
        CREATE TEMP TRIGGER {table}_{name} AFTER {event} ON main.{table} {where} BEGIN
            INSERT INTO notes (ref, kind) VALUES ({ref}, {kind});
        END
        """
