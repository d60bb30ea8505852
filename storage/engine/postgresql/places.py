"""The two ends of a move: a file, or a database on a server. Each knows its mark, and keeps everybody else out."""

from __future__ import annotations

import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

from bot.domain.database_address import DatabaseAddress
from bot.errors import DatabaseFault, DatabaseInUse
from storage import instances
from storage.engine import inspect, migrations, moved
from storage.engine.connection import connect, create_private, sql_of, sync_folder, unusable_as_fault
from storage.engine.lock import DatabaseLock
from storage.engine.moved import Move, MoveState
from storage.engine.postgresql import inspect as server_inspect
from storage.engine.postgresql import schema
from storage.engine.postgresql.plain import PlainConnection, told
from storage.engine.postgresql.server import UPKEEP, Server
from storage.engine.postgresql.stop import Stop
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import Transaction

SILENT_SECONDS = 30.0
"""An instance that has stored nothing for so long has ended."""


class Place(ABC):
    """One of them, within a `with` block; what it raises by itself is a DatabaseFault."""

    name: str
    """As marks and people call it."""
    state: MoveState | None = None
    """None as long as there is no database."""
    move: Move | None = None
    """The last one, if there was any."""

    def __init__(self) -> None:
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._begin(self._resources)
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    @abstractmethod
    def _begin(self, resources: ExitStack) -> None:
        """Take the lock and read the mark."""

    @property
    @abstractmethod
    def sql(self) -> SqlConnection:
        """For what both engines share."""

    @abstractmethod
    def held(self) -> AbstractContextManager[None]:
        """One transaction beside which nobody writes."""

    @abstractmethod
    def require_whole(self, sealer: Sealer) -> None:
        """Raises DatabaseFault unless this version can read all of it, and nobody works on it."""

    def mark(self, state: MoveState, move: Move | None) -> None:
        """Within `held`."""
        self._mark(state, move)
        self.state, self.move = state, move

    @abstractmethod
    def _mark(self, state: MoveState, move: Move | None) -> None: ...


class FilePlace(Place):
    """A file of SQLite's, under the lock that a bot holds."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path.resolve()
        self.name = str(self.path)
        self._connection: sqlite3.Connection | None = None

    def _begin(self, resources: ExitStack) -> None:
        if not self.path.parent.is_dir():
            raise DatabaseFault(f"the folder {self.path.parent} does not exist")
        resources.enter_context(DatabaseLock(self.path))
        if self.path.exists():
            self.open()

    def open(self) -> None:
        """Once there is a file."""
        with unusable_as_fault():
            db = connect(self.path, busy_timeout=timedelta(seconds=5))
            self._connection = self._resources.enter_context(closing(db.conn))
            if not {"meta", migrations.migrations.migrations_table} <= set(db.table_names()):
                raise DatabaseFault(f"{self.path} is not a database of the bot")
            self.state, self.move = moved.of_file(self.connection)

    @property
    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise DatabaseFault(f"the database {self.path} does not exist")
        return self._connection

    @property
    def sql(self) -> SqlConnection:
        return sql_of(self.connection)

    @contextmanager
    def held(self) -> Iterator[None]:
        with unusable_as_fault():
            # Commands beside a bot need no lock of its own, but this one.
            self.connection.execute("BEGIN IMMEDIATE").close()
            try:
                yield
                self.connection.execute("COMMIT").close()
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK").close()

    def require_whole(self, sealer: Sealer) -> None:
        seen = inspect.examine(self.path, sealer, patience=timedelta(0))
        if not seen.exists:
            raise DatabaseFault(f"the database {self.path} does not exist")
        if seen.pending or seen.unfinished or not seen.proven:
            raise DatabaseFault(f"the database {self.path} is not up to date: start the bot once, then stop it")

    def _mark(self, state: MoveState, move: Move | None) -> None:
        moved.mark_file(self.connection, state, move)

    def remove(self) -> None:
        """What a move that was broken off has left."""
        assert self.state is MoveState.INCOMING
        self.connection.close()
        for ending in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        sync_folder(self.path.parent)
        self.state = self.move = self._connection = None

    @contextmanager
    def new(self) -> Iterator[sqlite3.Connection]:
        """An empty database, which takes its place under the name if the block ends well."""
        piece = self.path.with_name(f".{self.path.name}.moving")
        try:
            piece.unlink(missing_ok=True)
            create_private(piece)
            with unusable_as_fault(), closing(sqlite3.connect(piece, isolation_level=None)) as connection:
                for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
                    connection.execute(f"PRAGMA {setting}").close()
                yield connection
            with piece.open("rb") as file:
                os.fsync(file.fileno())
            # Unlike a rename it replaces nothing that somebody has put there meanwhile.
            self.path.hardlink_to(piece)
        except OSError as error:
            raise DatabaseFault(f"{self.path} cannot be written: {error.strerror}") from error
        finally:
            piece.unlink(missing_ok=True)
        sync_folder(self.path.parent)


class ServerPlace(Place):
    """A database on a server."""

    def __init__(self, address: DatabaseAddress, *, silent_seconds: float = SILENT_SECONDS) -> None:
        super().__init__()
        self.name = str(address)
        self._address = address
        self._silent_seconds = silent_seconds

    def _begin(self, resources: ExitStack) -> None:
        self.raw = resources.enter_context(closing(Server(self._address, Stop()).connect(UPKEEP)))
        with told():
            schema.require_server(self.raw)
            schema.prepare(self.raw)
            with schema.exclusively(self.raw) as (state, self.move):
                self.state = state if schema.exists(self.raw, "applied_migrations") else None

    @property
    def sql(self) -> SqlConnection:
        return PlainConnection(self.raw)

    @contextmanager
    def held(self) -> Iterator[None]:
        with told(), schema.exclusively(self.raw) as (state, move):
            if self.state is not None and (state, move) != (self.state, self.move):
                raise DatabaseInUse(f"{self.name} was changed meanwhile by somebody else: begin once more")
            yield

    def require_whole(self, sealer: Sealer) -> None:
        seen = server_inspect.examine(self._address, sealer, patience=timedelta(0))
        if not seen.exists:
            raise DatabaseFault(f"{self.name} holds no database of the bot")
        if seen.pending or not seen.proven:
            raise DatabaseFault(f"the database {self.name} is not up to date: start the bot once, then stop it")
        self.require_silence(sealer)

    def require_silence(self, sealer: Sealer) -> None:
        """Until no instance shows itself any more. Raises DatabaseInUse for one that does."""
        seen = self._seen(sealer)
        until = time.monotonic() + self._silent_seconds
        while seen and time.monotonic() < until:
            time.sleep(min(1.0, self._silent_seconds))
            if self._seen(sealer) != seen:
                raise DatabaseInUse(f"instances of the bot work on {self.name}: stop all of them first")

    def _seen(self, sealer: Sealer) -> dict[str, object]:
        with self.raw.transaction():
            living = instances.living(Transaction(self.sql, sealer, None))
        return {one.id: one.seen_at for one in living}

    def _mark(self, state: MoveState, move: Move | None) -> None:
        text = move.as_text() if move else None
        self.raw.execute("UPDATE writer SET state = %s, move = %s WHERE one = 1", [state.value, text])
