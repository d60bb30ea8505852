"""SQLite's own connection behind a transaction: for tests of what SQLite alone has."""

import sqlite3

from storage.engine.transaction import Transaction


def raw(tx: Transaction) -> sqlite3.Connection:
    assert isinstance(tx.connection, sqlite3.Connection)
    return tx.connection
