"""The first rule: labels, dates, countries and ID types, which are known by their form wherever they are."""

from collections.abc import Callable, Mapping
from datetime import date

from bot.domain.check.fields import CITIZENSHIPS
from bot.domain.mentions.dates import date_at, is_month
from bot.domain.mentions.draft import Item, LabelledName, MessageDraft
from bot.domain.mentions.tokens import TokenKind, is_group, is_letters
from bot.domain.mentions.vocabulary import (
    BIRTH,
    CITIZENSHIP,
    COUNTRY,
    ID_TYPE,
    NAME_FIELDS,
    NAMES,
    NUMBER,
    OTHER,
    PHONE,
    REFERENCE,
    PhraseKind,
    PhraseMeaning,
)

_OLDEST_YEARS = 130
_ANNOUNCED = {COUNTRY: PhraseKind.COUNTRY, ID_TYPE: PhraseKind.ID_TYPE}
"""Labels whose value is recognised by itself."""


def read_fixed_forms(draft: MessageDraft) -> None:
    at, announced = 0, False
    while at < len(draft.words):
        at, announced = _read(draft, at, announced=announced)


def _read(draft: MessageDraft, at: int, *, announced: bool) -> tuple[int, bool]:
    """Read one word or phrase; returns where to continue, and whether a label announces what follows."""
    if draft.words[at].kind is not TokenKind.WORD:
        return draft.doubt(range(at, at + 1)), False
    where, meaning = draft.vocabulary.at(draft.words, at) or (range(0), None)
    if meaning and meaning.kind is PhraseKind.LABEL:
        draft.speaks_of_a_check = True
        return _read_label(draft, meaning.name, where), meaning.name in _ANNOUNCED
    if written := date_at(draft.words, at):
        return _read_bare_date(draft, range(at, at + written.count), written.day), False
    if meaning:
        return _read_phrase(draft, where, meaning, labelled=announced), False
    return at + 1, False


def _read_phrase(draft: MessageDraft, where: range, meaning: PhraseMeaning, *, labelled: bool) -> int:
    if meaning.kind is PhraseKind.FILLER:
        around = draft.neighbours(where)
        if len(around) == 2 and all(map(draft.is_name, around)):
            # `Ada for Obi`: three names, or two with a word between them.
            draft.names_in_doubt = True
            return draft.doubt(where)
        return draft.take(where)
    draft.speaks_of_a_check = True
    named = draft.countries if meaning.kind is PhraseKind.COUNTRY else draft.id_types
    named.append(Item(where, meaning, labelled))
    if meaning.kind is PhraseKind.ID_TYPE and draft.words[where.stop - 1].marked:
        draft.value_starts[NUMBER].append(where.stop)
    return draft.take(where)


def _read_bare_date(draft: MessageDraft, where: range, day: date | None) -> int:
    draft.speaks_of_a_check = True
    if day is None or day > draft.today or draft.today.year - day.year > _OLDEST_YEARS:
        return draft.doubt(where)
    draft.bare_dates.append(where)
    return draft.put(BIRTH, day.isoformat(), where)


# Labels: each rule takes the value behind the label, or remembers where it begins


def _read_label(draft: MessageDraft, name: str, label: range) -> int:
    draft.take(label)
    value = label.stop
    if not draft.continues(label.start, value) or draft.phrase_kind(value) is PhraseKind.LABEL:
        # Nothing follows. A word without a colon may not have been a label at all.
        return value if draft.words[value - 1].marked else draft.doubt(label)
    if draft.words[value].kind is TokenKind.PERSON:
        return draft.doubt(range(label.start, value + 1))
    return _RULES[name](draft, name, label)


def _announced(draft: MessageDraft, name: str, label: range) -> int:
    return label.stop if draft.phrase_kind(label.stop) is _ANNOUNCED[name] else draft.doubt(label)


def _names(_draft: MessageDraft, _name: str, label: range) -> int:
    """`name: Ada Obi` says no more than `Ada Obi`."""
    return label.stop


def _number(draft: MessageDraft, name: str, label: range) -> int:
    draft.value_starts[name].append(label.stop)
    return label.stop


def _birth(draft: MessageDraft, name: str, label: range) -> int:
    at = label.stop
    written = date_at(draft.words, at, labelled=True)
    where = range(at, at + (written.count if written else 1))
    word = draft.words[at]
    if written and written.day:
        return draft.put(name, written.day.isoformat(), where)
    # What is no date is kept, so that the form shows its fault; what may be two dates, or a part of one, is not.
    part_of_date = is_month(word) or (is_group(word) and draft.continues(at, where.stop))
    unclear = not written.impossible if written else part_of_date
    return draft.doubt(where) if unclear else draft.put(name, draft.text(where), where)


def _person_name(draft: MessageDraft, name: str, label: range) -> int:
    start = label.stop
    where = draft.run_while(start, lambda at: at == start or _continues_name(draft, at))
    around = {draft.words[at].line for at in (label.start - 1, where.stop) if 0 <= at < len(draft.words)}
    fills_line = draft.words[start - 1].marked and draft.words[label.start].line not in around
    draft.labelled_names.append(LabelledName(name, where, fills_line))
    return draft.take(where)


def _continues_name(draft: MessageDraft, at: int) -> bool:
    return is_letters(draft.words[at]) and draft.phrase_kind(at) in (None, PhraseKind.FILLER)


def _value(draft: MessageDraft, name: str, label: range) -> int:
    return draft.put(name, draft.words[label.stop].text, range(label.stop, label.stop + 1))


def _reference(draft: MessageDraft, name: str, label: range) -> int:
    """One word; letters before a number may be its first half."""
    both = range(label.stop, label.stop + 2)
    follows = draft.continues(both.start, both.start + 1) and draft.words[both.start + 1].text.isdecimal()
    return draft.doubt(both) if follows and is_letters(draft.words[both.start]) else _value(draft, name, label)


def _citizenship(draft: MessageDraft, name: str, label: range) -> int:
    typed = draft.words[label.stop].text
    known = next((known for known in CITIZENSHIPS if known.casefold() == typed.casefold()), typed)
    return draft.put(name, known, range(label.stop, label.stop + 1))


def _other(draft: MessageDraft, _name: str, label: range) -> int:
    """A label of something that no check asks for: everything after it belongs to it."""
    return draft.doubt(draft.run_while(label.start, lambda _at: True))


_RULES: Mapping[str, Callable[[MessageDraft, str, range], int]] = {
    COUNTRY: _announced,
    ID_TYPE: _announced,
    NUMBER: _number,
    PHONE: _number,
    BIRTH: _birth,
    **dict.fromkeys(NAME_FIELDS, _person_name),
    NAMES: _names,
    CITIZENSHIP: _citizenship,
    "bank_code": _value,
    REFERENCE: _reference,
    OTHER: _other,
}
