"""Faults that operators must see to, told to each of them by direct message."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.outbox import PostKind
from storage import outbox
from storage.engine.database import Transaction, to_text


def alert(
    tx: Transaction, fault: str, *, recipients: Sequence[str], now: datetime, payload: Mapping[str, str] | None = None
) -> str | None:
    """Tell the operators of a fault, at most once an hour per kind: a hundred failing checks are one fault.

    Gives the id of the post that tells the first of them, new or of this hour; None when there is nobody to tell.
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
