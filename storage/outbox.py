"""What is to be said in Slack: rows written with the change they tell, delivered later, at least once.

A row holds a kind and ids, never text: the words are built at delivery. Its id names the event (`result:<job>`),
so that an event can be enqueued only once, and travels with the message as metadata, so that a post whose answer
was lost can be found again. What becomes of a row then is `deliveries`' part.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from bot.domain.outbox import UPDATES, URGENT, Post, PostKind
from storage.database import Transaction, from_text, moment_or_none, to_text

OUTBOX = "outbox"
"""Topic woken when something is to be said."""

ALERT_EVERY = timedelta(hours=1)
"""How often operators hear of one kind of fault."""

_REST, _CARDS, _FIRST = 2, 1, 0


def enqueue(
    tx: Transaction,
    kind: PostKind,
    *,
    key: str,
    destination: str,
    now: datetime,
    ref: str | None = None,
    receipt: str | None = None,
    payload: Mapping[str, str] | None = None,
    parent_id: str | None = None,
    due_at: datetime | None = None,
    in_doubt_since: datetime | None = None,
) -> str:
    """Have one event told; the same event again changes nothing. Gives the post's id.

    About a check that came out of a backup it may have been told before the backup was put back: then it is in doubt
    since then, and looked for before it is posted. So is what the caller says may stand in Slack `in_doubt_since`.
    """
    post_id = f"{kind.value}:{key}"
    is_quiet = kind is PostKind.RESULT and parent_id is None and _is_quiet(tx, ref, payload or {})
    priority = _FIRST if kind in URGENT else _CARDS if kind is PostKind.REVIEW_NOTICE else _REST
    tx.run(
        """
        INSERT INTO posts (id, ref, kind, lane, priority, receipt, note, about, due_at, created_at, state,
            done_at, in_doubt_since)
        VALUES (
            :id, :ref, :kind, :destination, :priority, :receipt, :payload, :parent_id, :due_at, :now, :state, :done_at,
            COALESCE(:in_doubt_since, (SELECT m.value FROM meta m JOIN verifications v ON v.ref = :ref
             WHERE m.name = 'restored' AND v.asked_at <= m.value AND :is_posted = 1)))
        ON CONFLICT (id) DO NOTHING
        """,
        id=post_id,
        ref=ref,
        kind=kind.value,
        destination=destination,
        priority=priority,
        receipt=receipt,
        payload=json.dumps(dict(payload or {})),
        parent_id=parent_id,
        is_posted=int(kind not in UPDATES),
        in_doubt_since=to_text(in_doubt_since) if in_doubt_since else None,
        state="dropped" if is_quiet else "due",
        done_at=to_text(now) if is_quiet else None,
        due_at=to_text(due_at or now),
        now=to_text(now),
    )
    tx.wake(OUTBOX)
    return post_id


def _is_quiet(tx: Transaction, ref: str | None, payload: Mapping[str, str]) -> bool:
    """Of a file's rows only those are told that need eyes, or of which something was told before: the plain verdicts
    stand in its counts and in the file of results. A row that somebody ran again by itself is told like any check.
    """
    if payload.get("outcome") not in ("approved", "rejected") or "eyes" in payload:
        return False
    row = tx.row(
        """
        SELECT 1 FROM verifications v WHERE v.ref = :ref AND v.batch IS NOT NULL AND v.round = 1
          AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.ref = v.ref AND p.state IN ('due', 'done')
                          AND p.kind NOT IN ('review_notice', 'review_card', 'review_call', 'personal', 'alert'))
        """,
        ref=ref,
    )
    return row is not None


def refresh(tx: Transaction, ref: str, *, destination: str, now: datetime) -> None:
    """Have the request's message brought up to date; one waiting update is enough, it is built when it goes out."""
    waiting = tx.row(
        """
        SELECT 1 FROM posts
        WHERE ref = :ref AND kind IN ('progress', 'request') AND state = 'due' AND leased_until IS NULL
          AND in_doubt_since IS NULL
        """,
        ref=ref,
    )
    if waiting is None:
        count = tx.row("SELECT COUNT(*) AS n FROM posts WHERE ref = :ref AND kind = 'progress'", ref=ref)
        assert count is not None
        enqueue(tx, PostKind.PROGRESS, ref=ref, key=f"{ref}:{count['n'] + 1}", destination=destination, now=now)


