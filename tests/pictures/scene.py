"""A scene is one thing that the bot says, a sheet is a picture of several; `scenes/` makes them."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from bot.domain.outbox import Message, PostKind
from bot.outbox.builders import File
from bot.sandbox.page import drawing
from bot.sandbox.page.canvas import Canvas, Typed
from bot.sandbox.page.rendering import STATIC
from tests.pictures.people import READER

DESKTOP, PHONE, TWO_MODALS = 760, 420, 1100
"""Pixels: a conversation in Slack's window, a large phone, and two columns of modals."""

_CSS = "".join(
    path.read_text(encoding="utf-8") for path in (STATIC / "drawing.css", Path(__file__).with_name("sheet.css"))
)


class Place(Enum):
    """Where people read it; the value is written above a message."""

    CHANNEL = ""
    THREAD = "in the thread"
    REVIEWERS = "in #kyc-reviews"
    MANAGERS = "in #kyc-summary"
    PRIVATE = "Only visible to you"
    DIRECT = "direct message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A message, a modal, a home tab, or a file with its comment."""

    caption: str
    """When the bot says it; also part of the picture's alt text."""
    shows: Message | File | Mapping[str, Any]
    kinds: Sequence[PostKind] = ()
    """Its kinds in the outbox, if it is a post."""
    place: Place = Place.CHANNEL
    typed: Mapping[str, Typed] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        match self.shows:
            case Message():
                return self.shows.blocks
            case File():
                return ()
            case view:
                blocks: Sequence[Mapping[str, Any]] = view["blocks"]
                return blocks

    def _source(self, name: str) -> str | None:
        return _data_url(self.images[name]) if name in self.images else None

    def html(self, asked: set[str] | None = None) -> str:
        """`asked`: confirmations that the sheet has drawn already; new ones are added."""
        asked = set() if asked is None else asked
        canvas = Canvas(reader=READER, typed=self.typed, errors=self.errors, source=self._source, asked=asked)
        match self.shows:
            case Message(text=text, blocks=listed):
                drawn = drawing.message(canvas, words=text, listed=listed, at="3:30 PM", note=self.place.value)
            case File(comment=comment, name=name, data=data, alt_text=alt_text):
                is_picture, is_table = name.endswith(".png"), name.endswith(".csv")
                attached = drawing.file(
                    name,
                    size_bytes=len(data),
                    source=_data_url(data) if is_picture else None,
                    alt=alt_text,
                    content=data.decode("utf-8-sig") if is_table else None,
                )
                drawn = drawing.message(
                    canvas, words=comment, listed=(), at="3:30 PM", note=self.place.value, below=attached
                )
            case view:
                drawn = drawing.home(canvas, view) if view["type"] == "home" else drawing.modal(canvas, view)
        return f'<div class="scene"><div class="caption">{html.escape(self.caption)}</div>{drawn}</div>'


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One picture file."""

    name: str
    """Its file in `docs/pictures`, without ending."""
    title: str
    line: str
    """What the picture shows, in one sentence."""
    scenes: Sequence[Scene]
    width: int = DESKTOP
    is_list: bool = False
    """Messages of one sentence, without their author."""

    @property
    def alt(self) -> str:
        """Alt text for people who cannot see it."""
        return f"{self.title}: {'; '.join(scene.caption for scene in self.scenes)}"

    def html(self) -> str:
        """The whole page, the same for the same scenes on every machine."""
        asked: set[str] = set()
        scenes = "\n".join(scene.html(asked) for scene in self.scenes)
        css = "compact" if self.is_list else "columns" if self.width == TWO_MODALS else ""
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            f'<style>{_CSS}</style><body><main class="{css}">{scenes}</main></body></html>\n'
        )
