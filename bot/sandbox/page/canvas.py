"""What drawings share: what is known besides the blocks, the table of what can be drawn, and texts."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.page import marks
from bot.sandbox.page.marks import NotDrawn, Reader

JSON = Mapping[str, Any]
Typed = str | Sequence[str]


@dataclass(slots=True, kw_only=True)
class Canvas:
    """What is known besides the blocks while they are drawn.

    In a picture (`is_live` False) controls stand still: menus and confirmations, which Slack shows only after a click,
    are drawn below what opens them, and what is not known raises NotDrawn. On the page they can be used, and a block
    that cannot be drawn leaves a visible box with the reason, which `refused` has too.
    """

    reader: Reader
    is_live: bool = False
    prefix: str = ""
    """Makes the ids of this drawing's controls unique in its page."""
    typed: Mapping[str, Typed] = field(default_factory=dict)
    """What a person has filled in, by block_id: text, option values, names of files."""
    held: Mapping[tuple[str, str], Typed] = field(default_factory=dict)
    """The same by block_id and action_id, which goes before; empty where nothing is chosen any more."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """`response_action: errors`, by block_id."""
    source: Callable[[str], str | None] = lambda _name: None
    """Where the picture with this URL or Slack file id is to be had, if anywhere."""
    conversations: Callable[[JSON], Sequence[str]] = lambda _element: ()
    """Ids that a menu of conversations offers this person."""
    asked: set[str] = field(default_factory=set)
    """Confirmations that the sheet shows already."""
    refused: list[str] = field(default_factory=list)
    """Why blocks were not drawn."""
    met: set[str] = field(default_factory=set)
    """Inputs, by block_id."""
    below: list[str] = field(default_factory=list)
    """Confirmations and menus met in the block that is being drawn."""
    block_id: str = ""
    """Of the block that is being drawn."""
    label: "Label | None" = None
    """Of the input block that is being drawn."""
    count: int = 0

    def new_id(self) -> str:
        self.count += 1
        return f"{self.prefix}c{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What an input block says of its one control."""

    control_id: str
    described_by: Sequence[str]
    is_wrong: bool
    is_optional: bool
    is_dispatching: bool
    """Each change goes to the bot at once."""


Draw = Callable[[Canvas, JSON], str]
Table = dict[str, tuple[Draw, frozenset[str]]]
BLOCKS: Table = {}
ELEMENTS: Table = {}


def draws(table: Table, kinds: str, keys: str) -> Callable[[Draw], Draw]:
    """Registers the drawing of these types; `keys` are all that it draws or knows to be invisible."""

    def register(draw: Draw) -> Draw:
        for kind in kinds.split():
            table[kind] = (draw, frozenset(f"type {keys}".split()))
        return draw

    return register


def drawn(table: Table, canvas: Canvas, thing: JSON) -> str:
    kind = str(thing.get("type"))
    if kind not in table:
        raise NotDrawn(f"no drawing for a {kind}")
    draw, keys = table[kind]
    if unknown := set(thing) - keys:
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a {kind}")
    return draw(canvas, thing)


def text(canvas: Canvas, given: JSON) -> str:
    kind = given.get("type")
    if unknown := set(given) - {"type", "text", "emoji", "verbatim"}:
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a text")
    if kind == "plain_text" and (canvas.is_live or given.get("emoji") is False):
        return marks.plain(given["text"])
    if kind == "mrkdwn" and (canvas.is_live or given.get("verbatim") is True):
        return marks.mrkdwn(given["text"], canvas.reader)
    raise NotDrawn(f"a text that Slack would read more into (emoji, links of its own making): {given}")


def image(canvas: Canvas, shown: JSON, css: str) -> str:
    name = str(shown.get("image_url") or shown["slack_file"].get("id") or shown["slack_file"].get("url"))
    source = canvas.source(name)
    if source is not None:
        return picture(source, shown["alt_text"], css)
    if canvas.is_live and "slack_file" in shown:
        said = f"{shown['alt_text']}: you do not have access to this file"
        return f'<div class="nopicture">{html.escape(said)}</div>'
    raise NotDrawn(f"there is no picture for {name}")


def picture(source: str, alt: str, css: str) -> str:
    return f'<img class="{css}" alt="{html.escape(alt)}" src="{html.escape(source)}">'


def attributes(**given: object) -> str:
    """As HTML writes them: `data_act="x"` is `data-act`, True stands alone, False and None are left out."""
    parts = []
    for name, value in given.items():
        if value is True:
            parts.append(f" {_spelled(name)}")
        elif value is not False and value is not None:
            parts.append(f' {_spelled(name)}="{html.escape(str(value))}"')
    return "".join(parts)


def _spelled(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
