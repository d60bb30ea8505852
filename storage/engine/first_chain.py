"""An audit trail from before there was a chain: begun once, with a line that holds a digest of all lines before it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import structlog
from sqlite_utils import Database

from storage.engine import chain
from storage.engine.record_versions import RecordSum
from storage.engine.sealing import Sealer

log = structlog.get_logger(__name__)


DUE = "chain_due"
"""Kept in `meta` from the migration until it is begun."""


def left(connection: sqlite3.Connection) -> bool:
    """Whether it is still to be begun."""
    with closing(connection.execute("SELECT 1 FROM meta WHERE name = ?", (DUE,))) as found:
        return found.fetchone() is not None


def make(db: Database, sealer: Sealer) -> None:
    """Begin the chain, unless it was begun before: whoever wrote the file has put back the note that asks for it."""
    with db.atomic():
        db.conn.execute("DELETE FROM meta WHERE name = ?", (DUE,)).close()
        kept = RecordSum.read(db.conn, sealer) or RecordSum.new()
        if kept.head != chain.NOWHERE:
            log.error("database.chain_refused", seq=kept.head.seq)
            return
        replace(kept, head=chain.begin(db.conn), commits=kept.commits + 1).write(db.conn, sealer)
