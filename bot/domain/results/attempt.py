"""One job at Smile ID, and what Smile ID said about it, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.results.codes import Outcome
from bot.domain.results.trust_rules import Disposition, Source


class Step(StrEnum):
    """How far an attempt is known to have come."""

    RECORDED = "recorded"
    """The job id is ours; Smile ID may have been asked."""
    PREPARED = "prepared"
    """Smile ID knows the job; the photos may have been sent."""
    SENT = "sent"
    """Smile ID has the photos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    job_id: str
    ref: str
    number: int
    round: int
    user_id: str
    step: Step
    in_doubt_since: datetime | None
    """An answer was lost: Smile ID's own record decides before anything is resent.

    Of one that is sent: a reviewer ended its check then, and Smile ID has not answered since.
    """
    smile_job_id: str | None
    callback_token: str | None = field(repr=False)
    """Part of the address for callbacks. None once its photos are sent: Smile ID knows it, and nobody else asks."""
    checkpoint: Mapping[str, object] | None = field(repr=False, default=None)
    """Where sending resumes, for `bot.smile_id` alone to read."""
    sent_at: datetime | None = None
    polls: int = 0
    poll_at: datetime | None = None
    overdue_told: int = 0
    claim_receipt: str | None = None
    claim_outcome: Outcome | None = None
    claim_at: datetime | None = None
    confirm_tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """The job that a callback's address belongs to."""

    job_id: str
    ref: str
    smile_job_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One message of Smile ID about one job, as kept."""

    id: str
    job_id: str
    source: Source
    fate: Disposition
    code: str
    received_at: datetime
    body: str = field(repr=False)
    """JSON without pictures; sealed at rest."""