def refresh_at_pace(
    tx: Transaction,
    kind: PostKind,
    *,
    key: str,
    opening: str,
    destination: str,
    payload: Mapping[str, str],
    every: timedelta,
    now: datetime,
) -> None:
    """Have a message that stands in Slack brought up to date, once in `every`; one waiting update is enough."""
    if not delivered(tx, opening):
        return
    last = tx.row(
        """
        SELECT SUM(CASE WHEN state = 'due' AND leased_until IS NULL THEN 1 ELSE 0 END) AS waiting, COUNT(*) AS n,
            MAX(COALESCE(done_at, due_at)) AS last_at
        FROM posts WHERE about = :opening AND kind = :kind
        """,
        opening=opening,
        kind=kind.value,
    )
    assert last is not None
    if last["waiting"]:
        return
    # One that is on its way right now has no end yet: the time when it was due stands for it.
    # By a clock that was set back since, the last one went out in the future.
    due_at = min(max(now, from_text(last["last_at"]) + every), now + every) if last["last_at"] else now
    enqueue(
        tx,
        kind,
        key=f"{key}:{last['n'] + 1}",
        destination=destination,
        parent_id=opening,
        payload=payload,
        now=now,
        due_at=due_at,
    )


def refresh_cards(tx: Transaction, ref: str, *, now: datetime) -> None:
    """Have every card of a check brought up to date. One that has not left yet is built when it goes out."""
    rows = tx.rows(
        """
        SELECT c.*, (SELECT COUNT(*) FROM posts u WHERE u.ref = :ref AND u.about = c.id) AS n FROM posts c
        WHERE c.ref = :ref AND c.kind = 'review_notice'
          AND (c.state = 'done' OR (c.state = 'due' AND (c.leased_until IS NOT NULL OR c.in_doubt_since IS NOT NULL)))
          AND NOT EXISTS (
            SELECT 1 FROM posts w WHERE w.ref = :ref AND w.about = c.id AND w.kind = 'review_card'
              AND w.state = 'due' AND w.leased_until IS NULL)
        """,
        ref=ref,
    )
    for row in rows:
        card = post_of(row)
        enqueue(
            tx,
            PostKind.REVIEW_CARD,
            key=f"{card.id}:{row['n']}",
            ref=ref,
            destination=card.destination,
            parent_id=card.id,
            receipt=card.receipt,
            payload=card.payload,
            now=now,
        )


def drop_overtaken(tx: Transaction, ref: str, *, kinds: Collection[PostKind], now: datetime) -> None:
    """Have posts of these kinds not told any more, as far as they are not on their way."""
    # One that is leased or in doubt may stand in Slack already: it comes to its own end.
    for kind in kinds:
        tx.run(
            """
            UPDATE posts SET state = 'dropped', done_at = :now
            WHERE ref = :ref AND kind = :kind AND state = 'due' AND leased_until IS NULL AND in_doubt_since IS NULL
            """,
            ref=ref,
            kind=kind.value,
            now=to_text(now),
        )


def answer_questions(tx: Transaction, ref: str, *, destination: str, payload: Mapping[str, str], now: datetime) -> None:
    """Take the buttons off every question that was posted about a check; once for each."""
    rows = tx.rows("SELECT id FROM posts WHERE ref = :ref AND kind = 'held' AND state = 'done'", ref=ref)
    for row in rows:
        enqueue(
            tx,
            PostKind.HELD_ANSWERED,
            ref=ref,
            key=row["id"],
            destination=destination,
            parent_id=row["id"],
            payload=payload,
            now=now,
        )


