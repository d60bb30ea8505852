"""What happens to a review: opened by what needs eyes, claimed, decided, settled, reminded of.

Every change is guarded by the state that it needs, so that of two people who click at once one is told that the other
was first. What people write is sealed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.checks import Check
from bot.domain.outbox import PostKind
from bot.domain.reviews import Agreement, Audience, Choice, Proposal, Reminder, Review, ReviewState, agreement
from bot.domain.states import FINAL, State
from storage import audit, checks, facts, notices, outbox, reviews
from storage.database import Transaction, to_text

# Opening and closing


def call(
    tx: Transaction,
    check: Check,
    key: str,
    *,
    channel: str | None,
    now: datetime,
    payload: Mapping[str, str],
    receipt: str | None = None,
    opens: bool = True,
) -> str | None:
    """Something needs eyes: open the review of this round, or open it again, and have a card posted.

    With `opens` False the card is for information, and nobody is waited for. The same event again changes nothing.
    Gives the card's post, None without a channel for reviewers.
    """
    card = {**payload, "round": str(check.round)}
    _have(tx, check, now=now)
    if opens and _is_new(tx, check, key):
        _open(tx, check, now=now)
        tx.run("UPDATE reviews SET by_hand = 0 WHERE ref = :ref AND round = :round", ref=check.ref, round=check.round)
        # Proposed in the light of what was known before.
        _withdraw(tx, check.ref, now=now)
        _touch(tx, check.ref, now=now)
        notices.tell(tx, check, Choice.CARDS, event=key, now=now, payload=card)
    if channel is None:
        return None
    return outbox.enqueue(
        tx, PostKind.REVIEW_NOTICE, key=key, ref=check.ref, destination=channel, receipt=receipt, payload=card, now=now
    )


def _is_new(tx: Transaction, check: Check, event: str) -> bool:
    return bool(
        tx.run(
            """
            UPDATE reviews SET events = events || :line
            WHERE ref = :ref AND round = :round AND events NOT LIKE '%' || :line || '%'
            """,
            line=f"\n{event}\n",
            ref=check.ref,
            round=check.round,
        )
    )


def _have(tx: Transaction, check: Check, *, now: datetime) -> None:
    """A review to write to, for which nobody was called."""
    tx.run(
        """
        INSERT INTO reviews (ref, round, state, opened_at, closed_at) VALUES (:ref, :round, 'settled', :now, :now)
        ON CONFLICT (ref, round) DO NOTHING
        """,
        ref=check.ref,
        round=check.round,
        now=to_text(now),
    )


def _open(tx: Transaction, check: Check, *, now: datetime) -> None:
    """Anew also after a decision: what was decided stays on record, and waits for somebody to look again."""
    opened = tx.run(
        """
        INSERT INTO reviews (ref, round, opened_at) VALUES (:ref, :round, :now)
        ON CONFLICT (ref, round) DO UPDATE SET
            state = 'open', opened_at = :now, closed_at = NULL, claimed_by = NULL, claimed_at = NULL,
            touched_at = NULL, reminded = ''
        WHERE reviews.state <> 'open'
        """,
        ref=check.ref,
        round=check.round,
        now=to_text(now),
    )
    if opened:
        audit.record(tx, at=now, actor=audit.BOT, act="review.opened", ref=check.ref)
        # Decided, it had ended; now it has not.
        tx.run("UPDATE verifications SET ended_at = NULL WHERE ref = :ref AND state = 'in_review'", ref=check.ref)
        if check.state is State.IN_REVIEW:
            facts.note(tx, check.ref, now=now)
    checks.progress(tx, check.ref, now=now)


def heard(tx: Transaction, ref: str, *, now: datetime, settles: bool) -> Agreement | None:
    """Smile ID's final result has come: without a decision nothing is left to decide. With one, how the two stand.

    `settles` is False for a result that needs eyes itself: who claimed the check keeps it.
    """
    check = checks.get(tx, ref)
    if check.state not in FINAL or check.verdict_outcome is None:
        return None
    review = reviews.find(tx, ref)
    if review is None:
        return None
    # Proposed in the light of what was known before.
    _withdraw(tx, ref, now=now)
    if review.decided is None:
        if settles and review.state is ReviewState.OPEN:
            _close(tx, review, ReviewState.SETTLED, now=now)
        return None
    return agreement(review.decided.decision, check.verdict_outcome)


def leave(tx: Transaction, ref: str, *, now: datetime) -> None:
    """The check was run again: nobody is waited for in its earlier rounds any more."""
    rows = tx.rows(
        """
        SELECT round FROM reviews WHERE ref = :ref AND state = 'open'
          AND round < (SELECT round FROM verifications WHERE ref = :ref)
        """,
        ref=ref,
    )
    for row in rows:
        review = reviews.find(tx, ref, row["round"])
        assert review is not None
        _close(tx, review, ReviewState.LEFT, now=now)


def _close(tx: Transaction, review: Review, state: ReviewState, *, now: datetime) -> None:
    tx.run(
        """
        UPDATE reviews SET state = :state, closed_at = :now, by_hand = 0, proposed = NULL, proposed_reason = NULL,
            proposed_by = NULL, proposed_at = NULL, proposed_override = 0, words_sealed = NULL
        WHERE ref = :ref AND round = :round
        """,
        state=state.value,
        now=to_text(now),
        ref=review.ref,
        round=review.round,
    )
    audit.record(tx, at=now, actor=audit.BOT, act=f"review.{state.value}", ref=review.ref)


# What reviewers do


def claim(tx: Transaction, ref: str, *, by: str, now: datetime) -> bool:
    """One person takes it; taking it twice changes nothing. False when it is closed, or somebody else has it."""
    review = reviews.find(tx, ref)
    if review is None or review.state is not ReviewState.OPEN or review.claimed_by not in (None, by):
        return False
    changed = tx.run(
        """
        UPDATE reviews SET claimed_by = :by, claimed_at = :now, touched_at = :now, reminded = '',
            first_claimed_at = COALESCE(first_claimed_at, :now)
        WHERE ref = :ref AND round = :round AND claimed_by IS NULL
        """,
        by=by,
        now=to_text(now),
        ref=ref,
        round=review.round,
    )
    if changed:
        audit.record(tx, at=now, actor=by, act="review.claimed", ref=ref)
        checks.progress(tx, ref, now=now)
    return True


def look_again(tx: Transaction, ref: str, *, by: str, channel: str | None, now: datetime) -> bool:
    """Open what is closed, or what nobody was called for, and claim it; released, it is as it was before.

    Where no card shows it, one is posted that calls nobody: who has it is for all to see.
    """
    check = checks.get(tx, ref)
    review = reviews.find(tx, ref)
    if review is None or review.state is not ReviewState.OPEN:
        _have(tx, check, now=now)
        _open(tx, check, now=now)
        tx.run("UPDATE reviews SET by_hand = 1 WHERE ref = :ref AND round = :round", ref=ref, round=check.round)
    if channel is not None and not any(
        card.payload.get("round") == str(check.round) for card in reviews.cards(tx, ref)
    ):
        outbox.enqueue(
            tx,
            PostKind.REVIEW_NOTICE,
            key=f"again:{ref}:{check.round}",
            ref=ref,
            destination=channel,
            payload={"tell": "again", "round": str(check.round)},
            now=now,
        )
    return claim(tx, ref, by=by, now=now)


def hand_on(tx: Transaction, ref: str, *, by: str, before: str, to: str, channel: str | None, now: datetime) -> bool:
    """From the one who had it to another, who is told. False when it was not theirs any more."""
    if not _change_claimer(tx, ref, before=before, after=to, now=now):
        return False
    audit.record(tx, at=now, actor=by, act="review.handed_on", ref=ref, detail=to)
    _call_below(tx, ref, what="handed", whom=[to], channel=channel, now=now, payload={"by": by})
    checks.progress(tx, ref, now=now)
    return True


def release(tx: Transaction, ref: str, *, by: str, before: str, now: datetime) -> bool:
    """Nobody has it any more. False when it was not theirs any more."""
    if not _change_claimer(tx, ref, before=before, after=None, now=now):
        return False
    audit.record(tx, at=now, actor=by, act="review.released", ref=ref, detail=before)
    review = reviews.find(tx, ref)
    if review is not None and review.is_by_hand and review.proposal is None:
        _leave_as_it_was(tx, review, now=now)
    checks.progress(tx, ref, now=now)
    return True


def _leave_as_it_was(tx: Transaction, review: Review, *, now: datetime) -> None:
    """Nothing had called people: with nobody looking at it any more, what was decided before stands."""
    _close(tx, review, ReviewState.DECIDED if review.decided else ReviewState.SETTLED, now=now)
    if review.decided is not None:
        tx.run("UPDATE verifications SET ended_at = COALESCE(ended_at, decided_at) WHERE ref = :ref", ref=review.ref)
    facts.note(tx, review.ref, now=now)


def _change_claimer(tx: Transaction, ref: str, *, before: str, after: str | None, now: datetime) -> bool:
    return bool(
        tx.run(
            """
            UPDATE reviews SET claimed_by = :after, reminded = '', touched_at = :now,
                claimed_at = CASE WHEN :after IS NULL THEN NULL ELSE :now END
            WHERE ref = :ref AND state = 'open' AND claimed_by = :before
              AND round = (SELECT round FROM verifications WHERE ref = :ref)
            """,
            before=before,
            after=after,
            now=to_text(now),
            ref=ref,
        )
    )


def propose(tx: Transaction, ref: str, proposal: Proposal, *, channel: str | None, seconds: Sequence[str]) -> None:
    """A decision against Smile ID's verdict: it waits for a second person, who is called below the card.

    `seconds` are those who could agree; they are told directly where there is no channel for reviewers.
    """
    check = checks.get(tx, ref)
    tx.run(
        """
        UPDATE reviews SET proposed = :decision, proposed_reason = :reason, proposed_by = :by, proposed_at = :at,
            proposed_override = :override, words_sealed = :words, touched_at = :at, reminded = ''
        WHERE ref = :ref AND round = :round AND state = 'open'
        """,
        decision=proposal.decision.value,
        reason=proposal.reason,
        by=proposal.by,
        at=to_text(proposal.at),
        override=int(proposal.is_override),
        words=tx.sealer.seal(proposal.words, place=reviews.place(ref, check.round)),
        ref=ref,
        round=check.round,
    )
    now = proposal.at
    _record_override(tx, ref, proposal.by, is_override=proposal.is_override, now=now)
    audit.record(tx, at=now, actor=proposal.by, act="review.proposed", ref=ref, detail=_detail(proposal))
    event = f"{ref}:{check.round}:{to_text(now)}"
    _call_below(tx, ref, what="second", whom=seconds, channel=channel, now=now, payload={"by": proposal.by})
    notices.tell(tx, check, Choice.SECOND, event=event, now=now, payload={"by": proposal.by}, but=proposal.by)
    checks.progress(tx, ref, now=now)


def disagree(tx: Transaction, ref: str, *, by: str, now: datetime) -> None:
    """The second person says no: the proposal is gone, the claim stays."""
    _withdraw(tx, ref, now=now)
    audit.record(tx, at=now, actor=by, act="review.disagreed", ref=ref)
    checks.progress(tx, ref, now=now)


def _withdraw(tx: Transaction, ref: str, *, now: datetime) -> None:
    tx.run(
        """
        UPDATE reviews SET proposed = NULL, proposed_reason = NULL, proposed_by = NULL, proposed_at = NULL,
            proposed_override = 0, words_sealed = NULL, touched_at = :now, reminded = ''
        WHERE ref = :ref AND round = (SELECT round FROM verifications WHERE ref = :ref) AND state = 'open'
          AND proposed IS NOT NULL
        """,
        now=to_text(now),
        ref=ref,
    )


def reconsider(tx: Transaction, ref: str, *, now: datetime) -> None:
    """What a proposal rests on has changed: nobody may agree to it any more."""
    _withdraw(tx, ref, now=now)


def _touch(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Whoever is waited for has their time anew."""
    tx.run(
        """
        UPDATE reviews SET touched_at = :now, reminded = ''
        WHERE ref = :ref AND round = (SELECT round FROM verifications WHERE ref = :ref) AND state = 'open'
        """,
        now=to_text(now),
        ref=ref,
    )


