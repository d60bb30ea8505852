"""Delivery state of posts: claimed, attempted, posted, rescheduled, redirected or ended.

`outbox` decides which posts there are and when they are due. Only the worker that holds a post's lease changes it here,
so most statements need no guard but its id.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from bot.domain.outbox import UPDATES, Post
from storage import leases
from storage.engine.database import Transaction
from storage.engine.sql import Row
from storage.outbox import OUTBOX, post_of


def claim_due(
    tx: Transaction,
    *,
    now: datetime,
    until: datetime,
    limit: int,
    paused: frozenset[str] = frozenset(),
    under_way: Collection[str] = (),
    hold: timedelta = timedelta(seconds=20),
) -> list[Post]:
    """The next post of each conversation, opening and final ones first, ours until the lease ends; as they were before.

    What posts a message is in doubt from here on: if the bot dies or the answer is lost, it is searched for before a
    retry. One that was in doubt before keeps its moment, which says from when on Slack can be searched.

    One at a time per conversation, however many instances there are; posts about one check keep their order, updates
    aside. A result that calls a reviewer waits up to `hold` for the notice to be delivered, so that what it says is
    true; replies in the thread of a summary wait for the summary.
    """
    free = [lane for lane in _free_lanes(tx, now=now) if lane not in paused]
    nexts = [row for destination in free if (row := _next_in(tx, destination, now=now, hold=hold)) is not None]
    nexts = leases.may_be_taken(nexts, key="id", under_way=under_way)
    chosen = sorted(nexts, key=lambda row: (row["priority"], row["seq"]))[:limit]
    for row in chosen:
        doubt = "" if row["kind"] in UPDATES else "in_doubt_since = COALESCE(in_doubt_since, :now)"
        leases.take(tx, "posts", "id", [row["id"]], now=now, until=until, also=doubt)
    return [post for row in chosen if (post := _post_or_none(tx, row, now=now)) is not None]


def _free_lanes(tx: Transaction, *, now: datetime) -> list[str]:
    """Conversations for which posts are due, where none is on its way and Slack has not asked to wait.

    One step along an index for each of them.

    To go through all posts that are due, while Slack is away perhaps for days, would be work for each one of them.
    """
    sql = f"""
        WITH RECURSIVE lanes (lane) AS (
            SELECT MIN(lane) FROM posts WHERE state = 'due'
            UNION ALL
            SELECT (SELECT MIN(p.lane) FROM posts p WHERE p.state = 'due' AND p.lane > l.lane) FROM lanes l
            WHERE l.lane IS NOT NULL)
        SELECT l.lane FROM lanes l
        WHERE l.lane IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM posts o WHERE o.lane = l.lane AND o.state = 'due' AND o.leased_until IS NOT NULL
              AND (o.leased_until > :now OR NOT {leases.not_anothers("o.")}))
          AND NOT EXISTS (SELECT 1 FROM pauses s WHERE s.lane = l.lane AND s.until > :now)
        """
    return tx.column(sql, now=now, instance=tx.instance)


def _post_or_none(tx: Transaction, row: Row, *, now: datetime) -> Post | None:
    """None for what the bot has not written: it becomes a dead letter, and all others are delivered."""
    try:
        return post_of(row)
    except ValueError:  # an unknown kind, or no JSON
        tx.tell("outbox.unreadable", post=row["seq"])
        end(tx, row["id"], state="failed", error="unreadable", now=now)
        return None


def _next_in(tx: Transaction, destination: str, *, now: datetime, hold: timedelta) -> Row | None:
    """The next post of one conversation, found along the index `posts_due`.

    The `||` keeps the look at earlier posts of the same check on `posts_ref`: by destination it would read the whole
    queue for each post in it. `q` is the row itself: whoever writes the file can have the index say that it goes to
    another conversation, and the MAC of its check is compared with the row.
    """
    sql = f"""
        SELECT q.* FROM posts p CROSS JOIN posts q ON q.seq = p.seq AND q.lane = :destination
        WHERE p.lane = :destination AND p.state = 'due' AND p.due_at <= :now
          AND (q.kind <> 'answer' OR {leases.not_anothers("q.")})
          AND NOT EXISTS (
            SELECT 1 FROM posts e
            WHERE e.ref = p.ref AND e.lane || '' = p.lane AND e.state = 'due' AND e.seq < p.seq
              AND e.kind NOT IN ('progress', 'review_card'))
          AND NOT EXISTS (
            SELECT 1 FROM posts a
            WHERE a.id = p.about AND a.state = 'due'
              AND (a.created_at > :hold OR p.kind IN ('confirmed', 'review_card', 'summary_chart', 'summary_csv')))
        ORDER BY p.priority, p.seq LIMIT 1
        """
    return tx.row(sql, destination=destination, now=now, hold=now - hold, instance=tx.instance)


def intend(tx: Transaction, post_id: str, *, now: datetime) -> None:
    """Once a search has found nothing, and before the call to Slack: its answer may be lost as well."""
    _set(tx, post_id, in_doubt_since=now)


def done(tx: Transaction, post_id: str, *, channel: str | None, ts: str | None, now: datetime) -> None:
    """It is posted in Slack. Those of its own conversation wait for the pause that Slack asks for after each."""
    _set(tx, post_id, state="done", leased_until=None, channel=channel, ts=ts, done_at=now, error=None)
    if _are_due_elsewhere(tx, post_id):
        # One that mentions this one may have waited for it.
        tx.wake(OUTBOX)


def _are_due_elsewhere(tx: Transaction, post_id: str) -> bool:
    """Whether a post of another conversation is due, found by one step along the index on either side."""
    sql = """
        SELECT 1 FROM posts p WHERE p.id = :id AND (
            EXISTS (SELECT 1 FROM posts o WHERE o.state = 'due' AND o.lane < p.lane)
            OR EXISTS (SELECT 1 FROM posts o WHERE o.state = 'due' AND o.lane > p.lane))
        """
    return tx.exists(sql, id=post_id)


def keep_file(tx: Transaction, post_id: str, payload: Mapping[str, str]) -> None:
    """It brought a file, whose id its payload holds now: by that it is found when it is to be erased."""
    _set(tx, post_id, note=json.dumps(dict(payload)))


def reschedule(
    tx: Transaction, post_id: str, *, at: datetime, error: str, counts: bool = True, ends_doubt: bool = False
) -> None:
    """Retry at `at`. A doubt stays unless the caller knows that nothing was posted: a failed search does not say so."""
    sql = """
        UPDATE posts SET due_at = :at, leased_until = NULL, error = :error, tries = tries + :counts,
            in_doubt_since = CASE WHEN :ends_doubt = 1 THEN NULL ELSE in_doubt_since END
        WHERE id = :id
        """
    tx.run(sql, at=at, error=error, counts=counts, ends_doubt=ends_doubt, id=post_id)
    # Its conversation is free for the next post meanwhile.
    tx.wake(OUTBOX)


def redirect(tx: Transaction, post_id: str, *, destination: str, now: datetime, error: str) -> None:
    """Deliver it elsewhere, usually to a person directly, because its thread or channel is gone."""
    fresh = {"due_at": now, "leased_until": None, "in_doubt_since": None, "tries": 0}
    _set(tx, post_id, lane=destination, error=error, **fresh)
    tx.wake(OUTBOX)


def release(tx: Transaction, post_id: str, *, now: datetime) -> None:
    """Make a failed post due as if it were new: an operator has fixed the cause."""
    # Released twice at once, it is due once.
    fresh = {"state": "due", "due_at": now, "tries": 0, "done_at": None, "created_at": now}
    tx.update("posts", "id = :id AND state = 'failed'", {"id": post_id}, **fresh)
    tx.wake(OUTBOX)


def post_anew(tx: Transaction, gone: Post, *, now: datetime) -> None:
    """Make a message due once more that was deleted in Slack; its payload names the one that is `gone`, and all before.

    What was posted in their threads still stands there.
    """
    fresh: dict[str, object] = {"state": "due", "due_at": now, "tries": 0, "done_at": None, "created_at": now}
    # From a restored backup, say, the one that is gone may have been followed by another: searched for before.
    former = " ".join([*gone.former, gone.ts or ""])
    note = json.dumps({**gone.payload, "gone": gone.ts, "former": former})
    fresh |= {"note": note, "in_doubt_since": gone.created_at}
    # Two updates may have met its absence: only the first one posts it.
    where = "id = :id AND state = 'done' AND ts = :ts"
    tx.update("posts", where, {"id": gone.id, "ts": gone.ts}, channel=None, ts=None, **fresh)
    tx.wake(OUTBOX)


def end(tx: Transaction, post_id: str, *, state: str, error: str, now: datetime) -> None:
    """It will not be delivered: `dropped` (no longer needed) or `failed` (a dead letter, visible to operators)."""
    _set(tx, post_id, state=state, leased_until=None, error=error, done_at=now)
    tx.wake(OUTBOX)


def _set(tx: Transaction, post_id: str, **columns: object) -> None:
    tx.update("posts", "id = :id", {"id": post_id}, **columns)
