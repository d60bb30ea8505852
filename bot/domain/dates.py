"""What every reader of written dates needs: the names of months, and a day only where the calendar has it."""

from collections.abc import Mapping
from datetime import date

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
