"""Renews under the newest key all that an older one has made, some checks at a time.

Each step is a storage function of its own and skips what is renewed already: whoever is killed begins again from the
front, and goes on where it was. The commit makes the MACs of the checks that a step touches (`storage.engine.macs`),
but of none whose record was altered: such a check stays altered, and keeps its customer under the older key.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.check.masking import same_number, same_reference
from bot.errors import DatabaseFault
from storage import attempts, audit, blind_index, keys, trail_people
from storage.engine import macs, migrations, sealed_values
from storage.engine.sealed_values import OF_CHECKS, OTHERS, SealedColumn
from storage.engine.sealing import key_id_of
from storage.engine.sql import Row
from storage.engine.transaction import Transaction

OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step has done."""

    last: str
    """Where the next one goes on; empty when there is no more."""
    seen: int
    renewed: int
    """Rows that were under an older key."""


@dataclass(slots=True, kw_only=True)
class Remains:
    """What an older key has made and is still there."""

    needed: Counter[str] = field(default_factory=Counter)
    """Renewed by nothing: their plain values are stored nowhere."""
    altered: Counter[str] = field(default_factory=Counter)
    """Of checks whose record was altered."""
    broken: Counter[str] = field(default_factory=Counter)
    """No key opens them: they were altered."""


def count(tx: Transaction) -> int:
    """How many checks there are to go through."""
    checks: int = tx.value("SELECT COUNT(*) FROM verifications")
    return checks


def begin(tx: Transaction) -> None:
    """First of all: what must not change with the keys is kept under the new one.

    Raises DatabaseFault while an upgrade is not finished: what it has yet to key or to prove would be passed over.
    """
    if migrations.is_unfinished(tx.connection):
        raise DatabaseFault("the last upgrade of the database is not finished: start the bot once, then stop it")
    keys.pin_job_ids(tx)
    keys.note(tx, keys.require_all(tx))


def renew_checks(tx: Transaction, after: str, *, most: int) -> Step:
    """Renew what belongs to the next checks in the order of their references."""
    refs = macs.refs_after(tx.connection, after, most=most)
    if not refs:
        return Step(last="", seen=0, renewed=0)
    intact = sorted(set(refs) - tx.altered(refs))
    renewed = 0
    for column in OF_CHECKS:
        # A decisive column of an altered check is changed by nobody (`storage.engine.covered`).
        for row in _older(tx, column, intact if column.table == "verifications" else refs):
            renewed += _renew(tx, column, row)
    renewed += _renew_people(tx, intact)
    for ref in _older_macs(tx, intact):
        # Touched, it gets its next MAC by the commit.
        tx.run("UPDATE verifications SET state = state WHERE ref = :ref", ref=ref)
        renewed += 1
    return Step(last=refs[-1], seen=len(refs), renewed=renewed)


def renew_others(
    tx: Transaction, column: SealedColumn, after: str | int | None, *, most: int
) -> tuple[str | int | None, int]:
    """Renew values that belong to no check: the key to go on after (None at the end), and how many were renewed."""
    (key,) = _KEYS[column.table]
    beyond, given = ("", {}) if after is None else (f"t.{key} > :after AND", {"after": after})
    rows = tx.rows(
        f"""
        SELECT t.{key}, {column.place} AS place, t.{column.column} AS sealed FROM {column.table} t
        WHERE {beyond} {_is_older(tx, column)} ORDER BY t.{key} LIMIT :most
        """,
        most=most,
        **_of(tx),
        **given,
    )
    return (rows[-1][key] if rows else None), sum(_renew(tx, column, row) for row in rows)


def finish(tx: Transaction, *, now: datetime) -> None:
    """What nothing renews: Home tabs are published and days are summed once more, looks at nobody's number are lost.

    What tabs showed is not stored, and neither is a number of no check. And it is recorded.
    """
    tx.run("DELETE FROM day_sums WHERE mac IS NOT NULL AND substr(mac, 1, 8) <> :newest", **_of(tx))
    trail_people.forget_looks_of_older_keys(tx)
    tx.run("UPDATE homes SET view_print = '' WHERE view_print <> '' AND substr(view_print, 1, 8) <> :newest", **_of(tx))
    audit.record(tx, at=now, actor=OPERATOR, act="keys.renewed", detail=tx.sealer.key_id)


