"""Why what is known of a customer is kept beyond its time, and what else stands against its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HoldCause(StrEnum):
    """Why a check is held. Each runs until somebody ends it."""

    RELATIONSHIP = "relationship"
    """The customer is still a customer. When it ends, the clocks count from then."""
    LEGAL = "legal"
    """A complaint, a claim or a case in court."""
    INVESTIGATION = "investigation"
    """An authority, or the site itself, is looking into it."""


CAUSES: Mapping[HoldCause, str] = {
    HoldCause.RELATIONSHIP: "the customer relationship is running",
    HoldCause.LEGAL: "a complaint or a legal claim",
    HoldCause.INVESTIGATION: "an investigation",
}
"""What each is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One cause why a check is kept."""

    ref: str
    cause: HoldCause
    held_by: str
    held_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None


class Stay(StrEnum):
    """Why something of a check cannot be erased now."""

    NOT_ENDED = "not_ended"
    """It has no result yet, or a decision on it is awaited."""
    HELD = "held"
    UNDER_WAY = "under_way"
    """Something about it is still to be posted, or its file is still being sent."""
    UNCONFIRMED = "unconfirmed"
    """Its result came by callback lately, and Smile ID's own record does not show it yet."""
    ASKED = "asked"
    """A reviewer ended it, since Smile ID never answered, and Smile ID is asked once more."""
    ALTERED = "altered"
    """Its record is not as the bot wrote it; an operator has to look into it first."""
