"""The MACs of records as they were before migration m0032, and the one pass that renews them.

Some checks at a time, each page in a commit of its own: a kill costs no more than a page. A record keeps its version,
so that an older one is noticed as before. One that does not fit its old MAC keeps it, which fits nothing from now on:
it stays altered. No proof is kept that the pass is over, as for `first_macs`: whoever puts the note back has believed
what an old MAC proves, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import structlog
from sqlite_utils import Database

from storage.engine import macs
from storage.engine.connection import sql_of
from storage.engine.covered import COVERED, LAST_ACT, CoveredTable
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection

log = structlog.get_logger(__name__)

DUE = "macs_of_records_due"
"""Kept in `meta` from the migration until all are renewed; its value is the rowid of the last check that is."""
_PURPOSE = "check-mac"
_TOLD_EACH = 20 * macs.PAGE

Rows = Mapping[str, Sequence[Sequence[object]]]
"""What an old MAC covers, by table: the rows by their key, without the NULLs at their ends."""


def left(connection: SqlConnection) -> bool:
    """Whether some may still be to renew."""
    return bool(connection.fetch("SELECT 1 FROM meta WHERE name = ?", (DUE,)))


def renew_all(db: Database, sealer: Sealer) -> None:
    """Go on until all are renewed, in the order in which the checks were stored: their rows lie together."""
    connection = sql_of(db.conn)
    ((noted,),) = connection.fetch("SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?", (DUE,))
    last, done = noted or 0, 0
    sql = "SELECT rowid, ref FROM verifications WHERE rowid > ? ORDER BY rowid LIMIT ?"
    while page := connection.fetch(sql, (last, macs.PAGE)):
        last, done = page[-1][0], done + len(page)
        with db.atomic():
            renew_page(connection, sealer, [ref for _rowid, ref in page])
            connection.run("UPDATE meta SET value = ? WHERE name = ?", (str(last), DUE))
        if done % _TOLD_EACH == 0:
            log.info("database.macs_renewed", checks=done)
    connection.run("DELETE FROM meta WHERE name = ?", (DUE,))


def renew_page(connection: SqlConnection, sealer: Sealer, refs: Sequence[str]) -> None:
    """Renew those of these checks that fit, in the caller's transaction."""
    sql = "SELECT ref, version, mac FROM check_macs WHERE ref IN (SELECT value FROM json_each(?))"
    versions = {
        ref: version
        for ref, version, mac in connection.fetch(sql, [json.dumps(refs)])
        if sealer.is_mac(mac, _message(ref, version, _rows_of(connection, ref)), purpose=_PURPOSE)
    }
    made = [
        (macs.mac_of(sealer, versions[ref], text), text.rest, ref)
        for ref, text in macs.texts_of(connection, versions).items()
    ]
    connection.run_for_each("UPDATE check_macs SET mac = ?, rest_sha256 = ? WHERE ref = ?", made)


def mac_of(connection: SqlConnection, sealer: Sealer, ref: str, version: int) -> str:
    """What stood in `check_macs` for this version of a record."""
    return sealer.mac(_message(ref, version, _rows_of(connection, ref)), purpose=_PURPOSE)


def _message(ref: str, version: int, rows: Rows) -> str:
    return json.dumps([ref, version, rows], default=_digest, separators=(",", ":"))


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _rows_of(connection: SqlConnection, ref: str) -> Rows:
    found = {
        table.name: [_trimmed(row) for row in rows]
        for table in COVERED
        if (rows := connection.fetch(_statement(table), (ref,)))
    }
    acts = connection.fetch("SELECT COUNT(*), MAX(seq) FROM audit WHERE ref = ?", (ref,))
    return found | ({LAST_ACT: acts} if acts[0][0] else {})


def _statement(table: CoveredTable) -> str:
    origin = f"{table.name} t WHERE t.ref = ?"
    if table.through_job:
        origin = f"attempts a CROSS JOIN {table.name} t ON t.job_id = a.job_id WHERE a.ref = ?"
    columns, key = (", ".join(f"t.{column}" for column in names) for names in (table.columns, table.key))
    return f"SELECT {columns} FROM {origin} ORDER BY {key}"


def _trimmed(row: Sequence[object]) -> list[object]:
    values = list(row)
    while values and values[-1] is None:
        values.pop()
    return values