def remains(tx: Transaction) -> Remains:
    """What older keys have made and nothing has renewed; few rows, after all steps."""
    found = Remains()
    for column in (*OF_CHECKS, *OTHERS):
        for row in _older(tx, column, None):
            if row["of_check"] is not None and tx.altered([row["of_check"]]):
                found.altered[column.what] += 1
            elif _open(tx, row) is None:
                found.broken[column.what] += 1
            else:
                found.needed[column.what] += 1
    for keyed in sealed_values.KEYED:
        ref = _REF_OF[keyed.table]
        sql = f"""
            SELECT {ref} AS ref, COUNT(*) AS rows FROM {keyed.table} t
            WHERE {_is_of_older_key(f"t.{keyed.column}")} GROUP BY 1
            """
        for row in tx.rows(sql, **_of(tx)):
            of = found.altered if row["ref"] is not None and tx.altered([row["ref"]]) else found.needed
            of[keyed.what] += row["rows"]
    return found


def forget(tx: Transaction, *, now: datetime) -> Remains:
    """Let the older keys go, unless something needs one; what remains. Looks and acts in one transaction."""
    found = remains(tx)
    if not found.needed:
        older = set(sealed_values.key_ids(tx.connection)) | set(tx.sealer.key_ids)
        keys.let_go(tx, older)
        audit.record(tx, at=now, actor=OPERATOR, act="keys.let_go", detail=tx.sealer.key_id)
    return found


_KEYS: Mapping[str, tuple[str, ...]] = {
    "verifications": ("ref",),
    "photos": ("ref", "kind", "position"),
    "attempts": ("job_id",),
    "receipts": ("id",),
    "reviews": ("ref", "round"),
    "decisions": ("ref", "round", "number"),
    "review_notes": ("seq",),
    "review_requests": ("id",),
    "capture_links": ("ref", "number"),
    "meta": ("name",),
    "batches": ("id",),
    "erasures": ("id",),
    "slack_removals": ("id",),
    "trail_people": ("id",),
}
"""By which a row of these tables is found again."""
_REF_OF = {
    "verifications": "t.ref",
    "photos": "t.ref",
    "attempts": "t.ref",
    "capture_links": "t.ref",
    "receipts": "(SELECT a.ref FROM attempts a WHERE a.job_id = t.job_id)",
    "homes": "NULL",
    "trail_people": "t.ref",
    "check_macs": "t.ref",
    "facts": "t.ref",
    "day_sums": "NULL",
}
_PRINTS = {
    "verifications.applicant_sealed": ("number_print", "reference_print"),
    "photos.file_sha256_sealed": ("file_print",),
    "attempts.token_sealed": ("token_print",),
    "receipts.body_sha256_sealed": ("body_print",),
    "capture_links.token_sha256_sealed": ("token_print",),
}
"""Which columns of the same row are made of a sealed value."""
_LONGEST_LIST = 500


def _older(tx: Transaction, column: SealedColumn, refs: Sequence[str] | None) -> Iterator[Row]:
    """Rows of these checks, or of all, whose value or prints an older key has made."""
    prints = _PRINTS.get(column.name, ())
    older = " OR ".join(
        [f"({_is_older(tx, column)})"] + [f"({_is_of_older_key(f't.{one}')})" for one in prints if refs is not None]
    )
    of, source = column.of_check or "NULL", f"{column.table} t"
    if column.of_check and "job_id" in column.of_check:
        of, source = "a.ref", f"attempts a CROSS JOIN {column.table} t ON t.job_id = a.job_id"
    own = [*_KEYS[column.table], *(["country"] if column.table == "verifications" else [])]
    select = f"""
        SELECT {", ".join(f"t.{one}" for one in own)}, {of} AS of_check, {column.place} AS place,
            t.{column.column} AS sealed
        FROM {source} WHERE t.{column.column} IS NOT NULL AND ({older})
        """
    if refs is None:
        yield from tx.rows(select, **_of(tx))
        return
    for names in _lists(refs):
        these = ", ".join(f":r{at}" for at in range(len(names)))
        yield from tx.rows(
            f"{select} AND {of} IN ({these})", **_of(tx), **{f"r{at}": ref for at, ref in enumerate(names)}
        )


