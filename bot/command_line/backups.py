"""What a terminal hears of a backup that is whole, and whose records are not as the bot wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from storage.engine.backup import Contents


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
