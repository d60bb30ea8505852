"""Slack's message text as words: links opened, escapes undone, decoration taken off, separators remembered.

What the words mean is left to `vocabulary` and `parser`.
"""

import html
import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.domain.request import clean

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


class Kind(StrEnum):
    WORD = "word"
    LINK = "link"
    """An address; may stand as the value of a label, is nothing without one."""
    PERSON = "person"
    """Somebody, a group or a channel: never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    text: str = field(repr=False)
    """As typed, without the decoration around it."""
    kind: Kind = Kind.WORD
    line: int
    segment: int
    """Counts what lies between separators; things of different segments are never joined."""
    marked: bool = False
    """A colon or equals sign follows."""


def fold(text: str) -> str:
    """Letters and digits without case and accents: `Côte d'Ivoire` and `COTE_DIVOIRE` are one."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(ch for ch in plain if ch.isalnum()).casefold()


def read(text: str, *, label_ends: Container[str], bot_user_id: str) -> tuple[list[Word], bool]:
    """The words, and whether the text was too long to be read whole.

    A word is cut at a colon only where a label can end (`label_ends`, folded): a reference may hold one itself.
    A long text is cut where something ends for sure, so that no half number passes for a whole one.
    """
    text = text.replace(_JOINT, " ")
    cut = len(text) > MAX_MENTION
    if cut:
        text = text[:MAX_MENTION]
        text = text[: max(text.rfind("\n"), text.rfind(","), text.rfind(";"), 0)]
    people = {found[1].partition("|")[0] for found in _CONTROL.finditer(text) if found[1].startswith("@")}
    own = f"@{bot_user_id}" if bot_user_id else (next(iter(people)) if len(people) == 1 else "")
    words: list[Word] = []
    segment = 0
    for number, line in enumerate(text.splitlines()):
        pieces: list[tuple[str, Kind]] = []
        at = 0
        for found in _CONTROL.finditer(line):
            pieces.append((_plain(line[at : found.start()]), Kind.WORD))
            pieces.append(_opened(found[1], own))
            at = found.end()
        pieces.append((_plain(line[at:]), Kind.WORD))
        segment += 1
        rest = ""
        for text_of, kind in pieces:
            if kind is Kind.WORD:
                rest += text_of
                continue
            segment = _add(words, rest, line=number, segment=segment, label_ends=label_ends)
            rest = ""
            words.append(Word(text=clean(text_of), kind=kind, line=number, segment=segment))
        segment = _add(words, rest, line=number, segment=segment, label_ends=label_ends)
    return [word for word in words if word.text], cut


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFC", html.unescape(text) if "&" in text else text)
    return _MONTH_COMMA.sub(r"\1 ", _EMOJI.sub(" ", text))


def _opened(control: str, own: str) -> tuple[str, Kind]:
    """What stands between angle brackets; a telephone link is nothing but the text that was typed."""
    target, _, label = html.unescape(control).partition("|")
    if own and target == own:
        return " ", Kind.WORD
    if target.startswith(("@", "#", "!")):
        sign = "" if label.startswith(("@", "#")) else target[:1].replace("!", "")
        return sign + (label or target[1:]), Kind.PERSON
    if target.startswith("tel:"):
        return _JOINT.join((label or target.removeprefix("tel:")).split()), Kind.WORD
    return label or target.removeprefix("mailto:"), Kind.LINK


def _add(words: list[Word], text: str, *, line: int, segment: int, label_ends: Container[str]) -> int:
    """Put the words of a run behind the others; the number of its last segment comes back."""
    for number, part in enumerate(_SEPARATOR.split(text)):
        segment += number > 0
        for raw in part.split():
            for bare, marked in _halves(raw, label_ends):
                if bare:
                    words.append(Word(text=bare, line=line, segment=segment, marked=marked))
                elif marked and words and words[-1].segment == segment:
                    words[-1] = replace(words[-1], marked=True)
                elif not marked:
                    # A dash or arrow by itself: what stands on its sides is not one number or name.
                    segment += 1
    return segment


def _halves(raw: str, label_ends: Container[str]) -> list[tuple[str, bool]]:
    raw = _bare(raw)
    found = _MARK.search(raw)
    if not found:
        return [(raw if any(ch.isalnum() for ch in raw) or _is_flag(raw) else "", False)]
    left, right = _bare(raw[: found.start()]), _bare(raw[found.end() :])
    if not left and not right:
        return [("", True)]
    if not left:
        return [("", True), (right, False)]
    if not right:
        return [(left, True)]
    return [(left, True), (right, False)] if fold(left) in label_ends else [(raw, False)]


def _bare(raw: str) -> str:
    bare = clean(raw).strip(_EDGES)
    return bare if len(bare) == 2 and bare.endswith(".") else bare.rstrip("." + _EDGES)


def _is_flag(raw: str) -> bool:
    return any("\U0001f1e6" <= ch <= "\U0001f1ff" for ch in raw)
