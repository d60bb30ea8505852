"""Reviews (table `reviews`): who has claimed what, what is proposed, decided and noted.

Every change is guarded by the state it needs, and returns whether it took place. `bot.review.transitions` decides which
changes follow a click or a message, and who is notified. What people write is sealed.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.check.states import ReviewReason, State
from bot.domain.review.queue import OpenReview
from bot.domain.review.review import (
    Decision,
    Note,
    Objection,
    Proposal,
    Review,
    ReviewDecision,
    ReviewState,
    WaitingReview,
)
from storage.engine.database import Transaction, any_moment, load, to_text
from storage.engine.sql import Row

_OF_ROUND = "ref = :ref AND round = :round"
_CURRENT = "ref = :ref AND round = (SELECT round FROM verifications WHERE ref = :ref) AND state = 'open'"
_COLUMNS = """
    r.*, (SELECT COUNT(*) FROM review_notes n WHERE n.ref = r.ref AND n.round = r.round) AS notes
"""
_LATEST_OBJECTION = """
    SELECT * FROM review_notes WHERE ref = :ref AND round = :round AND source LIKE 'disagreed:%'
    ORDER BY at DESC, seq DESC LIMIT 1
"""
_NO_PROPOSAL: Mapping[str, object] = {
    **dict.fromkeys(("proposed", "proposed_reason", "proposed_by", "proposed_at", "words_sealed")),
    "proposed_override": False,
}


def find(tx: Transaction, ref: str, round_: int | None = None, *, sealed: bool = True) -> Review | None:
    """The review of a round, by default of the one that counts now; with `sealed=False` without anybody's own words.

    None of a check whose record was altered; so it is with decisions and notes.
    """
    sql = f"""
        SELECT {_COLUMNS} FROM reviews r
        WHERE r.ref = :ref AND r.round = COALESCE(:round, (SELECT v.round FROM verifications v WHERE v.ref = :ref))
        """
    row = tx.row(sql, ref=ref, round=round_)
    if row is None or tx.altered([ref]):
        return None
    found, at = row["round"], {"ref": ref, "round": row["round"]}
    objection = tx.row(_LATEST_OBJECTION, **at)
    return _review(tx, row, decided(tx, ref, found, sealed=sealed), objection, sealed=sealed)


def of_checks(tx: Transaction, refs: Sequence[str], *, sealed: bool = True) -> dict[str, Review]:
    """What `find` gives of each of these checks that has a review of its round, by reference.

    For a page: three statements, however many they are.
    """
    altered = tx.altered_heads(refs)
    intact = json.dumps([ref for ref in refs if ref not in altered])
    # CROSS JOIN: by the page's few checks, and never through all of a table.
    theirs = f"{tx.dialect.each(':refs')} p CROSS JOIN verifications v ON v.ref = p.value CROSS JOIN"
    rows = tx.rows(f"SELECT {_COLUMNS} FROM {theirs} reviews r ON r.ref = v.ref AND r.round = v.round", refs=intact)
    if not rows:
        return {}
    decisions = tx.rows(f"SELECT d.* FROM {theirs} decisions d ON d.ref = v.ref AND d.round = v.round", refs=intact)
    objections = tx.rows(
        f"""
        SELECT n.* FROM {theirs} review_notes n ON n.ref = v.ref AND n.round = v.round
        WHERE n.source LIKE 'disagreed:%'
        """,
        refs=intact,
    )
    # The last of each check stays.
    decided = {row["ref"]: row for row in sorted(decisions, key=lambda row: row["number"])}
    objected = {row["ref"]: row for row in sorted(objections, key=lambda row: (row["at"], row["seq"]))}
    found = {}
    for row in rows:
        ref = row["ref"]
        decision = _decision(tx, decided[ref], sealed=sealed) if ref in decided else None
        found[ref] = _review(tx, row, decision, objected.get(ref), sealed=sealed)
    return found


def open_now(tx: Transaction) -> list[OpenReview]:
    """Every open review of a round that counts and can be decided, oldest first; opens no seal."""
    rows = tx.rows(
        """
        SELECT r.ref, v.state, v.country, v.requester, v.asked_again, r.claimed_by, r.proposed_by, r.opened_at
        FROM reviews r JOIN verifications v ON v.ref = r.ref AND v.round = r.round
        WHERE r.state = 'open' ORDER BY r.opened_at LIMIT 5000
        """
    )
    altered = tx.altered_heads([row["ref"] for row in rows])
    return [
        OpenReview(
            ref=row["ref"],
            state=State(row["state"]),
            country=row["country"],
            requesters=frozenset({row["requester"], *row["asked_again"].split()}),
            claimed_by=row["claimed_by"],
            proposed_by=row["proposed_by"],
            opened_at=any_moment(row["opened_at"]),
        )
        for row in rows
        if row["ref"] not in altered
    ]


def decided(
    tx: Transaction, ref: str, round_: int, number: int | None = None, *, sealed: bool = True
) -> ReviewDecision | None:
    """One decision, by default the latest of the round."""
    that = "" if number is None else "AND number = :number"
    sql = f"SELECT * FROM decisions WHERE ref = :ref AND round = :round {that} ORDER BY number DESC LIMIT 1"
    row = tx.row(sql, ref=ref, round=round_, number=number)
    if row is None or tx.altered([ref]):
        return None
    return _decision(tx, row, sealed=sealed)


def notes(tx: Transaction, ref: str) -> list[Note]:
    """What reviewers wrote about a check, in all its rounds, oldest first."""
    rows = tx.rows("SELECT * FROM review_notes WHERE ref = :ref ORDER BY at, seq", ref=ref)
    if tx.altered([ref]):
        return []
    return [
        Note(
            author=row["author"],
            at=any_moment(row["at"]),
            words=_open_seal(tx, row["words_sealed"], f"review_notes.words:{ref}:{row['round']}:{row['source']}"),
        )
        for row in rows
    ]


def decisions(tx: Transaction, ref: str, *, sealed: bool = True) -> list[ReviewDecision]:
    """Every decision about a check, oldest first; with `sealed=False` without the reviewers' own words."""
    rows = tx.rows("SELECT round, number FROM decisions WHERE ref = :ref ORDER BY round, number", ref=ref)
    found = (decided(tx, ref, row["round"], row["number"], sealed=sealed) for row in rows)
    return [one for one in found if one is not None]


