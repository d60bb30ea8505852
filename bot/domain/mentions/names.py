"""The last rule: names. Without labels they get their places only when all that there are fit, in the order given."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from bot.domain.id_types.id_types import IDType
from bot.domain.mentions.draft import MessageDraft
from bot.domain.mentions.tokens import has_digit, is_letters
from bot.domain.mentions.vocabulary import NAME_FIELDS, NUMBER

_FIRST, _MIDDLE, _LAST = NAME_FIELDS
_FEWEST_IN_A_LIST = 3


def settle_names(draft: MessageDraft, entry: IDType | None, *, whole: bool) -> None:
    """Give names their places. `whole`: no part of the text was left unread, which may hold more names."""
    bare = [at for at in sorted(draft.free) if draft.is_name(at)]
    draft.names_in_doubt |= any(_is_next_to_number(draft, at) for at in bare)
    # `An` may be an everyday word or the first of three names.
    draft.names_in_doubt |= any(is_letters(draft.words[at]) for at in draft.free.difference(bare))
    about_a_check = bool(draft.countries or draft.id_types or draft.found)
    if draft.labelled_names:
        _settle_labelled(draft, are_all=not bare)
    elif whole and about_a_check and not draft.names_in_doubt and not _is_surname_first(draft, bare):
        for name, at in zip(_places(len(bare), entry), bare, strict=False):
            draft.put(name, draft.words[at].text, range(at, at + 1))


def _settle_labelled(draft: MessageDraft, *, are_all: bool) -> None:
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
