"""Where a command puts a file: under a name, whole or not at all, or into the output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click


def require_place(target: Path | None, *, binary: bool) -> None:
    """Raises UsageError where the file could not be put; `binary` is nothing for a terminal."""
    if target is not None:
        return
    if sys.stdout is None:
        raise click.UsageError("There is no output to write to: name a file with --output FILE.")
    if binary and sys.stdout.isatty():
        raise click.UsageError("This format is nothing for a terminal: name a file with --output FILE.")


@contextmanager
def file_for(target: Path | None) -> Iterator[IO[bytes]]:
    """Gives a file to write to. If the block ends well, it takes the place of `target`, or goes to the output.

    A new file, which its owner alone may read; after a failure nothing is left of it, and an older one stays as it was.
    Raises ClickException when that cannot be done.
    """
    import shutil

    from bot.sealed_file import sealed_file
    from bot.whole_file import whole_file

    # A link stays a link, and what it leads to is replaced.
    place = target.resolve() if target is not None else None
    if target is not None and place is not None and (place.is_file() or not place.exists()):
        with _told_of(target), whole_file(place) as file:
            yield file
        return
    # A device or a named pipe is written to: to be renamed over would take it away from everybody. Until all is there
    # and on record, nobody reads it, in the temporary folder neither.
    with sealed_file() as file:
        yield file
        file.seek(0)
        if target is None:
            shutil.copyfileobj(file, sys.stdout.buffer)
        else:
            with _told_of(target), target.open("wb") as out:
                shutil.copyfileobj(file, out)


@contextmanager
def _told_of(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise click.ClickException(f"{target} cannot be written: {fault.strerror}.") from fault
