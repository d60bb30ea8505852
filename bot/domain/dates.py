"""Dates as people and programs write them, read in one way alone: `1990-01-02`, `2/1/1990`, `2nd Jan 1990`.

A date that may be two days is neither: `02/03/1990` is the second of March or the third of February. And how long
something took.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

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


class DateDoubt(StrEnum):
    """Why something written as a date is not one day."""

    TWO_DAYS = "two_days"
    """It may be two days, or of two centuries."""
    TIME = "time"
    """With a time of day: where a program turned a date into a moment, it may have moved it into the day before."""
    IMPOSSIBLE = "impossible"
    """No calendar has it, in either reading."""


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """Either a day, or a doubt."""

    day: date | None
    doubt: DateDoubt | None = None


_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"(?P<month>[a-z]{3,9})"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_TIME = r"(?:(?:t|,? +)(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]m)?) ?(?:z|utc|gmt|[+-]\d{2}:?\d{2})?)?"
_FORMS = [
    re.compile(form + _TIME, re.ASCII)
    for form in (
        r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})",
        rf"(?P<day>\d{{1,2}})([-/. ])(?P<month>\d{{1,2}})\2{_YEAR}",
        rf"{_DAY}[-/., ]+{_MONTH}[-/., ]+{_YEAR}",
        rf"{_MONTH}[-/., ]+{_DAY}[-/., ]+{_YEAR}",
        rf"(?P<year>\d{{4}})[-/., ]+{_MONTH}[-/., ]+(?P<day>\d{{1,2}})",
    )
]
_JOINED = re.compile(r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})", re.ASCII)
_MIDNIGHT = re.compile(r"0{1,2}:00(?::00(?:\.0+)?)?|12:00(?::00)? ?am")


def written_day(text: str, *, joined: bool = False) -> WrittenDay | None:
    """The day that a text names; None where it is not written as a date.

    `joined`: eight digits are one too, as where nothing but a date is expected.
    """
    forms = [*_FORMS, _JOINED] if joined else _FORMS
    for form in forms:
        found = form.fullmatch(text.casefold())
        if found and (found["month"].isdecimal() or found["month"] in MONTHS):
            return _read(found)
    return None


def _read(found: re.Match[str]) -> WrittenDay:
    if len(found["year"]) == 2:
        return WrittenDay(None, DateDoubt.TWO_DAYS)
    year, month, day = found["year"], found["month"], found["day"]
    readings = {read_date(year, month, day)}
    if month.isdecimal() and found.start("year"):
        readings.add(read_date(year, day, month))
    days = readings - {None}
    if not days:
        return WrittenDay(None, DateDoubt.IMPOSSIBLE)
    time = found.groupdict().get("time")
    if time and not _MIDNIGHT.fullmatch(time):
        return WrittenDay(None, DateDoubt.TIME)
    return WrittenDay(days.pop()) if len(days) == 1 else WrittenDay(None, DateDoubt.TWO_DAYS)


def seconds_between(then: datetime, now: datetime) -> float:
    """In milliseconds' precision, for a log; nothing where a clock was set back."""
    return max(0.0, round((now - then).total_seconds(), 3))


def day_of(moment: datetime) -> str:
    """3 March 2026, in UTC: as the bot writes a day where Slack renders none."""
    return f"{moment.day} {moment:%B %Y}"
