"""All rows that are held on a check, opened: for the customer who asks what is known of them.

By the same tables of code that say what is erased and what is sealed, so that nothing is left out that is there.
"""

import json
from collections.abc import Mapping

from bot.errors import DatabaseFault
from storage.engine import catalog
from storage.engine.database import Transaction
from storage.engine.lifespans import LIFESPANS
from storage.engine.sealed_values import OF_CHECKS, OTHERS, SealedColumn
from storage.engine.sql import Row

DOES_NOT_OPEN = "altered beside the bot: it does not open"
_WHERE: Mapping[str, str] = {
    # A message of Smile ID names a job; what was spent names a round.
    "receipts": "t.job_id IN (SELECT a.job_id FROM attempts a WHERE a.ref = :ref)",
    "spending": "t.id > :ref || ':' AND t.id < :ref || ';'",
}
_OF_NOBODY = frozenset({"check_macs", "trail_people"})
"""Only there to prove, or to point from the trail to a row that is here."""
_SECRETS = frozenset({"capture_links.token_sealed", "capture_links.token_sha256_sealed"})
"""Whoever holds a report must not be able to use the customer's link."""
_ENDINGS = ("_print", "_sealed", "mac")
"""Of columns that mean nothing to a reader: keyed prints, MACs, and sealed values, which are opened instead."""


def of_check(tx: Transaction, ref: str) -> dict[str, list[dict[str, object]]]:
    """By table; what is sealed stands opened under its name without `_sealed`."""
    columns = catalog.columns(tx.connection)
    found = {table: _rows(tx, table, columns[table], ref) for table in LIFESPANS if table not in _OF_NOBODY}
    return {table: rows for table, rows in found.items() if rows}


def _rows(tx: Transaction, table: str, columns: list[str], ref: str) -> list[dict[str, object]]:
    where = _WHERE.get(table, "t.ref = :ref" if "ref" in columns else "")
    if not where:
        return []
    sealed = [one for one in (*OF_CHECKS, *OTHERS) if one.table == table]
    places = "".join(f", {one.place} AS place_of_{one.column}" for one in sealed)
    rows = tx.rows(f"SELECT t.*{places} FROM {table} t WHERE {where} ORDER BY 1, 2", ref=ref)
    return [_told(tx, row, columns, sealed) for row in rows]


def _told(tx: Transaction, row: Row, columns: list[str], sealed: list[SealedColumn]) -> dict[str, object]:
    told = {name: row[name] for name in columns if row[name] not in (None, "") and not name.endswith(_ENDINGS)}
    for one in sealed:
        if row[one.column] is not None and one.name not in _SECRETS:
            told[one.column.removesuffix("_sealed")] = _opened(tx, row[one.column], row[f"place_of_{one.column}"])
    if "consent_at" in told and "consent_by" not in told:
        # The customer behind a link has not agreed: it is when the check was asked for.
        del told["consent_at"]
    return told


def _opened(tx: Transaction, value: bytes, place: str) -> object:
    try:
        text = tx.sealer.open(value, place=place)
    except DatabaseFault:
        return DOES_NOT_OPEN
    try:
        return json.loads(text)
    except ValueError:
        return text
