"""`python -m tests.pictures`: photographs the sheets whose pages have changed, and writes the page that shows all.

`--check` only says which pictures are out of date (exit 1), and needs no browser; `--all` takes every picture anew.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.pictures.camera import CameraFault, camera, file_name, made_of, save
from tests.pictures.customer_page import PAGE_SHOTS
from tests.pictures.demo import SCREENSHOTS
from tests.pictures.scene import Sheet
from tests.pictures.scenes import sheets

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "pictures"
PAGE = DOCS / "pictures.md"
MOST_BYTES = 3_000_000
"""Limit for all pictures together."""


def page(shown: Sequence[Sheet]) -> str:
    """`docs/pictures.md`."""
    lines = [
        "# What the bot says, in pictures",
        "",
        "Every message, modal and page, built by the bot itself about invented people and drawn to look like Slack.",
        "What Slack shows only after a click (menus, confirmations) stands below what opens it; the grey line below a",
        "message is what a notification and a screen reader give. `make pictures` draws what has changed since.",
    ]
    for sheet in shown:
        lines += ["", f"## {sheet.title}", "", sheet.line, "", f"![{sheet.alt}](pictures/{file_name(sheet.name)})"]
    lines += [
        "",
        "## The demo, in a browser",
        "",
        "The workspace that `make demo` opens, with the real bot behind it. `make screenshots` takes them anew.",
    ]
    for shot in SCREENSHOTS:
        lines += ["", shot.line, "", f"![{shot.alt}](pictures/{file_name(shot.name)})"]
    lines += [
        "",
        "## The customer's page, in a browser",
        "",
        "What a customer sees behind [a link](links.md); its camera sees a drawn face. `make screenshots`, too.",
    ]
    for phones in PAGE_SHOTS:
        lines += ["", phones.line, "", f"![{phones.alt}](pictures/{file_name(phones.name)})"]
    return "\n".join(lines) + "\n"


def digest(sheet: Sheet) -> str:
    return hashlib.sha256(f"{sheet.width}\n{sheet.html()}".encode()).hexdigest()


def outdated(shown: Sequence[Sheet]) -> list[Sheet]:
    return [sheet for sheet in shown if made_of(FOLDER / file_name(sheet.name)) != digest(sheet)]


def main(words: Sequence[str]) -> int:
    FOLDER.mkdir(exist_ok=True)
    shown = sheets()
    stale = list(shown) if "--all" in words else outdated(shown)
    photographed = [shot.name for shot in (*SCREENSHOTS, *PAGE_SHOTS)]
    kept = {file_name(name) for name in (*(sheet.name for sheet in shown), *photographed)}
    gone = [path for path in FOLDER.iterdir() if path.name not in kept]
    if "--check" in words:
        for name in (*(file_name(sheet.name) for sheet in stale), *(path.name for path in gone)):
            print(f"out of date: docs/pictures/{name}")
        return 1 if stale or gone else 0
    clipped = photograph(stale) if stale else []
    for path in gone:
        path.unlink()
    PAGE.write_text(page(shown), encoding="utf-8")
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(stale)} of {len(shown)} pictures were taken; all together have {total:,} bytes")
    for words_ in clipped:
        print(f"clipped: {words_}")
    return 1 if clipped or total > MOST_BYTES else 0


def photograph(stale: Sequence[Sheet]) -> list[str]:
    """Take these pictures; returns the texts that were cut off."""
    clipped = []
    with camera() as ready:
        for sheet in stale:
            image, too_wide = ready.photograph(sheet.html(), width=sheet.width)
            save(image, FOLDER / file_name(sheet.name), made_of=digest(sheet))
            clipped += [f"{sheet.name}: {words}" for words in too_wide]
    return clipped


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CameraFault as fault:
        sys.exit(str(fault))
