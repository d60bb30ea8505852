"""Who asks for records' MACs: a reader about its snapshot, and the writer, which makes them with each commit.

No storage function can forget them: triggers note which checks a function touches (`Notes`), of the writer's own
connection alone, so that no other program's change is ever noted, and the commit makes the MACs of what was noted. A
record that was altered never gets another one: neither from a change beside the alteration, nor when its MAC is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from threading import Lock
from typing import Any, Protocol

from bot.errors import RecordAltered
from storage.engine import chain, kept_sums, macs, record_versions
from storage.engine.chain import Head
from storage.engine.record_versions import RecordSum, RecordVersions, versions_in
from storage.engine.sealing import Sealer
from storage.engine.sql import Later, SqlConnection


class Alterations:
    """What this process has found out, for whoever tells people. Used by all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: frozenset[str] = frozenset()
        self._news: list[str] = []
        self.is_older = False
        """Some record was put back to an older state, or taken away; or what would tell so is gone."""
        self.is_cut = False
        """The audit trail did not end where the bot had left it."""

    @property
    def known(self) -> frozenset[str]:
        """Checks whose record proved altered."""
        return self._known

    def note(self, refs: Collection[str]) -> None:
        with self._lock:
            if new := [ref for ref in refs if ref not in self._known]:
                self._known |= frozenset(new)
                self._news += new

    def forget(self) -> None:
        """Whatever proves altered from now on is found anew."""
        with self._lock:
            self._known, self._news = frozenset(), []

    def take_news(self) -> list[str]:
        """What was noted since the last time; each check once."""
        if not self._news:
            return []
        with self._lock:
            news, self._news = self._news, []
        return news


class AlteredMeanwhile(Exception):
    """While a group was at work somebody else has changed what it makes a proof of: nothing of the group may be stored.

    Begun anew, it finds that altered.
    """


class SnapshotMacs:
    """Examines checks as one snapshot of the file has them."""

    def __init__(
        self,
        connection: SqlConnection,
        sealer: Sealer,
        *,
        versions: RecordVersions | None = None,
        found: Alterations | None = None,
    ) -> None:
        self._connection = connection
        self._sealer = sealer
        self._versions = versions
        # Before the snapshot begins: what is committed from now on may not be in it.
        self._seen_at = versions.commits if versions else 0
        self._found = found or Alterations()
        self._examined: set[str] = set()
        self._heads_examined: set[str] = set()
        self._altered: set[str] = set()
        self._unknown: set[str] = set()

    @property
    def known(self) -> frozenset[str]:
        """What this process has found out so far."""
        return self._found.known

    def altered(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]:
        """Those of these checks whose record is not as the bot wrote it last."""
        if new := set(refs) - self._examined:
            examined = macs.examine(self._connection, self._sealer, new, versions=self._versions, seen_at=self._seen_at)
            self._examined |= new
            self._unknown |= examined.unknown
            self.note(examined.altered)
        return self._among(refs, or_gone=or_gone)

    def altered_heads(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]:
        """The same, where nothing but the heads of their records is shown."""
        new = set(refs) - self._examined - self._heads_examined
        if known := new & self._found.known:
            # What was altered may be in the rest; or somebody has put it right since.
            self.altered(known, or_gone=True)
        if new := new - known:
            examined = macs.examine(
                self._connection, self._sealer, new, versions=self._versions, seen_at=self._seen_at, heads=True
            )
            self._heads_examined |= new
            self._unknown |= examined.unknown
            self.note(examined.altered)
        return self._among(refs, or_gone=or_gone)

    def _among(self, refs: Collection[str], *, or_gone: bool) -> frozenset[str]:
        if not or_gone and (unknown := self._unknown.intersection(refs)):
            # Whoever asks has read a row of it: one that an index does not lead to was put there beside the bot.
            self.note(unknown)
        return frozenset(self._altered.intersection(refs))

    def note(self, refs: Collection[str]) -> None:
        """The same was found out in another way."""
        self._altered |= set(refs)
        self._found.note(refs)

    def note_older(self) -> None:
        """Some record, nobody can say which, is older than the bot wrote it last, or gone."""
        self._found.is_older = True


class Notes(Protocol):
    """What the writer's own connection has touched since its group began, but for functions that were rolled back."""

    def begin(self) -> None:
        """A group begins: nothing is touched."""

    def decisive(self) -> list[str]:
        """Checks of which something was changed that decides what comes of them; each once."""

    def touched(self) -> list[str]:
        """All checks of which something was changed; each once."""

    def forget_touched(self) -> None:
        """From now on no check is touched."""

    def take_sums_changed(self) -> bool:
        """Whether a sum of days that is kept has changed since the last time."""

    def has_lines(self) -> bool:
        """Whether the audit trail has grown."""

    def forget(self) -> None:
        """The last function was rolled back: it has touched nothing."""


