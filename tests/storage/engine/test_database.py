"""The writer thread, its groups and the readers, on real SQLite files.

Not on a server, which takes no schema but the bot's own: what its groups hold is in `tests/storage/postgresql`.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import FrozenInstanceError, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import State
from bot.errors import ConstraintFailed, DatabaseFault, DatabaseUnusable
from storage.engine.connection import sql_of
from storage.engine.database import GROUP_LIMIT, Database, Transaction, from_text, load, to_text
from storage.engine.group import MOST_TOGETHER
from storage.engine.sealing import Sealer
from storage.engine.sql import Row
from tests.patience import GIVE_UP_SECONDS
from tests.raw_sqlite import raw

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]

SCHEMA = (
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TABLE later (note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
    "CREATE TABLE at_once (note INTEGER REFERENCES notes (id)) STRICT",
)


def migrate(db: sqlite_utils.Database, _sealer: Sealer) -> None:
    with db.atomic():
        if not db.table_names():
            for statement in SCHEMA:
                db.execute(statement)


def add(tx: Transaction, body: str) -> int:
    return tx.run("INSERT INTO notes (body) VALUES (:body)", body=body)


def house(tx: Transaction) -> sqlite_utils.Database:
    return sqlite_utils.Database(raw(tx), execute_plugins=False)


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def add_then_fail(tx: Transaction, body: str) -> None:
    add(tx, body)
    raise LookupError(body)


def add_orphan_later(tx: Transaction) -> int:
    return tx.run("INSERT INTO later VALUES (404)")


def bodies(tx: Transaction) -> list[str]:
    return [row["body"] for row in tx.rows("SELECT body FROM notes ORDER BY id")]


@asynccontextmanager
async def opened(
    path: Path, *, migrate: Callable[[sqlite_utils.Database, Sealer], None] = migrate, **options: Any
) -> AsyncIterator[Database]:
    # On a busy machine nothing here is divided into two commits, unless the test means that.
    options = {"group_seconds": GIVE_UP_SECONDS, **options}
    database = await Database.open(path, sealer=Sealer([b"k" * 32]), migrate=migrate, **options)
    try:
        yield database
    finally:
        await database.close()


@dataclass
class Held:
    """Keeps the writer inside a function, so that what is written meanwhile forms one group."""

    database: Database

    async def __aenter__(self) -> Held:
        self._running, self._release = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hold(_: Transaction) -> None:
            loop.call_soon_threadsafe(self._running.set)
            self._release.wait(30)

        self._held = asyncio.create_task(self.database.write(hold))
        await self._running.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._held


async def together(database: Database, *calls: Callable[[Transaction], object]) -> list[Any]:
    """The results and exceptions of calls that share one commit."""
    async with Held(database):
        tasks = [asyncio.create_task(database.write(call)) for call in calls]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kyc.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with opened(path) as database:
        yield database


# Writing


async def test_what_a_function_wrote_and_returned_is_there_afterwards(database: Database) -> None:
    assert await database.write(add, "one") == 1
    assert await database.write(add, body="two") == 1
    assert await database.read(bodies) == ["one", "two"]


async def test_a_read_sees_every_write_awaited_before_it(database: Database) -> None:
    for number in range(50):
        await database.write(add, str(number))
        assert len(await database.read(bodies)) == number + 1


async def test_a_function_that_fails_is_undone_alone_and_its_caller_told(database: Database) -> None:
    first, failed, last = await together(
        database, lambda tx: add(tx, "a"), lambda tx: add_then_fail(tx, "b"), lambda tx: add(tx, "c")
    )
    assert (first, last) == (1, 1)
    assert isinstance(failed, LookupError)
    assert await database.read(bodies) == ["a", "c"]


async def test_a_broken_rule_of_the_schema_reaches_its_caller_as_it_is(database: Database) -> None:
    first, second = await together(database, lambda tx: add(tx, "same"), lambda tx: add(tx, "same"))
    assert first == 1
    assert isinstance(second, ConstraintFailed)
    assert str(second) == "SQLITE_CONSTRAINT_UNIQUE"


async def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(ConstraintFailed):
        await database.write(lambda tx: tx.run("INSERT INTO at_once VALUES (404)"))


async def test_what_sqlite_utils_inserts_is_undone_with_its_function_alone(database: Database) -> None:
    def insert_then_fail(tx: Transaction) -> None:
        house(tx).table("notes").insert_all([{"body": "x"}, {"body": "y"}])
        raise LookupError

    def insert(tx: Transaction) -> None:
        house(tx).table("notes").insert({"body": "z"})

    results = await together(database, lambda tx: add(tx, "a"), insert_then_fail, insert)
    assert isinstance(results[1], LookupError)
    assert await database.read(bodies) == ["a", "z"]


async def test_an_inner_savepoint_of_a_function_can_fail_without_the_function(database: Database) -> None:
    def try_twice(tx: Transaction) -> None:
        for body in ("a", "b"):
            with pytest.raises(LookupError), house(tx).atomic():
                add_then_fail(tx, body)
        with house(tx).atomic():
            add(tx, "c")

    await database.write(try_twice)
    assert await database.read(bodies) == ["c"]


async def test_a_thousand_concurrent_writes_share_a_few_commits(path: Path) -> None:
    commits: list[tuple[int, float]] = []
    async with opened(path, on_commit=lambda size, seconds: commits.append((size, seconds))) as database:
        await asyncio.gather(*(database.write(add, str(number)) for number in range(1000)))
        assert len(await database.read(bodies)) == 1000
    assert sum(size for size, _ in commits) == 1000
    assert len(commits) <= 20
    assert all(0 < size <= GROUP_LIMIT and seconds > 0 for size, seconds in commits)


def add_all(tx: Transaction, items: Sequence[str]) -> list[str]:
    """Each hears with whom it was stored."""
    for body in items:
        add(tx, body)
    return [f"{body} of {''.join(items)}" for body in items]


async def at_once(database: Database, *writes: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results and exceptions of writes that share one commit."""
    async with Held(database):
        tasks = [asyncio.create_task(write()) for write in writes]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_call_does_it_for_all_that_wait_for_the_same_where_the_first_of_them_stood(
    database: Database,
) -> None:
    def said(tx: Transaction) -> list[str]:
        return bodies(tx)

    found = await at_once(
        database,
        lambda: database.write(said),
        lambda: database.write_together(add_all, "a"),
        lambda: database.write(said),
        lambda: database.write_together(add_all, "b"),
    )
    assert found == [[], "a of ab", ["a", "b"], "b of ab"]


