"""Moves the bot from a file to a server, or back, and takes a move back.

What is there is copied and compared, row by row and MAC by MAC, while nobody works on either. Then in this order: the
new database is whole, but serves nobody; the old one is left; the new one serves. Each step is stored before the next
begins. A kill leaves the old one serving, or the new one whole: the same command once more ends what was begun.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import sqlite_utils

from bot.errors import ConstraintFailed, DatabaseFault, DatabaseInUse, DatabaseMoved
from storage.engine import chain, migrations, moved
from storage.engine.connection import sql_of, unusable_as_fault
from storage.engine.examination import Verdict, examine
from storage.engine.moved import Move, MoveState
from storage.engine.postgresql import copying, creation, schema, shape
from storage.engine.postgresql.copying import NotCarried, Table
from storage.engine.postgresql.places import FilePlace, Place, ServerPlace
from storage.engine.record_versions import add_line
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import to_text

MOVED, UNDONE = "database.moved", "database.move_undone"
_OPERATOR = "operator"

_SINCE = """
    SELECT COUNT(*), COUNT(DISTINCT ref) FROM audit
    WHERE seq > ? AND act NOT IN ('database.moved', 'database.move_undone') AND (ref IS NOT NULL OR actor <> 'kyc-bot')
"""
"""What people did and what became of checks; not what the bot tells the trail of itself."""


class Step(StrEnum):
    """How far it is; each is told with how much is done, of how much."""

    COPY = "copied"
    """Rows."""
    COMPARE = "compared"
    """Rows, read again where they are now."""
    VERIFY = "verified"
    """Checks."""


OnProgress = Callable[[Step, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was moved."""

    rows: int
    tables: int
    verdict: Verdict
    """The same of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a database holds that the one before the move does not."""

    acts: int
    checks: int


class WrittenSince(DatabaseFault):
    """To take the move back would lose what was written since, or nobody can tell whether it would."""


def move(
    source: Place, target: FilePlace | ServerPlace, sealer: Sealer, *, now: datetime, on_progress: OnProgress
) -> Report | None:
    """Move all of it; None where this was done before, at most up to the last step, which is done now.

    Raises DatabaseFault, and then the source serves as before unless the fault says otherwise.
    """
    with source, target:
        if source.state is MoveState.LEFT:
            _end(source, target)
            return None
        if source.state is MoveState.INCOMING:
            raise DatabaseMoved(moved.told(source.state, source.move))
        source.require_whole(sealer)
        if target.state not in (None, MoveState.INCOMING) and not _was_left_to(source, target):
            raise DatabaseFault(
                f"{target.name} holds a database of the bot already: name a place that is empty. A server's, if "
                "nothing in it is needed any more, is emptied by DROP DATABASE and CREATE DATABASE"
            )
        begun = Move(id=secrets.token_hex(8), source=source.name, target=target.name, at=to_text(now))
        with source.held():
            carrier = _Carrier(source, target, sealer, begun, on_progress)
            arrived = carrier.carry()
            # The new database is stored by now. From the end of this block on the old one is left.
            source.mark(MoveState.LEFT, replace(arrived, before=source.move))
        _let_serve(target, arrived)
        return carrier.report


def _was_left_to(source: Place, target: Place) -> bool:
    """Whether a server's database serves nobody, and what was in it went on in the source: by a move, or its undoing.

    It may be replaced, which a file may not: there nothing is left of the old one before the new one is whole.
    """
    is_left = target.state is MoveState.LEFT and target.move is not None and target.move.target == source.name
    return is_left and isinstance(target, ServerPlace)


def _end(source: Place, target: Place) -> None:
    """After a kill between the last two steps. Raises DatabaseMoved where it was another move."""
    done = source.move
    if done is None or done.target != target.name or target.move is None or target.move.id != done.id:
        raise DatabaseMoved(moved.told(MoveState.LEFT, done))
    if target.state is MoveState.INCOMING:
        _let_serve(target, done)


def _let_serve(target: Place, done: Move) -> None:
    try:
        with target.held():
            target.mark(MoveState.SERVING, done)
    except DatabaseFault as fault:
        raise DatabaseFault(
            f"{done.target} is whole, and {done.source} is left, but the last step failed: {fault}. Run the same "
            "command once more"
        ) from fault


def undo(
    old: Place,
    place_of: Callable[[str], Place],
    sealer: Sealer,
    *,
    now: datetime,
    yes: bool,
) -> Lost | None:
    """Have the old database serve again, and the new one nobody; what is lost by it, None where nobody can tell.

    `place_of` finds the new one by its name. Raises WrittenSince unless `yes`; DatabaseFault where nothing was moved,
    or instances still work.
    """
    with old:
        done = old.move
        if old.state is not MoveState.LEFT or done is None:
            raise DatabaseFault(f"{old.name} was not moved away: there is nothing to take back")
        lost = _leave(place_of(done.target), done, sealer, now=now, yes=yes)
        with old.held():
            old.mark(MoveState.SERVING, done.before)
            add_line(old.sql, sealer, at=to_text(now), actor=_OPERATOR, act=UNDONE, detail=done.id)
    return lost


