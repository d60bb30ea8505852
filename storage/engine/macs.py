"""The MAC of each check: a keyed proof that its record is as the bot wrote it, and as it wrote it last.

Whoever can write the file can write *approved* into it, but not the MAC that belongs to it (table `check_macs`): one
for all rows of a check (`storage.engine.covered`) and the version of its record, which every commit counts up that
touches it. `writer_macs` makes them, `record_versions` notices an older record that was put back with its own MAC.

SQLite itself writes down what a MAC covers, as one value for each check. A dozen rows with all their columns would be
five times the work in Python, and at each row a thread lets go of Python's lock and waits for it again. PostgreSQL
writes the same bytes (`storage.engine.postgresql.covered_texts`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from storage.engine import catalog
from storage.engine.covered import COVERED, FRACTIONS, LAST_ACT, CoveredTable
from storage.engine.record_versions import RecordVersions
from storage.engine.sealing import Sealer
from storage.engine.sql import Dialect, Row, SpoiltValue, SqlConnection

if TYPE_CHECKING:
    from storage.engine.transaction import Transaction

PAGE = 500
"""As many checks are examined at a time."""

_RECORD, _FACT = "record-mac", "fact-mac"
"""MACs of one text are never equal across purposes."""

CoveredValues = Sequence[object]
"""What a MAC covers of one row, in the order of `CoveredTable.columns`; NULLs at the end are left out."""


class Stored(NamedTuple):
    """What is stored under one reference; None for what is not there."""

    version: int | None
    mac: str | None
    text: bytes | None
    """What the MAC covers beside the version; empty for a record with values that the bot cannot have written."""


@dataclass(slots=True, kw_only=True)
class Examined:
    """What an examination of some checks has found."""

    versions: dict[str, int] = field(default_factory=dict)
    """Of the records that are as the bot wrote them."""
    altered: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    """Neither a record nor a MAC is found under these references."""


def examine(
    connection: SqlConnection,
    sealer: Sealer,
    refs: Collection[str],
    *,
    versions: RecordVersions | None = None,
    seen_at: int = 0,
) -> Examined:
    """Compare the records of these checks with their MACs, as this connection sees them.

    `seen_at` is what `versions.commits` was before the connection's snapshot began; 0 asks nothing of `versions`.
    """
    found = Examined()
    for page in pages(refs):
        stored = _stored(connection, page)
        for ref in page:
            version, mac, text = stored.get(ref, _NOTHING)
            if mac is None and text is None:
                found.unknown.add(ref)
                continue
            is_whole = mac and version and text and sealer.is_mac(mac, _message(version, text), purpose=_RECORD)
            if is_whole and version and not (versions and versions.is_older(ref, version, seen_at=seen_at)):
                found.versions[ref] = version
            else:
                found.altered.add(ref)
    return found


def texts_of(connection: SqlConnection, refs: Collection[str]) -> Mapping[str, bytes]:
    """What the MACs of these checks cover, of those alone that exist."""
    found = {ref: stored.text for page in pages(refs) for ref, stored in _stored(connection, page).items()}
    return {ref: text for ref, text in found.items() if text is not None}


def _stored(connection: SqlConnection, refs: Sequence[str]) -> Mapping[str, Stored]:
    """Of at most `PAGE` checks."""
    try:
        table, parameters = table_of(refs, connection.dialect)
        rows = connection.fetch(_of_checks(table, connection.dialect), parameters)
    except SpoiltValue:
        if len(refs) > 1:
            # One record that somebody has spoilt must not stop the list that it stands in.
            return {ref: stored for one in refs for ref, stored in _stored(connection, [one]).items()}
        return {refs[0]: Stored(None, None, b"")}
    return {ref: Stored(_version(version), _mac(mac), text) for ref, version, mac, text in rows}


def _version(stored: object) -> int | None:
    # Somebody may have put another type there, past the schema.
    return stored if isinstance(stored, int) else None


def _mac(stored: object) -> str | None:
    return stored if stored is None or isinstance(stored, str) else ""


def mac_of(sealer: Sealer, version: int, text: bytes) -> str:
    """What belongs into `check_macs` for this version of a record."""
    return sealer.mac(_message(version, text), purpose=_RECORD)


def fact_mac_of(sealer: Sealer, ref: str, row: CoveredValues) -> str:
    """What belongs into `facts.mac`: figures are summed from these rows alone, of half a million checks at once."""
    return sealer.mac(_fact_message(ref, row), purpose=_FACT)


def is_fact(sealer: Sealer, row: Row) -> bool:
    """Whether a row of `facts`, with all its columns, is as the bot wrote it."""
    covered = [row[column] for column in FACTS.columns]
    if not isinstance(row["mac"], str) or any(isinstance(value, bytes) for value in covered):
        return False  # somebody has put another type there, past the schema
    return sealer.is_mac(row["mac"], _fact_message(row["ref"], covered), purpose=_FACT)


def exists(connection: SqlConnection) -> bool:
    """Whether this is a database with MACs."""
    return "check_macs" in catalog.columns(connection)


def refs_after(connection: SqlConnection, last: str, *, most: int = PAGE) -> list[str]:
    """The next checks in the order of their references, with or without a record."""
    sql = """
        SELECT ref FROM (
            SELECT * FROM (SELECT ref FROM verifications WHERE ref > :last ORDER BY ref LIMIT :most) v
            UNION SELECT * FROM (SELECT ref FROM check_macs WHERE ref > :last ORDER BY ref LIMIT :most) m
        ) r
        ORDER BY ref LIMIT :most
        """
    refs = [ref for (ref,) in connection.fetch(sql, {"last": last, "most": most})]
    # What is no UTF-8 sorts otherwise than it reads: it must not be the next page for ever.
    return refs if not refs or refs[-1] > last else []


def under_older_keys(tx: Transaction) -> int:
    """How many records have a MAC under a key that is not the newest."""
    sql = "SELECT COUNT(*) FROM check_macs WHERE mac < :first OR mac >= :beyond"
    count: int = tx.value(sql, **_of_newest(tx))
    return count


def renew(tx: Transaction, *, most: int) -> int:
    """Have the commit give some of them their next version under the newest key; how many. Altered ones keep theirs."""
    sql = """
        SELECT ref FROM check_macs WHERE (mac < :first OR mac >= :beyond) AND ref > :last ORDER BY ref LIMIT :most
        """
    last, renewed = "", 0
    while renewed < most and (refs := tx.column(sql, **_of_newest(tx), last=last, most=most)):
        altered = tx.altered(refs)
        for ref in refs:
            if ref not in altered and renewed < most:
                tx.run("UPDATE verifications SET state = state WHERE ref = :ref", ref=ref)
                renewed += 1
        last = refs[-1]
    return renewed


def _of_newest(tx: Transaction) -> dict[str, str]:
    """MACs name their key first: those of the newest one, as a range of texts."""
    return {"first": f"{tx.sealer.key_id}:", "beyond": f"{tx.sealer.key_id};"}


FACTS = next(table for table in COVERED if table.name == "facts")
_NOTHING = Stored(None, None, None)


@cache
def _of_checks(refs: str, dialect: Dialect) -> str:
    """One statement for references, in the column `value` of a table: a row for each, with `Stored` behind it."""
    if dialect is Dialect.POSTGRESQL:
        from storage.engine.postgresql import covered_texts  # noqa: PLC0415 - psycopg is an extra

        return covered_texts.of_checks(refs)
    checks, *others = COVERED
    text = _joined([_row(checks, "v"), *(_rows(table) for table in others), _LAST_ACT])
    return f"""
        SELECT r.value, m.version, m.mac, CASE WHEN v.ref IS NOT NULL THEN CAST({text} AS BLOB) END
        FROM {refs} r
        LEFT JOIN {checks.name} v ON v.ref = r.value LEFT JOIN check_macs m ON m.ref = r.value
        """


def _joined(parts: Sequence[str]) -> str:
    """One text of all, by halves: along a chain SQLite would copy what it has so far for each part that follows."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_joined(parts[:half])} || {_joined(parts[half:])})"