def alerted_at(tx: Transaction, fault: str, *, now: datetime) -> datetime:
    """When operators were last told of a fault of this kind; `now` when that is an hour ago, or never was."""
    # Told in the future, it was told by a clock that has been set back since: nobody would hear of it until then.
    tx.run(
        """
        INSERT INTO alerts (kind, told_at) VALUES (:kind, :now)
        ON CONFLICT (kind) DO UPDATE SET told_at = :now WHERE alerts.told_at <= :hour_ago OR alerts.told_at > :now
        """,
        kind=fault,
        now=to_text(now),
        hour_ago=to_text(now - ALERT_EVERY),
    )
    row = tx.row("SELECT told_at FROM alerts WHERE kind = :kind", kind=fault)
    assert row is not None
    return from_text(row["told_at"])


def opening(tx: Transaction, ref: str) -> Post | None:
    """The message of a request, wherever it stands."""
    return find(tx, f"{PostKind.REQUEST.value}:{ref}")


def find(tx: Transaction, post_id: str) -> Post | None:
    row = tx.row("SELECT * FROM posts WHERE id = :id", id=post_id)
    return post_of(row) if row is not None else None


def cards(tx: Transaction, ref: str, round_: int | None = None) -> list[Post]:
    """Every card of a check, or of one of its rounds, that stands in Slack or will, oldest first."""
    rows = tx.rows(
        "SELECT * FROM posts WHERE ref = :ref AND kind = 'review_notice' AND state IN ('due', 'done') ORDER BY seq",
        ref=ref,
    )
    found = [post_of(row) for row in rows]
    return [card for card in found if round_ in (None, int(card.payload.get("round", 1)))]


def delivered(tx: Transaction, post_id: str) -> bool:
    row = tx.row("SELECT 1 FROM posts WHERE id = :id AND state = 'done'", id=post_id)
    return row is not None


def told_codes(tx: Transaction, job_id: str) -> frozenset[str]:
    """Result codes of a job that people were told of, or will be."""
    rows = tx.rows(
        """
        SELECT DISTINCT r.code FROM posts p JOIN receipts r ON r.id = p.receipt
        WHERE r.job_id = :job_id AND p.ref = (SELECT ref FROM attempts WHERE job_id = :job_id)
        """,
        job_id=job_id,
    )
    return frozenset(row["code"] for row in rows)


def unconfirmed_post(tx: Transaction, job_id: str) -> Post | None:
    """The message that told an unconfirmed result of this job, if there is one that was not dropped."""
    row = tx.row(
        """
        SELECT p.* FROM posts p
        WHERE p.id IN (:rejection, :approval) AND p.state IN ('due', 'done') ORDER BY p.seq DESC LIMIT 1
        """,
        rejection=f"{PostKind.RESULT_UNCONFIRMED.value}:{job_id}",
        approval=f"{PostKind.APPROVAL_UNCONFIRMED.value}:{job_id}",
    )
    return post_of(row) if row is not None else None


def lag(tx: Transaction, *, now: datetime) -> timedelta:
    """How long the oldest post that is due has been waiting."""
    row = tx.row("SELECT MIN(due_at) AS due FROM posts WHERE state = 'due' AND due_at <= :now", now=to_text(now))
    return now - from_text(row["due"]) if row is not None and row["due"] else timedelta(0)


def post_of(row: sqlite3.Row) -> Post:
    """The columns `lane`, `note` and `about` keep their old names: renaming them buys nothing and costs a migration."""
    return Post(
        id=row["id"],
        ref=row["ref"],
        kind=PostKind(row["kind"]),
        destination=row["lane"],
        receipt=row["receipt"],
        payload=json.loads(row["note"]),
        parent_id=row["about"],
        tries=row["tries"],
        in_doubt_since=moment_or_none(row["in_doubt_since"]),
        created_at=from_text(row["created_at"]),
        ts=row["ts"],
        channel=row["channel"],
    )
