"""Storage functions on a connection: one alone on a reader's snapshot, or a group in one commit.

What both engines do. What each says for it to its database is in its own `Writer` (`storage.engine.sqlite`).

Each function of a group has a savepoint, so that one that fails spoils no other. What fails all: a commit that
fails (disk, or a *deferred* foreign key), and an error that ends the whole transaction inside a function.

A function that takes many at once is called once for all that wait for it, in one savepoint. If it fails, it is called
for each of them alone; if it ends the whole transaction, the group is begun once more with each of them alone.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

from bot.errors import DatabaseUnusable, LeaseLost
from storage.engine.membership import Membership
from storage.engine.record_versions import RecordVersions
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import LogEvent, Transaction
from storage.engine.writer_macs import Alterations, SnapshotMacs, WriterMacs

T = TypeVar("T")
Call = Callable[[Transaction], object]
CallOfMany = Callable[[Transaction, Sequence[Any]], Sequence[object]]
"""Gives what came of each, in their order."""

MOST_TOGETHER = 64
"""So many are given to one call: then others have their turn, or the commit its end."""
SHARE_OF_OTHERS = 1 / 3
"""Of a group's patience, where somebody waits for it: so long, what nobody waits for may still join."""


@dataclass(slots=True, eq=False)
class WriteJob:
    """One function that waits for the writer, and the future of the caller that waits for it."""

    call: Call
    answered: asyncio.Future[Any]
    is_behind: bool = False
    """Nobody waits for it: others go first."""
    begun_by: str | None = None
    """The instance on whose leases it rests, if it does."""
    many: CallOfMany | None = None
    """Does what `call` does for several at once, each by its `item`."""
    item: object = None
    result: object = None
    error: BaseException | None = None
    """What the caller gets instead."""


@dataclass(slots=True)
class CommitGroup:
    """Functions that are committed together, and what came of them."""

    jobs: list[WriteJob]
    patience: float
    """No function is begun so many seconds after the first was: whoever comes meanwhile waits for all of them."""
    is_waited_for: Callable[[], bool] = bool
    """Whether somebody waits for the next group. Asked on the writer's thread."""
    left: list[WriteJob] = field(default_factory=list)
    """The last of its functions, which have not run for want of time, and are of the next group."""
    topics: list[str] = field(default_factory=list)
    told: list[LogEvent] = field(default_factory=list)
    """To be logged once they are stored."""
    is_apart: bool = False
    """No function does it for several: one that did has ended the transaction, and nobody knows for which of them."""
    committed: bool = False
    seconds: float = 0.0

    def start_over(self) -> None:
        """As if none of its functions had run."""
        self.jobs, self.left = [*self.jobs, *self.left], []
        self.topics, self.told = [], []
        for job in self.jobs:
            job.result = job.error = None


@dataclass(slots=True, eq=False)
class Records:
    """What a process knows of the records in its database, for all its connections."""

    versions: RecordVersions = field(default_factory=RecordVersions)
    found: Alterations = field(default_factory=Alterations)

    def learn(self, connection: SqlConnection, sealer: Sealer, *, go_on: Callable[[], bool] = lambda: True) -> None:
        """Read which versions one snapshot has, that of the caller, and find out whether some record is older."""
        if self.versions.learn(connection, sealer, go_on=go_on) is False:
            self.found.is_older = True

    def of_snapshot(self, connection: SqlConnection, sealer: Sealer) -> SnapshotMacs:
        """For a snapshot that has yet to begin."""
        return SnapshotMacs(connection, sealer, versions=self.versions, found=self.found)


