"""A scene is one thing that the bot says, a sheet is a picture of several; `scenes/` makes them."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from bot.domain.outbox import Message, PostKind
from bot.outbox.builders import File
from bot.sandbox.page import drawing
from bot.sandbox.page.drawing import Canvas, Typed
from tests.pictures.people import READER

DESKTOP, PHONE, TWO_MODALS = 760, 420, 1100
"""Pixels: a conversation in Slack's window, a large phone, and two columns of modals."""

_CSS = Path(drawing.__file__).with_name("drawing.css").read_text(encoding="utf-8")


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

    def html(self, asked: set[str] | None = None) -> str:
        """`asked`: confirmations that the sheet has drawn already; new ones are added."""
        asked = set() if asked is None else asked
        canvas = Canvas(reader=READER, typed=self.typed, errors=self.errors, images=self.images, asked=asked)
        match self.shows:
            case Message(text=text, blocks=listed):
                drawn = drawing.message(canvas, text=text, listed=listed, at="3:30 PM", note=self.place.value)
            case File(comment=comment, name=name, data=data, alt_text=alt_text):
                attached = drawing.file(name, data, alt_text)
                drawn = drawing.message(
                    canvas, text=comment, listed=(), at="3:30 PM", note=self.place.value, below=attached
                )
            case view:
                drawn = drawing.home(canvas, view) if view["type"] == "home" else drawing.modal(canvas, view)
        return f'<div class="scene"><div class="caption">{html.escape(self.caption)}</div>{drawn}</div>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One picture file."""

    name: str
    """`docs/pictures/<name>.png`."""
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
