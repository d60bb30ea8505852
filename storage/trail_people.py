"""Whom a line of the audit trail is about: told by a row beside the trail, which erasure takes away.

A line holds SHA-256(salt ‖ print). Salt and print stand here alone, so that a line without its row points to nobody,
and the chain of hashes, which covers the line, still verifies. They are sealed: whoever has a key that was let go, and
the file, could else try one ID number after the other. `person_print` is what a row is found by, under the newest key;
a row that nothing of it is known for any more has an empty one.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime

from bot.errors import DatabaseFault
from storage.engine.transaction import Transaction

_SALT_BYTES = 16
_SALT_DIGITS = 2 * _SALT_BYTES


def of_check(tx: Transaction, ref: str, *, at: datetime) -> str | None:
    """What lines about this check hold now; None if there is no such check, or nothing is known of its customer."""
    return of_checks(tx, {ref: at})[ref]


def of_checks(tx: Transaction, refs: Mapping[str, datetime]) -> dict[str, str | None]:
    """The same for many, each with the time of its line."""
    known: dict[str, tuple[str, int | None, bytes]] = {}
    rows = tx.rows(
        f"""
        SELECT p.ref, p.print, t.id, t.person_sealed FROM (
            SELECT v.ref, COALESCE(NULLIF(v.number_print, ''), NULLIF(v.reference_print, '')) AS print
            FROM {tx.dialect.each(":refs")} r CROSS JOIN verifications v ON v.ref = r.value) p
        LEFT JOIN trail_people t ON t.ref = p.ref AND t.person_print = p.print
        WHERE p.print IS NOT NULL
        """,
        refs=json.dumps(list(refs)),
    )
    for ref, print_, id_, sealed in rows:
        if ref not in known or id_ < (known[ref][1] or 0):
            known[ref] = (print_, id_, sealed)
    people: dict[str, str | None] = dict.fromkeys(refs)
    for ref, (print_, id_, sealed) in known.items():
        people[ref] = (id_ and _digest_in(tx, id_, sealed)) or _keep(tx, ref, print_, refs[ref])
    return people


def of_number(tx: Transaction, print_: str, *, at: datetime) -> str:
    """What the line holds of a look at somebody who has no check: each look has a row of its own."""
    return _keep(tx, None, print_, at)


def forget_check(tx: Transaction, ref: str) -> int:
    """The lines of this check point to nobody from now on; how many rows that took."""
    return tx.run("DELETE FROM trail_people WHERE ref = :ref", ref=ref)


def forget_prints(tx: Transaction, prints: Collection[str]) -> int:
    """The same of whoever has one of these prints."""
    return sum(tx.run("DELETE FROM trail_people WHERE person_print = :print", print=print_) for print_ in prints)


def forget_looks_for(tx: Transaction, prints: Collection[str]) -> int:
    """The same of looks at whoever has one of these prints, where no check was found; lines about checks stay."""
    return sum(
        tx.run("DELETE FROM trail_people WHERE ref IS NULL AND person_print = :print", print=one) for one in prints
    )


def forget_looks(tx: Transaction, *, before: datetime) -> int:
    """The same of people without a check whom somebody looked for before then."""
    return tx.run("DELETE FROM trail_people WHERE ref IS NULL AND at < :before", before=before)


def renew_check(tx: Transaction, ref: str, prints: Mapping[str, str]) -> None:
    """A change of the keys: its rows are found by the newest key's prints, by those of older keys from now on.

    What a row was made of stays, and with it what its lines hold. A number that the check had once, and which stands
    nowhere any more, is found by nothing.
    """
    for row in tx.rows("SELECT id, person_print FROM trail_people WHERE ref = :ref AND person_print <> ''", ref=ref):
        print_ = prints.get(row["person_print"], "")
        if print_ != row["person_print"]:
            tx.update("trail_people", "id = :id", {"id": row["id"]}, person_print=print_)


def forget_looks_of_older_keys(tx: Transaction) -> int:
    """A change of the keys: looks at people without a check, whose number stands nowhere. Nobody could find them."""
    sql = "DELETE FROM trail_people WHERE ref IS NULL AND substr(person_print, 1, 8) <> :newest"
    return tx.run(sql, newest=tx.sealer.key_id)


def _keep(tx: Transaction, ref: str | None, print_: str, at: datetime) -> str:
    salt = secrets.token_hex(_SALT_BYTES)
    id_ = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM trail_people")
    sealed = tx.sealer.seal(salt + print_, place=_place(id_))
    tx.insert("trail_people", id=id_, ref=ref, person_print=print_, person_sealed=sealed, at=at)
    return _digest(salt, print_)


def _digest_in(tx: Transaction, id_: int, sealed: bytes) -> str | None:
    """None of a row that was altered beside the bot: it holds up no act, and the check gets another."""
    try:
        told = tx.sealer.open(sealed, place=_place(id_))
    except DatabaseFault:
        tx.run("DELETE FROM trail_people WHERE id = :id", id=id_)
        return None
    return _digest(told[:_SALT_DIGITS], told[_SALT_DIGITS:])


def _place(id_: int) -> str:
    return f"trail_people.person:{id_}"


def _digest(salt: str, print_: str) -> str:
    return hashlib.sha256(f"{salt}{print_}".encode()).hexdigest()
