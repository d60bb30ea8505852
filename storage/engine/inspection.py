"""What an examination of a database has found, whichever engine keeps it, and how its records are compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from storage.engine import macs, record_versions
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection

OnDone = Callable[[int, int], None]
"""Hears how much is done, and of how much."""


def untold(_done: int, _total: int) -> None:
    """Nobody waits before a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is to say of a database without fault."""

    exists: bool
    pending: tuple[str, ...] = ()
    """Migrations that the next start will apply."""
    unfinished: bool = False
    """A kill interrupted what an upgrade had left to do; the next start goes on with it."""
    proven: bool = False
    """A configured key opened what is stored; false while nothing is sealed yet, and without a sealer."""
    swept: bool = True
    """The whole file was gone through; false if patience ended first. A server's files are its own."""
    altered: int = 0
    """Checks whose record is not as the bot wrote it, among those that were examined before patience ended."""
    older: bool = False
    """Some record, nobody can say which, is older than the bot wrote it last; not asked without any patience."""
    open_to_others: tuple[Path, ...] = ()
    """Files that users other than the owner may read."""


def compare_records(
    connection: SqlConnection, sealer: Sealer, *, patience: timedelta, on_progress: OnDone = untold
) -> tuple[int, bool]:
    """How many checks were altered, and whether some record is older, as the caller's snapshot has them."""
    until, altered, done = time.monotonic() + patience.total_seconds(), 0, 0
    [(total,)] = connection.fetch("SELECT COUNT(*) FROM check_macs")
    older, refs = not record_versions.fit(connection, sealer), macs.refs_after(connection, "")
    while refs and time.monotonic() < until:
        altered += len(macs.examine(connection, sealer, refs).altered)
        done += len(refs)
        on_progress(done, total)
        refs = macs.refs_after(connection, refs[-1])
    return altered, older
