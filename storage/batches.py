"""Batches: a file of applicants on its way from a message to checks. Rows of it are checks like any other."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.batches import Batch, BatchState, Counts
from bot.domain.checks import CONSENT_NOTICE
from bot.domain.outbox import PostKind
from storage import audit, outbox
from storage.database import Transaction, from_text, moment_or_none, to_text

BATCHES = "batches"
"""Topic woken when a batch is due to be read or begun."""
UPDATE_EVERY = timedelta(seconds=3)
"""Slack takes about fifty updates a minute from an app (chat.update, tier 3)."""

_PLACE = "batches.reading"
_ENDING = (BatchState.SENDING, BatchState.CANCELLED, BatchState.DONE)
"""States in which the last of a batch's rows may come to its end."""


def accept(
    tx: Transaction,
    batch_id: str,
    *,
    source: Mapping[str, str | None],
    requester: str,
    team: str,
    channel: str,
    files: Sequence[str],
    now: datetime,
) -> tuple[str, bool]:
    """Store that a message holds applicants. Gives the id and whether it is new; a taken id raises IntegrityError."""
    key = f"{channel}:{source['ts']}"
    known = tx.row("SELECT id FROM batches WHERE source = :key", key=key)
    if known is not None:
        return known["id"], False
    tx.run(
        """
        INSERT INTO batches (id, state, source, requester, team, channel, files, asked_at, due_at)
        VALUES (:id, 'reading', :key, :requester, :team, :channel, :files, :now, :now)
        """,
        id=batch_id,
        key=key,
        requester=requester,
        team=team,
        channel=channel,
        files=json.dumps({**source, "files": list(files)}),
        now=to_text(now),
    )
    audit.record(tx, at=now, actor=requester, act="batch.asked", ref=batch_id)
    tx.wake(BATCHES)
    return batch_id, True


def find(tx: Transaction, batch_id: str) -> Batch | None:
    row = tx.row("SELECT * FROM batches WHERE id = :id", id=batch_id)
    return _batch(tx, row) if row is not None else None


def get(tx: Transaction, batch_id: str) -> Batch:
    """A batch that must exist."""
    batch = find(tx, batch_id)
    if batch is None:
        raise LookupError(f"no batch {batch_id}")
    return batch


