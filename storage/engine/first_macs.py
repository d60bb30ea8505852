"""The MACs of a database from before there were any: made once, at the first start that knows them, never again.

Some checks at a time, each page in a commit of its own: a kill costs no more than a page. Whoever takes the MACs out
of a file does not get new ones by it: the proof of the key says that they were made (`storage.meta`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import structlog
from sqlite_utils import Database

from storage import meta
from storage.engine import macs
from storage.engine.connection import sql_of
from storage.engine.record_versions import RecordSum
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import Transaction
from storage.engine.writer_macs import keep

log = structlog.get_logger(__name__)

DUE = "macs_due"
"""Kept in `meta` from the migration until all are made."""
MADE = "macs_made"
"""Kept in `meta` until admins are told: for how many checks they were made. The proof of the key from before there were
any lies in every backup from before, and whoever puts it back has all that is in the file believed once more."""


def left(connection: SqlConnection) -> bool:
    """Whether they are still to be made, or some of them."""
    return bool(connection.fetch("SELECT 1 FROM meta WHERE name = ?", (DUE,)))


def make(db: Database, sealer: Sealer) -> int:
    """Make the MACs of all checks that have none; how many these were.

    None are made where they were made before: whoever wrote the file has put back the note that asks for them, and
    every check without a MAC counts as altered.
    """
    made = 0
    with db.atomic():
        is_first = not meta.are_macs_made(Transaction(sql_of(db.conn), sealer, None))
    if is_first:
        last = ""
        while refs := _without(db.conn, last):
            with db.atomic():
                make_page(db.conn, sealer, refs)
            made, last = made + len(refs), refs[-1]
            log.info("database.macs", made=made)
    else:
        log.error("database.macs_refused")
    with db.atomic():
        tx = Transaction(sql_of(db.conn), sealer, None)
        if is_first and (count := tx.value("SELECT COUNT(*) FROM check_macs")):  # an earlier start may have made some
            meta.keep(tx, MADE, str(count))
        meta.note_macs_made(tx)
        db.conn.execute("DELETE FROM meta WHERE name = ?", (DUE,)).close()
    return made


def _without(connection: sqlite3.Connection, last: str) -> list[str]:
    sql = """
        SELECT ref FROM verifications v WHERE ref > :last
          AND NOT EXISTS (SELECT 1 FROM check_macs m WHERE m.ref = v.ref)
        ORDER BY ref LIMIT :most
        """
    with closing(connection.execute(sql, {"last": last, "most": macs.PAGE})) as cursor:
        return [ref for (ref,) in cursor.fetchall()]


def make_page(connection: sqlite3.Connection, sealer: Sealer, refs: Sequence[str]) -> None:
    """Make those of some checks, in the caller's transaction."""
    shared = sql_of(connection)
    keep(shared, sealer, dict.fromkeys(refs, 1))
    # A kill between two pages leaves what the next start goes on with: the sum is of what is made.
    kept = RecordSum.read(shared, sealer) or RecordSum.new()
    kept.with_versions({}, dict.fromkeys(refs, 1)).write(shared, sealer)
