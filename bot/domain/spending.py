"""How many checks may be started in a day: by each person, and by all of them together."""

from dataclasses import dataclass
from typing import Self

NEARLY_PERCENT = 80
"""Of the day's checks of all: admins hear of it while there is time to raise the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimits:
    """Checks a day; None: as many as people ask for."""

    per_person: int | None = None
    total: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`50`, `total=400` or `50,total=400`. Raises ValueError."""
        found: dict[str, int] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, is_named, number = part.rpartition("=")
            name = name.strip().lower() if is_named else "per_person"
            if name not in ("per_person", "total") or name in found or not number.strip().isdecimal():
                raise ValueError("must be checks a day for each person, for all together, or both, as 50,total=400")
            found[name] = int(number)
        if 0 in found.values():
            raise ValueError("must be at least 1; leave it out for no limit")
        return cls(**found)

    def left(self, *, own: int, all_: int) -> int | None:
        """How many more may be started after these; None: any number."""
        rooms = [most - used for most, used in ((self.per_person, own), (self.total, all_)) if most is not None]
        return max(0, min(rooms)) if rooms else None


def reached(most: int, *, before: int, after: int) -> int | None:
    """The mark in percent, 80 or 100, that the checks of a day have just passed."""
    for percent in (100, NEARLY_PERCENT):
        if before * 100 < most * percent <= after * 100:
            return percent
    return None
