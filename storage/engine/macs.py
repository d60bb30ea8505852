"""The MAC of each check: a keyed proof that its record is as the bot wrote it, and as it wrote it last.

Whoever can write the file can write *approved* into it, but not the MAC that belongs to it (table `check_macs`): one
for all rows of a check (`storage.engine.covered`) and the version of its record, which every commit counts up that
touches it. `writer_macs` makes them, `record_versions` notices an older record that was put back with its own MAC.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from storage.engine.connection import fetched
from storage.engine.covered import COVERED, LAST_ACT, CoveredTable, default_of
from storage.engine.record_versions import RecordVersions
from storage.engine.sealing import Sealer

if TYPE_CHECKING:
    from storage.engine.transaction import Transaction

PAGE = 500
"""As many checks are examined at a time."""

_CHECK, _FACT = "check-mac", "fact-mac"
"""MACs of one text are never equal across purposes."""
_LISTS = (1, 4, 16, 64, PAGE)
"""Lengths of lists in statements: of few, SQLite still knows the plan."""

Row = Sequence[object]
"""What a MAC covers of one row, in the order of `CoveredTable.columns`; defaults at the end are left out."""
Rows = Mapping[str, Sequence[Row]]
"""By table."""


@dataclass(slots=True, kw_only=True)
class Examined:
    """What an examination of some checks has found."""

    versions: dict[str, int] = field(default_factory=dict)
    """Of the records that are as the bot wrote them."""
    altered: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    """Neither a record nor a MAC is found under these references."""


def examine(
    connection: sqlite3.Connection,
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
    for page in _pages(refs):
        records, stored = _read(connection, page)
        found.altered |= stored.keys() - records.keys()
        found.unknown |= set(page) - records.keys() - stored.keys()
        for ref, rows in records.items():
            version, mac = stored.get(ref, (0, ""))
            is_whole = sealer.is_mac(mac, _message(ref, version, rows), purpose=_CHECK)
            if is_whole and not (versions and versions.is_older(ref, version, seen_at=seen_at)):
                found.versions[ref] = version
            else:
                found.altered.add(ref)
    return found


def rows_of(connection: sqlite3.Connection, refs: Sequence[str]) -> Mapping[str, Rows]:
    """What the MACs of these checks cover; at most `PAGE` of them, and those alone that exist."""
    records, _macs = _read(connection, refs)
    return records


def _read(
    connection: sqlite3.Connection, refs: Sequence[str]
) -> tuple[Mapping[str, Rows], Mapping[str, tuple[int, str]]]:
    """What the MACs of these checks cover, and versions and MACs as they are stored."""
    if not refs:
        return {}, {}
    length = next(length for length in _LISTS if length >= len(refs))
    padded = [*refs, *[refs[0]] * (length - len(refs))]
    found: dict[str, list[list[Row]]] = {
        ref: [[_trimmed(_CHECKS, values)], *([] for _source in range(_ACTS))]
        for ref, *values in fetched(connection, _of_checks(length), padded)
    }
    stored: dict[str, tuple[int, str]] = {}
    for source, ref, *values in fetched(connection, _of_all_others(length), padded):
        if source == _MACS:
            stored[ref] = (values[0], values[1])
        elif ref in found:
            found[ref][source].append(values)
    return {ref: _in_order(tables) for ref, tables in found.items()}, stored


def _in_order(tables: Sequence[list[Row]]) -> Rows:
    """As the MAC has them: the tables as in `COVERED`, and the rows of each by its key."""
    rows: dict[str, Sequence[Row]] = {_CHECKS.name: tables[0]}
    for source, table in enumerate(_OTHERS, 1):
        if of_table := tables[source]:
            if len(of_table) > 1:
                of_table.sort(key=_key_of(table))
            rows[table.name] = [_trimmed(table, list(row[: len(table.columns)])) for row in of_table]
    if tables[_ACTS]:
        rows[LAST_ACT] = [tuple(tables[_ACTS][0][:2])]
    return rows


def _trimmed(table: CoveredTable, values: list[object]) -> Row:
    """Without what a later migration added, as long as it says nothing."""
    while values and (values[-1] is None or values[-1] == default_of(table.name, table.columns[len(values) - 1])):
        values.pop()
    return values


def mac_of(sealer: Sealer, ref: str, version: int, rows: Rows) -> str:
    """What belongs into `check_macs` for this version of a record."""
    return sealer.mac(_message(ref, version, rows), purpose=_CHECK)


def fact_mac_of(sealer: Sealer, ref: str, row: Row) -> str:
    """What belongs into `facts.mac`: figures are summed from these rows alone, of half a million checks at once."""
    return sealer.mac(_fact_message(ref, row), purpose=_FACT)


def is_fact(sealer: Sealer, row: sqlite3.Row) -> bool:
    """Whether a row of `facts`, with all its columns, is as the bot wrote it."""
    covered = _trimmed(_FACTS, [row[column] for column in _FACTS.columns])
    return sealer.is_mac(row["mac"], _fact_message(row["ref"], covered), purpose=_FACT)


def exists(connection: sqlite3.Connection) -> bool:
    """Whether this is a database with MACs."""
    return bool(fetched(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'check_macs'"))


def refs_after(connection: sqlite3.Connection, last: str, *, most: int = PAGE) -> list[str]:
    """The next checks in the order of their references, with or without a record."""
    sql = """
        SELECT ref FROM (
            SELECT * FROM (SELECT ref FROM verifications WHERE ref > :last ORDER BY ref LIMIT :most)
            UNION SELECT * FROM (SELECT ref FROM check_macs WHERE ref > :last ORDER BY ref LIMIT :most))
        ORDER BY ref LIMIT :most
        """
    refs = [ref for (ref,) in fetched(connection, sql, {"last": last, "most": most})]
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


_CHECKS, *_OTHERS = COVERED
_FACTS = next(table for table in COVERED if table.name == "facts")
_ACTS = len(COVERED)
_MACS = _ACTS + 1
"""Where a row comes from; the tables of `COVERED` are numbered as they stand there."""


@cache
def _key_of(table: CoveredTable) -> Callable[[Row], Any]:
    return itemgetter(*(table.columns.index(column) for column in table.key))


@cache
def _of_checks(length: int) -> str:
    return f"SELECT ref, {', '.join(_CHECKS.columns)} FROM {_CHECKS.name} WHERE ref IN ({_list(length)})"


@cache
def _of_all_others(length: int) -> str:
    """What else is known of so many checks: one statement, since each costs more than the few rows that it reads."""
    refs, width = _list(length), max(len(table.columns) for table in _OTHERS)

    def rows(source: int, ref: str, columns: Sequence[str], origin: str) -> str:
        padded = [str(source), ref, *columns, *["NULL"] * (width - len(columns))]
        return f"SELECT {', '.join(padded)} FROM {origin}"

    return " UNION ALL ".join(
        [
            *(
                rows(source, _ref_of(table), [f"t.{column}" for column in table.columns], _origin(table, refs))
                for source, table in enumerate(_OTHERS, 1)
            ),
            rows(_ACTS, "ref", ["COUNT(*)", "MAX(seq)"], f"audit WHERE ref IN ({refs}) GROUP BY ref"),
            rows(_MACS, "ref", ["version", "mac"], f"check_macs WHERE ref IN ({refs})"),
        ]
    )


def _list(length: int) -> str:
    return ", ".join(f"?{number + 1}" for number in range(length))


def _ref_of(table: CoveredTable) -> str:
    return "a.ref" if table.through_job else "t.ref"


def _origin(table: CoveredTable, refs: str) -> str:
    if table.through_job:
        # CROSS JOIN: by the checks' few jobs to what was said of them, and never through all that was ever said.
        return f"attempts a CROSS JOIN {table.name} t ON t.job_id = a.job_id WHERE a.ref IN ({refs})"
    return f"{table.name} t WHERE t.ref IN ({refs})"


def _pages(refs: Collection[str]) -> Iterator[list[str]]:
    wanted = sorted(set(refs))
    for start in range(0, len(wanted), PAGE):
        yield wanted[start : start + PAGE]


def _message(ref: str, version: int, rows: Rows) -> str:
    return json.dumps([ref, version, rows], default=_digest, separators=(",", ":"))


def _digest(blob: bytes) -> str:
    # A column holds either texts or blobs (STRICT), so that no text passes for one; sealed messages are long.
    return hashlib.sha256(blob).hexdigest()


def _fact_message(ref: str, row: Row) -> str:
    return json.dumps([ref, row], separators=(",", ":"))
