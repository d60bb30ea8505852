"""The demo's clock: the machine's, moved by an offset that stands in a file which several processes read.

Text, one number: seconds. Without the file, or with something else in it, the offset is nought.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

LONGEST = timedelta(days=3650)
FOLLOWS = "clock follows"
"""Begins the line by which the bot tells which offset, in seconds, it has come to."""


class ClockFile:
    """Reads the offset, anew at each call, and writes it: one process writes, any number read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def offset(self) -> timedelta:
        """By how much this clock is ahead of the machine's; negative in the past."""
        try:
            offset = timedelta(seconds=float(self.path.read_text(encoding="ascii")))
        except (OSError, ValueError, OverflowError):
            return timedelta(0)
        return offset if abs(offset) <= LONGEST else timedelta(0)

    def set(self, offset: timedelta) -> None:
        """Whoever reads meanwhile finds the old offset or the new one, never half of it."""
        written = self.path.with_name(f"{self.path.name}.new")
        written.write_text(f"{offset.total_seconds()}\n", encoding="ascii")
        written.replace(self.path)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset
