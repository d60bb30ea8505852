"""What is said of an erasure: a document that the bot signs, and the same in sentences.

Both name checks by their references, and nothing of the customer.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bot import __version__
from bot.domain.backoff import ASKED_FOR, CLAIM_KEEPS
from bot.domain.privacy.erasures import FOUND_BY, CheckLeft, Copies, Standing, Traces
from bot.domain.privacy.holds import Stay
from bot.privacy import signing
from storage import audit
from storage.engine.chain import Head
from storage.engine.database import Transaction

KIND = "certificate of an erasure"
FORMAT = 1
MANUAL = "Copies that `kyc-bot backup` or others have made elsewhere are not seen from here."
_KINDS: Mapping[str, tuple[str, str]] = {
    "photos": ("photo", "photos"),
    "customers": ("customer's data", "customers' data"),
    "messages": ("message of Smile ID", "messages of Smile ID"),
    "words": ("reviewer's text", "reviewers' texts"),
    "files": ("file of customers", "files of customers"),
    "records": ("record", "records"),
}
_STAYS: Mapping[Stay, str] = {
    Stay.NOT_ENDED: "it has no result yet, or a decision is awaited; erased by the bot as soon as it has ended",
    Stay.HELD: "it is held; erased by the bot as soon as the hold is ended",
    Stay.UNDER_WAY: "something about it is still being posted or sent; erased by the bot as soon as that is done",
    Stay.UNCONFIRMED: (
        "Smile ID's own record does not show its result yet; erased by the bot once it does, at the latest "
        f"{CLAIM_KEEPS.days} days after the result came"
    ),
    Stay.ASKED: (
        "a reviewer ended it, and Smile ID is still asked for a result; erased by the bot once Smile ID has answered, "
        f"at the latest {ASKED_FOR.days} days after the end"
    ),
    Stay.ALTERED: "its record was altered beside the bot; see docs/operations.md",
}
_FILES: Mapping[Traces, str] = {
    Traces.NONE: "cleared",
    Traces.LOG: "log still being read",
    Traces.FILE: "to be written anew",
}
_TRACES: Mapping[Traces, str] = {
    Traces.LOG: "the database's write-ahead log, which is being read; run the same command again",
    Traces.FILE: "sealed pieces in the database's file; the same command writes it anew while the bot is stopped",
}
_BACKUP_RULE = "KYC_BACKUP_EVERY, KYC_BACKUP_KEEP"


def signed(tx: Transaction, standing: Standing, *, at: datetime) -> bytes:
    """The document as a file; `handed_over` has its line in the audit trail."""
    return signing.sign(document(standing, audit.head(tx), at=at), tx.sealer)


def handed_over(tx: Transaction, erasure_id: str, *, to: str, at: datetime) -> None:
    audit.record(tx, at=at, actor=to, act="certificate.made", detail=erasure_id)


def document(standing: Standing, head: Head, *, at: datetime) -> dict[str, Any]:
    """What `bot.privacy.signing` signs; times in ISO 8601 and UTC."""
    erasure, copies = standing.erasure, standing.copies
    return {
        "kind": KIND,
        "format": FORMAT,
        "made_at": time_of(at),
        "made_by": f"kyc-bot {__version__}",
        "erasure": {
            "id": erasure.id,
            "asked_at": time_of(erasure.asked_at),
            "asked_by": erasure.asked_by,
            "found_by": erasure.found_by.value,
        },
        "whole": standing.is_whole,
        "checks": [_check(check) for check in standing.checks],
        "backups": {
            "names": list(copies.backups),
            "until": time_of(copies.backups_until) if copies.backups_until else None,
            "rule": _BACKUP_RULE,
        },
        "databases_set_aside": list(copies.set_aside),
        "database_files": _FILES[standing.traces],
        "trail": {"seq": head.seq, "chain": head.chain},
    }


def _check(check: CheckLeft) -> dict[str, Any]:
    erased, record = check.erased, check.record
    return {
        "ref": check.ref,
        "erased_at": time_of(erased.at) if erased else None,
        "gone": dict(erased.gone) if erased else {},
        "stays": check.stay.value if check.stay else None,
        "held_because": list(check.causes),
        "record": {"until": time_of(record.until), "rule": record.rule} if record and record.until else None,
        "in_slack": list(check.in_slack),
    }


def lines(standing: Standing) -> Iterator[str]:
    """For a terminal: how far it is, what went, what stays until when by which rule."""
    erasure = standing.erasure
    yield (
        f"Erasure {erasure.id}, asked for by {erasure.asked_by} on {_said(erasure.asked_at)}, "
        f"{FOUND_BY[erasure.found_by]}: {'done' if standing.is_whole else 'not done yet'}"
    )
    for check in standing.checks:
        yield from of_check(check)
    yield from of_copies(standing.copies)
    if standing.traces in _TRACES:
        yield f"stays: {_TRACES[standing.traces]}"
    yield MANUAL


def of_check(check: CheckLeft) -> Iterator[str]:
    if check.erased:
        went = ", ".join(_counted(kind, count) for kind, count in check.erased.gone.items()) or "nothing was left"
        yield f"{check.ref}: erased on {_said(check.erased.at)}: {went}"
    else:
        yield from _unerased(check)
    record = check.record
    if record and record.until and (check.erased or check.stay is None):
        yield f"{check.ref}: its record, without the customer, stays until {_said(record.until)} ({record.rule})"
    for one in check.in_slack:
        yield f"{check.ref}: still in Slack: {one}"


def _unerased(check: CheckLeft) -> Iterator[str]:
    if check.stay is None:
        yield f"{check.ref}: photos and what is known of the customer go"
        return
    why = f" ({', '.join(check.causes)})" if check.causes else ""
    yield f"{check.ref}: stays: {_STAYS[check.stay]}{why}"


def of_copies(copies: Copies) -> Iterator[str]:
    if copies.backups:
        until = f" until {_said(copies.backups_until)}" if copies.backups_until else ""
        count = "1 backup" if len(copies.backups) == 1 else f"{len(copies.backups)} backups"
        yield f"stays in {count}{until}, when newer ones have replaced them ({_BACKUP_RULE})"
    for name in copies.set_aside:
        yield f"stays in {name}, which a restore has set aside"


def _counted(kind: str, count: int) -> str:
    one, more = _KINDS.get(kind, (kind, kind))
    return f"{count} {one if count == 1 else more}"


def time_of(at: datetime) -> str:
    """ISO 8601, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
