"""The MAC of each check: a keyed proof that its record is as the bot wrote it, and as it wrote it last.

Whoever can write the file can write *approved* into it, but not the MAC that belongs to it (table `check_macs`): one
for all rows of a check (`storage.engine.covered`) and the version of its record, which every commit counts up that
touches it. `writer_macs` makes them, `record_versions` notices an older record that was put back with its own MAC.

A record has a head, which is all that many checks at once are shown by, and a rest, which is four fifths of it. The MAC
covers the head and a digest of the rest, which stands beside it: whoever shows a list compares the heads alone, and
whoever opens a check, or acts on it, both.

SQLite itself writes down what a MAC covers, as one value for each check and table. A dozen rows with all their columns
would be five times the work in Python, and at each row a thread lets go of Python's lock and waits for it again.
PostgreSQL writes the same bytes (`storage.engine.postgresql.covered_texts`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from storage.engine import catalog
from storage.engine.covered import COVERED, FRACTIONS, LAST_ACT, CoveredTable
from storage.engine.record_versions import RecordVersions
from storage.engine.sealing import Sealer
from storage.engine.sql import Dialect, Row, SpoiltValue, SqlConnection

if TYPE_CHECKING:
    from storage.engine.transaction import Transaction

T = TypeVar("T")

PAGE = 500
"""As many checks are examined at a time."""

_RECORD, _AT_ONCE, _FACT = "record-mac-of-head", "record-mac", "fact-mac"
"""MACs of one text are never equal across purposes."""

CoveredValues = Sequence[object]
"""What a MAC covers of one row, in the order of `CoveredTable.columns`; NULLs at the end are left out."""


class Text(NamedTuple):
    """What the MAC of a record covers beside its version."""

    head: bytes
    rest: bytes
    """The SHA-256 of the rest. Of a record that was read by its head alone, as it is kept beside the MAC."""


class Stored(NamedTuple):
    """What is stored under one reference; None for what is not there."""

    version: int | None
    mac: str | None
    rest: bytes | None
    """The digest of the rest that the MAC covers; None also for one from before migration m0036, of all at once."""
    parts: Sequence[bytes] | None
    """The record, by table: its head, or all of it. Empty for one with values that the bot cannot have written."""


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
    heads: bool = False,
) -> Examined:
    """Compare the records of these checks with their MACs, as this connection sees them; their `heads` alone if asked.

    `seen_at` is what `versions.commits` was before the connection's snapshot began; 0 asks nothing of `versions`.
    """
    found, left = Examined(), set[str]()
    for page in pages(refs):
        stored = _stored(connection, page, heads=heads)
        for ref in page:
            of_check = stored.get(ref, _NOTHING)
            if of_check.mac is None and of_check.parts is None:
                found.unknown.add(ref)
                continue
            if heads and of_check.mac is not None and of_check.rest is None:
                left.add(ref)  # its MAC covers all at once
                continue
            version = _proven(sealer, of_check, heads=heads)
            if version is None or (versions and versions.is_older(ref, version, seen_at=seen_at)):
                found.altered.add(ref)
            else:
                found.versions[ref] = version
    if left:
        whole = examine(connection, sealer, left, versions=versions, seen_at=seen_at)
        found.versions |= whole.versions
        found.altered |= whole.altered
    return found


def _proven(sealer: Sealer, stored: Stored, *, heads: bool) -> int | None:
    """The version of a record that fits its MAC."""
    version, mac, rest, parts = stored
    if not (version and mac and parts):
        return None
    if rest is None:
        return version if sealer.is_mac(mac, message_at_once(version, parts), purpose=_AT_ONCE) else None
    text = Text(b"".join(parts), rest) if heads else text_of(parts)
    is_whole = text.rest == rest and sealer.is_mac(mac, _message(version, text), purpose=_RECORD)
    return version if is_whole else None


def texts_of(connection: SqlConnection, refs: Collection[str]) -> Mapping[str, Text]:
    """What the MACs of these checks cover, of those alone that exist."""
    found = {ref: stored.parts for page in pages(refs) for ref, stored in _stored(connection, page).items()}
    return {ref: text_of(parts) for ref, parts in found.items() if parts is not None}


def text_of(parts: Sequence[bytes]) -> Text:
    """Of a whole record, by table."""
    if not parts:
        return Text(b"", b"")
    rest = b"".join([parts[at] for at in _REST_AT])
    return Text(b"".join([parts[at] for at in _HEAD_AT]), hashlib.sha256(rest).digest())


def _stored(connection: SqlConnection, refs: Sequence[str], *, heads: bool = False) -> Mapping[str, Stored]:
    """Of at most `PAGE` checks."""
    try:
        table, parameters = table_of(refs, connection.dialect)
        rows = connection.fetch(_of_checks(table, connection.dialect, heads=heads), parameters)
    except SpoiltValue:
        if len(refs) > 1:
            # One record that somebody has spoilt must not stop the list that it stands in.
            return {ref: stored for one in refs for ref, stored in _stored(connection, [one], heads=heads).items()}
        return {refs[0]: Stored(None, None, None, ())}
    return {
        ref: Stored(_is(int, version), _mac(mac), _is(bytes, rest), None if parts[0] is None else parts)
        for ref, version, mac, rest, *parts in rows
    }


def _is(kind: type[T], stored: object) -> T | None:
    # Somebody may have put another type there, past the schema.
    return stored if isinstance(stored, kind) else None


def _mac(stored: object) -> str | None:
    return stored if stored is None or isinstance(stored, str) else ""


def mac_of(sealer: Sealer, version: int, text: Text) -> str:
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
    """The next checks in the order of their references, with or without a record.

    A reference that is no text is none of the bot's: whose it was is missing, and that is noticed.
    """
    follows = f"ref > :last AND {connection.dialect.is_text('ref')}"
    sql = f"""
        SELECT ref FROM (
            SELECT * FROM (SELECT ref FROM verifications WHERE {follows} ORDER BY ref LIMIT :most) v
            UNION SELECT * FROM (SELECT ref FROM check_macs WHERE {follows} ORDER BY ref LIMIT :most) m
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
_NOTHING = Stored(None, None, None, None)


@cache
def _of_checks(refs: str, dialect: Dialect, *, heads: bool) -> str:
    """One statement for references, in the column `value` of a table: a row for each, with `Stored` behind it."""
    columns: Sequence[str]
    if dialect is Dialect.POSTGRESQL:
        from storage.engine.postgresql import covered_texts  # noqa: PLC0415 - psycopg is an extra

        columns = covered_texts.COLUMNS
    else:
        checks, *others = COVERED
        record = f"CASE WHEN v.ref IS NOT NULL THEN {_row(checks, 'v')} END"
        columns = [f"CAST({one} AS BLOB)" for one in (record, *(_rows(table) for table in others), _LAST_ACT)]
    asked = [columns[at] for at in _HEAD_AT] if heads else columns
    return f"""
        SELECT r.value, m.version, m.mac, m.rest_sha256, {", ".join(asked)}
        FROM {refs} r
        LEFT JOIN {COVERED[0].name} v ON v.ref = r.value LEFT JOIN check_macs m ON m.ref = r.value
        """


_LAST_ACT = f"(SELECT '\n{LAST_ACT}' || json_array(COUNT(*), MAX(seq)) FROM audit WHERE ref = v.ref)"
_HEAD_AT = [*(at for at, table in enumerate(COVERED) if table.in_head), len(COVERED)]
"""Which parts of a record are its head: the last act, too, so that an older copy of a head does not fit the trail."""
_REST_AT = [at for at, table in enumerate(COVERED) if not table.in_head]


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


def _message(version: int, text: Text) -> bytes:
    # The digest always has the same length: no two are written alike.
    return f"{version}:".encode() + text.rest + text.head


def message_at_once(version: int, parts: Sequence[bytes]) -> bytes:
    """What a MAC from before migration m0036 is made of."""
    return b"".join([f"{version}:".encode(), *parts])


def _fact_message(ref: str, row: CoveredValues) -> str:
    covered = list(row)
    while covered and covered[-1] is None:
        covered.pop()
    return json.dumps([ref, covered], separators=(",", ":"))
