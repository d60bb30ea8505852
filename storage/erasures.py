"""Erasures that were asked for, each with a sealed list of its checks.

Sealed, so that nobody who can write into the file makes the bot erase anything. The lists outlive the data: where a
backup from before is put back, `take_again` has them erased once more.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.privacy.erasures import Erased, Erasure, FoundBy
from bot.errors import DatabaseFault
from storage.engine.database import Transaction, from_text, to_text
from storage.engine.erasure_lists import PLACE, WAITING, WAITING_PLACE, CarriedList
from storage.engine.sql import Row


def add(tx: Transaction, erasure: Erasure) -> None:
    tx.insert(
        "erasures",
        id=erasure.id,
        asked_by=erasure.asked_by,
        asked_at=erasure.asked_at,
        done_at=erasure.done_at,
        list_sealed=_sealed(tx, erasure),
    )


def keep(tx: Transaction, erasure: Erasure) -> None:
    """How far it is now."""
    sealed = _sealed(tx, erasure)
    tx.update("erasures", "id = :id", {"id": erasure.id}, done_at=erasure.done_at, list_sealed=sealed)


def get(tx: Transaction, erasure_id: str) -> Erasure:
    """One that must exist. Raises DatabaseFault where the bot did not write it."""
    return _opened(tx, tx.one("SELECT * FROM erasures WHERE id = :id", id=erasure_id))


def open_ones(tx: Transaction) -> list[Erasure]:
    """Those that are not done, the oldest first; without any that the bot did not write."""
    return _readable(tx, tx.rows("SELECT * FROM erasures WHERE done_at IS NULL ORDER BY asked_at, id"))


def of_check(tx: Transaction, ref: str) -> list[Erasure]:
    """All that a check belongs to, the newest first. Opens every list: there are few."""
    rows = tx.rows("SELECT * FROM erasures ORDER BY asked_at DESC, id")
    return [erasure for erasure in _readable(tx, rows) if ref in erasure.checks]


def _readable(tx: Transaction, rows: Sequence[Row]) -> list[Erasure]:
    found = []
    for row in rows:
        try:
            found.append(_opened(tx, row))
        except DatabaseFault:
            continue
    return found


def refs_by_number(tx: Transaction, prints: Sequence[str]) -> list[str]:
    """References of all checks with one of these prints of an ID number."""
    return _refs(tx, "number_print", prints)


def refs_by_reference(tx: Transaction, prints: Sequence[str]) -> list[str]:
    """The same of a customer reference."""
    return _refs(tx, "reference_print", prints)


def _refs(tx: Transaction, column: str, prints: Sequence[str]) -> list[str]:
    # `v` is the row itself: whoever writes the file can have an index lead from this customer to another's check, which
    # would be erased, or reported to somebody whom it does not concern.
    sql = f"""
        SELECT v.ref FROM verifications i CROSS JOIN verifications v ON v.ref = i.ref AND v.{column} = :print
        WHERE i.{column} = :print ORDER BY i.asked_at, i.ref
        """
    return list(dict.fromkeys(ref for print_ in prints for ref in tx.column(sql, print=print_)))


def countries(tx: Transaction) -> list[str]:
    """Of all checks: a number is told apart by its country."""
    return tx.column("SELECT DISTINCT country FROM verifications")


def take_again(tx: Transaction) -> int:
    """After a restore: the erasures of the database before count here, too; how many are to be carried out again.

    A repeat does nothing.
    """
    sealed = tx.value("SELECT value_sealed FROM meta WHERE name = :name", name=WAITING)
    if sealed is None:
        return 0
    again = 0
    for carried in map(CarriedList.from_json, json.loads(tx.sealer.open(sealed, place=WAITING_PLACE))):
        erasure = _of_json(carried.id, carried.asked_by, from_text(carried.asked_at), None, carried.text)
        back = {ref: None for ref in erasure.checks if _holds_person(tx, ref)}
        tx.run("DELETE FROM erasures WHERE id = :id", id=carried.id)
        # What was open stays so; what was done is open again where this database brings somebody back.
        done_at = from_text(carried.done_at) if carried.done_at and not back else None
        checks = {**erasure.checks, **back}
        add(tx, replace(erasure, checks=checks, done_at=done_at))
        again += bool(back)
    tx.run("DELETE FROM meta WHERE name = :name", name=WAITING)
    return again


def _holds_person(tx: Transaction, ref: str) -> bool:
    sql = """
        SELECT 1 FROM verifications WHERE ref = :ref AND (personal_erased_at IS NULL OR photos_erased_at IS NULL)
        """
    return tx.exists(sql, ref=ref)


def _sealed(tx: Transaction, erasure: Erasure) -> bytes:
    checks = {
        ref: {"at": to_text(one.at), "gone": dict(one.gone)} if one else None for ref, one in erasure.checks.items()
    }
    content = {
        "found_by": erasure.found_by.value,
        "looked_for": list(erasure.looked_for),
        "certified": list(erasure.certified),
        "checks": checks,
    }
    return tx.sealer.seal(json.dumps(content), place=f"{PLACE}:{erasure.id}")


def _opened(tx: Transaction, row: Row) -> Erasure:
    text = tx.sealer.open(row["list_sealed"], place=f"{PLACE}:{row['id']}")
    done_at = from_text(row["done_at"]) if row["done_at"] else None
    return _of_json(row["id"], row["asked_by"], from_text(row["asked_at"]), done_at, text)


def _of_json(id_: str, asked_by: str, asked_at: datetime, done_at: datetime | None, text: str) -> Erasure:
    content = json.loads(text)
    return Erasure(
        id=id_,
        found_by=FoundBy(content["found_by"]),
        asked_by=asked_by,
        asked_at=asked_at,
        done_at=done_at,
        looked_for=tuple(content["looked_for"]),
        # Lists of older versions do not say.
        certified=tuple(content.get("certified", ())),
        checks={
            ref: Erased(at=from_text(one["at"]), gone=one["gone"]) if one else None
            for ref, one in content["checks"].items()
        },
    )
