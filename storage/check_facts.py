"""Facts (table `facts`): what the managers' figures are made from, one row a round of a check, nothing personal.

A row is written in the transaction that settles the check, so that figures never need what retention removes later.
What is still open is read from the checks themselves. Checks whose record was altered are in none of the figures.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.domain.reporting.round_facts import RoundFact
from bot.domain.results.record_match import RecordMatch
from storage import blind_index
from storage.engine import macs
from storage.engine.database import Transaction, any_moment, load
from storage.engine.sql import Row

MOST_EXAMINED = 1_000
"""Of as many rows the record of their check is examined, too, by its head; of more each row's own MAC must do."""

_OF_A_CHECK = """
    v.ref, v.round, v.requester, v.country, v.id_type,
    CASE WHEN v.round = 1 THEN v.asked_at ELSE v.consent_at END AS asked_at,
    v.state, v.reason, COALESCE(v.failure, v.verdict_why) AS why,
    CASE WHEN v.verdict LIKE '12%' THEN 1 ELSE 0 END AS by_person,
    v.ended_at, v.decision, v.paused_seconds, v.record_match, v.liveness,
    CASE WHEN v.decision IS NOT NULL THEN v.decided_at END AS decided_at,
    CASE WHEN v.decision IS NOT NULL THEN v.decision_reason END AS decision_reason,
    (SELECT r.opened_at FROM reviews r WHERE r.ref = v.ref AND r.round = v.round) AS opened_at,
    (SELECT r.first_claimed_at FROM reviews r WHERE r.ref = v.ref AND r.round = v.round) AS claimed_at
"""
# Smile ID's machine speaks first: codes 12xx come from people there, and 52xx are news beside the verdict. An
# approval that people decided counts with them, however it was heard of.
_MACHINE_AT = """
    (SELECT MIN(r.received_at) FROM receipts r JOIN attempts a ON a.job_id = r.job_id
     WHERE a.ref = v.ref AND a.round = v.round AND r.fate IN ('counted', 'claimed', 'agrees')
       AND r.code NOT LIKE '12%' AND r.code NOT LIKE '52%') AS machine_at
"""


