"""Marks on a database that was moved: it is left and serves nobody, or comes in and does not serve yet.

In an SQLite file the mark stands among the migrations. So an older version, which knows nothing of it, refuses the
file as one of a newer version.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from bot.errors import DatabaseMoved

AWAY, COMING = "moved_away", "moving_in"
"""In place of a migration's name."""
MARKS = frozenset({AWAY, COMING})
SET = "kyc-bot"
"""The set of migrations, as sqlite-utils keeps it."""
_META = "move"
_MARKS = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? AND name IN (?, ?)"


class MoveState(StrEnum):
    """What instances may do with a database."""

    SERVING = "serving"
    INCOMING = "incoming"
    """Another one is being moved into it."""
    LEFT = "left"
    """It was moved away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Of one database into another; kept by both."""

    id: str
    source: str
    target: str
    """The path of a file, or the address of a server without a password."""
    at: str
    before: Self | None = None
    """By which the source had come to its place: so it goes on once this one is taken back."""
    seq: int = 0
    """The last line of the trail as it arrived."""

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError or TypeError for what `as_text` did not give."""
        return cls._from(json.loads(text))

    @classmethod
    def _from(cls, told: dict[str, Any]) -> Self:
        before = told.pop("before")
        return cls(**told, before=cls._from(before) if before else None)

    @property
    def day(self) -> str:
        """For people, to the minute."""
        return f"{datetime.fromisoformat(self.at):%Y-%m-%d %H:%M} UTC"


def of_file(connection: sqlite3.Connection) -> tuple[MoveState, Move | None]:
    """What may be done with a file of the bot, and its last move. Raises sqlite3.Error."""
    with closing(connection.execute(_MARKS, (SET, AWAY, COMING))) as found:
        names = {name for (name,) in found.fetchall()}
    with closing(connection.execute("SELECT value FROM meta WHERE name = ?", (_META,))) as found:
        row = found.fetchone()
    state = MoveState.LEFT if AWAY in names else MoveState.INCOMING if COMING in names else MoveState.SERVING
    return state, Move.from_text(row[0]) if row else None


def mark_file(connection: sqlite3.Connection, state: MoveState, move: Move | None) -> None:
    """In the caller's transaction."""
    delete, forget = "DELETE FROM _sqlite_migrations WHERE name IN (?, ?)", "DELETE FROM meta WHERE name = ?"
    connection.execute(delete, (AWAY, COMING)).close()
    connection.execute(forget, (_META,)).close()
    if move is not None:
        connection.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (_META, move.as_text())).close()
        if state is not MoveState.SERVING:
            name = AWAY if state is MoveState.LEFT else COMING
            put = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)"
            connection.execute(put, (SET, name, move.at)).close()


def require_serving(connection: sqlite3.Connection) -> None:
    """Raises DatabaseMoved for a file that is not to be worked on, and sqlite3.Error."""
    state, move = of_file(connection)
    if state is not MoveState.SERVING:
        raise DatabaseMoved(told(state, move))


def told(state: MoveState, move: Move | None) -> str:
    """Why nobody works on it, in words for the operator."""
    if state is MoveState.INCOMING:
        of = f" of {move.source}" if move else ""
        return f"the move{of} into this database is not finished: run the same `kyc-bot migrate-database` once more"
    to = f" to {move.target} ({move.day})" if move else ""
    return (
        f"the database was moved away{to}: set KYC_DATABASE to where it is now, or take it back by "
        "`kyc-bot migrate-database --undo`"
    )
