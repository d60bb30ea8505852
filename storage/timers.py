"""Moves every timer in the database when the machine's clock was set.

A timer is what has a meaning only by its distance from now: when to try again, until when a row is leased, since when
an answer is awaited. A time that a person chose is none, nor is what stands on record as having happened.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from storage import meta
from storage.engine.database import Transaction, from_text, to_text

_SEEN = "seen_at"
"""Kept in `meta`: how late it was when the bot was last alive."""
_MOVES = "clock_moves"
"""Kept in `meta`: how often one of several instances has moved the timers."""
_OPEN = """state IN ('requested', 'awaiting_photos', 'submitting', 'processing', 'in_review')
    AND (state <> 'in_review' OR ended_at IS NULL)"""
"""Word by word as the index `verifications_unsettled` has it."""


def move(tx: Transaction, *, by: timedelta, before: datetime, now: datetime) -> None:
    """The clock was set by `by`: what was `before` is `now`, and every wait moves with it.

    Only rows that wait are touched, so the time it takes grows with the open work, not with the database.
    """
    _move_checks(tx, by, before)
    _shift(
        tx,
        "attempts",
        ("job_id",),
        ("ask_at", "poll_at", "asked_at", "leased_until", "in_doubt_since", "sent_at", "claim_at"),
        # CROSS JOIN: SQLite, which knows no figures of our tables, would go through every attempt that ever was.
        f"""job_id IN (SELECT job_id FROM attempts WHERE ask_at IS NOT NULL
                       UNION ALL
                       SELECT a.job_id FROM (SELECT ref FROM verifications WHERE {_OPEN}) v
                       CROSS JOIN attempts a ON a.ref = v.ref)""",
        by,
    )
    _shift(tx, "posts", ("id",), ("due_at", "leased_until", "in_doubt_since", "created_at"), "state = 'due'", by)
    for waiting in ("state IN ('reading', 'confirmed')", "state = 'preview' AND approval = 'waiting'"):
        _shift(tx, "batches", ("id",), ("due_at", "leased_until"), waiting, by)
    _shift(tx, "capture_links", ("ref", "number"), ("expires_at", "remind_at"), "ended_at IS NULL", by)
    _shift(tx, "slack_removals", ("id",), ("due_at", "leased_until"), "state IN ('due', 'left')", by)
    _shift(tx, "inbox", ("id",), ("due_at", "leased_until", "asked_at"), "1 = 1", by)
    _shift(tx, "homes", ("person",), ("due_at", "leased_until", "opened_at", "published_at"), "1 = 1", by)
    _shift(tx, "pauses", ("lane",), ("until",), "1 = 1", by)
    # Nobody touched it since it was opened: it is silent since then.
    tx.run("UPDATE reviews SET touched_at = opened_at WHERE state = 'open' AND touched_at IS NULL")
    _shift(tx, "reviews", ("ref", "round"), ("touched_at",), "state = 'open'", by)
    # Slack repeats a request by its own clock, so its id is kept no shorter for ours.
    tx.run("UPDATE slack_requests SET at = :now", now=now)
    seen(tx, now=now)


def move_once(tx: Transaction, *, known: int, by: timedelta, before: datetime, now: datetime) -> int:
    """The same of a clock that several instances go by: the first of them moves the timers, and the others do not.

    `known`: how often they had been moved when the caller's clock was last right. Gives how often they are now.
    """
    count = moves(tx)
    if count != known:
        seen(tx, now=now)  # by its older clock the caller may have noted later since
        return count
    move(tx, by=by, before=before, now=now)
    return _moved(tx)


def recover(tx: Transaction, *, now: datetime, tolerance: timedelta) -> timedelta | None:
    """By how much the clock was set back while nobody looked, with all timers moved; None when it was not.

    How long nobody looked is not known then, so nothing counts as waited for meanwhile: late rather than never. Of
    several instances whoever has moved the timers has noted how late it is since, so that no other moves them again.
    """
    before = last_seen(tx)
    if before is None or before - now < tolerance:
        seen(tx, now=now)
        return None
    move(tx, by=now - before, before=before, now=now)
    _moved(tx)
    return now - before


def _moved(tx: Transaction) -> int:
    count = moves(tx) + 1
    meta.keep(tx, _MOVES, str(count))
    return count


def moves(tx: Transaction) -> int:
    """How often one of several instances has moved the timers."""
    return int(meta.kept(tx, _MOVES) or 0)


def seen(tx: Transaction, *, now: datetime) -> None:
    """Record that the bot is alive at this time."""
    meta.keep(tx, _SEEN, to_text(now))


def last_seen(tx: Transaction) -> datetime | None:
    """When the bot was last alive; None at its first start."""
    kept = meta.kept(tx, _SEEN)
    return from_text(kept) if kept else None


def _move_checks(tx: Transaction, by: timedelta, before: datetime) -> None:
    # Due later without a question or a failed try, it waits for a time that a person chose by the calendar.
    waiting = f"""{_OPEN} AND state <> 'in_review'
                  AND NOT (state = 'requested' AND held IS NULL AND tries = 0 AND due_at > :before)"""
    _shift(tx, "verifications", ("ref",), ("due_at", "leased_until", "sent_at"), waiting, by, before=before)
    for row in tx.rows(f"SELECT ref, held_note FROM verifications WHERE {_OPEN} AND held IS NOT NULL"):
        note = json.loads(row["held_note"])
        note["since"] = to_text(from_text(note["since"]) + by)
        tx.run("UPDATE verifications SET held_note = :note WHERE ref = :ref", note=json.dumps(note), ref=row["ref"])


def _shift(
    tx: Transaction,
    table: str,
    keys: Sequence[str],
    columns: Sequence[str],
    waiting: str,
    by: timedelta,
    **parameters: object,
) -> None:
    """Calculated here, since each database has its own SQL for adding to a time."""
    update = f"""UPDATE {table} SET {", ".join(f"{column} = :{column}" for column in columns)}
                 WHERE {" AND ".join(f"{key} = :{key}" for key in keys)}"""
    for row in tx.rows(f"SELECT {', '.join((*keys, *columns))} FROM {table} WHERE {waiting}", **parameters):
        moved = {column: to_text(from_text(row[column]) + by) if row[column] else None for column in columns}
        tx.run(update, **{key: row[key] for key in keys}, **moved)
