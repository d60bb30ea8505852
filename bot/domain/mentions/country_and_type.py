"""The second rule: which country and which ID type are meant. Each may follow from the other, where it must."""

from collections.abc import Sequence
from itertools import pairwise

from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.draft import Item, MessageDraft
from bot.domain.mentions.vocabulary import ELSEWHERE


def settle_country_and_type(draft: MessageDraft, id_types: IDTypes) -> tuple[str | None, str | None]:
    """The two as far as they are sure; what contradicts itself is unclear."""
    _doubt_codes_among_names(draft)
    said = {item.meaning.name for item in draft.countries}
    country = next(iter(said)) if len(said) == 1 and said != {ELSEWHERE} else None
    if said and country is None:
        draft.doubt_all(item.where for item in (*draft.countries, *draft.id_types))
        return None, None
    possible = _possible(draft.id_types, country)
    if len(possible) == 1:
        return next(iter(possible))
    draft.doubt_all(item.where for item in draft.id_types)
    only = id_types.of_country(country) if country and not draft.id_types else []
    return country, only[0].id_type if len(only) == 1 else None


def _possible(named: Sequence[Item], country: str | None) -> frozenset[tuple[str, str]]:
    """The ID types that everything said of them can mean, with their countries."""
    if not named:
        return frozenset()
    shared = frozenset.intersection(*(item.meaning.pairs for item in named))
    return frozenset(pair for pair in shared if country in (None, pair[0]))


def _doubt_codes_among_names(draft: MessageDraft) -> None:
    """`Ng` beside a name may be a surname; `NG` beside `Ada` is not. Said twice, one may be a name."""
    for item in list(draft.countries):
        if _may_be_surname(draft, item):
            draft.doubt(item.where)
            draft.countries.remove(item)
            draft.names_in_doubt = True
    bare = [item.where for item in draft.countries if not item.labelled]
    if any(first.stop != second.start for first, second in pairwise(bare)):
        draft.names_in_doubt = True


def _may_be_surname(draft: MessageDraft, item: Item) -> bool:
    code = draft.words[item.where.start].text
    if item.labelled or len(code) > 2:
        return False
    names = [draft.words[at].text for at in draft.beside(item.where) if _may_be_name(draft, at)]
    return any(not code.isupper() or name.isupper() for name in names)


def _may_be_name(draft: MessageDraft, at: int) -> bool:
    return draft.is_name(at) or any(at in name.where for name in draft.labelled_names)
