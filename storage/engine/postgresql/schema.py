"""Brings a database on PostgreSQL up to this version's schema, however many instances start at once.

An empty one gets in one transaction what an SQLite file has after all migrations. From then on it gets each new
migration by itself, under the lock of the one row that every commit of every instance takes. What SQLite's first start
goes on with afterwards (`storage.engine.upkeep` and its like) is about files from before: there is none of them here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import sqlite_utils
import structlog
from psycopg import errors

from bot.errors import DatabaseFault, DatabaseMoved, DatabaseNewer
from storage import meta
from storage.engine import migrations, moved
from storage.engine.migrations import Migration
from storage.engine.moved import Move, MoveState
from storage.engine.postgresql import creation, shape, touched
from storage.engine.postgresql.definitions import translated
from storage.engine.postgresql.plain import PlainConnection, told
from storage.engine.postgresql.reader import NotTranslated
from storage.engine.sealing import Sealer
from storage.engine.shape import Migrate
from storage.engine.transaction import Transaction

log = structlog.get_logger(__name__)

OLDEST = 140000
"""PostgreSQL 14, as servers count."""
_TRIES = 5


def migrate(
    raw: psycopg.Connection[Any], make: Migrate, sealer: Sealer, *, steps: Sequence[Migration] | None = None
) -> None:
    """Bring the database up to this version: to what `make` makes of an empty SQLite file, by these steps or all ours.

    Raises DatabaseNewer if it is already beyond, DatabaseMoved if it serves nobody, WrongKey if it was sealed with
    another key, DatabaseFault if it is another program's or was changed beside the bot; then nothing is changed.
    """
    steps = migrations.ordered() if steps is None else steps
    with told():
        require_server(raw)
        prepare(raw)
        with exclusively(raw) as (state, move):
            require_serving(state, move)
            applied = applied_known(raw, steps)
            if not applied:
                creation.create(raw, make)
                shape.vouch(raw, make, sealer)
                return
            # Before anything else is done: under another key it would be lost.
            meta.begin(Transaction(PlainConnection(raw), sealer, None))
            if pending := [step for step in steps if step.name not in applied]:
                # What somebody has changed before it must not pass for what it has made.
                shape.compare(raw, make, sealer)
                apply(raw, pending)
                shape.vouch(raw, make, sealer)


def require_server(raw: psycopg.Connection[Any]) -> None:
    """Raises DatabaseFault for a server on which texts or locks are not what they must be."""
    if raw.info.server_version < OLDEST:
        raise DatabaseFault(f"the server is PostgreSQL {raw.info.server_version // 10000}: the bot needs 14 or newer")
    [(encoding, schema)] = raw.execute("SELECT current_setting('server_encoding'), current_schema()").fetchall()
    if encoding != "UTF8":
        raise DatabaseFault(f"the database's encoding is {encoding}: make it with ENCODING 'UTF8'")
    if schema is None:
        raise DatabaseFault("none of the schemas in the user's search_path exists: make one, or set the search_path")


def prepare(raw: psycopg.Connection[Any]) -> None:
    """Make the row that is locked by whoever starts or writes. Two that start at once make one."""
    for _ in range(_TRIES):
        if exists(raw, "writer"):
            return
        if exists(raw, "verifications") or exists(raw, "meta"):
            raise DatabaseFault("the database is that of another program: it has tables by the names of the bot's")
        try:
            with raw.transaction():
                raw.execute(creation.WRITER)
                raw.execute("INSERT INTO writer VALUES (1, %s, NULL) ON CONFLICT DO NOTHING", [MoveState.SERVING.value])
        except (errors.UniqueViolation, errors.DuplicateTable):
            # IF NOT EXISTS does not see what another transaction has just made, and looks again.
            continue
        except errors.InsufficientPrivilege as error:
            raise DatabaseFault("the database's user may make no tables: GRANT CREATE ON SCHEMA … TO it") from error
    if not exists(raw, "writer"):
        raise DatabaseFault("the table `writer` cannot be made")


@contextmanager
def exclusively(raw: psycopg.Connection[Any]) -> Iterator[tuple[MoveState, Move | None]]:
    """One transaction beside which nobody commits; gives what instances may do. Raises DatabaseFault."""
    with raw.transaction():
        raw.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        # However long an index takes; and another's first start is over in a second or two.
        raw.execute(
            "SELECT set_config('statement_timeout', '0', TRUE), set_config('lock_timeout', '60s', TRUE), "
            "set_config('idle_in_transaction_session_timeout', '0', TRUE)"
        )
        yield mark_of(raw, locks=True)


def mark_of(raw: psycopg.Connection[Any], *, locks: bool = False) -> tuple[MoveState, Move | None]:
    """What instances may do with the database, and its last move. Raises DatabaseFault."""
    rows = raw.execute(
        f"SELECT state, move FROM writer WHERE one = 1 {'FOR UPDATE' if locks else ''}".encode()
    ).fetchall()
    if not rows:
        raise DatabaseFault("the row of `writer`, which every commit locks, is gone")
    [(state, move)] = rows
    return MoveState(state), Move.from_text(move) if move else None


def require_serving(state: MoveState, move: Move | None) -> None:
    """Raises DatabaseMoved where instances must not work."""
    if state is not MoveState.SERVING:
        raise DatabaseMoved(moved.told(state, move))


def exists(raw: psycopg.Connection[Any], table: str) -> bool:
    """In the schema that new tables go to."""
    found = raw.execute(
        "SELECT 1 FROM pg_class WHERE relnamespace = quote_ident(current_schema())::REGNAMESPACE AND relname = %s",
        [table],
    )
    return found.fetchone() is not None


def applied_known(raw: psycopg.Connection[Any], steps: Sequence[Migration]) -> set[str]:
    """The migrations that a database has had. Raises DatabaseNewer if this version does not know them all."""
    if not exists(raw, "applied_migrations"):
        return set()
    applied = {name for (name,) in raw.execute("SELECT name FROM applied_migrations").fetchall()}
    if beyond := sorted(applied.difference(step.name for step in steps)):
        raise DatabaseNewer(f"the database was written by a newer kyc-bot ({', '.join(beyond)}): update the bot")
    return applied


def apply(raw: psycopg.Connection[Any], steps: Sequence[Migration]) -> None:
    """Later migrations, in the caller's transaction."""
    for step in steps:
        log.info("database.migration", name=step.name)
        step.apply(cast("sqlite_utils.Database", MigratedDatabase(raw)))
    creation.note_applied(raw, [step.name for step in steps])
    # What a MAC covers may be more from now on.
    creation.run(raw, [touched.dropped(), *touched.definitions()])


class MigratedDatabase:
    """What a migration sees in place of SQLite's database: whatever it executes is translated."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw

    def execute(self, statement: str, *parameters: object) -> None:
        """Raises NotTranslated."""
        if parameters:
            raise NotTranslated("a migration for both engines writes its values into its statements")
        creation.run(self._raw, translated(statement).statements)