async def test_of_many_in_one_call_one_that_fails_spoils_no_other(database: Database) -> None:
    found = await at_once(
        database, *(lambda body=body: database.write_together(add_all, body) for body in ("a", "b", "a", "c"))
    )
    assert [found[0], found[1], found[3]] == ["a of a", "b of b", "c of c"]
    assert isinstance(found[2], ConstraintFailed)
    assert await database.read(bodies) == ["a", "b", "c"]


async def test_one_call_is_given_no_more_than_leave_others_their_turn(database: Database) -> None:
    many = [str(number) for number in range(MOST_TOGETHER + 1)]

    def count_all(_tx: Transaction, items: Sequence[str]) -> list[int]:
        return [len(items)] * len(items)

    found = await at_once(database, *(lambda one=one: database.write_together(count_all, one) for one in many))
    assert found == [MOST_TOGETHER] * MOST_TOGETHER + [1]


async def test_what_waits_for_a_later_commit_is_still_done_together(path: Path) -> None:
    async with opened(path, group_seconds=0.0) as database:
        found = await at_once(
            database,
            lambda: database.write(add, "first"),
            lambda: database.write_together(add_all, "a"),
            lambda: database.write_together(add_all, "b"),
        )
        assert found == [1, "a of ab", "b of ab"]


async def test_a_call_for_many_that_forgets_one_of_them_stores_nothing(database: Database) -> None:
    def forget_one(tx: Transaction, items: Sequence[str]) -> list[str]:
        return add_all(tx, items)[1:]

    found = await at_once(database, *(lambda body=body: database.write_together(forget_one, body) for body in "ab"))
    assert all(isinstance(one, IndexError) for one in found), found
    assert await database.read(bodies) == []


