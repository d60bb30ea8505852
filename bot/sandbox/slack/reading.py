"""Messages and views read aloud: as plain lines for people, and as the notifications and links they cause."""

import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from bot.sandbox.slack.inputs import VALUE_KEYS, elements, options_of, python_value
from bot.sandbox.slack.world import Message

JSON = dict[str, Any]

_SPECIAL = re.compile(r"<([^<>]+)>")
_MARKS = re.compile(r"(?<![\w*])([*_~])(?=\S)(.+?)(?<=\S)\1(?![\w*])")
_BARE_LINK = re.compile(r"(?<![\w<|/.])(?:https?://|www\.)[^\s<>|]+")


def plain(
    thing: Message | JSON | list[JSON],
    *,
    names: Mapping[str, str] | None = None,
    timezone: tzinfo = UTC,
) -> str:
    """Readable lines: marks stripped, @names, dates, buttons in [brackets].

    Blocks when there are any; else the text, as Slack shows it.
    """
    values: JSON = {}
    if isinstance(thing, Message):
        reader = _Reader(names or thing.names, timezone)
        blocks, text = thing.blocks, thing.text
    elif isinstance(thing, dict):
        reader = _Reader(names or {}, timezone)
        blocks, text = thing.get("blocks") or [], str(thing.get("text") or "")
        values = (thing.get("state") or {}).get("values") or {}
    else:
        reader, blocks, text = _Reader(names or {}, timezone), thing, ""
    if not blocks:
        return reader.mrkdwn(text)
    lines: list[str] = []
    if isinstance(thing, dict) and thing.get("title"):
        lines.append(thing["title"]["text"])
    for block in blocks:
        lines += reader.block(block, values.get(block.get("block_id", ""), {}))
    if isinstance(thing, dict):
        lines += [f"[{thing[key]['text']}]" for key in ("submit", "close") if thing.get(key)]
    return "\n".join(line for line in lines if line.strip())


def pings(thing: Message | JSON | list[JSON]) -> set[str]:
    """Everything here that Slack turns into a notification or a link.

    A date is neither. Bare addresses count where Slack links them: in mrkdwn without `verbatim`, and in a
    text that stands alone.
    """
    if isinstance(thing, Message):
        text, blocks = thing.text, thing.blocks
    elif isinstance(thing, dict):
        text, blocks = str(thing.get("text") or ""), thing.get("blocks") or []
    else:
        text, blocks = "", thing
    found = _specials(text)
    if not blocks:
        found |= set(_BARE_LINK.findall(text))
    for part in _walk(blocks):
        found |= _pings_of(part)
    return found


def _pings_of(part: JSON) -> set[str]:
    match part.get("type"):
        case "mrkdwn" if part.get("verbatim"):
            return _specials(part["text"])
        case "mrkdwn":
            return _specials(part["text"]) | set(_BARE_LINK.findall(_SPECIAL.sub("", part["text"])))
        case "markdown" if isinstance(part.get("text"), str):
            return _specials(part["text"]) | set(_BARE_LINK.findall(part["text"]))
        case "user" if "user_id" in part:
            return {f"<@{part['user_id']}>"}
        case "usergroup" if "usergroup_id" in part:
            return {f"<!subteam^{part['usergroup_id']}>"}
        case "broadcast" if "range" in part:
            return {f"<!{part['range']}>"}
        case "link" if "url" in part:
            return {f"<{part['url']}>"}
        case _:
            return set()


def _specials(text: str) -> set[str]:
    marks = {match[0] for match in _SPECIAL.finditer(text)}
    return {mark for mark in marks if re.match(r"<(?:[@#]|!(?!date\^)|[a-z][a-z0-9+.-]*:)", mark)}


def _walk(thing: object) -> Iterator[JSON]:
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


