"""Alerts: faults that admins must see to, sent to each of them by direct message."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain.outbox import AdminAlert, PostKind, encode_fault
from storage import outbox
from storage.engine.database import Transaction, to_text


def alert(
    tx: Transaction,
    /,
    fault: str,
    code: AdminAlert,
    *,
    recipients: Sequence[str],
    now: datetime,
    ref: str | None = None,
    **facts: str,
) -> str | None:
    """Alert the admins, at most once an hour per kind of `fault`: a hundred failing checks are one fault.

    Returns the id of the first admin's post, new or of this hour; None without admins.
    """
    if not recipients:
        return None
    alerted_at = to_text(outbox.alerted_at(tx, fault, now=now))
    payload = {"fault": fault, "ref": ref or "", "words": encode_fault(code, facts)}
    posts = [
        outbox.enqueue(
            tx, PostKind.ALERT, key=f"{fault}:{alerted_at}:{person}", destination=person, now=now, payload=payload
        )
        for person in recipients
    ]
    return posts[0]


def alert_once(
    tx: Transaction,
    /,
    fault: str,
    code: AdminAlert,
    *,
    recipients: Sequence[str],
    now: datetime,
    who: str = "",
    **facts: str,
) -> None:
    """Alert the admins of something that is told to each of them once, however often it is found; `who` it is about."""
    payload = {"fault": fault, "words": encode_fault(code, facts), "once": "1", "who": who}
    for person in recipients:
        outbox.enqueue(tx, PostKind.ALERT, key=f"{fault}:{person}", destination=person, now=now, payload=payload)