async def test_no_caller_hears_before_the_commit(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path)) as other:
        await database.write(add, "one")
        assert other.execute("SELECT count(*) FROM notes").fetchone() == (1,)


async def test_a_function_may_stop_iteration_without_leaving_its_caller_waiting(database: Database) -> None:
    def stop(tx: Transaction) -> str:
        return next(body for body in bodies(tx) if body == "missing")

    for way in (database.write, database.read):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(way(stop), GIVE_UP_SECONDS)


async def test_results_that_would_outlive_the_transaction_are_refused(database: Database) -> None:
    async def coroutine() -> None: ...

    unfit: list[Callable[[Transaction], object]] = [
        lambda tx: raw(tx).execute("INSERT INTO notes (body) VALUES ('a')"),
        lambda tx: (add(tx, body) for body in "ab"),
        lambda tx: house(tx).query("SELECT * FROM notes"),
        lambda tx: coroutine(),
    ]
    for fn in unfit:
        with pytest.raises(TypeError, match="plain values"):
            await database.write(fn)
    with pytest.raises(TypeError, match="plain values"):
        await database.read(lambda tx: house(tx).query("SELECT * FROM notes"))
    assert await database.read(bodies) == []


async def test_no_cursor_outlives_the_function_that_made_it(database: Database) -> None:
    kept: list[sqlite3.Cursor] = []

    def keep(tx: Transaction, *values: str) -> None:
        sql = "INSERT INTO notes (body) VALUES (?), (? || '!') RETURNING id"
        kept.extend(raw(tx).execute(sql, [value, value]) for value in values)

    def keep_then_fail(tx: Transaction) -> None:
        keep(tx, "lost")
        raise LookupError

    def look(tx: Transaction) -> None:
        kept.append(raw(tx).execute("SELECT * FROM notes"))
        assert kept[-1].fetchone()

    results = await together(database, lambda tx: add(tx, "a"), lambda tx: keep(tx, "x", "y"), keep_then_fail)
    assert [repr(result) for result in results] == ["1", "None", "LookupError()"]
    for number in range(6):
        await database.read(look)
        await database.write(add, str(number))
        assert await database.read(bodies) == ["a", "x", "x!", "y", "y!", *map(str, range(number + 1))]
    with pytest.raises(sqlite3.ProgrammingError):
        kept[-1].fetchone()


async def test_rows_that_nobody_wants_stop_no_later_commit_or_statement(database: Database) -> None:
    def unread(tx: Transaction) -> int:
        house = sql_of(raw(tx))
        touched = house.run("INSERT INTO notes (body) VALUES ('a'), ('b') RETURNING id")
        assert house.fetch("SELECT body FROM notes") == [("a",), ("b",)]
        assert [row["body"] for row in house.fetch_rows("SELECT body FROM notes")] == ["a", "b"]
        with pytest.raises(ConstraintFailed):
            house.run("INSERT INTO notes (id, body) VALUES (1, 'c')")
        assert house.fetch("SELECT COUNT(*) FROM notes") == [(2,)]
        return touched

    await database.write(unread)
    await database.write(add, "d")
    assert await database.read(bodies) == ["a", "b", "d"]


# Transaction control


def _with_connection(tx: Transaction) -> None:
    with raw(tx):
        add(tx, "inside")


CONTROL: dict[str, Callable[[Transaction], object]] = {
    "commit()": lambda tx: raw(tx).commit(),
    "rollback()": lambda tx: raw(tx).rollback(),
    "with conn": _with_connection,
    "executescript": lambda tx: raw(tx).executescript("SELECT 1;"),
    "db.commit()": lambda tx: house(tx).commit(),
    "BEGIN": lambda tx: raw(tx).execute("BEGIN").close(),
    "COMMIT": lambda tx: raw(tx).execute("COMMIT").close(),
    "commit in words": lambda tx: tx.run("/* sly */ END TRANSACTION"),
    "ROLLBACK": lambda tx: tx.run("ROLLBACK"),
    "our savepoint": lambda tx: tx.run("RELEASE Storage_Function"),
    "back to our savepoint": lambda tx: tx.run("ROLLBACK TO storage_function"),
    "isolation level": lambda tx: setattr(raw(tx), "isolation_level", None),
}


