"""Written dates (the names of months, and a day only where the calendar has it), and how long something took."""

from collections.abc import Mapping
from datetime import date, datetime

MONTHS: Mapping[str, int] = {
    name: month
    for month, names in enumerate(
        ["jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"], start=1)
    for name in names.split()
}  # fmt: skip


def read_date(year: str, month: str, day: str, *, months: Mapping[str, int] = MONTHS) -> date | None:
    """The month by its number or its name; None where there is no such month or day."""
    try:
        return date(int(year), months.get(month) or int(month), int(day))
    except ValueError:
        return None


def seconds_between(then: datetime, now: datetime) -> float:
    """In milliseconds' precision, for a log; nothing where a clock was set back."""
    return max(0.0, round((now - then).total_seconds(), 3))