class Writer(ABC):
    """Commits groups of functions on the writer's connection. Stays with one thread at a time."""

    def __init__(
        self, connection: SqlConnection, sealer: Sealer, identity: Membership, *, macs: WriterMacs | None = None
    ) -> None:
        """Without `macs` before there are any."""
        self.connection = connection
        self._sealer = sealer
        self._identity = identity
        self._macs = macs

    @abstractmethod
    def _begin(self, group: CommitGroup) -> None:
        """Begin the group's transaction, whatever was left of an earlier one."""

    @abstractmethod
    def _end(self, group: CommitGroup) -> None:
        """Commit. Raises if it is not stored; returns only if it is known to be."""

    @abstractmethod
    def _abandon(self) -> None:
        """Roll back what there is to roll back. Raises nothing."""

    @abstractmethod
    def _savepoint(self) -> None:
        """Before each function."""

    @abstractmethod
    def _release_savepoint(self) -> None:
        """After each function that was right."""

    @abstractmethod
    def _return_to_savepoint(self) -> None:
        """After each one that failed: take back all that it wrote, and give up the savepoint."""

    @abstractmethod
    def _guarded(self) -> AbstractContextManager[None]:
        """Around each function: it may not begin or end the transaction, and leaves nothing open."""

    @abstractmethod
    def _faults_told(self) -> AbstractContextManager[None]:
        """The engine's errors that mean an unusable database become DatabaseUnusable."""

    @abstractmethod
    def _explain(self, error: BaseException) -> str:
        """What went wrong in words for the operator: never a statement or a value."""

    def _prove(self) -> bool:
        """That nobody has ended this process: once a group's transaction has begun, and part of it."""
        return self._identity.prove(self.connection)

    def commit(self, group: CommitGroup) -> CommitGroup:
        """Run the group's functions and commit them together. Raises nothing: errors are in the jobs."""
        started = time.perf_counter()
        try:
            self._store_or_tell_apart(group)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            self._give_up(group, error)
        group.seconds = time.perf_counter() - started
        return group

    def _store_or_tell_apart(self, group: CommitGroup) -> None:
        """Begin the group once more if a call of many has ended the transaction: then it is known whose fault it is."""
        try:
            self._store(group)
        except TransactionEnded as ended:
            if ended.culprit in group.jobs:
                raise
        else:
            return
        self._abandon()
        group.start_over()
        group.is_apart = True
        self._store(group)

    def _store(self, group: CommitGroup) -> None:
        since = self._identity.since_boot()
        self._begin(group)
        if self._identity.joined and not self._prove():
            self._identity.begin_anew(self.connection)
        if self._macs:
            self._macs.begin_group()
        self._run_all(group)
        if self._macs:
            self._macs.make()
        self._end(group)
        group.committed = True
        self._identity.proven(since)
        if self._macs:
            self._macs.committed()

    def _run_all(self, group: CommitGroup) -> None:
        began = time.perf_counter()
        calls = [[job] for job in group.jobs] if group.is_apart else in_calls(group.jobs)
        # From there on, nobody waits for any of them.
        rest = 1 + max((number for number, jobs in enumerate(calls) if not _are_behind(jobs)), default=-1)
        share = group.patience * SHARE_OF_OTHERS if rest else group.patience
        for number, jobs in enumerate(calls):
            seconds = time.perf_counter() - began
            is_of_rest = number >= rest and (seconds > share or group.is_waited_for())
            if number and (is_of_rest or seconds > group.patience):
                group.jobs, group.left = (list(chain.from_iterable(some)) for some in (calls[:number], calls[number:]))
                break
            if len(jobs) == 1 or not self._write_together(jobs, group):
                for job in jobs:
                    self._write(job, group)

    def _write_together(self, jobs: Sequence[WriteJob], group: CommitGroup) -> bool:
        """Run them as one call. False if it failed: nothing of it is written, and whose fault it was is not known."""
        first, items, results = jobs[0], [job.item for job in jobs], list[object]()

        def call(transaction: Transaction) -> None:
            assert first.many is not None
            results.extend(first.many(transaction, items))
            if len(results) != len(items):
                raise RuntimeError("a storage function of many must say of each what came of it")

        whole = WriteJob(call, first.answered, first.is_behind, first.begun_by)
        self._write(whole, group)
        if whole.error is not None:
            return False
        for job, result in zip(jobs, results, strict=True):
            job.result = result
        return True

    def _write(self, job: WriteJob, group: CommitGroup) -> None:
        if job.begun_by not in (None, self._identity.instance):
            job.error = LeaseLost(job.begun_by)
            return
        woken: list[str] = []
        told: list[LogEvent] = []
        self._savepoint()
        try:
            with self._faults_told():
                job.result = self._run(job.call, woken, told)
                if self._macs and self.connection.in_transaction:
                    self._macs.require_intact()
        except BaseException as error:
            if not self.connection.in_transaction:
                raise TransactionEnded(job) from error
            self._return_to_savepoint()
            if self._macs:
                self._macs.taken_back()
            job.error = error
            return
        if not self.connection.in_transaction:
            raise TransactionEnded(job)
        self._release_savepoint()
        group.topics.extend(woken)
        group.told.extend(told)

    def _run(self, call: Call, woken: list[str], told: list[LogEvent]) -> object:
        transaction = Transaction(
            self.connection, self._sealer, woken, told, macs=self._macs, instance=self._identity.instance
        )
        with self._guarded():
            return run(call, transaction)

    def _give_up(self, group: CommitGroup, error: BaseException) -> None:
        """Nothing of the group is stored: a fresh error for each caller, but its own for the culprit's."""
        group.topics, group.told = [], []
        for job in group.jobs:
            job.error = self._nothing_stored(error)
        if isinstance(error, TransactionEnded) and error.__cause__ is not None:
            error.culprit.error = error.__cause__
        self._abandon()

    def _nothing_stored(self, error: BaseException) -> DatabaseUnusable:
        words, cause = self._explain(error), error
        if isinstance(error, TransactionEnded):
            words = "another function, committed together with this one, ended the transaction"
            if error.__cause__:
                words, cause = f"{words}: {self._explain(error.__cause__)}", error.__cause__
        fault = DatabaseUnusable(f"nothing was stored: {words}")
        fault.__cause__ = cause
        return fault


def _are_behind(jobs: Sequence[WriteJob]) -> bool:
    return all(job.is_behind for job in jobs)


def in_calls(jobs: Sequence[WriteJob]) -> list[list[WriteJob]]:
    """What is run by one call each, in their order: those that go together stand where the first of them stood."""
    calls: list[list[WriteJob]] = []
    begun: dict[object, list[WriteJob]] = {}
    for job in jobs:
        like_it = (job.many, job.begun_by)
        if job.many is not None and len(begun.get(like_it, ())) in range(1, MOST_TOGETHER):
            begun[like_it].append(job)
        else:
            begun[like_it] = [job]
            calls.append(begun[like_it])
    return calls


class TransactionEnded(Exception):
    """The writer's transaction ended inside a function, and with it went what the group had written."""

    def __init__(self, culprit: WriteJob) -> None:
        super().__init__()
        self.culprit = culprit


def run(call: Callable[[Transaction], T], transaction: Transaction) -> T:
    """What a function gives, which must be plain values."""
    try:
        result = call(transaction)
    except StopIteration as error:  # no future can carry it: its caller would wait for ever
        raise RuntimeError("a storage function raised StopIteration") from error
    if isinstance(result, Coroutine):
        result.close()
    if isinstance(result, Iterator | Awaitable):
        raise TypeError(f"a storage function must return plain values, not a {type(result).__name__}")
    return result