_LAST_ACT = f"(SELECT '\n{LAST_ACT}' || json_array(COUNT(*), MAX(seq)) FROM audit WHERE ref = v.ref)"


def _rows(table: CoveredTable) -> str:
    """All rows of a check in one table, by its key, behind the name of the table; nothing where there is none.

    What stands between quotes holds no bare quote and no line break (JSON), a blob says how long it is, and each row
    begins with a bracket: no two records are written alike.
    """
    if table.through_job:
        # CROSS JOIN: by the check's few jobs to what was said of them, and never through all that was ever said.
        origin = f"attempts a CROSS JOIN {table.name} t ON t.job_id = a.job_id WHERE a.ref = v.ref"
    else:
        origin = f"{table.name} t WHERE t.ref = v.ref"
    # SQLite keeps the order of a subquery for group_concat(): only count(), min() and max() do without it.
    rows = f"SELECT {_row(table, 't')} AS row FROM {origin} ORDER BY {', '.join(f't.{key}' for key in table.key)}"
    return f"ifnull('\n{table.name}' || (SELECT group_concat(row, '') FROM ({rows})), '')"


def _row(table: CoveredTable, alias: str) -> str:
    """What is no blob in JSON, then each blob as it is, behind its number and length: in hex it would be twice as long.

    NULLs at the end are left out: a column that a later migration adds changes no MAC as long as it says nothing.
    """
    values, blobs = [], list[str]()
    for column in table.columns:
        value = f"{alias}.{column}"
        if column.endswith("_sealed"):
            written = f"' {len(blobs)} ' || length({value}) || ':' || {value}"
            # Neither kind of column can hold another type (STRICT), unless somebody has changed bytes of the file.
            blobs.append(f"CASE typeof({value}) WHEN 'blob' THEN {written} WHEN 'null' THEN '' ELSE '?' END")
        elif column in FRACTIONS:
            # To a millionth, by a power of two: decimals would depend on the machine and on SQLite's version.
            written = f"CAST({value} * 1048576 AS INTEGER)"
            values.append(f"CASE typeof({value}) WHEN 'real' THEN {written} ELSE quote({value}) END")
        else:
            values.append(value)
    return " || ".join([f"rtrim(json_array({', '.join(values)}), ',nul]')", *blobs])


def table_of(refs: Sequence[str], dialect: Dialect) -> tuple[str, list[str]]:
    """SQL of a table with these references in its column `value`, and the parameters of it."""
    if dialect is Dialect.POSTGRESQL and len(refs) > 1:
        return "json_array_elements_text(CAST(? AS JSON))", [json.dumps(refs)]
    # Of a single one without reading JSON, which costs as much as a fifth of its record.
    return ("(SELECT ? AS value)", [*refs]) if len(refs) == 1 else ("json_each(?)", [json.dumps(refs)])


def pages(refs: Collection[str]) -> Iterator[list[str]]:
    """Each of them once, in their order, `PAGE` at a time."""
    wanted = sorted(set(refs))
    for start in range(0, len(wanted), PAGE):
        yield wanted[start : start + PAGE]


def _message(version: int, text: bytes) -> bytes:
    return f"{version}:".encode() + text


def _fact_message(ref: str, row: CoveredValues) -> str:
    covered = list(row)
    while covered and covered[-1] is None:
        covered.pop()
    return json.dumps([ref, covered], separators=(",", ":"))
