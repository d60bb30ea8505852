"""How often somebody may do something: so often at once, and again and again after some time."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True, kw_only=True, eq=False)
class LeakyBuckets:
    """A bucket for each of many, which fills with what they do and drains with time. In memory alone."""

    burst: int
    """How often at once."""
    every: timedelta
    """After which one more is allowed."""
    steady: Callable[[], datetime]
    """Time that is never set."""
    most: int = 10_000
    """Of how many it is kept; beyond, those who did something longest ago count as new."""
    _drained_at: dict[Hashable, datetime] = field(init=False, default_factory=dict)
    """When the bucket of each is empty again, in the order in which they last did something."""

    def wait(self, who: Hashable) -> timedelta:
        """How long until they may do it again; zero: now."""
        now = self.steady()
        left = self._drained_at.get(who, now) - now
        return max(left - self.every * (self.burst - 1), timedelta(0))

    def count(self, who: Hashable) -> None:
        """They have done it once more."""
        now = self.steady()
        drained_at = max(self._drained_at.pop(who, now), now) + self.every
        # Last in the order: whoever is dropped has waited longest.
        self._drained_at[who] = min(drained_at, now + self.every * self.burst)
        while len(self._drained_at) > self.most:
            del self._drained_at[next(iter(self._drained_at))]

    def __len__(self) -> int:
        return len(self._drained_at)
