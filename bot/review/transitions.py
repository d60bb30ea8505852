"""The moves of a review: opened, claimed, proposed, decided, settled; and the posts that follow from each.

Each is a plain function inside the caller's transaction, so that a move, its audit line and its posts are stored
together or not at all. `decisions` checks who may make it, `reminders` when somebody is reminded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, State
from bot.domain.dates import seconds_between
from bot.domain.outbox import OVERTAKEN_BY_FINAL, PostKind
from bot.domain.review.requests import ReviewRequest
from bot.domain.review.review import (
    UNANSWERED,
    Agreement,
    Audience,
    Proposal,
    Reminder,
    Review,
    ReviewState,
    Subscription,
    agreement,
)
from bot.errors import IllegalMove
from bot.outbox import refresh
from bot.review import subscriptions
from storage import attempts, audit, check_facts, checks, outbox, receipts, review_requests, reviews
from storage.engine.database import Transaction, to_text

REQUESTED = "requested"
SELFIE_SEEN = "selfie_seen"
"""What reviewers are called for by a person, or by a photo: kinds of events, and of what a card tells."""
PENDING = "pending"
LONG_WAITS = frozenset({PENDING, PostKind.OVERDUE.value})
"""What cards tell of a check that Smile ID has had for long."""


def call(
    tx: Transaction,
    check: Check,
    event: str,
    *,
    channel: str | None,
    now: datetime,
    payload: Mapping[str, str],
    receipt: str | None = None,
    opens: bool = True,
) -> str | None:
    """Call the reviewers: open or reopen the review of this round, and post a card in their channel.

    With `opens` False the card is for information only. A repeat of the same `event` changes nothing. Returns the id of
    the card's post, None where reviewers have no channel.
    """
    payload = {**payload, "round": str(check.round)}
    reviews.ensure(tx, check.ref, check.round, now=now)
    if opens and reviews.add_event(tx, check.ref, check.round, event):
        _open(tx, check, now=now)
        reviews.mark_by_hand(tx, check.ref, check.round, by_hand=False)
        # The proposal was made without knowing this event.
        reviews.withdraw_proposal(tx, check.ref, now=now)
        reviews.restart_reminders(tx, check.ref, now=now)
        subscriptions.notify(tx, check, Subscription.CARDS, event=event, now=now, payload=payload)
    if channel is None:
        return None
    return outbox.enqueue(
        tx,
        PostKind.REVIEW_NOTICE,
        key=event,
        ref=check.ref,
        destination=channel,
        receipt=receipt,
        payload=payload,
        now=now,
    )


def request(tx: Transaction, check: Check, asked: ReviewRequest, *, channel: str | None) -> None:
    """A person asks the reviewers to look at a check that nobody reviews now; a repeat changes nothing."""
    if not review_requests.add(tx, asked):
        return
    # Their form says it: a reviewer decides, and not who asked for the review.
    checks.also_asked_by(tx, check.ref, asked.person)
    check = checks.get(tx, check.ref)
    audit.record(tx, at=asked.at, actor=asked.person, act="review.requested", ref=check.ref, detail=asked.reason)
    payload = {"request": asked.id}
    card = call(
        tx,
        check,
        f"{REQUESTED}:{asked.id}",
        channel=channel,
        now=asked.at,
        payload={**payload, "tell": REQUESTED},
        # The card shows what Smile ID said last.
        receipt=receipts.newest(tx, check.ref),
    )
    outbox.enqueue(
        tx,
        PostKind.REVIEW_REQUESTED,
        key=asked.id,
        ref=check.ref,
        destination=check.channel,
        parent_id=card,
        payload=payload,
        now=asked.at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A selfie that was used with another ID number, while no reviewer has decided about it."""

    seen: Sequence[str]
    """References of the other checks."""
    channel: str | None
    """Where its card is."""


def suspect(tx: Transaction, check: Check, seen: Sequence[str], *, channel: str | None, now: datetime) -> None:
    """Call the reviewers: the selfie of this check was used with another ID number. Once a round for the same checks.

    The card stands, and the review stays open, whatever the requester answers, also if they cancel the check.
    """
    event = f"{SELFIE_SEEN}:{check.ref}:{check.round}:{','.join(seen)}"
    call(tx, check, event, channel=channel, now=now, payload={"tell": SELFIE_SEEN, "seen": ",".join(seen)})


