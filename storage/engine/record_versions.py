"""Which version of each record was the last: an older one may have been put back together with its once valid MAC.

Three things notice it. `RecordVersions` is this process' memory. The audit trail has newer lines that an older MAC
does not know (`storage.engine.covered.LAST_ACT`). And for what happened while no bot ran `RecordSum`: a sum over the
versions of all checks, sealed in `meta`; it tells that some record is older, not which. With it lies the head of the
audit trail (`chain`). The whole of an older file fits itself, and is noticed by none of them: only by a head that was
kept elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Self

from bot.errors import DatabaseFault
from storage.engine import chain
from storage.engine.chain import GENESIS, NOWHERE, Head
from storage.engine.sealing import Sealer

_NAME, _PLACE = "macs", "meta.value:macs"
_MODULUS = 1 << 256


class RecordVersions:
    """The latest version of each record that this process knows of, by twelve bytes for each of the start.

    Written by the writer's thread, read by all that examine.
    """

    def __init__(self) -> None:
        self._keys = array("Q")
        self._at_start = array("L")
        self._since: dict[str, tuple[int, int]] = {}
        self.commits = 1
        """Counts this process' commits: a snapshot from before one still shows the version before it."""

    def begin(self, seen: Iterable[tuple[str, int]]) -> None:
        """What the file holds at the start."""
        pairs = sorted((_short(ref), version) for ref, version in seen)
        self._keys = array("Q", (key for key, _version in pairs))
        self._at_start = array("L", (version for _key, version in pairs))

    def keep(self, written: Mapping[str, int]) -> None:
        """A commit has made these the latest versions."""
        # First the versions, then the number: whoever begins to read in between sees the new ones, and may not see
        # them in the file's snapshot if that was taken earlier.
        commit = self.commits + 1
        self._since.update((ref, (version, commit)) for ref, version in written.items())
        self.commits = commit

    def is_older(self, ref: str, version: int, *, seen_at: int) -> bool:
        """Whether a newer version was in the file when a snapshot of `seen_at` began."""
        known, since = self._since.get(ref, (0, 0))
        if since > seen_at:
            return False  # written after the snapshot began; the next look will tell
        return version < (known or self._version_at_start(ref))

    def _version_at_start(self, ref: str) -> int:
        key = _short(ref)
        at = bisect_left(self._keys, key)
        return self._at_start[at] if at < len(self._keys) and self._keys[at] == key else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSum:
    """A sum over all checks and the versions of their records, of keyed terms: nobody else can correct it."""

    key: bytes = field(repr=False)
    total: int = field(repr=False)
    commits: int
    head: Head = NOWHERE
    """Of the audit trail."""

    @classmethod
    def new(cls) -> Self:
        """Of no check."""
        return cls(key=secrets.token_bytes(32), total=0, commits=0)

    @classmethod
    def read(cls, connection: sqlite3.Connection, sealer: Sealer) -> Self | None:
        """As it is kept; None if it is gone, or was altered."""
        sql = "SELECT value_sealed FROM meta WHERE name = ?"
        with closing(connection.execute(sql, (_NAME,))) as cursor:
            row = cursor.fetchone()
        try:
            kept = json.loads(sealer.open(row[0] or b"", place=_PLACE)) if row else None
        except DatabaseFault:
            return None
        if kept is None:
            return None
        return cls(
            key=bytes.fromhex(kept["key"]),
            total=int(kept["total"], 16),
            commits=kept["commits"],
            head=Head(seq=kept.get("seq", 0), chain=kept.get("chain", GENESIS)),
        )

    def write(self, connection: sqlite3.Connection, sealer: Sealer) -> None:
        """Keep it in place of the one before."""
        text = json.dumps(
            {
                "key": self.key.hex(),
                "total": f"{self.total:x}",
                "commits": self.commits,
                "seq": self.head.seq,
                "chain": self.head.chain,
            }
        )
        sql = """
            INSERT INTO meta (name, value_sealed) VALUES (:name, :sealed)
            ON CONFLICT (name) DO UPDATE SET value_sealed = excluded.value_sealed
            """
        connection.execute(sql, {"name": _NAME, "sealed": sealer.seal(text, place=_PLACE)}).close()

    def with_versions(self, before: Mapping[str, int], after: Mapping[str, int], *, head: Head | None = None) -> Self:
        """After a commit that has made the versions `after` of those `before`, and perhaps added lines to the trail."""
        change = sum(self._term(*one) for one in after.items()) - sum(self._term(*one) for one in before.items())
        total = (self.total + change) % _MODULUS
        return replace(self, total=total, commits=self.commits + 1, head=head or self.head)

    def fits(self, versions: Iterable[tuple[str, int]]) -> bool:
        """Whether these are the checks and versions that it was made of."""
        return sum(self._term(*one) for one in versions) % _MODULUS == self.total

    def _term(self, ref: str, version: int) -> int:
        return int.from_bytes(hmac.digest(self.key, f"{version}:{ref}".encode(), "sha256"))


def add_line(connection: sqlite3.Connection, sealer: Sealer, *, at: str, actor: str, act: str, detail: str) -> None:
    """Add a line to the trail of a database that no bot works on, in the caller's transaction; `at` as it is stored.

    One from before there was a chain, or whose upgrade a kill has ended before the chain was begun, gets the bare line:
    the next start chains it with all others.
    """
    line = {"at": at, "actor": actor, "act": act, "detail": detail}
    with closing(connection.execute("SELECT 1 FROM pragma_table_info('audit') WHERE name = 'chain'")) as found:
        is_chained = found.fetchone() is not None and not chain.is_due(connection)
    if not is_chained:
        connection.execute("INSERT INTO audit (at, actor, act, detail) VALUES (:at, :actor, :act, :detail)", line)
        return
    kept = RecordSum.read(connection, sealer) or RecordSum.new()
    head = chain.append(connection, kept.head, **line)
    replace(kept, head=head, commits=kept.commits + 1).write(connection, sealer)


def versions_in(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Every check that has a MAC, and the version of its record."""
    with closing(connection.execute("SELECT ref, version FROM check_macs")) as cursor:
        yield from cursor


def fit(connection: sqlite3.Connection, sealer: Sealer) -> bool:
    """Whether all checks of a file have the versions that their sum was made of, as one snapshot has them."""
    kept = RecordSum.read(connection, sealer)
    return kept.fits(versions_in(connection)) if kept is not None else next(versions_in(connection), None) is None


def _short(ref: str) -> int:
    return int.from_bytes(hashlib.blake2b(ref.encode(errors="surrogatepass"), digest_size=8).digest())
