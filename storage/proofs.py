"""What a proof says of one check besides the check itself: jobs, messages and lines of the trail, without bodies."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.results.codes import Outcome
from bot.domain.results.trust_rules import Disposition, Source
from storage.engine.database import Transaction, load


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenMessage:
    """One message of Smile ID that was trusted."""

    id: str
    job_id: str
    source: Source
    code: str
    fate: Disposition
    received_at: datetime
    sha256: str | None
    """Of the message as it came, in hex; None once it was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenJob:
    """One attempt: a job at Smile ID."""

    job_id: str
    round: int
    number: int
    user_id: str
    smile_job_id: str | None
    created_at: datetime
    sent_at: datetime | None
    claim_outcome: Outcome | None
    """Of a final result that Smile ID's own record has not confirmed yet."""


def jobs(tx: Transaction, ref: str) -> list[ProvenJob]:
    """Of all rounds, oldest first."""
    rows = tx.rows("SELECT * FROM attempts WHERE ref = :ref ORDER BY round, number", ref=ref)
    return [load(ProvenJob, row) for row in rows]


def messages(tx: Transaction, ref: str) -> list[ProvenMessage]:
    """Of all jobs of a check, oldest first; none that was refused."""
    sql = """
        SELECT r.* FROM receipts r JOIN attempts a ON a.job_id = r.job_id
        WHERE a.ref = :ref AND r.fate NOT IN ('refused', 'released') ORDER BY r.received_at, r.id
        """
    return [
        load(
            ProvenMessage,
            row,
            sha256=tx.sealer.open(row["body_sha256_sealed"], place=f"receipts.body_sha256:{row['id']}")
            if row["body_sha256_sealed"]
            else None,
        )
        for row in tx.rows(sql, ref=ref)
    ]
