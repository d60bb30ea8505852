"""Reads the audit trail for its reports, part by part: it may hold millions of lines, and the bot writes meanwhile."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from storage.engine.database import Transaction, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """How often one act was done to one check within some lines."""

    ref: str
    act: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleLine:
    at: datetime
    act: str
    detail: str
    """Role and person."""


def ends(tx: Transaction) -> int:
    """The number of the last line; 0 of a trail without any."""
    return int(tx.value("SELECT MAX(seq) FROM audit") or 0)


def touches(tx: Transaction, *, after: int, size: int, since: datetime, until: datetime) -> list[Touch]:
    """What was done to which check from `since` on and before `until`, in the `size` lines behind line `after`."""
    sql = """
        SELECT ref, act, COUNT(*) AS count, MIN(at) AS first, MAX(at) AS last FROM audit
        WHERE seq > :after AND seq <= :end AND ref LIKE 'K-%' AND at >= :since AND at < :until
        GROUP BY ref, act
        """
    return [load(Touch, row) for row in tx.rows(sql, after=after, end=after + size, since=since, until=until)]


def looks_for_nobody(tx: Transaction, *, after: int, size: int, since: datetime, until: datetime) -> int:
    """How often in those lines somebody looked for an ID number that is of no check."""
    sql = """
        SELECT COUNT(*) FROM audit WHERE seq > :after AND seq <= :end AND ref IS NULL AND person IS NOT NULL
          AND at >= :since AND at < :until
        """
    return int(tx.value(sql, after=after, end=after + size, since=since, until=until))


def role_lines(tx: Transaction, *, after: int, size: int) -> list[RoleLine]:
    """Who gained and who lost a role, in the `size` lines behind line `after`."""
    sql = """
        SELECT at, act, detail FROM audit
        WHERE seq > :after AND seq <= :end AND act IN ('role.gained', 'role.lost') ORDER BY seq
        """
    return [load(RoleLine, row) for row in tx.rows(sql, after=after, end=after + size)]


def customers(tx: Transaction, refs: Collection[str]) -> dict[str, tuple[str, str]]:
    """Of each of these checks that is there: its country, and the print of its customer; empty where it was erased."""
    found: dict[str, tuple[str, str]] = {}
    for ref in refs:
        sql = """
            SELECT country, COALESCE(NULLIF(number_print, ''), NULLIF(reference_print, ''), '') AS print
            FROM verifications WHERE ref = :ref
            """
        row = tx.row(sql, ref=ref)
        if row is not None:
            found[ref] = (row["country"], row["print"])
    return found