def note(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Write down what a check has come to: machine result, end, decision. Again changes what has changed.

    What was known first stays: whose check it is, and when the machine spoke and review began.
    """
    sql = f"""
        INSERT INTO facts (
            ref, round, person, requester, country, id_type, asked_at, state, reason, why, by_person, ended_at,
            decision, decided_at, decision_reason, machine_at, review_at, claimed_at, paused_seconds, settled_at,
            record_match, liveness)
        SELECT
            c.ref, c.round, :person, c.requester, c.country, c.id_type, c.asked_at, c.state, c.reason, c.why,
            c.by_person, c.ended_at, c.decision, c.decided_at, c.decision_reason, c.machine_at,
            CASE WHEN c.state = 'in_review' THEN COALESCE(c.opened_at, :now)
                 WHEN c.decision IS NOT NULL THEN c.opened_at END,
            c.claimed_at, c.paused_seconds,
            CASE WHEN c.ended_at IS NULL THEN NULL
                 WHEN c.decision IS NOT NULL THEN COALESCE(c.decided_at, c.ended_at) ELSE c.ended_at END,
            c.record_match, c.liveness
        FROM (SELECT {_OF_A_CHECK}, {_MACHINE_AT} FROM verifications v WHERE v.ref = :ref) AS c
        WHERE 1 = 1
        ON CONFLICT (ref, round) DO UPDATE SET
            state = excluded.state, reason = excluded.reason, why = excluded.why, by_person = excluded.by_person,
            ended_at = excluded.ended_at, decision = excluded.decision, decided_at = excluded.decided_at,
            decision_reason = excluded.decision_reason, settled_at = excluded.settled_at,
            paused_seconds = excluded.paused_seconds,
            record_match = excluded.record_match, liveness = excluded.liveness,
            machine_at = COALESCE(facts.machine_at, excluded.machine_at),
            review_at = COALESCE(facts.review_at, excluded.review_at),
            claimed_at = COALESCE(facts.claimed_at, excluded.claimed_at)
        """
    tx.run(sql, ref=ref, person=_person(tx, ref), now=now)


def _person(tx: Transaction, ref: str) -> str:
    """The first check of the same person: of this one's own earlier rounds, else by ID number.

    By reference and never by the number's print, which does not outlive retention. A person whose number the bot holds
    no more counts as new; one whose earlier checks have the print of an older key does not.
    """
    known: str | None = tx.value("SELECT person FROM facts WHERE ref = :ref ORDER BY round LIMIT 1", ref=ref)
    if known is not None:
        return known
    firsts = [
        row
        for print_ in blind_index.of_number(tx, ref)
        for row in tx.rows(
            """
            SELECT o.ref, o.asked_at,
                (SELECT f.person FROM facts f WHERE f.ref = o.ref ORDER BY f.round LIMIT 1) AS person
            FROM verifications o
            WHERE o.number_print = :print AND o.country = (SELECT v.country FROM verifications v WHERE v.ref = :ref)
            ORDER BY o.asked_at, o.ref LIMIT 1
            """,
            print=print_,
            ref=ref,
        )
    ]
    first = min(firsts, key=lambda row: (row["asked_at"], row["ref"]), default=None)
    return ref if first is None else str(first["person"] or first["ref"])


class SettledFacts(NamedTuple):
    facts: list[RoundFact]
    left_out_at: list[datetime]
    """When what is left out was asked and settled, as its altered rows say."""


def settled(tx: Transaction, since: datetime, until: datetime) -> SettledFacts:
    """Rounds that have ended or were decided, and were asked or settled from `since` up to, not including, `until`."""
    sql = """
        SELECT * FROM facts WHERE settled_at IS NOT NULL AND asked_at >= :since AND asked_at < :until
        UNION ALL
        SELECT * FROM facts
        WHERE settled_at IS NOT NULL AND settled_at >= :since AND settled_at < :until
          AND NOT (asked_at >= :since AND asked_at < :until)
        """
    rows = tx.rows(sql, since=since, until=until)
    if tx.macs is None:
        return SettledFacts([_fact(row) for row in rows], [])
    left_out = tx.altered_so_far({row["ref"] for row in rows if not macs.is_fact(tx.sealer, row)})
    if len(rows) <= MOST_EXAMINED:
        left_out |= tx.altered_heads({row["ref"] for row in rows}, or_gone=True)
    return SettledFacts(
        [_fact(row) for row in rows if row["ref"] not in left_out],
        [any_moment(row[at]) for row in rows if row["ref"] in left_out for at in ("asked_at", "settled_at")],
    )


def are_at_most(tx: Transaction, most: int, since: datetime, until: datetime) -> bool:
    """Whether no more than `most` rounds that have ended were asked from `since` up to, not including, `until`."""
    sql = """
        SELECT COUNT(*) FROM (
            SELECT 1 FROM facts WHERE settled_at IS NOT NULL AND asked_at >= :since AND asked_at < :until
            LIMIT :most + 1) ended
        """
    count: int = tx.value(sql, since=since, until=until, most=most)
    return count <= most


def altered(tx: Transaction, since: datetime, until: datetime) -> int:
    """How many checks asked from `since` up to, not including, `until` are left out, as far as is known by now."""
    known = tx.altered_so_far()
    asked = "SELECT 1 FROM verifications WHERE ref = :ref AND asked_at >= :since AND asked_at < :until"
    return sum(tx.exists(asked, ref=ref, since=since, until=until) for ref in known)


def still_open(tx: Transaction) -> list[RoundFact]:
    """Checks that have neither ended nor been decided, or that somebody looks at again, as they stand now.

    When the machine spoke is known of what has come into review.
    """
    rows = tx.rows(
        f"""
        SELECT {_OF_A_CHECK}, f.machine_at, f.review_at, COALESCE(f.person, v.ref) AS person
        FROM verifications v LEFT JOIN facts f ON f.ref = v.ref AND f.round = v.round
        WHERE v.state IN ('requested', 'awaiting_photos', 'submitting', 'processing', 'in_review')
          AND (v.state <> 'in_review' OR v.ended_at IS NULL) AND v.ended_at IS NULL
        """
    )
    return _intact(tx, rows)


def in_review(tx: Transaction) -> list[RoundFact]:
    """Checks whose review is open, whatever has come of them, as they stand now; `review_at` is when it was opened."""
    rows = tx.rows(
        f"""
        SELECT {_OF_A_CHECK}, f.machine_at, w.opened_at AS review_at, v.ref AS person
        FROM reviews w JOIN verifications v ON v.ref = w.ref AND v.round = w.round
        LEFT JOIN facts f ON f.ref = v.ref AND f.round = v.round
        WHERE w.state = 'open'
        """
    )
    return _intact(tx, rows)


def _intact(tx: Transaction, rows: Sequence[Row]) -> list[RoundFact]:
    left_out = tx.altered_heads({row["ref"] for row in rows})
    return [_fact(row) for row in rows if row["ref"] not in left_out]


def _fact(row: Row) -> RoundFact:
    record = RecordMatch(row["record_match"] or RecordMatch.NOT_COMPARED)
    return load(RoundFact, row, paused=timedelta(seconds=row["paused_seconds"]), record=record)