def open_suspicion(tx: Transaction, ref: str) -> Suspicion | None:
    if not reviews.is_wanted(tx, ref, f"{SELFIE_SEEN}:"):
        return None
    cards = [card for card in outbox.cards(tx, ref) if card.payload.get("tell") == SELFIE_SEEN]
    if not cards:
        return Suspicion(seen=(), channel=None)
    return Suspicion(seen=cards[-1].payload["seen"].split(","), channel=cards[-1].destination)


def is_wanted(tx: Transaction, ref: str) -> bool:
    """Whether people asked for the review that is open, or a selfie did: then Smile ID's approval does not close it."""
    return reviews.is_wanted(tx, ref, f"{REQUESTED}:", f"{SELFIE_SEEN}:")


def close(tx: Transaction, ref: str, *, by: str, now: datetime) -> None:
    """Close the open review of a check that was cancelled: there is no result to decide about."""
    review = reviews.find(tx, ref)
    assert review is not None
    reviews.close(tx, ref, review.round, ReviewState.SETTLED, now=now)
    audit.record(tx, at=now, actor=by, act="review.closed", ref=ref)
    refresh.check_changed(tx, ref, now=now)


def end_unanswered(tx: Transaction, check: Check, *, by: str, is_override: bool, now: datetime) -> None:
    """End a check of which Smile ID has given no result: it has failed, and nothing is decided about the customer.

    Its job is asked about for as long as callbacks are taken (`polling`), and is in doubt until the first answer. A
    result that comes all the same, by whichever way, is a second final one (`trust_rules`): reviewers are called.
    """
    ref, since = check.ref, check.sent_at or check.asked_at
    review = reviews.find(tx, ref)
    # One that a selfie called for stays open: with it, *Run again* would forget who was caught.
    if review is not None and review.state is ReviewState.OPEN and not is_wanted(tx, ref):
        # The card names who has it: it was they who ended it.
        claim(tx, ref, by=by, now=now)
        reviews.close(tx, ref, review.round, ReviewState.SETTLED, now=now)
        audit.record(tx, at=now, actor=by, act="review.closed", ref=ref)
    _record_override(tx, ref, by, is_override=is_override, now=now)
    audit.record(tx, at=now, actor=by, act="check.ended_unanswered", ref=ref, detail=str((now - since).days))
    # Before the move, since the facts that are written with it say why.
    checks.keep_failure(tx, ref, failure=UNANSWERED, words=None)
    checks.move(tx, ref, State.FAILED, now=now, actor=by)
    attempt = attempts.latest(tx, ref)
    assert attempt is not None
    attempts.doubt(tx, attempt.job_id, since=now)
    outbox.drop_overtaken(tx, ref, kinds=OVERTAKEN_BY_FINAL | {PostKind.OVERDUE}, now=now)
    outbox.drop_calls(tx, ref, tells=LONG_WAITS, now=now)
    key, payload = f"{ref}:{check.round}:{UNANSWERED}", {"by": by, **({"override": "1"} if is_override else {})}
    outbox.enqueue(tx, PostKind.FAILURE, ref=ref, key=key, destination=check.channel, now=now, payload=payload)
    refresh.check_changed(tx, ref, now=now)
    tx.tell("check.failed", ref=ref, error=UNANSWERED, seconds=seconds_between(check.round_asked_at, now))


def _open(tx: Transaction, check: Check, *, now: datetime) -> None:
    """Also after a decision, which stays on record."""
    if reviews.reopen(tx, check.ref, check.round, now=now):
        audit.record(tx, at=now, actor=audit.BOT, act="review.opened", ref=check.ref)
        checks.reopen(tx, check.ref)
        if check.state is State.IN_REVIEW:
            check_facts.note(tx, check.ref, now=now)
    refresh.check_changed(tx, check.ref, now=now)


def settle(tx: Transaction, check: Check, *, now: datetime, needs_eyes: bool) -> Agreement | None:
    """After Smile ID's final result: whether it agrees with a reviewer's decision; None where nobody has decided.

    `check` is as the result has left it. An open review is closed, unless the result `needs_eyes` itself: then its
    claimer keeps it.
    """
    ref = check.ref
    if check.state not in FINAL or check.verdict_outcome is None:
        return None
    review = reviews.find(tx, ref)
    if review is None:
        return None
    # The proposal was made without knowing this result.
    reviews.withdraw_proposal(tx, ref, now=now)
    if review.decided is not None:
        return agreement(review.decided.decision, check.verdict_outcome)
    if not needs_eyes and review.state is ReviewState.OPEN:
        _close(tx, ref, review.round, ReviewState.SETTLED, now=now)
    return None


