"""Dates as people write them: `1990-01-02`, `2/1/1990`, `2nd Jan 1990`, `January 2, 1990`.

A date that may be two days is neither: `02/03/1990` is the second of March or the third of February.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.domain.dates import MONTHS, read_date
from bot.domain.mentions.tokens import Token, TokenKind

_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"(?P<month>[a-z]{3,9})"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_FORMS = [
    re.compile(form, re.ASCII)
    for form in (
        r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})([-/. ])(?P<month>\d{1,2})\2(?P<year>\d{4}|\d{2})",
        rf"{_DAY}[-/. ]{_MONTH}[-/. ]{_YEAR}",
        rf"{_MONTH}[-/. ]{_DAY}[-/. ]{_YEAR}",
        rf"(?P<year>\d{{4}})[-/. ]{_MONTH}[-/. ](?P<day>\d{{1,2}})",
    )
]


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """Something written as a date; `day` is None when it is unclear which."""

    count: int
    """Number of words."""
    day: date | None
    impossible: bool
    """No calendar has it, in either reading."""


def is_month(word: Token) -> bool:
    return word.text.casefold() in MONTHS


def date_at(words: Sequence[Token], start: int, *, labelled: bool = False) -> WrittenDate | None:
    """A date in one word or three. Three bare numbers are one only behind a label: they may be an ID number."""
    if written := _written(_unbroken(words, start, 1)):
        return written
    run = _unbroken(words, start, 3)
    if not labelled and not any(ch.isalpha() for word in run for ch in word.text):
        return None
    # `061 0 October 02, 1993`: the first word is the end of a number before the date.
    ends_a_number = bool(run) and run[0].text.isdecimal() and _starts_with_month(_unbroken(words, start + 1, 3))
    return None if ends_a_number else _written(run)


def _unbroken(words: Sequence[Token], start: int, count: int) -> Sequence[Token]:
    """So many words that may be one date; none if something separates them."""
    run = words[start : start + count]
    broken = any(word.kind is not TokenKind.WORD or word.segment != run[0].segment for word in run)
    return [] if len(run) < count or broken or any(word.marked for word in run[:-1]) else run


def _starts_with_month(run: Sequence[Token]) -> bool:
    written = _written(run) if run and is_month(run[0]) else None
    return written is not None and written.day is not None


def _written(run: Sequence[Token]) -> WrittenDate | None:
    text = " ".join(word.text for word in run).casefold()
    for form in _FORMS:
        if (found := form.fullmatch(text)) and (found["month"].isdecimal() or found["month"] in MONTHS):
            return WrittenDate(len(run), *_day(found))
    return None


def _day(found: re.Match[str]) -> tuple[date | None, bool]:
    """The day if it is clear, and whether no calendar has it. A year of two digits says nothing."""
    if len(found["year"]) == 2:
        return None, False
    year, month, day = found["year"], found["month"], found["day"]
    readings = {read_date(year, month, day)}
    if month.isdecimal() and found.start("year"):
        readings.add(read_date(year, day, month))
    days = readings - {None}
    return (next(iter(days)) if len(days) == 1 else None), not days
