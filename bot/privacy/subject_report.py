"""All that is held on one customer, for themselves: opened, with why and until when, and where else something is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.privacy.clocks import Clock, Retention
from bot.domain.privacy.erasures import FOUND_BY, Copies, Wish
from bot.domain.privacy.holds import CAUSES
from bot.privacy import certificate, erasure
from storage import audit, erasures, holds, keys, retention, subject_rows
from storage.engine.database import Transaction
from storage.engine.lifespans import LIFESPANS

KIND = "subject report"
ALTERED = "altered beside the bot: what is stored is not what the bot wrote, and is not told; see docs/operations.md"
ELSEWHERE = (
    "The photos lie in Slack, under the ids that stand here, and not in this database.",
    "Smile ID keeps a record of its own of each job that stands here.",
    "Messages about a check stand in Slack, at the channel and ts of its posts.",
    certificate.MANUAL,
)


def make(tx: Transaction, wish: Wish, wanted: Retention, *, by: str, at: datetime) -> dict[str, Any] | None:
    """The report, without the copies; None where nothing is held. That it was made is a line about each check.

    Raises WrongKey where a bot at work would not know what this process writes.
    """
    keys.require_begun(tx)
    refs = erasure.find(tx, wish)
    if not refs:
        return None
    for ref in refs:
        audit.record(tx, at=at, actor=by, act="subject.reported", ref=ref)
    return {
        "kind": KIND,
        "made_at": certificate.time_of(at),
        "found": FOUND_BY[wish.found_by],
        "checks": [_check(tx, ref, wanted) for ref in refs],
        "what_each_table_is_for": {table: lifespan.why for table, lifespan in LIFESPANS.items()},
        "elsewhere": list(ELSEWHERE),
    }


def with_copies(report: Mapping[str, Any], copies: Copies) -> dict[str, Any]:
    """The same with the files that hold these checks, too."""
    return {**report, "copies": {"backups": list(copies.backups), "databases_set_aside": list(copies.set_aside)}}


def refs_of(report: Mapping[str, Any]) -> list[str]:
    return [check["ref"] for check in report["checks"]]


def altered_in(report: Mapping[str, Any]) -> list[str]:
    """The checks that it names, and says nothing of."""
    return [check["ref"] for check in report["checks"] if "record" in check]


def _check(tx: Transaction, ref: str, wanted: Retention) -> dict[str, Any]:
    if tx.altered([ref]):
        # Nobody can tell what of it is the customer's own, and an approval among it would be a thief's.
        return {"ref": ref, "record": ALTERED}
    ended = retention.find(tx, ref)
    until = {}
    if ended is not None:
        until = {
            clock.value: certificate.time_of(wanted.over_at(clock, ended.country, ended.over_since)) for clock in Clock
        }
    return {
        "ref": ref,
        "kept_until": until or "it has not ended; the clocks count from its end",
        "held_because": [CAUSES[hold.cause] for hold in holds.of_check(tx, ref)],
        "erasures": [one.id for one in erasures.of_check(tx, ref)],
        "rows": subject_rows.of_check(tx, ref),
    }
