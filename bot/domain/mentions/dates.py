"""Dates as people write them: `1990-01-02`, `2/1/1990`, `2nd Jan 1990`, `January 2, 1990`.

A date that may be two days is neither: `02/03/1990` is the second of March or the third of February.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.domain.mentions.tokens import Token, TokenKind

_MONTHS = {
    name: number
    for number, names in enumerate(
        ["jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"], start=1)
    for name in names.split()
}  # fmt: skip
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"(?P<month>[a-z]{3,9})"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_MONTH_IN_LETTERS = (
    re.compile(rf"{_DAY}[-/. ]{_MONTH}[-/. ]{_YEAR}", re.ASCII),
    re.compile(rf"{_MONTH}[-/. ]{_DAY}[-/. ]{_YEAR}", re.ASCII),
    re.compile(rf"(?P<year>\d{{4}})[-/. ]{_MONTH}[-/. ](?P<day>\d{{1,2}})", re.ASCII),
)

_Reading = tuple[int, int, int]
"""Year, month and day; perhaps of no calendar."""


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """Something written as a date; `day` is None when it cannot be told which."""

    count: int
    """Of how many words it is."""
    day: date | None
    impossible: bool = False
    """No calendar has it, however it is read."""


def is_month(word: Token) -> bool:
    return word.text.casefold() in _MONTHS


def date_at(words: Sequence[Token], start: int, *, labelled: bool = False) -> WrittenDate | None:
    """A date in one word or three. Three bare numbers are one only behind a label: they may be an ID number."""
    return _written(_unbroken(words, start, 1)) or _in_three_words(words, start, labelled=labelled)


def _in_three_words(words: Sequence[Token], start: int, *, labelled: bool) -> WrittenDate | None:
    run = _unbroken(words, start, 3)
    month_in_letters = any(ch.isalpha() for word in run for ch in word.text)
    # `061 0 October 02, 1993`: the first word is the end of a number before the date.
    ends_a_number = bool(run) and run[0].text.isdecimal() and _starts_with_month(words[start + 1 : start + 4])
    return _written(run) if (labelled or month_in_letters) and not ends_a_number else None


def _unbroken(words: Sequence[Token], start: int, count: int) -> Sequence[Token]:
    """So many words that may be one date; none if something stands between them."""
    run = words[start : start + count]
    broken = any(word.kind is not TokenKind.WORD or word.segment != run[0].segment for word in run)
    return [] if len(run) < count or broken or any(word.marked for word in run[:-1]) else run


def _starts_with_month(run: Sequence[Token]) -> bool:
    if len(run) < 3 or not is_month(run[0]) or any(word.segment != run[0].segment for word in run):
        return False
    return any(_day(reading) for reading in _readings(run) or [])


def _written(run: Sequence[Token]) -> WrittenDate | None:
    readings = _readings(run)
    if readings is None:
        return None
    days = {day for day in map(_day, readings) if day}
    return WrittenDate(len(run), days.pop() if len(days) == 1 else None, impossible=bool(readings) and not days)


def _readings(run: Sequence[Token]) -> list[_Reading] | None:
    """All that it may stand for; nothing for a year of two digits; None if it is no date at all."""
    text = " ".join(word.text for word in run).casefold()
    if found := _YEAR_FIRST.fullmatch(text):
        return [(int(found[1]), int(found[3]), int(found[4]))]
    if found := _YEAR_LAST.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        return [(year, second, first), (year, first, second)] if len(found[4]) == 4 else []
    for form in _MONTH_IN_LETTERS:
        if (found := form.fullmatch(text)) and (month := _MONTHS.get(found["month"])):
            return [(int(found["year"]), month, int(found["day"]))] if len(found["year"]) == 4 else []
    return None


def _day(reading: _Reading) -> date | None:
    try:
        return date(*reading)
    except ValueError:
        return None
