"""Text in blocks: ours as mrkdwn, other people's made harmless, all of it within Slack's limits."""

import re
from datetime import datetime, timedelta
from typing import Any

from bot.domain.check.request import clean

Block = dict[str, Any]

FOREIGN_LENGTH = 300
_SECTION = 3000
_LINKING = re.compile(r"(?i)(?<=[a-z])(://|:(?=[^\s/]*@))|(?<=\w)(?=\.[a-z])|(?<=www)(?=\.)|\b(?=mailto:)")


def cut(text: str, length: int = FOREIGN_LENGTH) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def quoted(text: str, length: int = FOREIGN_LENGTH) -> str:
    """Text that others wrote, fit to stand inside plain_text: one line, nothing invisible, cut."""
    # Cleaning looks at every character: of megabytes, only what could be shown is looked at.
    return cut(clean(text[: 8 * length]), length)


def foreign(text: str, length: int = FOREIGN_LENGTH) -> str:
    """Text that others wrote, fit to stand inside mrkdwn: one line, cut, escaped, with no link left to follow.

    Only `&`, `<` and `>` are special to Slack (docs.slack.dev/messaging/formatting-message-text, 2026-11);
    formatting marks are harmless but could pose as ours, so they lose their effect too.
    """
    shown = quoted(text, length)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _LINKING.sub(lambda found: "\u2060" + found[0], shown)
    return re.sub(r"([*_~`@#])", "\\1\u2060", shown)


def sentence(text: str) -> str:
    """With a full stop, so that what follows is not read into it."""
    return text if text.endswith((".", "?", ":", "…")) else f"{text}."


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": cut(text, _SECTION), "verbatim": True}


def plain(text: str, length: int = _SECTION) -> Block:
    return {"type": "plain_text", "text": cut(text, length), "emoji": False}


def section(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}


def plain_section(text: str) -> Block:
    return {"type": "section", "text": plain(text)}


def context(*texts: Block) -> Block:
    return {"type": "context", "elements": list(texts)}


def button(action_id: str, text: str, value: str, *, aloud: str, primary: bool = False) -> Block:
    """`aloud` is what a screen reader says, of which only the first 75 characters are heard."""
    made: Block = {
        "type": "button",
        "action_id": action_id,
        "text": plain(text, 75),
        "value": value,
        "accessibility_label": cut(aloud, 75),
    }
    return made | ({"style": "primary"} if primary else {})


def person(user: str) -> str:
    return f"<@{user}>"


def when(moment: datetime) -> str:
    """A moment in the reader's own time zone."""
    fallback = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


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
    """The same for a notification or a screen reader: no marks, mentions and dates left as Slack reads them."""
    return re.sub(r"(?<![\w\u2060])[*_](?!\u2060)|(?<=\S)[*_](?![\w\u2060])", "", mrkdwn_text)
