"""What a terminal hears of a backup: how far it is, and that its records are not as the bot wrote them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from storage.engine.backup import Contents, Step

TELL_EVERY_SECONDS = 1.0


class Progress:
    """Says how far a backup is to whoever waits before a terminal; nothing of one that takes no second."""

    def __init__(self) -> None:
        self._began = self._told_at = time.monotonic()
        self._part = -1

    def tell(self, step: Step, done: int, total: int) -> None:
        if sys.stderr is None or not sys.stderr.isatty():
            return
        now = time.monotonic()
        is_due = now - self._told_at >= TELL_EVERY_SECONDS
        if step == "searched":
            # It comes seldom: each is told, whatever was said just before.
            is_due = now - self._began >= TELL_EVERY_SECONDS
            is_new, self._part = done != self._part, done
            what = ("pages and indexes", "references")[done]
            said = f"{'' if is_new else 'still '}searching it for damage, part {done + 1} of {total}: {what}"
        else:
            what = "pages" if step == "copied" else "checks"
            said = f"{step.value} {done:,} of {total:,} {what} ({done / max(total, 1):.0%})"
        if is_due:
            self._told_at = now
            click.echo(said, err=True)


def tell_altered(contents: Contents) -> None:
    """Warn before such a file is relied on: an older one may be sound. Says nothing of one without fault."""
    said = []
    if contents.altered:
        said.append(f"{contents.altered} of its {contents.checks} checks were altered beside the bot")
    if contents.is_older:
        said.append("some check in it was put back to an older state or taken away")
    if said:
        click.echo(
            f"warning: {', and '.join(said)}; is an older backup without that? See *Records that were altered* in "
            "docs/operations.md",
            err=True,
        )
