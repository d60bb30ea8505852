"""Examines a database without leaving a trace: nothing is created, written, migrated or locked.

For `kyc-bot check`, which also runs beside a bot at work. What to report is up to
`bot.runtime.doctor`. Here it is of a file; of a server `storage.engine.postgresql.inspect` does the same.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import sqlite_utils

from bot.domain.database_address import DatabaseAddress
from bot.domain.installation import Installation
from bot.domain.privacy.purge import Purge
from bot.errors import DatabaseFault
from storage import meta, purges
from storage.engine import erasure_lists, macs, owners, shape
from storage.engine.connection import create_private, is_damage, read_any_text, sql_of, unusable_as_fault
from storage.engine.erasure_lists import WAITING, CarriedList
from storage.engine.inspection import Inspection, OnDone, compare_records, untold
from storage.engine.migrations import applied_known, is_unfinished, migrate, migrations
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import Transaction

T = TypeVar("T")

_BUSY_SECONDS = 3.0
_BUSY_SECONDS_AT_START = 5.0
"""As the bot's own connections wait: a start has the time that somebody before a terminal has not."""
_TO_THE_END = timedelta(hours=1)
_SEARCHED_IN_TIME = 256 << 20
"""Bytes of a file that may be searched within a second. A larger one is not begun with: the search would be cut off,
and what an interrupted one has found is none."""

_LEFT = "SELECT COUNT(*) FROM slack_removals WHERE state = 'left'"

_WATCHED_SECONDS = 0.02
"""How often a search is asked whether it is late."""
_TOLD_SECONDS = 10.0
"""How often it is told that a search goes on."""


def examine(place: Path | DatabaseAddress, sealer: Sealer | None, *, patience: timedelta) -> Inspection:
    """Examine the file, or the place where it will be; `patience` bounds the sweep for damage.

    Without any, no row or page is gone through: for a command that wants to know what it has before it.
    Raises DatabaseFault, DatabaseNewer or WrongKey, worded as at a start of the bot.
    """
    if isinstance(place, DatabaseAddress):
        from storage.engine.postgresql import inspect as on_server  # noqa: PLC0415 - psycopg is an extra

        return on_server.examine(place, sealer, patience=patience)
    path = place.resolve()
    _require_place(path)
    if not path.exists():
        return Inspection(exists=False)
    idle = _is_idle(path)
    try:
        return _read(path, sealer, patience, idle=idle)
    except DatabaseFault:
        if not idle or _is_idle(path):
            raise
    # A bot began to write while the file was taken for one at rest: what was seen may be half of something.
    return _read(path, sealer, patience, idle=False)


def examine_backup(
    path: Path, sealer: Sealer, *, on_progress: OnDone = untold, on_search: OnDone = untold
) -> Inspection:
    """Examine the whole of a file that may lie anywhere, a backup: every page, index, reference, and the key.

    `on_progress` hears how many checks are compared, and of how many; `on_search` the same of parts of the search for
    damage: at the beginning of each and, from another thread, every now and then until its end.
    Raises DatabaseFault, also when it is not ours; DatabaseNewer; WrongKey.
    """
    path = path.resolve()
    if not path.is_file():
        raise DatabaseFault("there is no such file")
    idle = _is_idle(path)
    seen = _read(path, sealer, _TO_THE_END, idle=idle, thorough=True, on_progress=on_progress, on_search=on_search)
    if not seen.proven:
        raise DatabaseFault("the file is not a database of kyc-bot")
    return seen


def installation_in(place: Path | DatabaseAddress) -> Installation | None:
    """The workspace that a database belongs to; None where it knows none or cannot be read (see `examine`)."""
    return _asked(place, meta.read_installation)


def last_purge_in(place: Path | DatabaseAddress) -> Purge | None:
    """The report of the last purge; None where there was none, or the database cannot be read (see `examine`)."""
    return _asked(place, purges.read_last)


def left_in_slack(place: Path | DatabaseAddress) -> int:
    """How many messages and files of erased checks Slack refused to erase; 0 also where nobody can tell."""
    rows = _asked(place, lambda connection: connection.fetch(_LEFT))
    return int(rows[0][0]) if rows else 0


def erasures_wait_in(place: Path | DatabaseAddress) -> bool:
    """Whether there are erasures of another database to be carried out again."""
    found = _asked(place, lambda connection: connection.fetch("SELECT 1 FROM meta WHERE name = ?", (WAITING,)))
    return bool(found)