def decide(tx: Transaction, ref: str, proposal: Proposal, *, confirmed_by: str | None, now: datetime) -> None:
    """Keep the decision beside the verdict, close the review, and have it told in the request's thread."""
    check, review = checks.get(tx, ref), reviews.find(tx, ref)
    assert review is not None
    number = review.decided.number + 1 if review.decided else 1
    _close(tx, review, ReviewState.DECIDED, now=now)
    tx.run("UPDATE reviews SET replies_due = 1 WHERE ref = :ref AND round = :round", ref=ref, round=check.round)
    tx.run(
        """
        INSERT INTO decisions (ref, round, number, decision, reason, words_sealed, decided_by, confirmed_by, override,
            at)
        VALUES (:ref, :round, :number, :decision, :reason, :words, :by, :confirmed_by, :override, :now)
        """,
        ref=ref,
        round=check.round,
        number=number,
        decision=proposal.decision.value,
        reason=proposal.reason,
        words=tx.sealer.seal(proposal.words, place=reviews.place(ref, check.round, number)),
        by=proposal.by,
        confirmed_by=confirmed_by,
        override=int(proposal.is_override),
        now=to_text(now),
    )
    tx.run(
        """
        UPDATE verifications SET decision = :decision, decided_at = :now, decided_by = :by, decision_reason = :reason,
            ended_at = COALESCE(ended_at, :now)
        WHERE ref = :ref
        """,
        decision=proposal.decision.value,
        now=to_text(now),
        by=proposal.by,
        reason=proposal.reason,
        ref=ref,
    )
    facts.note(tx, ref, now=now)
    if confirmed_by is None:
        _record_override(tx, ref, proposal.by, is_override=proposal.is_override, now=now)
    audit.record(
        tx, at=now, actor=confirmed_by or proposal.by, act="review.decision", ref=ref, detail=_detail(proposal)
    )
    event = f"{ref}:{check.round}:{number}"
    payload = {
        "number": str(number),
        "round": str(check.round),
        # What Smile ID says until this is delivered is told by itself.
        "state": check.state.value,
        "reason": check.reason.value if check.reason else "",
    }
    outbox.drop_overtaken(tx, ref, now=now)
    outbox.enqueue(tx, PostKind.DECIDED, key=event, ref=ref, destination=check.channel, now=now, payload=payload)
    notices.tell(tx, check, Choice.DECISIONS, event=event, now=now, payload={"decision": proposal.decision.value})
    checks.progress(tx, ref, now=now)


