"""Storage functions on a connection: one alone on a reader's snapshot, or a group in one commit.

Each function of a group has a savepoint, so that one that fails spoils no other. What fails all: a commit that
fails (disk, or a *deferred* foreign key), and an error that ends the whole transaction inside a function.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlite_utils

from bot.errors import DatabaseUnusable
from storage.engine.connection import (
    SAVEPOINT,
    StatementGuard,
    TrackedConnection,
    executed,
    explain,
    is_no_utf8,
    read_any_text,
    unusable_as_fault,
)
from storage.engine.record_versions import RecordVersions
from storage.engine.sealing import Sealer
from storage.engine.shape import ShapeGuard
from storage.engine.transaction import LogEvent, Transaction
from storage.engine.writer_macs import Alterations, SnapshotMacs, WriterMacs

T = TypeVar("T")
Call = Callable[[Transaction], object]


@dataclass(slots=True, eq=False)
class WriteJob:
    """One function that waits for the writer, and the future of the caller that waits for it."""

    call: Call
    answered: asyncio.Future[Any]
    is_behind: bool = False
    """Nobody waits for it: others go first."""
    result: object = None
    error: BaseException | None = None
    """What the caller gets instead."""


@dataclass(slots=True)
class CommitGroup:
    """Functions that are committed together, and what came of them."""

    jobs: list[WriteJob]
    patience: float
    """No function is begun so many seconds after the first was: whoever comes meanwhile waits for all of them."""
    left: list[WriteJob] = field(default_factory=list)
    """The last of its functions, which have not run for want of time, and are of the next group."""
    topics: list[str] = field(default_factory=list)
    told: list[LogEvent] = field(default_factory=list)
    """To be logged once they are stored."""
    committed: bool = False
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Records:
    """What a process knows of the records in its database, for all its connections."""

    versions: RecordVersions = field(default_factory=RecordVersions)
    found: Alterations = field(default_factory=Alterations)

    def learn(
        self, connection: sqlite3.Connection, sealer: Sealer, *, go_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Read which versions one snapshot has, that of the caller, and find out whether some record is older."""
        if self.versions.learn(connection, sealer, go_on=go_on) is False:
            self.found.is_older = True

    def of_snapshot(self, connection: sqlite3.Connection, sealer: Sealer) -> SnapshotMacs:
        """For a snapshot that has yet to begin."""
        return SnapshotMacs(connection, sealer, versions=self.versions, found=self.found)


class Connection:
    """One connection of the house, with its guard. Stays with one thread at a time."""

    def __init__(
        self,
        db: sqlite_utils.Database,
        sealer: Sealer,
        *,
        records: Records | None = None,
        macs: WriterMacs | None = None,
        shape: ShapeGuard | None = None,
    ) -> None:
        """`macs` are the writer's; `records` what a reader compares with. None of them before there are any MACs."""
        assert isinstance(db.conn, TrackedConnection)
        self.db = db
        self._sealer = sealer
        self._records = records
        self._macs = macs
        self._shape = shape
        self._guard = StatementGuard(db.conn)

    def read(self, call: Callable[[Transaction], T]) -> T:
        """Run one function on a snapshot of its own; RuntimeError if it tries to write."""
        try:
            return self._read(call)
        except sqlite3.OperationalError as error:
            if not is_no_utf8(error):
                raise
        # Something beside the bot wrote it. From now on this connection reads whatever there is, the slower way.
        read_any_text(self.db.conn)
        return self._read(call)

    def _read(self, call: Callable[[Transaction], T]) -> T:
        self._roll_back()
        macs = self._records.of_snapshot(self.db.conn, self._sealer) if self._records else None
        executed(self.db.conn, "BEGIN /* reader */")
        try:
            if self._shape:
                self._shape.require()
            return self._run(call, Transaction(self.db, self._sealer, None, macs=macs))
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
                raise RuntimeError("only a function given to write() may change the database") from error
            raise
        finally:
            self._roll_back()

    def commit(self, group: CommitGroup) -> CommitGroup:
        """Run the group's functions and commit them together. Raises nothing: errors are in the jobs."""
        started = time.perf_counter()
        try:
            self._roll_back()
            executed(self.db.conn, "BEGIN IMMEDIATE /* writer */")
            if self._shape:
                self._shape.require()
            if self._macs:
                self._macs.begin_group()
            self._run_all(group)
            if self._macs:
                self._macs.make()
            executed(self.db.conn, "COMMIT /* writer */")
            group.committed = True
            if self._macs:
                self._macs.committed()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            self._give_up(group, error)
        group.seconds = time.perf_counter() - started
        return group

    def _run_all(self, group: CommitGroup) -> None:
        until = time.perf_counter() + group.patience
        for number, job in enumerate(group.jobs):
            if number and time.perf_counter() > until:
                group.jobs, group.left = group.jobs[:number], group.jobs[number:]
                break
            self._write(job, group)

    def _write(self, job: WriteJob, group: CommitGroup) -> None:
        woken: list[str] = []
        told: list[LogEvent] = []
        executed(self.db.conn, f"SAVEPOINT {SAVEPOINT} /* writer */")
        try:
            with unusable_as_fault():
                job.result = self._run(job.call, Transaction(self.db, self._sealer, woken, told, macs=self._macs))
                if self._macs and self.db.conn.in_transaction:
                    self._macs.require_intact()
        except BaseException as error:
            if not self.db.conn.in_transaction:
                raise _TransactionEnded(job) from error
            executed(self.db.conn, f"ROLLBACK TO {SAVEPOINT} /* writer */")
            executed(self.db.conn, f"RELEASE {SAVEPOINT} /* writer */")
            job.error = error
            return
        if not self.db.conn.in_transaction:
            raise _TransactionEnded(job)
        executed(self.db.conn, f"RELEASE {SAVEPOINT} /* writer */")
        group.topics.extend(woken)
        group.told.extend(told)

    def _give_up(self, group: CommitGroup, error: BaseException) -> None:
        """Nothing of the group is stored: a fresh error for each caller, but its own for the culprit's."""
        group.topics, group.told = [], []
        for job in group.jobs:
            job.error = _nothing_stored(error)
        if isinstance(error, _TransactionEnded) and error.__cause__ is not None:
            error.culprit.error = error.__cause__
        with suppress(sqlite3.Error):  # tried again before the next group, whose callers would hear of it
            self._roll_back()

    def _run(self, call: Callable[[Transaction], T], transaction: Transaction) -> T:
        with self._guard.watch():
            try:
                result = call(transaction)
            except StopIteration as error:  # no future can carry it: its caller would wait for ever
                raise RuntimeError("a storage function raised StopIteration") from error
        if isinstance(result, Coroutine):
            result.close()
        if isinstance(result, sqlite3.Cursor | Iterator | Awaitable):
            raise TypeError(f"a storage function must return plain values, not a {type(result).__name__}")
        return result

    def _roll_back(self) -> None:
        if self.db.conn.in_transaction:
            executed(self.db.conn, "ROLLBACK /* house */")


class _TransactionEnded(Exception):
    """The writer's transaction ended inside a function, and with it went what the group had written."""

    def __init__(self, culprit: WriteJob) -> None:
        super().__init__()
        self.culprit = culprit


def _nothing_stored(error: BaseException) -> DatabaseUnusable:
    words = explain(error)
    if isinstance(error, _TransactionEnded):
        words = "another function, committed together with this one, ended the transaction"
        if error.__cause__:
            words += f": {explain(error.__cause__)}"
    fault = DatabaseUnusable(f"nothing was stored: {words}")
    fault.__cause__ = error.__cause__ or error
    return fault