def _is_older(tx: Transaction, column: SealedColumn) -> str:
    """Condition: an older key has sealed the row's value."""
    value = f"t.{column.column}"
    return f"{value} IS NOT NULL AND {tx.dialect.hex_of(f'substr({value}, 2, 4)')} <> :newest"


def _is_of_older_key(value: str) -> str:
    """Condition: a print or MAC is of an older key. A bare hash, from before there were prints, is of none."""
    return f"substr({value}, 9, 1) = ':' AND substr({value}, 1, 8) <> :newest"


def _renew_people(tx: Transaction, refs: Sequence[str]) -> int:
    """By themselves, and not with the number of the check: an edit under the newest key has renewed that before."""
    found = []
    for names in _lists(refs):
        these = ", ".join(f":r{at}" for at in range(len(names)))
        sql = f"""
            SELECT DISTINCT ref FROM trail_people
            WHERE ref IN ({these}) AND person_print <> '' AND substr(person_print, 1, 8) <> :newest
            """
        found += tx.column(sql, **_of(tx), **{f"r{at}": ref for at, ref in enumerate(names)})
    for ref in found:
        known = (blind_index.of_number(tx, ref), blind_index.of_reference(tx, ref))
        trail_people.renew_check(tx, ref, {one: prints[0] for prints in known for one in prints})
    return len(found)


def _older_macs(tx: Transaction, refs: Sequence[str]) -> list[str]:
    found = []
    for names in _lists(refs):
        these = ", ".join(f":r{at}" for at in range(len(names)))
        given = {f"r{at}": ref for at, ref in enumerate(names)}
        sql = f"""
            SELECT m.ref FROM check_macs m WHERE m.ref IN ({these}) AND (substr(m.mac, 1, 8) <> :newest
                OR EXISTS (SELECT 1 FROM facts f WHERE f.ref = m.ref AND substr(f.mac, 1, 8) <> :newest))
            """
        found += tx.column(sql, **_of(tx), **given)
    return found


def _lists(refs: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(refs), _LONGEST_LIST):
        yield list(refs[start : start + _LONGEST_LIST])


def _renew(tx: Transaction, column: SealedColumn, row: Row) -> int:
    text = _open(tx, row)
    if text is None:
        return 0
    columns: dict[str, object] = {column.column: tx.sealer.seal(text, place=row["place"])}
    columns |= _prints(tx, column, row, text)
    keys = {f"key_{key}": row[key] for key in _KEYS[column.table]}
    tx.update(column.table, " AND ".join(f"{key} = :key_{key}" for key in _KEYS[column.table]), keys, **columns)
    return 1


def _prints(tx: Transaction, column: SealedColumn, row: Row, text: str) -> dict[str, object]:
    """What the row is found by, made of the value that was sealed beside it."""
    match column.name:
        case "verifications.applicant_sealed":
            applicant = json.loads(text)
            number = same_number(row["country"], applicant["id_info"].get("id_number", ""))
            reference = same_reference(applicant.get("customer_reference", ""))
            return {
                "number_print": number and tx.sealer.fingerprint(number, purpose=blind_index.NUMBER),
                "reference_print": reference and tx.sealer.fingerprint(reference, purpose=blind_index.REFERENCE),
            }
        case "photos.file_sha256_sealed":
            return {"file_print": tx.sealer.fingerprint(text, purpose=blind_index.FILE.purpose)}
        case "receipts.body_sha256_sealed":
            return {"body_print": tx.sealer.fingerprint(text, purpose=blind_index.BODY.purpose)}
        case "capture_links.token_sha256_sealed":
            return {"token_print": tx.sealer.fingerprint(text, purpose=blind_index.LINK.purpose)}
        case "attempts.token_sealed":
            return {"token_print": tx.sealer.fingerprint(text, purpose=attempts.TOKEN_PURPOSE)}
        case _:
            return {}


def _open(tx: Transaction, row: Row) -> str | None:
    """None for what no key opens: it was altered beside the bot, and is worth nothing under any key."""
    if key_id_of(row["sealed"]) not in tx.sealer.key_ids:
        return None
    try:
        return tx.sealer.open(row["sealed"], place=row["place"])
    except DatabaseFault:
        return None


def _of(tx: Transaction) -> dict[str, str]:
    return {"newest": tx.sealer.key_id}
