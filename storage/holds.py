"""Checks that wait for the requester's answer before they are sent, and earlier checks that raise the question."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.checks import Check, Held, PhotoRef
from bot.domain.outbox import PostKind
from storage import audit, checks, outbox, prints
from storage.database import Transaction, from_text, to_text

REMIND_AFTER = timedelta(hours=24)
CANCEL_AFTER = timedelta(days=7)
_MOST_EARLIER = 50


def hold(tx: Transaction, ref: str, held: Held, note: Mapping[str, Any], *, now: datetime) -> None:
    """Ask the requester first. The note holds names and references, nothing personal."""
    changed = tx.run(
        """
        UPDATE verifications SET held = :held, held_note = :note, due_at = :remind_at, leased_until = NULL, tries = 0
        WHERE ref = :ref AND state = 'requested' AND held IS NULL
        """,
        held=held.value,
        note=json.dumps({**note, "since": to_text(now)}),
        remind_at=to_text(now + REMIND_AFTER),
        ref=ref,
    )
    if not changed:
        return
    check = checks.get(tx, ref)
    audit.record(tx, at=now, actor=audit.BOT, act="check.held", ref=ref, detail=held.value)
    outbox.enqueue(
        tx, PostKind.HELD, ref=ref, key=_key(check), destination=check.channel, now=now, payload={"held": held.value}
    )
    checks.progress(tx, ref, now=now)


def let_pass(tx: Transaction, ref: str, *, by: str, now: datetime) -> bool:
    """Send it all the same. False when there is no question (any more)."""
    check = checks.get(tx, ref)
    if check.held is None or not _release(tx, check, by=by, how="let_pass", now=now):
        return False
    passed = sorted({*_passed(tx, ref), check.held.value})
    tx.run("UPDATE verifications SET let_pass = :passed WHERE ref = :ref", passed=",".join(passed), ref=ref)
    return True


def replace_photos(tx: Transaction, ref: str, photos: Sequence[PhotoRef], *, by: str, now: datetime) -> bool:
    """Send it with other photos, which are looked at anew. False when there is no question (any more)."""
    check = checks.get(tx, ref)
    if check.held is None or not _release(tx, check, by=by, how="other_photos", now=now):
        return False
    checks.keep_photos(tx, ref, photos)
    kept = sorted(_passed(tx, ref) - {Held.PHOTOS.value, Held.SELFIE_SEEN.value})
    tx.run(
        "UPDATE verifications SET let_pass = :passed, photos_checked_at = NULL WHERE ref = :ref",
        passed=",".join(kept),
        ref=ref,
    )
    return True


def silent(tx: Transaction, *, now: datetime) -> list[str]:
    """Checks whose question waits for a reminder, or for too long."""
    rows = tx.rows(
        "SELECT ref FROM verifications WHERE held IS NOT NULL AND state = 'requested' AND due_at <= :now LIMIT 100",
        now=to_text(now),
    )
    return [row["ref"] for row in rows]


def remind_or_cancel(tx: Transaction, ref: str, *, by: str, now: datetime) -> bool:
    """The next thing that silence brings. True when the check was cancelled."""
    check = checks.get(tx, ref)
    if check.held is None:
        return False
    since = from_text(str(check.held_note["since"]))
    if now - since >= CANCEL_AFTER:
        checks.cancel(tx, ref, by=by, now=now)
        return True
    tx.run("UPDATE verifications SET due_at = :at WHERE ref = :ref", at=to_text(since + CANCEL_AFTER), ref=ref)
    payload = {"held": check.held.value, "reminder": "1"}
    outbox.enqueue(
        tx, PostKind.HELD, ref=ref, key=f"{_key(check)}:reminder", destination=check.channel, now=now, payload=payload
    )
    return False


def passed(tx: Transaction, ref: str) -> frozenset[str]:
    """Questions that were answered with *all the same*, and `again` for a person who was checked before."""
    return frozenset(_passed(tx, ref))


def earlier(tx: Transaction, request_prints: Collection[str], *, since: datetime, but: str | None) -> list[str]:
    """Checks of the same number or customer reference since then that were sent, or will be; newest first."""
    found: dict[str, str] = {}
    for print_ in request_prints:
        rows = tx.rows(
            """
            SELECT v.ref, v.asked_at FROM verifications v
            WHERE (v.number_print = :print OR v.reference_print = :print) AND v.asked_at >= :since
              AND v.state <> 'cancelled' AND (v.verdict IS NOT NULL OR v.ended_at IS NULL
                OR EXISTS (SELECT 1 FROM attempts a WHERE a.ref = v.ref AND a.step = 'sent'))
            ORDER BY v.asked_at DESC LIMIT :most
            """,
            print=print_,
            since=to_text(since),
            most=_MOST_EARLIER,
        )
        found |= {row["ref"]: row["asked_at"] for row in rows if row["ref"] != but}
    return sorted(found, key=lambda ref: (found[ref], ref), reverse=True)


def same_selfie(tx: Transaction, ref: str, sha256: str, *, since: datetime) -> list[tuple[str, bool]]:
    """Earlier checks with this selfie that were sent, newest first, and whether they were of the same ID number.

    `sha256` is that of the file as it came. File and number are looked for under every key: an older check keeps the
    prints that it was given, and nobody is to be suspected because a key was added meanwhile.
    """
    me = checks.get(tx, ref)
    my_number = prints.of_number(tx, ref) or [""]
    found = [
        row
        for print_ in prints.candidates(tx.sealer, prints.FILE, sha256)
        for row in tx.rows(
            """
            SELECT v.ref, v.asked_at, v.number_print
            FROM photos p JOIN verifications v ON v.ref = p.ref
            WHERE p.file_print = :print AND p.kind = 'selfie' AND p.ref <> :ref AND v.asked_at >= :since
              AND v.asked_at <= :asked_at
              AND EXISTS (SELECT 1 FROM attempts a WHERE a.ref = v.ref)
            ORDER BY v.asked_at DESC, v.ref LIMIT :most
            """,
            print=print_,
            ref=ref,
            since=to_text(since),
            asked_at=to_text(me.asked_at),
            most=_MOST_EARLIER,
        )
    ]
    newest = sorted(sorted(found, key=lambda row: row["ref"]), key=lambda row: row["asked_at"], reverse=True)
    return [(row["ref"], row["number_print"] in my_number) for row in newest[:_MOST_EARLIER]]


def _release(tx: Transaction, check: Check, *, by: str, how: str, now: datetime) -> bool:
    changed = tx.run(
        """
        UPDATE verifications SET held = NULL, due_at = :now, leased_until = NULL,
            paused_seconds = paused_seconds + :paused
        WHERE ref = :ref AND held IS NOT NULL AND state = 'requested'
        """,
        now=to_text(now),
        paused=max(0.0, (now - from_text(str(check.held_note["since"]))).total_seconds()),
        ref=check.ref,
    )
    if not changed:
        return False
    audit.record(tx, at=now, actor=by, act=f"check.{how}", ref=check.ref, detail=check.held.value if check.held else "")
    payload = {"by": by, "how": how, "held": check.held.value if check.held else ""}
    outbox.answer_questions(tx, check.ref, destination=check.channel, payload=payload, now=now)
    outbox.drop_overtaken(tx, check.ref, now=now, kinds=frozenset({PostKind.HELD}))
    checks.progress(tx, check.ref, now=now)
    tx.wake(checks.SUBMISSION)
    return True


def _passed(tx: Transaction, ref: str) -> set[str]:
    row = tx.row("SELECT let_pass FROM verifications WHERE ref = :ref", ref=ref)
    return set(filter(None, row["let_pass"].split(","))) if row is not None else set()


def _key(check: Check) -> str:
    """One question of one kind at one moment: other photos may raise it again."""
    return f"{check.ref}:{check.held_note.get('since', '')}"
