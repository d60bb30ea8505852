"""Whether a message gives away, in a channel, what only a direct message or the form should hold.

Everybody in the channel reads it, and Slack's search finds it for years. So nothing of it is taken but the country, the
ID type and the photos (`parser.understand_in_channel`), and its author is asked to delete it.
"""

import html
import re

from bot.domain.check.request import clean

_FEWEST_DIGITS = 5
"""The shortest numbers on cards that people still hold have six; a year has four."""
_TELEPHONE = re.compile(r"<tel:([^<>]*)>")
_OTHER_CONTROL = re.compile(r"<[^<>]*>")


def holds_number(text: str) -> bool:
    """Whether something in a text of Slack's looks like an ID number, a telephone number or a date of birth.

    Reads the whole text, however long. A false alarm is cheap: the answer only asks to delete the message.
    Digits in neighbouring words count together, as in `222 1234 5678`. Links and people hold digits too,
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
