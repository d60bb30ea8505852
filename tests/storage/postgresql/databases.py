"""Databases of tests: one as the bot's first start leaves it, made once by each worker and copied."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import sqlite_utils

from storage.engine.migrations import migrate
from storage.engine.postgresql import schema
from storage.engine.sealing import Sealer

SEALER = Sealer([b"k" * 32])


@contextmanager
def connected(address: str) -> Iterator[psycopg.Connection[Any]]:
    """As the bot sets up a plain connection."""
    options = "-c TimeZone=UTC -c jit=off -c default_transaction_isolation=read\\ committed"
    with psycopg.connect(address, autocommit=True, options=options) as raw:
        yield raw


def prepare(address: str) -> None:
    """The bot's first start."""
    with connected(address) as raw:
        schema.migrate(raw, migrate, SEALER)


@contextmanager
def in_memory() -> Iterator[sqlite3.Connection]:
    """The same of SQLite, with references held."""
    with closing(sqlite_utils.Database(memory=True, execute_plugins=False)) as db:
        migrate(db, SEALER)
        db.execute("PRAGMA foreign_keys = ON")
        db.conn.isolation_level = None
        yield db.conn
