"""Blind indexes: how a photo, a message or an ID number is found again without being told by the database file.

What the bot does not keep (files of photos, messages as they came) has HMAC(key, SHA-256 of the value) for a print. The
bare SHA-256 would let anybody who has the file alone try one ID number after the other, since little else in a message
is unknown. It lies sealed beside its print, so that a print can be made anew under another key although the value is
gone. Rows keep the print that they were given: look-ups try those of all keys.
"""

import json
from dataclasses import dataclass
from typing import Any

from bot.domain.check.masking import same_number, same_reference
from storage.engine.sealing import Sealer
from storage.engine.transaction import Transaction

NUMBER, REFERENCE = "id_number", "customer_reference"
"""Purposes of the prints of what a check itself holds, sealed."""


@dataclass(frozen=True, slots=True)
class IndexKind:
    """One column of prints."""

    purpose: str
    """Prints of one value are never equal across purposes."""
    place: str
    """`table.column` where the SHA-256 lies sealed, without the ending `_sealed`."""


BODY = IndexKind(purpose="message-body", place="receipts.body_sha256")
"""A row is a receipt's id."""
FILE = IndexKind(purpose="photo-file", place="photos.file_sha256")
"""A row is `ref:kind:position`."""
LINK = IndexKind(purpose="capture-link", place="capture_links.token_sha256")
"""A row is `ref:number`."""


def make(sealer: Sealer, kind: IndexKind, sha256: str, *, row: str) -> tuple[str, bytes]:
    """What to store for a value of this SHA-256 (hex): its print under the newest key, and the SHA-256 sealed."""
    return sealer.fingerprint(sha256, purpose=kind.purpose), seal(sealer, kind, sha256, row=row)


def seal(sealer: Sealer, kind: IndexKind, sha256: str, *, row: str) -> bytes:
    """The second of them, where the print is at hand."""
    return sealer.seal(sha256, place=f"{kind.place}:{row}")


def numbers(sealer: Sealer, country: str, number: str) -> list[str]:
    """The prints under all keys of an ID number, however it was written; none of an empty one."""
    return sealer.fingerprints(same_number(country, number), purpose=NUMBER) if number else []


def references(sealer: Sealer, reference: str) -> list[str]:
    """The same of a customer reference."""
    return sealer.fingerprints(same_reference(reference), purpose=REFERENCE) if reference else []


def applicant_place(ref: str) -> str:
    """Where a check's applicant lies sealed."""
    return f"verifications.applicant:{ref}"


def of_number(tx: Transaction, ref: str) -> list[str]:
    """The prints under all keys of a check's own ID number; empty if it has none, or holds it no more."""
    country, applicant = _applicant(tx, ref)
    return numbers(tx.sealer, country, applicant.get("id_info", {}).get("id_number", ""))


def of_reference(tx: Transaction, ref: str) -> list[str]:
    """The same of its customer reference."""
    _country, applicant = _applicant(tx, ref)
    return references(tx.sealer, applicant.get("customer_reference", ""))


def _applicant(tx: Transaction, ref: str) -> tuple[str, dict[str, Any]]:
    row = tx.row("SELECT country, applicant_sealed FROM verifications WHERE ref = :ref", ref=ref)
    if row is None or row["applicant_sealed"] is None:
        return "", {}
    return row["country"], json.loads(tx.sealer.open(row["applicant_sealed"], place=applicant_place(ref)))
