"""Who did what, when: ids and acts only, written in the same transaction as the act itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from storage import trail_people
from storage.engine import chain
from storage.engine.database import Transaction, load

BOT = "kyc-bot"
"""The actor of what the bot does by itself."""
SMILE_ID = "smile-id"
OPERATOR = "operator"
"""The actor of what is done from the command line; `CUSTOMER` is that of what is done behind a capture link."""
_LATELY = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLine:
    """One line as stored; `storage.engine.chain` says what binds it to the others."""

    seq: int
    at: datetime
    actor: str
    act: str
    ref: str | None
    detail: str
    version: int | None
    """Of the check's record after the commit that wrote this line."""
    person: str | None
    """Whose data it is about, for those alone who have the row in `trail_people`."""
    chain: str | None
    """None of lines from before there was a chain."""


class Act(NamedTuple):
    """What was done with one of many checks."""

    at: datetime
    ref: str
    detail: str


def record(
    tx: Transaction,
    *,
    at: datetime,
    actor: str,
    act: str,
    ref: str | None = None,
    detail: str = "",
    number_print: str | None = None,
) -> None:
    """One line. `detail` is a code, a state or an id, never text that a person wrote.

    It points to the customer of the check `ref`; where no check is found, to whoever has this print of an ID number.
    """
    person = trail_people.of_check(tx, ref, at=at) if ref is not None else None
    if person is None and number_print:
        person = trail_people.of_number(tx, number_print, at=at)
    tx.insert("audit", at=at, actor=actor, act=act, ref=ref, detail=detail, person=person)


def record_of_checks(tx: Transaction, acts: Sequence[Act], *, actor: str, act: str) -> None:
    """The same of many checks, a line for each."""
    if not acts:
        return
    people = trail_people.of_checks(tx, {one.ref: one.at for one in acts})
    lines = [
        {"at": one.at, "actor": actor, "act": act, "ref": one.ref, "detail": one.detail, "person": people[one.ref]}
        for one in acts
    ]
    tx.insert_all("audit", lines)


def lines_of(tx: Transaction, ref: str) -> list[TrailLine]:
    """Those that name a check or a file, in order."""
    return [load(TrailLine, row) for row in tx.rows("SELECT * FROM audit WHERE ref = :ref ORDER BY seq", ref=ref)]


def head(tx: Transaction) -> chain.Head:
    """Where the trail ends now."""
    return chain.last(tx.connection)


def record_first(tx: Transaction, *, at: datetime, actor: str, act: str, ref: str) -> None:
    """One line, unless this person has lately done the same with this check.

    Lately is within the newest `_LATELY` lines, which are read by their key: the trail has no other index. A line too
    many does no harm.
    """
    row = tx.row(
        """
        SELECT 1 FROM audit WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM audit) - :lately
          AND ref = :ref AND actor = :actor AND act = :act
        """,
        lately=_LATELY,
        ref=ref,
        actor=actor,
        act=act,
    )
    if row is None:
        record(tx, at=at, actor=actor, act=act, ref=ref)