def _leave(new: Place, done: Move, sealer: Sealer, *, now: datetime, yes: bool) -> Lost | None:
    """Have nobody work on the new database any more."""
    with ExitStack() as resources:
        try:
            resources.enter_context(new)
        except DatabaseInUse:
            raise
        except DatabaseFault as fault:
            if yes:
                return None
            raise WrittenSince(
                f"whether {new.name} was written to since the move cannot be told: {fault}. With --yes the old "
                "database serves again all the same: see that nothing works on the new one, now and later"
            ) from fault
        if new.move is not None and new.move.before is not None and new.move.before.id == done.id:
            raise DatabaseMoved(f"{new.name} was moved on to {new.move.target}: take that back first")
        if new.move is None or new.move.id != done.id:
            if yes:
                return None
            raise WrittenSince(
                f"what was moved to {new.name} is there no more. If it is nowhere else, --yes has the old database "
                "serve again"
            )
        if isinstance(new, ServerPlace):
            new.require_silence(sealer)
        with new.held():
            lost = _since(new.sql, done)
            if lost.acts and not yes:
                raise WrittenSince(
                    f"{new.name} was written to since the move: {lost.acts:,} lines of the trail, about "
                    f"{lost.checks:,} checks. They would be lost: with --yes they are"
                )
            away = replace(done, source=done.target, target=done.source, at=to_text(now), before=None)
            new.mark(MoveState.LEFT, away)
    return lost


def _since(connection: SqlConnection, done: Move) -> Lost:
    [(acts, checks)] = connection.fetch(_SINCE, [done.seq])
    return Lost(acts=acts, checks=checks)


class _Carrier:
    """Copies from one place to another and compares."""

    def __init__(
        self, source: Place, target: FilePlace | ServerPlace, sealer: Sealer, begun: Move, on_progress: OnProgress
    ) -> None:
        self._source = source
        self._target = target
        self._sealer = sealer
        self._move = begun
        self._on_progress = on_progress
        self._rows = 0
        self._done = dict.fromkeys(Step, 0)
        self.report: Report

    def carry(self) -> Move:
        """Until the target is whole and stored, but serves nobody; the move with what arrived."""
        source, target = self._source, self._target
        try:
            with unusable_as_fault():
                if isinstance(source, FilePlace) and isinstance(target, ServerPlace):
                    return self._to_server(source.connection, target)
                if isinstance(source, ServerPlace) and isinstance(target, FilePlace):
                    return self._to_file(source, target)
        except (ConstraintFailed, sqlite3.IntegrityError) as error:
            raise NotCarried(f"a row is not as the schema wants it, which the bot has not written: {error}") from error
        raise DatabaseFault("a file is moved to a server, or a server's database to a file")

    def _to_server(self, lite: sqlite3.Connection, target: ServerPlace) -> Move:
        raw = target.raw
        tables = copying.tables_of(lite)
        self._rows = copying.count(sql_of(lite), tables)
        with target.held():
            made = creation.contents(migrations.migrate)
            if target.state is not None:
                creation.drop(raw, made)
            elif schema.exists(raw, "applied_migrations"):
                raise DatabaseFault(f"{target.name} holds a database of the bot by now")
            creation.create_tables(raw, made)
            for table in tables:
                sent = copying.to_server(lite, raw, table, self._told(Step.COPY))
                copying.require_same(table, sent, copying.of_server(raw, table, self._told(Step.COMPARE)))
            creation.create_others(raw, made)
            creation.note_applied(raw, made.migrations)
            # Else each of the next statements would be planned as for empty tables.
            raw.execute("ANALYZE")
            arrived = self._verified(target.sql, len(tables))
            shape.vouch(raw, migrations.migrate, self._sealer)
            target.mark(MoveState.INCOMING, arrived)
        return arrived

    def _to_file(self, source: ServerPlace, target: FilePlace) -> Move:
        if target.state is not None:
            target.remove()
        with target.new() as lite:
            migrations.migrate(sqlite_utils.Database(lite, execute_plugins=False), self._sealer)
            tables = copying.tables_of(lite)
            self._rows = copying.count(source.sql, tables)
            with _bare(lite, tables):
                for table in tables:
                    sent = copying.to_file(source.raw, lite, table, self._told(Step.COPY))
                    copying.require_same(table, sent, copying.of_file(lite, table, self._told(Step.COMPARE)))
            if lite.execute("PRAGMA foreign_key_check").fetchone():
                raise NotCarried("a row refers to one that is not there")
            lite.execute("BEGIN")
            arrived = self._verified(sql_of(lite), len(tables))
            moved.mark_file(lite, MoveState.INCOMING, arrived)
            lite.execute("COMMIT")
        target.open()
        return arrived

    def _verified(self, connection: SqlConnection, tables: int) -> Move:
        """All MACs, their sum and the chain, where they are now. What is wrong there must have been wrong before."""
        [(checks,)] = connection.fetch("SELECT COUNT(*) FROM check_macs")
        verdict = examine(connection, self._sealer, self._told(Step.VERIFY, checks))
        if not verdict.is_sound and examine(self._source.sql, self._sealer, lambda _more: None) != verdict:
            raise NotCarried("records or lines of the trail that were sound are not where they have arrived")
        self.report = Report(rows=self._rows, tables=tables, verdict=verdict)
        add_line(connection, self._sealer, at=self._move.at, actor=_OPERATOR, act=MOVED, detail=self._move.id)
        return replace(self._move, seq=chain.last(connection).seq)

    def _told(self, step: Step, total: int | None = None) -> Callable[[int], None]:
        def more(rows: int) -> None:
            self._done[step] += rows
            self._on_progress(step, self._done[step], self._rows if total is None else total)

        return more


@contextmanager
def _bare(lite: sqlite3.Connection, tables: list[Table]) -> Iterator[None]:
    """Tables that are empty, and count nothing by themselves; indexes are made at the end, from sorted rows."""
    others = lite.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('trigger', 'index') AND sql IS NOT NULL "
        "AND tbl_name NOT GLOB '_*' ORDER BY type"
    ).fetchall()
    lite.execute("BEGIN")
    for kind, name, _sql in others:
        lite.execute(f"DROP {kind} {name}")
    for table in tables:
        lite.execute(f"DELETE FROM {table.name}")
    yield
    for _kind, _name, sql in others:
        lite.execute(sql)
    lite.execute("COMMIT")
