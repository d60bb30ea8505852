"""Whether the name that was typed is the name in the authority's record. The rules are in `docs/results.md`.

Only equality makes a match, and only of both first name and surname; what is merely alike goes to a person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bot.domain.results.record_match.name_likeness import LIMIT, SPELLING, distance, parts_of
from bot.domain.results.record_match.names import NameKind, NameWord, NameWords, binds, words_of
from bot.domain.results.record_match.person import EnteredPerson, RecordMatch

_OWN_NAME_FIRST = frozenset({"DJ", "EG", "ER", "ET", "LY", "SD", "SO", "SS"})
"""Countries where one's own name comes first, then the father's, then the grandfather's.

There Bekele Abebe may be the son of Abebe Bekele: only the order distinguishes them.
"""


class _Role(Enum):
    FIRST = auto()
    LAST = auto()
    ANY = auto()
    """Not known, or neither."""


@dataclass(slots=True, repr=False)
class _RecordWord:
    word: NameWord
    role: _Role = _Role.ANY
    equal: bool = False
    """Typed, letter for letter."""
    taken: bool = False
    """Typed, or like a word that was typed."""

    @property
    def is_name(self) -> bool:
        return self.word.kind is NameKind.NAME


@dataclass(slots=True, repr=False)
class _TypedWord:
    word: NameWord
    held: tuple[_RecordWord, ...] = ()
    gap: int | None = None
    """Its distance from `held`; 0 for equality, None while nothing of the record fits."""

    def take(self, held: Iterable[_RecordWord], gap: int) -> None:
        self.held, self.gap = tuple(held), gap
        for one in self.held:
            one.taken, one.equal = True, gap == 0


@dataclass(slots=True, repr=False)
class _Field:
    """First name, surname, or both, as typed: every word must be found in the record."""

    role: _Role
    names: tuple[_TypedWord, ...]
    besides: tuple[_TypedWord, ...]
    """Needed too, but surely no name alone: *Abdul* in Abdul Rahman, *Prince* in Prince Emeka."""
    spare: tuple[_TypedWord, ...]
    """Left out as often as written, like *van* and initials: may be found as part of a name."""
    lone: bool
    """No word is surely a name."""
    compounds: frozenset[str]

    @classmethod
    def of(cls, role: _Role, words: NameWords) -> "_Field":
        names, besides = words.strong, () if words.lone else words.of(NameKind.BINDING, NameKind.STYLE)
        spare = (word for word in words.words if word not in names + besides and word.kind is not NameKind.GENERATION)
        return cls(role, _sought(names), _sought(besides), _sought(spare), words.lone, words.compounds)

    @property
    def words(self) -> tuple[_TypedWord, ...]:
        return self.names + self.besides

    @property
    def missing(self) -> list[_TypedWord]:
        return [sought for sought in self.words if sought.gap is None]

    @property
    def full(self) -> bool:
        """All there, and more than an initial."""
        return all(sought.gap == 0 for sought in self.words) and self.names[0].word.kind is not NameKind.INITIAL

    @property
    def gap(self) -> int | None:
        """Between the name that comes closest and the record. One of two surnames is as far as another spelling."""
        if self.full:
            return 0
        gaps = [max(SPELLING, sought.gap) for sought in self.names if sought.gap is not None]
        return min(gaps, default=None)

    @property
    def held(self) -> list[_RecordWord]:
        return [held for sought in self.words for held in sought.held]


def compare_names(entered: EnteredPerson, record: EnteredPerson, *, country: str) -> RecordMatch:
    """The word for the name alone. Never raises."""
    typed, held = _TypedName.of(entered), _read_record(record, country)
    if not typed.fields or not held.words:
        return RecordMatch.NOT_COMPARED
    _find_equal(typed, held)
    _find_alike(typed, held)
    if _one_is_the_other_generation(typed, held):
        return RecordMatch.DIFFERS
    if typed.both and all(one.full for one in typed.fields) and not _doubts(typed, held):
        return RecordMatch.MATCHES
    return RecordMatch.PARTLY if _close(typed, held) or _contained(typed, held) else RecordMatch.DIFFERS


# Reading both sides


@dataclass(slots=True, repr=False)
class _TypedName:
    fields: tuple[_Field, ...]
    both: bool
    """A first name and a surname were typed."""
    middle: tuple[_TypedWord, ...]
    generations: tuple[_TypedWord, ...]
    unclear: bool

    @classmethod
    def of(cls, entered: EnteredPerson) -> "_TypedName":
        first, middle, last = (words_of(text) for text in (entered.first_name, entered.middle_name, entered.last_name))
        named = [(_Role.FIRST, first), (_Role.LAST, last)]
        both = bool(first.words and last.words)
        if not first.words and not last.words:
            whole = words_of(entered.full_name)
            both = len(whole.strong) > 1
            # A middle name alone is searched for all the same, and never suffices.
            named, middle = [(_Role.ANY, whole if whole.words else middle)], middle if whole.words else NameWords()
        read = [words for _role, words in named]
        generations = [word for words in read if not words.lone for word in words.of(NameKind.GENERATION)]
        return cls(
            tuple(_Field.of(role, words) for role, words in named if words.words),
            both,
            _sought(middle.of(NameKind.NAME, NameKind.BINDING, NameKind.STYLE, NameKind.INITIAL)),
            _sought((*middle.of(NameKind.GENERATION), *generations)),
            any(words.unclear for words in (middle, *read)),
        )


@dataclass(slots=True, repr=False)
class _RecordName:
    words: list[_RecordWord]
    compounds: frozenset[str]
    unclear: bool

    @property
    def names(self) -> list[_RecordWord]:
        return [held for held in self.words if held.is_name]

    def left(self, *kinds: NameKind) -> list[_RecordWord]:
        return [held for held in self.words if not held.taken and held.word.kind in kinds]


def _sought(words: Iterable[NameWord]) -> tuple[_TypedWord, ...]:
    return tuple(_TypedWord(word) for word in words)


def _read_record(record: EnteredPerson, country: str) -> _RecordName:
    first, last = words_of(record.first_name), words_of(record.last_name)
    whole = words_of(record.full_name)
    if not whole.words:
        whole = words_of(record.first_name, record.middle_name, record.last_name)
    held = [_RecordWord(word) for word in whole.words]
    if first.words and last.words:
        for role, words in ((_Role.FIRST, first), (_Role.LAST, last)):
            for word in words.words:
                one = next((one for one in held if one.word == word and one.role is _Role.ANY), None)
                if one is not None:
                    one.role = role
    elif country.upper() in _OWN_NAME_FIRST:
        for one in [one for one in held if one.is_name][:1]:
            one.role = _Role.FIRST
    return _RecordName(held, whole.compounds, whole.unclear)


# Finding each word


def _find_equal(typed: _TypedName, record: _RecordName) -> None:
    for one in typed.fields:
        for sought in one.words:
            _find_word(sought, record)
    for one in typed.fields:
        for parts, whole in _written_apart(one, record):
            if _surely_one_name(parts, one.compounds) and _surely_one_name(whole, record.compounds):
                _take_all(parts, whole, 0)
    for sought in (*typed.middle, *typed.generations):
        _find_word(sought, record)


def _find_word(sought: _TypedWord, record: _RecordName) -> None:
    held = next((held for held in record.words if not held.taken and held.word == sought.word), None)
    if held is not None:
        sought.take([held], 0)


def _written_apart(one: _Field, record: _RecordName) -> list[tuple[list[_TypedWord], list[_RecordWord]]]:
    """Words that are equal once they are run together, on one side or the other."""
    found: list[tuple[list[_TypedWord], list[_RecordWord]]] = []
    missing = one.missing
    parts = [*missing, *(sought for sought in one.spare if sought.gap is None)]
    left = [held for held in record.words if not held.taken]
    for held in left:
        places = parts_of(held.word.text, _texts(parts))
        if places:
            found.append(([parts[place] for place in places], [held]))
    for sought in missing:
        places = parts_of(sought.word.text, _texts(left))
        if places:
            found.append(([sought], [left[place] for place in places]))
    return sorted(found, key=lambda pair: (_texts(pair[0]), _texts(pair[1])))


def _surely_one_name(parts: Iterable[_TypedWord] | Iterable[_RecordWord], compounds: frozenset[str]) -> bool:
    """A hyphen between the parts says so, or a word like *Abdul* or *Oluwa* that is hardly ever written alone.

    Ada Obi and Adaobi are two names, and so are Ada O. Bello and Ada O'Bello.
    """
    texts = _texts(parts)
    return "".join(texts) in compounds or sum(not binds(text) for text in texts) <= 1


def _take_all(sought: Sequence[_TypedWord], held: Sequence[_RecordWord], gap: int) -> None:
    if all(one.gap is None for one in sought) and not any(one.taken for one in held):
        for one in sought:
            one.take(held, gap)


def _find_alike(typed: _TypedName, record: _RecordName) -> None:
    """The closest first; sorted by their text, so that no order of words changes what is found."""
    pairs: list[tuple[int, list[_TypedWord], list[_RecordWord]]] = []
    for one in typed.fields:
        for sought in (sought for sought in one.names if sought.gap is None):
            for held in record.left(NameKind.NAME, NameKind.INITIAL):
                gap = distance(sought.word, held.word, short_forms=one.role is _Role.FIRST)
                if gap is not None:
                    pairs.append((gap, [sought], [held]))
        pairs += ((SPELLING, parts, whole) for parts, whole in _written_apart(one, record))
    pairs.sort(key=lambda pair: (pair[0], _texts(pair[1]), _texts(pair[2])))
    for gap, parts, whole in pairs:
        _take_all(parts, whole, gap)


def _texts(words: Iterable[_TypedWord] | Iterable[_RecordWord]) -> list[str]:
    return [one.word.text for one in words]


# Judging


def _one_is_the_other_generation(typed: _TypedName, record: _RecordName) -> bool:
    return any(sought.gap is None for sought in typed.generations) and bool(record.left(NameKind.GENERATION))


def _doubts(typed: _TypedName, record: _RecordName) -> bool:
    """What keeps a name from matching whose first name and surname are both in the record."""
    untyped = record.left(NameKind.NAME)
    return any(
        (
            typed.unclear,
            record.unclear,
            any(sought.gap is None for sought in typed.generations),
            bool(record.left(NameKind.GENERATION)),
            # *Prince* may be the title before a first name that was not typed.
            bool(untyped) and any(one.lone for one in typed.fields),
            # *Rahman* may be Abdul Rahman.
            bool(record.left(NameKind.BINDING)),
            # Of five names two may be a brother's.
            len(untyped) * 2 > len(record.names),
            _half_of_a_double_name(record),
            _other_middle_name(typed, record),
            not all(_is_in_its_place(one, record) for one in typed.fields),
        )
    )


def _half_of_a_double_name(record: _RecordName) -> bool:
    """Jean for Jean-Paul, Owusu for Owusu-Ansah. Without a hyphen nobody knows that they are one name."""
    left = {held.word.compound for held in record.left(NameKind.NAME)} - {""}
    return any(held.taken and held.word.compound in left for held in record.words)


def _other_middle_name(typed: _TypedName, record: _RecordName) -> bool:
    """Each side has a middle name that the other lacks. An initial agrees with any name that begins so."""
    spare = [sought for one in typed.fields for sought in one.spare if sought.word.kind is NameKind.INITIAL]
    missing = [sought.word for sought in (*typed.middle, *spare) if sought.gap is None]
    left = [held.word for held in record.left(NameKind.NAME, NameKind.INITIAL)]
    for word in sorted(missing, key=lambda word: word.text):
        for other in sorted(left, key=lambda word: word.text):
            if NameKind.INITIAL in (word.kind, other.kind) and distance(word, other) is not None:
                missing.remove(word)
                left.remove(other)
                break
    return bool(missing) and bool(left)


def _is_in_its_place(one: _Field, record: _RecordName) -> bool:
    """The first name is none of the record's surnames, nor the other way round, where the record distinguishes them."""
    known = {held.role for held in record.words} - {_Role.ANY}
    found = {held.role for held in one.held}
    if one.role is _Role.ANY:
        return not known or _Role.FIRST in {held.role for held in one.names[0].held}
    other = _Role.LAST if one.role is _Role.FIRST else _Role.FIRST
    return other not in found and (one.role in found or one.role not in known)


def _close(typed: _TypedName, record: _RecordName) -> bool:
    """Every name that was typed is, or is like, one of the record, and the distances are small in all."""
    if typed.fields[0].role is _Role.ANY:
        gaps = [sought.gap for sought in typed.fields[0].names]
    else:
        gaps = [one.gap for one in typed.fields]
    between = sum(gap for gap in gaps if gap is not None)
    return None not in gaps and between <= (LIMIT if typed.both else SPELLING)


def _contained(typed: _TypedName, record: _RecordName) -> bool:
    """What was typed holds all that the record does: with a married name before or after it, or a second surname."""
    names = record.names
    if len(names) == 1:
        whole = [sought.word.text for one in typed.fields for sought in one.names]
        return names[0].equal or parts_of(names[0].word.text, whole) is not None
    surnames = [held for held in names if held.role is _Role.LAST]
    first_is_there = any(one.full and _is_in_its_place(one, record) for one in typed.fields if one.role is _Role.FIRST)
    needed = surnames if surnames and first_is_there else names
    return bool(needed) and all(held.equal for held in needed)