def _record_override(tx: Transaction, ref: str, by: str, *, is_override: bool, now: datetime) -> None:
    if is_override:
        audit.record(tx, at=now, actor=by, act="review.four_eyes_overridden", ref=ref)


def _detail(proposal: Proposal) -> str:
    return f"{proposal.decision.value}:{proposal.reason}"


def add_note(
    tx: Transaction, ref: str, *, author: str, words: str, source: str, now: datetime, round_: int | None = None
) -> bool:
    """Once for each source: a form, or a reply below a card of an earlier round perhaps. False for a repeat."""
    check = checks.get(tx, ref)
    if round_ is None:
        round_ = check.round
        _have(tx, check, now=now)
    kept = tx.run(
        """
        INSERT INTO review_notes (ref, round, author, at, source, words_sealed)
        VALUES (:ref, :round, :author, :now, :source, :words)
        ON CONFLICT (ref, round, source) DO NOTHING
        """,
        ref=ref,
        round=round_,
        author=author,
        now=to_text(now),
        source=source,
        words=tx.sealer.seal(words, place=f"review_notes.words:{ref}:{round_}:{source}"),
    )
    if kept:
        tx.run(
            """
            UPDATE reviews SET touched_at = :now, reminded = ''
            WHERE ref = :ref AND round = :round AND claimed_by = :author AND state = 'open'
            """,
            now=to_text(now),
            author=author,
            ref=ref,
            round=round_,
        )
        audit.record(tx, at=now, actor=author, act="review.noted", ref=ref)
        checks.progress(tx, ref, now=now)
    return bool(kept)