def is_wanted(tx: Transaction, ref: str, *events: str) -> bool:
    """Whether the review that counts now is open, and an event of one of these kinds called for it."""
    found: str | None = tx.value(f"SELECT events FROM reviews WHERE {_CURRENT}", ref=ref)
    return any(line.startswith(events) for line in (found or "").splitlines())


def replies_due(tx: Transaction) -> list[tuple[str, int]]:
    """Decided reviews, by reference and round, whose replies below the cards have not been read yet."""
    rows = tx.rows("SELECT ref, round FROM reviews WHERE replies_due = 1 LIMIT 50")
    return [(row["ref"], row["round"]) for row in rows]


def open_in_earlier_rounds(tx: Transaction, ref: str) -> list[int]:
    """Earlier rounds whose review is still open."""
    sql = """
        SELECT round FROM reviews WHERE ref = :ref AND state = 'open'
          AND round < (SELECT round FROM verifications WHERE ref = :ref)
        """
    return tx.column(sql, ref=ref)


def waiting(tx: Transaction) -> list[WaitingReview]:
    """Open reviews that can be decided, oldest first."""
    rows = tx.rows(
        """
        SELECT r.ref, v.state, v.reason, v.requester, v.asked_again FROM reviews r
        JOIN verifications v ON v.ref = r.ref AND v.round = r.round
        WHERE r.state = 'open' ORDER BY r.opened_at, r.ref LIMIT 5000
        """
    )
    altered = tx.altered([row["ref"] for row in rows])
    return [
        WaitingReview(
            review=review,
            state=State(row["state"]),
            reason=ReviewReason(row["reason"]) if row["reason"] else None,
            requesters=frozenset({row["requester"], *row["asked_again"].split()}),
        )
        for row in rows
        if row["ref"] not in altered and (review := find(tx, row["ref"])) is not None
    ]


def waiting_at_smile_id(tx: Transaction, *, sent_before: datetime) -> list[str]:
    """Checks sent to Smile ID before then that have no result, and for which no reviewer was called yet.

    Except rows of a file: the file's own message counts them, and a card for each would bury all others.
    """
    sql = """
        SELECT v.ref FROM verifications v
        WHERE v.state = 'processing' AND v.sent_at <= :before AND v.batch IS NULL
          AND NOT EXISTS (SELECT 1 FROM reviews r WHERE r.ref = v.ref AND r.round = v.round AND r.events <> '')
        ORDER BY v.sent_at LIMIT 100
        """
    return tx.column(sql, before=sent_before)


# Opening and closing


