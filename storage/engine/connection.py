"""SQLite's connections: how one is set up, what storage functions may not do on it, and how SQLite's errors read.

The rules that hold for the writer and the readers alike; what runs on them is `storage.engine.group`'s part.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from operator import methodcaller
from pathlib import Path
from typing import Any
from weakref import WeakSet

import sqlite_utils

from bot.errors import ConstraintFailed, DatabaseFault, DatabaseUnusable
from storage.engine import owners
from storage.engine.sql import Dialect, Later, Parameters, Row, SpoiltValue, SqlConnection

SAVEPOINT = "storage_function"
"""The savepoint that holds one storage function; functions may have others, with other names."""

_SETTINGS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "temp_store = MEMORY",
    "secure_delete = ON",  # what retention deletes must not stay behind in free pages
    "trusted_schema = OFF",
    # A long read lets the log grow; emptied, it gives back what is above this.
    f"journal_size_limit = {64 << 20}",
    # As many rows of an index are read for the planner's figures: hundredths of a second, however long it is.
    "analysis_limit = 400",
)

_UNUSABLE = {
    sqlite3.SQLITE_PERM: "SQLite may not open it",
    sqlite3.SQLITE_BUSY: "another program holds its lock",
    sqlite3.SQLITE_LOCKED: "it is locked",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_READONLY: "it cannot be written to",
    sqlite3.SQLITE_IOERR: "reading or writing its file failed",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work on this file system",
    sqlite3.SQLITE_NOLFS: "its file is too large for this system",
    sqlite3.SQLITE_NOTADB: "its file is not an SQLite database",
}
"""Primary result codes that speak of the disk, the file or its lock, not of one statement."""


_BLOB_FOR_TEXT = "JSON cannot hold BLOB values"
"""What SQLite says of a blob where the schema (STRICT) lets only a text be: its bytes in the file were changed."""


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read; SQLite gives -wal and -shm the same mode, and as root owner.

    A file that exists is left alone, and not even opened: closing a second descriptor would drop the locks
    that SQLite holds on it in this process.
    """
    owner = owners.wanted(path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise DatabaseFault(f"{path} cannot be read and written by this user{owners.whose(path)}") from None
        return
    except OSError as error:
        raise DatabaseFault(f"the database cannot be created: {owners.explained(error, path)}") from error
    try:
        owners.give(descriptor, path, owner)
    except DatabaseFault:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def connect(path: Path, *, busy_timeout: timedelta, any_thread: bool = False) -> sqlite_utils.Database:
    """Open `path` with the settings that all our connections share; transactions are begun by hand."""
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout.total_seconds(),
        isolation_level=None,
        check_same_thread=not any_thread,
        cached_statements=512,
        factory=TrackedConnection,
    )
    read_any_text(connection)
    try:
        _write_ahead(connection)
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        return sqlite_utils.Database(connection, execute_plugins=False)
    except BaseException:
        connection.close()
        raise


def read_any_text(connection: sqlite3.Connection) -> None:
    """Read text that is not UTF-8, too: the bot writes none, and one such byte beside it must not stop every list.

    The MAC of the check does not fit it, as it does not fit any other change.
    """
    # No function of ours: it is called for every text of every row.
    connection.text_factory = methodcaller("decode", "utf-8", "replace")


def is_no_utf8(error: sqlite3.OperationalError) -> bool:
    """Whether a statement failed for a text that Python's own reading (`text_factory = str`) cannot take."""
    return str(error).startswith("Could not decode to UTF-8")


