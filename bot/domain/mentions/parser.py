"""What a message says of a check: `NG BVN 00000000000 Ada Obi 1990-01-02`, in any order, labelled or not.

The text becomes words (`tokens`), the words have meanings (`vocabulary`), and the rules of the grammar make fields of
them, one after the other; each rule takes only words that no rule before it has taken.

Nothing is guessed. What could be two things is neither: it is handed back as `unclear`, and the form opens instead.
The limits of that: an unlabelled word that is the name of a country (`Kenya Ada Obi`) is the country.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from bot.domain.check.fields import clean
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.mentions.draft import MessageDraft
from bot.domain.mentions.fixed_forms import read_fixed_forms
from bot.domain.mentions.rules import settle_country_and_type, settle_names, settle_numbers
from bot.domain.mentions.tokens import MAX_MENTION, TokenKind, has_digit, read
from bot.domain.mentions.vocabulary import REFERENCE, Vocabulary

NOT_READ = f"the text after its first {MAX_MENTION:,} characters"
_FEWEST_DIGITS = 5
"""The shortest numbers on cards that people still hold have six; a year has four."""
_TELEPHONE = re.compile(r"<tel:([^<>]*)>")
_OTHER_CONTROL = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """What was said for sure, and the words of which nothing is sure."""

    country: str | None
    id_type: str | None
    texts: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Smile ID's field names to text, as the form would hold it; `request.parse` finds its faults."""
    customer_reference: str = field(repr=False, default="")
    unclear: tuple[str, ...] = field(repr=False, default=())
    """Words that fit nothing, or could be more than one thing; written by others: escape them."""
    spoken: bool = field(default=False, repr=False)
    """Something in `unclear` does speak of a check: a number, a date, a country, a label."""

    @property
    def is_empty(self) -> bool:
        """Nothing was said about a check at all: a greeting, *help*, only a mention."""
        return not (self.country or self.id_type or self.texts or self.customer_reference or self.spoken)


def understand(
    text: str, id_types: IDTypes, *, today: date, bot_user_id: str = "", chosen: tuple[str, str] | None = None
) -> ParsedMessage:
    """Read a message's text as Slack sends it. Never raises.

    Without `bot_user_id` the only person mentioned is taken for the bot, and of several none is. `chosen`: the country
    and the ID type that somebody chose since, whatever the text says of them.
    """
    draft, cut = _draft(text, id_types, today=today, bot_user_id=bot_user_id)
    country, id_type = settle_country_and_type(draft, id_types)
    if chosen is not None:
        country, id_type = chosen
    entry = id_types.find_offered(country, id_type) if country and id_type else None
    settle_numbers(draft, entry)
    settle_names(draft, entry, whole=not cut)
    texts = _texts(draft, entry)
    unclear = [draft.words[at].text for at in sorted(draft.free | draft.unclear)]
    return ParsedMessage(
        country=country,
        id_type=id_type,
        customer_reference=texts.pop(REFERENCE, ""),
        texts=texts,
        unclear=(*unclear, NOT_READ) if cut else tuple(unclear),
        spoken=_speaks_of_a_check(draft, cut=cut),
    )


def understand_in_channel(text: str, id_types: IDTypes, *, bot_user_id: str = "") -> ParsedMessage:
    """The country and the ID type that a message names; nothing else of it is in the result. Never raises.

    Everybody in the channel reads it, and Slack's search finds it for years. So nothing more is taken, and its author
    is asked to delete a number (`holds_number`).
    """
    # Which day is today matters for dates of birth alone, and none is taken.
    draft, cut = _draft(text, id_types, today=date.max, bot_user_id=bot_user_id)
    country, id_type = settle_country_and_type(draft, id_types)
    return ParsedMessage(country=country, id_type=id_type, spoken=_speaks_of_a_check(draft, cut=cut))


def holds_number(text: str) -> bool:
    """Whether something in a text of Slack's looks like an ID number, a telephone number or a date of birth.

    Reads the whole text, however long; a false alarm is cheap. Digits in neighbouring words count together, as in
    `222 1234 5678`. Links and people hold digits too, but nobody's number.
    """
    plain = _OTHER_CONTROL.sub(" . ", _TELEPHONE.sub(r" \1 ", text))
    digits = 0
    for word in clean(html.unescape(plain)).split():
        found = sum(ch.isdigit() for ch in word)
        # A dash or a bullet by itself does not end a number; a word does.
        digits = digits + found if found or not any(ch.isalnum() for ch in word) else 0
        if digits >= _FEWEST_DIGITS:
            return True
    return False


def _draft(text: str, id_types: IDTypes, *, today: date, bot_user_id: str) -> tuple[MessageDraft, bool]:
    """The words with what has a fixed form recognised, and whether the text was too long to be read whole."""
    vocabulary = Vocabulary(id_types)
    words, cut = read(text, label_ends=vocabulary.label_ends, bot_user_id=bot_user_id)
    draft = MessageDraft(words, vocabulary, today)
    read_fixed_forms(draft)
    return draft, cut


def _texts(draft: MessageDraft, entry: IDType | None) -> dict[str, str]:
    """Fields with one value that this ID type asks for; the words of the others become unclear."""
    texts: dict[str, str] = {}
    for name, values in draft.found.items():
        foreign = entry is not None and name not in (*entry.fields, REFERENCE)
        if foreign or len({value for value, _ in values}) > 1:
            draft.doubt_all(where for _, where in values)
        elif values[0][0]:
            texts[name] = values[0][0]
    return texts


def _speaks_of_a_check(draft: MessageDraft, *, cut: bool) -> bool:
    numbers = any(has_digit(word) for word in draft.words if word.kind is TokenKind.WORD)
    return cut or draft.speaks_of_a_check or numbers