def claim_due(tx: Transaction, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Batches to be read or begun, ours until the lease ends."""
    rows = tx.rows(
        """
        SELECT id FROM batches WHERE due_at <= :now AND state IN ('reading', 'confirmed')
          AND (leased_until IS NULL OR leased_until <= :now)
        ORDER BY due_at, id LIMIT :limit
        """,
        now=to_text(now),
        limit=limit,
    )
    for row in rows:
        tx.run("UPDATE batches SET leased_until = :until WHERE id = :id", until=to_text(until), id=row["id"])
    return [row["id"] for row in rows]


def again(tx: Transaction, batch_id: str, *, at: datetime) -> None:
    tx.run(
        "UPDATE batches SET due_at = :at, leased_until = NULL, tries = tries + 1 WHERE id = :id",
        at=to_text(at),
        id=batch_id,
    )


def read(
    tx: Transaction, batch_id: str, preview: Mapping[str, Any], *, total: int, ready: int, repeats: int, now: datetime
) -> None:
    """The file was read: what is in it stands in the channel, for the requester to confirm."""
    sealed = tx.sealer.seal(json.dumps(preview), place=f"{_PLACE}:{batch_id}")
    tx.run(
        """
        UPDATE batches SET state = 'preview', reading_sealed = :sealed, total = :total, ready = :ready,
            repeats = :repeats, due_at = NULL, leased_until = NULL, tries = 0
        WHERE id = :id AND state = 'reading'
        """,
        sealed=sealed,
        total=total,
        ready=ready,
        repeats=repeats,
        id=batch_id,
    )
    _open(tx, batch_id, now=now)
    if preview["faults"]:
        _file(tx, PostKind.BATCH_FAULTS, batch_id, "faults", now=now)


def refuse(tx: Transaction, batch_id: str, words: str, *, now: datetime) -> None:
    """Nothing comes of it; `words` are for people."""
    tx.run(
        """
        UPDATE batches SET state = 'refused', words = :words, ended_at = :now, due_at = NULL, leased_until = NULL
        WHERE id = :id AND state IN ('reading', 'confirmed')
        """,
        words=words,
        now=to_text(now),
        id=batch_id,
    )
    _open(tx, batch_id, now=now)


def move(
    tx: Transaction, batch_id: str, target: BatchState, *, of: Sequence[BatchState], by: str, now: datetime
) -> bool:
    """A guarded move; False when the batch is somewhere else by now."""
    states = ", ".join(f"'{state.value}'" for state in of)
    ends = target in (BatchState.CANCELLED, BatchState.DONE)
    changed = tx.run(
        f"""
        UPDATE batches SET state = :target, ended_at = CASE WHEN :ends = 1 THEN :now ELSE NULL END
        WHERE id = :id AND state IN ({states})
        """,
        target=target.value,
        ends=int(ends),
        now=to_text(now),
        id=batch_id,
    )
    if not changed:
        return False
    audit.record(tx, at=now, actor=by, act="batch.moved", ref=batch_id, detail=target.value)
    refresh(tx, batch_id, now=now)
    return True


def confirm(tx: Transaction, batch_id: str, *, by: str, with_repeats: bool, now: datetime) -> bool:
    """Every customer of the file has agreed, says the requester. False when it is no longer to be confirmed."""
    changed = tx.run(
        """
        UPDATE batches SET state = 'confirmed', with_repeats = :with_repeats, consent_at = :now, consent_by = :by,
            consent_notice = :notice, due_at = :now, leased_until = NULL, tries = 0
        WHERE id = :id AND state = 'preview'
        """,
        with_repeats=int(with_repeats),
        by=by,
        notice=CONSENT_NOTICE,
        now=to_text(now),
        id=batch_id,
    )
    if not changed:
        return False
    audit.record(tx, at=now, actor=by, act="batch.consent_confirmed", ref=batch_id, detail=CONSENT_NOTICE)
    refresh(tx, batch_id, now=now)
    tx.wake(BATCHES)
    return True


def posted(tx: Transaction, batch_id: str, *, ts: str, now: datetime) -> None:
    """The batch's own message stands in Slack."""
    tx.run("UPDATE batches SET message_ts = :ts WHERE id = :id AND message_ts IS NULL", ts=ts, id=batch_id)
    refresh(tx, batch_id, now=now)


def rows_known(tx: Transaction, batch_id: str) -> frozenset[int]:
    """Rows of the file that are checks already."""
    rows = tx.rows("SELECT batch_row FROM verifications WHERE batch = :id", id=batch_id)
    return frozenset(row["batch_row"] for row in rows)


def unsent(tx: Transaction, batch_id: str, *, limit: int) -> list[str]:
    """Checks of a batch that can still be cancelled."""
    rows = tx.rows(
        "SELECT ref FROM verifications WHERE batch = :id AND state = 'requested' ORDER BY batch_row LIMIT :limit",
        id=batch_id,
        limit=limit,
    )
    return [row["ref"] for row in rows]


def half_cancelled(tx: Transaction) -> list[str]:
    """Cancelled batches of which some rows still wait."""
    rows = tx.rows(
        """
        SELECT b.id FROM batches b WHERE b.state = 'cancelled'
          AND EXISTS (SELECT 1 FROM verifications v WHERE v.batch = b.id
                      AND v.state IN ('requested', 'submitting', 'processing') AND v.state = 'requested')
        """
    )
    return [row["id"] for row in rows]


def refs(tx: Transaction, batch_id: str) -> list[str]:
    """All its checks, in the order of the file."""
    rows = tx.rows("SELECT ref FROM verifications WHERE batch = :id ORDER BY batch_row", id=batch_id)
    return [row["ref"] for row in rows]


def counts(tx: Transaction, batch_id: str) -> Counts:
    rows = tx.rows(
        """
        SELECT CASE WHEN v.decision IS NULL AND v.state = 'approved' AND v.record_match = 'differs' THEN 'differs'
                WHEN v.decision IS NULL THEN v.state WHEN r.state = 'open' THEN 'in_review' ELSE 'decided' END
                AS state,
            CASE WHEN v.held IS NULL THEN 0 ELSE 1 END AS held, COUNT(*) AS n
        FROM verifications v LEFT JOIN reviews r ON r.ref = v.ref AND r.round = v.round
        WHERE v.batch = :id GROUP BY 1, 2
        """,
        id=batch_id,
    )
    return Counts.of((row["state"], bool(row["held"]), row["n"]) for row in rows)


def _is_under_way(tx: Transaction, batch_id: str) -> bool:
    """Whether a row waits, is held or is at Smile ID; one look into an index of such rows."""
    row = tx.row(
        """
        SELECT 1 FROM verifications
        WHERE batch = :id AND state IN ('requested', 'submitting', 'processing') AND decision IS NULL LIMIT 1
        """,
        id=batch_id,
    )
    return row is not None


def refresh(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """Have the batch's message brought up to date, no more often than Slack likes; and end it when all has ended."""
    batch = get(tx, batch_id)
    # Each move of a row comes here: all rows are counted only when none is under way, not once for every one of them.
    if batch.state in _ENDING and not _is_under_way(tx, batch_id):
        found = counts(tx, batch_id)
        if batch.state is BatchState.SENDING and found.total:
            tx.run("UPDATE batches SET state = 'done', ended_at = :now WHERE id = :id", now=to_text(now), id=batch_id)
        if batch.state is not BatchState.DONE and found.total:
            _file(tx, PostKind.BATCH_RESULTS, batch_id, "open" if found.needs_person else "all", now=now)
        elif batch.state is BatchState.DONE and not found.needs_person:
            _file(tx, PostKind.BATCH_RESULTS, batch_id, "all", now=now)
    outbox.refresh_at_pace(
        tx,
        PostKind.BATCH_PROGRESS,
        key=batch_id,
        opening=f"{PostKind.BATCH.value}:{batch_id}",
        destination=batch.channel,
        payload={"batch": batch_id},
        every=UPDATE_EVERY,
        now=now,
    )


def release_leases(tx: Transaction) -> None:
    tx.run(
        "UPDATE batches SET leased_until = NULL WHERE state IN ('reading', 'confirmed') AND leased_until IS NOT NULL"
    )


def _open(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    batch = get(tx, batch_id)
    outbox.enqueue(tx, PostKind.BATCH, key=batch_id, destination=batch.channel, payload={"batch": batch_id}, now=now)
    refresh(tx, batch_id, now=now)


def _file(tx: Transaction, kind: PostKind, batch_id: str, what: str, *, now: datetime) -> None:
    batch = get(tx, batch_id)
    payload = {"batch": batch_id, "what": what}
    outbox.enqueue(tx, kind, key=f"{batch_id}:{what}", destination=batch.channel, payload=payload, now=now)


def _batch(tx: Transaction, row: sqlite3.Row) -> Batch:
    preview = {}
    if row["reading_sealed"] is not None:
        preview = json.loads(tx.sealer.open(row["reading_sealed"], place=f"{_PLACE}:{row['id']}"))
    source = json.loads(row["files"])
    return Batch(
        id=row["id"],
        state=BatchState(row["state"]),
        requester=row["requester"],
        team=row["team"],
        channel=row["channel"],
        message_ts=row["message_ts"],
        source_ts=source["ts"],
        source_thread_ts=source.get("thread_ts"),
        files=tuple(source["files"]),
        words=row["words"],
        total=row["total"],
        ready=row["ready"],
        repeats=row["repeats"],
        with_repeats=bool(row["with_repeats"]),
        consent_at=moment_or_none(row["consent_at"]),
        consent_by=row["consent_by"],
        asked_at=from_text(row["asked_at"]),
        tries=row["tries"],
        preview=preview,
    )
