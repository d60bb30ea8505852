"""Looks at a database on a server on one snapshot that reads alone: nothing is made, migrated or locked.

As `storage.engine.inspect` looks at a file, which asks this for a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import psycopg

from bot.domain.database_address import DatabaseAddress
from bot.errors import DatabaseFault
from storage import meta
from storage.engine import macs, migrations
from storage.engine.inspection import Inspection, compare_records
from storage.engine.postgresql import schema, shape
from storage.engine.postgresql.faults import StatementRefused
from storage.engine.postgresql.plain import PlainConnection, told
from storage.engine.postgresql.server import LONG_READER, Server
from storage.engine.postgresql.stop import Stop
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import Transaction

T = TypeVar("T")


def examine(address: DatabaseAddress, sealer: Sealer | None, *, patience: timedelta) -> Inspection:
    """Raises DatabaseFault, DatabaseNewer or WrongKey, worded as at a start of the bot."""
    with _snapshot(address) as raw:
        steps = migrations.ordered()
        applied = schema.applied_known(raw, steps)
        if not applied:
            if schema.exists(raw, "verifications") or schema.exists(raw, "meta"):
                raise DatabaseFault("the database is that of another program: it has tables by the names of the bot's")
            return Inspection(exists=False)
        schema.require_serving(*schema.mark_of(raw))
        pending = tuple(step.name for step in steps if step.name not in applied)
        connection = PlainConnection(raw)
        proven = sealer is not None and _key_opens(connection, sealer)
        altered, older = 0, False
        if sealer is not None and proven and not pending:
            shape.require(raw, migrations.migrate, sealer)
            if patience > timedelta(0) and macs.exists(connection):
                altered, older = compare_records(connection, sealer, patience=patience)
        return Inspection(exists=True, pending=pending, proven=proven, altered=altered, older=older)


def ask(address: DatabaseAddress, read: Callable[[SqlConnection], T]) -> T | None:
    """What is read of it; None where there is no database yet, one from before there was that, or none to be read."""
    try:
        with _snapshot(address) as raw:
            if not schema.exists(raw, "applied_migrations"):
                return None
            return read(PlainConnection(raw))
    except (DatabaseFault, StatementRefused, ValueError):
        return None


@contextmanager
def _snapshot(address: DatabaseAddress) -> Iterator[psycopg.Connection[Any]]:
    """Raises DatabaseFault."""
    with told():
        connection = Server(address, Stop()).connect(LONG_READER)
        try:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection
        finally:
            connection.close()


def _key_opens(connection: PlainConnection, sealer: Sealer) -> bool:
    """Raises WrongKey. Without a proof there is nothing to open."""
    transaction = Transaction(connection, sealer, None)
    if not transaction.exists("SELECT 1 FROM meta WHERE name = 'key_proof'"):
        return False
    meta.check_key(transaction)
    return True
