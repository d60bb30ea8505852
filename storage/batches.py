"""Batches: a file of applicants on its way from a message to checks. Rows of it are checks like any other."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain.applicants.batch import Batch, BatchCounts, BatchState, sent_by_link
from bot.domain.check.check import CONSENT_NOTICE
from bot.domain.mentions.incoming import MessageIds
from bot.errors import SealBroken, WrongKey
from storage import leases
from storage.engine.database import Transaction, from_text, load
from storage.engine.sql import Row

BATCHES = "batches"
"""Topic woken when a batch is due to be read or begun."""

_PLACE = "batches.reading"
_PREVIEW = "state = 'preview' AND approval IS NULL"
_WAITING = "state = 'preview' AND approval = 'waiting'"
"""A file that waits for a second person is a preview whose consent was confirmed (`BatchState.APPROVAL`)."""
_IS_PREVIEW = f"id = :id AND {_PREVIEW}"
_IS_WAITING = f"id = :id AND {_WAITING}"
_QUEUE = leases.Queue(
    table="batches",
    key="id",
    columns="id",
    due=f"due_at <= :now AND state IN ('reading', 'confirmed') AND {leases.FREE}",
    order="due_at, id",
)


def add(tx: Transaction, batch_id: str, message: MessageIds, files: Sequence[str], *, now: datetime) -> None:
    """Store that a message holds applicants. An id or a message that is known raises ConstraintFailed."""
    tx.run(
        """
        INSERT INTO batches (id, state, source, requester, team, channel, files, asked_at, due_at)
        VALUES (:id, 'reading', :key, :requester, :team, :channel, :files, :now, :now)
        """,
        id=batch_id,
        key=_message_key(message),
        requester=message.user,
        team=message.team,
        channel=message.channel,
        files=json.dumps({"ts": message.ts, "thread_ts": message.thread_ts, "files": list(files)}),
        now=now,
    )
    tx.wake(BATCHES)


def find_by_message(tx: Transaction, message: MessageIds) -> str | None:
    """The batch that a message in Slack was taken for."""
    known: str | None = tx.value("SELECT id FROM batches WHERE source = :key", key=_message_key(message))
    return known


def _message_key(message: MessageIds) -> str:
    return f"{message.channel}:{message.ts}"


def find(tx: Transaction, batch_id: str, *, sealed: bool = True) -> Batch | None:
    """With `sealed=False` its preview, which may be long, is not opened: it is as if there were none."""
    row = tx.row("SELECT * FROM batches WHERE id = :id", id=batch_id)
    return _batch(tx, row, sealed=sealed) if row is not None else None


def get(tx: Transaction, batch_id: str, *, sealed: bool = True) -> Batch:
    """A batch that must exist; `sealed` as in `find`."""
    return _batch(tx, tx.one("SELECT * FROM batches WHERE id = :id", id=batch_id), sealed=sealed)


def files(tx: Transaction, batch_id: str) -> tuple[str, ...]:
    """Slack's ids of what it was read from; none of a batch that does not exist."""
    source = tx.value("SELECT files FROM batches WHERE id = :id", id=batch_id)
    return tuple(json.loads(source)["files"]) if source is not None else ()