@pytest.mark.parametrize("way", CONTROL)
async def test_a_function_cannot_end_the_transaction_it_shares(database: Database, way: str) -> None:
    def control(tx: Transaction) -> None:
        add(tx, "lost")
        CONTROL[way](tx)

    first, refused, last = await together(database, lambda tx: add(tx, "a"), control, lambda tx: add(tx, "b"))
    assert (first, last) == (1, 1)
    assert isinstance(refused, RuntimeError)
    assert "may not begin or end the transaction" in str(refused)
    assert await database.read(bodies) == ["a", "b"]
    with pytest.raises(RuntimeError, match="may not begin or end"):
        await database.read(CONTROL["COMMIT"])


async def test_hiding_the_refusal_does_not_help(database: Database) -> None:
    def control(tx: Transaction) -> None:
        add(tx, "lost")
        with pytest.raises(sqlite3.DatabaseError):
            raw(tx).commit()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="may not begin or end"):
            await database.write(control)
    assert await database.read(bodies) == []


# What fails a whole group


async def test_a_failing_commit_stores_nothing_and_tells_every_caller(database: Database) -> None:
    errors = await together(database, lambda tx: add(tx, "a"), add_orphan_later, lambda tx: add_then_fail(tx, "b"))
    assert all(isinstance(error, DatabaseFault) for error in errors)
    assert all("SQLITE_CONSTRAINT_FOREIGNKEY" in str(error) for error in errors)
    assert all(isinstance(error.__cause__, ConstraintFailed) for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert await database.read(bodies) == []
    assert await database.write(add, "next") == 1


async def test_a_failing_commit_counts_as_no_commit(path: Path) -> None:
    commits: list[int] = []
    async with opened(path, on_commit=lambda size, _: commits.append(size)) as database:
        with pytest.raises(DatabaseFault):
            await database.write(add_orphan_later)
        await database.write(add, "next")
    assert commits == [1]


@pytest.mark.parametrize("forgiven", [False, True])
async def test_an_error_that_ends_the_transaction_fails_the_whole_group(database: Database, forgiven: bool) -> None:
    await database.write(add, "taken")

    def clash(tx: Transaction) -> None:
        try:
            tx.run("INSERT OR ROLLBACK INTO notes (body) VALUES ('taken')")
        except ConstraintFailed:
            if not forgiven:
                raise

    before, culprit, after = await together(database, lambda tx: add(tx, "a"), clash, lambda tx: add(tx, "b"))
    for error in (before, after):
        assert isinstance(error, DatabaseFault)
        assert "ended the transaction" in str(error)
    assert isinstance(culprit, DatabaseFault if forgiven else ConstraintFailed)
    assert await database.read(bodies) == ["taken"]
    assert await database.write(add, "next") == 1


def end_at_taken(tx: Transaction, items: Sequence[str]) -> list[str]:
    """One that is `taken` ends the transaction; each hears with whom it was stored."""
    for body in items:
        tx.run("INSERT OR ROLLBACK INTO notes (body) VALUES (:body)", body=body)
    return [f"{body} of {''.join(items)}" for body in items]


def end_if_several(tx: Transaction, items: Sequence[str]) -> list[str]:
    """Each is stored alone; together they end the transaction."""
    for body in items if len(items) == 1 else ["taken", *items]:
        with suppress(ConstraintFailed):
            tx.run("INSERT OR ROLLBACK INTO notes (body) VALUES (:body)", body=body)
    return list(items)


async def test_of_many_in_one_call_the_one_that_ends_the_transaction_hears_its_own_error(database: Database) -> None:
    await database.write(add, "taken")
    before, one, culprit, other = await at_once(
        database,
        lambda: database.write(add, "a"),
        *(lambda body=body: database.write_together(end_at_taken, body) for body in ("b", "taken", "c")),
    )
    assert isinstance(culprit, ConstraintFailed)
    for error in (before, one, other):
        assert isinstance(error, DatabaseUnusable)
        assert "another function, committed together with this one, ended the transaction" in str(error)
    assert await database.read(bodies) == ["taken"]
    assert await at_once(
        database, *(lambda body=body: database.write_together(end_at_taken, body) for body in "bc")
    ) == ["b of bc", "c of bc"]


async def test_many_that_end_the_transaction_only_together_are_each_stored_alone_once(database: Database) -> None:
    woken: list[int] = []
    database.subscribe("added", lambda: woken.append(1))

    def add_and_wake(tx: Transaction, body: str) -> int:
        tx.wake("added")
        return add(tx, body)

    await database.write(add, "taken")
    found = await at_once(
        database,
        lambda: database.write(add_and_wake, "a"),
        *(lambda body=body: database.write_together(end_if_several, body) for body in "bc"),
        lambda: database.write(add, "d"),
    )
    assert found == [1, "b", "c", 1]
    assert await database.read(bodies) == ["taken", "a", "b", "c", "d"]
    assert woken == [1]


async def test_after_the_transaction_ended_a_function_can_store_nothing(database: Database) -> None:
    await database.write(add, "taken")

    def go_on(tx: Transaction) -> None:
        with pytest.raises(ConstraintFailed):
            tx.run("INSERT OR ROLLBACK INTO notes (body) VALUES ('taken')")
        add(tx, "by itself")

    with pytest.raises(DatabaseFault, match="has ended"):
        await database.write(go_on)
    assert await database.read(bodies) == ["taken"]


async def test_a_full_disk_is_told_clearly_and_what_was_stored_stays(path: Path) -> None:
    def migrate_and_limit(db: sqlite_utils.Database, sealer: Sealer) -> None:
        migrate(db, sealer)
        db.execute("PRAGMA max_page_count = 20").close()

    async with opened(path, migrate=migrate_and_limit) as database:
        await database.write(add, "small")
        results = await together(database, lambda tx: add(tx, "another"), lambda tx: add(tx, "x" * 200_000))
        assert isinstance(results[1], DatabaseFault)
        assert "the disk is full" in str(results[1])
        assert isinstance(results[1].__cause__, sqlite3.OperationalError)
        stored = ["another"] if results[0] == 1 else []
        assert await database.read(bodies) == ["small", *stored]
        assert await database.write(add, "fits") == 1


async def test_a_lock_held_by_another_program_is_told_and_gets_over(path: Path) -> None:
    async with opened(path, busy_timeout=timedelta(milliseconds=20)) as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            errors = await asyncio.gather(database.write(add, "a"), database.write(add, "b"), return_exceptions=True)
            other.execute("ROLLBACK")
        assert all(isinstance(error, DatabaseFault) and "lock" in str(error) for error in errors)
        assert await database.write(add, "c") == 1


# Waking


async def test_subscribers_are_called_once_per_commit_on_the_loops_thread(database: Database) -> None:
    calls: list[tuple[str, int]] = []
    database.subscribe("outbox", lambda: calls.append(("outbox", threading.get_ident())))
    database.subscribe("submission", lambda: calls.append(("submission", threading.get_ident())))

    def wake(tx: Transaction) -> None:
        tx.wake("outbox")
        tx.wake("nobody listens")

    await together(database, wake, wake)
    await asyncio.sleep(0)
    assert calls == [("outbox", threading.get_ident())]


async def test_a_wake_finds_what_was_written_committed(path: Path, database: Database) -> None:
    seen: list[int] = []

    def look() -> None:
        with closing(sqlite3.connect(path)) as other:
            seen.append(other.execute("SELECT count(*) FROM notes").fetchone()[0])

    database.subscribe("notes", look)

    def add_and_wake(tx: Transaction) -> None:
        tx.wake("notes")
        add(tx, "a")

    await database.write(add_and_wake)
    await asyncio.sleep(0)
    assert seen == [1]


async def test_nobody_is_woken_by_a_function_or_a_commit_that_fails(database: Database) -> None:
    calls: list[str] = []
    database.subscribe("notes", lambda: calls.append("woken"))

    def wake_then_fail(tx: Transaction) -> None:
        tx.wake("notes")
        raise LookupError

    await together(database, wake_then_fail, lambda tx: add(tx, "a"))
    await together(database, lambda tx: tx.wake("notes"), add_orphan_later)
    await asyncio.sleep(0)
    assert calls == []


async def test_a_subscriber_that_fails_keeps_nobody_else_from_hearing(database: Database) -> None:
    complaints: list[object] = []
    calls: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
    database.subscribe("notes", lambda: calls.append("x" + 1))  # type: ignore[operator]
    database.subscribe("notes", lambda: calls.append("heard"))
    await database.write(lambda tx: tx.wake("notes"))
    await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(None)
    assert calls == ["heard"]
    assert [type(complaint) for complaint in complaints] == [TypeError]


# Reading


async def test_a_reader_can_neither_write_nor_wake(database: Database) -> None:
    with pytest.raises(RuntimeError, match="change the database"):
        await database.read(add, "a")
    with pytest.raises(RuntimeError, match="wake"):
        await database.read(lambda tx: tx.wake("notes"))
    assert await database.read(bodies) == []


async def test_every_reader_reads_what_is_no_utf8_and_what_comes_after_it(database: Database) -> None:
    await database.write(add, "Ọlá")
    assert await asyncio.gather(*(database.read(bodies) for _reader in range(4))) == [["Ọlá"]] * 4
    await database.write(lambda tx: tx.run("INSERT INTO notes (body) VALUES (CAST(x'FF41' AS TEXT))"))
    await database.write(add, "after")
    for read in (database.read, database.read_long):
        found = await asyncio.gather(*(read(bodies) for _reader in range(4)))
        assert found == [["Ọlá", "\ufffdA", "after"]] * 4


async def test_a_reader_waits_for_no_writer_and_sees_nothing_unfinished(database: Database) -> None:
    await database.write(add, "done")
    inserted, release = threading.Event(), threading.Event()

    def add_slowly(tx: Transaction) -> None:
        add(tx, "unfinished")
        inserted.set()
        release.wait(30)

    task = asyncio.create_task(database.write(add_slowly))
    await asyncio.to_thread(inserted.wait, 30)
    assert await database.read(bodies) == ["done"]
    release.set()
    await task


async def test_one_read_is_one_snapshot(path: Path, database: Database) -> None:
    def look_twice(tx: Transaction) -> tuple[int, int]:
        first = len(bodies(tx))
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("INSERT INTO notes (body) VALUES ('meanwhile')")
        return first, len(bodies(tx))

    assert await database.read(look_twice) == (0, 0)
    assert await database.read(bodies) == ["meanwhile"]


async def test_more_readers_than_connections_take_turns(database: Database) -> None:
    await database.write(add, "a")
    assert await asyncio.gather(*(database.read(bodies) for _ in range(100))) == [["a"]] * 100


async def test_a_reader_that_failed_can_be_used_again(database: Database) -> None:
    for _ in range(5):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await database.read(lambda tx: tx.rows("SELECT * FROM missing"))
    assert await database.read(bodies) == []
    assert await database.read(lambda tx: tx.row("SELECT 1 WHERE 0")) is None


# Cancellation, closing, crashes


async def test_a_cancelled_callers_write_is_stored_and_its_group_unharmed(database: Database) -> None:
    async with Held(database):
        cancelled = asyncio.create_task(database.write(add, "cancelled"))
        failing = asyncio.create_task(database.write(add_then_fail, "failing"))
        other = asyncio.create_task(database.write(add, "other"))
        await asyncio.sleep(0)
        cancelled.cancel()
        failing.cancel()
    assert await other == 1
    for task in (cancelled, failing):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await database.read(bodies) == ["cancelled", "other"]


async def test_close_answers_what_is_queued_and_refuses_what_comes_after(path: Path) -> None:
    async with opened(path) as database:
        async with Held(database):
            tasks = [asyncio.create_task(database.write(add, str(number))) for number in range(600)]
            await asyncio.sleep(0)
            closing_twice = [asyncio.create_task(database.close()) for _ in range(2)]
            await asyncio.sleep(0)
            for refused in (database.write(add, "late"), database.read(bodies)):
                with pytest.raises(DatabaseFault, match="closed"):
                    await refused
        assert await asyncio.gather(*tasks) == [1] * 600
        await asyncio.gather(*closing_twice)
        await database.close()
    async with opened(path) as database:
        assert len(await database.read(bodies)) == 600


async def test_what_is_written_later_holds_nobody_up_and_is_stored_before_the_close(
    path: Path, log_lines: io.StringIO
) -> None:
    async with opened(path) as database:
        async with Held(database):
            # The writer is held: nothing here waits for it.
            database.write_later(add, "seen")
            database.write_later(add_then_fail, "lost")
            closing = asyncio.create_task(database.close())
            await asyncio.sleep(0)
            with pytest.raises(DatabaseFault, match="closed"):
                database.write_later(add, "late")
        await closing
    assert "database.not_written" in log_lines.getvalue()
    assert "lost" not in log_lines.getvalue()
    async with opened(path) as database:
        assert await database.read(bodies) == ["seen"]


async def test_close_leaves_one_complete_file_and_no_thread(path: Path) -> None:
    async with opened(path) as database:
        await asyncio.gather(database.write(add, "a"), database.read(bodies))
    assert names_in(path.parent) == {"kyc.db"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("database-")]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from storage.engine.database import Database
from storage.engine.sealing import Sealer

def migrate(db, sealer):
    db.execute("CREATE TABLE notes (body TEXT)")

def add(tx, body):
    tx.run("INSERT INTO notes VALUES (:body)", body=body)

async def main():
    database = await Database.open(Path(sys.argv[1]), sealer=Sealer([b"k" * 32]), migrate=migrate)
    await asyncio.gather(*(database.write(add, str(number)) for number in range(10)))
    await database.write(add, "acknowledged")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_killed_process_keeps_what_it_acknowledged(path: Path) -> None:
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False, timeout=GIVE_UP_SECONDS
    )
    assert killed.returncode == -signal.SIGKILL
    async with opened(path) as database:
        stored = await database.read(lambda tx: [row["body"] for row in tx.rows("SELECT body FROM notes")])
    assert sorted(stored) == sorted([*map(str, range(10)), "acknowledged"])


