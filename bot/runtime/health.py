"""What `/readyz` reports: whether the bot can take requests, and what is wrong outside meanwhile."""

from dataclasses import dataclass, field

_SMILE_ID_IS_THERE = frozenset({"ok", "refused", "expired"})
_SLACK_IS_CLOSED = frozenset({"failed", "invalid_auth", "not_authed", "token_revoked", "token_expired"})


@dataclass(slots=True, kw_only=True)
class Health:
    started: bool = False
    stopping: bool = False
    degraded: dict[str, str] = field(default_factory=dict)
    """What is wrong outside, in few words: none of it keeps the bot from taking requests."""

    def note(self, what: str, fault: str | None) -> None:
        """Keep the fault of one thing; None: there is none."""
        if fault is None:
            self.degraded.pop(what, None)
        else:
            self.degraded[what] = fault

    def smile_id(self, _call: str, result: str) -> None:
        self.note("smile_id", None if result in _SMILE_ID_IS_THERE else result)

    def slack(self, _method: str, result: str) -> None:
        self.note("slack", result if result in _SLACK_IS_CLOSED else None)
