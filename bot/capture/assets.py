"""The files of the page on which a customer takes the photos, as they lie in the package.

Read once, and a closed list: whatever name a request asks for is looked up here and never becomes a path.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file, ready to be served."""

    name: str
    body: bytes = field(repr=False)
    content_type: str


def _read(name: str) -> Asset:
    body = (resources.files("bot.capture") / "page" / name).read_bytes()
    return Asset(name=name, body=body, content_type=_CONTENT_TYPES[name[name.rindex(".") :]])


PAGE = _read("index.html")
"""The document, served as `/c`."""

ASSETS: Mapping[str, Asset] = MappingProxyType(
    {
        name: _read(name)
        for name in (
            "app.js",
            "browsers.js",
            "camera.js",
            "consent.js",
            "copying.js",
            "door.js",
            "film.js",
            "light.js",
            "link.js",
            "screen.js",
            "sending.js",
            "source.js",
            "studio.js",
            "style.css",
            "time.js",
            "words.js",
            "words.json",
        )
    }
)
"""What the document asks for, served as `/c/<name>`."""

_WORDS: dict[str, Any] = json.loads(ASSETS["words.json"].body)

NOTICE: str = _WORDS["notice"]
"""The version of what a customer is asked to agree to; kept with each consent."""
LANGUAGES: tuple[str, ...] = tuple(_WORDS["languages"])
"""Those of the page, as ISO 639-1 codes; the first is for whoever speaks none of them."""