def erased_in(place: Path | DatabaseAddress, sealer: Sealer) -> list[CarriedList]:
    """All erasures of a database that is only looked at. Raises DatabaseFault where nobody can tell."""
    if not examine(place, sealer, patience=timedelta(0)).exists:
        raise DatabaseFault(f"the database {place} does not exist")
    found = _asked(place, lambda connection: erasure_lists.of(connection, sealer))
    if found is None:
        raise DatabaseFault(f"the erasures of {place} cannot be read")
    return found


def _asked(place: Path | DatabaseAddress, read: Callable[[SqlConnection], T]) -> T | None:
    """None also of a database from before there was what is asked for."""
    if isinstance(place, DatabaseAddress):
        try:
            from storage.engine.postgresql import inspect as on_server  # noqa: PLC0415 - psycopg is an extra
        except DatabaseFault:
            return None
        return on_server.ask(place, read)
    path = place.resolve()
    if not path.is_file():
        return None
    try:
        with closing(_connect(path, idle=_is_idle(path))) as connection:
            return read(sql_of(connection))
    except (sqlite3.Error, ValueError):
        return None


def require_whole(path: Path, *, patience: timedelta, most_bytes: int = _SEARCHED_IN_TIME) -> bool:
    """Refuse a damaged database before a bot works on it; what else is wrong with it is found at opening.

    False if patience ended first, or would: `Sweep` goes through all of it then. Where that has found damage, this
    looks to the end. Raises DatabaseFault with the way out. For the holder of the lock.
    """
    path = path.resolve()
    if not path.is_file():
        return True
    mark, is_whole = _mark_of_damage(path), False
    with (
        _damage_told(path),
        closing(_connect(path, idle=_is_idle(path), busy_seconds=_BUSY_SECONDS_AT_START)) as connection,
    ):
        if mark.exists():
            is_whole = _sweep(connection, _TO_THE_END)
        elif path.stat().st_size <= most_bytes:
            is_whole = _sweep(connection, patience)
        else:
            connection.execute("SELECT 1 FROM sqlite_schema").close()  # whether it is a database at all
        if is_whole:  # another file lies there now
            mark.unlink(missing_ok=True)
    return is_whole


class Sweep:
    """Searches a large database for damage beside the bot that works on it. Only reads."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._connection: sqlite3.Connection | None = None
        self._is_stopped = False

    def run(self) -> bool:
        """Table by table, each on a snapshot of its own; false if it did not come to the end.

        Raises DatabaseFault for damage, and leaves a mark beside the file: the next start looks to the end first.
        """
        is_whole = False
        try:
            with _damage_told(self._path), closing(_connect(self._path, idle=False)) as connection:
                self._connection = connection
                is_whole = self._look(connection)
        except DatabaseFault:
            create_private(_mark_of_damage(self._path))
            raise
        return is_whole

    def stop(self) -> None:
        """From another thread: end soon. Between two tables it may be missed: call it until the search has ended."""
        self._is_stopped = True
        if self._connection is not None:
            with suppress(sqlite3.ProgrammingError):  # closed by now: the search has ended by itself
                self._connection.interrupt()

    def _look(self, connection: sqlite3.Connection) -> bool:
        tables = "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main'"
        for (name,) in connection.execute(tables).fetchall():
            fault = None if self._is_stopped else _fault(connection, f"quick_check({_quoted(name)})")
            if self._is_stopped:
                return False  # what an interrupted search has found is none
            if fault:
                raise DatabaseFault(fault)
        return True


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Says of damage alone what is to be done; of everything else the opening speaks."""
    try:
        yield
    except (DatabaseFault, sqlite3.Error) as error:
        if isinstance(error, DatabaseFault) or is_damage(error):
            raise DatabaseFault(
                f"the database {path} is damaged, so the bot does not start; `kyc-bot restore FILE` puts a backup in "
                "its place and keeps the damaged file beside it"
            ) from error


def _mark_of_damage(path: Path) -> Path:
    return _beside(path, "-damaged")


