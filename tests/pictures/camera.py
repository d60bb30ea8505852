"""Photographs pages with Chromium, driven through its debugging pipe: no library and no port needed.

The protocol: chromedevtools.github.io/devtools-protocol (2026-11); messages are JSON, each ended by a zero byte.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome")
SCALE = 1.0
"""Device pixels to a CSS pixel; 1.5 takes twice the bytes."""
PALETTE_OF_PICTURES = 32
"""Colours of a sheet that shows pictures, and of a screenshot."""
LEAST_DISTANCE = 45
"""Of two of these, over red, green and blue of 255 each: less is a shade at the edge of a letter."""
_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--disable-lcd-text",
    "--font-render-hinting=none", "--force-color-profile=srgb", "--remote-debugging-pipe",
]  # fmt: skip
_CLIPPED = """[...document.querySelectorAll('main *')]
    .filter(e => e.nodeName !== 'INPUT')
    .filter(e => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
    .map(e => e.textContent.slice(0, 80))"""
"""A long text in a field of one line is cut off in Slack, too."""


class CameraFault(Exception):
    """No browser here, or it refused."""


@contextmanager
def camera() -> Iterator["Camera"]:
    """A browser with an empty profile, which goes when it is closed."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise CameraFault(f"none of {', '.join(NAMES)} is installed; on Debian: apt-get install chromium fonts-lato")
    with tempfile.TemporaryDirectory() as folder:
        reads, to_browser = os.pipe()
        from_browser, writes = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        ours = ["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "bash"]
        theirs = [found, *_FLAGS, f"--user-data-dir={folder}/profile", "about:blank"]
        process = subprocess.Popen([*ours, *theirs], pass_fds=(reads, writes), stderr=subprocess.DEVNULL)
        os.close(reads)
        os.close(writes)
        with os.fdopen(to_browser, "wb") as sends, os.fdopen(from_browser, "rb") as hears:
            try:
                yield Camera(sends, hears, Path(folder))
            finally:
                process.terminate()
                process.wait()


class Camera:
    """Photographs one page after the other."""

    def __init__(self, sends: Any, hears: Any, folder: Path) -> None:
        self._sends = sends
        self._hears = hears
        self._rest = b""
        self._folder = folder
        self._calls = 0
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def photograph(self, page: str, *, width: int) -> tuple[Image.Image, list[str]]:
        """The whole page in few colours, and the beginnings of texts that were cut off."""
        path = self._folder / "page.html"
        path.write_text(page, encoding="utf-8")
        size = {"width": width, "deviceScaleFactor": SCALE, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", height=800, **size)
        self._call("Page.navigate", url=path.as_uri())
        self._until("Page.loadEventFired")
        height = int(self._value("document.fonts.ready.then(() => document.documentElement.scrollHeight)"))
        self._call("Emulation.setDeviceMetricsOverride", height=height, **size)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        image = Image.open(BytesIO(b64decode(shot["data"]))).convert("RGB")
        return _colours_of_the_page(image, page), list(self._value(_CLIPPED))

    def _value(self, expression: str) -> Any:
        found = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return found["result"]["value"]

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        call: dict[str, Any] = {"id": self._calls, "method": method, "params": params}
        if self._session:
            call["sessionId"] = self._session
        self._sends.write(json.dumps(call).encode() + b"\0")
        self._sends.flush()
        while (answer := self._hear()).get("id") != self._calls:
            pass
        if "error" in answer:
            raise CameraFault(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, event: str) -> None:
        while self._hear().get("method") != event:
            pass

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = self._hears.read1(1 << 20)
            if not more:
                raise CameraFault("the browser has gone")
            self._rest += more
        one, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(one)
        return heard


def few_colours(image: Image.Image) -> Image.Image:
    """A palette of the colours that fill most of the picture, as they are, none close to another."""
    chosen: list[tuple[int, ...]] = []
    counted = image.getcolors(image.width * image.height) or []
    for _count, colour in sorted(counted, reverse=True):
        assert isinstance(colour, tuple)
        if all(_distance(colour, other) > LEAST_DISTANCE for other in chosen):
            chosen.append(colour)
        if len(chosen) == PALETTE_OF_PICTURES:
            break
    return _in_colours(image, chosen)


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _in_colours(image: Image.Image, colours: Sequence[tuple[int, ...]]) -> Image.Image:
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in colours for part in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _colours_of_the_page(image: Image.Image, page: str) -> Image.Image:
    """A palette of the page's own colours, their shades at the edges of letters, and greys."""
    if "<img" in page:
        return few_colours(image)
    own = {tuple(bytes.fromhex(found)) for found in re.findall("#([0-9a-f]{6})", page)}
    greys = [(shade, shade, shade) for shade in range(0, 256, 51)]
    accents = [colour for colour in sorted(own) if max(colour) - min(colour) > 40]
    shades = [tuple((part * 2 + 255 * 3) // 5 for part in colour) for colour in accents]
    return _in_colours(image, [*greys, *sorted(own), *shades][:256])


def file_name(name: str) -> str:
    """WebP without loss: half the bytes of the same picture as PNG."""
    return f"{name}.webp"


def save(image: Image.Image, path: Path, *, made_of: str = "") -> None:
    """`made_of` is the hash of the page, to be read back by the function of that name."""
    # Pillow writes no palettes into WebP; the codec finds the few colours again by itself.
    image.convert("RGB").save(path, lossless=True, quality=100, method=4, xmp=made_of.encode())


def made_of(path: Path) -> str | None:
    """The hash of the page that a picture was taken of; None without such a picture, or for a screenshot."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        kept: bytes = image.info.get("xmp", b"")
    return kept.decode() or None