def ensure(tx: Transaction, ref: str, round_: int, *, now: datetime) -> None:
    """Add a closed review to write to, for which nobody is called. An existing one stays as it is."""
    tx.insert_once("reviews", ref=ref, round=round_, state=ReviewState.SETTLED, opened_at=now, closed_at=now)


def add_event(tx: Transaction, ref: str, round_: int, event: str) -> bool:
    """Record what reviewers are called for. False for a repeated message: they were called for it before."""
    # The line is compared inside the UPDATE: a callback and Smile ID's own record may report one event at once.
    sql = """
        UPDATE reviews SET events = events || :line
        WHERE ref = :ref AND round = :round AND replace(events, :line, '') = events
        """
    return tx.change(sql, line=f"\n{event}\n", ref=ref, round=round_)


def reopen(tx: Transaction, ref: str, round_: int, *, now: datetime) -> bool:
    """Open it, unclaimed. False when it is open already: its claim stays."""
    # A reviewer's decision may have closed it since the caller read it; the decision stays on record.
    fresh = {"claimed_by": None, "claimed_at": None, "touched_at": None, "reminded": ""}
    return _set(tx, ref, round_, "state <> 'open'", state=ReviewState.OPEN, opened_at=now, closed_at=None, **fresh)


def mark_by_hand(tx: Transaction, ref: str, round_: int, *, by_hand: bool) -> None:
    """Record whether somebody opened it by hand, without being called."""
    _set(tx, ref, round_, by_hand=by_hand)


def close(tx: Transaction, ref: str, round_: int, state: ReviewState, *, now: datetime) -> None:
    """Close it; a proposal that waited for a second person is dropped."""
    _set(tx, ref, round_, state=state, closed_at=now, by_hand=False, **_NO_PROPOSAL)


# Claims


def claim(tx: Transaction, ref: str, round_: int, *, by: str, now: datetime) -> bool:
    """Give an open review to one person. False when somebody has claimed it already, perhaps the same person."""
    # Two people click *Claim* on two copies of a card: the first one written wins, and the other sees who has it.
    sql = """
        UPDATE reviews SET claimed_by = :by, claimed_at = :now, touched_at = :now, reminded = '',
            first_claimed_at = COALESCE(first_claimed_at, :now)
        WHERE ref = :ref AND round = :round AND state = 'open' AND claimed_by IS NULL
        """
    return tx.change(sql, by=by, now=now, ref=ref, round=round_)


def change_claimer(tx: Transaction, ref: str, *, before: str, after: str | None, now: datetime) -> bool:
    """Hand a claim on, or release it. False when `before` no longer has it."""
    # An admin may have handed it on, a decision or Smile ID's final result closed it, or *Run again* begun a new
    # round, since the caller read who had it.
    claim = {"claimed_by": after, "claimed_at": now if after else None, "touched_at": now, "reminded": ""}
    return tx.update("reviews", f"{_CURRENT} AND claimed_by = :before", {"ref": ref, "before": before}, **claim)


# Proposals and decisions


def propose(tx: Transaction, ref: str, round_: int, proposal: Proposal) -> bool:
    """Keep a decision that waits for a second person. False when the review is not open any more."""
    # Smile ID's final result may have closed it since the form was opened.
    return _set(
        tx,
        ref,
        round_,
        "state = 'open'",
        proposed=proposal.decision,
        proposed_reason=proposal.reason,
        proposed_by=proposal.by,
        proposed_at=proposal.at,
        proposed_override=proposal.is_override,
        words_sealed=tx.sealer.seal(proposal.words, place=_place(ref, round_)),
        touched_at=proposal.at,
        reminded="",
    )


