"""Hears which topics other instances' commits wake, on a connection and a thread of its own.

Nothing hangs on it: whoever waits for work looks for it by itself every now and then, only later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from threading import Thread

import structlog

from bot.errors import DatabaseFault
from storage.engine.postgresql.commits import CHANNEL
from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.faults import StatementRefused
from storage.engine.postgresql.server import LISTENER, Server
from storage.engine.postgresql.stop import Stop

_LOOK_SECONDS = 5.0
"""After so many seconds it looks whether the database is being closed, of which `join` tells it sooner."""
_PAUSE_SECONDS = 1.0

Heard = Callable[[Collection[str] | None], None]
"""Is called with the topics; None if any may have been woken while nobody heard it."""

log = structlog.get_logger(__name__)


class Listener:
    """Runs from `start` to the stop of the database."""

    def __init__(self, server: Server, stop: Stop, is_ours: Callable[[int], bool]) -> None:
        """`is_ours` tells the server's process of our own writer, whose topics are woken without it."""
        self._server = server
        self._stop = stop
        self._is_ours = is_ours
        self._heard: Heard | None = None
        self._woken, self._waker = os.pipe()
        self._thread = Thread(target=self._run, name="database-listener", daemon=True)

    def start(self, heard: Heard) -> None:
        """Call `heard` on the listener's thread."""
        self._heard = heard
        self._thread.start()

    def join(self) -> None:
        """Wait for its end, which comes soon after the stop. Once."""
        os.write(self._waker, b"\0")
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._woken)
        os.close(self._waker)

    def _run(self) -> None:
        was_away = False
        while not self._stop.is_asked:
            try:
                connection = PostgresqlConnection(
                    lambda: self._server.connect(LISTENER), self._stop, epoch=lambda: self._server.epoch
                )
            except DatabaseFault:
                was_away = True
                self._stop.wait(_PAUSE_SECONDS)
                continue
            try:
                self._listen(connection, was_away=was_away)
                was_away = True
            except (DatabaseFault, StatementRefused) as error:  # also of a server that knows no LISTEN
                log.info("database.listener_lost", why=str(error))
                was_away = True
                self._stop.wait(_PAUSE_SECONDS)
            finally:
                connection.close()

    def _listen(self, connection: PostgresqlConnection, *, was_away: bool) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        if was_away:
            self._tell(None)
        # A server that hangs keeps the connection, and says nothing, while the writer has found the one in its place.
        while not (self._stop.is_asked or connection.is_out_of_date):
            for process, said in connection.notifications(_LOOK_SECONDS, woken=self._woken):
                if not self._is_ours(process):
                    self._tell(said.split("\n") if said else None)

    def _tell(self, topics: Collection[str] | None) -> None:
        if self._heard:
            self._heard(topics)