def _write_ahead(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise DatabaseFault("the database's file system does not support SQLite's write-ahead log")


@contextmanager
def temporary_files_beside(connection: sqlite3.Connection) -> Iterator[None]:
    """For the upgrade of a large database: what SQLite would hold in memory goes into files beside the database.

    The system's own folder for them is often small, or memory again. SQLite takes the name away from such a file as
    soon as it is open, so that a kill leaves nothing.
    """
    (_number, _name, file) = connection.execute("PRAGMA database_list").fetchone()
    (before,) = connection.execute("PRAGMA temp_store").fetchone()
    folder = str(Path(file).parent).replace("'", "''") if file else ""
    connection.execute("PRAGMA temp_store = FILE")
    # One for the whole process, and deprecated for that (sqlite.org/pragma.html, 2026-11). Nobody else has opened the
    # database yet, and an SQLite that does not know it uses the system's folder.
    connection.execute(f"PRAGMA temp_store_directory = '{folder}'")
    try:
        yield
    finally:
        connection.execute("PRAGMA temp_store_directory = ''")
        connection.execute(f"PRAGMA temp_store = {before}")


class _Statements:
    """SQLite's `SqlConnection`: no statement outlives the call that made it, whatever happens."""

    dialect = Dialect.SQLITE

    def take_cursor(self) -> sqlite3.Cursor:
        """For one statement: whoever takes it closes it, or gives it back once all rows are read."""
        raise NotImplementedError

    def give_back(self, cursor: sqlite3.Cursor) -> None:
        """It has no statement under way."""
        raise NotImplementedError

    def fetch(self, sql: str, parameters: Parameters = (), /) -> list[tuple[Any, ...]]:
        """All rows of one statement, as plain tuples. Raises SpoiltValue."""
        # No context managers here, and in the next ones: one costs as much as a short statement.
        cursor = self.take_cursor()
        cursor.row_factory = None
        try:
            rows = cursor.execute(sql, parameters).fetchall()
        except BaseException as error:
            cursor.close()
            if isinstance(error, sqlite3.OperationalError) and str(error) == _BLOB_FOR_TEXT:
                raise SpoiltValue from error
            if isinstance(error, sqlite3.IntegrityError):
                raise _refused(error) from error
            raise
        self.give_back(cursor)
        return rows

    def fetch_later(self, sql: str, parameters: Parameters = (), /) -> Later[list[tuple[Any, ...]]]:
        """All rows of one statement. There is no way that could be saved."""
        rows = self.fetch(sql, parameters)
        return lambda: rows

    def fetch_rows(self, sql: str, parameters: Parameters = (), /) -> list[Row]:
        """All rows of one statement."""
        cursor = self.take_cursor()
        cursor.row_factory = sqlite3.Row
        try:
            rows = cursor.execute(sql, parameters).fetchall()
        except BaseException as error:
            cursor.close()
            if isinstance(error, sqlite3.IntegrityError):
                raise _refused(error) from error
            raise
        self.give_back(cursor)
        return rows

    def run(self, sql: str, parameters: Parameters = (), /) -> int:
        """Run one statement whose rows, if it gives any, nobody wants; how many it touched."""
        cursor = self.take_cursor()
        try:
            touched = cursor.execute(sql, parameters).rowcount
        except BaseException as error:
            cursor.close()
            if isinstance(error, sqlite3.IntegrityError):
                raise _refused(error) from error
            raise
        if cursor.description is None:
            self.give_back(cursor)
        else:
            cursor.close()  # with the rows that nobody wants
        return touched

    def run_later(self, sql: str, parameters: Parameters = (), /) -> None:
        """Run one statement that gives no rows; at once."""
        self.run(sql, parameters)

    def run_for_each(self, sql: str, parameters: Iterable[Parameters], /) -> None:
        """Run one statement that gives no rows, for each of these."""
        cursor = self.take_cursor()
        try:
            cursor.executemany(sql, parameters)
        except sqlite3.IntegrityError as error:
            raise _refused(error) from error
        finally:
            cursor.close()


class TrackedConnection(_Statements, sqlite3.Connection):
    """Knows its living cursors, so that none outlives the function that made it.

    One kept in a traceback would do harm: an unread RETURNING blocks every later commit of the writer, an
    unread SELECT holds a reader at its old snapshot.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        self._kept: sqlite3.Cursor | None = None
        """Without a statement under way, for the next one: a new one each time would be a third of what most cost."""

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        cursor = super().cursor(*args, **kwargs)
        self._cursors.add(cursor)
        return cursor

    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)  # the inherited one makes its cursor behind our back

    def untracked_cursor(self) -> sqlite3.Cursor:
        """For whoever has read all of it, or closes it, before the function ends."""
        return sqlite3.Connection.cursor(self)

    def take_cursor(self) -> sqlite3.Cursor:
        taken, self._kept = self._kept, None
        return taken or self.untracked_cursor()

    def give_back(self, cursor: sqlite3.Cursor) -> None:
        self._kept = cursor

    def close(self) -> None:
        # It holds its last statement, and with that the file would stay open.
        self._kept = None
        super().close()

    def close_cursors(self) -> None:
        if self._cursors:  # seldom any: to go through an empty set is what a whole statement costs
            for cursor in list(self._cursors):
                cursor.close()


class _Plain(_Statements):
    """A connection that is none of the house's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def take_cursor(self) -> sqlite3.Cursor:
        return self._connection.cursor()

    def give_back(self, cursor: sqlite3.Cursor) -> None:
        cursor.close()


def sql_of(connection: sqlite3.Connection) -> SqlConnection:
    """For what both engines share; the same connection where it is one of the house's own."""
    return connection if isinstance(connection, TrackedConnection) else _Plain(connection)


def _refused(error: sqlite3.IntegrityError) -> ConstraintFailed:
    return ConstraintFailed(error.sqlite_errorname)


class StatementGuard:
    """Around each storage function: closes its cursors, denies it to begin or end its transaction.

    SQLite asks the authorizer when a statement is prepared, and not again for a cached one: the writer's own
    statements must differ in their text from any that a function might send.
    """

    def __init__(self, connection: TrackedConnection) -> None:
        self._connection = connection
        self._watching = False
        self._denied = False
        connection.set_authorizer(self._authorize)

    @contextmanager
    def watch(self) -> Iterator[None]:
        self._watching, self._denied = True, False
        try:
            yield
        finally:
            self._watching = False
            self._connection.close_cursors()
            if self._denied:
                raise RuntimeError("a storage function may not begin or end the transaction it runs in")

    def _authorize(self, action: int, _: str | None, name: str | None, *_place: str | None) -> int:
        ours = action == sqlite3.SQLITE_SAVEPOINT and (name or "").lower() == SAVEPOINT
        if self._watching and (ours or action == sqlite3.SQLITE_TRANSACTION):
            self._denied = True
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def unusable_as_fault() -> Iterator[None]:
    """SQLite's errors that mean an unusable database become DatabaseUnusable; all others pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        if _trouble(error) is None:
            raise
        raise DatabaseUnusable(f"the database cannot be used: {explain(error)}") from error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite found the file itself to be broken."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: BaseException) -> str:
    """What went wrong in words for the operator: never a statement or a value."""
    if isinstance(error, DatabaseFault | ConstraintFailed):
        return str(error)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    trouble = _trouble(error)
    return f"{trouble} ({name})" if trouble else name


def _trouble(error: BaseException) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)
    return _UNUSABLE.get(code & 0xFF) if isinstance(code, int) else None
