"""Whether the database still has what it had confirmed: another server may have taken over without the last commits.

Two things tell. An instance knows the last group that was confirmed to it. And beside all that is stored stands which
server the last commit was on, and whether commits waited there for a standby: where they did not, and another server
has it now, commits may be lost of an instance that is no more. Whoever comes first to a server that has taken over
notices, holding the writer row, so that it is noticed once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.faults import StatementRefused
from storage.engine.sql import Later

WAITS = """
    CASE WHEN trim(current_setting('synchronous_standby_names', TRUE)) <> ''
        AND current_setting('synchronous_commit') NOT IN ('off', 'local') THEN 1 ELSE 0 END
    """
"""SQL for whether commits wait for a standby; 0 where the server knows no such thing."""
# A promoted standby begins a new timeline; a dump that was put back elsewhere has another system.
_HERE = """
    SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM pg_control_system()
    """
_NUMBER = "SELECT last_group FROM groups WHERE instance = ?"
_NAME = "server"
_NOTE = "SELECT value FROM meta WHERE name = ?"
_KEEP = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNote:
    """The server that the last commit was on."""

    here: str
    waits: bool
    """Its commits wait for a standby."""
    doubted: bool
    """When it took over, whatever was under way was put in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a group finds before it does anything."""

    is_certain: bool = False
    """A commit that was confirmed to this instance is not there."""
    must_doubt: bool = False
    """Whatever is under way is in doubt, and nobody has said so yet."""
    was_doubted: bool = False
    """Somebody has, since this instance came here from another server."""


class Losses:
    """What one writer knows of its server. Stays with its thread."""

    def __init__(self, connection: PostgresqlConnection, instance: str) -> None:
        """`instance` is the writer's own key in table `groups`."""
        self._connection = connection
        self._instance = instance
        self._stored = ""
        self._stored_on: str | None = None
        """The last group that is known to be stored, and on which server."""
        self._here: str | None = None
        self._is_new = True
        """Nothing was stored since it was connected."""
        self._note: ServerNote | None = None
        self._next_note: ServerNote | None = None
        self._asked: tuple[Later[list[tuple[Any, ...]]], Later[list[tuple[Any, ...]]]] | None = None

    def connected(self, witness: PostgresqlConnection) -> None:
        """To a server that may be another one than before."""
        self._is_new, self._here = True, None
        # Of a server that is like PostgreSQL and knows no timelines only what is certain is told.
        with suppress(StatementRefused):
            [(self._here,)] = witness.fetch(_HERE)

    def ask(self) -> None:
        """With the next statement, once nobody else can commit."""
        self._asked = None
        if self._is_new:
            before = self._connection.fetch_later(_NUMBER, (self._instance,))
            self._asked = before, self._connection.fetch_later(_NOTE, (_NAME,))

    def find(self, *, waits: bool) -> Loss:
        """What was lost; `waits` says whether commits wait for a standby now, which is noted."""
        loss = Loss()
        if self._asked is not None:
            before, note = self._asked
            self._note = _note(note())
            loss = self._find(before())
        self._keep(waits=waits, doubted=loss.must_doubt)
        return loss

    def stored(self, group: str) -> None:
        """The group is, and what was noted in it."""
        self._stored, self._stored_on, self._is_new = group, self._here, False
        self._note = self._next_note

    def _find(self, before: list[tuple[Any, ...]]) -> Loss:
        is_certain = bool(self._stored) and before != [(self._stored,)]
        has_come = None not in (self._here, self._stored_on) and self._here != self._stored_on
        note, was_doubted = self._note, False
        is_noted = note is not None and note.here == self._here
        if note is not None and is_noted:
            was_doubted = has_come and note.doubted
        may_be = note is not None and self._here is not None and not is_noted and not note.waits
        return Loss(
            is_certain=is_certain, must_doubt=may_be or (is_certain and not was_doubted), was_doubted=was_doubted
        )

    def _keep(self, *, waits: bool, doubted: bool) -> None:
        self._next_note = self._note
        if self._here is None:
            return
        is_same = self._note is not None and self._note.here == self._here
        doubted = doubted or (is_same and self._note is not None and self._note.doubted)
        self._next_note = ServerNote(here=self._here, waits=waits, doubted=doubted)
        if self._next_note != self._note:
            self._connection.run_later(_KEEP, (_NAME, json.dumps(asdict(self._next_note))))


def _note(rows: list[tuple[Any, ...]]) -> ServerNote | None:
    with suppress(ValueError, TypeError):
        return ServerNote(**json.loads(rows[0][0])) if rows else None
    return None
