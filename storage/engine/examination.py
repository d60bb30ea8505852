"""Goes through the whole of a database that nobody works on: all MACs, their sum, and the chain of the trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storage import trail_check
from storage.engine import macs, record_versions
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong with it."""

    checks: int
    altered: frozenset[str]
    """Checks whose record is not as the bot wrote it."""
    is_older: bool
    """Some record, nobody can say which, was put back to an older state, or taken away."""
    faults: tuple[trail_check.Fault, ...]
    """Of the audit trail."""

    @property
    def is_sound(self) -> bool:
        return not (self.altered or self.is_older or self.faults)


def examine(connection: SqlConnection, sealer: Sealer, on_progress: Callable[[int], None]) -> Verdict:
    """In a transaction of the caller's; `on_progress` hears how many more checks were compared."""
    checks, altered, last = 0, set[str](), ""
    is_older = not record_versions.fit(connection, sealer)
    while refs := macs.refs_after(connection, last):
        altered |= macs.examine(connection, sealer, refs).altered
        checks, last = checks + len(refs), refs[-1]
        on_progress(len(refs))
    tx, progress, faults = Transaction(connection, sealer, None), trail_check.Progress(), list[trail_check.Fault]()
    while not progress.done:
        progress = trail_check.compare_lines(tx, progress)
        faults += progress.faults
    return Verdict(checks=checks, altered=frozenset(altered), is_older=is_older, faults=tuple(faults))
