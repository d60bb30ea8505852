"""Reads dates of birth as authorities write them, and says how well two of them agree."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from bot.domain.dates import read_date
from bot.domain.results.record_match.person import RecordMatch

_MAX_TEXT = 64
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
"""Outside of these no customer was born: registers write 0001-01-01 or 9999-12-31 where they know nothing."""
_PLACEHOLDER = date(1900, 1, 1)
_MONTHS: Mapping[str, int] = {
    name: month
    for month, names in enumerate(
        # English, French, Portuguese
        [
            "jan january janv janvier janeiro", "feb february fev fevr fevrier fevereiro", "mar march mars marco",
            "apr april avr avril abr abril", "may mai maio", "jun june juin junho", "jul july juil juillet julho",
            "aug august aou aout ago agosto", "sep sept september septembre set setembro",
            "oct october octobre out outubro", "nov november novembre novembro", "dec december decembre dez dezembro",
        ],
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_UNACCENTED = str.maketrans("éèêûôç", "eeeuoc")

_TIME = re.compile(r"[t ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(am|pm)?\s*(z|utc|gmt|[+-]\d{2}:?\d{2})?$")
_FORMS = [
    re.compile(form)
    for form in (
        r"(?P<year>\d{4})([-/. ])(?P<month>\d{1,2})\2(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<day>\d{1,2})([-/. ])(?P<month>\d{1,2})\2(?P<year>\d{4})",
        r"(?P<day>\d{2})(?P<month>\d{2})(?P<year>\d{4})",
        r"(?P<day>\d{1,2})(?:st|nd|rd|th|er)?[-/., ]*(?:de )?(?P<month>[a-z]+)\.?[-/., ]*(?:de )?(?P<year>\d{4})",
        r"(?P<month>[a-z]+)\.?[-/., ]*(?P<day>\d{1,2})(?:st|nd|rd|th)?[-/., ]+(?P<year>\d{4})",
        r"(?P<year>\d{4})[-/., ]*(?P<month>[a-z]+)\.?[-/., ]*(?P<day>\d{1,2})",
    )
]
_YEAR_ALONE = re.compile(r"(\d{4})(?:[-/.](?:\d{1,2}|xx?)){0,2}|(?:(?:\d{1,2}|xx?)[-/.]){1,2}(\d{4})")


@dataclass(frozen=True, slots=True, repr=False)
class _Birth:
    year: int
    day: date | None
    """None where only the year can be known."""


def compare_births(entered: str | None, record: str | None) -> RecordMatch:
    """Symmetric; never raises. Two digits of a year are not read: 31/01/07 may be 1907 and 2007."""
    one, other = _read(entered), _read(record)
    if one is None or other is None:
        return RecordMatch.NOT_COMPARED
    if one.day is None or other.day is None:
        return RecordMatch.PARTLY if one.year == other.year else RecordMatch.DIFFERS
    if one.day == other.day:
        return RecordMatch.MATCHES
    swapped = (one.year, one.day.month, one.day.day) == (other.year, other.day.day, other.day.month)
    if swapped or _digits_apart(one.day, other.day) == 1:
        return RecordMatch.PARTLY
    return RecordMatch.DIFFERS


def _digits_apart(one: date, other: date) -> int:
    return sum(a != b for a, b in zip(one.isoformat(), other.isoformat(), strict=True))


def _read(text: str | None) -> _Birth | None:
    if not text or len(text) > _MAX_TEXT:
        return None
    digits = "".join(str(int(char)) if char.isdecimal() else char for char in text)
    plain = _TIME.sub("", " ".join(digits.casefold().translate(_UNACCENTED).split()))
    found = _whole(plain)
    if found is not None:
        return None if found == _PLACEHOLDER or not _plausible(found.year) else _Birth(found.year, found)
    alone = _YEAR_ALONE.fullmatch(plain)
    year = int(alone[1] or alone[2]) if alone else 0
    return _Birth(year, None) if _plausible(year) and year != _FIRST_YEAR else None


def _plausible(year: int) -> bool:
    return _FIRST_YEAR <= year <= _LAST_YEAR


def _whole(plain: str) -> date | None:
    """Day first, as the authorities of Africa write; month first only where no day has that number."""
    for form in _FORMS:
        if found := form.fullmatch(plain):
            year, month, day = found["year"], found["month"], found["day"]
            read = read_date(year, month, day, months=_MONTHS)
            if read is None and month.isdecimal() and found.start("year") > 0:
                read = read_date(year, day, month)
            if read is not None:
                return read
    return None
