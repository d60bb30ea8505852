"""An audit trail from before there was a chain: begun once, with a line that holds a digest of all lines before it."""

from __future__ import annotations

from dataclasses import replace

import structlog
from sqlite_utils import Database

from storage.engine import chain
from storage.engine.connection import sql_of
from storage.engine.record_versions import RecordSum, versions_in
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection

log = structlog.get_logger(__name__)


def make(db: Database, sealer: Sealer) -> None:
    """Begin the chain, unless it was begun before: whoever wrote the file has put back the note that asks for it.

    A trail with its hashes taken away looks like one from before. It has lost the sum of all records, too, or has one
    from before the upgrade, which fits no more: then its lines stay as they are, and are told apart for ever.
    """
    connection = sql_of(db.conn)
    with db.atomic():
        connection.run("DELETE FROM meta WHERE name = ?", (chain.DUE,))
        kept = RecordSum.read(connection, sealer)
        if not _may_begin(connection, kept):
            log.error("database.chain_refused")
            return
        kept = kept or RecordSum.new()
        replace(kept, head=chain.begin(connection), commits=kept.commits + 1).write(connection, sealer)


def _may_begin(connection: SqlConnection, kept: RecordSum | None) -> bool:
    if chain.last(connection) == chain.NOWHERE:
        return False
    if kept is None:
        # Checks have a sum since they have MACs; without any check there may have been nothing to sum.
        return next(versions_in(connection), None) is None
    return kept.head == chain.NOWHERE and kept.fits(versions_in(connection))
