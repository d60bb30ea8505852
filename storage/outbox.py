"""The outbox: posts written in the same transaction as the change they report, delivered later, at least once.

A row holds a kind and ids, never text: the message is built at delivery. Its id names the event (`result:<job>`),
so that an event can be enqueued only once, and travels with the message as metadata, so that a post whose answer
was lost can be found again. Delivery itself is in `deliveries`.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.outbox import UPDATES, URGENT, Post, PostKind
from storage.engine.database import Transaction, from_text, load, moment_or_none
from storage.engine.sql import Row

OUTBOX = "outbox"
"""Topic woken when a post is added."""

ALERT_EVERY = timedelta(hours=1)
"""Operators are alerted of one kind of fault no more often."""

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
    is_silent: bool = False,
) -> str:
    """Add the post of one event and return its id; adding it a second time changes nothing.

    A silent one is stored as if it had been posted, and never delivered.

    The post of a check from a restored backup may have been delivered after the backup was taken: it is in doubt, and
    searched for before it is posted. The same goes for one that the caller marks as `in_doubt_since`.
    """
    post_id = f"{kind.value}:{key}"
    priority = _FIRST if kind in URGENT else _CARDS if kind is PostKind.REVIEW_NOTICE else _REST
    tx.run(
        """
        INSERT INTO posts (id, ref, kind, lane, priority, receipt, note, about, due_at, created_at, state,
            done_at, leased_by, in_doubt_since)
        VALUES (
            :id, :ref, :kind, :destination, :priority, :receipt, :payload, :parent_id, :due_at, :now, :state, :done_at,
            :kept_by,
            COALESCE(:in_doubt_since, (SELECT m.value FROM meta m JOIN verifications v ON v.ref = :ref
             WHERE m.name = 'restored' AND v.asked_at <= m.value AND :is_posted = 1)))
        ON CONFLICT (id) DO NOTHING
        """,
        id=post_id,
        ref=ref,
        kind=kind,
        destination=destination,
        priority=priority,
        receipt=receipt,
        payload=json.dumps(dict(payload or {})),
        parent_id=parent_id,
        is_posted=kind not in UPDATES,
        in_doubt_since=in_doubt_since,
        state="dropped" if is_silent else "due",
        done_at=now if is_silent else None,
        due_at=due_at or now,
        # What it says is in the memory of this instance, which delivers it as long as it lives.
        kept_by=tx.instance if kind is PostKind.ANSWER else None,
        now=now,
    )
    tx.wake(OUTBOX)
    return post_id


def updates_before(tx: Transaction, ref: str) -> int | None:
    """How many updates the request's message has had; None while it, or an update of it, has yet to be built."""
    # One that is leased or in doubt was built before what changed now.
    sql = """
        SELECT SUM(CASE WHEN kind = 'progress' THEN 1 ELSE 0 END) AS n,
            SUM(CASE WHEN state = 'due' AND leased_until IS NULL AND in_doubt_since IS NULL THEN 1 END) AS waiting
        FROM posts WHERE ref = :ref AND kind IN ('progress', 'request')
        """
    row = tx.one(sql, ref=ref)
    return None if row["waiting"] else row["n"] or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """Those of one message, of one kind."""

    is_waiting: bool
    """One is still to be built."""
    count: int
    last_at: datetime | None
    """When the last one went out; of one that is on its way now, when it was due."""


def updates_of(tx: Transaction, parent_id: str, kind: PostKind) -> Updates:
    sql = """
        SELECT SUM(CASE WHEN state = 'due' AND leased_until IS NULL THEN 1 ELSE 0 END) AS waiting, COUNT(*) AS n,
            MAX(COALESCE(done_at, due_at)) AS last_at
        FROM posts WHERE about = :parent_id AND kind = :kind
        """
    row = tx.one(sql, parent_id=parent_id, kind=kind)
    return Updates(is_waiting=bool(row["waiting"]), count=row["n"], last_at=moment_or_none(row["last_at"]))


def to_be_built(tx: Transaction, kind: PostKind, destination: str) -> str | None:
    """The id of the newest post of this kind that waits, and does not say anything yet."""
    sql = """
        SELECT id FROM posts
        WHERE lane = :destination AND kind = :kind AND state = 'due' AND leased_until IS NULL
          AND in_doubt_since IS NULL
        ORDER BY priority DESC, seq DESC LIMIT 1
        """
    found: str | None = tx.value(sql, destination=destination, kind=kind)
    return found


def approval_cards(tx: Transaction, batch_id: str) -> list[str]:
    """The ids of the messages that ask people to approve a file."""
    begin = f"{PostKind.BATCH_APPROVAL.value}:{batch_id}:"
    # Everything that begins so: a semicolon follows the colon.
    sql = "SELECT id FROM posts WHERE id > :begin AND id < :end ORDER BY id"
    return tx.column(sql, begin=begin, end=f"{begin[:-1]};")


