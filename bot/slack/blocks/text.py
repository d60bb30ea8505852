"""The texts inside blocks: other people's made harmless, moments and durations as people read them."""

import re
from datetime import datetime, timedelta

from bot.domain.check.check import CUSTOMER
from bot.domain.check.fields import clean
from bot.domain.outbox import CheckLinks

FOREIGN_LENGTH = 300
_FORMATTING = re.compile(r"[*~`@#]|(?<![A-Z0-9])_|_(?![A-Z0-9])")
"""Within a word an underscore formats nothing: the name of a setting stays as it is, since people copy it from here.
Between small letters it may be part of an emoji's name."""
_LINKING = re.compile(r"(?i)(?<=[a-z])(://|:(?=[^\s/]*@))|(?<=\w)(?=\.[a-z])|(?<=www)(?=\.)|\b(?=mailto:)")

_MARKS = re.compile(r"[*_](?:(?<![\w\u2060].)(?!\u2060)|(?<=\S.)(?![\w\u2060]))")
"""At the beginning or the end of a word. The mark itself first: a look at what stands before each letter takes long."""
_TAIL = re.compile(r" ending [^\W_]{1,4}(?!\w)")
"""As `status.subject` writes it; a tail has four letters or digits at most."""


def cut(text: str, length: int = FOREIGN_LENGTH) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def quoted(text: str, length: int = FOREIGN_LENGTH) -> str:
    """Other people's text for plain_text: one line, nothing invisible, cut."""
    # Cleaning takes time for each character: of megabytes, only what could be displayed is cleaned.
    return cut(clean(text[: 8 * length]), length)


def foreign(text: str, length: int = FOREIGN_LENGTH) -> str:
    """Other people's text for mrkdwn: one line, cut, escaped, with no link left to follow.

    Only `&`, `<` and `>` are special to Slack (docs.slack.dev/messaging/formatting-message-text, 2026-11);
    formatting marks are harmless but could pose as ours, so they lose their effect too.
    """
    plain = quoted(text, length)
    if plain.replace(" ", "").isalnum():
        return plain  # letters, digits and blanks, as nearly everything is
    shown = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _LINKING.sub(lambda found: "\u2060" + found[0], shown)
    return _FORMATTING.sub(lambda found: found[0] + "\u2060", shown)


def sentence(text: str) -> str:
    """With a full stop, so that what follows is not read into it."""
    return text if text.endswith((".", "?", ":", "…")) else f"{text}."


def counted(*counts: tuple[int, str]) -> list[str]:
    """*3 approved*, *1 rejected*: what there is none of is left out."""
    return [f"{count} {what}" for count, what in counts if count]


def person(user: str) -> str:
    return "the customer" if user == CUSTOMER else f"<@{user}>"


def link_to(text: str, link: str | None) -> str:
    """The text, usually a reference, as a link where there is one."""
    return f"<{link}|{text}>" if link else text


def linked(ref: str, links: CheckLinks) -> str:
    """*K-7F3K2Q (review card)*: the reference leads to the thread, the words after it to the card if it has a link."""
    card = f" ({link_to('review card', links.card)})" if links.card else ""
    return link_to(ref, links.thread) + card


def when(moment: datetime, form: str = "{date_short_pretty} at {time}") -> str:
    """A moment in the reader's own time zone."""
    # Every moment here is in UTC; `isoformat` takes a fifth of the time of `strftime`, and a list has twenty of them.
    return f"<!date^{int(moment.timestamp())}^{form}|{moment.isoformat(' ')[:16]} UTC>"


def took(span: timedelta) -> str:
    """9 s, 4 min 10 s, 5 h 12 min, 3 days."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def spoken(mrkdwn_text: str) -> str:
    """The text without formatting marks, for a notification or a screen reader; mentions and dates stay.

    Without the last characters of a number too: a locked phone shows notifications to whoever picks it up.
    """
    return _TAIL.sub("", _MARKS.sub("", mrkdwn_text))
