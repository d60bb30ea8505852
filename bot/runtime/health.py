"""What `/readyz` reports: whether the bot can take requests, and what is wrong around it meanwhile.

Every fault is a member of `Degraded`; docs/operations.md says of each what it means and what to do. A fault is logged
when it begins, when its words change, and when it ends.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from bot.errors import REFUSES_US

log = structlog.get_logger(__name__)


class Degraded(StrEnum):
    """What is wrong outside, while requests are taken all the same."""

    SLACK = "slack"
    """The last call to Slack failed, or Slack refuses the bot token."""
    SLACK_DELETIONS = "slack_deletions"
    """Photos in Slack cannot be deleted with the token that is set for it."""
    WORKSPACE = "workspace"
    """The bot token does not fit the database."""
    SLACK_SIGNATURE = "slack_signature"
    """Requests were refused whose signature does not fit the signing secret, or is too old."""
    SOCKET_MODE = "socket_mode"
    SOCKET_MODE_CONNECTIONS = "socket_mode_connections"
    """Another bot uses the same app token."""
    SMILE_ID = "smile_id"
    """The last call to Smile ID failed."""
    SMILE_ID_KEY = "smile_id_key"
    """Smile ID refuses partner id and API key."""
    CALLBACKS = "callbacks"
    """Callbacks were refused."""
    CLOCK_STEP = "clock_step"
    CLOCK_AGAINST_SLACK = "clock_against_slack"
    CLOCK_AGAINST_SMILE_ID = "clock_against_smile_id"
    RECORDS = "records"
    """The database file was changed by somebody else than the bot."""
    BACKUP = "backup"
    AUDIT_HEAD = "audit_head"
    """The file of `KYC_AUDIT_HEAD_FILE` could not be written."""
    LATE = "late"
    """Work has been due for long."""
    TICKS = "ticks"
    """The event loop was held up."""
    INSTANCE = "instance"
    """Other instances cannot see that this one lives, or have ended it."""


@dataclass(slots=True, kw_only=True)
class Health:
    """Whether the bot can take requests, and what is wrong outside meanwhile."""

    started: bool = False
    stopping: bool = False
    degraded: dict[str, str] = field(default_factory=dict)
    """In few words: none of it keeps the bot from taking requests."""

    @property
    def clock_is_off(self) -> bool:
        """Whether the machine shows another time than Slack or Smile ID, or was set by more than a minute lately."""
        return not self.degraded.keys().isdisjoint(
            {Degraded.CLOCK_STEP, Degraded.CLOCK_AGAINST_SLACK, Degraded.CLOCK_AGAINST_SMILE_ID}
        )

    @property
    def refusal_of_slack(self) -> str | None:
        """Slack's word for why it refuses the bot token; None while it does not."""
        fault = self.degraded.get(Degraded.SLACK)
        return fault if fault in REFUSES_US | _GONE else None

    def note(self, what: Degraded, fault: str | None) -> None:
        """Keep the fault of one thing; None: there is none."""
        before = self.degraded.get(what)
        if fault is None:
            if self.degraded.pop(what, None) is not None:
                log.info("degraded.ended", what=what.value)
            return
        self.degraded[what] = fault
        if before is None or _without_numbers(before) != _without_numbers(fault):
            log.warning("degraded.began", what=what.value, error=fault)


_GONE = frozenset({"app_uninstalled", "tokens_revoked"})
"""Slack's events that say so, which may come before the first call that fails."""


def _without_numbers(words: str) -> str:
    """A clock that drifts is one fault, however many seconds it is off."""
    return re.sub(r"\d+", "", words)
