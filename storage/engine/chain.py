"""The chain of the audit trail: each line holds a hash of itself and of the line before.

Nobody changes, removes or inserts a line without every later hash being wrong. Hashes need no key, so that whoever was
told one of them can verify all lines before it. That the last line is the last, and that nobody has made all hashes
anew, is known by the head: sequence number and hash of the last line, sealed with the sum of all records
(`record_versions`) by every commit, and kept in this process' memory.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from storage.engine.sql import Dialect, Later, SqlConnection

GENESIS = "0" * 64
"""Before the first line."""
RECORDED = "check.recorded"
"""The line of a check of which a commit changed something without a line of its own: it repeats the version."""
BEGUN = "chain.begun"
"""The line that an older trail was chained with; its detail is the digest of all lines before it."""
DUE = "chain_due"
"""Kept in `meta` from the migration until the chain of an older trail is begun (`first_chain`)."""
NO_HASH = "?"
"""In place of a hash that is no text: it fits no line."""
_BOT = "kyc-bot"
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-fA-F]{64})")


class ChainedLine(NamedTuple):
    """What a hash covers besides the hash before."""

    seq: int
    at: str
    actor: str
    act: str
    ref: str | None
    detail: str
    version: int | None
    """Of the check's record after the commit that wrote this line; None where the line names no check."""
    person: str | None
    """SHA-256 of salt and print, in hex: see `storage.trail_people`."""


COLUMNS = ", ".join(ChainedLine._fields)
_PAGE = 2_000
_ALL = (1 << 63) - 1
_BEFORE_ALL = -(1 << 63)
"""As low as a number can be, whoever has written the line."""
_OLDER_COLUMNS = 6
"""`seq` to `detail`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the trail ends."""

    seq: int = 0
    chain: str = GENESIS

    def __str__(self) -> str:
        return f"{self.seq}:{self.chain}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` gave. Raises ValueError."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ValueError("a head is the number of a line, a colon and 64 hex digits")
        return cls(seq=int(found[1]), chain=found[2].lower())


NOWHERE = Head()
"""Of a trail without lines."""


def following(previous: str, line: ChainedLine) -> str:
    """The hash of a line after the line with the hash `previous`, in hex; of whatever stands in it."""
    return hashlib.sha256(_written([previous, *line])).hexdigest()


def _written(values: Sequence[object]) -> bytes:
    """Each value as its type is written, so that none of another type passes for what the bot wrote."""
    return json.dumps(values, separators=(",", ":"), default=_blob).encode()


def _blob(stored: object) -> dict[str, str]:
    # No column holds any, unless somebody has put it there past the schema: that is a fault, and no error of ours.
    if not isinstance(stored, bytes):
        raise TypeError(f"no line holds a {type(stored).__name__}")
    return {"blob": stored.hex()}


def stored_hash(stored: object) -> str:
    """What stands in a line's column `chain`; empty where nothing does."""
    if stored is None:
        return ""
    return stored if isinstance(stored, str) else NO_HASH


def is_due(connection: SqlConnection) -> bool:
    """Whether the trail is an older one whose chain is still to be begun."""
    return bool(connection.fetch("SELECT 1 FROM meta WHERE name = ?", (DUE,)))


def last(connection: SqlConnection) -> Head:
    """As the lines themselves say; a line without a hash has an empty one."""
    return last_later(connection)()


def last_later(connection: SqlConnection) -> Later[Head]:
    """The same, with the next statement."""
    rows = connection.fetch_later("SELECT seq, chain FROM audit ORDER BY seq DESC LIMIT 1")
    return lambda: Head(seq=rows()[0][0], chain=stored_hash(rows()[0][1])) if rows() else NOWHERE


def holds_later(connection: SqlConnection, head: Head) -> Later[bool]:
    """Whether the line that was the last one once is still there, with its hash."""
    if head == NOWHERE:
        return lambda: True
    rows = connection.fetch_later("SELECT chain FROM audit WHERE seq = ?", (head.seq,))
    return lambda: rows() == [(head.chain,)]