# Opening


async def test_the_connections_are_set_up_for_safety(database: Database) -> None:
    def settings(tx: Transaction) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "temp_store", "secure_delete", "busy_timeout")
        return {name: tx.rows(f"PRAGMA {name}")[0][0] for name in names}

    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "temp_store": 2,
        "secure_delete": 1,
        "busy_timeout": 5000,
    }
    assert await database.write(settings) == expected
    assert await database.read(settings) == expected


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
async def test_every_file_is_the_owners_alone_whatever_the_umask(path: Path) -> None:
    async with opened(path) as database:
        await database.write(add, "a")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("kyc.db", "kyc.db-wal", "kyc.db-shm"), 0o600)


async def test_what_goes_wrong_in_setting_up_reaches_open(path: Path) -> None:
    def broken(db: sqlite_utils.Database, sealer: Sealer) -> None:
        raise LookupError("a broken migration")

    with pytest.raises(LookupError, match="a broken migration"):
        await Database.open(path, sealer=Sealer([b"k" * 32]), migrate=broken)
    with pytest.raises(RuntimeError, match="left a transaction open"):
        await Database.open(path, sealer=Sealer([b"k" * 32]), migrate=lambda db, _sealer: db.begin())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("database-")]
    async with opened(path) as database:
        assert await database.write(add, "a") == 1


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    with path.open("w") as file:
        file.write("not a database, but long enough to look at: " * 10)
    with pytest.raises(DatabaseFault, match="not an SQLite database"):
        await Database.open(path, sealer=Sealer([b"k" * 32]), migrate=migrate)