def leave_earlier_rounds(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Closes the reviews of earlier rounds when the check is run again."""
    for round_ in reviews.open_in_earlier_rounds(tx, ref):
        _close(tx, ref, round_, ReviewState.LEFT, now=now)


def _close(tx: Transaction, ref: str, round_: int, state: ReviewState, *, now: datetime) -> None:
    reviews.close(tx, ref, round_, state, now=now)
    audit.record(tx, at=now, actor=audit.BOT, act=f"review.{state.value}", ref=ref)


def claim(tx: Transaction, ref: str, *, by: str, now: datetime) -> bool:
    """A repeat by the same person changes nothing. False when it is closed, or somebody else has it."""
    review = reviews.find(tx, ref)
    if review is None or review.state is not ReviewState.OPEN or review.claimed_by not in (None, by):
        return False
    if reviews.claim(tx, ref, review.round, by=by, now=now):
        audit.record(tx, at=now, actor=by, act="review.claimed", ref=ref)
        refresh.check_changed(tx, ref, now=now)
    return True


def reopen(tx: Transaction, ref: str, *, channel: str | None, now: datetime) -> None:
    """Open a closed review by hand, or that of a check that called nobody; a release closes it again.

    Where no card shows it, one is posted that calls nobody: all reviewers see who has it.
    """
    check, review = checks.get(tx, ref), reviews.find(tx, ref)
    if review is None or review.state is not ReviewState.OPEN:
        reviews.ensure(tx, ref, check.round, now=now)
        _open(tx, check, now=now)
        reviews.mark_by_hand(tx, ref, check.round, by_hand=True)
    if channel is not None and not any(card.payload.get("round") == str(check.round) for card in outbox.cards(tx, ref)):
        payload = {"tell": "again", "round": str(check.round)}
        key = f"again:{ref}:{check.round}"
        outbox.enqueue(tx, PostKind.REVIEW_NOTICE, key=key, ref=ref, destination=channel, payload=payload, now=now)


def hand_on(tx: Transaction, ref: str, *, by: str, before: str, to: str, channel: str | None, now: datetime) -> None:
    """From its claimer `before` to another, who is notified; nothing when it was not theirs any more."""
    if not reviews.change_claimer(tx, ref, before=before, after=to, now=now):
        return
    audit.record(tx, at=now, actor=by, act="review.handed_on", ref=ref, detail=to)
    _call_below(tx, ref, what="handed", whom=[to], channel=channel, now=now, payload={"by": by})
    refresh.check_changed(tx, ref, now=now)


def release(tx: Transaction, ref: str, *, by: str, before: str, now: datetime) -> None:
    """Takes the claim off `before`; nothing when it was not theirs any more."""
    # Read before this transaction by the reminders, the claim may have been handed on or decided meanwhile.
    if not reviews.change_claimer(tx, ref, before=before, after=None, now=now):
        return
    audit.record(tx, at=now, actor=by, act="review.released", ref=ref, detail=before)
    review = reviews.find(tx, ref)
    if review is not None and review.is_by_hand and review.proposal is None:
        # It was reopened by hand and calls nobody: the earlier decision is valid again.
        _close(tx, ref, review.round, ReviewState.DECIDED if review.decided else ReviewState.SETTLED, now=now)
        if review.decided is not None:
            checks.end_as_decided(tx, ref)
        check_facts.note(tx, ref, now=now)
    refresh.check_changed(tx, ref, now=now)


def propose(tx: Transaction, ref: str, proposal: Proposal, *, channel: str | None, seconds: Sequence[str]) -> None:
    """A decision against Smile ID's verdict waits for a second person, who is called below the card.

    `seconds` are those who could agree; they get a direct message where reviewers have no channel. Raises IllegalMove
    when the review is not open.
    """
    check, now = checks.get(tx, ref), proposal.at
    if not reviews.propose(tx, ref, check.round, proposal):
        raise IllegalMove(f"the review of {ref} is not open")
    _record_override(tx, ref, proposal.by, is_override=proposal.is_override, now=now)
    audit.record(tx, at=now, actor=proposal.by, act="review.proposed", ref=ref, detail=_detail(proposal))
    event = f"{ref}:{check.round}:{to_text(now)}"
    payload = {"by": proposal.by}
    _call_below(tx, ref, what="second", whom=seconds, channel=channel, now=now, payload=payload)
    subscriptions.notify(tx, check, Subscription.SECOND, event=event, now=now, payload=payload, but=proposal.by)
    refresh.check_changed(tx, ref, now=now)


def disagree(
    tx: Transaction, ref: str, proposal: Proposal, *, by: str, words: str, channel: str | None, now: datetime
) -> None:
    """The proposal is withdrawn, the claim stays; who proposed it hears why, unless they take it back themselves."""
    round_ = checks.get(tx, ref).round
    reviews.withdraw_proposal(tx, ref, now=now)
    audit.record(tx, at=now, actor=by, act="review.disagreed", ref=ref)
    if words:
        reviews.add_objection(tx, ref, round_, proposal, author=by, words=words, now=now)
        if by != proposal.by:
            payload = {"by": by}
            _call_below(tx, ref, what="disagreed", whom=[proposal.by], channel=channel, now=now, payload=payload)
    refresh.check_changed(tx, ref, now=now)


def decide(tx: Transaction, ref: str, proposal: Proposal, *, confirmed_by: str | None, now: datetime) -> None:
    """Store the decision, close the review, and post it in the request's thread; the verdict stays as it is."""
    check, review = checks.get(tx, ref), reviews.find(tx, ref)
    assert review is not None
    number = review.decided.number + 1 if review.decided else 1
    _close(tx, ref, check.round, ReviewState.DECIDED, now=now)
    reviews.add_decision(tx, ref, check.round, number, proposal, confirmed_by=confirmed_by, now=now)
    checks.decide(tx, ref, proposal, now=now)
    check_facts.note(tx, ref, now=now)
    if confirmed_by is None:
        _record_override(tx, ref, proposal.by, is_override=proposal.is_override, now=now)
    audit.record(
        tx, at=now, actor=confirmed_by or proposal.by, act="review.decision", ref=ref, detail=_detail(proposal)
    )
    _post_decision(tx, check, number, proposal, now=now)
    refresh.check_changed(tx, ref, now=now)


def _post_decision(tx: Transaction, check: Check, number: int, proposal: Proposal, *, now: datetime) -> None:
    event = f"{check.ref}:{check.round}:{number}"
    payload = {
        "number": str(number),
        "round": str(check.round),
        # As it is now: a result that comes before this is delivered has a post of its own.
        "state": check.state.value,
        "reason": check.reason.value if check.reason else "",
    }
    outbox.drop_overtaken(tx, check.ref, kinds=OVERTAKEN_BY_FINAL, now=now)
    outbox.enqueue(tx, PostKind.DECIDED, key=event, ref=check.ref, destination=check.channel, now=now, payload=payload)
    payload = {"decision": proposal.decision.value}
    subscriptions.notify(tx, check, Subscription.DECISIONS, event=event, now=now, payload=payload)


def _record_override(tx: Transaction, ref: str, by: str, *, is_override: bool, now: datetime) -> None:
    if is_override:
        audit.record(tx, at=now, actor=by, act="review.four_eyes_overridden", ref=ref)


def _detail(proposal: Proposal) -> str:
    return f"{proposal.decision.value}:{proposal.reason}"


def add_note(
    tx: Transaction, ref: str, *, author: str, words: str, source: str, now: datetime, round_: int | None = None
) -> None:
    """Store what a reviewer wrote in a form, or below a card, perhaps of an earlier round; a repeat does nothing."""
    if round_ is None:
        round_ = checks.get(tx, ref).round
        reviews.ensure(tx, ref, round_, now=now)
    if not reviews.add_note(tx, ref, round_, author=author, words=words, source=source, now=now):
        return
    audit.record(tx, at=now, actor=author, act="review.noted", ref=ref)
    refresh.check_changed(tx, ref, now=now)


def remind(
    tx: Transaction, review: Review, reminder: Reminder, *, whom: Sequence[str], channel: str | None, now: datetime
) -> bool:
    """Send one reminder to `whom`. False when the review has moved meanwhile, or this reminder was sent before."""
    if not reviews.mark_reminded(tx, review, reminder.mark):
        return False
    audit.record(tx, at=now, actor=audit.BOT, act="review.reminded", ref=review.ref, detail=reminder.mark)
    # Managers are not in the reviewers' channel: they get a direct message.
    below = channel if reminder.audience is not Audience.MANAGERS else None
    _call_below(
        tx,
        review.ref,
        what=reminder.cause.value,
        whom=whom,
        channel=below,
        now=now,
        payload={"audience": reminder.audience.value},
    )
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
    """Below the newest card, mentioning one person or, for several, the group; without a channel by direct message."""
    below = [card for card in outbox.cards(tx, ref) if card.destination == channel]
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
