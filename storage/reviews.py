"""Reviews as they stand: who has claimed what, what is proposed, decided and noted, and the cards that show it.

What changes them is in `storage.reviewing`.
"""

import sqlite3
from datetime import datetime

from bot.domain.checks import Check
from bot.domain.outbox import Post
from bot.domain.outcomes import Outcome
from bot.domain.reviews import Decided, Decision, Note, Proposal, Review, ReviewState, Waiting
from bot.domain.states import ReviewReason, State
from storage import outbox
from storage.database import Transaction, from_text, moment_or_none, to_text


def find(tx: Transaction, ref: str, round_: int | None = None) -> Review | None:
    """The review of a round, by default of the one that counts now."""
    row = tx.row(
        """
        SELECT r.*, (SELECT COUNT(*) FROM review_notes n WHERE n.ref = r.ref AND n.round = r.round) AS notes
        FROM reviews r
        WHERE r.ref = :ref AND r.round = COALESCE(:round, (SELECT v.round FROM verifications v WHERE v.ref = :ref))
        """,
        ref=ref,
        round=round_,
    )
    return _review(tx, row) if row is not None else None


def queue(tx: Transaction, person: str, *, overrides: bool, limit: int) -> tuple[list[Review], int]:
    """The first open reviews, those that this person has claimed before all others, oldest first; and how many.

    Without those of checks that they asked for, or ran again: who does not override four eyes cannot take them up.
    """
    rows = tx.rows(
        """
        SELECT r.ref, COUNT(*) OVER () AS total FROM reviews r
        JOIN verifications v ON v.ref = r.ref AND v.round = r.round
        WHERE r.state = 'open'
          AND (:overrides OR (v.requester <> :person AND ' ' || v.asked_again NOT LIKE '% ' || :person || ' %'))
        ORDER BY CASE WHEN r.claimed_by = :person THEN 0 ELSE 1 END, r.opened_at, r.ref LIMIT :limit
        """,
        person=person,
        overrides=overrides,
        limit=limit,
    )
    found = [review for row in rows if (review := find(tx, row["ref"])) is not None]
    return found, rows[0]["total"] if rows else 0


def decided(tx: Transaction, ref: str, round_: int, number: int | None = None) -> Decided | None:
    """One decision, by default the latest of the round."""
    row = tx.row(
        """
        SELECT * FROM decisions WHERE ref = :ref AND round = :round AND (:number IS NULL OR number = :number)
        ORDER BY number DESC LIMIT 1
        """,
        ref=ref,
        round=round_,
        number=number,
    )
    if row is None:
        return None
    return Decided(
        number=row["number"],
        decision=Decision(row["decision"]),
        reason=row["reason"],
        by=row["decided_by"],
        confirmed_by=row["confirmed_by"],
        is_override=bool(row["override"]),
        at=from_text(row["at"]),
        words=_open_seal(tx, row["words_sealed"], place(ref, round_, row["number"])),
    )


def notes(tx: Transaction, ref: str) -> list[Note]:
    """What reviewers wrote about a check, in all its rounds, oldest first."""
    rows = tx.rows("SELECT * FROM review_notes WHERE ref = :ref ORDER BY at, seq", ref=ref)
    return [
        Note(
            author=row["author"],
            at=from_text(row["at"]),
            words=_open_seal(tx, row["words_sealed"], f"review_notes.words:{ref}:{row['round']}:{row['source']}"),
        )
        for row in rows
    ]


def decisions(tx: Transaction, ref: str) -> list[Decided]:
    """Every decision about a check, oldest first."""
    rows = tx.rows("SELECT round, number FROM decisions WHERE ref = :ref ORDER BY round, number", ref=ref)
    found = (decided(tx, ref, row["round"], row["number"]) for row in rows)
    return [one for one in found if one is not None]


def cards(tx: Transaction, ref: str, round_: int | None = None) -> list[Post]:
    """Every card of a check, or of one of its rounds, that stands in Slack or will, oldest first."""
    rows = tx.rows(
        "SELECT id FROM posts WHERE ref = :ref AND kind = 'review_notice' AND state IN ('due', 'done') ORDER BY seq",
        ref=ref,
    )
    found = (outbox.find(tx, row["id"]) for row in rows)
    return [card for card in found if card is not None and round_ in (None, int(card.payload.get("round", 1)))]


def replies_due(tx: Transaction) -> list[tuple[str, int, list[Post]]]:
    """Decided reviews whose replies were not read yet: reference, round, and the cards that stand."""
    rows = tx.rows("SELECT ref, round FROM reviews WHERE replies_due = 1 LIMIT 50")
    return [
        (row["ref"], row["round"], [c for c in cards(tx, row["ref"], row["round"]) if c.ts is not None]) for row in rows
    ]


def waiting(tx: Transaction) -> list[Waiting]:
    """Open reviews, oldest first."""
    rows = tx.rows(
        """
        SELECT r.ref, v.state, v.reason, v.requester, v.asked_again FROM reviews r
        JOIN verifications v ON v.ref = r.ref AND v.round = r.round
        WHERE r.state = 'open' ORDER BY r.opened_at, r.ref LIMIT 5000
        """
    )
    return [
        Waiting(
            review=review,
            state=State(row["state"]),
            reason=ReviewReason(row["reason"]) if row["reason"] else None,
            askers=frozenset({row["requester"], *row["asked_again"].split()}),
        )
        for row in rows
        if (review := find(tx, row["ref"])) is not None
    ]


def waiting_at_smile_id(tx: Transaction, *, sent_before: datetime) -> list[str]:
    """Checks that Smile ID has had since then without any word, and that nobody was called for yet.

    Rows of a file aside: the file's own message counts them, and a card for each would bury all others.
    """
    rows = tx.rows(
        """
        SELECT v.ref FROM verifications v
        WHERE v.state = 'processing' AND v.sent_at <= :before AND v.batch IS NULL
          AND NOT EXISTS (SELECT 1 FROM reviews r WHERE r.ref = v.ref AND r.round = v.round AND r.events <> '')
        ORDER BY v.sent_at LIMIT 100
        """,
        before=to_text(sent_before),
    )
    return [row["ref"] for row in rows]


def verdict_of(check: Check) -> Outcome | None:
    """Smile ID's final word that counts now."""
    return check.verdict_outcome if check.state in (State.APPROVED, State.REJECTED) else None


def place(ref: str, round_: int, number: int | None = None) -> str:
    return f"reviews.words:{ref}:{round_}" if number is None else f"decisions.words:{ref}:{round_}:{number}"


def _open_seal(tx: Transaction, sealed: bytes | None, place: str) -> str:
    return tx.sealer.open(sealed, place=place) if sealed is not None else ""


def _review(tx: Transaction, row: sqlite3.Row) -> Review:
    proposal = None
    if row["proposed"] is not None:
        proposal = Proposal(
            decision=Decision(row["proposed"]),
            reason=row["proposed_reason"],
            by=row["proposed_by"],
            at=from_text(row["proposed_at"]),
            is_override=bool(row["proposed_override"]),
            words=_open_seal(tx, row["words_sealed"], place(row["ref"], row["round"])),
        )
    return Review(
        ref=row["ref"],
        round=row["round"],
        state=ReviewState(row["state"]),
        opened_at=from_text(row["opened_at"]),
        claimed_by=row["claimed_by"],
        claimed_at=moment_or_none(row["claimed_at"]),
        touched_at=moment_or_none(row["touched_at"]),
        proposal=proposal,
        decided=decided(tx, row["ref"], row["round"]),
        reminded=row["reminded"],
        notes=row["notes"],
        is_by_hand=bool(row["by_hand"]),
    )
