"""What is read of a message in a channel: the country and the ID type, and whether it gives personal details away.

Everybody in the channel reads the message, and Slack's search finds it for years. So no number, name or date is ever
taken from it: such a check is completed in the form, or asked for in a direct message.
"""

import html
import re

from bot.domain.id_types import IDTypes
from bot.domain.mentions.parser import Understood, country_and_id_type
from bot.domain.request import clean

_FEWEST_DIGITS = 5
"""The shortest numbers on cards that people still hold have six; a year has four."""
_TELEPHONE = re.compile(r"<tel:([^<>]*)>")
_OTHER_CONTROL = re.compile(r"<[^<>]*>")


def understand_in_channel(text: str, id_types: IDTypes, *, bot_user_id: str = "") -> Understood:
    """The country and the ID type that a message names; nothing else of it is in the result. Never raises."""
    country, id_type, spoken = country_and_id_type(text, id_types, bot_user_id=bot_user_id)
    return Understood(country=country, id_type=id_type, texts={}, customer_reference="", unclear=(), spoken=spoken)


def holds_number(text: str) -> bool:
    """Whether something in a text of Slack's looks like an ID number, a telephone number or a date of birth.

    Looks at the whole text, however long, and rather sees one too many: the answer only asks to delete the message.
    Digits that stand in neighbouring words count together, as in `222 1234 5678`. Links and people hold digits too,
    but nobody's number.
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
