"""PostgreSQL behind a `Database`: one writer, its witness, readers and a listener on one server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.domain.database_address import DatabaseAddress
from bot.domain.privacy.erasures import Traces
from bot.errors import DatabaseFault
from storage.engine import macs, record_versions, traces
from storage.engine.group import Records, run
from storage.engine.membership import Membership
from storage.engine.postgresql import schema, shape
from storage.engine.postgresql.commits import PostgresqlWriter
from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.faults import ConnectionLost, PlansOutdated
from storage.engine.postgresql.listener import Heard, Listener
from storage.engine.postgresql.plain import told
from storage.engine.postgresql.server import LONG_READER, READER, UPKEEP, WITNESS, WRITER, Role, Server
from storage.engine.postgresql.stop import Stop
from storage.engine.sealing import Sealer
from storage.engine.shape import Migrate
from storage.engine.transaction import Transaction
from storage.engine.writer_macs import WriterMacs

T = TypeVar("T")


class PostgresqlReader:
    """A connection that only reads. Stays with one thread at a time."""

    def __init__(
        self,
        connection: PostgresqlConnection,
        sealer: Sealer,
        identity: Membership,
        *,
        records: Records | None = None,
    ) -> None:
        self._connection = connection
        self._sealer = sealer
        self._identity = identity
        self._records = records

    def read(self, call: Callable[[Transaction], T], /) -> T:
        """Run one function on a snapshot of its own; RuntimeError if it tries to write.

        Once more if the connection is lost meanwhile: it reads and answers, and nothing has come of it.
        """
        try:
            return self._read(call)
        except (ConnectionLost, PlansOutdated):
            return self._read(call)

    def _read(self, call: Callable[[Transaction], T]) -> T:
        connection = self._connection
        if connection.is_lost or connection.is_out_of_date:
            connection.reconnect()
        snapshot_macs = self._records.of_snapshot(connection, self._sealer) if self._records else None
        connection.begin_snapshot()
        try:
            transaction = Transaction(
                connection, self._sealer, None, macs=snapshot_macs, instance=self._identity.instance
            )
            with connection.watch():
                return run(call, transaction)
        finally:
            with suppress(DatabaseFault):  # what was read counts, whatever has become of the connection since
                connection.roll_back()


@dataclass(slots=True, kw_only=True, eq=False)
class PostgresqlConnections:
    """All connections of one database."""

    address: DatabaseAddress
    sealer: Sealer
    identity: Membership
    learn_at_once: int
    records: Records = field(init=False, default_factory=Records)
    clears_aside: bool = field(init=False, default=True)
    writer: PostgresqlWriter = field(init=False)
    readers: list[PostgresqlReader] = field(init=False, default_factory=list)
    long_readers: list[PostgresqlReader] = field(init=False, default_factory=list)
    has_much_to_learn: bool = field(init=False, default=False)
    _stop: Stop = field(init=False, default_factory=Stop)
    _server: Server = field(init=False)
    _listener: Listener | None = field(init=False, default=None)
    _opened: list[PostgresqlConnection] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._server = Server(self.address, self._stop)

    def open(self, migrate: Migrate, *, as_it_is: bool, readers: int) -> None:
        """Bring the database up to date, and open all connections."""
        self._prepare(migrate, as_it_is=as_it_is)
        self._require_shape(migrate)
        connection, witness = self._connect(WRITER), self._connect(WITNESS)
        self.writer = PostgresqlWriter(
            connection,
            witness,
            self.sealer,
            self.identity,
            server=self._server,
            stop=self._stop,
            require_shape=lambda: self._require_shape(migrate),
        )
        if has_macs := macs.exists(witness):
            self.writer.use(self._writer_macs(connection, witness))
        records = self.records if has_macs else None
        self.readers, self.long_readers = (
            [self._reader(role, records) for _ in range(readers)] for role in (READER, LONG_READER)
        )
        self._listener = Listener(self._server, self._stop, lambda process: process == connection.backend)

    def _prepare(self, migrate: Migrate, *, as_it_is: bool) -> None:
        connection = self._server.connect(UPKEEP)
        try:
            if not as_it_is:
                schema.migrate(connection, migrate, self.sealer)
            with told():
                if not schema.exists(connection, "groups"):
                    raise DatabaseFault("the bot has never been started with this database")
                connection.execute("DELETE FROM groups WHERE at < clock_timestamp() - INTERVAL '30 days'")
        finally:
            connection.close()

    def _require_shape(self, migrate: Migrate) -> None:
        """Raises DatabaseFault if somebody else has changed how the database works."""
        connection = self._server.connect(UPKEEP)
        try:
            shape.require(connection, migrate, self.sealer)
        finally:
            connection.close()

    def _writer_macs(self, connection: PostgresqlConnection, witness: PostgresqlConnection) -> WriterMacs:
        found = WriterMacs(
            connection,
            witness,
            self.sealer,
            versions=self.records.versions,
            found=self.records.found,
            notes=self.writer.notes,
            others_write=True,
        )
        # Of one snapshot each: other instances write meanwhile.
        connection.begin_snapshot()
        found.begin()
        self.has_much_to_learn = not record_versions.are_at_most(connection, self.learn_at_once)
        connection.roll_back()
        if not self.has_much_to_learn:
            witness.begin_snapshot()
            self.records.learn(witness, self.sealer)
            witness.roll_back()
        return found

    def _reader(self, role: Role, records: Records | None) -> PostgresqlReader:
        connection = self._connect(role, reads_only=True, epoch=lambda: self._server.epoch)
        return PostgresqlReader(connection, self.sealer, self.identity, records=records)

    def _connect(self, role: Role, **options: Any) -> PostgresqlConnection:
        connection = PostgresqlConnection(
            lambda: self._server.connect(role), self._stop, patience=role.patience, **options
        )
        self._opened.append(connection)
        return connection

    def listen(self, heard: Heard) -> None:
        """Have `heard` called on a thread of its own."""
        if self._listener:
            self._listener.start(heard)

    def clear_traces(self) -> Traces:
        """Have the server forget rows that nobody can see any more, where some were erased since the last time."""
        try:
            connection = PostgresqlConnection(
                lambda: self._server.connect(UPKEEP), self._stop, patience=UPKEEP.patience
            )
        except DatabaseFault:
            return Traces.FILE
        try:
            noted = connection.fetch("SELECT value FROM meta WHERE name = ?", (traces.NOTE,))
            if noted:
                connection.execute("VACUUM")
                # What another instance has erased meanwhile is for the next time.
                connection.run("DELETE FROM meta WHERE name = ? AND value = ?", (traces.NOTE, noted[0][0]))
        except DatabaseFault:
            return Traces.FILE
        finally:
            connection.close()
        return Traces.NONE

    def stop(self) -> None:
        """From now on nobody waits long for a server that is away."""
        self._stop.ask()

    def close(self) -> None:
        """Also after an `open` that has failed."""
        self._stop.ask()
        for connection in self._opened:
            connection.close()
        if self._listener:
            self._listener.join()
            self._listener = None
