"""Slack's message text as words: links opened, escapes undone, decoration taken off, separators remembered.

What the words mean is left to `vocabulary` and `parser`.
"""

import html
import re
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.domain.check.fields import clean, narrow

MAX_MENTION = 1_000
"""Characters of a mention that are read; a message of Slack may have 40,000."""

_CONTROL = re.compile(r"<([^<>\n]*)>")
_SEPARATOR = re.compile(r"[,;|\t،、；，•◦▪▫●○‣⁃∙·]")
_MARK = re.compile(r"[:=：]")
_EDGES = "\"'`*_~()[]{}<>!?“”„‘’‚«»‹›´…"
_MONTH_COMMA = re.compile(r"(?<![A-Za-z])([A-Za-z]{3,9}[ ]+\d{1,2}(?:st|nd|rd|th)?),(?=\s*\d{4}(?!\d))")
_EMOJI = re.compile(r"(?<!\S):(?!flag)[a-z0-9_+'-]*[a-z][a-z0-9_+'-]*:(?!\S)")
_JOINT = "\0"
"""Holds the groups of a telephone link together: Slack has said where the number begins and ends."""


class TokenKind(StrEnum):
    WORD = "word"
    LINK = "link"
    """An address; may be the value of a label, is nothing without one."""
    PERSON = "person"
    """A person, a group or a channel: never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    text: str = field(repr=False)
    """As typed, without the decoration around it."""
    kind: TokenKind = TokenKind.WORD
    line: int
    segment: int
    """Counts what lies between separators; things of different segments are never joined."""
    marked: bool = False
    """A colon or equals sign follows."""


def fold(text: str) -> str:
    """Letters and digits without case and accents: `Côte d'Ivoire` and `COTE_DIVOIRE` are one."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(ch for ch in plain if ch.isalnum()).casefold()


def read(text: str, *, label_ends: Container[str], bot_user_id: str) -> tuple[list[Token], bool]:
    """The words, and whether the text was too long to be read whole.

    A word is cut at a colon only where a label can end (`label_ends`, folded): a reference may hold one itself.
    A long text is cut where something ends for sure, so that no half number passes for a whole one.
    """
    text, cut = _shortened(text.replace(_JOINT, " "))
    own = _own_mention(text, bot_user_id)
    words: list[Token] = []
    segment = 0
    for number, line in enumerate(text.splitlines()):
        segment += 1
        for piece, kind in _pieces(line, own):
            if kind is TokenKind.WORD:
                segment = _add(words, piece, line=number, segment=segment, label_ends=label_ends)
            else:
                words.append(Token(text=clean(piece), kind=kind, line=number, segment=segment))
    return [word for word in words if word.text], cut


def has_digit(word: Token) -> bool:
    return any(ch.isdigit() for ch in word.text)


def is_group(word: Token) -> bool:
    """Whether it may be a group of digits of a longer number."""
    return word.kind is TokenKind.WORD and word.text.strip("()-.").replace("-", "").replace(".", "").isdecimal()


def is_letters(word: Token) -> bool:
    """Letters alone, with the signs that occur within names."""
    kinds = [unicodedata.category(ch)[0] if ch not in "'-.’ʼ‘`" else "-" for ch in word.text]
    return word.kind is TokenKind.WORD and "L" in kinds and set(kinds) <= {"L", "M", "-"}


def _shortened(text: str) -> tuple[str, bool]:
    if len(text) <= MAX_MENTION:
        return text, False
    text = text[:MAX_MENTION]
    return text[: max(text.rfind("\n"), text.rfind(","), text.rfind(";"), 0)], True


def _own_mention(text: str, bot_user_id: str) -> str:
    """How the bot itself is mentioned; empty if that is unclear."""
    if bot_user_id:
        return f"@{bot_user_id}"
    people = {found[1].partition("|")[0] for found in _CONTROL.finditer(text) if found[1].startswith("@")}
    return people.pop() if len(people) == 1 else ""


def _pieces(line: str, own: str) -> Iterator[tuple[str, TokenKind]]:
    """Runs of plain text, and the people and links between them."""
    text, at = "", 0
    for found in _CONTROL.finditer(line):
        text += _plain(line[at : found.start()])
        at = found.end()
        opened, kind = _opened(found[1], own)
        if kind is TokenKind.WORD:
            text += opened
            continue
        yield text, TokenKind.WORD
        yield opened, kind
        text = ""
    yield text + _plain(line[at:]), TokenKind.WORD


def _plain(text: str) -> str:
    text = narrow(html.unescape(text) if "&" in text else text)
    return _MONTH_COMMA.sub(r"\1 ", _EMOJI.sub(" ", text))


def _opened(control: str, own: str) -> tuple[str, TokenKind]:
    """The content of angle brackets; a telephone link is nothing but the text that was typed."""
    target, _, label = html.unescape(control).partition("|")
    if own and target == own:
        return " ", TokenKind.WORD
    if target.startswith(("@", "#", "!")):
        sign = "" if label.startswith(("@", "#")) else target[:1].replace("!", "")
        return sign + (label or target[1:]), TokenKind.PERSON
    if target.startswith("tel:"):
        return _JOINT.join((label or target.removeprefix("tel:")).split()), TokenKind.WORD
    return label or target.removeprefix("mailto:"), TokenKind.LINK


def _add(words: list[Token], text: str, *, line: int, segment: int, label_ends: Container[str]) -> int:
    """Put the words of a run behind the others; the number of its last segment comes back."""
    for number, part in enumerate(_SEPARATOR.split(text)):
        segment += number > 0
        for raw in part.split():
            for bare, marked in _halves(raw, label_ends):
                if bare:
                    words.append(Token(text=bare, line=line, segment=segment, marked=marked))
                elif marked and words and words[-1].segment == segment:
                    words[-1] = replace(words[-1], marked=True)
                elif not marked:
                    # A dash or arrow by itself: its two sides are not one number or name.
                    segment += 1
    return segment


def _halves(raw: str, label_ends: Container[str]) -> list[tuple[str, bool]]:
    raw = _bare(raw)
    found = _MARK.search(raw)
    if not found:
        return [(raw if any(ch.isalnum() for ch in raw) or _is_flag(raw) else "", False)]
    left, right = _bare(raw[: found.start()]), _bare(raw[found.end() :])
    if left and right and fold(left) not in label_ends:
        return [(raw, False)]
    return [(left, True), (right, False)] if right else [(left, True)]


def _bare(raw: str) -> str:
    bare = clean(raw).strip(_EDGES)
    return bare if len(bare) == 2 and bare.endswith(".") else bare.rstrip("." + _EDGES)


def _is_flag(raw: str) -> bool:
    return any("\U0001f1e6" <= ch <= "\U0001f1ff" for ch in raw)
