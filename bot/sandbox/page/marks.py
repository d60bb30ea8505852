"""Slack's mrkdwn as HTML, strictly: what Slack would read as a link or a mention must be one of those known here.

The rules: docs.slack.dev/messaging/formatting-message-text (2026-11).
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_KEPT = re.compile("\ue000(\\d+)\ue001")
_OURS = str.maketrans("\ue000\ue001", "\ufffd\ufffd")
"""What marks a kept piece means nothing in the text that is given."""
_CODE = re.compile("```(.+?)```|`(?!\u2060)([^`\n]+)`(?!\u2060)", re.DOTALL)
_TOKEN = re.compile(r"<([^<>]*)>")
_BARE = re.compile(r"[<>]|&(?!(?:amp|lt|gt);)")
_EMOJI = re.compile(r":(?=[^:\s]*[a-z])[a-z0-9_+'-]+:")
_STYLES = [
    (re.compile(f"(?<![\\w{mark}])\\{mark}(?![\\s\u2060{mark}])([^{mark}\n]+?)(?<!\\s)\\{mark}(?![\\w\u2060])"), tag)
    for mark, tag in (("*", "b"), ("_", "i"), ("~", "s"))
]
_DATE_FORMS = {
    "date_num": "%Y-%m-%d",
    "date": "%B %-d, %Y",
    "date_short": "%b %-d, %Y",
    "date_long": "%A, %B %-d, %Y",
    "time": "%-I:%M %p",
    "time_secs": "%-I:%M:%S %p",
}


class NotDrawn(Exception):
    """Something that a picture cannot show as Slack does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: the names they know, their moment and their time zone."""

    people: Mapping[str, str]
    """Names by user id."""
    channels: Mapping[str, str]
    """Names by channel id."""
    now: datetime
    """Today and yesterday count from here."""
    zone: tzinfo
    href: Callable[[str], str | None] = lambda _url: None
    """Where a link leads; without an answer it is drawn and leads nowhere."""
    is_strict: bool = True
    """Whether an unknown person or channel is refused; else it is shown by its id, as Slack does."""


def plain(text: str) -> str:
    """plain_text, where only line breaks have a meaning."""
    return html.escape(text).replace("\n", "<br>")


def escaped(text: str) -> str:
    """For a text area, which keeps its line breaks."""
    return html.escape(text)


def mrkdwn(text: str, reader: Reader) -> str:
    """Raises NotDrawn for text that Slack would not read as its author meant."""
    kept: list[str] = []

    def keep(drawn: str) -> str:
        kept.append(drawn)
        return f"\ue000{len(kept) - 1}\ue001"

    def code(found: re.Match[str]) -> str:
        tag = "pre" if found[1] is not None else "code"
        return keep(f"<{tag}>{_safe(found[1] or found[2])}</{tag}>")

    text = _CODE.sub(code, text.translate(_OURS))
    text = _TOKEN.sub(lambda found: keep(_token(found[1], reader)), text)
    text = _EMOJI.sub(lambda found: keep(f'<span class="emoji">{found[0]}</span>'), _safe(text))
    for pattern, tag in _STYLES:
        text = pattern.sub(rf"<{tag}>\1</{tag}>", text)
    lines = [f"<q>{line[4:].strip()}</q>" if line.startswith("&gt;") else line for line in text.split("\n")]
    text = "<br>".join(lines)
    while _KEPT.search(text):
        text = _KEPT.sub(lambda found: kept[int(found[1])], text)
    return text


def _safe(text: str) -> str:
    """Escaped as Slack wants it, which is as HTML wants it."""
    if bare := _BARE.search(text):
        raise NotDrawn(f"unescaped {bare[0]!r} in mrkdwn: {text[:80]!r}")
    return text


def _token(inside: str, reader: Reader) -> str:
    target, bar, label = inside.partition("|")
    if target.startswith("@"):
        return _mention("@", target[1:], reader.people, reader)
    if target.startswith("#"):
        return _mention("#", target[1:], reader.channels, reader)
    if target.startswith("!subteam^") and not reader.is_strict:
        return f'<span class="mention">{plain(label or "@" + target.partition("^")[2])}</span>'
    if target in ("!here", "!channel", "!everyone"):
        return f'<span class="mention">@{target[1:]}</span>'
    if target.startswith("!date^"):
        return plain(_date(target, label, reader))
    if target.startswith(("https://", "http://", "mailto:")):
        return link(html.unescape(target), _safe(label) if bar else html.escape(html.unescape(target)), reader)
    raise NotDrawn(f"Slack would read <{inside[:60]}> as a link or mention, and nothing here knows it")


def link(url: str, inside: str, reader: Reader) -> str:
    """`inside` is HTML."""
    leads_to = reader.href(url)
    if leads_to is None:
        return f"<a>{inside}</a>"
    # A file is looked at beside the page, everything else of the workspace in it.
    is_within = leads_to.startswith("/") and "/files/" not in leads_to
    away = "" if is_within else ' target="_blank" rel="noopener noreferrer"'
    return f'<a href="{html.escape(leads_to)}"{away}>{inside}</a>'


def _mention(mark: str, id_: str, names: Mapping[str, str], reader: Reader) -> str:
    if id_ not in names and reader.is_strict:
        raise NotDrawn(f"nobody here is {mark}{id_}")
    return f'<span class="mention">{mark}{plain(names.get(id_, id_))}</span>'


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    for size, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if count := minutes // size:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _date(target: str, fallback: str, reader: Reader) -> str:
    if not fallback:
        raise NotDrawn(f"a date without words for old clients: {target}")
    try:
        _mark, seconds, form, *_link = target.split("^")
        moment = datetime.fromtimestamp(int(seconds), UTC).astimezone(reader.zone)
    except (ValueError, OverflowError, OSError) as reason:
        raise NotDrawn(f"no date: {target[:60]}") from reason

    def part(found: re.Match[str]) -> str:
        if found[1] == "ago":
            return _ago(reader.now - moment)
        name = found[1].removesuffix("_pretty")
        if name not in _DATE_FORMS:
            raise NotDrawn(f"Slack knows no date form {found[0]}")
        days = (reader.now.astimezone(reader.zone).date() - moment.date()).days
        if name != found[1] and days in (-1, 0, 1):
            return {-1: "tomorrow", 0: "today", 1: "yesterday"}[days]
        return moment.strftime(_DATE_FORMS[name])

    return re.sub(r"\{(\w+)\}", part, form)
