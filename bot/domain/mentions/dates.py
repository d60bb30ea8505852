"""Where in a message a date is written; `bot.domain.dates` reads which."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.domain.dates import MONTHS, DateDoubt, written_day
from bot.domain.mentions.tokens import Token, TokenKind


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
    found = written_day(" ".join(word.text for word in run)) if run else None
    return WrittenDate(len(run), found.day, found.doubt is DateDoubt.IMPOSSIBLE) if found else None
