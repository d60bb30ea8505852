"""What a manager types behind `/kyc summary`: a period, a country, an ID type; each may be left out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from bot.domain.id_types.id_types import IDType
from bot.domain.reporting.periods import DAY, Period, day_of, month_of, period_of_days, week_of
from bot.errors import Refusal, Refused

LONGEST = timedelta(days=366)
_DATES = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRequest:
    period: Period
    country: str | None = None
    id_type: str | None = None


def parse(typed: str, *, today: date, entries: Iterable[IDType]) -> SummaryRequest:
    """Raises Refused. Without a period it is today."""
    words = typed.split()
    period, rest = period_in(words, today)
    entries = list(entries)
    country, rest = _country(rest, entries)
    if not rest:
        return SummaryRequest(period=period, country=country)
    wanted = _folded(" ".join(rest))
    found = {
        e.id_type for e in entries if country in (None, e.country) and wanted in map(_folded, (e.id_type, e.label))
    }
    if len(found) != 1:
        raise Refused(Refusal.SUMMARY_NOT_UNDERSTOOD, typed=" ".join(rest))
    return SummaryRequest(period=period, country=country, id_type=found.pop())


def period_in(words: list[str], today: date, *, longest: timedelta | None = LONGEST) -> tuple[Period, list[str]]:
    """The days that the first words name, and the other words. Where they name none: today, and all the words."""
    first = words[0].casefold() if words else ""
    named = {"today": day_of(today), "yesterday": day_of(today - DAY), "week": week_of(today), "month": month_of(today)}
    if first in named:
        return named[first], words[1:]
    if first == "last" and len(words) > 1 and (unit := words[1].casefold()) in ("week", "month"):
        return named[unit].before(), words[2:]
    if re.match(r"\d", first):
        return _dates(first, today, longest), words[1:]
    return named["today"], words


def _dates(typed: str, today: date, longest: timedelta | None) -> Period:
    found = _DATES.fullmatch(typed)
    try:
        ends = [date.fromisoformat(text) for text in found.groups() if text] if found else []
    except ValueError:
        ends = []
    if not ends:
        raise Refused(Refusal.SPAN_NOT_A_DAY, typed=typed)
    first, last = ends[0], ends[-1]
    if last < first:
        raise Refused(Refusal.SPAN_BACKWARDS)
    if longest is not None and last - first >= longest:
        raise Refused(Refusal.SPAN_TOO_LONG, days=longest.days)
    if first > today:
        raise Refused(Refusal.SPAN_TO_COME)
    return period_of_days(first, last)


def _country(words: list[str], entries: Iterable[IDType]) -> tuple[str | None, list[str]]:
    """A code or a name, which may be several words; the longest that fits."""
    known = {_folded(name): e.country for e in entries for name in (e.country, e.country_name)}
    for length in range(len(words), 0, -1):
        if code := known.get(_folded(" ".join(words[:length]))):
            return code, words[length:]
    return None, words


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).casefold().strip()
