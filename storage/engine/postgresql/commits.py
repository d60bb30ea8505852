"""Commits of the site's instances, one at a time, and what became of one whose answer was lost.

Each group is a transaction that begins by locking the one row of table `writer`. That keeps what the storage functions
rely on since there was SQLite alone: no other instance writes between their statements, and who is none is noticed
(`AlteredMeanwhile`). It also tells, on another connection, that a transaction has ended whose own connection is gone:
whoever has the row then knows. What it stored it said by the number of the group in table `groups`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import structlog

from bot.errors import DatabaseFault, DatabaseUnusable
from storage.engine import restored
from storage.engine.group import CommitGroup, TransactionEnded, Writer
from storage.engine.membership import NOW, PROOF, Membership
from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.faults import ConnectionLost, PlansOutdated, lost
from storage.engine.postgresql.losses import WAITS, Losses
from storage.engine.postgresql.notes import PostgresqlNotes
from storage.engine.postgresql.server import Server
from storage.engine.postgresql.stop import Stop
from storage.engine.sealing import Sealer
from storage.engine.sql import Dialect, Later
from storage.engine.writer_macs import AlteredMeanwhile, WriterMacs

CHANNEL = "kyc_bot"
"""Of notifications: the topics that a commit wakes, one a line; nothing where they do not fit, which means all."""

SHAPE_SECONDS = 60.0
"""So often it is looked whether somebody has changed how the database works, which takes the server some hundredths of
a second."""
_MOST_BYTES = 7_000
"""A notification holds less than 8,000."""
_LOCK = f"SELECT {WAITS} FROM writer WHERE one = 1 AND state = 'serving' FOR UPDATE"
_LOCK_AS_IT_IS = "SELECT one FROM writer WHERE one = 1 FOR UPDATE"
_NUMBER = """
    INSERT INTO groups (instance, last_group) VALUES (?, ?)
    ON CONFLICT (instance) DO UPDATE SET last_group = excluded.last_group, at = excluded.at
    """
_LAST_NUMBER = "UPDATE groups SET at = clock_timestamp() WHERE instance = ? RETURNING last_group"
_PROOF = f"{PROOF.format(now=NOW[Dialect.POSTGRESQL]).replace(':instance', '?')} RETURNING 1"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two tries to ask what became of a commit."""

log = structlog.get_logger(__name__)


class FateUnknown(DatabaseUnusable):
    """Nobody was there to say whether a group is stored, until the database was closed."""


