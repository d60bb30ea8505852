"""Slack's rate limits: about one message a second and conversation, and longer pauses where Slack asks for them.

Its limits are the app's, which several instances share: each waits as many times as long, so that all of them together
keep the pace. What Slack itself asks for is stored as well (`storage.pauses`), for the others and for the next start.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True, kw_only=True, eq=False)
class RateLimiter:
    """Which destinations must wait for this process."""

    usual: timedelta
    steady: Callable[[], datetime]
    """A clock that is never set, or a pause could last for ever."""
    wake_in: Callable[[timedelta], None]
    """Gets the time until a pause ends."""
    share: Callable[[], int] = lambda: 1
    """How many instances there are."""
    _until: dict[str, datetime] = field(init=False, default_factory=dict)

    def pause(self, destination: str, wait: timedelta | None = None) -> None:
        """Nothing is claimed for `destination` meanwhile; a shorter pause never ends a longer one."""
        wait = self.usual * self.share() if wait is None else wait
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
