"""How often each person has looked things up in the hour that is running; of earlier hours nothing is kept."""

from dataclasses import dataclass
from datetime import datetime

from storage.engine.database import Transaction, to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Whether somebody may look once more; `is_first_refusal` once for each hour."""

    is_allowed: bool
    is_first_refusal: bool


def take(tx: Transaction, *, person: str, kind: str, most: int, hour: datetime) -> Taken:
    """Count one look before it is made. `hour` is when the running hour began."""
    key = {"person": person, "kind": kind}
    row = tx.row("SELECT hour, looks, refused FROM look_ups WHERE person = :person AND kind = :kind", **key)
    is_running = row is not None and row["hour"] == to_text(hour)
    looks, refused = (row["looks"], row["refused"]) if row is not None and is_running else (0, 0)
    is_allowed = looks < most
    tx.run(
        """
        INSERT INTO look_ups (person, kind, hour, looks, refused) VALUES (:person, :kind, :hour, :looks, :refused)
        ON CONFLICT (person, kind) DO UPDATE SET hour = :hour, looks = :looks, refused = :refused
        """,
        **key,
        hour=hour,
        looks=looks + is_allowed,
        refused=refused + (not is_allowed),
    )
    return Taken(is_allowed=is_allowed, is_first_refusal=not is_allowed and not refused)