def _require_place(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise DatabaseFault(f"the folder {folder} does not exist")
    # SQLite keeps its log and its lock beside the file.
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DatabaseFault(f"the folder {folder} cannot be written to by this user{owners.whose(folder)}")
    if path.exists() and not path.is_file():
        raise DatabaseFault(f"{path} is not a file")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise DatabaseFault(f"{path} cannot be read and written by this user{owners.whose(path)}")


def _read(
    path: Path,
    sealer: Sealer | None,
    patience: timedelta,
    *,
    idle: bool,
    thorough: bool = False,
    on_progress: OnDone = untold,
    on_search: OnDone = untold,
) -> Inspection:
    with unusable_as_fault(), closing(_connect(path, idle=idle)) as connection:
        db = sqlite_utils.Database(connection, execute_plugins=False)
        applied = applied_known(db)
        pending = tuple(migration.name for migration in migrations.pending(db))
        if not applied and set(db.table_names()) - {migrations.migrations_table}:
            raise DatabaseFault("the file is the database of another program")
        if applied and not pending:
            shape.require(connection, migrate)
        unfinished = bool(applied) and is_unfinished(sql_of(connection))
        proven = bool(applied) and sealer is not None and _key_opens(db, sealer)
        # An older version's are of another text.
        is_ready = proven and not pending and not unfinished and patience > timedelta(0)
        altered, older = 0, False
        if sealer is not None and is_ready and macs.exists(sql_of(connection)):
            altered, older = _compared(connection, sealer, patience, on_progress)
        return Inspection(
            exists=True,
            pending=pending,
            unfinished=unfinished,
            proven=proven,
            swept=_sweep(connection, patience, thorough=thorough, on_search=on_search),
            altered=altered,
            older=older,
            open_to_others=tuple(_open_to_others(path)),
        )


def _is_idle(path: Path) -> bool:
    return not _beside(path, "-wal").exists()


def _connect(path: Path, *, idle: bool, busy_seconds: float = _BUSY_SECONDS) -> sqlite3.Connection:
    # Even with mode=ro SQLite creates -wal and -shm beside a file at rest, and leaves them there. A file without a
    # log is whole in itself, so it may be called immutable, and then nothing is created.
    mode = "immutable=1" if idle else "mode=ro"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=busy_seconds, isolation_level=None)
    read_any_text(connection)
    return connection


def _key_opens(db: sqlite_utils.Database, sealer: Sealer) -> bool:
    """Raises WrongKey. Without a proof there is nothing to open: the next start stores one."""
    db.conn.execute("BEGIN")
    try:
        transaction = Transaction(sql_of(db.conn), sealer, None)
        if transaction.row("SELECT name FROM meta WHERE name = 'key_proof'") is None:
            return False
        meta.check_key(transaction)
        return True
    finally:
        db.conn.execute("ROLLBACK")


def _sweep(
    connection: sqlite3.Connection, patience: timedelta, *, thorough: bool = False, on_search: OnDone = untold
) -> bool:
    """Raises DatabaseFault for damage; false if the end was not reached in time.

    `on_search` hears of each part at its beginning, and from another thread, every now and then, that it goes on.
    """
    told_at, is_late = time.monotonic(), False
    until = told_at + patience.total_seconds()
    searches = ("integrity_check", "foreign_key_check") if thorough else ("quick_check",)
    done = 0

    def watch() -> None:
        nonlocal told_at, is_late
        now = time.monotonic()
        if now >= until:
            is_late = True
            connection.interrupt()  # before a statement has begun it is missed: the next one is not
        if now - told_at >= _TOLD_SECONDS:
            told_at = now
            on_search(done, len(searches))

    if patience <= timedelta(0):
        return False  # the whole search could be over before it is interrupted
    fault = None
    try:
        # A progress handler would not be asked: SQLite looks at all pages within one step.
        with _again_and_again(watch):
            for done, search in enumerate(searches):
                on_search(done, len(searches))
                fault = fault or _fault(connection, search)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    if is_late:
        return False  # what an interrupted search has found is none
    if fault:
        raise DatabaseFault(fault)
    return True


@contextmanager
def _again_and_again(watch: Callable[[], None]) -> Iterator[None]:
    """Call from another thread until the end."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(_WATCHED_SECONDS):
            watch()

    thread = threading.Thread(target=go_on, name="search-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _fault(connection: sqlite3.Connection, check: str) -> str | None:
    rows = connection.execute(f"PRAGMA {check}")
    is_damaged = any(row[0] != "ok" for row in rows)
    return f"the database's file is damaged ({check.partition('(')[0]})" if is_damaged else None


def _quoted(name: str) -> str:
    return "'{}'".format(name.replace("'", "''"))


def _compared(
    connection: sqlite3.Connection, sealer: Sealer, patience: timedelta, on_progress: OnDone
) -> tuple[int, bool]:
    connection.execute("BEGIN")
    try:
        return compare_records(sql_of(connection), sealer, patience=patience, on_progress=on_progress)
    finally:
        connection.execute("ROLLBACK")


def _open_to_others(path: Path) -> list[Path]:
    files = [path, *(_beside(path, ending) for ending in ("-wal", "-shm"))]
    return [file for file in files if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}{ending}")
