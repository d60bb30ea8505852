"""Finding checks again: by what they are, page by page, newest first."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.check.check import Check, Cursor, SearchFilter
from bot.domain.check.states import FINAL, State
from storage import blind_index, checks
from storage.engine.database import Transaction

MOST_KEYED = 200
"""Checks of one number, reference or job that are looked at; more than any customer has."""

_UNSETTLED = """
    v.state IN ('requested', 'awaiting_photos', 'submitting', 'processing', 'in_review')
      AND (v.state <> 'in_review' OR v.ended_at IS NULL)"""
"""Word by word as the index `verifications_unsettled` has it."""


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
    beyond, shown = len(found) > size, found[:size]
    if newer:
        shown.reverse()
    return CheckPage(
        checks=checks.get_all(tx, shown, opens_for=opens_for),
        has_older=newer or beyond,
        has_newer=beyond if newer else cursor is not None,
    )


def _refs(tx: Transaction, wanted: SearchFilter, limit: int, cursor: Cursor | None) -> list[str]:
    newer = cursor is not None and cursor.newer
    refs = list(wanted.refs)[:MOST_KEYED] if wanted.refs is not None else None
    # Ours: the direction is one of two texts.
    order = "ASC" if newer else "DESC"
    found: set[tuple[str, str]] = set()
    for source, kind, is_short in _sources(wanted, is_keyed=refs is not None):
        conditions, values = _conditions(wanted, refs, cursor, is_short=is_short)
        sql = f"""
            SELECT v.asked_at, v.ref FROM {source} WHERE {" AND ".join([kind, *conditions])}
            ORDER BY v.asked_at {order}, v.ref {order} LIMIT :limit
            """
        found.update((row["asked_at"], row["ref"]) for row in tx.rows(sql, limit=limit, **values))
    return [ref for _asked_at, ref in sorted(found, reverse=not newer)[:limit]]


def _conditions(
    wanted: SearchFilter, refs: Sequence[str] | None, cursor: Cursor | None, *, is_short: bool
) -> tuple[list[str], dict[str, object]]:
    """What holds for every source, and its parameters; of what is not asked for nothing is said."""
    # The `||` of a short source: SQLite might else go through all that somebody has asked for, by their own index.
    requester = "v.requester || ''" if is_short else "v.requester"
    values: dict[str, object] = {f"r{n}": ref for n, ref in enumerate(refs or ())}
    conditions = [] if refs is None else [f"v.ref IN ({', '.join(f':{name}' for name in values) or 'NULL'})"]
    for name, condition, value in (
        ("requester", f"{requester} = :requester", wanted.requester),
        ("since", "v.asked_at >= :since", None if _is_beyond(wanted.since, cursor, newer=True) else wanted.since),
        ("until", "v.asked_at < :until", None if _is_beyond(wanted.until, cursor, newer=False) else wanted.until),
    ):
        if value is not None:
            conditions.append(condition)
            values[name] = value
    if cursor is not None:
        conditions.append(f"(v.asked_at, v.ref) {'>' if cursor.newer else '<'} (:at, :ref)")
        values |= {"at": cursor.asked_at, "ref": cursor.ref}
    return conditions, values


def _is_beyond(bound: datetime | None, cursor: Cursor | None, *, newer: bool) -> bool:
    """Whether all on this side of the cursor lies within the bound.

    Said beside the cursor, SQLite would begin at the bound, and pass over all pages before this one.
    """
    if bound is None or cursor is None or cursor.newer is not newer:
        return False
    return bound <= cursor.asked_at if newer else cursor.asked_at < bound


def _sources(wanted: SearchFilter, *, is_keyed: bool) -> Iterator[tuple[str, str, bool]]:
    """Tables and conditions that each read along an index of their own; what they find together is wanted.

    And whether there are few rows, whoever asked for them.
    """
    states = frozenset(wanted.states) if wanted.states is not None else None
    undecided = "v.decision IS NULL" if wanted.undecided else "1 = 1"
    if is_keyed or states is None:
        yield "verifications v", f"{undecided} AND {_among(states)}", is_keyed
    else:
        if still_open := states - FINAL:
            yield "verifications v", f"{_UNSETTLED} AND {undecided} AND {_among(still_open)}", True
        # Of those in review, what a person has decided has ended.
        ended = states & (FINAL if wanted.undecided else {*FINAL, State.IN_REVIEW})
        for state in sorted(ended):
            yield "verifications v", f"v.state = '{state.value}' AND v.ended_at IS NOT NULL AND {undecided}", False
    if wanted.undecided:
        # CROSS JOIN: by the open reviews, which are few.
        yield "reviews w CROSS JOIN verifications v ON v.ref = w.ref AND v.round = w.round", "w.state = 'open'", True


def _among(states: Collection[State] | None) -> str:
    if states is None:
        return "1 = 1"
    words = ", ".join(f"'{state.value}'" for state in sorted(states))
    return f"v.state IN ({words or 'NULL'})"


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
    ours = "SELECT ref FROM attempts WHERE job_id = :job"
    # As in `_by`: no index leads from this job to another's.
    theirs = """
        SELECT a.ref FROM attempts i CROSS JOIN attempts a ON a.job_id = i.job_id AND a.smile_job_id = :job
        WHERE i.smile_job_id = :job AND i.smile_job_id <> '' LIMIT :most
        """
    job = job_id.strip()
    found = {*tx.column(ours, job=job), *tx.column(theirs, job=job, most=MOST_KEYED)}
    # Whose the job is stands in no head: of what a list shows, it would know nothing altered.
    tx.altered(found)
    return found


def _by(tx: Transaction, column: str, wanted: Collection[str]) -> set[str]:
    # `v` is the row itself: whoever writes the file can have an index lead from this customer to another's check.
    newest = f"""
        SELECT v.ref FROM verifications i CROSS JOIN verifications v ON v.ref = i.ref AND v.{column} = :print
        WHERE i.{column} = :print ORDER BY i.asked_at DESC LIMIT :most
        """
    return {ref for print_ in wanted for ref in tx.column(newest, print=print_, most=MOST_KEYED)}
