"""Keeps what is in Slack up to date: the message of a request or of a file, reviewers' cards, Home tabs.

Called in the transaction of the change itself. An update is built at delivery, so one in the queue is enough.
"""

from datetime import datetime, timedelta

from bot.domain.applicants.batch import BatchState
from bot.domain.outbox import Post, PostKind
from storage import batches, checks, home_tabs, outbox
from storage.engine.database import Transaction

UPDATE_EVERY = timedelta(seconds=3)
"""Slack takes about fifty updates a minute from an app (chat.update, tier 3)."""

_GOES_ON = (BatchState.SENDING, BatchState.PAUSED)
_ENDING = (*_GOES_ON, BatchState.CANCELLED, BatchState.DONE)
"""States in which the last of a batch's rows may come to its end; paused, it may be at Smile ID already."""


def check_changed(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Update every message and Home tab that shows this check."""
    shown = checks.whereabouts(tx, ref)
    is_altered = ref in tx.altered_so_far()
    _cards(tx, ref, now=now)
    home_tabs.mark_due(tx, shown.requester, now=now)
    batch = shown.batch
    if batch is not None and is_altered and batches.find(tx, batch, sealed=False) is None:
        batch = None  # whoever altered the record has named a file that there never was
    if batch is not None and shown.is_under_way and not is_altered:
        # Most moves of most rows: of a file whose row is under way, nothing can have come to its end.
        _batch_told(tx, batch, now=now)
    elif batch is not None:
        batch_changed(tx, batch, now=now)
    elif (updates := outbox.updates_before(tx, ref)) is not None:
        key = f"{ref}:{updates + 1}"
        outbox.enqueue(tx, PostKind.PROGRESS, ref=ref, key=key, destination=shown.channel, now=now)


def card_posted(tx: Transaction, post: Post, *, now: datetime) -> None:
    """The older cards of the same check lead to the one that was just posted."""
    assert post.ref is not None
    _cards(tx, post.ref, now=now, but=post.id)


def _cards(tx: Transaction, ref: str, *, now: datetime, but: str | None = None) -> None:
    for card, updates in outbox.cards_to_refresh(tx, ref):
        if card.id == but:
            continue
        outbox.enqueue(
            tx,
            PostKind.REVIEW_CARD,
            key=f"{card.id}:{updates}",
            ref=ref,
            destination=card.destination,
            parent_id=card.id,
            receipt=card.receipt,
            payload=card.payload,
            now=now,
        )


def batch_changed(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """Update a file's message; when all its rows have ended, end the batch and post its results."""
    batch = batches.get(tx, batch_id, sealed=False)
    # Every move of a row calls this: the rows are counted only when none is under way, not once for each of them.
    if batch.state in _ENDING and not batches.is_under_way(tx, batch_id):
        counts = batches.counts(tx, batch_id)
        if batch.state in _GOES_ON and counts.total:
            batches.move(tx, batch_id, BatchState.DONE, of=_GOES_ON, now=now)
        if batch.state is not BatchState.DONE and counts.total:
            _post_results(tx, batch_id, batch.channel, "open" if counts.needs_person else "all", now=now)
        elif batch.state is BatchState.DONE and not counts.needs_person:
            _post_results(tx, batch_id, batch.channel, "all", now=now)
    _batch_told(tx, batch_id, now=now)


def look_at_file(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """Update a file's message although nothing has changed: if it was deleted, Slack says so, and it is posted anew."""
    batch = batches.find(tx, batch_id, sealed=False)
    # None: whoever altered a record has named a file that there never was.
    if batch is not None and not batch.has_ended:
        _message_told(tx, batch_id, now=now)


def _batch_told(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    if _message_told(tx, batch_id, now=now):
        return
    # Where that is gone, and could not be posted anew, its buttons are in a direct message to who sent the file.
    for direct in outbox.in_place_of(tx, batch_id):
        at_pace(tx, PostKind.BATCH_PROGRESS, direct, now=now)


def _message_told(tx: Transaction, batch_id: str, *, now: datetime) -> bool:
    return at_pace(tx, PostKind.BATCH_PROGRESS, f"{PostKind.BATCH.value}:{batch_id}", now=now)


def approval_changed(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """Update the messages to those who could approve a file, and its own: somebody has answered, or nobody need."""
    for card in outbox.approval_cards(tx, batch_id):
        at_pace(tx, PostKind.BATCH_APPROVAL_CARD, card, now=now)


def _post_results(tx: Transaction, batch_id: str, channel: str, what: str, *, now: datetime) -> None:
    payload = {"batch": batch_id, "what": what}
    key = f"{batch_id}:{what}"
    outbox.enqueue(tx, PostKind.BATCH_RESULTS, key=key, destination=channel, payload=payload, now=now)


def at_pace(tx: Transaction, kind: PostKind, post_id: str, *, now: datetime) -> bool:
    """Update a message, no more often than Slack allows; False, and nothing, where the message is not delivered."""
    # First what answers most calls: while a long file is sent, each of its rows moves several times between updates.
    updates = outbox.updates_of(tx, post_id, kind)
    if updates.is_waiting:
        return True
    message = outbox.find(tx, post_id)
    if message is None or not outbox.delivered(tx, post_id):
        return False
    due_at = now
    if updates.last_at is not None:
        # If the clock was set back since, the last update lies in the future.
        due_at = min(max(now, updates.last_at + UPDATE_EVERY), now + UPDATE_EVERY)
    outbox.enqueue(
        tx,
        kind,
        key=f"{post_id.partition(':')[2]}:{updates.count + 1}",
        destination=message.destination,
        parent_id=post_id,
        payload=message.payload,
        now=now,
        due_at=due_at,
    )
    return True