def lines_after(connection: SqlConnection, seq: int, *, most: int = _ALL) -> list[ChainedLine]:
    """In order; all of them unless `most` says how many."""
    return lines_after_later(connection, seq, most=most)()


def lines_after_later(connection: SqlConnection, seq: int, *, most: int = _ALL) -> Later[list[ChainedLine]]:
    """The same, with the next statement."""
    rows = connection.fetch_later(f"SELECT {COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (seq, most))
    return lambda: [ChainedLine(*row) for row in rows()]


def lines_of_all(connection: SqlConnection, refs: Collection[str], *, after: int) -> Later[list[ChainedLine]]:
    """The lines after `after`, with one for each of these checks: what has none gets one of its own.

    Its time is that of the line before, if there is one: there is no clock here, and what is told is the version.
    """
    at = f"CASE WHEN {connection.dialect.is_text('at')} THEN at END"
    sql = f"""
        INSERT INTO audit (at, actor, act, ref)
        SELECT COALESCE((SELECT {at} FROM audit ORDER BY seq DESC LIMIT 1), asked_at), '{_BOT}', '{RECORDED}', ref
        FROM verifications WHERE ref = ?
        """
    if connection.dialect is Dialect.POSTGRESQL:
        # To be told which have one would be a way there and back.
        sql = f"{sql} AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.ref = verifications.ref AND a.seq > ?)"
        given: list[tuple[object, ...]] = [(ref, after) for ref in sorted(set(refs))]
    else:
        lines = lines_after(connection, after)
        given = [(ref,) for ref in sorted(set(refs) - {line.ref for line in lines})]
        if not given:
            return lambda: lines
    connection.run_for_each(sql, given)
    return lines_after_later(connection, after)


def complete(
    connection: SqlConnection, head: Head, lines: Sequence[ChainedLine], *, versions: Mapping[str, int]
) -> Head:
    """Chain these lines to `head`, with the versions of the records that they name; the new head."""
    hashes: list[tuple[int | None, str, int]] = []
    for line in lines:
        chained = line._replace(version=versions.get(line.ref or ""))
        head = Head(seq=line.seq, chain=following(head.chain, chained))
        hashes.append((chained.version, head.chain, head.seq))
    connection.run_for_each("UPDATE audit SET version = ?, chain = ? WHERE seq = ?", hashes)
    return head


def append(connection: SqlConnection, head: Head, *, at: str, actor: str, act: str, detail: str) -> Head:
    """Add one line of the database itself to the chain, in the caller's transaction; the new head."""
    before = last(connection).seq
    sql = "INSERT INTO audit (at, actor, act, detail) VALUES (?, ?, ?, ?)"
    connection.run(sql, (at, actor, act, detail))
    return complete(connection, head, lines_after(connection, before), versions={})


def begin(connection: SqlConnection) -> Head:
    """Chain a trail that has lines and no hashes, by one line that holds their digest."""
    newest = last(connection).seq
    is_time = connection.dialect.is_text("at")
    [(at,)] = connection.fetch(f"SELECT at FROM audit WHERE {is_time} ORDER BY seq DESC LIMIT 1")
    detail = digest_of_lines(connection, newest + 1)
    return append(connection, NOWHERE, at=at, actor=_BOT, act=BEGUN, detail=detail)


def digest_of_lines(connection: SqlConnection, before: int) -> str:
    """Of all lines before this sequence number, as they stand, in hex: what a trail of older versions had."""
    digest = hashlib.sha256()
    for line in _older_lines(connection, before):
        add_older(digest, line)
    return digest.hexdigest()


def add_older(digest: hashlib._Hash, line: Sequence[object]) -> None:
    """Add the next line to the digest: what stood in it before there was a chain."""
    digest.update(_written(line[:_OLDER_COLUMNS]))
    digest.update(b"\n")


def _older_lines(connection: SqlConnection, before: int) -> Iterator[Sequence[object]]:
    sql = "SELECT seq, at, actor, act, ref, detail FROM audit WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?"
    last = _BEFORE_ALL
    while page := connection.fetch(sql, (last, before, _PAGE)):
        yield from page
        last = page[-1][0]
