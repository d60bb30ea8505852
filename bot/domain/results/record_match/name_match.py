"""Whether the name that was typed is the name in the authority's record. The rules stand in `docs/results.md`.

Only equality makes a match, and only of both first name and surname; what is merely alike asks a person to look.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bot.domain.results.record_match.name_likeness import LIMIT, SPELLING, distance, parts_of
from bot.domain.results.record_match.names import NameKind, NameWord, NameWords, binds, words_of
from bot.domain.results.record_match.person import EnteredPerson, RecordMatch

_OWN_NAME_FIRST = frozenset({"DJ", "EG", "ER", "ET", "LY", "SD", "SO", "SS"})
"""Countries where one's own name stands first, then the father's, then the grandfather's.

There Bekele Abebe may be the son of Abebe Bekele: only the order tells them apart.
"""


class _Role(Enum):
    FIRST = auto()
    LAST = auto()
    ANY = auto()
    """Not known, or neither."""


@dataclass(slots=True, repr=False)
class _Held:
    """One word of the record."""

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
class _Sought:
    """One word that was typed."""

    word: NameWord
    held: tuple[_Held, ...] = ()
    gap: int | None = None
    """What stands between it and `held`; 0 for equality, None while nothing of the record fits."""

    def take(self, held: Iterable[_Held], gap: int) -> None:
        self.held, self.gap = tuple(held), gap
        for one in self.held:
            one.taken, one.equal = True, gap == 0


@dataclass(slots=True, repr=False)
class _Field:
    """First name, surname, or both, as typed: every word must be found in the record."""

    role: _Role
    names: tuple[_Sought, ...]
    besides: tuple[_Sought, ...]
    """Needed too, but surely no name alone: *Abdul* in Abdul Rahman, *Prince* in Prince Emeka."""
    spare: tuple[_Sought, ...]
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
    def words(self) -> tuple[_Sought, ...]:
        return self.names + self.besides

    @property
    def missing(self) -> list[_Sought]:
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
    def held(self) -> list[_Held]:
        return [held for sought in self.words for held in sought.held]


def compare_names(entered: EnteredPerson, record: EnteredPerson, *, country: str) -> RecordMatch:
    """The word for the name alone. Never raises."""
    typed, held = _Typed.of(entered), _read_record(record, country)
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
class _Typed:
    fields: tuple[_Field, ...]
    both: bool
    """A first name and a surname were typed."""
    middle: tuple[_Sought, ...]
    generations: tuple[_Sought, ...]
    unclear: bool

    @classmethod
    def of(cls, entered: EnteredPerson) -> "_Typed":
        first, middle, last = (words_of(text) for text in (entered.first_name, entered.middle_name, entered.last_name))
        named = [(_Role.FIRST, first), (_Role.LAST, last)]
        both = bool(first.words and last.words)
        if not first.words and not last.words:
            whole = words_of(entered.full_name)
            both = len(whole.strong) > 1
            # Nothing but a middle name is looked for all the same, and suffices for nothing.
            named, middle = [(_Role.ANY, whole if whole.words else middle)], middle if whole.words else NameWords()
        everything = [middle, *(words for _role, words in named)]
        generations = middle.of(NameKind.GENERATION)
        for _role, words in named:
            generations += () if words.lone else words.of(NameKind.GENERATION)
        return cls(
            tuple(_Field.of(role, words) for role, words in named if words.words),
            both,
            _sought(middle.of(NameKind.NAME, NameKind.BINDING, NameKind.STYLE, NameKind.INITIAL)),
            _sought(generations),
            any(words.unclear for words in everything),
        )


@dataclass(slots=True, repr=False)
class _Record:
    words: list[_Held]
    compounds: frozenset[str]
    unclear: bool

    @property
    def names(self) -> list[_Held]:
        return [held for held in self.words if held.is_name]

    def left(self, *kinds: NameKind) -> list[_Held]:
        return [held for held in self.words if not held.taken and held.word.kind in kinds]


def _sought(words: Iterable[NameWord]) -> tuple[_Sought, ...]:
    return tuple(_Sought(word) for word in words)


def _read_record(record: EnteredPerson, country: str) -> _Record:
    first, last = words_of(record.first_name), words_of(record.last_name)
    whole = words_of(record.full_name)
    if not whole.words:
        whole = words_of(record.first_name, record.middle_name, record.last_name)
    held = [_Held(word) for word in whole.words]
    if first.words and last.words:
        for role, words in ((_Role.FIRST, first), (_Role.LAST, last)):
            for word in words.words:
                _give_role(role, word, held)
    elif country.upper() in _OWN_NAME_FIRST:
        for one in [one for one in held if one.is_name][:1]:
            one.role = _Role.FIRST
    return _Record(held, whole.compounds, whole.unclear)


def _give_role(role: _Role, word: NameWord, held: Sequence[_Held]) -> None:
    for one in held:
        if one.word == word and one.role is _Role.ANY:
            one.role = role
            return


# Finding each word


def _find_equal(typed: _Typed, record: _Record) -> None:
    for one in typed.fields:
        for sought in one.words:
            _find_word(sought, record)
    for one in typed.fields:
        for parts, whole in _written_apart(one, record):
            if _surely_one_name(parts, one.compounds) and _surely_one_name(whole, record.compounds):
                _take_all(parts, whole, 0)
    for sought in (*typed.middle, *typed.generations):
        _find_word(sought, record)


def _find_word(sought: _Sought, record: _Record) -> None:
    for held in record.words:
        if not held.taken and held.word == sought.word:
            sought.take([held], 0)
            return


def _written_apart(one: _Field, record: _Record) -> list[tuple[list[_Sought], list[_Held]]]:
    """Words that are equal once they are run together, on one side or the other."""
    found: list[tuple[list[_Sought], list[_Held]]] = []
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


def _surely_one_name(parts: Iterable[_Sought] | Iterable[_Held], compounds: frozenset[str]) -> bool:
    """A hyphen between the parts says so, or a word like *Abdul* or *Oluwa* that is hardly ever written alone.

    Ada Obi and Adaobi are two names, and so are Ada O. Bello and Ada O'Bello.
    """
    texts = _texts(parts)
    return "".join(texts) in compounds or sum(not binds(text) for text in texts) <= 1


def _take_all(sought: Sequence[_Sought], held: Sequence[_Held], gap: int) -> None:
    if all(one.gap is None for one in sought) and not any(one.taken for one in held):
        for one in sought:
            one.take(held, gap)


def _find_alike(typed: _Typed, record: _Record) -> None:
    """The closest first; sorted by their text, so that no order of words changes what is found."""
    pairs: list[tuple[int, list[_Sought], list[_Held]]] = []
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


def _texts(words: Iterable[_Sought] | Iterable[_Held]) -> list[str]:
    return [one.word.text for one in words]


# Judging


def _one_is_the_other_generation(typed: _Typed, record: _Record) -> bool:
    """Junior against Senior."""
    return any(sought.gap is None for sought in typed.generations) and bool(record.left(NameKind.GENERATION))


def _doubts(typed: _Typed, record: _Record) -> bool:
    """What keeps a name from matching whose first name and surname are both in the record."""
    untold = record.left(NameKind.NAME)
    return (
        typed.unclear
        or record.unclear
        or any(sought.gap is None for sought in typed.generations)
        or bool(record.left(NameKind.GENERATION))
        # *Prince* may be the title before a first name that was not typed.
        or (bool(untold) and any(one.lone for one in typed.fields))
        # *Rahman* may be Abdul Rahman.
        or bool(record.left(NameKind.BINDING))
        # Of five names two may be a brother's.
        or len(untold) * 2 > len(record.names)
        or _half_of_a_double_name(record)
        or _other_middle_name(typed, record)
        or not all(_stands_where_it_should(one, record) for one in typed.fields)
    )


def _half_of_a_double_name(record: _Record) -> bool:
    """Jean for Jean-Paul, Owusu for Owusu-Ansah. Without a hyphen nobody knows that they are one name."""
    left = {held.word.compound for held in record.left(NameKind.NAME)} - {""}
    return any(held.taken and held.word.compound in left for held in record.words)


def _other_middle_name(typed: _Typed, record: _Record) -> bool:
    """Both sides have a middle name that the other lacks. An initial agrees with any name that begins so."""
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


def _stands_where_it_should(one: _Field, record: _Record) -> bool:
    """The first name is none of the record's surnames, nor the other way round, where the record tells them apart."""
    known = {held.role for held in record.words} - {_Role.ANY}
    found = {held.role for held in one.held}
    match one.role:
        case _Role.FIRST:
            return _Role.LAST not in found and (_Role.FIRST in found or _Role.FIRST not in known)
        case _Role.LAST:
            return _Role.FIRST not in found and (_Role.LAST in found or _Role.LAST not in known)
        case _Role.ANY:
            return not known or _Role.FIRST in {held.role for held in one.names[0].held}


def _close(typed: _Typed, record: _Record) -> bool:
    """Every name that was typed is, or is like, one of the record, and little stands between them in all."""
    if typed.fields[0].role is _Role.ANY:
        gaps = [sought.gap for sought in typed.fields[0].names]
    else:
        gaps = [one.gap for one in typed.fields]
    between = sum(gap for gap in gaps if gap is not None)
    return None not in gaps and between <= (LIMIT if typed.both else SPELLING)


def _contained(typed: _Typed, record: _Record) -> bool:
    """What was typed holds all that the record does: with a married name before or after it, or a second surname."""
    names = record.names
    if len(names) == 1:
        whole = [sought.word.text for one in typed.fields for sought in one.names]
        return names[0].equal or parts_of(names[0].word.text, whole) is not None
    surnames = [held for held in names if held.role is _Role.LAST]
    first_is_there = any(
        one.full and _stands_where_it_should(one, record) for one in typed.fields if one.role is _Role.FIRST
    )
    if surnames and first_is_there and all(held.equal for held in surnames):
        return True
    return bool(names) and all(held.equal for held in names)
