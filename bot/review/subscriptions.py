"""Who hears of a check by direct message because they chose to, beside what the threads say."""

from collections.abc import Mapping
from datetime import datetime

from bot.domain.checks import Check
from bot.domain.outbox import PostKind
from bot.domain.reviews import FOR_REVIEWERS, Choice
from storage import notices, outbox
from storage.database import Transaction


def tell(
    tx: Transaction,
    check: Check,
    choice: Choice,
    *,
    event: str,
    now: datetime,
    payload: Mapping[str, str],
    receipt: str | None = None,
    but: str | None = None,
) -> None:
    """Have one event told to everybody who chose to hear of its kind, once each.

    Reviewers hear of checks that others asked for, requesters of their own. Whether they still may know is looked at
    when it is delivered: roles change meanwhile.
    """
    for person in notices.who_chose(tx, choice):
        concerns = person not in check.askers if choice in FOR_REVIEWERS else person == check.requester
        if person == but or not concerns:
            continue
        outbox.enqueue(
            tx,
            PostKind.PERSONAL,
            key=f"{choice.value}:{event}:{person}",
            ref=check.ref,
            destination=person,
            receipt=receipt,
            payload={**payload, "choice": choice.value},
            now=now,
        )
