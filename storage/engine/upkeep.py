"""What an upgrade leaves to do that is too much for one transaction: resumable, and remembered until it is done.

Rows that hold a bare hash get a keyed print, some at a time. Then the file is written anew and the log emptied, since
SQLite leaves pieces of what was there before in both. Each stage is noted in `meta`: a kill costs the batch or the
stage that was under way, and the next start goes on.
"""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlite_utils import Database

from storage import blind_index
from storage.engine.connection import sql_of
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection

log = structlog.get_logger(__name__)

BATCH = 1_000
"""Rows that are keyed in one commit: less than a second's work, a few megabytes of log."""

SELFIES = "CREATE INDEX IF NOT EXISTS photos_selfie ON photos (file_print) WHERE kind = 'selfie'"
"""Of a check's photos only the selfie is looked for among those of others."""


class UpkeepStage(StrEnum):
    """How far it is (`meta`, name `upkeep`); no entry once all is done."""

    ROWS = "rows"
    """Some rows hold bare hashes."""
    FILE = "file"
    """None does; free space in the file may."""
    LOG = "log"
    """The file is written anew; the log holds what was there before."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column whose values are bare SHA-256 until the seal beside it is there."""

    table: str
    value: str
    sealed: str
    row: str
    """SQL for what the row is called in its seal's place."""
    kind: blind_index.IndexKind


_COLUMNS = (
    _Column("receipts", "body_print", "body_sha256_sealed", "id", blind_index.BODY),
    _Column("photos", "file_print", "file_sha256_sealed", "ref || ':' || kind || ':' || position", blind_index.FILE),
)


def left(connection: SqlConnection) -> UpkeepStage | None:
    """The stage that the next start goes on with."""
    rows = connection.fetch("SELECT value FROM meta WHERE name = 'upkeep'")
    return UpkeepStage(rows[0][0]) if rows else None


def finish(db: Database, sealer: Sealer) -> None:
    """Go on until all is done. A log that somebody else is reading stays noted, and is emptied at a later start."""
    connection, shared = db.conn, sql_of(db.conn)
    if left(shared) is UpkeepStage.ROWS:
        log.info("database.upkeep", step=UpkeepStage.ROWS.value)
        for column in _COLUMNS:
            _key_rows(db, sealer, column)
        connection.execute(SELFIES)
        _note(connection, UpkeepStage.FILE)
    if left(shared) is UpkeepStage.FILE:
        log.info("database.upkeep", step=UpkeepStage.FILE.value)
        connection.execute("VACUUM")
        _note(connection, UpkeepStage.LOG)
    if left(shared) is UpkeepStage.LOG and _empty_log(connection):
        connection.execute("DELETE FROM meta WHERE name = 'upkeep'")
        log.info("database.upkeep", step="done")


def _key_rows(db: Database, sealer: Sealer, column: _Column) -> None:
    last = 0
    while rows := db.conn.execute(
        f"""
        SELECT rowid, {column.value}, {column.row} FROM {column.table}
        WHERE rowid > ? AND {column.sealed} IS NULL AND {column.value} IS NOT NULL ORDER BY rowid LIMIT ?
        """,
        (last, BATCH),
    ).fetchall():
        keyed = [(*blind_index.make(sealer, column.kind, sha256, row=row), rowid) for rowid, sha256, row in rows]
        with db.atomic():
            db.conn.executemany(
                f"UPDATE {column.table} SET {column.value} = ?, {column.sealed} = ? WHERE rowid = ?", keyed
            )
        last = rows[-1][0]


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Take the log into the file and cut it to nothing; False while another program reads an older state from it."""
    busy, _pages, _taken = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _note(connection: sqlite3.Connection, stage: UpkeepStage) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE name = 'upkeep'", (stage.value,))