class _Reader:
    def __init__(self, names: Mapping[str, str], timezone: tzinfo) -> None:
        self._names = names
        self._timezone = timezone

    def block(self, block: JSON, held: JSON) -> list[str]:
        match block.get("type"):
            case "divider":
                return ["—"]
            case "section":
                texts = [block.get("text"), *block.get("fields", ())]
                return [*(self.text(text) for text in texts), self._elements(block, held)]
            case "context":
                return [" · ".join(self._context(element) for element in block["elements"])]
            case "input":
                return [
                    f"{self.text(block['label'])}: {self._elements(block, held)}",
                    self.text(block.get("hint")),
                ]
            case "image":
                return [self._context(block)]
            case "rich_text":
                return [self._rich(block)]
            case "table" | "data_table":
                return [" | ".join(self._cell(cell) for cell in row) for row in block["rows"]]
            case "markdown":
                return [self.mrkdwn(block["text"])]
            case _:
                parts = [self.text(block.get(key)) for key in ("title", "subtitle", "text", "body", "subtext")]
                return [*parts, self._elements(block, held)]

    def text(self, text: Any) -> str:
        if isinstance(text, dict) and text.get("type") == "mrkdwn":
            return self.mrkdwn(text["text"])
        return str(text["text"]) if isinstance(text, dict) else str(text or "")

    def mrkdwn(self, text: str) -> str:
        shown = _MARKS.sub(r"\2", _MARKS.sub(r"\2", text)).replace("`", "")
        return html.unescape(_SPECIAL.sub(lambda match: self._special(match[1]), shown))

    def _special(self, inner: str) -> str:
        target, _, label = inner.partition("|")
        if target.startswith("!date^"):
            _, unix, pattern, *_ = target.split("^")
            return self._date(int(unix), pattern)
        if target[0] in "@#":
            return target[0] + (label or self._names.get(target[1:], target[1:]))
        if target.startswith("!"):
            return label or f"@{target[1:].split('^')[-1]}"
        return f"{label} ({target})" if label and label != target else target

    def _date(self, unix: int, pattern: str) -> str:
        when = datetime.fromtimestamp(unix, self._timezone)
        short, long = f"{when:%b} {when.day}, {when.year}", f"{when:%A, %B} {when.day}, {when.year}"
        tokens = {
            "{date_num}": f"{when:%Y-%m-%d}",
            "{date_long_pretty}": long,
            "{date_long}": long,
            "{date_short_pretty}": short,
            "{date_short}": short,
            "{date_pretty}": f"{when:%B} {when.day}, {when.year}",
            "{date}": f"{when:%B} {when.day}, {when.year}",
            "{time_secs}": f"{when:%H:%M:%S}",
            "{time}": f"{when:%H:%M}",
            "{ago}": f"{when:%Y-%m-%d %H:%M}",
        }
        for token, shown in tokens.items():
            pattern = pattern.replace(token, shown)
        return pattern

    def _elements(self, block: JSON, held: JSON) -> str:
        return " ".join(self._element(element, held.get(element.get("action_id", ""))) for element in elements(block))

    def _element(self, element: JSON, held: JSON | None) -> str:
        kind = element["type"]
        if kind == "button":
            return f"[{self.text(element['text'])}]"
        if kind == "image":
            return self._context(element)
        if kind == "overflow":
            return f"[⋯ {' · '.join(self.text(option['text']) for option in options_of(element))}]"
        if held is not None and python_value(held):
            return self._held(held)
        if kind in {"checkboxes", "radio_buttons"}:
            return " ".join(f"☐ {self.text(option['text'])}" for option in options_of(element))
        return f"[{self.text(element.get('placeholder')) or '…'}]"

    def _held(self, held: JSON) -> str:
        inner = held[VALUE_KEYS[held["type"]]]
        return ", ".join(self._item(item) for item in (inner if isinstance(inner, list) else [inner]))

    def _item(self, item: Any) -> str:
        """An option by its label, a file by its name, a person or channel by theirs."""
        if isinstance(item, dict):
            return self.text(item["text"]) if "text" in item else str(item.get("name") or item["id"])
        return self._names.get(str(item), str(item))

    def _context(self, element: JSON) -> str:
        if element.get("type") == "image":
            return f"(image: {element['alt_text']})"
        return self.text(element)

    def _cell(self, cell: JSON) -> str:
        return self._rich(cell) if cell.get("type") == "rich_text" else str(cell.get("text", ""))

    def _rich(self, part: JSON) -> str:
        match part.get("type"):
            case "rich_text":
                return "\n".join(self._rich(element) for element in part["elements"])
            case "rich_text_list":
                return "\n".join(f"• {self._rich(element)}" for element in part["elements"])
            case "user":
                return "@" + self._names.get(part["user_id"], part["user_id"])
            case "channel":
                return "#" + self._names.get(part["channel_id"], part["channel_id"])
            case "usergroup":
                return f"@{part['usergroup_id']}"
            case "broadcast":
                return f"@{part['range']}"
            case "emoji":
                return f":{part['name']}:"
            case "link":
                return str(part.get("text") or part["url"])
            case "date":
                return self._date(int(part["timestamp"]), part["format"])
            case "text":
                return str(part["text"])
            case _:
                return "".join(self._rich(element) for element in part.get("elements", ()))
