"""Slack's rate limits: about one message a second and conversation, and longer pauses where Slack asks for them."""

from collections.abc import Callable
from datetime import datetime, timedelta


class RateLimiter:
    """Which destinations must wait. Kept in memory: after a restart Slack itself limits us again."""

    def __init__(
        self, *, per_second: float, steady: Callable[[], datetime], wake_in: Callable[[timedelta], None]
    ) -> None:
        """`steady` is a clock that is never set, or a pause could last for ever; `wake_in` gets the time until the
        pause ends.
        """
        self.usual = timedelta(seconds=1 / per_second)
        self._steady = steady
        self._wake_in = wake_in
        self._until: dict[str, datetime] = {}

    def pause(self, destination: str, wait: timedelta | None = None) -> None:
        """Nothing is claimed for `destination` meanwhile; a shorter pause never ends a longer one."""
        wait = self.usual if wait is None else wait
        until = self._steady() + wait
        self._until[destination] = max(until, self._until.get(destination, until))
        self._wake_in(wait)

    def paused(self) -> frozenset[str]:
        now = self._steady()
        self._until = {destination: until for destination, until in self._until.items() if until > now}
        return frozenset(self._until)
