"""The database: one writer thread that commits waiting functions together, and readers beside it.

A storage function is a plain callable that takes a `Transaction` first and returns plain values. It must not
reach outside the database: no network, no waiting. What the functions say in SQL is the table modules' part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from bot.domain.database_address import DatabaseAddress
from bot.domain.privacy.erasures import Traces
from bot.errors import DatabaseBusy, DatabaseFault
from storage.engine import record_versions
from storage.engine.connections import Connections, Reader
from storage.engine.group import CallOfMany, CommitGroup, WriteJob
from storage.engine.lanes import Lanes, is_behind
from storage.engine.membership import Membership, begun_by, new_id
from storage.engine.sealing import Sealer
from storage.engine.shape import Migrate
from storage.engine.sqlite import SqliteConnections
from storage.engine.transaction import Transaction, any_moment, from_text, load, moment_or_none, params, to_text

__all__ = ["Database", "Transaction", "any_moment", "from_text", "load", "moment_or_none", "params", "to_text"]

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

log = structlog.get_logger(__name__)

GROUP_LIMIT = 256
"""Most functions in one commit: the first of them waits for the last."""
GROUP_SECONDS = 0.015
"""No function joins a commit whose first began so long ago: with the MACs and the disk it takes three times as long."""
GROUP_SECONDS_OF_SERVER = 0.05
"""The same where each statement is a way to another machine and back: else a commit would hold but one of them."""
REST_SECONDS = 0.01
"""So long the writer rests before a commit for which nobody waits. What becomes due meanwhile goes with it: a check
has a dozen such changes, and a commit costs the processor as much as a few of them."""

_BETWEEN_PAGES = 0.005
_UNTIL_NEXT_TRY = 60.0
"""Seconds, of what is read behind the start."""


class Database:
    """The bot's database. Belongs to the event loop it was opened on; call it from there only."""

    def __init__(
        self,
        connections: Connections,
        writer_thread: ThreadPoolExecutor,
        on_commit: Callable[[int, float], None] | None,
        on_busy: Callable[[], None] | None,
        group_seconds: float,
        rest_seconds: float,
    ) -> None:
        """Use `open`."""
        self._on_altered: Callable[[list[str]], None] | None = None
        self._on_begun_anew: Callable[[str], None] | None = None
        self._connections = connections
        self._writer_thread = writer_thread
        # Two rooms: a listener never waits for a thread that goes through a whole table.
        self._readers = _Readers(connections.readers, "database-reader")
        self._long_readers = _Readers(connections.long_readers, "database-long-reader")
        self._on_commit = on_commit
        self._on_busy = on_busy
        self._group_seconds = group_seconds
        self._rest_seconds = rest_seconds
        self._rested_at = 0.0  # in the loop's time
        self._resting: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self._waiting = Lanes()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing: asyncio.Task[None] | None = None
        self._ending = Event()
        self._learned: asyncio.Future[None] = self._loop.create_future()
        if connections.has_much_to_learn:
            self._learned = self._loop.run_in_executor(self._long_readers.threads, self._learn)
        else:
            self._learned.set_result(None)
        connections.listen(self._hear)

    @classmethod
    async def open(
        cls,
        place: Path | DatabaseAddress,
        *,
        sealer: Sealer,
        migrate: Migrate,
        as_it_is: bool = False,
        readers: int = 2,
        busy_timeout: timedelta = timedelta(seconds=5),
        on_commit: Callable[[int, float], None] | None = None,
        on_busy: Callable[[], None] | None = None,
        group_seconds: float | None = None,
        rest_seconds: float = REST_SECONDS,
        learn_at_once: int = record_versions.AT_ONCE,
        instance: str | None = None,
    ) -> Database:
        """Open or create the file, or connect to the server, and run `migrate` before anything else.

        So many `readers` serve what is quick, and as many what takes long.

        What is taken `as_it_is` must have been migrated before: a command beside a bot leaves that to the bot.

        Of more than `learn_at_once` checks the versions are read afterwards (`learned`).
        `on_commit` hears, on the event loop, of each commit: how many functions it held, and its seconds; `on_busy` of
        each function that is refused with DatabaseBusy. `instance` is the id of this process, made if it is not given.
        Raises DatabaseFault if the database cannot be used, and whatever `migrate` raises.
        """
        identity = Membership(instance or new_id())
        connections: Connections
        if isinstance(place, Path):
            connections = SqliteConnections(
                path=place,
                sealer=sealer,
                identity=identity,
                busy_timeout=busy_timeout,
                learn_at_once=learn_at_once,
            )
        else:
            from storage.engine.postgresql.connections import PostgresqlConnections  # noqa: PLC0415 - psycopg is an extra

            connections = PostgresqlConnections(
                address=place, sealer=sealer, identity=identity, learn_at_once=learn_at_once
            )
        thread = ThreadPoolExecutor(1, "database-writer")
        try:
            opening = partial(connections.open, migrate, as_it_is=as_it_is, readers=readers)
            await asyncio.get_running_loop().run_in_executor(thread, opening)
            if group_seconds is None:
                group_seconds = GROUP_SECONDS if isinstance(place, Path) else GROUP_SECONDS_OF_SERVER
            return cls(connections, thread, on_commit, on_busy, group_seconds, rest_seconds)
        except BaseException as error:
            thread.submit(connections.close)
            thread.shutdown(wait=isinstance(error, Exception))  # a cancelled caller waits for no migration
            raise

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` on the writer thread; its result or exception comes after the commit.

        Within `work_of` an instance that has ended it raises LeaseLost, and nothing is stored.
        A cancelled caller takes nothing back: the function runs, and is stored, all the same.
        Raises what `fn` raises (it alone is rolled back), and DatabaseFault if the database is closed, cannot be
        used, or the commit fails, DatabaseBusy if too many wait for it already: then nothing is stored.
        """
        return await self._enqueue(lambda transaction: fn(transaction, *args, **kwargs))

    async def write_together(self, fn: Callable[[Transaction, Sequence[Item]], Sequence[T]], item: Item, /) -> T:
        """What `fn` gives for `item`, together with whatever else waits for the same `fn`: one call does it for all.

        It must not matter to one who is with it. A call that fails is made again for each alone: what it raised then,
        each raises for itself. If it ended the transaction, whatever else was of the commit is run once more, too.
        Otherwise as `write`.
        """
        return await self._enqueue(lambda transaction: fn(transaction, [item])[0], many=fn, item=item)

    def write_later(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run `fn` with the next commit, and wait for nothing: for what must not delay an answer.

        It is stored before `close` ends; a kill within the next moment loses it. A failure is logged. Raises
        DatabaseFault if the database is closed, DatabaseBusy if too many wait for it already. Nobody need look at
        what is returned: its result or exception comes after the commit.
        """
        answered = self._enqueue(lambda transaction: fn(transaction, *args, **kwargs))
        answered.add_done_callback(_log_failure)
        return answered

    def _enqueue(
        self, call: Callable[[Transaction], T], *, many: CallOfMany | None = None, item: object = None
    ) -> asyncio.Future[T]:
        self._refuse_if_closed()
        answered: asyncio.Future[T] = self._loop.create_future()
        try:
            self._waiting.add(WriteJob(call, answered, is_behind(), begun_by(), many, item))
        except DatabaseBusy:
            if self._on_busy:
                self._on_busy()
            raise
        if self._idle.is_set():
            self._idle.clear()
            self._begin_soon()
        elif self._resting and self._waiting.is_waited_for:
            self._resting.cancel()
            self._begin_soon()
        return answered

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` on a snapshot that holds every write awaited before; it never waits for the writer.

        Nor does what somebody waits for wait for what runs `behind`, which has connections of its own.
        Raises what `fn` raises, RuntimeError if it tries to write, DatabaseFault as `write` does.
        """
        readers = self._long_readers if is_behind() else self._readers
        return await self._read_on(readers, lambda transaction: fn(transaction, *args, **kwargs))

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for figures and counts: what takes long beside a large file, though somebody waits for it."""
        return await self._read_on(self._long_readers, lambda transaction: fn(transaction, *args, **kwargs))

    async def _read_on(self, readers: _Readers, call: Callable[[Transaction], T]) -> T:
        self._refuse_if_closed()
        try:
            return await self._loop.run_in_executor(readers.threads, readers.read, call)
        finally:
            self._tell_altered()

    @property
    def membership(self) -> Membership:
        """This process among those that work on the database."""
        return self._connections.identity

    @property
    def instance(self) -> str:
        """The id of this process, which each transaction has; another one once it was ended by others."""
        return self._connections.identity.instance

    @instance.setter
    def instance(self, id_: str) -> None:
        self._connections.identity.instance = id_

    @property
    def altered(self) -> frozenset[str]:
        """Checks whose record proved not to be as the bot wrote it, since this process began."""
        return self._connections.records.found.known

    @property
    def is_older(self) -> bool:
        """Some record, nobody can say which, was put back to an older state, or taken away."""
        return self._connections.records.found.is_older

    @property
    def is_trail_broken(self) -> bool:
        """The audit trail did not end where the bot had left it."""
        return self._connections.records.found.is_cut

    async def learned(self) -> None:
        """Until the versions in the file are known, or the database is closed: `is_older` counts from then on."""
        await asyncio.shield(self._learned)

    def on_altered(self, callback: Callable[[list[str]], None]) -> None:
        """Call back on the event loop with checks whose record proves altered, each of them once."""
        self._on_altered = callback
        self._tell_altered()

    def on_begun_anew(self, callback: Callable[[str], None]) -> None:
        """Call back on the event loop with the id under which this process was ended by another."""
        self._on_begun_anew = callback

    def subscribe(self, topic: str, callback: Callable[[], None]) -> None:
        """Call back on the event loop, once after each commit that woke the topic."""
        self._subscribers.setdefault(topic, []).append(callback)

    async def clear_traces(self) -> Traces:
        """Leave no piece of what was erased in file and log; or where there may still be some: a later call may do it.

        A file of up to `traces.AT_ONCE_BYTES` is written anew for it, a larger one only where no bot works on it.
        """
        self._refuse_if_closed()
        threads = self._long_readers.threads if self._connections.clears_aside else self._writer_thread
        return await self._loop.run_in_executor(threads, self._connections.clear_traces)

    async def close(self) -> None:
        """Answer all that was asked before, checkpoint, and end the threads. A repeat is harmless."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    def _wake(self, topics: Collection[str]) -> None:
        for topic in dict.fromkeys(topics):
            for callback in self._subscribers.get(topic, ()):
                self._loop.call_soon(callback)

    def _hear(self, topics: Collection[str] | None) -> None:
        """Another instance's commit has woken these, or any; called on any thread, also after the loop's end."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._wake(self._subscribers if topics is None else topics))

    def _tell_altered(self) -> None:
        if self._on_altered and (news := self._connections.records.found.take_news()):
            self._loop.call_soon(self._on_altered, news)

    def _refuse_if_closed(self) -> None:
        if self._closing is not None:
            raise DatabaseFault("the database is closed")

    async def _close(self) -> None:
        self._connections.stop()
        await self._idle.wait()
        self._ending.set()
        for readers in (self._readers, self._long_readers):
            await asyncio.to_thread(readers.threads.shutdown)
        await self._loop.run_in_executor(self._writer_thread, self._connections.close)
        self._writer_thread.shutdown()

    def _learn(self) -> None:
        """Which versions a large file holds, behind the start, in steps that leave the machine to others."""
        records = self._connections.records

        def learn(transaction: Transaction) -> None:
            records.learn(
                transaction.connection, transaction.sealer, go_on=lambda: not self._ending.wait(_BETWEEN_PAGES)
            )

        while not self._ending.is_set():
            try:
                self._long_readers.read(learn)
                return
            except Exception:
                # Its disk may be back by then; nothing else would read them before the next start.
                log.exception("database.versions_not_read")
                self._ending.wait(_UNTIL_NEXT_TRY)

    def _begin_soon(self) -> None:
        """Begin a group; once the writer has rested, if nobody waits for what is in it."""
        self._resting = None
        if self._waiting.is_waited_for:
            # Not at once: whoever else writes in this turn of the loop joins the group.
            self._loop.call_soon(self._begin_group)
        else:
            self._resting = self._loop.call_at(self._rested_at, self._begin_group)

    def _begin_group(self) -> None:
        self._resting = None
        group = CommitGroup(
            self._waiting.take(GROUP_LIMIT), self._group_seconds, is_waited_for=lambda: self._waiting.is_waited_for
        )
        self._loop.run_in_executor(self._writer_thread, self._connections.writer.commit, group).add_done_callback(
            self._answer
        )

    def _answer(self, done: asyncio.Future[CommitGroup]) -> None:
        group = done.result()
        self._waiting.ran(group.jobs, left=group.left)
        for job in group.jobs:
            if job.answered.cancelled():
                continue  # its caller was; what it wrote is stored all the same
            if job.error is None:
                job.answered.set_result(job.result)
            else:
                job.answered.set_exception(job.error)
                job.answered.exception()  # counts as heard: a caller that is cancelled by now cannot hear it
        for former in self._connections.identity.take_former():
            if self._on_begun_anew:
                self._loop.call_soon(self._on_begun_anew, former)
        for event, facts in group.told:
            log.info(event, **facts)
        self._wake(group.topics)
        self._tell_altered()
        if self._on_commit and group.committed:
            self._loop.call_soon(self._on_commit, len(group.jobs), group.seconds)
        self._rested_at = self._loop.time() + self._rest_seconds
        if group.left:
            self._begin_group()  # more than one commit holds: nothing is gained by a rest
        elif self._waiting:
            self._begin_soon()
        else:
            self._idle.set()


def _log_failure(done: asyncio.Future[T]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("database.not_written", exc_info=error)


class _Readers:
    """Connections that read, and as many threads."""

    def __init__(self, connections: Sequence[Reader], name: str) -> None:
        self._free = list(connections)
        self.threads = ThreadPoolExecutor(len(self._free), name)

    def read(self, call: Callable[[Transaction], T]) -> T:
        reader = self._free.pop()  # as many connections as threads: one is always there
        try:
            return reader.read(call)
        finally:
            self._free.append(reader)
