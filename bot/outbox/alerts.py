"""Alerts: faults that operators must see to, sent to each of them by direct message."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.outbox import PostKind
from storage import outbox
from storage.engine.database import Transaction, to_text


def alert(
    tx: Transaction, fault: str, *, recipients: Sequence[str], now: datetime, payload: Mapping[str, str] | None = None
) -> str | None:
    """Alert the operators, at most once an hour per kind of fault: a hundred failing checks are one fault.

    Returns the id of the first operator's post, new or of this hour; None without operators.
    """
    if not recipients:
        return None
    alerted_at = outbox.alerted_at(tx, fault, now=now)
    posts = [
        outbox.enqueue(
            tx,
            PostKind.ALERT,
            key=f"{fault}:{to_text(alerted_at)}:{person}",
            destination=person,
            now=now,
            payload={"fault": fault, **(payload or {})},
        )
        for person in recipients
    ]
    return posts[0]
