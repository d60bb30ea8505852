"""Checks that wait for the requester's answer before they are sent, and earlier checks that raise the question."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.domain.check.check import HoldReason
from storage import blind_index
from storage.engine.database import Transaction, to_text

_MOST_EARLIER = 50


def hold(
    tx: Transaction, ref: str, held: HoldReason, about: Mapping[str, Any], *, remind_at: datetime, now: datetime
) -> bool:
    """Hold it until a question is answered. False when it is held already, or no longer waits to be sent."""
    # The requester may have withdrawn it while its photos were checked.
    return tx.update(
        "verifications",
        "ref = :ref AND state = 'requested' AND held IS NULL",
        {"ref": ref},
        held=held,
        held_note=json.dumps({**about, "since": to_text(now)}),
        due_at=remind_at,
        leased_until=None,
        tries=0,
    )


def release(tx: Transaction, ref: str, *, paused: timedelta, now: datetime) -> bool:
    """The question is answered: it is due to be sent now. False when there is no question any more."""
    # Two buttons of one question may be pressed at once, and a time-out may withdraw the check at that moment.
    sql = """
        UPDATE verifications SET held = NULL, due_at = :now, leased_until = NULL,
            paused_seconds = paused_seconds + :paused
        WHERE ref = :ref AND held IS NOT NULL AND state = 'requested'
        """
    return tx.change(sql, now=now, paused=paused.total_seconds(), ref=ref)


def drop(tx: Transaction, ref: str) -> None:
    """The check is withdrawn, so its question is moot."""
    tx.update("verifications", "ref = :ref", {"ref": ref}, held=None)


def postpone(tx: Transaction, ref: str, *, until: datetime) -> None:
    """Neither remind the requester nor time out before then."""
    tx.update("verifications", "ref = :ref AND state = 'requested' AND held IS NOT NULL", {"ref": ref}, due_at=until)


def passed(tx: Transaction, ref: str) -> frozenset[str]:
    """Questions that were answered with *all the same*, and `again` for a person who was checked before."""
    row = tx.row("SELECT let_pass FROM verifications WHERE ref = :ref", ref=ref)
    return frozenset(filter(None, row["let_pass"].split(","))) if row is not None else frozenset()


def keep_passed(tx: Transaction, ref: str, passed: Collection[str]) -> None:
    """These questions are not asked again."""
    tx.update("verifications", "ref = :ref", {"ref": ref}, let_pass=",".join(sorted(passed)))


def unanswered(tx: Transaction, *, now: datetime) -> list[str]:
    """Checks whose question waits for a reminder, or for too long."""
    sql = "SELECT ref FROM verifications WHERE held IS NOT NULL AND state = 'requested' AND due_at <= :now LIMIT 100"
    return tx.column(sql, now=now)


def earlier(
    tx: Transaction, request_prints: Collection[str], *, since: datetime, but: str | None, requester: str | None
) -> list[str]:
    """Checks of the same number or customer reference since then that were sent, or will be; newest first.

    Of one `requester`, or of all: filtered here, so that others' newer checks never push somebody's own out.
    """
    # The `||`: by the prints, and not through all that somebody has lately asked for.
    own = "AND v.requester || '' = :requester" if requester is not None else ""
    found: dict[str, str] = {}
    for print_ in request_prints:
        sql = f"""
            SELECT v.ref, v.asked_at FROM verifications v
            WHERE (v.number_print = :print OR v.reference_print = :print) AND v.asked_at >= :since
              {own} AND v.state <> 'cancelled' AND (v.verdict IS NOT NULL OR v.ended_at IS NULL
                OR EXISTS (SELECT 1 FROM attempts a WHERE a.ref = v.ref AND a.step = 'sent'))
            ORDER BY v.asked_at DESC LIMIT :most
            """
        asked = {} if requester is None else {"requester": requester}
        rows = tx.rows(sql, print=print_, since=since, most=_MOST_EARLIER, **asked)
        found |= {row["ref"]: row["asked_at"] for row in rows if row["ref"] != but}
    return sorted(found, key=lambda ref: (found[ref], ref), reverse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SameSelfie:
    """An earlier check with the same selfie."""

    ref: str
    requester: str
    has_same_number: bool


def same_selfie(tx: Transaction, ref: str, sha256: str, *, since: datetime) -> list[SameSelfie]:
    """Earlier checks with this selfie that were sent, newest first.

    `sha256` is that of the file as it came. File and number are looked for under every key: an older check keeps the
    prints that it was given, and nobody is to be suspected because a key was added meanwhile.
    """
    my_number = blind_index.of_number(tx, ref) or [""]
    found = [
        row
        for print_ in tx.sealer.fingerprints(sha256, purpose=blind_index.FILE.purpose)
        for row in tx.rows(
            """
            SELECT v.ref, v.requester, v.asked_at, v.number_print
            FROM photos p JOIN verifications v ON v.ref = p.ref
            WHERE p.file_print = :print AND p.kind = 'selfie' AND p.ref <> :ref AND v.asked_at >= :since
              AND v.asked_at <= (SELECT me.asked_at FROM verifications me WHERE me.ref = :ref)
              AND EXISTS (SELECT 1 FROM attempts a WHERE a.ref = v.ref)
            ORDER BY v.asked_at DESC, v.ref LIMIT :most
            """,
            print=print_,
            ref=ref,
            since=since,
            most=_MOST_EARLIER,
        )
    ]
    newest = sorted(sorted(found, key=lambda row: row["ref"]), key=lambda row: row["asked_at"], reverse=True)
    return [
        SameSelfie(ref=row["ref"], requester=row["requester"], has_same_number=row["number_print"] in my_number)
        for row in newest[:_MOST_EARLIER]
    ]
