"""What every reader of written dates needs: the names of months, and a date only where the calendar has one."""

from collections.abc import Mapping
from datetime import date

MONTHS: Mapping[str, int] = {
    name: month
    for month, names in enumerate(
        ["jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"], start=1)
    for name in names.split()
}  # fmt: skip


def date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
