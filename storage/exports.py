"""The bare record of checks, page by page: nothing here is sealed, and nothing is personal but who asked.

And the exports that managers asked for in Slack (table `exports`), until each has come to its end.
"""

from dataclasses import dataclass
from datetime import date, datetime

from bot.domain.reporting.exports import Export, ExportState
from bot.domain.reporting.periods import period_of_days
from storage.engine.database import Transaction, load, params
from storage.engine.sql import Row

PAGE = 500
ALTERED = "altered"
"""State and reason of a check whose record is not as the bot wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLine:
    """One check. The names are a contract (docs/figures.md); times are ISO 8601 in UTC, absent ones empty."""

    ref: str
    state: str
    verdict: str
    decision: str
    reason: str
    country: str
    id_type: str
    requester: str
    asked_at: str
    ended_at: str
    attempts: int
    record_match: str
    """What was entered against the authority's record: matches, partly, differs or not_compared."""
    liveness: str
    """proven or not_proven; empty without a verdict, and where it was not kept yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRange:
    """Checks asked from `since` up to, not including, `until`; None: without that bound."""

    since: datetime | None = None
    until: datetime | None = None


def page(tx: Transaction, wanted: ExportRange, after: ExportLine | None) -> list[ExportLine]:
    """The next lines in the order of asking, after the given one; empty at the end."""
    beyond = "(v.asked_at, v.ref) > (:asked_at, :ref)" if after else None
    # Of an index the order alone: whoever writes the file can have it lead from one check's reference to another's row.
    # Each row is read by its key, as its MAC is.
    rows = tx.rows(
        f"""
        SELECT i.ref, i.asked_at, CASE WHEN v.asked_at = i.asked_at THEN 1 ELSE 0 END AS fits,
            COALESCE(v.state, '') AS state, COALESCE(v.verdict, '') AS verdict, COALESCE(v.decision, '') AS decision,
            COALESCE(v.decision_reason, v.reason, v.failure, v.verdict_why, '') AS reason,
            COALESCE(v.country, '') AS country, COALESCE(v.id_type, '') AS id_type,
            COALESCE(v.requester, '') AS requester, COALESCE(v.ended_at, '') AS ended_at,
            COALESCE(v.record_match, 'not_compared') AS record_match, COALESCE(v.liveness, '') AS liveness,
            (SELECT COUNT(*) FROM attempts a WHERE a.ref = v.ref) AS attempts
        FROM (
            SELECT v.asked_at, v.ref FROM verifications v WHERE {_where(tx, wanted, beyond)}
            ORDER BY v.asked_at, v.ref LIMIT :limit) i
        LEFT JOIN verifications v ON v.ref = i.ref
        """,
        since=wanted.since,
        until=wanted.until,
        asked_at=after.asked_at if after else None,
        ref=after.ref if after else None,
        limit=PAGE,
    )
    misled = {row["ref"] for row in rows if not row["fits"]}
    altered = tx.altered([row["ref"] for row in rows]) | tx.altered_so_far(misled)
    lines = [_altered(row) if row["ref"] in altered else load(ExportLine, row) for row in rows]
    lines.sort(key=_key)
    # What is no UTF-8 sorts otherwise than it reads: it must not be the next page for ever.
    return lines if not lines or after is None or _key(lines[-1]) > _key(after) else []


def _key(line: ExportLine) -> tuple[str, str]:
    return line.asked_at, line.ref


def _where(tx: Transaction, wanted: ExportRange, beyond: str | None = None) -> str:
    """Of a bound that is not given nothing is said, so that SQLite reads along the index from the other."""
    # Behind a line there is nothing from before the range.
    since = "v.asked_at >= :since" if wanted.since and not beyond else None
    until = "v.asked_at < :until" if wanted.until else None
    # A time of another type, past the schema, would be before or behind all others: such a check is told of alone.
    return " AND ".join(filter(None, (tx.dialect.is_text("v.asked_at"), since, until, beyond)))


def _altered(row: Row) -> ExportLine:
    """Nothing that an altered record says of what has come of its check."""
    nothing = {"verdict": "", "decision": "", "ended_at": "", "record_match": "not_compared", "liveness": ""}
    # Past the schema, somebody may have put another type there.
    kept = {name: row[name] if isinstance(row[name], str) else "" for name in ("country", "id_type", "requester")}
    return load(ExportLine, row, state=ALTERED, reason=ALTERED, **nothing, **kept)


FIELDS = tuple(ExportLine.__dataclass_fields__)


def count(tx: Transaction, wanted: ExportRange) -> int:
    """How many lines there are."""
    if wanted.since is None:
        # All but the newest: of all there is a count that is kept.
        newer = count(tx, ExportRange(since=wanted.until)) if wanted.until else 0
        return int(tx.value("SELECT COALESCE(SUM(n), 0) FROM check_counts")) - newer
    sql = f"SELECT COUNT(*) FROM verifications v WHERE {_where(tx, wanted)}"
    return int(tx.value(sql, since=wanted.since, until=wanted.until))


# What was asked for in Slack


def add(tx: Transaction, export: Export, *, now: datetime) -> bool:
    """Store it. False when the same is being prepared for the same person already."""
    first, last = (export.period.first.isoformat(), export.period.last.isoformat()) if export.period else (None, None)
    # The index `exports_asked`, and no other: an id that is taken must fail, not read as the same export.
    sql = """
        INSERT INTO exports (id, person, form, first, last, since, until, total, asked_at)
        VALUES (:id, :person, :form, :first, :last, :since, :until, :total, :now)
        ON CONFLICT (person, form, COALESCE(first, ''), COALESCE(last, '')) WHERE state = 'asked' DO NOTHING
        """
    return tx.change(sql, **params(export), first=first, last=last, now=now)


def find(tx: Transaction, export_id: str) -> Export | None:
    row = tx.row("SELECT * FROM exports WHERE id = :id", id=export_id)
    if row is None:
        return None
    days = (date.fromisoformat(row["first"]), date.fromisoformat(row["last"])) if row["first"] else None
    return load(Export, row, period=period_of_days(*days) if days else None)


def keep_written(tx: Transaction, export_id: str, count: int) -> None:
    """So many rows are in the file by now."""
    tx.update("exports", "id = :id", {"id": export_id}, written=count)


def end(tx: Transaction, export_id: str, state: ExportState, *, now: datetime) -> bool:
    """False when it has ended before. A failed one that an operator released may still be made."""
    # Found again in Slack after its answer was lost, a file may have been told as failed before.
    return tx.update(
        "exports", "id = :id AND state IN ('asked', 'failed')", {"id": export_id}, state=state, ended_at=now
    )
