"""The second rule: which country and which ID type are meant. Each may follow from the other, where it must."""

from collections.abc import Sequence
from itertools import pairwise

from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.draft import Item, MessageDraft
from bot.domain.mentions.vocabulary import ELSEWHERE


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