def replies_read(tx: Transaction, ref: str, round_: int) -> None:
    tx.run("UPDATE reviews SET replies_due = 0 WHERE ref = :ref AND round = :round", ref=ref, round=round_)


# Reminders


def remind(
    tx: Transaction, review: Review, reminder: Reminder, *, whom: Sequence[str], channel: str | None, now: datetime
) -> bool:
    """Take one step of the ladder, telling `whom`. False when something happened meanwhile, or it was taken before."""
    taken = tx.run(
        """
        UPDATE reviews SET reminded = :mark
        WHERE ref = :ref AND round = :round AND state = 'open' AND reminded = :before
          AND COALESCE(claimed_by, '') = :claimed_by
        """,
        mark=reminder.mark,
        before=review.reminded,
        claimed_by=review.claimed_by or "",
        ref=review.ref,
        round=review.round,
    )
    if not taken:
        return False
    audit.record(tx, at=now, actor=audit.BOT, act="review.reminded", ref=review.ref, detail=reminder.mark)
    below = channel if reminder.audience is not Audience.MANAGERS else None
    _call_below(tx, review.ref, what=reminder.silence.value, whom=whom, channel=below, now=now, payload={})
    return True


def _call_below(
    tx: Transaction,
    ref: str,
    *,
    what: str,
    whom: Sequence[str],
    channel: str | None,
    now: datetime,
    payload: Mapping[str, str],
) -> None:
    """Below the newest card, calling one person or, if several are given, the group; without a channel directly."""
    below = [card for card in reviews.cards(tx, ref) if card.destination == channel]
    round_ = checks.get(tx, ref).round
    for destination in [channel] if channel else whom:
        outbox.enqueue(
            tx,
            PostKind.REVIEW_CALL,
            key=":".join((ref, str(round_), what, to_text(now), *([] if channel else [destination]))),
            ref=ref,
            destination=destination,
            parent_id=below[-1].id if below else None,
            payload={**payload, "what": what, "whom": whom[0] if len(whom) == 1 else "", "round": str(round_)},
            now=now,
        )
