"""What is to be erased in Slack: a row for each message and file, written with the erasure, worked off later.

A row outlives the check that it came from, since the rows that knew where its messages are go with it. Where it is in
Slack is sealed: nobody who can write into the file makes the bot delete anything. `bot.privacy` says what goes with
which clock, and does the work.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from bot.domain.privacy.slack_removals import TRY_AGAIN_AT_MOST, Removal, RemovalPlace, RemovalState, SlackRemoval
from bot.errors import DatabaseFault
from storage import leases
from storage.engine.database import Transaction, load
from storage.engine.sql import Row

SLACK_REMOVALS = "slack_removals"
"""Topic woken when something is to be erased."""

ALTERED = "altered"
"""Why nothing is done about a row: the bot did not write it."""
KEPT_FOR = timedelta(days=30)
"""How long a check's rows are kept once all is erased, for whoever asks how far it is."""

_OPEN = "state IN ('due', 'left')"
_AS_ASKED = "asked_at, ref, length(id), id"
"""In the order of asking: an id ends with a number that counts within its check."""
_QUEUE = leases.Queue(
    table="slack_removals",
    key="id",
    due=f"due_at <= :now AND {_OPEN} AND {leases.FREE}",
    order="due_at, id",
)


def add(tx: Transaction, ref: str, wanted: Iterable[tuple[Removal, RemovalPlace, str | None]], *, at: datetime) -> int:
    """Have these erased, each with who put it into Slack, if that is known; how many are new to the list."""
    known = of_check(tx, ref)
    added = 0
    for what, place, author in wanted:
        before = next((one for one in known if one.what is what and one.place.is_same(place)), None)
        if before is None:
            known.append(_add(tx, ref, what, place, author=author, state=RemovalState.DUE, number=len(known), at=at))
            added += 1
        elif before.state is RemovalState.KEPT:
            _begin(tx, before, at=at)
            added += 1
    if added:
        tx.wake(SLACK_REMOVALS)
    return added


def keep_earlier(tx: Transaction, ref: str, files: Collection[str], *, author: str | None, at: datetime) -> None:
    """Remember photos that a check does not use any more: they are still in Slack, and go with its clock."""
    known = of_check(tx, ref)
    for file in sorted(set(files) - {one.place.file for one in known}):
        place = RemovalPlace(file=file)
        known.append(
            _add(tx, ref, Removal.FILE, place, author=author, state=RemovalState.KEPT, number=len(known), at=at)
        )


def _add(
    tx: Transaction,
    ref: str,
    what: Removal,
    place: RemovalPlace,
    *,
    author: str | None,
    state: RemovalState,
    number: int,
    at: datetime,
) -> SlackRemoval:
    is_asked = state is RemovalState.DUE
    id_ = f"{ref}:{number + 1}"
    tx.insert(
        "slack_removals",
        id=id_,
        ref=ref,
        what=what,
        place_sealed=_sealed(tx, id_, place, is_asked=is_asked),
        author=author,
        state=state,
        asked_at=at,
        due_at=at if is_asked else None,
    )
    return SlackRemoval(
        id=id_, ref=ref, what=what, state=state, place=place, author=author, why=None, told=None, asked_at=at, tries=0
    )


def _begin(tx: Transaction, kept: SlackRemoval, *, at: datetime) -> None:
    sealed = _sealed(tx, kept.id, kept.place, is_asked=True)
    asked = {"state": RemovalState.DUE, "place_sealed": sealed, "asked_at": at, "due_at": at}
    tx.update("slack_removals", "id = :id", {"id": kept.id}, **asked)


def is_needed(tx: Transaction, file: str, *, but: str = "") -> bool:
    """Whether a check, `but` for one, was asked with this file, and its photos are not erased yet."""
    return tx.exists("SELECT 1 FROM photos WHERE file_id = :file AND ref <> :but", file=file, but=but)


# Worked off


def claim_due(
    tx: Transaction, *, now: datetime, until: datetime, limit: int, under_way: Collection[str] = ()
) -> list[SlackRemoval]:
    """What is to be erased, oldest first, ours until the lease ends. What the bot did not ask for is left out."""
    found = []
    for row in leases.claim_due(tx, _QUEUE, now=now, until=until, limit=limit, under_way=under_way):
        removal, is_asked = _opened(tx, row)
        if is_asked:
            found.append(removal)
        elif removal.why == ALTERED:
            leave(tx, removal.id, at=now + TRY_AGAIN_AT_MOST, why=ALTERED, author=None)
        else:
            # Its time has not come: somebody else than the bot has called it due.
            not_yet = {"state": RemovalState.KEPT, "due_at": None, "leased_until": None}
            tx.update("slack_removals", "id = :id", {"id": removal.id}, **not_yet)
    return found


def done(tx: Transaction, id_: str, *, why: str | None, now: datetime) -> None:
    """It is erased; or was gone before, as `why` says in Slack's word."""
    over = {"state": RemovalState.DONE, "due_at": None, "leased_until": None, "why": why, "done_at": now}
    tx.update("slack_removals", "id = :id", {"id": id_}, **over)


