"""The preview of a file of applicants: posted, and kept sealed, before anything is sent."""

import hashlib
import json
from datetime import datetime
from typing import Any

from bot.domain.applicants import Applicant, ReadApplicants
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import encode_fault
from bot.settings import Environment, Settings
from storage import checks, preflight_holds
from storage.engine.database import Transaction


def preview_of(
    tx: Transaction, reading: ReadApplicants, id_types: IDTypes, settings: Settings, *, since: datetime | None
) -> dict[str, Any]:
    """Faults and repeats by row. Checks since `since` count as earlier ones; None: no check does."""
    repeats = []
    for one in reading.applicants:
        if one.repeats is not None:
            repeats.append([one.row, f"the same person as row {one.repeats}"])
        elif since is not None and _checked_before(tx, one, id_types, settings, since):
            repeats.append([one.row, "checked before"])
    return {
        "table": reading.table,
        "faults": [
            [found.row, found.column, encode_fault(found.fault.code, found.fault.facts)]
            for one in reading.applicants
            for found in one.faults
        ],
        "repeats": repeats,
        "ignored": list(reading.ignored_columns),
        "unused": reading.unused_photos,
        "digest": digest(reading),
    }


def _checked_before(tx: Transaction, one: Applicant, id_types: IDTypes, settings: Settings, since: datetime) -> bool:
    number = one.texts.get("id_number", "")
    entry = id_types.find(one.country, one.id_type)
    if settings.smile_id_environment is Environment.SANDBOX and entry is not None and entry.is_test_number(number):
        number = ""
    prints = checks.prints_of(tx, one.country, number, one.customer_reference)
    return bool(preflight_holds.earlier(tx, prints, since=since, but=None))


def digest(reading: ReadApplicants) -> str:
    """Changes when the files no longer say what was confirmed. Kept sealed: an ID number can be guessed from a hash."""
    rows = [
        [one.row, one.country, one.id_type, dict(one.texts), one.customer_reference, str(one.selfie), str(one.liveness)]
        for one in reading.applicants
    ]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
