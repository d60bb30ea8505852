"""What the demo's bot adds to the customer's page: a drawn face to take photos of, beside the camera.

Other files under the page's own addresses, through the page's own door: with its headers and its policy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.capture.interface import Capture, PageFile
from bot.sandbox.faces import FRAMES, SAMPLES

PRIVACY = "privacy.html"
"""The name of what stands for the company's privacy notice."""
_CUSTOMER = Path(__file__).parent / "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    body: bytes = field(repr=False)
    content_type: str


def with_sample_face(capture: Capture) -> Capture:
    """The same, with *Use the sample face* on its page."""
    assets = capture.page.assets
    photos = {f"sample-{number}.jpg": f"liveness_{number}.jpg" for number in range(FRAMES)}
    photos["sample-selfie.jpg"] = "selfie.jpg"
    added: Mapping[str, PageFile] = {
        "source.js": _File(body=(_CUSTOMER / "source.js").read_bytes(), content_type=assets["source.js"].content_type),
        "words.json": _File(body=_with_more(assets["words.json"].body), content_type=assets["words.json"].content_type),
        PRIVACY: _File(body=(_CUSTOMER / PRIVACY).read_bytes(), content_type=capture.page.document.content_type),
        **{
            name: _File(body=(SAMPLES / photo).read_bytes(), content_type="image/jpeg")
            for name, photo in photos.items()
        },
    }
    return replace(capture, page=replace(capture.page, assets={**assets, **added}))


def _with_more(words: bytes) -> bytes:
    """The page's words and those of what is added, in each of its languages."""
    book: dict[str, Any] = json.loads(words)
    more: dict[str, dict[str, str]] = json.loads((_CUSTOMER / "words.json").read_text(encoding="utf-8"))
    for language, spoken in book["languages"].items():
        spoken["words"] |= more[language]
    return json.dumps(book, ensure_ascii=False).encode()