class WriterMacs:
    """Makes the MACs of what a commit has touched."""

    def __init__(
        self,
        connection: SqlConnection,
        witness: SqlConnection,
        sealer: Sealer,
        *,
        versions: RecordVersions,
        found: Alterations,
        notes: Notes,
        others_write: bool = False,
    ) -> None:
        """`witness` is a connection of its own, on the same thread: it sees what was committed last.

        Where `others_write`, other instances commit between two groups of this one.
        """
        self._connection = connection
        self._witness = witness
        self._sealer = sealer
        self._versions = versions
        self._found = found
        self._notes = notes
        self._others_write = others_write
        self._before = macs.Examined()
        self._examined: set[str] = set()
        self._written: dict[str, int] = {}
        self._sum = RecordSum.new()
        """As this instance has written it last, or seen another's that followed from it."""
        self._next_sum = self._sum
        self._trail_before: Later[Head] = lambda: chain.NOWHERE
        self._asked: tuple[Later[RecordSum | None], Later[bool]] | None = None

    def begin(self) -> None:
        """Find out how records and trail were left, of one snapshot where others write. Once, before any group."""
        kept = RecordSum.read(self._connection, self._sealer)
        self._sum = self._next_sum = kept or RecordSum.new()
        if kept is None and next(versions_in(self._connection), None) is not None:
            self._found.is_older = True
        self._found.is_cut = self._sum.head != chain.last(self._connection)

    def begin_anew(self) -> None:
        """In a group, before its first function: the database has lost commits, or may have.

        What is remembered of them counts no more. It is taken as a start takes it, from what there is now.
        """
        self._versions.forget()
        self._found.forget()
        if record_versions.are_at_most(self._witness, record_versions.AT_ONCE):
            self._found.is_older |= self._versions.learn(self._witness, self._sealer) is False
        self._sum = self._next_sum = RecordSum.read(self._connection, self._sealer) or RecordSum.new()
        if self._others_write:
            self._asked = self._ask_for_sum()

    def begin_group(self) -> None:
        """Before the first function of a commit, once nobody else can commit."""
        self._notes.begin()
        self._before, self._examined, self._written = macs.Examined(), set(), {}
        self._next_sum = self._sum
        if self._others_write:
            self._trail_before = chain.last_later(self._connection)
            # Each time, whatever the group will do: so what is remembered here is never older than the last beat, and
            # nobody can put an older state in place of what another instance has written since.
            self._asked = self._ask_for_sum()
        else:
            # Seen from the witness it stays what it was, so that most groups, which add no line, need not ask.
            self._trail_before = cache(partial(chain.last, self._witness))

    @property
    def known(self) -> frozenset[str]:
        """What this process has found out so far."""
        return self._found.known

    def altered(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]:
        """Those whose record was altered before this commit; what the commit itself has changed is the bot's own."""
        if new := set(refs) - self._examined:
            found = macs.examine(
                self._witness, self._sealer, new, versions=self._versions, seen_at=self._versions.commits
            )
            self._examined |= new
            self._before.versions |= found.versions
            self._before.altered |= found.altered
            self._found.note(found.altered)
        return frozenset(self._before.altered.intersection(refs))

    def altered_heads(self, refs: Collection[str], *, or_gone: bool = False) -> frozenset[str]:
        """The same: whoever writes acts on what it has read, and few records are read for it."""
        return self.altered(refs, or_gone=or_gone)

    def note(self, refs: Collection[str]) -> None:
        """The same was found out in another way."""
        self._found.note(refs)

    def note_older(self) -> None:
        """Some record, nobody can say which, is older than the bot wrote it last, or gone."""
        self._found.is_older = True

    def require_intact(self) -> None:
        """After each function. Raises RecordAltered if it changed what comes of a check whose record was altered."""
        decisive = self._notes.decisive()
        # Nothing of an altered record stays among them: the function that touched it is rolled back.
        if decisive and (altered := self.altered(decisive)):
            raise RecordAltered(min(altered))

    def taken_back(self) -> None:
        """After each function that was rolled back."""
        self._notes.forget()

    def make(self) -> None:
        """Before the commit: give every record that was touched its next version, and the MAC of it.

        The trail's new lines are chained, with a line of its own for each record that had none; a MAC knows the last.
        """
        touched, has_lines = self._notes.touched(), self._notes.has_lines()
        sums_changed = self._notes.take_sums_changed()
        if not touched and not sums_changed and not has_lines:
            if self._others_write:
                self._follow()
            return
        intact = sorted(set(touched) - self.altered(touched))
        lines = chain.lines_of_all(self._connection, intact, after=self._trail_before().seq)
        self._notes.forget_touched()  # the lines that were added for it are no act of anybody
        next_ones = {ref: self._before.versions.get(ref, 0) + 1 for ref in intact}
        self._written = keep(self._connection, self._sealer, next_ones)
        replaced = {ref: known for ref in intact if (known := self._before.versions.get(ref)) is not None}
        new_lines = lines()
        if self._others_write:
            self._require_nobody_else(intact)
        # The bot itself has deleted them.
        if gone := [(ref,) for ref in replaced.keys() - self._written.keys()]:
            self._connection.run_for_each("DELETE FROM check_macs WHERE ref = ?", gone)
        kept, last = self._latest()
        head = chain.complete(self._connection, last, new_lines, versions=self._written)
        kept = replace(kept, day_sums=self._digest_of_sums(kept)) if sums_changed else kept
        self._next_sum = kept.with_versions(replaced, self._written, head=head)
        self._next_sum.write(self._connection, self._sealer)

    def _require_nobody_else(self, refs: Collection[str]) -> None:
        """Raises AlteredMeanwhile. Once all rows are read that the new MACs and hashes are of.

        The writer's row keeps instances away, and nobody else: what they have committed since these records were
        examined, and since the trail's end was read, is among those rows. What they commit from now on is not, and fits
        neither. Nobody but them can have made a version another one meanwhile, nor a record that was not there.
        """
        trail = chain.last_later(self._witness)
        now = macs.examine(self._witness, self._sealer, refs, versions=self._versions, seen_at=self._versions.commits)
        before = {ref: self._before.versions.get(ref) for ref in refs}
        altered = now.altered | {ref for ref, known in before.items() if now.versions.get(ref) != known}
        self._found.note(altered)
        if altered or trail() != self._trail_before():
            # What other instances wrote is not remembered here: begun anew, an older copy of it must count as one.
            self._versions.keep({ref: known for ref in altered if (known := before[ref]) is not None})
            raise AlteredMeanwhile

    def committed(self) -> None:
        """After the commit."""
        # Not before: had it failed, the sum in the file would be the older one, and rightly so.
        self._sum = self._next_sum
        if self._written:
            self._versions.keep(self._written)

    def _digest_of_sums(self, kept: RecordSum) -> str:
        """Of the sums of days after this commit, which has changed some of them."""
        if kept_sums.digest(self._witness) != kept.day_sums:
            # Before it, somebody else had put one in or taken one away: it must not pass for ours from now on.
            kept_sums.forget_all(self._connection)
            self._notes.take_sums_changed()
        return kept_sums.digest(self._connection)

    def _ask_for_sum(self) -> tuple[Later[RecordSum | None], Later[bool]]:
        """The sum as it is kept, and whether the trail still has what was its last line once."""
        kept = RecordSum.read_later(self._connection, self._sealer)
        if not self._others_write and self._trail_before() == self._sum.head:
            return kept, lambda: True  # it is the last line still
        return kept, chain.holds_later(self._connection, self._sum.head)

    def _follow(self) -> None:
        """Remember how the others have left it, if it follows from what is remembered."""
        kept, last = self._latest()
        if kept.head == last == self._trail_before():
            self._next_sum = kept

    def _latest(self) -> tuple[RecordSum, Head]:
        """The sum that this commit goes on from, and the line of the trail.

        A command beside the bot may have written since, or another instance; or somebody has put an older one in its
        place, or none.
        """
        asked, is_whole = self._asked or self._ask_for_sum()
        kept = asked()
        if kept is None or not kept.may_follow(self._sum):
            self._found.is_older = self._found.is_older or self._sum.commits > 0
            kept = self._sum
        # Where it does not hold, an older sum was put in place of ours together with the trail of its time. What a
        # command beside the bot has written since may make it look newer than ours.
        last = kept.head if is_whole() else self._sum.head
        if last != self._trail_before():
            # Somebody has cut lines off or added some. The bot goes on from the last line that it wrote: the hash that
            # is wrong from then on shows where.
            self._found.is_cut = True
        return kept, last


