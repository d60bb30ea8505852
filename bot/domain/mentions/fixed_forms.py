"""The first rule: labels, dates, countries and ID types, which are known by their form wherever they stand."""

from collections.abc import Callable, Mapping
from datetime import date

from bot.domain.check.request import CITIZENSHIPS
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
    at, label = 0, ""
    while at < len(draft.words):
        at, label = _read(draft, at, label)


def _read(draft: MessageDraft, at: int, label: str) -> tuple[int, str]:
    """One word or phrase; where to go on, and the label that announces what stands there.

    `label`: the one right before this place.
    """
    met = draft.meaning_at(at)
    if draft.words[at].kind is not TokenKind.WORD:
        return draft.doubt(range(at, at + 1)), ""
    if met and met[1].sense is PhraseKind.LABEL:
        draft.speaks_of_a_check = True
        name = met[1].name
        return _read_label(draft, name, range(at, at + met[0])), name if name in _ANNOUNCED else ""
    if written := date_at(draft.words, at):
        return _read_bare_date(draft, range(at, at + written.count), written.day), ""
    if met:
        return _read_phrase(draft, range(at, at + met[0]), met[1], labelled=bool(label)), ""
    return at + 1, ""


def _read_phrase(draft: MessageDraft, where: range, meaning: PhraseMeaning, *, labelled: bool) -> int:
    draft.take(where)
    if meaning.sense is PhraseKind.FILLER:
        beside = draft.beside(where)
        if len(beside) == 2 and all(draft.is_name(at) for at in beside):
            # `Ada for Obi`: three names, or two with a word between them.
            draft.doubt(where)
            draft.names_in_doubt = True
        return where.stop
    draft.speaks_of_a_check = True
    item = Item(where, meaning, labelled)
    if meaning.sense is PhraseKind.COUNTRY:
        draft.countries.append(item)
    else:
        draft.id_types.append(item)
        if draft.words[where.stop - 1].marked:
            draft.number_starts.append(where.stop)
    return where.stop


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
    if not draft.continues(label.start, value) or draft.is_label(value):
        # Nothing follows. A word without a colon may not have been a label at all.
        return value if draft.words[value - 1].marked else draft.doubt(label)
    if draft.words[value].kind is TokenKind.PERSON:
        return draft.doubt(range(label.start, value + 1))
    return _RULES[name](draft, name, label)


def _announced(draft: MessageDraft, name: str, label: range) -> int:
    met = draft.meaning_at(label.stop)
    if not met or met[1].sense is not _ANNOUNCED[name]:
        draft.doubt(label)
    return label.stop


def _names(_draft: MessageDraft, _name: str, label: range) -> int:
    """`name: Ada Obi` says no more than `Ada Obi`."""
    return label.stop


def _number(draft: MessageDraft, _name: str, label: range) -> int:
    draft.number_starts.append(label.stop)
    return label.stop


def _phone(draft: MessageDraft, _name: str, label: range) -> int:
    draft.phone_starts.append(label.stop)
    return label.stop


def _birth(draft: MessageDraft, name: str, label: range) -> int:
    at = label.stop
    written = date_at(draft.words, at, labelled=True)
    if written is None:
        return _unreadable_birth(draft, name, range(at, at + 1))
    where = range(at, at + written.count)
    if written.day:
        return draft.put(name, written.day.isoformat(), where)
    return draft.put(name, draft.text(where), where) if written.impossible else draft.doubt(where)


def _unreadable_birth(draft: MessageDraft, name: str, where: range) -> int:
    """A word that is no date is kept, so that its fault is told beside the field; a part of a date is not."""
    word = draft.words[where.start]
    in_parts = is_month(word) or (is_group(word) and draft.continues(where.start, where.stop))
    return draft.doubt(where) if in_parts else draft.put(name, word.text, where)


def _person_name(draft: MessageDraft, name: str, label: range) -> int:
    start = label.stop
    where = draft.run_while(start, lambda at: at == start or _goes_on_as_name(draft, at))
    around = {draft.words[at].line for at in (label.start - 1, where.stop) if 0 <= at < len(draft.words)}
    fills_line = draft.words[start - 1].marked and draft.words[label.start].line not in around
    draft.labelled_names.append(LabelledName(name, where, fills_line))
    return draft.take(where)


def _goes_on_as_name(draft: MessageDraft, at: int) -> bool:
    met = draft.meaning_at(at)
    return is_letters(draft.words[at]) and (met is None or met[1].sense is PhraseKind.FILLER)


def _value(draft: MessageDraft, name: str, label: range) -> int:
    return draft.put(name, draft.words[label.stop].text, range(label.stop, label.stop + 1))


def _reference(draft: MessageDraft, name: str, label: range) -> int:
    """One word; letters before a number may be its first half."""
    both = range(label.stop, label.stop + 2)
    follows = draft.continues(both.start, both.start + 1) and draft.words[both.start + 1].text.isdecimal()
    return draft.doubt(both) if follows and is_letters(draft.words[both.start]) else _value(draft, name, label)


def _citizenship(draft: MessageDraft, name: str, label: range) -> int:
    said = draft.words[label.stop].text
    known = next((known for known in CITIZENSHIPS if known.casefold() == said.casefold()), said)
    return draft.put(name, known, range(label.stop, label.stop + 1))


def _other(draft: MessageDraft, _name: str, label: range) -> int:
    """A label of something that no check asks for: whatever follows belongs to it."""
    return draft.doubt(draft.run_while(label.start, lambda _at: True))


_RULES: Mapping[str, Callable[[MessageDraft, str, range], int]] = {
    COUNTRY: _announced,
    ID_TYPE: _announced,
    NUMBER: _number,
    PHONE: _phone,
    BIRTH: _birth,
    **dict.fromkeys(NAME_FIELDS, _person_name),
    NAMES: _names,
    CITIZENSHIP: _citizenship,
    "bank_code": _value,
    REFERENCE: _reference,
    OTHER: _other,
}
