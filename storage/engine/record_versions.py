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
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from bot.errors import DatabaseFault
from storage.engine import catalog, chain, kept_sums
from storage.engine.chain import GENESIS, NOWHERE, Head
from storage.engine.sealing import Sealer
from storage.engine.sql import Dialect, Later, SqlConnection

AT_ONCE = 20_000
"""Records whose versions a start reads before it is ready: a tenth of a second. More are read behind it."""
_PAGE = 2_000
_HIGHEST = (1 << 32) - 1
_NAME, _PLACE = "macs", "meta.value:macs"
_MODULUS = 1 << 256


class RecordVersions:
    """The latest version of each record that this process knows of, by twelve bytes for each of the start.

    Written by the writer's thread, read by all that examine.
    """

    def __init__(self) -> None:
        self._at_start = (array("Q"), array("L"))  # the records, sorted, and the version of each
        self._since: dict[str, tuple[int, int]] = {}
        self.commits = 1
        """Counts this process' commits: a snapshot from before one still shows the version before it."""

    def learn(
        self, connection: SqlConnection, sealer: Sealer, *, go_on: Callable[[], bool] = lambda: True
    ) -> bool | None:
        """Read all versions of one snapshot, that of the caller; whether they fit the sum that lies with them.

        None as soon as `go_on`, asked after each page, says no; then nothing is learned. The bot may write meanwhile:
        what it wrote is known anyway. An older record that is put back before the snapshot does not fit the sum, one
        that is put back later is older than what is learned here.
        """
        kept, total, packed = RecordSum.read(connection, sealer), 0, list[int]()
        for page in _pages_of_versions(connection):
            # One number for both: a million pairs would take three times the memory while they are sorted.
            packed += (_short(ref) << 32 | min(max(version, 0), _HIGHEST) for ref, version in page)
            if kept is not None:
                total += kept.sum_of(page)
            if not go_on():
                return None
        packed.sort()
        self._at_start = (
            array("Q", (one >> 32 for one in packed)),
            array("L", (one & _HIGHEST for one in packed)),
        )
        return kept.total == total % _MODULUS if kept is not None else not packed

    def forget(self) -> None:
        """What the database has lost counts no more, and nothing else is known either."""
        self._at_start, self._since = (array("Q"), array("L")), {}

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
        key, (keys, versions) = _short(ref), self._at_start
        at = bisect_left(keys, key)
        return versions[at] if at < len(keys) and keys[at] == key else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSum:
    """A sum over all checks and the versions of their records, of keyed terms: nobody else can correct it."""

    key: bytes = field(repr=False)
    total: int = field(repr=False)
    commits: int
    head: Head = NOWHERE
    """Of the audit trail."""
    day_sums: str = kept_sums.NONE
    """Digest of the sums of days that are kept."""

    @classmethod
    def new(cls) -> Self:
        """Of no check."""
        return cls(key=secrets.token_bytes(32), total=0, commits=0)

    @classmethod
    def read(cls, connection: SqlConnection, sealer: Sealer) -> Self | None:
        """As it is kept; None if it is gone, or was altered."""
        return cls.read_later(connection, sealer)()

    @classmethod
    def read_later(cls, connection: SqlConnection, sealer: Sealer) -> Later[Self | None]:
        """The same, with the next statement."""
        rows = connection.fetch_later("SELECT value_sealed FROM meta WHERE name = ?", (_NAME,))
        return lambda: cls._opened(rows(), sealer)

    @classmethod
    def _opened(cls, rows: Sequence[tuple[Any, ...]], sealer: Sealer) -> Self | None:
        try:
            kept = json.loads(sealer.open(rows[0][0] or b"", place=_PLACE)) if rows else None
        except DatabaseFault:
            return None
        if kept is None:
            return None
        return cls(
            key=bytes.fromhex(kept["key"]),
            total=int(kept["total"], 16),
            commits=kept["commits"],
            head=Head(seq=kept.get("seq", 0), chain=kept.get("chain", GENESIS)),
            day_sums=kept.get("day_sums", kept_sums.NONE),
        )

    def write(self, connection: SqlConnection, sealer: Sealer) -> None:
        """Keep it in place of the one before."""
        text = json.dumps(
            {
                "key": self.key.hex(),
                "total": f"{self.total:x}",
                "commits": self.commits,
                "seq": self.head.seq,
                "chain": self.head.chain,
                "day_sums": self.day_sums,
            }
        )
        sql = """
            INSERT INTO meta (name, value_sealed) VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET value_sealed = excluded.value_sealed
            """
        connection.run_later(sql, (_NAME, sealer.seal(text, place=_PLACE)))

    def may_follow(self, earlier: Self) -> bool:
        """Whether it may be the same, or have come of it by later commits."""
        return self.commits > earlier.commits or self == earlier or earlier.commits == 0

    def with_versions(self, before: Mapping[str, int], after: Mapping[str, int], *, head: Head | None = None) -> Self:
        """After a commit that has made the versions `after` of those `before`, and perhaps added lines to the trail."""
        change = self.sum_of(after.items()) - self.sum_of(before.items())
        total = (self.total + change) % _MODULUS
        return replace(self, total=total, commits=self.commits + 1, head=head or self.head)

    def fits(self, versions: Iterable[tuple[str, int]]) -> bool:
        """Whether these are the checks and versions that it was made of."""
        return self.sum_of(versions) % _MODULUS == self.total

    def sum_of(self, versions: Iterable[tuple[str, int]]) -> int:
        """Of the terms of these checks and versions, not yet taken to the modulus."""
        return sum(self._term(*one) for one in versions)

    def _term(self, ref: str, version: int) -> int:
        return int.from_bytes(hmac.digest(self.key, f"{version}:{ref}".encode(), "sha256"))


