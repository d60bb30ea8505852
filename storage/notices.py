"""Who chose to be told what by direct message, and the posts that tell it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from bot.domain.checks import Check
from bot.domain.outbox import PostKind
from bot.domain.reviews import FOR_REVIEWERS, Choice
from storage import outbox
from storage.database import Transaction


def choose(tx: Transaction, person: str, chosen: Collection[Choice]) -> None:
    """These, and nothing else."""
    tx.run(
        """
        INSERT INTO notice_choices (person, chosen) VALUES (:person, :chosen)
        ON CONFLICT (person) DO UPDATE SET chosen = :chosen
        """,
        person=person,
        chosen=",".join(sorted(chosen)),
    )


def chosen(tx: Transaction, person: str) -> frozenset[Choice]:
    row = tx.row("SELECT chosen FROM notice_choices WHERE person = :person", person=person)
    return _read(row["chosen"]) if row is not None else frozenset()


def tell(
    tx: Transaction,
    check: Check,
    what: Choice,
    *,
    event: str,
    now: datetime,
    payload: Mapping[str, str],
    receipt: str | None = None,
    but: str | None = None,
) -> None:
    """Have everybody who chose it told of this event; of checks that others asked for, only who chose to hear of those.

    Whether they still may know is looked at when it is delivered.
    """
    rows = tx.rows("SELECT person, chosen FROM notice_choices ORDER BY person")
    for row in rows:
        person = row["person"]
        if what not in _read(row["chosen"]) or person == but:
            continue
        if person in check.askers if what in FOR_REVIEWERS else person != check.requester:
            continue
        outbox.enqueue(
            tx,
            PostKind.PERSONAL,
            key=f"{what.value}:{event}:{person}",
            ref=check.ref,
            destination=person,
            receipt=receipt,
            payload={**payload, "choice": what.value},
            now=now,
        )


def _read(text: str) -> frozenset[Choice]:
    known = {choice.value for choice in Choice}
    return frozenset(Choice(one) for one in text.split(",") if one in known)
