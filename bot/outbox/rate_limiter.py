"""Slack's rate limits: about one message a second and conversation, and longer pauses where Slack asks for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True, kw_only=True, eq=False)
class RateLimiter:
    """Which destinations must wait. Kept in memory: after a restart Slack itself limits us again."""

    usual: timedelta
    steady: Callable[[], datetime]
    """A clock that is never set, or a pause could last for ever."""
    wake_in: Callable[[timedelta], None]
    """Gets the time until a pause ends."""
    _until: dict[str, datetime] = field(init=False, default_factory=dict)

    def pause(self, destination: str, wait: timedelta | None = None) -> None:
        """Nothing is claimed for `destination` meanwhile; a shorter pause never ends a longer one."""
        wait = self.usual if wait is None else wait
        until = self.steady() + wait
        self._until[destination] = max(until, self._until.get(destination, until))

    def freed(self, destination: str) -> None:
        """What became of a post there is stored: the next one follows at once, or when the pause ends."""
        # Once for each post, and not before: who is woken earlier finds the conversation taken.
        now = self.steady()
        self.wake_in(max(self._until.get(destination, now) - now, timedelta(0)))

    def paused(self) -> frozenset[str]:
        now = self.steady()
        self._until = {destination: until for destination, until in self._until.items() if until > now}
        return frozenset(self._until)
