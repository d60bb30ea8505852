"""What is erased must not stay in the file: SQLite leaves copies of rows in pages that it has rearranged.

`secure_delete` overwrites a row where it lies, and pages that become free. But when pages are balanced, rows move, and
the gap within a page keeps what was there before, until the whole file is written anew. So whatever erases notes in
`meta` that there may be traces, in its own commit, and they are cleared afterwards: a kill in between leaves the note.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from bot.domain.privacy.erasures import Traces
from bot.errors import DatabaseFault
from storage.engine.lock import DatabaseLock

NOTE = "traces"
"""The name in `meta`."""
AT_ONCE_BYTES = 64 * 1024 * 1024
"""Largest file that is written anew beside a bot at work: meanwhile nothing else is stored, for about a second."""


def clear(path: Path, *, at_once_bytes: int = AT_ONCE_BYTES, patience_seconds: float = 5) -> Traces:
    """Write the file anew where something was erased from it since, and empty its log. Takes the writer's turn."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=patience_seconds)) as connection:
            if not _write_anew(connection, path, at_once_bytes):
                return Traces.FILE
            busy, _pages, _taken = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return Traces.FILE
    return Traces.LOG if busy else Traces.NONE


def _write_anew(connection: sqlite3.Connection, path: Path, at_once_bytes: int) -> bool:
    """Whether no traces are noted any more."""
    for _try in range(3):
        before = _noted(connection)
        if before is None:
            return True
        if not _vacuum(connection, path, at_once_bytes):
            return False
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have erased something between the two: its traces are in the new file.
        if _noted(connection) == before:
            connection.execute("DELETE FROM meta WHERE name = ?", [NOTE])
        connection.execute("COMMIT")
    return _noted(connection) is None


def _vacuum(connection: sqlite3.Connection, path: Path, at_once_bytes: int) -> bool:
    (pages,), (size,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    if pages * size <= at_once_bytes:
        connection.execute("VACUUM")
        return True
    with suppress(DatabaseFault), DatabaseLock(path):  # no bot works on it, and none starts meanwhile
        connection.execute("VACUUM")
        return True
    return False


def _noted(connection: sqlite3.Connection) -> str | None:
    with closing(connection.execute("SELECT value FROM meta WHERE name = ?", [NOTE])) as found:
        row = found.fetchone()
    return row[0] if row else None