def reschedule(tx: Transaction, id_: str, *, at: datetime, why: str, counts: bool = True) -> None:
    """Try again at `at`."""
    sql = """
        UPDATE slack_removals SET due_at = :at, leased_until = NULL, why = :why, tries = tries + :counts WHERE id = :id
        """
    tx.run(sql, at=at, why=why, counts=counts, id=id_)


def leave(
    tx: Transaction, id_: str, *, at: datetime, why: str, author: str | None, place: RemovalPlace | None = None
) -> None:
    """Slack refuses: it is listed, and looked at again at `at`. What was learned of its author and place is kept."""
    sql = """
        UPDATE slack_removals SET state = 'left', due_at = :at, leased_until = NULL, why = :why,
            author = COALESCE(:author, author), tries = CASE state WHEN 'left' THEN tries + 1 ELSE 0 END
        WHERE id = :id
        """
    tx.run(sql, at=at, why=why, author=author, id=id_)
    if place is not None:
        tx.update("slack_removals", "id = :id", {"id": id_}, place_sealed=_sealed(tx, id_, place, is_asked=True))


def try_all_again(tx: Transaction, *, at: datetime) -> int:
    """All that was refused is due now: an operator has done something about it, a new token say."""
    sql = f"UPDATE slack_removals SET due_at = :at WHERE {_OPEN} AND state = 'left' AND due_at > :at"
    return tx.run(sql, at=at)


def tidy(tx: Transaction, *, before: datetime, most: int = 1_000) -> int:
    """Forget the rows of checks all of whose messages and files were erased before then, and that are no more."""
    sql = f"""
        DELETE FROM slack_removals WHERE id IN (
            SELECT s.id FROM slack_removals s WHERE s.state = 'done' AND s.done_at <= :before
              AND NOT EXISTS (SELECT 1 FROM slack_removals o WHERE o.ref = s.ref AND o.{_OPEN})
              AND NOT EXISTS (SELECT 1 FROM verifications v WHERE v.ref = s.ref)
            ORDER BY s.done_at LIMIT :most)
        """
    return tx.run(sql, before=before, most=most)


# Asked about


def of_check(tx: Transaction, ref: str) -> list[SlackRemoval]:
    """All that is known of a check, in the order of asking."""
    rows = tx.rows(f"SELECT * FROM slack_removals WHERE ref = :ref ORDER BY {_AS_ASKED}", ref=ref)
    return [_opened(tx, row)[0] for row in rows]


def pending(tx: Transaction, ref: str) -> list[SlackRemoval]:
    """What still stands in Slack of a check that was erased: to be done, or refused."""
    return [one for one in of_check(tx, ref) if one.state in (RemovalState.DUE, RemovalState.LEFT)]


def open_list(tx: Transaction, *, most: int | None = None) -> list[SlackRemoval]:
    """The same of all checks, those that were refused first."""
    sql = f"SELECT * FROM slack_removals WHERE {_OPEN} ORDER BY state DESC, {_AS_ASKED}"
    rows = tx.rows(sql) if most is None else tx.rows(f"{sql} LIMIT :most", most=most)
    return [_opened(tx, row)[0] for row in rows]


def counts(tx: Transaction) -> dict[tuple[Removal, RemovalState], int]:
    """How many of each kind still stand in Slack, to be done or refused."""
    sql = f"SELECT what, state, COUNT(*) AS n FROM slack_removals WHERE {_OPEN} GROUP BY what, state"
    return {(Removal(row["what"]), RemovalState(row["state"])): row["n"] for row in tx.rows(sql)}


# Authors are told


def told(tx: Transaction, id_: str, *, post_id: str) -> bool:
    """This post asks its author to delete it; False if another one has."""
    return tx.update("slack_removals", "id = :id AND told IS NULL", {"id": id_}, told=post_id)


def told_by(tx: Transaction, post_id: str) -> list[SlackRemoval]:
    """What a post asks its reader to delete, as far as it still stands there."""
    sql = f"SELECT * FROM slack_removals WHERE told = :post_id AND state = 'left' ORDER BY {_AS_ASKED}"
    return [_opened(tx, row)[0] for row in tx.rows(sql, post_id=post_id)]


def _sealed(tx: Transaction, id_: str, place: RemovalPlace, *, is_asked: bool) -> bytes:
    # That it was asked for is sealed, too: a row that is kept is not made due by whoever writes into the file.
    kept = {name: text for name, text in asdict(place).items() if text} | ({"asked": True} if is_asked else {})
    return tx.sealer.seal(json.dumps(kept), place=f"slack_removals.place:{id_}")


def _opened(tx: Transaction, row: Row) -> tuple[SlackRemoval, bool]:
    """And whether it was asked for in earnest; of a row that the bot did not write, nothing is known."""
    try:
        kept = json.loads(tx.sealer.open(row["place_sealed"], place=f"slack_removals.place:{row['id']}"))
    except DatabaseFault:
        # It stops neither the queue nor the list.
        return replace(load(SlackRemoval, row, place=RemovalPlace()), why=ALTERED), False
    is_asked = bool(kept.pop("asked", False))
    return load(SlackRemoval, row, place=RemovalPlace(**kept)), is_asked
