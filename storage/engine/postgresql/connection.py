"""One connection to PostgreSQL: what storage asks of it (`SqlConnection`), in as few round trips as can be.

Each statement is prepared at its first use and sent by its name from then on. What nobody waits for, a savepoint, a row
more of many, is sent along with the next statement, by libpq's pipeline mode: on a connection to another machine the
way there and back costs more than the statement. For that, and because a check sends hundreds of statements, this
speaks to psycopg's layer over libpq (`psycopg.pq`) and not through its cursors, which took 1.6 times the processor's
time.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any

import psycopg
from psycopg import abc
from psycopg.adapt import Transformer
from psycopg.errors import Diagnostic
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from storage.engine.postgresql.faults import ConnectionLost, PlansOutdated, fault_of, lost
from storage.engine.postgresql.stop import Stop
from storage.engine.postgresql.translation import translated
from storage.engine.postgresql.values import Row, encoded, load_as_sqlite_does, row_class
from storage.engine.sql import Dialect, Parameters
from storage.engine.sql import Row as SqlRow

SAVEPOINT = "storage_function"
"""The savepoint that holds one storage function; functions may have others, with other names."""
PATIENCE = 45.0
"""Seconds for an answer: longer than the server takes to give a statement up itself (`statement_timeout`)."""

_MOST_PREPARED = 1_000
"""Statements that a connection keeps prepared, each once for every mixture of types that it was given."""
_MOST_AWAITED = 500
"""Most statements whose answers are awaited together."""
_LOOK_MS = 500
"""After so many milliseconds a wait looks whether the database is being closed."""
_BINARY = Format.BINARY
_FINE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_READ_ONLY, _WARNING = "25006", "01000"

Connect = Callable[[], "psycopg.Connection[Any]"]
"""Opens a connection and sets it up. Raises DatabaseFault."""


@dataclass(slots=True, eq=False)
class _Prepared:
    """A statement that the server knows by a name, for parameters of these types."""

    key: tuple[str, tuple[int, ...]]
    name: bytes
    loader: abc.Transformer | None = None
    """Knows the types of its columns, from its first rows on."""
    row: type[Row] = Row


@dataclass(slots=True, eq=False)
class _Answer:
    """What will come back for one thing that was sent."""

    prepared: _Prepared | None = None
    is_preparation: bool = False
    is_sync: bool = False
    is_own: bool = False
    """It begins or ends something: it neither fails nor touches a row."""
    is_dropped: bool = False
    """Whatever it says is of no interest: what it was sent for is taken back."""
    result: PGresult | None = None


class PostgresqlConnection:
    """Belongs to one thread at a time. It outlives what it is connected by: once that is lost, `reconnect`."""

    dialect = Dialect.POSTGRESQL

    def __init__(
        self,
        connect: Connect,
        stop: Stop,
        *,
        reads_only: bool = False,
        patience: float = PATIENCE,
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        """It is out of date as soon as `epoch` says another number. Raises DatabaseFault if it cannot be opened."""
        self._connect = connect
        self._stop = stop
        self._reads_only = reads_only
        self._patience = patience
        self._epoch = epoch
        self._names = count()
        self._watching = False
        self.on_notice: Callable[[str, str], None] | None = None
        """Hears SQLSTATE and text of what the server says beside an answer, in their order."""
        self.round_trips = 0
        """Ways to the server and back that this connection has waited for."""
        self.statements = 0
        self._connection: psycopg.Connection[Any] | None = None
        self.reconnect()

    def reconnect(self) -> None:
        """Take a new connection in place of the one before. Raises DatabaseFault."""
        self.close()
        self._connected_in = self._epoch()
        connection = self._connect()
        load_as_sqlite_does(connection)
        self._connection = connection
        self._pg: PGconn = connection.pgconn
        # Not by psycopg's own handlers, which make an object of each: a check has dozens of them.
        self._pg.notice_handler = self._hear
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._pg.socket, select.POLLIN)
        self._writable.register(self._pg.socket, select.POLLIN | select.POLLOUT)
        self._prepared: dict[tuple[str, tuple[int, ...]], _Prepared] = {}
        self._is_outdated = False
        self._awaited: deque[_Answer] = deque()
        self._current: _Answer | None = None
        self._in_transaction = self._is_begun = self._is_doubtful = False

    @property
    def is_lost(self) -> bool:
        """It was connected, and is not any more."""
        return self._connection is None

    @property
    def is_out_of_date(self) -> bool:
        """The server that it is connected to may have been replaced by another."""
        return self._connected_in != self._epoch()

    @property
    def in_transaction(self) -> bool:
        return self._in_transaction

    @property
    def backend(self) -> int:
        """The number of the server's process behind it, by which its notifications can be told from others'.

        0 while it is lost or closed, which another thread may see.
        """
        try:
            return self._pg.backend_pid
        except psycopg.OperationalError:
            return 0

    @property
    def server(self) -> tuple[bytes, bytes]:
        """Which of several it is connected to."""
        return self._pg.hostaddr or self._pg.host, self._pg.port

    def fetch(self, sql: str, parameters: Parameters = (), /) -> list[tuple[Any, ...]]:
        """All rows of one statement, as plain tuples."""
        answer = self._send(sql, parameters)
        self.settle()
        return self._tuples(answer)

    def fetch_rows(self, sql: str, parameters: Parameters = (), /) -> list[SqlRow]:
        """All rows of one statement."""
        answer = self._send(sql, parameters)
        self.settle()
        return self._named(answer)

    def fetch_later(self, sql: str, parameters: Parameters = (), /) -> Callable[[], list[tuple[Any, ...]]]:
        """Send a statement along with the next one; its rows, as they were at its own place in the order."""
        answer = self._send(sql, parameters)

        def rows() -> list[tuple[Any, ...]]:
            if answer.result is None:
                self.settle()
            return self._tuples(answer)

        return rows

    def run(self, sql: str, parameters: Parameters = (), /) -> int:
        """Run one statement whose rows, if it gives any, nobody wants; how many it touched."""
        answer = self._send(sql, parameters)
        self.settle()
        return (answer.result.command_tuples if answer.result else None) or 0

    def run_later(self, sql: str, parameters: Parameters = (), /) -> None:
        """Run one statement that gives no rows along with the next one, which tells its failure."""
        self._send(sql, parameters)
        if len(self._awaited) >= _MOST_AWAITED:
            self.settle()

    def run_for_each(self, sql: str, parameters: Iterable[Parameters], /) -> None:
        """The same for each of these."""
        for one in parameters:
            self.run_later(sql, one)

    def execute(self, statement: str) -> None:
        """Run one statement that is PostgreSQL's own and takes no parameters: nothing in it is translated."""
        self._send_as_it_is(statement)
        self.settle()

    def begin(self, how: str = "") -> None:
        """Begin a transaction, with the next statement."""
        self.roll_back()
        self._send_own(f"BEGIN {how}")
        self._in_transaction = self._is_begun = True

    def begin_snapshot(self) -> None:
        """The same, for reading alone: all statements see what was committed before the first."""
        self.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> bool:
        """Returns only if it is stored; False if it was kept from waiting until a standby has it, too.

        Raises ConnectionLost if nobody knows.
        """
        self._is_doubtful = False
        answer = self._send_own("COMMIT")
        self.settle()
        # Of a transaction in which something had failed COMMIT rolls back, and says so in its answer alone.
        if answer.result is None or answer.result.command_status != b"COMMIT":
            raise RuntimeError("a statement of the transaction had failed, and nobody had said so")
        self._in_transaction = self._is_begun = False
        return not self._is_doubtful

    def roll_back(self) -> None:
        """Take back what there is to be taken back; harmless without a transaction. Nothing waits for the answer."""
        self._in_transaction = False
        if self._is_begun:
            self._drop_awaited()
            self._send_own("ROLLBACK")
            self._is_begun = False
            self._sync()

    def savepoint(self) -> None:
        """With the next statement, as the next two."""
        self._send_own(f"SAVEPOINT {SAVEPOINT}")

    def release_savepoint(self) -> None:
        # What the function sent without waiting may have failed: that is its own failure, not the next one's.
        self.settle_statements()
        self._send_own(f"RELEASE {SAVEPOINT}")

    def return_to_savepoint(self) -> None:
        """Take back all that was written since the savepoint, and give it up."""
        self._drop_awaited()
        self._send_own(f"ROLLBACK TO {SAVEPOINT}")
        self._send_own(f"RELEASE {SAVEPOINT}")

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Around each storage function: it may not begin or end the transaction that it runs in."""
        self._watching = True
        try:
            yield
        finally:
            self._watching = False

    def settle(self) -> None:
        """Wait for the answers to all that was sent. Raises what the first failure among them means."""
        if self._awaited:
            self._sync()
            self._receive()

    def settle_statements(self) -> None:
        """The same, but for what the connection itself has sent: that travels on with the next statement."""
        if not all(answer.is_own for answer in self._awaited):
            self.settle()

    def notifications(self, seconds: float, *, woken: int) -> list[tuple[int, str]]:
        """What `LISTEN` hears within so many seconds: the server's process that it comes of, and what it says.

        Or sooner, as soon as the file descriptor `woken` is to be read.
        """
        self._require_connection()
        either = select.poll()
        for each in (self._pg.socket, woken):
            either.register(each, select.POLLIN)
        try:
            if either.poll(seconds * 1000):
                self._pg.consume_input()
            heard = list(iter(self._pg.notifies, None))
        except psycopg.Error:
            raise self._lose(lost()) from None
        return [(one.be_pid, one.extra.decode()) for one in heard]

    def close(self) -> None:
        """A repeat is harmless."""
        self._in_transaction = self._is_begun = False
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    # What is sent

    def _send(self, sql: str, parameters: Parameters) -> _Answer:
        statement = translated(sql)
        if statement.is_of_transaction and self._watching:
            raise RuntimeError("a storage function may not begin or end the transaction it runs in")
        types, values = encoded(statement.arguments(parameters))
        return self._send_prepared(statement.text, types, values)

    def _send_own(self, statement: str) -> _Answer:
        return self._send_prepared(statement, (), [], is_own=True)

    def _send_prepared(
        self, text: str, types: tuple[int, ...], values: Sequence[bytes | None], *, is_own: bool = False
    ) -> _Answer:
        self._require_connection()
        self.statements += 1
        try:
            if (self._is_outdated or len(self._prepared) >= _MOST_PREPARED) and not self._is_begun:
                self._forget_prepared()
            prepared = self._prepared.get((text, types)) or self._prepare(text, types)
            self._pg.send_query_prepared(prepared.name, values, [_BINARY] * len(values), _BINARY)
        except psycopg.Error:
            raise self._lose(lost()) from None
        return self._await(_Answer(prepared, is_own=is_own))

    def _forget_prepared(self) -> None:
        self._pg.send_query_params(b"DEALLOCATE ALL", None)
        self._await(_Answer())
        self._prepared, self._is_outdated = {}, False
        self._sync()  # a BEGIN that says how must be the first statement since

    def _prepare(self, text: str, types: tuple[int, ...]) -> _Prepared:
        prepared = _Prepared((text, types), b"s%d" % next(self._names))
        self._pg.send_prepare(prepared.name, text.encode(), types)
        self._await(_Answer(prepared, is_preparation=True, is_own=True))
        self._prepared[prepared.key] = prepared
        return prepared

    def _send_as_it_is(self, statement: str) -> None:
        self._require_connection()
        self.statements += 1
        try:
            self._pg.send_query_params(statement.encode(), None)
        except psycopg.Error:
            raise self._lose(lost()) from None
        self._await(_Answer())

    def _await(self, answer: _Answer) -> _Answer:
        self._awaited.append(answer)
        return answer

    def _drop_awaited(self) -> None:
        """Nobody is interested any more in what was sent; should it fail, what is sent next runs all the same."""
        if self._awaited:
            for answer in self._awaited:
                answer.is_dropped = True
            self._sync()

    def _require_connection(self) -> None:
        if self._connection is None:
            raise lost()

    # What comes back

    def _sync(self) -> None:
        """Send what libpq holds, and have the server answer all of it, even after a failure."""
        self._require_connection()
        self._deadline = monotonic() + self._patience
        try:
            self._pg.pipeline_sync()
            self._await(_Answer(is_sync=True, is_own=True))
            while self._pg.flush():
                self._wait_for(self._writable)
                self._pg.consume_input()
        except psycopg.Error:
            raise self._lose(lost()) from None

    def _receive(self) -> None:
        self.round_trips += 1
        failure: Exception | None = None
        try:
            while self._awaited:
                self._current = self._awaited.popleft()
                told = self._take(self._current)
                failure = failure or told
        except psycopg.Error:
            raise self._lose(lost()) from None
        finally:
            self._current = None
        if failure is not None:
            raise failure

    def _take(self, answer: _Answer) -> Exception | None:
        """Wait for one answer; the failure that it tells, if it does, and is of interest."""
        result = self._next()
        if result is None:
            raise self._lose(lost("the server's answers do not fit what it was asked"))
        status = result.status
        if status == ExecStatus.PIPELINE_SYNC:
            return None
        if status in _FINE:
            self._pg.get_result()  # None, behind each answer, without waiting
            answer.result = result
            return None
        failure = self._failure(result) if status != ExecStatus.PIPELINE_ABORTED else None
        self._pg.get_result()
        if answer.is_preparation and answer.prepared:
            self._prepared.pop(answer.prepared.key, None)
        return None if answer.is_dropped else failure

    def _failure(self, result: PGresult) -> Exception:
        diagnostic = Diagnostic(result)
        if self._reads_only and diagnostic.sqlstate == _READ_ONLY:
            return RuntimeError("only a function given to write() may change the database")
        failure = fault_of(diagnostic)
        if isinstance(failure, ConnectionLost):
            raise self._lose(failure)
        if isinstance(failure, PlansOutdated):
            # No function is to blame, and none may go on: the transaction has ended for whoever asks.
            self._is_outdated, self._in_transaction = True, False
        return failure

    def _next(self) -> PGresult | None:
        pg = self._pg
        while pg.is_busy():
            self._wait_for(self._readable)
            pg.consume_input()
        return pg.get_result()

    def _wait_for(self, poll: select.poll) -> None:
        while not poll.poll(_LOOK_MS):
            if self._stop.is_over:
                raise self._lose(lost("it is being closed, and the server does not answer"))
            if monotonic() > self._deadline or self.is_out_of_date:
                raise self._lose(lost("the server does not answer"))

    def _hear(self, notice: PGresult) -> None:
        if self._current is not None and self._current.is_dropped:
            return
        code = (notice.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        # A COMMIT warns of nothing else: *canceling wait for synchronous replication*.
        self._is_doubtful = self._is_doubtful or code == _WARNING
        if self.on_notice:
            self.on_notice(code, (notice.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode())

    def _lose(self, fault: ConnectionLost) -> ConnectionLost:
        self._awaited.clear()
        self.close()
        return fault

    def _tuples(self, answer: _Answer) -> list[tuple[Any, ...]]:
        loader, result = self._loaded(answer)
        return loader.load_rows(0, result.ntuples, tuple)

    def _named(self, answer: _Answer) -> list[Any]:
        loader, result = self._loaded(answer)
        return loader.load_rows(0, result.ntuples, answer.prepared.row if answer.prepared else Row)

    def _loaded(self, answer: _Answer) -> tuple[abc.Transformer, PGresult]:
        result, prepared = answer.result, answer.prepared
        if result is None or prepared is None:
            raise RuntimeError("what was asked has no answer: it was taken back")
        if prepared.loader is None:
            loader: abc.Transformer = Transformer(self._connection)
            loader.set_pgresult(result, format=_BINARY)
            prepared.loader = loader
            names = [result.fname(number) or b"" for number in range(result.nfields)]
            prepared.row = row_class(tuple(name.decode() for name in names))
        # Looked up once for all: a statement whose columns have changed is no longer taken by its name.
        prepared.loader.set_pgresult(result, set_loaders=False)
        return prepared.loader, result
