"""The end of all waiting for a server: a database that is being closed does not hang on one that is away."""

from threading import Event
from time import monotonic

GRACE = 5.0
"""Seconds that an answer may still take once the database is being closed."""


class Stop:
    """Shared by all connections of one database, asked from any thread."""

    def __init__(self) -> None:
        self._asked = Event()
        self._until = float("inf")

    def ask(self, *, grace: float = GRACE) -> None:
        """Have whatever waits give up when the grace is over. A repeat changes nothing."""
        if not self._asked.is_set():
            self._until = monotonic() + grace
            self._asked.set()

    @property
    def is_asked(self) -> bool:
        """Nothing new is begun any more."""
        return self._asked.is_set()

    @property
    def is_over(self) -> bool:
        """The grace is over, too."""
        return monotonic() > self._until

    def wait(self, seconds: float) -> bool:
        """Rest between two tries; whether it was asked meanwhile."""
        return self._asked.wait(seconds)
