"""Finding checks again: by what they are, page by page, newest first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.domain.check.check import Check, Cursor, SearchFilter
from bot.domain.check.states import State
from storage import blind_index, checks
from storage.engine.database import Transaction

MOST_KEYED = 200
"""Checks of one number, reference or job that are looked at; more than any customer has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPage:
    checks: Sequence[Check]
    has_older: bool
    has_newer: bool


def page(
    tx: Transaction, wanted: SearchFilter, *, size: int, cursor: Cursor | None = None, opens_for: str | None = None
) -> CheckPage:
    """One page; stable while new checks arrive, since it hangs on a check and not on a count.

    Every check is opened from its seal; with `opens_for` only those that this person asked for.
    """
    newer = cursor is not None and cursor.newer
    found = _refs(tx, wanted, size + 1, cursor)
    tx.altered(found)  # all at once; each asks again as it is loaded
    beyond, shown = len(found) > size, found[:size]
    if newer:
        shown.reverse()
    return CheckPage(
        checks=[_opened(tx, ref, opens_for) for ref in shown],
        has_older=newer or beyond,
        has_newer=beyond if newer else cursor is not None,
    )


def _opened(tx: Transaction, ref: str, opens_for: str | None) -> Check:
    check = checks.get(tx, ref, sealed=False)
    return checks.get(tx, ref) if opens_for in (None, check.requester) else check


def _refs(tx: Transaction, wanted: SearchFilter, limit: int, cursor: Cursor | None) -> list[str]:
    newer = cursor is not None and cursor.newer
    # Both are ours: the direction is one of two texts, and a state is a word of the table.
    compare, order = (">", "ASC") if newer else ("<", "DESC")
    states = ", ".join(f"'{state.value}'" for state in (wanted.states if wanted.states is not None else State))
    refs = list(wanted.refs)[:MOST_KEYED] if wanted.refs is not None else None
    among = "" if refs is None else f"AND v.ref IN ({', '.join(f':r{n}' for n in range(len(refs))) or 'NULL'})"
    return tx.column(
        f"""
        SELECT v.ref FROM verifications v
        WHERE (:requester IS NULL OR v.requester = :requester) {among}
          AND (v.state IN ({states or "NULL"}) AND (:undecided = 0 OR v.decision IS NULL)
            OR :undecided = 1
              AND (v.ref, v.round) IN (SELECT w.ref, w.round FROM reviews w WHERE w.state = 'open'))
          AND (:since IS NULL OR v.asked_at >= :since) AND (:until IS NULL OR v.asked_at < :until)
          AND (:ref IS NULL OR v.asked_at {compare} :at OR (v.asked_at = :at AND v.ref {compare} :ref))
        ORDER BY v.asked_at {order}, v.ref {order} LIMIT :limit
        """,
        requester=wanted.requester,
        undecided=wanted.undecided,
        since=wanted.since,
        until=wanted.until,
        at=cursor.asked_at if cursor else None,
        ref=cursor.ref if cursor else None,
        limit=limit,
        **{f"r{n}": ref for n, ref in enumerate(refs or ())},
    )


def newest(tx: Transaction, refs: Collection[str], *, requester: str | None = None) -> tuple[str, ...]:
    """As many of these checks as a page can remember, the newest ones; of one requester, or of all."""
    mine = "SELECT ref, asked_at FROM verifications WHERE ref = :ref AND :requester IN (requester, '')"
    rows = [tx.row(mine, ref=ref, requester=requester or "") for ref in refs]
    found = sorted(((row["asked_at"], row["ref"]) for row in rows if row is not None), reverse=True)
    return tuple(ref for _asked_at, ref in found[:MOST_KEYED])


def by_number(tx: Transaction, number: str, countries: Collection[str]) -> set[str]:
    """References of checks of this ID number, however it was written, in any of the countries."""
    return _by(tx, "number_print", [p for c in countries for p in blind_index.numbers(tx.sealer, c, number)])


def by_reference(tx: Transaction, reference: str) -> set[str]:
    return _by(tx, "reference_print", blind_index.references(tx.sealer, reference))


def by_job(tx: Transaction, job_id: str) -> set[str]:
    """By Smile ID's id of a job, or by ours."""
    jobs = "SELECT ref FROM attempts WHERE job_id = :job OR smile_job_id = :job LIMIT :most"
    return set(tx.column(jobs, job=job_id.strip(), most=MOST_KEYED))


def _by(tx: Transaction, column: str, wanted: Collection[str]) -> set[str]:
    newest = f"SELECT ref FROM verifications WHERE {column} = :print ORDER BY asked_at DESC LIMIT :most"
    return {ref for print_ in wanted for ref in tx.column(newest, print=print_, most=MOST_KEYED)}
