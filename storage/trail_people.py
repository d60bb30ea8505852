"""Whom a line of the audit trail is about: told by a row beside the trail, which erasure takes away.

A line holds SHA-256(salt ‖ print). Salt and print stand here alone, so that a line without its row points to nobody,
and the chain of hashes, which covers the line, still verifies.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime

from storage.engine.transaction import Transaction

_SALT_BYTES = 16


def of_check(tx: Transaction, ref: str, *, at: datetime) -> str | None:
    """What lines about this check hold now; None if there is no such check, or nothing is known of its customer."""
    row = tx.row(
        """
        SELECT p.print, t.salt FROM (
            SELECT COALESCE(NULLIF(number_print, ''), NULLIF(reference_print, '')) AS print
            FROM verifications WHERE ref = :ref) p
        LEFT JOIN trail_people t ON t.ref = :ref AND t.print = p.print
        WHERE p.print IS NOT NULL
        """,
        ref=ref,
    )
    if row is None:
        return None
    return _digest(row["salt"] or _keep(tx, ref, row["print"], at), row["print"])


def of_number(tx: Transaction, print_: str, *, at: datetime) -> str:
    """What the line holds of a look at somebody who has no check: each look has a row of its own."""
    return _digest(_keep(tx, None, print_, at), print_)


def forget_check(tx: Transaction, ref: str) -> int:
    """The lines of this check point to nobody from now on; how many rows that took."""
    return tx.run("DELETE FROM trail_people WHERE ref = :ref", ref=ref)


def forget_prints(tx: Transaction, prints: Collection[str]) -> int:
    """The same of whoever has one of these prints."""
    return sum(tx.run("DELETE FROM trail_people WHERE print = :print", print=print_) for print_ in prints)


def forget_looks(tx: Transaction, *, before: datetime) -> int:
    """The same of people without a check whom somebody looked for before then."""
    return tx.run("DELETE FROM trail_people WHERE ref IS NULL AND at < :before", before=before)


def _keep(tx: Transaction, ref: str | None, print_: str, at: datetime) -> str:
    salt = secrets.token_hex(_SALT_BYTES)
    tx.insert("trail_people", ref=ref, print=print_, salt=salt, at=at)
    return salt


def _digest(salt: str, print_: str) -> str:
    return hashlib.sha256(f"{salt}{print_}".encode()).hexdigest()