async def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseFault, match="cannot be created: No such file or directory"):
        await Database.open(tmp_path / "no" / "kyc.db", sealer=Sealer([b"k" * 32]), migrate=migrate)


async def test_an_impatient_caller_of_open_leaves_nothing_behind(path: Path) -> None:
    started, release = threading.Event(), threading.Event()

    def slow(db: sqlite_utils.Database, sealer: Sealer) -> None:
        started.set()
        release.wait(30)
        migrate(db, sealer)

    task = asyncio.create_task(Database.open(path, sealer=Sealer([b"k" * 32]), migrate=slow))
    await asyncio.to_thread(started.wait, 30)
    (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith("database-writer")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await asyncio.to_thread(thread.join, 30)
    assert names_in(path.parent) == {"kyc.db"}


# Moments


async def test_a_moment_given_as_parameter_is_stored_in_utc_with_fixed_width(database: Database) -> None:
    noon_in_lagos = datetime(2026, 11, 22, 13, tzinfo=timezone(timedelta(hours=1)))
    row = await database.read(lambda tx: tx.row("SELECT :at AS at", at=noon_in_lagos))
    assert row is not None
    assert row["at"] == "2026-11-22T12:00:00.000000Z"


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_stored_moment_reads_back_as_the_same_moment(moment: datetime) -> None:
    text = to_text(moment)
    assert from_text(text) == moment.astimezone(UTC)
    assert from_text(text).tzinfo is UTC
    assert len(text) == 27


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_stored_moments_sort_as_moments_do(one: datetime, other: datetime) -> None:
    assert (to_text(one) < to_text(other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-22",
        "2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00.000000+00:00",
        "2026-11-22T12:00:00.000000",
    ],
)
def test_another_form_of_a_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    day: datetime | None
    state: State
    is_late: bool
    tries: int


_STORED = "'approved' AS state, 1 AS is_late, 2 AS tries"


@pytest.mark.parametrize(
    "columns",
    [
        f"'2026-11-22T12:00:00.000000Z' AS day, {_STORED}",
        f"{_STORED}, '2026-11-22T12:00:00.000000Z' AS day",
        f"'not a field' AS more, {_STORED}, '2026-11-22T12:00:00.000000Z' AS day",
    ],
)
def test_fields_are_loaded_from_the_columns_of_their_name_wherever_a_statement_has_them(columns: str) -> None:
    row = _selected(columns)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert load(_Loaded, row) == _Loaded(day=noon, state=State.APPROVED, is_late=True, tries=2)
    assert load(_Loaded, row, day=None, tries=3) == _Loaded(day=None, state=State.APPROVED, is_late=True, tries=3)


def test_what_is_null_is_loaded_as_nothing_and_an_unknown_word_or_a_missing_column_is_refused() -> None:
    assert load(_Loaded, _selected(f"NULL AS day, {_STORED}")).day is None
    with pytest.raises(ValueError, match="invented"):
        load(_Loaded, _selected("NULL AS day, 'invented' AS state, 1 AS is_late, 2 AS tries"))
    with pytest.raises(KeyError, match="day"):
        load(_Loaded, _selected(_STORED))


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoadedParts:
    people: frozenset[str]
    note: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)


