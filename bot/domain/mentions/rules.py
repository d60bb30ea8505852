"""The rules behind the fixed forms: country and ID type, then numbers, then names.

Each may follow from the one before it. A number may be written in groups, and is taken only where no other reading of
the digits fits as well. Names without labels get their places only when all that there are fit, in the order given.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from bot.domain.check.fields import check_number
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.mentions.draft import Item, MessageDraft
from bot.domain.mentions.tokens import has_digit, is_group, is_letters
from bot.domain.mentions.vocabulary import BIRTH, ELSEWHERE, NAME_FIELDS, NUMBER, PHONE

_FIRST, _MIDDLE, _LAST = NAME_FIELDS
_FEWEST_IN_A_LIST = 3
_PHONE_DIGITS = range(8, 16)
"""How many digits a telephone number has, with its country's code or without."""


def settle_country_and_type(draft: MessageDraft, id_types: IDTypes) -> tuple[str | None, str | None]:
    """The two as far as they are sure; what contradicts itself is unclear."""
    _doubt_codes_among_names(draft)
    named = {item.meaning.name for item in draft.countries}
    country = min(named) if len(named) == 1 and named != {ELSEWHERE} else None
    if named and country is None:
        draft.doubt_all(item.where for item in (*draft.countries, *draft.id_types))
        return None, None
    if not draft.id_types:
        only = id_types.of_country(country) if country else []
        return country, only[0].id_type if len(only) == 1 else None
    possible = _possible(draft.id_types, country)
    if len(possible) == 1:
        return possible[0]
    draft.doubt_all(item.where for item in draft.id_types)
    return country, None


def _possible(named: Sequence[Item], country: str | None) -> list[tuple[str, str]]:
    """Countries and ID types that everything written of the ID type can mean together."""
    shared = frozenset.intersection(*(item.meaning.pairs for item in named))
    return [pair for pair in shared if country in (None, pair[0])]


def _doubt_codes_among_names(draft: MessageDraft) -> None:
    """`Ng` next to a name may be a surname; `NG` next to `Ada` is not. Written twice, one may be a name."""
    for item in list(draft.countries):
        if _may_be_surname(draft, item):
            draft.doubt(item.where)
            draft.countries.remove(item)
            draft.names_in_doubt = True
    bare = [item.where for item in draft.countries if not item.labelled]
    draft.names_in_doubt |= any(first.stop != second.start for first, second in pairwise(bare))


def _may_be_surname(draft: MessageDraft, item: Item) -> bool:
    code = draft.words[item.where.start].text
    if item.labelled or len(code) > 2:
        return False
    labelled = {at for name in draft.labelled_names for at in name.where}
    names = [draft.words[at].text for at in draft.neighbours(item.where) if at in labelled or draft.is_name(at)]
    return any(not code.isupper() or name.isupper() for name in names)


# Which digits are the ID number, and which are a telephone number


def settle_numbers(draft: MessageDraft, entry: IDType | None) -> None:
    """Find the numbers. Without an ID type no form is known, and only a labelled number is one."""
    unclear_before = set(draft.unclear)
    for start in draft.value_starts[NUMBER]:
        if run := draft.free_run(start):
            _settle_labelled_number(draft, run, entry)
    if entry and NUMBER not in draft.found and draft.unclear.isdisjoint(draft.value_starts[NUMBER]):
        _settle_bare(draft, entry)
    # A telephone number in groups differs from an ID number only once the latter is known.
    for start in _phone_starts(draft, entry):
        if start in draft.free:
            _settle_phone(draft, start)
    draft.number_doubts = draft.unclear - unclear_before
    draft.names_in_doubt |= any(is_letters(draft.words[at]) for at in draft.number_doubts)


def _put(draft: MessageDraft, where: range, entry: IDType) -> None:
    draft.put(NUMBER, check_number(draft.text(where), entry)[0], where)


def _leading_digits(draft: MessageDraft, run: range) -> range:
    return run[: next((count for count, at in enumerate(run) if not has_digit(draft.words[at])), len(run))]


def _settle_labelled_number(draft: MessageDraft, run: range, entry: IDType | None) -> None:
    digits = _leading_digits(draft, run) or run[:1]
    if entry is None:
        # Where the number ends is unknown without its form, unless it is one word or all there is.
        if run == digits:
            draft.put(NUMBER, draft.text(run), run)
        else:
            draft.doubt(run)
        return
    fitting = [run[:count] for count in range(1, len(run) + 1) if draft.fits(run[:count], entry)]
    if fitting and fitting[-1] == digits and has_digit(draft.words[run.start]):
        fitting = [digits]
    if not fitting:
        # Kept although it does not fit: the form shows its fault.
        _put(draft, digits, entry)
    elif len(fitting) == 1 and fitting[0].stop >= digits.stop:
        _put(draft, fitting[0], entry)
    else:
        draft.doubt(run)
        draft.names_in_doubt |= len(fitting) > 1


def _settle_bare(draft: MessageDraft, entry: IDType) -> None:
    everything = [where for where in _runs(draft) if draft.fits(where, entry)]
    fitting = _with_digits(draft, everything)
    implied = _digits_after_type(draft)
    if implied in fitting and all(set(where) <= set(implied) for where in fitting):
        fitting = [implied]
    if not fitting:
        _settle_without_fit(draft, implied, entry, letters_fit=bool(everything))
    elif len(fitting) == 1 and not _is_part_of_longer(draft, fitting[0]):
        _put(draft, fitting[0], entry)
    else:
        # A word of letters among them may be a name.
        draft.names_in_doubt |= any(is_letters(draft.words[at]) for where in fitting for at in where)
        draft.doubt_all(fitting)


