"""Who this process is among those that work on one database, and by whom work was begun.

Where several share a database, one that is silent is ended by another, which goes on with its work. It may come back
all the same: it was frozen, or cut off for a while. So each commit proves that nobody has ended this process, and shows
that it lives. If somebody has, it goes on under another id, as if it had just been started: what was begun under the id
of before is refused, and all else is stored as ever.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bot import __version__
from storage.engine.sql import Dialect, SqlConnection

NOW = {
    Dialect.SQLITE: "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    Dialect.POSTGRESQL: """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
}
"""By the database's own clock, as moments are stored. It is compared with nothing but what it was before."""
PROOF = "UPDATE instances SET seen_at = {now} WHERE id = :instance AND ended_at IS NULL"

_begun_by: ContextVar[str | None] = ContextVar("begun_by", default=None)


@contextmanager
def work_of(instance: str | None) -> Iterator[None]:
    """Around work that rests on what this instance has leased, and for tasks that are created within.

    What it stores is refused once that instance has ended. None: the work rests on nothing of the kind.
    """
    token = _begun_by.set(instance)
    try:
        yield
    finally:
        _begun_by.reset(token)


def begun_by() -> str | None:
    """By which instance what runs now was begun, if it matters."""
    return _begun_by.get()


def new_id() -> str:
    return f"i-{secrets.token_hex(6)}"


def seconds_since_boot() -> float:
    """Seconds that nobody sets, and that pass while a process or the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(slots=True, eq=False)
class Membership:
    """This process, for all its connections."""

    instance: str
    joined: bool = False
    """It has a row, which others watch. A process that has a file to itself is watched by nobody, and nor is a command,
    which leases nothing."""
    since_boot: Callable[[], float] = seconds_since_boot
    proven_at: float = 0.0
    """In seconds since boot, from before the last commit that is known to be stored: it lived then."""
    _former: list[str] = field(init=False, default_factory=list)

    def prove(self, connection: SqlConnection) -> bool:
        """In the transaction of a commit: that nobody has ended this process, and that it lives."""
        return connection.run(PROOF.format(now=NOW[connection.dialect]), {"instance": self.instance}) > 0

    def begin_anew(self, connection: SqlConnection) -> None:
        """Somebody has ended it: go on under another id, whose row is part of the transaction."""
        former, self.instance = self.instance, new_id()
        self._former.append(former)
        now = NOW[connection.dialect]
        connection.run(
            f"""
            INSERT INTO instances (id, name, version, started_at, seen_at)
            VALUES (:instance, :name, :version, {now}, {now})
            """,
            {"instance": self.instance, "name": name_of(self.instance), "version": __version__},
        )

    def proven(self, since: float) -> None:
        """A commit is stored that was begun after this."""
        self.proven_at = max(since, self.proven_at)

    def take_former(self) -> list[str]:
        """Ids under which it was ended since this was last asked."""
        former, self._former = self._former, []
        return former


def name_of(instance: str) -> str:
    """For people; says nothing of its machine."""
    return instance[:8]
