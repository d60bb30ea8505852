"""Goes through the audit trail from its first line, and through the records that its lines name.

Some lines at a time, each time on a snapshot of its own, so that a bot can work beside it. After a fault it goes on
from what the line itself says: one changed line is one fault.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from storage.engine import chain
from storage.engine.chain import ChainedLine, Head
from storage.engine.database import Transaction
from storage.engine.record_versions import RecordSum
from storage.engine.sql import Row

PAGE = 2_000
"""Lines on one snapshot: some hundredths of a second."""


class FaultKind(StrEnum):
    CHANGED = "changed"
    """A line, or what stands at its place, is not what was chained there."""
    MISSING = "missing"
    """One or more lines before this one are gone."""
    UNCHAINED = "unchained"
    """A line that no commit of the bot has written."""
    BEFORE_FIRST = "before_first"
    """A line with a number that the bot never gives: its first is 1."""
    NOT_BEGUN = "not_begun"
    """Lines without a hash in front of the first that has one, which does not say that the chain began there."""
    OLDER_CHANGED = "older_changed"
    """Lines from before there was a chain are not those that it was begun with."""
    CUT = "cut"
    """The trail ends before the line that the bot wrote last."""
    ADDED = "added"
    """It goes on behind the line that the bot wrote last."""
    MADE_ANEW = "made_anew"
    """The last line is not the one that the bot wrote there: all hashes were made anew."""
    NO_HEAD = "no_head"
    """What says where the trail ends is gone, or was altered."""
    OTHER_HEAD = "other_head"
    """The head that was kept elsewhere is not in this trail."""
    RECORD_ALTERED = "record_altered"
    """The record of a check is not as the bot wrote it."""
    RECORD_OLDER = "record_older"
    """The record of a check is not of the version that its last line repeats."""
    RECORD_GONE = "record_gone"
    """The record of a check is gone, and no line says that it was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    kind: FaultKind
    seq: int | None = None
    """Of the line."""
    ref: str | None = None
    """Of the check."""
    lines: int = 1
    """How many are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the lines are compared."""

    last: Head = chain.NOWHERE
    """As the line itself says, whether that is right or not."""
    lines: int = 0
    is_begun: bool = False
    """A hash was seen: from now on each line has one."""
    older: "hashlib._Hash | None" = field(default=None, compare=False)
    """Digest of the lines so far, while none of them has a hash: an older trail is gone through in pages, too."""
    done: bool = False
    faults: tuple[Fault, ...] = ()
    """Of this page alone."""


def compare_lines(tx: Transaction, before: Progress, *, kept_elsewhere: Head | None = None) -> Progress:
    """Compare the next page of lines; `done` after the last one, which is compared with the sealed head, too."""
    return _compare(tx, before, _page(tx, before), kept_elsewhere=kept_elsewhere)


def _page(tx: Transaction, before: Progress) -> list[Row]:
    # By its key alone: a line that an index leads to may be another one, or one that it leaves out.
    sql = f"SELECT {chain.COLUMNS}, chain FROM audit WHERE seq > :seq ORDER BY seq LIMIT :most"
    return tx.rows(sql, seq=before.last.seq, most=PAGE)