def in_place_of(tx: Transaction, batch_id: str) -> list[str]:
    """The ids of direct messages that have a file's buttons, since its own message is gone; none that says its end."""
    begin = f"{PostKind.BATCH_LOST.value}:{batch_id}:"
    # As above.
    sql = "SELECT id FROM posts WHERE id > :begin AND id < :end AND id <> :ended ORDER BY id"
    return tx.column(sql, begin=begin, end=f"{begin[:-1]};", ended=f"{begin}ended")


def cards_to_refresh(tx: Transaction, ref: str) -> list[tuple[Post, int]]:
    """Cards of a check that were built already and have no update waiting, each with the number of its updates."""
    sql = """
        SELECT c.*, (SELECT COUNT(*) FROM posts u WHERE u.ref = :ref AND u.about = c.id) AS n FROM posts c
        WHERE c.ref = :ref AND c.kind = 'review_notice'
          AND (c.state = 'done' OR (c.state = 'due' AND (c.leased_until IS NOT NULL OR c.in_doubt_since IS NOT NULL)))
          AND NOT EXISTS (
            SELECT 1 FROM posts w WHERE w.ref = :ref AND w.about = c.id AND w.kind = 'review_card'
              AND w.state = 'due' AND w.leased_until IS NULL)
        """
    rows = tx.rows(sql, ref=ref)
    return [(post_of(row), row["n"]) for row in rows]


def questions(tx: Transaction, ref: str) -> list[str]:
    """Ids of the questions to the requester that are posted in Slack."""
    return tx.column("SELECT id FROM posts WHERE ref = :ref AND kind = 'held' AND state = 'done'", ref=ref)


def has_told(tx: Transaction, ref: str) -> bool:
    """Whether anything about a check was posted in its thread, or will be."""
    sql = """
        SELECT 1 FROM posts WHERE ref = :ref AND state IN ('due', 'done')
          AND kind NOT IN ('review_notice', 'review_card', 'review_call', 'personal', 'alert')
        LIMIT 1
        """
    return tx.exists(sql, ref=ref)


def has_to_say(tx: Transaction, ref: str) -> bool:
    """Whether anything about a check is still to be posted, or is on its way; an update is built from what is left."""
    updates = ", ".join(f"'{kind.value}'" for kind in UPDATES)
    sql = f"""
        SELECT 1 FROM posts
        WHERE ref = :ref AND state = 'due' AND (kind NOT IN ({updates}) OR leased_until IS NOT NULL) LIMIT 1
        """
    return tx.exists(sql, ref=ref)


def drop_overtaken(tx: Transaction, ref: str, *, kinds: Collection[PostKind], now: datetime) -> None:
    """Drop posts of these kinds, unless they are already on their way."""
    of = {f"kind{number}": kind for number, kind in enumerate(sorted(kinds))}
    if not of:
        return
    # One that is leased or in doubt may be in Slack already: its delivery finishes on its own.
    sql = f"""
        UPDATE posts SET state = 'dropped', done_at = :now
        WHERE ref = :ref AND kind IN ({", ".join(f":{name}" for name in of)})
          AND state = 'due' AND leased_until IS NULL AND in_doubt_since IS NULL
        """
    tx.run(sql, ref=ref, now=now, **of)


def drop_calls(tx: Transaction, ref: str, *, tells: Collection[str], now: datetime) -> None:
    """Drop cards that tell one of these things, and what subscribers get of them, unless they are on their way."""
    # As above; their kind does not say what they tell.
    unsent = "state = 'due' AND leased_until IS NULL AND in_doubt_since IS NULL"
    sql = f"SELECT * FROM posts WHERE ref = :ref AND kind IN ('review_notice', 'personal') AND {unsent}"
    rows = tx.rows(sql, ref=ref)
    ids = [post.id for post in map(post_of, rows) if post.payload.get("tell") in tells]
    sql = f"""
        UPDATE posts SET state = 'dropped', done_at = :now
        WHERE id IN (SELECT p.value FROM {tx.dialect.each(":ids")} p) AND {unsent}
        """
    tx.run(sql, ids=json.dumps(ids), now=now)


def alerted_at(tx: Transaction, fault: str, *, now: datetime) -> datetime:
    """When operators were last alerted of this kind of fault; `now` if that was over an hour ago, or never."""
    # An alert dated in the future was sent before the clock was set back: waiting for it would silence new alerts.
    sql = """
        INSERT INTO alerts (kind, told_at) VALUES (:kind, :now)
        ON CONFLICT (kind) DO UPDATE SET told_at = :now WHERE alerts.told_at <= :hour_ago OR alerts.told_at > :now
        """
    tx.run(sql, kind=fault, now=now, hour_ago=now - ALERT_EVERY)
    return from_text(tx.value("SELECT told_at FROM alerts WHERE kind = :kind", kind=fault))