class PostgresqlWriter(Writer):
    """The writer of one instance, with its witness."""

    connection: PostgresqlConnection

    def __init__(
        self,
        connection: PostgresqlConnection,
        witness: PostgresqlConnection,
        sealer: Sealer,
        identity: Membership,
        *,
        server: Server,
        stop: Stop,
        require_shape: Callable[[], None],
        macs: WriterMacs | None = None,
    ) -> None:
        super().__init__(connection, sealer, identity, macs=macs)
        self._witness = witness
        self._server = server
        self._stop = stop
        self._require_shape = require_shape
        self.shape_due_at = time.monotonic() + SHAPE_SECONDS  # it was just done
        """In seconds of `monotonic`."""
        self._notes = PostgresqlNotes(connection)
        self._id = secrets.token_hex(8)  # its own: a process may have two databases open, or begin anew as another
        self._group = ""
        """The number of the group at hand."""
        self._losses = Losses(connection, self._id)
        self._losses.connected(witness)
        self._is_serving: Later[list[tuple[Any, ...]]] = list
        self._is_proven: Later[list[tuple[Any, ...]]] = list

    @property
    def notes(self) -> PostgresqlNotes:
        """What `macs` asks."""
        return self._notes

    @property
    def round_trips(self) -> int:
        """How often it and its witness have waited for the server."""
        return self.connection.round_trips + self._witness.round_trips

    def use(self, macs: WriterMacs) -> None:
        """From now on make the MACs of what is touched."""
        self._macs = macs

    def _store(self, group: CommitGroup) -> None:
        try:
            self._store_once(group)
        except (ConnectionLost, PlansOutdated, AlteredMeanwhile) as error:
            # Nothing of it is stored: COMMIT was not sent, or it is known what became of it.
            log.warning("database.group_begun_anew", why=self._explain(error))
        else:
            return
        self._abandon()
        group.start_over()
        self._store_once(group)

    def _store_once(self, group: CommitGroup) -> None:
        try:
            super()._store(group)
        except TransactionEnded as ended:
            if isinstance(ended.__cause__, ConnectionLost | PlansOutdated):
                raise ended.__cause__ from None  # no function is to blame
            raise

    def _begin(self, group: CommitGroup) -> None:
        self._require_connections()
        if time.monotonic() > self.shape_due_at:
            # Not each time: unlike SQLite a server does not say by one number that nothing has changed.
            self._require_shape()
            self.shape_due_at = time.monotonic() + SHAPE_SECONDS
        self._group = secrets.token_hex(8)
        self.connection.roll_back()
        self.connection.begin()
        self._is_serving = self.connection.fetch_later(_LOCK)
        self._losses.ask()
        self.connection.run_later(_NUMBER, (self._id, self._group))
        if self._identity.joined:
            self._is_proven = self.connection.fetch_later(_PROOF, (self._identity.instance,))

    def _prove(self) -> bool:
        return True  # asked in `_begin`, and looked at in `_run_all`: it is no way of its own

    def _run_all(self, group: CommitGroup) -> None:
        # What the MACs have asked for since has gone with it.
        self.connection.settle()
        if not self._is_serving():
            raise DatabaseFault(
                "the database was moved away, or a move into it is not finished: see `kyc-bot migrate-database`"
            )
        is_ended = self._look_for_losses(waits=bool(self._is_serving()[0][0]))
        if self._identity.joined and (is_ended or not self._is_proven()):
            self._identity.begin_anew(self.connection)
        super()._run_all(group)

    def _look_for_losses(self, *, waits: bool) -> bool:
        """On a server that has replaced another: doubt what is under way, unless it has all that was confirmed.

        Before any function runs, and stored with them. Whether this process was ended by it, as all are.
        """
        loss = self._losses.find(waits=waits)
        if loss.is_certain:
            log.error("database.commits_lost")
            if self._macs:
                self._macs.note_older()
        if loss.must_doubt:
            log.warning("database.doubted", known_until=restored.doubt_lost(self.connection))
        if self._macs and (loss.is_certain or loss.must_doubt or loss.was_doubted):
            self._macs.begin_anew()
        return loss.must_doubt

    def _end(self, group: CommitGroup) -> None:
        self._commit(group)
        self._losses.stored(self._group)

    def _commit(self, group: CommitGroup) -> None:
        self._tell_others(dict.fromkeys(group.topics))
        try:
            is_safe = self.connection.commit()
        except ConnectionLost as error:
            if not self._is_stored():
                raise
            log.warning("database.commit_found", why=str(error))
            return
        # It was kept from waiting until a standby has it. The commit of the question comes later, and waits.
        if not is_safe and not self._is_stored():
            raise lost("the server had stored it, and has it no more")

    def _tell_others(self, topics: Iterable[str]) -> None:
        if not (said := "\n".join(topics)):
            return
        if len(said.encode()) > _MOST_BYTES:
            said = ""
        self.connection.run_later("SELECT pg_notify(?, ?)", (CHANNEL, said))

    def _is_stored(self) -> bool:
        """Whether the group is, of whose COMMIT no answer has come. Asks until somebody answers.

        Raises FateUnknown once the database is closed and its grace over.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                self._connect_anew()
                if (is_stored := self._ask()) is not None:
                    return is_stored
            except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
                log.warning("database.commit_unknown", why=self._explain(error))
            if self._stop.is_over:
                raise FateUnknown
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _ask(self) -> bool | None:
        """None if the answer might not outlast the server."""
        self.connection.begin()
        # Waits until the lost transaction has ended. Whoever commits afterwards leaves our number as it is.
        self.connection.run_later(_LOCK_AS_IT_IS)
        found = self.connection.fetch(_LAST_NUMBER, (self._id,))
        is_safe = self.connection.commit()
        return found == [(self._group,)] if is_safe else None

    def _abandon(self) -> None:
        with suppress(DatabaseFault):
            self.connection.roll_back()

    def _savepoint(self) -> None:
        self._notes.begin_function()
        self.connection.savepoint()

    def _release_savepoint(self) -> None:
        self.connection.release_savepoint()

    def _return_to_savepoint(self) -> None:
        self.connection.return_to_savepoint()

    def _guarded(self) -> AbstractContextManager[None]:
        return self.connection.watch()

    def _faults_told(self) -> AbstractContextManager[None]:
        return nullcontext()  # they are told by the connection itself

    def _explain(self, error: BaseException) -> str:
        return str(error) if isinstance(error, DatabaseFault) else type(error).__name__

    def _nothing_stored(self, error: BaseException) -> DatabaseUnusable:
        if not isinstance(error, FateUnknown):
            return super()._nothing_stored(error)
        fault = DatabaseUnusable(
            "nobody knows whether this is stored: the server went away while it stored it, and until the database was "
            "closed nobody answered what became of it"
        )
        fault.__cause__ = error
        return fault

    def _require_connections(self) -> None:
        if self.connection.is_lost or self._witness.is_lost:
            self._connect_anew()

    def _connect_anew(self) -> None:
        """Both, and the readers after them: what they were connected to may have been replaced."""
        self._server.replaced()
        self.connection.reconnect()
        self._witness.reconnect()
        if self._witness.server != self.connection.server:
            self._witness.close()
            raise lost("two of its servers take changes")
        self._losses.connected(self._witness)