def claim_due(tx: Transaction, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Batches to be read or begun, ours until the lease ends."""
    return [row["id"] for row in leases.claim_due(tx, _QUEUE, now=now, until=until, limit=limit)]


def reschedule(tx: Transaction, batch_id: str, *, of: BatchState, at: datetime) -> None:
    """Try again at `at`, if it is still where the attempt found it: the lease of another worker is not ours to end."""
    sql = "UPDATE batches SET due_at = :at, leased_until = NULL, tries = tries + 1 WHERE id = :id AND state = :of"
    tx.run(sql, at=at, id=batch_id, of=of)


def keep_preview(
    tx: Transaction, batch_id: str, preview: Mapping[str, Any], *, total: int, ready: int, repeats: int
) -> None:
    """Keep what is in the file, for the requester to confirm."""
    # A reading whose lease ran out may have been overtaken by another one: the first to be written stands.
    tx.update(
        "batches",
        "id = :id AND state = 'reading'",
        {"id": batch_id},
        state=BatchState.PREVIEW,
        reading_sealed=tx.sealer.seal(json.dumps(preview), place=f"{_PLACE}:{batch_id}"),
        total=total,
        ready=ready,
        repeats=repeats,
        due_at=None,
        leased_until=None,
        tries=0,
    )


def refuse(tx: Transaction, batch_id: str, why: str, fault: str, *, of: BatchState, now: datetime) -> bool:
    """Refuse the file: `why` is the code alone, `fault` holds names that people gave to files, sheets and columns.

    False when it has left the state `of` meanwhile.
    """
    sealed = tx.sealer.seal(json.dumps({"refused": fault}), place=f"{_PLACE}:{batch_id}")
    # Its requester may have cancelled it meanwhile, and gets that message; or this worker has lost its lease, and
    # another one has read the file, so that it was confirmed, or has begun to send it.
    end = {
        "state": BatchState.REFUSED,
        "words": why,
        "reading_sealed": sealed,
        "ended_at": now,
        "due_at": None,
        "leased_until": None,
    }
    is_there = {BatchState.PREVIEW: _PREVIEW, BatchState.APPROVAL: _WAITING}.get(of, f"state = '{of.value}'")
    return tx.update("batches", f"id = :id AND {is_there}", {"id": batch_id}, **end)


def forget_preview(tx: Transaction, batch_id: str) -> None:
    """Of a file that has ended, whose message is told without it."""
    sealed = tx.sealer.seal("{}", place=f"{_PLACE}:{batch_id}")
    tx.update("batches", "id = :id", {"id": batch_id}, reading_sealed=sealed)


def move(tx: Transaction, batch_id: str, target: BatchState, *, of: Sequence[BatchState], now: datetime) -> bool:
    """A guarded move; False when the batch is somewhere else by now."""
    # The message with its buttons may be older than the state: somebody paused, resumed or cancelled it since, or the
    # last of its rows ended it; and its requester may cancel it at the moment when the last of its rows ends.
    states = ", ".join(f"'{state.value}'" for state in of)
    ended_at = now if target in (BatchState.CANCELLED, BatchState.DONE) else None
    return tx.update("batches", f"id = :id AND state IN ({states})", {"id": batch_id}, state=target, ended_at=ended_at)


def confirm(
    tx: Transaction,
    batch_id: str,
    *,
    by: str,
    with_repeats: bool,
    with_hidden: bool,
    by_link: bool = False,
    now: datetime,
) -> bool:
    """Every customer of the file has agreed, says the requester; or will be asked, `by_link`.

    False when it is no longer to be confirmed.
    """
    # Two buttons of a preview may be pressed at once, with and without the repeats: the first one counts.
    changed = tx.update(
        "batches",
        _IS_PREVIEW,
        {"id": batch_id},
        state=BatchState.CONFIRMED,
        with_repeats=with_repeats,
        with_hidden=with_hidden,
        **_confirmed(tx, batch_id, by=by, by_link=by_link, now=now),
        due_at=now,
        leased_until=None,
        tries=0,
    )
    if changed:
        tx.wake(BATCHES)
    return changed


def _confirmed(tx: Transaction, batch_id: str, *, by: str, by_link: bool, now: datetime) -> dict[str, Any]:
    if not by_link:
        return {"consent_at": now, "consent_by": by, "consent_notice": CONSENT_NOTICE}
    # Nobody has said that a customer has agreed: each of them is asked. What was chosen is sealed with the preview.
    preview = json.dumps(sent_by_link(get(tx, batch_id).preview))
    sealed = tx.sealer.seal(preview, place=f"{_PLACE}:{batch_id}")
    return {"consent_at": now, "consent_by": by, "consent_notice": None, "reading_sealed": sealed}


def await_approval(
    tx: Transaction,
    batch_id: str,
    *,
    by: str,
    with_repeats: bool,
    with_hidden: bool,
    by_link: bool = False,
    now: datetime,
    until: datetime,
) -> bool:
    """As `confirm`, but nothing begins before a second person approves it, which they may `until` then."""
    return tx.update(
        "batches",
        _IS_PREVIEW,
        {"id": batch_id},
        approval="waiting",
        with_repeats=with_repeats,
        with_hidden=with_hidden,
        # Unlike the moment of the consent, which is on record, it moves with a clock that is set.
        due_at=until,
        **_confirmed(tx, batch_id, by=by, by_link=by_link, now=now),
    )


def approve(tx: Transaction, batch_id: str, *, by: str, now: datetime) -> bool:
    """A second person has approved the file. False when it waits for nobody (any more)."""
    approved = {"state": BatchState.CONFIRMED, "approval": "approved", "approved_by": by, "approved_at": now}
    changed = tx.update("batches", _IS_WAITING, {"id": batch_id}, due_at=now, leased_until=None, tries=0, **approved)
    if changed:
        tx.wake(BATCHES)
    return changed


def unapproved(tx: Transaction, *, now: datetime, asked_before: datetime) -> list[str]:
    """Files that no second person has approved in time: of those that older versions kept, asked for before then."""
    sql = """
        SELECT id FROM batches WHERE state = 'preview' AND approval = 'waiting'
          AND (due_at <= :now OR (due_at IS NULL AND consent_at <= :before))
        """
    return tx.column(sql, now=now, before=asked_before)


def waiting_since(tx: Transaction) -> list[datetime]:
    """Since when each file waits for a second person, oldest first."""
    sql = "SELECT consent_at FROM batches WHERE state = 'preview' AND approval = 'waiting' ORDER BY consent_at"
    return [from_text(at) for at in tx.column(sql)]


def unapproved_checks(tx: Transaction, person: str, *, since: datetime, but: str) -> int:
    """How many checks somebody has had made of files since then that no second person approved; `but` a file's id.

    Those that were cancelled before they were sent do not count.
    """
    made = """
        SELECT COUNT(*) FROM verifications v JOIN batches b ON b.id = v.batch
        WHERE v.requester = :person AND v.asked_at >= :since AND v.state <> 'cancelled'
          AND b.id <> :but AND b.approval IS NULL AND b.state <> 'confirmed'
        """
    count: int = tx.value(made, person=person, since=since, but=but)
    # Of these all rows, or some, are still to become checks; the condition is that of the index `batches_due`.
    to_come = """
        SELECT id FROM batches WHERE state IN ('reading', 'confirmed') AND state = 'confirmed'
          AND requester = :person AND id <> :but AND approval IS NULL
        """
    return count + sum(_checks_to_come(tx, id_) for id_ in tx.column(to_come, person=person, but=but))


def _checks_to_come(tx: Transaction, batch_id: str) -> int:
    """How many checks the rows of a confirmed file become; where its preview does not open, the most that they may."""
    try:
        return get(tx, batch_id).chosen
    except (SealBroken, WrongKey):
        # It must not be the fault of another file, nor let that pass without a second person. Whoever takes it up next
        # says what is wrong with it. How many rows are hidden stands in the preview alone; those that were chosen
        # count for the day with the others.
        sql = "SELECT b.total, s.checks FROM batches b LEFT JOIN spending s ON s.id = b.id WHERE b.id = :id"
        row = tx.one(sql, id=batch_id)
        most: int = max(row["total"], row["checks"] or 0)
        return most


def unshown(tx: Transaction, *, before: datetime) -> list[str]:
    """Previews whose message was given up before then, so that nobody can answer them."""
    sql = """
        SELECT b.id FROM batches b JOIN posts p ON p.id = 'batch:' || b.id
        WHERE b.state = 'preview' AND b.approval IS NULL AND b.asked_at <= :before
          AND p.state IN ('failed', 'dropped') AND p.done_at <= :before
        """
    return tx.column(sql, before=before)


def posted(tx: Transaction, batch_id: str, *, ts: str, gone: str = "") -> None:
    """The batch's own message is posted; in place of the one that is `gone`, if it was deleted."""
    # Found again after its answer was lost, it may have been kept before: rows answer in the thread of the first one.
    where = "id = :id AND (message_ts IS NULL OR message_ts = :gone)"
    tx.update("batches", where, {"id": batch_id, "gone": gone}, message_ts=ts)


def end_was_shown(tx: Transaction, batch_id: str) -> bool:
    """Whether its own message was made, or updated, since it has ended, and so said that."""
    sql = """
        SELECT 1 FROM posts p WHERE (p.id = :message OR (p.about = :message AND p.kind = 'batch_progress'))
          AND p.state = 'done' AND p.created_at >= (SELECT ended_at FROM batches WHERE id = :id)
        """
    return tx.exists(sql, id=batch_id, message=f"batch:{batch_id}")


def untouched(tx: Transaction, *, asked_after: datetime, since: datetime, now: datetime) -> list[str]:
    """Files that wait for somebody and whose message had no update `since` then.

    That is previews that came after `asked_after`, and every file of which a row is under way: one step along an index
    for each of these.
    """
    under_way = "state IN ('requested', 'awaiting_photos', 'submitting', 'processing')"
    sql = f"""
        WITH RECURSIVE files (id) AS (
            SELECT MIN(batch) FROM verifications WHERE batch IS NOT NULL AND {under_way}
            UNION ALL
            SELECT (SELECT MIN(v.batch) FROM verifications v WHERE v.batch > f.id AND v.{under_way}) FROM files f
            WHERE f.id IS NOT NULL)
        SELECT w.id FROM (
            SELECT id FROM files WHERE id IS NOT NULL
            UNION ALL
            SELECT id FROM batches WHERE state = 'preview' AND asked_at > :asked_after AND asked_at <= :since) w
        WHERE NOT EXISTS (
            SELECT 1 FROM posts u WHERE u.about = 'batch:' || w.id AND u.kind = 'batch_progress'
              AND (u.state = 'due' OR (u.done_at > :since AND u.done_at <= :now)))
        """
    return tx.column(sql, asked_after=asked_after, since=since, now=now)


def rows_known(tx: Transaction, batch_id: str, *, first: int, last: int) -> frozenset[int]:
    """Rows of the file, from `first` to `last`, that are checks already."""
    sql = "SELECT batch_row FROM verifications WHERE batch = :id AND batch_row BETWEEN :first AND :last"
    return frozenset(tx.column(sql, id=batch_id, first=first, last=last))


def unsent(tx: Transaction, batch_id: str, *, limit: int) -> list[str]:
    """Checks of a batch that can still be cancelled; one that was run again since is no longer the file's."""
    # The condition of the index `verifications_under_way`, which whatever is cancelled leaves.
    sql = """
        SELECT ref, batch_row FROM verifications
        WHERE batch = :id AND state IN ('requested', 'awaiting_photos', 'submitting', 'processing')
          AND state IN ('requested', 'awaiting_photos') AND round = 1
          AND batch_row > :last ORDER BY batch_row LIMIT :limit
        """
    found: list[str] = []
    last = -1
    while len(found) < limit and (rows := tx.rows(sql, id=batch_id, last=last, limit=limit)):
        altered = tx.altered([row["ref"] for row in rows])
        found += [row["ref"] for row in rows if row["ref"] not in altered]
        last = rows[-1]["batch_row"]
    return found[:limit]


def half_given_up(tx: Transaction) -> list[str]:
    """Cancelled and refused batches of which some rows still wait."""
    return tx.column(
        """
        SELECT b.id FROM batches b WHERE b.state IN ('cancelled', 'refused')
          AND EXISTS (SELECT 1 FROM verifications v WHERE v.batch = b.id
                      AND v.state IN ('requested', 'awaiting_photos', 'submitting', 'processing')
                      AND v.state IN ('requested', 'awaiting_photos') AND v.round = 1)
        """
    )


def refs(tx: Transaction, batch_id: str) -> list[str]:
    """All its checks, in the order of the file."""
    return tx.column("SELECT ref FROM verifications WHERE batch = :id ORDER BY batch_row", id=batch_id)


_STANDS = """
    CASE WHEN v.decision IS NULL AND v.state = 'approved' AND v.record_match = 'differs' THEN 'differs'
        WHEN v.decision IS NULL THEN v.state WHEN r.state = 'open' THEN 'in_review' ELSE 'decided' END
        AS what, v.held IS NOT NULL AS held
    FROM verifications v LEFT JOIN reviews r ON r.ref = v.ref AND r.round = v.round
"""
"""Where a row is counted, as the triggers count it too."""


def counts(tx: Transaction, batch_id: str) -> BatchCounts:
    """How its rows stand, as triggers have counted them; a row counts as altered once its record is known to be.

    For a file on its way, each of whose rows moves several times. What is said of one that has ended rests on
    `counts_examined`: no MAC covers what is counted here.
    """
    known = tx.rows("SELECT what, held, n FROM batch_counts WHERE batch = :id", id=batch_id)
    found = Counter({(row["what"], bool(row["held"])): row["n"] for row in known})
    altered = [what for ref in tx.altered_so_far() if (what := _stands(tx, batch_id, ref)) is not None]
    found.subtract(altered)
    # Whoever altered a row may have done it past the triggers: nothing is fewer than none.
    rows = [(what, held, max(0, n)) for (what, held), n in found.items()]
    return replace(BatchCounts.of(rows), altered=len(altered))


def _stands(tx: Transaction, batch_id: str, ref: str) -> tuple[str, bool] | None:
    """Where one of its rows is counted; None for a check that is none of them."""
    row = tx.row(f"SELECT {_STANDS} WHERE v.ref = :ref AND v.batch = :id", ref=ref, id=batch_id)
    return (row["what"], bool(row["held"])) if row is not None else None


def counts_examined(tx: Transaction, batch_id: str) -> BatchCounts:
    """How its rows stand, counted from the rows themselves, whose records are compared with their MACs."""
    rows = tx.rows(f"SELECT v.ref, {_STANDS} WHERE v.batch = :id", id=batch_id)
    altered = tx.altered_heads([row["ref"] for row in rows])
    found = Counter((row["what"], bool(row["held"])) for row in rows if row["ref"] not in altered)
    counted = BatchCounts.of((what, held, n) for (what, held), n in found.items())
    return replace(counted, altered=len(altered))


def is_under_way(tx: Transaction, batch_id: str) -> bool:
    """Whether a row waits, is held or is at Smile ID; one look into an index of such rows.

    A row whose record proved altered is none of these: it is not sent, and no result of it counts. Every move of a row
    asks, so that no row is examined for it.
    """
    sql = """
        SELECT ref FROM verifications
        WHERE batch = :id AND state IN ('requested', 'awaiting_photos', 'submitting', 'processing')
          AND decision IS NULL LIMIT :most
        """
    altered = tx.altered_so_far()
    return not altered.issuperset(tx.column(sql, id=batch_id, most=len(altered) + 1))


def _batch(tx: Transaction, row: Row, *, sealed: bool) -> Batch:
    preview = {}
    if sealed and row["reading_sealed"] is not None:
        preview = json.loads(tx.sealer.open(row["reading_sealed"], place=f"{_PLACE}:{row['id']}"))
    source = json.loads(row["files"])
    waits = row["state"] == "preview" and row["approval"] == "waiting"
    return load(
        Batch,
        row,
        state=BatchState.APPROVAL if waits else BatchState(row["state"]),
        source_ts=source["ts"],
        source_thread_ts=source.get("thread_ts"),
        files=tuple(source["files"]),
        preview=preview,
    )
