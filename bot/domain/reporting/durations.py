"""How long things took: median and 95th percentile, and what customers did with their links."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple, Self

_MICROSECOND = timedelta(microseconds=1)


class DurationStats(NamedTuple):
    """How long something took, by the nearest rank: both are times that really occurred. None of nothing."""

    n: int
    median: timedelta | None
    p95: timedelta | None

    @classmethod
    def of(cls, spans: Iterable[Sequence[int]]) -> Self:
        """Of lists of microseconds."""
        found = sorted(chain.from_iterable(spans))
        return cls(len(found), _rank(found, 50), _rank(found, 95))


def _rank(ordered: Sequence[int], percent: int) -> timedelta | None:
    return timedelta(microseconds=ordered[-(-len(ordered) * percent // 100) - 1]) if ordered else None


class LinkTimes(NamedTuple):
    """When something happened to a capture link; None: not yet, or never."""

    made_at: datetime
    opened_at: datetime | None
    used_at: datetime | None
    """Smile ID has the photos."""


class LinkFigures(NamedTuple):
    """What customers did with the capture links of a period."""

    made: int
    opened: int
    completed: int
    """Smile ID has their photos."""
    took: DurationStats
    """From the link to its photos at Smile ID."""

    @classmethod
    def of(cls, links: Collection[LinkTimes]) -> Self:
        # A clock that was set back between the two must not make it shorter than nothing.
        took = [max(0, (link.used_at - link.made_at) // _MICROSECOND) for link in links if link.used_at is not None]
        opened = sum(link.opened_at is not None for link in links)
        return cls(made=len(links), opened=opened, completed=len(took), took=DurationStats.of([took]))


NO_LINKS = LinkFigures.of(())
