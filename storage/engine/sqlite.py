"""SQLite behind a `Database`: one writer, its witness and readers on one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import sqlite_utils

from bot.domain.privacy.erasures import Traces
from storage.engine import macs, record_versions, traces
from storage.engine.connection import (
    SAVEPOINT,
    StatementGuard,
    TrackedConnection,
    connect,
    create_private,
    explain,
    is_no_utf8,
    read_any_text,
    unusable_as_fault,
)
from storage.engine.group import CommitGroup, Records, Writer, run
from storage.engine.membership import Membership
from storage.engine.sealing import Sealer
from storage.engine.shape import Migrate, ShapeGuard
from storage.engine.touched import TemporaryNotes
from storage.engine.transaction import Transaction
from storage.engine.writer_macs import WriterMacs

T = TypeVar("T")

_SAVE, _RELEASE = f"SAVEPOINT {SAVEPOINT} /* writer */", f"RELEASE {SAVEPOINT} /* writer */"


class SqliteWriter(Writer):
    """The writer of a file. SQLite lets one connection write at a time, of whichever process."""

    connection: TrackedConnection

    def __init__(
        self,
        connection: TrackedConnection,
        sealer: Sealer,
        identity: Membership,
        *,
        macs: WriterMacs | None = None,
        shape: ShapeGuard | None = None,
    ) -> None:
        super().__init__(connection, sealer, identity, macs=macs)
        self._shape = shape
        self._guard = StatementGuard(connection)

    # The comments make these texts differ from any that a function might send: see `StatementGuard`.

    def _begin(self, group: CommitGroup) -> None:
        _roll_back(self.connection)
        self.connection.run("BEGIN IMMEDIATE /* writer */")
        if self._shape:
            self._shape.require()

    def _end(self, group: CommitGroup) -> None:
        self.connection.run("COMMIT /* writer */")

    def _abandon(self) -> None:
        with suppress(sqlite3.Error):  # tried again before the next group, whose callers would hear of it
            _roll_back(self.connection)

    def _savepoint(self) -> None:
        self.connection.run(_SAVE)

    def _release_savepoint(self) -> None:
        self.connection.run(_RELEASE)

    def _return_to_savepoint(self) -> None:
        self.connection.run(f"ROLLBACK TO {SAVEPOINT} /* writer */")
        self._release_savepoint()

    def _guarded(self) -> AbstractContextManager[None]:
        return self._guard.watch()

    def _faults_told(self) -> AbstractContextManager[None]:
        return unusable_as_fault()

    def _explain(self, error: BaseException) -> str:
        return explain(error)


class SqliteReader:
    """A connection that only reads. Stays with one thread at a time."""

    def __init__(
        self,
        connection: TrackedConnection,
        sealer: Sealer,
        identity: Membership,
        *,
        records: Records | None = None,
        shape: ShapeGuard | None = None,
    ) -> None:
        """`records` is what it compares with; None before there are any MACs."""
        self._connection = connection
        self._sealer = sealer
        self._identity = identity
        self._records = records
        self._shape = shape
        self._guard = StatementGuard(connection)

    def read(self, call: Callable[[Transaction], T], /) -> T:
        """Run one function on a snapshot of its own; RuntimeError if it tries to write."""
        with unusable_as_fault():
            try:
                return self._read(call)
            except sqlite3.OperationalError as error:
                if not is_no_utf8(error):
                    raise
            # From now on it reads whatever is there. A function reads and answers, and may be asked once more.
            read_any_text(self._connection)
            return self._read(call)

    def _read(self, call: Callable[[Transaction], T]) -> T:
        _roll_back(self._connection)
        macs = self._records.of_snapshot(self._connection, self._sealer) if self._records else None
        self._connection.run("BEGIN /* reader */")
        try:
            if self._shape:
                self._shape.require()
            transaction = Transaction(self._connection, self._sealer, None, macs=macs, instance=self._identity.instance)
            with self._guard.watch():
                return run(call, transaction)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
                raise RuntimeError("only a function given to write() may change the database") from error
            raise
        finally:
            _roll_back(self._connection)


def _roll_back(connection: TrackedConnection) -> None:
    if connection.in_transaction:
        connection.run("ROLLBACK /* house */")


@dataclass(slots=True, kw_only=True, eq=False)
class SqliteConnections:
    """All connections of one file."""

    path: Path
    sealer: Sealer
    identity: Membership
    busy_timeout: timedelta
    learn_at_once: int
    records: Records = field(init=False, default_factory=Records)
    clears_aside: bool = field(init=False, default=False)
    writer: SqliteWriter = field(init=False)
    readers: list[SqliteReader] = field(init=False, default_factory=list)
    long_readers: list[SqliteReader] = field(init=False, default_factory=list)
    has_much_to_learn: bool = field(init=False, default=False)
    _opened: list[sqlite_utils.Database] = field(init=False, default_factory=list)

    def open(self, migrate: Migrate, *, as_it_is: bool, readers: int) -> None:
        """Create the file if there is none, bring it up to date, and open all connections."""
        create_private(self.path)
        with unusable_as_fault():
            db = self._connect()
            if not as_it_is:
                migrate(db, self.sealer)
            if db.conn.in_transaction:
                raise RuntimeError("the migrations left a transaction open")
            connection = _tracked(db)
            if not macs.exists(connection):
                self.writer = SqliteWriter(connection, self.sealer, self.identity)
                self.readers, self.long_readers = (
                    [SqliteReader(self._reader(), self.sealer, self.identity) for _ in range(readers)]
                    for _room in range(2)
                )
                return
            guard = ShapeGuard(connection, migrate)
            guard.require()
            self.writer = SqliteWriter(
                connection, self.sealer, self.identity, macs=self._writer_macs(connection), shape=guard
            )
            self.readers, self.long_readers = (
                [self._guarded_reader(migrate) for _ in range(readers)] for _room in range(2)
            )

    def _guarded_reader(self, migrate: Migrate) -> SqliteReader:
        connection = self._reader()
        guard = ShapeGuard(connection, migrate)
        return SqliteReader(connection, self.sealer, self.identity, records=self.records, shape=guard)

    def _reader(self) -> TrackedConnection:
        connection = _tracked(self._connect(any_thread=True))
        connection.text_factory = str  # twice as fast as `read_any_text`, to which a reader turns that finds other text
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _writer_macs(self, connection: TrackedConnection) -> WriterMacs:
        witness = _tracked(self._connect())
        witness.execute("PRAGMA query_only = ON")
        found = WriterMacs(
            connection,
            witness,
            self.sealer,
            notes=TemporaryNotes(connection),
            versions=self.records.versions,
            found=self.records.found,
        )
        found.begin()
        self.has_much_to_learn = not record_versions.are_at_most(connection, self.learn_at_once)
        if not self.has_much_to_learn:
            with _snapshot(witness):
                self.records.learn(witness, self.sealer)
        return found

    def listen(self, heard: Callable[[Collection[str] | None], None]) -> None:
        """One process uses a file: there is nobody to be heard."""

    def stop(self) -> None:
        """Nothing is waited for that may never come."""

    def clear_traces(self) -> Traces:
        """Write the file anew where something was erased from it, and empty its log."""
        return traces.clear(self.path)

    def close(self) -> None:
        """Take the log into the file."""
        while len(self._opened) > 1:
            self._opened.pop().close()
        for db in self._opened:
            with suppress(sqlite3.Error):  # what stays in the write-ahead log is as safe as in the file
                db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.close()

    def _connect(self, *, any_thread: bool = False) -> sqlite_utils.Database:
        db = connect(self.path, busy_timeout=self.busy_timeout, any_thread=any_thread)
        self._opened.append(db)
        return db


def _tracked(db: sqlite_utils.Database) -> TrackedConnection:
    assert isinstance(db.conn, TrackedConnection)
    return db.conn


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