def test_a_set_is_loaded_from_words_and_a_mapping_from_json() -> None:
    row = _selected("'U1 U2 ' AS people, '{\"earlier\": [\"K-1\"]}' AS note, '{}' AS more")
    assert load(_LoadedParts, row) == _LoadedParts(people=frozenset({"U1", "U2"}), note={"earlier": ["K-1"]}, more={})
    nobody = _selected("'' AS people, '{}' AS note, '{}' AS more")
    assert load(_LoadedParts, nobody) == _LoadedParts(people=frozenset(), note={})
    with pytest.raises(ValueError, match="Expecting"):
        load(_LoadedParts, _selected("'' AS people, 'spoilt' AS note, '{}' AS more"))


def test_what_is_loaded_is_as_frozen_as_what_is_made() -> None:
    loaded = load(_Loaded, _selected(f"NULL AS day, {_STORED}"))
    with pytest.raises(FrozenInstanceError):
        loaded.tries = 3  # type: ignore[misc]
    assert hash(loaded) == hash(_Loaded(day=None, state=State.APPROVED, is_late=True, tries=2))
    with pytest.raises(AttributeError):
        load(_Loaded, _selected(f"NULL AS day, {_STORED}"), of_no_field=1)


def test_a_class_that_does_more_as_it_is_made_is_not_loaded_without_it() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class _Compared:
        tries: int

        def __post_init__(self) -> None:
            raise AssertionError("never reached")

    with pytest.raises(AssertionError, match="_Compared would be loaded without it"):
        load(_Compared, _selected("2 AS tries"))


def _selected(columns: str) -> Row:
    with closing(sqlite3.connect(":memory:")) as db:
        return sql_of(db).fetch_rows(f"SELECT {columns}")[0]


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_text(datetime(2026, 11, 22))  # noqa: DTZ001 - what is refused