def keep(connection: SqlConnection, sealer: Sealer, versions: Mapping[str, int]) -> dict[str, int]:
    """Store the MACs of these versions of records, and of their rows that figures are summed from.

    Of the records that exist: these are returned.
    """
    sql = """
        INSERT INTO check_macs (ref, version, mac, rest_sha256) VALUES (?, ?, ?, ?)
        ON CONFLICT (ref)
        DO UPDATE SET version = excluded.version, mac = excluded.mac, rest_sha256 = excluded.rest_sha256
        """
    facts = [_facts_later(connection, page) for page in macs.pages(versions)]
    texts = macs.texts_of(connection, versions)
    made = [(ref, versions[ref], macs.mac_of(sealer, versions[ref], text), text.rest) for ref, text in texts.items()]
    connection.run_for_each(sql, made)
    for rows in facts:
        changed = [
            (new, ref, row[0]) for ref, mac, *row in rows() if (new := macs.fact_mac_of(sealer, ref, row)) != mac
        ]
        if changed:
            connection.run_for_each("UPDATE facts SET mac = ? WHERE ref = ? AND round = ?", changed)
    return {ref: version for ref, version, _mac, _rest in made}


def _facts_later(connection: SqlConnection, refs: Sequence[str]) -> Later[list[tuple[Any, ...]]]:
    table, parameters = macs.table_of(refs, connection.dialect)
    sql = f"""
        SELECT f.ref, f.mac, {", ".join(f"f.{column}" for column in macs.FACTS.columns)} FROM {table} r
        CROSS JOIN facts f ON f.ref = r.value
        """
    return connection.fetch_later(sql, parameters)