def withdraw_proposal(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Drop the proposal and restart the reminders. A review without a proposal stays as it is."""
    # A second person may have agreed first: then the review is closed, and the decision counts.
    tx.update(
        "reviews", f"{_CURRENT} AND proposed IS NOT NULL", {"ref": ref}, touched_at=now, reminded="", **_NO_PROPOSAL
    )


def restart_reminders(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Restart the reminders of an open review."""
    tx.update("reviews", _CURRENT, {"ref": ref}, touched_at=now, reminded="")


def add_decision(
    tx: Transaction, ref: str, round_: int, number: int, proposal: Proposal, *, confirmed_by: str | None, now: datetime
) -> None:
    """Keep a decision beside those before it, and have the replies below the cards read.

    `number` counts within the round: a number that is taken raises ConstraintFailed.
    """
    tx.insert(
        "decisions",
        ref=ref,
        round=round_,
        number=number,
        decision=proposal.decision,
        reason=proposal.reason,
        words_sealed=tx.sealer.seal(proposal.words, place=_place(ref, round_, number)),
        decided_by=proposal.by,
        confirmed_by=confirmed_by,
        override=proposal.is_override,
        at=now,
    )
    _set(tx, ref, round_, replies_due=True)


# Notes and reminders


def add_note(tx: Transaction, ref: str, round_: int, *, author: str, words: str, source: str, now: datetime) -> bool:
    """Keep what a reviewer wrote. False for a repeat: one `source`, a form or a reply, is one note."""
    # Slack may submit one form twice, and the replies below a card are read once more after an interruption.
    sealed = tx.sealer.seal(words, place=f"review_notes.words:{ref}:{round_}:{source}")
    note = {"author": author, "at": now, "source": source, "words_sealed": sealed}
    is_new = tx.insert_once("review_notes", ref=ref, round=round_, **note)
    if is_new:
        # The claimer is working on it: no reminder for now.
        of = {"ref": ref, "round": round_, "author": author}
        theirs = f"{_OF_ROUND} AND claimed_by = :author AND state = 'open'"
        tx.update("reviews", theirs, of, touched_at=now, reminded="")
    return is_new


def add_objection(
    tx: Transaction, ref: str, round_: int, proposal: Proposal, *, author: str, words: str, now: datetime
) -> bool:
    """Keep why somebody disagreed with a proposal, or took it back, among the notes. False for a repeat."""
    source = f"disagreed:{proposal.decision.value}:{proposal.by}:{to_text(proposal.at)}"
    return add_note(tx, ref, round_, author=author, words=words, source=source, now=now)


def replies_read(tx: Transaction, ref: str, round_: int) -> None:
    """The replies below the cards of this round are stored."""
    _set(tx, ref, round_, replies_due=False)


def mark_reminded(tx: Transaction, review: Review, mark: str) -> bool:
    """Record one reminder. False when the review changed meanwhile, or the reminder was sent before."""
    # Since the review was read, somebody may have claimed, proposed or decided: the wrong person would be reminded.
    of = {"ref": review.ref, "round": review.round, "before": review.reminded, "claimed_by": review.claimed_by or ""}
    unchanged = f"{_OF_ROUND} AND state = 'open' AND reminded = :before AND COALESCE(claimed_by, '') = :claimed_by"
    return tx.update("reviews", unchanged, of, reminded=mark)


def _set(tx: Transaction, ref: str, round_: int, guard: str = "1 = 1", /, **columns: object) -> bool:
    return tx.update("reviews", f"{_OF_ROUND} AND {guard}", {"ref": ref, "round": round_}, **columns)


def _place(ref: str, round_: int, number: int | None = None) -> str:
    return f"reviews.words:{ref}:{round_}" if number is None else f"decisions.words:{ref}:{round_}:{number}"


def _open_seal(tx: Transaction, sealed: bytes | None, place: str) -> str:
    return tx.sealer.open(sealed, place=place) if sealed is not None else ""


def _decision(tx: Transaction, row: Row, *, sealed: bool) -> ReviewDecision:
    words = _open_seal(tx, row["words_sealed"], _place(row["ref"], row["round"], row["number"])) if sealed else ""
    return load(ReviewDecision, row, by=row["decided_by"], is_override=bool(row["override"]), words=words)


def _objection(tx: Transaction, row: Row, *, sealed: bool) -> Objection:
    _kind, decision, proposer, _at = row["source"].split(":", 3)
    place = f"review_notes.words:{row['ref']}:{row['round']}:{row['source']}"
    words = _open_seal(tx, row["words_sealed"], place) if sealed else ""
    return Objection(
        decision=Decision(decision), proposer=proposer, by=row["author"], at=any_moment(row["at"]), words=words
    )


def _review(
    tx: Transaction, row: Row, decided: ReviewDecision | None, objection: Row | None, *, sealed: bool
) -> Review:
    """With its latest decision, and its latest word against a proposal."""
    proposal = None
    if row["proposed"] is not None:
        proposal = Proposal(
            decision=Decision(row["proposed"]),
            reason=row["proposed_reason"],
            by=row["proposed_by"],
            at=any_moment(row["proposed_at"]),
            is_override=bool(row["proposed_override"]),
            words=_open_seal(tx, row["words_sealed"], _place(row["ref"], row["round"])) if sealed else "",
        )
    return load(
        Review,
        row,
        proposal=proposal,
        decided=decided,
        objection=_objection(tx, objection, sealed=sealed) if objection is not None else None,
        is_by_hand=bool(row["by_hand"]),
    )
