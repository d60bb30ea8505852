"""The bare record of checks, page by page: nothing here is sealed, and nothing is personal but who asked."""

from dataclasses import dataclass
from datetime import datetime

from storage import audit
from storage.database import Transaction, to_text

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One check. The names are a contract (README, *Exports*); times are ISO 8601 in UTC, absent ones empty."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Checks asked from `since` up to, not including, `until`; None: without that bound."""

    since: datetime | None = None
    until: datetime | None = None


def page(tx: Transaction, wanted: Wanted, after: Line | None) -> list[Line]:
    """The next lines in the order of asking, after the given one; empty at the end."""
    rows = tx.rows(
        """
        SELECT v.ref, v.state, v.verdict, v.decision, v.country, v.id_type, v.requester, v.asked_at, v.ended_at,
            COALESCE(v.decision_reason, v.reason, v.failure, v.verdict_why) AS why,
            (SELECT COUNT(*) FROM attempts a WHERE a.ref = v.ref) AS attempts
        FROM verifications v
        WHERE (:since IS NULL OR v.asked_at >= :since) AND (:until IS NULL OR v.asked_at < :until)
          AND (:ref IS NULL OR v.asked_at > :asked_at OR (v.asked_at = :asked_at AND v.ref > :ref))
        ORDER BY v.asked_at, v.ref LIMIT :limit
        """,
        since=to_text(wanted.since) if wanted.since else None,
        until=to_text(wanted.until) if wanted.until else None,
        asked_at=after.asked_at if after else None,
        ref=after.ref if after else None,
        limit=PAGE,
    )
    return [
        Line(
            ref=row["ref"],
            state=row["state"],
            verdict=row["verdict"] or "",
            decision=row["decision"] or "",
            reason=row["why"] or "",
            country=row["country"],
            id_type=row["id_type"],
            requester=row["requester"],
            asked_at=row["asked_at"],
            ended_at=row["ended_at"] or "",
            attempts=row["attempts"],
        )
        for row in rows
    ]


def record(tx: Transaction, *, actor: str, form: str, count: int, now: datetime) -> None:
    """Who took how many lines out of the bot."""
    audit.record(tx, at=now, actor=actor, act="export.made", detail=f"{form}:{count}")


FIELDS = tuple(Line.__dataclass_fields__)