def add_line(connection: SqlConnection, sealer: Sealer, *, at: str, actor: str, act: str, detail: str) -> None:
    """Add a line to the trail of a database that no bot works on, in the caller's transaction; `at` as it is stored.

    One from before there was a chain, or whose upgrade a kill has ended before the chain was begun, gets the bare line:
    the next start chains it with all others.
    """
    line = {"at": at, "actor": actor, "act": act, "detail": detail}
    if "chain" not in catalog.columns(connection)["audit"] or chain.is_due(connection):
        connection.run("INSERT INTO audit (at, actor, act, detail) VALUES (:at, :actor, :act, :detail)", line)
        return
    kept = RecordSum.read(connection, sealer) or RecordSum.new()
    head = chain.append(connection, kept.head, **line)
    replace(kept, head=head, commits=kept.commits + 1).write(connection, sealer)


def versions_in(connection: SqlConnection) -> Iterator[tuple[str, int]]:
    """Every check that has a MAC, and the version of its record; of one snapshot where the caller holds one."""
    for page in _pages_of_versions(connection):
        yield from page


def are_at_most(connection: SqlConnection, most: int) -> bool:
    """Whether no more than `most` checks have a MAC."""
    sql = "SELECT 1 FROM check_macs LIMIT 1 OFFSET ?"
    return not connection.fetch(sql, (most,))


def _pages_of_versions(connection: SqlConnection) -> Iterator[list[tuple[str, int]]]:
    return _pages_in_json(connection) if connection.dialect is Dialect.SQLITE else _pages(connection)


def _pages(connection: SqlConnection) -> Iterator[list[tuple[str, int]]]:
    sql = "SELECT ref, version FROM check_macs WHERE ref > ? ORDER BY ref LIMIT ?"
    last = ""
    while page := connection.fetch(sql, (last, _PAGE)):
        yield [(ref, version) for ref, version in page]
        last = page[-1][0]


def _pages_in_json(connection: SqlConnection) -> Iterator[list[tuple[str, int]]]:
    # One row of JSON for each page: at each row SQLite lets go of Python's lock, and beside a busy loop a thread waits
    # some milliseconds until it has it again.
    # The end of a page goes back as bytes: what is no UTF-8 would sort otherwise than it reads.
    # Somebody may have put another type there, past the schema: no version of the bot's is 0, and no reference bytes.
    sql = """
        SELECT json_group_array(json_array(ref, CASE typeof(version) WHEN 'integer' THEN version ELSE 0 END)),
            CAST(MAX(ref) AS BLOB) FROM
            (SELECT ref, version FROM check_macs WHERE typeof(ref) = 'text' {more} ORDER BY ref LIMIT :most)
        """
    first, next_one = sql.format(more=""), sql.format(more="AND ref > CAST(:last AS TEXT)")
    last: bytes | None = None
    while True:
        parameters = {"most": _PAGE} if last is None else {"most": _PAGE, "last": last}
        [(page, last)] = connection.fetch(first if last is None else next_one, parameters)
        if last is None:
            return
        yield [(ref, version) for ref, version in json.loads(page)]


def fit(connection: SqlConnection, sealer: Sealer) -> bool:
    """Whether all checks of a file have the versions that their sum was made of, as one snapshot has them."""
    kept = RecordSum.read(connection, sealer)
    return kept.fits(versions_in(connection)) if kept is not None else next(versions_in(connection), None) is None


def _short(ref: str) -> int:
    return int.from_bytes(hashlib.blake2b(ref.encode(errors="surrogatepass"), digest_size=8).digest())