def find(tx: Transaction, post_id: str) -> Post | None:
    row = tx.row("SELECT * FROM posts WHERE id = :id", id=post_id)
    return post_of(row) if row is not None else None


def cards(tx: Transaction, ref: str, round_: int | None = None) -> list[Post]:
    """Every card of a check, or of one of its rounds, that is or will be in Slack, oldest first."""
    sql = "SELECT * FROM posts WHERE ref = :ref AND kind = 'review_notice' AND state IN ('due', 'done') ORDER BY seq"
    rows = tx.rows(sql, ref=ref)
    found = [post_of(row) for row in rows]
    return [card for card in found if round_ in (None, int(card.payload.get("round", 1)))]


def places(tx: Transaction, ref: str) -> list[tuple[str, str]]:
    """Channel and ts of each message in Slack that is about a check; what tells admins of a fault holds no more of it
    than the reference."""
    # An update has the place of the message that it changed.
    sql = """
        SELECT DISTINCT channel, ts FROM posts
        WHERE ref = :ref AND state = 'done' AND channel IS NOT NULL AND ts IS NOT NULL AND kind <> 'alert'
        """
    return [(row["channel"], row["ts"]) for row in tx.rows(sql, ref=ref)]


def uploads_about(tx: Transaction, batch_id: str) -> list[Post]:
    """Those that brought a file about a file of customers, as far as they went out."""
    found = []
    for kind in (PostKind.BATCH_FAULTS, PostKind.BATCH_RESULTS):
        begin = f"{kind.value}:{batch_id}"
        # Its own id, or one with more behind a colon; a semicolon follows the colon.
        sql = """
            SELECT * FROM posts WHERE (id = :begin OR (id > :first AND id < :end)) AND state = 'done' ORDER BY id
            """
        found += tx.rows(sql, begin=begin, first=f"{begin}:", end=f"{begin};")
    return [post_of(row) for row in found]


def link_files(tx: Transaction, batch_id: str) -> list[Post]:
    """Those that bring a file of links for the customers of a file, delivered or not, in the order of their making."""
    begin = f"{PostKind.BATCH_LINKS.value}:{batch_id}:"
    # Everything that begins so: a semicolon follows the colon.
    rows = tx.rows("SELECT * FROM posts WHERE id > :begin AND id < :end", begin=begin, end=f"{begin[:-1]};")
    return [post_of(row) for row in sorted(rows, key=lambda row: int(row["seq"]))]


def qr_codes(tx: Transaction, ref: str) -> list[str]:
    """Slack's ids of the pictures with a check's links, as far as they went out."""
    rows = tx.rows("SELECT * FROM posts WHERE ref = :ref AND kind = 'link_qr' AND state = 'done'", ref=ref)
    return [file for row in rows if (file := post_of(row).payload.get("file"))]


def delivered(tx: Transaction, post_id: str) -> bool:
    return tx.exists("SELECT 1 FROM posts WHERE id = :id AND state = 'done'", id=post_id)


def given_up(tx: Transaction, post_id: str) -> bool:
    """Whether it is not delivered, unless an operator releases it."""
    return tx.exists("SELECT 1 FROM posts WHERE id = :id AND state IN ('failed', 'dropped')", id=post_id)


def told_codes(tx: Transaction, job_id: str) -> frozenset[str]:
    """Result codes of a job that were or will be posted."""
    sql = """
        SELECT DISTINCT r.code FROM posts p JOIN receipts r ON r.id = p.receipt
        WHERE r.job_id = :job_id AND p.ref = (SELECT ref FROM attempts WHERE job_id = :job_id)
        """
    codes = tx.column(sql, job_id=job_id)
    return frozenset(codes)


def unconfirmed_post(tx: Transaction, job_id: str) -> Post | None:
    """The post of this job's unconfirmed result, if there is one that was not dropped."""
    row = tx.row(
        """
        SELECT p.* FROM posts p
        WHERE p.id IN (:rejection, :approval) AND p.state IN ('due', 'done') ORDER BY p.seq DESC LIMIT 1
        """,
        rejection=f"{PostKind.RESULT_UNCONFIRMED.value}:{job_id}",
        approval=f"{PostKind.APPROVAL_UNCONFIRMED.value}:{job_id}",
    )
    return post_of(row) if row is not None else None


def post_of(row: Row) -> Post:
    """The columns `lane`, `note` and `about` keep their old names: renaming them buys nothing and costs a migration."""
    return load(Post, row, destination=row["lane"], payload=json.loads(row["note"]), parent_id=row["about"])