def _compare(tx: Transaction, before: Progress, rows: Sequence[Row], *, kept_elsewhere: Head | None = None) -> Progress:
    # A copy: the same page may be compared twice.
    older = before.older.copy() if before.older else hashlib.sha256()
    walk = _Walk(last=before.last, is_begun=before.is_begun, older=older)
    if before == Progress():
        walk.faults += [Fault(kind=FaultKind.BEFORE_FIRST, seq=seq) for seq in _before_first(tx)]
    for row in rows:
        walk.step(row)
        if kept_elsewhere and walk.last.seq == kept_elsewhere.seq and walk.last != kept_elsewhere:
            walk.faults.append(Fault(kind=FaultKind.OTHER_HEAD, seq=kept_elsewhere.seq))
    done = len(rows) < PAGE
    if done:
        walk.faults += _at_the_end(tx, walk.last)
        if kept_elsewhere and walk.last.seq < kept_elsewhere.seq:
            walk.faults.append(Fault(kind=FaultKind.OTHER_HEAD, seq=kept_elsewhere.seq))
    return replace(
        before,
        last=walk.last,
        lines=before.lines + len(rows),
        is_begun=walk.is_begun,
        older=None if walk.is_begun else walk.older,
        done=done,
        faults=tuple(walk.faults),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLines:
    """The lines that name one check or file, read and compared together, from the first of them to the trail's end."""

    ref: str
    progress: Progress
    lines: tuple[ChainedLine, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.progress.done or bool(self.progress.faults)

    @property
    def hold(self) -> bool:
        """Once it is over: whether the trail is as the bot wrote it, from the first of them on."""
        return self.progress.done and not self.progress.faults


def before_lines_of(tx: Transaction, ref: str) -> OwnLines:
    """Where the first of them stands, as an index says. Where that is wrong, the first is not among those compared."""
    first = tx.value("SELECT MIN(seq) FROM audit WHERE ref = :ref", ref=ref)
    if first is None:
        return OwnLines(ref=ref, progress=Progress(done=True))
    hashed = tx.row(
        "SELECT chain FROM audit WHERE seq < :first AND chain IS NOT NULL ORDER BY seq DESC LIMIT 1", first=first
    )
    if hashed is None:
        return OwnLines(ref=ref, progress=Progress())
    # Whether this hash is right the next line tells, and whether that one's is right at last the sealed head. A line in
    # between that has none was added beside the bot: the bot itself chains past it.
    before = Head(seq=first - 1, chain=chain.stored_hash(hashed["chain"]))
    return OwnLines(ref=ref, progress=Progress(last=before, is_begun=True))


def compare_lines_of(tx: Transaction, before: OwnLines) -> OwnLines:
    """Compare the next page of the trail, and keep those of its lines that name the check or file."""
    rows = _page(tx, before.progress)
    progress = _compare(tx, before.progress, rows)
    own = [] if progress.faults else [_line(row) for row in rows if row["ref"] == before.ref]
    return replace(before, progress=progress, lines=(*before.lines, *own))


@dataclass(slots=True, kw_only=True)
class _Walk:
    """From line to line."""

    last: Head
    is_begun: bool
    older: "hashlib._Hash"
    faults: list[Fault] = field(default_factory=list)

    def step(self, row: Row) -> None:
        line = _line(row)
        has = chain.stored_hash(row["chain"])
        # Older versions promised no numbers without a gap: of their lines, the digest tells that the chain began with.
        is_gap = line.seq != self.last.seq + 1 and (self.is_begun or bool(has)) and not self._begins(line)
        if is_gap:
            self.faults.append(Fault(kind=FaultKind.MISSING, seq=line.seq, lines=line.seq - self.last.seq - 1))
        if self._begins(line):
            self._begin(line, has)
        elif not has and self.is_begun:
            self.faults.append(Fault(kind=FaultKind.UNCHAINED, seq=line.seq))
        elif has:
            if self.last.seq and not self.is_begun:
                self.faults.append(Fault(kind=FaultKind.NOT_BEGUN, seq=1, lines=self.last.seq))
            # Behind a gap nobody knows what it followed.
            if not is_gap and has != chain.following(self._previous(), line):
                self.faults.append(Fault(kind=FaultKind.CHANGED, seq=line.seq))
            self.is_begun = True
        elif not self.is_begun:
            chain.add_older(self.older, line)
        self.last = Head(seq=line.seq, chain=has or self.last.chain)

    def _begins(self, line: ChainedLine) -> bool:
        return line.act == chain.BEGUN and not self.is_begun

    def _begin(self, line: ChainedLine, has: str) -> None:
        if has != chain.following(chain.GENESIS, line):
            self.faults.append(Fault(kind=FaultKind.CHANGED, seq=line.seq))
        if line.detail != self.older.hexdigest():
            self.faults.append(Fault(kind=FaultKind.OLDER_CHANGED, seq=line.seq))
        self.is_begun = True

    def _previous(self) -> str:
        return self.last.chain if self.is_begun else chain.GENESIS


def _line(row: Row) -> ChainedLine:
    return ChainedLine(*(row[name] for name in ChainedLine._fields))


def _before_first(tx: Transaction) -> list[int]:
    return tx.column("SELECT seq FROM audit WHERE seq < 1 ORDER BY seq LIMIT :most", most=PAGE)


def _at_the_end(tx: Transaction, last: Head) -> list[Fault]:
    kept = RecordSum.read(tx.connection, tx.sealer)
    if kept is None:
        return [Fault(kind=FaultKind.NO_HEAD)] if last.seq else []
    if kept.head == last:
        return []
    if kept.head.seq > last.seq:
        return [Fault(kind=FaultKind.CUT, seq=last.seq, lines=kept.head.seq - last.seq)]
    if kept.head.seq < last.seq:
        return [Fault(kind=FaultKind.ADDED, seq=kept.head.seq + 1, lines=last.seq - kept.head.seq)]
    return [Fault(kind=FaultKind.MADE_ANEW, seq=last.seq)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordProgress:
    """How far the records are compared with the lines that name them."""

    last: str = ""
    records: int = 0
    done: bool = False
    faults: tuple[Fault, ...] = ()


def compare_records(tx: Transaction, before: RecordProgress) -> RecordProgress:
    """Compare the records of the next page of checks with the last lines that name them."""
    # One that is no text is none of the bot's (`macs.refs_after`), and bytes come after every text.
    follows = f"ref > :last AND {tx.dialect.is_text('ref')}"
    rows = tx.rows(
        f"""
        SELECT n.ref, m.version, v.ref IS NOT NULL AS stands, a.seq, a.act, a.version AS told FROM (
            SELECT ref FROM (SELECT ref FROM check_macs WHERE {follows} ORDER BY ref LIMIT :most) proven
            UNION SELECT ref FROM (SELECT ref FROM verifications WHERE {follows} ORDER BY ref LIMIT :most) stored
            UNION SELECT ref FROM (
                SELECT DISTINCT ref FROM audit WHERE ref IS NOT NULL AND {follows} ORDER BY ref LIMIT :most) named
            ORDER BY ref LIMIT :most) n
        LEFT JOIN check_macs m ON m.ref = n.ref
        LEFT JOIN verifications v ON v.ref = n.ref
        LEFT JOIN audit a ON a.seq = (
            SELECT MAX(seq) FROM audit WHERE ref = n.ref AND (version IS NOT NULL OR act = 'record.erased'))
        ORDER BY n.ref
        """,
        last=before.last,
        most=PAGE,
    )
    stored = [row["ref"] for row in rows if row["version"] is not None or row["stands"]]
    altered = tx.altered(stored)
    faults = [fault for row in rows if (fault := _record_fault(row, altered)) is not None]
    return RecordProgress(
        last=rows[-1]["ref"] if rows else before.last,
        records=before.records + len(stored),
        done=len(rows) < PAGE,
        faults=tuple(faults),
    )


def _record_fault(row: Row, altered: frozenset[str]) -> Fault | None:
    """None also where the last line is from before there was a chain: it repeats no version."""
    if row["ref"] in altered:
        return Fault(kind=FaultKind.RECORD_ALTERED, ref=row["ref"], seq=row["seq"])
    if row["told"] is None or row["told"] == row["version"]:
        return None
    if row["version"] is None:
        return Fault(kind=FaultKind.RECORD_GONE, ref=row["ref"], seq=row["seq"])
    return Fault(kind=FaultKind.RECORD_OLDER, ref=row["ref"], seq=row["seq"])


def gathered(faults: list[Fault]) -> list[Fault]:
    """The same faults, with those of neighbouring lines as one: after a line was put in, every later one is wrong."""
    told: list[Fault] = []
    for before, fault in pairwise([None, *faults]):
        assert fault is not None
        is_next = before is not None and before.kind is fault.kind is FaultKind.CHANGED and fault.seq == _next(before)
        if is_next:
            told[-1] = replace(told[-1], lines=told[-1].lines + 1)
        else:
            told.append(fault)
    return told


def _next(fault: Fault) -> int | None:
    return fault.seq + 1 if fault.seq is not None else None