def _settle_without_fit(draft: MessageDraft, implied: range, entry: IDType, *, letters_fit: bool) -> None:
    """Nothing with a digit has the form of the number.

    `letters_fit`: words without a digit have it, and are then a name or the number itself.
    """
    if implied and not letters_fit:
        draft.put(NUMBER, draft.text(implied), implied)
        return
    for where in draft.bare_dates:
        # The number may have been written like a date, or the date is the only number there is.
        if draft.fits(where, entry):
            draft.doubt(where)
            draft.found.pop(BIRTH, None)
    draft.names_in_doubt |= letters_fit


def _runs(draft: MessageDraft) -> Iterator[range]:
    for at in range(len(draft.words)):
        run = draft.free_run(at)
        yield from (run[:count] for count in range(1, len(run) + 1))


def _with_digits(draft: MessageDraft, runs: Iterable[range]) -> list[range]:
    # What was called a telephone number is no ID number, however well it fits.
    phones = {at for start in draft.value_starts[PHONE] for at in _labelled_phone(draft, start)}
    digits = {at for at, word in enumerate(draft.words) if has_digit(word)} - phones
    return [where for where in runs if not digits.isdisjoint(where) and phones.isdisjoint(where)]


def _digits_after_type(draft: MessageDraft) -> range:
    """The digits right behind the ID type's name, as in `bvn 123`."""
    stops = (item.where.stop for item in draft.id_types if draft.continues(item.where.start, item.where.stop))
    return next(filter(None, (_leading_digits(draft, draft.free_run(stop)) for stop in stops)), range(0))


def _is_part_of_longer(draft: MessageDraft, where: range) -> bool:
    """Whether other groups of digits are next to it: then it may be a part of a longer number."""
    return any(at in draft.free and is_group(draft.words[at]) for at in draft.neighbours(where))


def _phone_starts(draft: MessageDraft, entry: IDType | None) -> Iterator[int]:
    yield from draft.value_starts[PHONE]
    if entry and PHONE in entry.fields:
        yield from (at for at, word in enumerate(draft.words) if word.text.startswith("+"))


def _labelled_phone(draft: MessageDraft, start: int) -> range:
    return draft.run_while(start, lambda at: at in draft.free and has_digit(draft.words[at]))


def _settle_phone(draft: MessageDraft, start: int) -> None:
    where = draft.run_while(start, lambda at: at in draft.free and (at == start or is_group(draft.words[at])))
    digits = sum(ch.isdecimal() for ch in draft.text(where))
    torn = draft.continues(start, where.stop) and is_group(draft.words[where.stop])
    evidence = (start in draft.value_starts[PHONE], digits >= _PHONE_DIGITS.start)
    is_sure = len(where) == 1 and (all(evidence) if torn else any(evidence))
    is_all_there_is = not torn and NUMBER in draft.found and digits in _PHONE_DIGITS
    if is_sure or is_all_there_is:
        draft.put(PHONE, draft.text(where), where)
    else:
        draft.doubt(where)


# Names


def settle_names(draft: MessageDraft, entry: IDType | None, *, whole: bool) -> None:
    """Give names their places. `whole`: no part of the text was left unread, which may hold more names."""
    bare = [at for at in sorted(draft.free) if draft.is_name(at)]
    draft.names_in_doubt |= any(_is_next_to_number(draft, at) for at in bare)
    # `An` may be an everyday word or the first of three names.
    draft.names_in_doubt |= any(is_letters(draft.words[at]) for at in draft.free.difference(bare))
    about_a_check = bool(draft.countries or draft.id_types or draft.found)
    if draft.labelled_names:
        _settle_labelled_names(draft, are_all=not bare)
    elif whole and about_a_check and not draft.names_in_doubt and not _is_surname_first(draft, bare):
        for name, at in zip(_places(len(bare), entry), bare, strict=False):
            draft.put(name, draft.words[at].text, range(at, at + 1))


def _settle_labelled_names(draft: MessageDraft, *, are_all: bool) -> None:
    labelled = {name.field for name in draft.labelled_names}
    others_known = are_all and NUMBER in draft.found and labelled >= {_FIRST, _LAST}
    for name in draft.labelled_names:
        # `first name: Mary Jane` on a line of its own is one value, once nothing else wants the second word.
        is_one = len(name.where) == 1 or (name.fills_line and others_known)
        next_to_doubt = not draft.unclear.isdisjoint({name.where.start - 1, name.where.stop})
        if is_one and not (draft.names_in_doubt and next_to_doubt):
            draft.put(name.field, draft.text(name.where), name.where)
        else:
            draft.doubt(name.where)


def _places(count: int, entry: IDType | None) -> Sequence[str]:
    """The fields of so many names; none if it is unclear which is which."""
    if count == 3 and entry and _MIDDLE in entry.fields:
        return NAME_FIELDS
    return (_FIRST, _LAST) if count == 2 else ()


def _is_next_to_number(draft: MessageDraft, at: int) -> bool:
    """Next to digits that nobody has claimed: it may be a group of the same number."""
    unclaimed = draft.free | draft.number_doubts
    return any(near in unclaimed and has_digit(draft.words[near]) for near in draft.neighbours(range(at, at + 1)))


def _is_surname_first(draft: MessageDraft, bare: Sequence[int]) -> bool:
    """`Obi, Ada` puts the surname first; only in a list of nothing but single items is a comma just a comma."""
    for first, second in pairwise(bare):
        one, other = draft.words[first], draft.words[second]
        if second == first + 1 and one.line == other.line and one.segment != other.segment:
            sizes = Counter(word.segment for word in draft.words if word.line == one.line)
            in_a_list = sizes[one.segment] == sizes[other.segment] == 1 and len(sizes) >= _FEWEST_IN_A_LIST
            if not in_a_list:
                return True
    return False
