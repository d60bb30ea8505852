"""What a thief of the file tries beside changing rows: triggers, defaults, rows of no index, unreadable values."""

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.__main__ import main
from bot.domain.check.check import SearchFilter
from bot.domain.check.states import State
from bot.domain.outbox import PostKind
from bot.errors import DatabaseFault
from storage import (
    attempts,
    audit,
    blind_index,
    check_facts,
    checks,
    deliveries,
    erasures,
    exports,
    outbox,
    reviews,
    search,
)
from storage.engine import shape
from storage.engine.connection import read_any_text
from storage.engine.covered import COVERED, CoveredTable
from storage.engine.database import Database, Transaction, params
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.engines import beside, beside_file
from tests.storage.engine.test_macs import NOON, fill, opened, unguarded_trail

pytestmark = pytest.mark.anyio

LATER = NOON + timedelta(days=1)
APPROVED = (
    "state = 'approved', reason = NULL, verdict = '0810', verdict_outcome = 'approved', verdict_why = NULL, "
    "ended_at = asked_at"
)


def touch(tx: Transaction, ref: str) -> None:
    audit.record(tx, at=NOON, actor="U1", act="check.seen", ref=ref)


def trigger(path: Path) -> None:
    """With the next thing that the bot itself writes, it approves K-1, and would make the MAC of it."""
    with closing(beside_file(path)) as db:
        approve = f"UPDATE verifications SET {APPROVED} WHERE ref = 'K-1'"  # noqa: S608 - above
        db.execute(f"CREATE TRIGGER thief AFTER INSERT ON audit BEGIN {approve}; END")


def default(path: Path) -> None:
    """Every new check is decided as it is stored."""
    _rewrite(path, "            decision TEXT", "            decision TEXT DEFAULT 'approved'")


def reference(path: Path) -> None:
    """A file that a second person approves takes its checks along."""
    _rewrite(path, "verdict_why TEXT,", "verdict_why TEXT REFERENCES batches (approval) ON UPDATE CASCADE,")


def index(path: Path) -> None:
    """A list would be read from it alone, and not from the rows whose MACs are compared."""
    with closing(beside_file(path)) as db:
        db.execute("CREATE INDEX thief ON verifications (asked_at, ref, state, verdict, decision)")


def wider_index(path: Path) -> None:
    """The same by the name of one that the bot has made."""
    with closing(beside_file(path)) as db:
        db.execute("DROP INDEX verifications_by_time")
        db.execute("CREATE INDEX verifications_by_time ON verifications (asked_at, ref, state, verdict, decision)")


def no_index(path: Path) -> None:
    """A row of a file would be two checks."""
    with closing(beside_file(path)) as db:
        db.execute("DROP INDEX verifications_batch")


def conflict(path: Path) -> None:
    """A post that was delivered makes room for its like."""
    _rewrite(path, "id TEXT NOT NULL UNIQUE", "id TEXT NOT NULL UNIQUE on conflict replace", table="posts")


def collation(path: Path) -> None:
    _rewrite(path, "verdict_why TEXT,", "verdict_why TEXT COLLATE nocase,")


def generated(path: Path) -> None:
    _rewrite(path, "verdict_why TEXT,", "verdict_why TEXT AS (state),")


def view(path: Path) -> None:
    """In a table's place, which says what its own table does not."""
    with closing(beside_file(path)) as db:
        db.execute("ALTER TABLE decisions RENAME TO taken")
        db.execute("CREATE VIEW decisions AS SELECT * FROM taken")


def _rewrite(path: Path, before: str, after: str, *, table: str = "verifications") -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        sql = "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ? AND instr(sql, ?)"
        assert db.execute(sql, (before, after, table, before)).rowcount == 1
        _count_up(db)


def _count_up(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute(f"PRAGMA schema_version = {version + 1}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "tamper",
    [trigger, default, reference, index, wider_index, no_index, conflict, collation, generated, view],
)
@pytest.mark.parametrize("is_running", [True, False])
async def test_the_bot_writes_nothing_for_a_thief(
    tmp_path: Path, tamper: Callable[[Path], None], is_running: bool
) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        if is_running:
            tamper(path)
            with pytest.raises(DatabaseFault, match="changed how its database works"):
                await database.write(touch, "K-2")
            with pytest.raises(DatabaseFault, match="changed how its database works"):
                await database.read(checks.get, "K-1")
    if not is_running:
        tamper(path)
    with pytest.raises(DatabaseFault, match="Records that were altered"):
        async with opened(path):
            pass
    with closing(beside_file(path)) as db:
        assert db.execute("SELECT DISTINCT state, decision FROM verifications").fetchall() == [("in_review", None)]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_whoever_copies_or_puts_back_altered_records_is_warned(tmp_path: Path, command: str) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    environment = {"KYC_DATABASE": str(path), "KYC_ENCRYPTION_KEYS": Sealer.new_key()}
    sealer = Sealer.from_text([environment["KYC_ENCRYPTION_KEYS"]])

    async def filled() -> None:
        async with opened(path, sealer) as database:
            for ref in ("K-1", "K-2", "K-3"):
                await database.write(fill, ref)

    asyncio.run(filled())  # a command has a loop of its own
    with closing(beside_file(path)) as db:
        db.execute("UPDATE verifications SET requester = 'U9', country = CAST(x'FF41' AS TEXT) WHERE ref <> 'K-1'")
    if command == "restore":
        path.rename(copy)
    done = CliRunner().invoke(main, [command, str(copy)], env=dict.fromkeys(os.environ) | environment)
    assert done.exit_code == 0, done.output
    assert "warning: 2 of its 3 checks were altered beside the bot" in done.output
    # A file that would do more than that is not put back, and no copy of it counts as a backup.
    trigger(copy)
    (tmp_path / "kyc.db").unlink(missing_ok=True)
    done = CliRunner().invoke(main, ["restore", str(copy)], env=dict.fromkeys(os.environ) | environment)
    assert done.exit_code == 1
    assert "changed how its database works (triggers)" in done.output
    assert not path.exists()


def test_the_digest_that_makes_a_start_short_is_of_what_the_migrations_make() -> None:
    assert shape.digest(shape.made_by(migrate)) == shape.NEWEST


@pytest.mark.slow
async def test_tables_views_and_indexes_of_others_are_let_be(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        with closing(beside_file(path)) as db:
            for statement in (
                "CREATE TABLE _replicated (seq INTEGER PRIMARY KEY)",
                "CREATE TABLE replicated (seq INTEGER PRIMARY KEY)",
                "CREATE VIEW mine AS SELECT COUNT(*) AS n FROM verifications",
                "CREATE UNIQUE INDEX mine_too ON replicated (seq)",
                "CREATE INDEX mine_as_well ON replicated (seq + 1)",
                "ANALYZE",
                "VACUUM",
            ):
                db.execute(statement)
        await database.write(touch, "K-1")
        assert not (await database.read(checks.get, "K-1")).is_altered
    async with opened(path) as database:
        assert not (await database.read(checks.get, "K-1")).is_altered


@pytest.mark.slow
async def test_a_row_that_no_index_leads_to_is_no_approval(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
    unindexed(path)
    async with opened(path) as database:
        lines = await database.read(exports.page, exports.ExportRange(), None)
        assert {line.ref: line.state for line in lines} == {"K-1": "in_review", "K-9": exports.ALTERED}
        assert database.altered == {"K-9"}


def unindexed(path: Path) -> None:
    """An approved copy of K-1, by the name of K-9, that stands in the table and not in the index of its key."""
    indexes = "name LIKE 'sqlite_autoindex_verifications_%'"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        (kept,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'verifications'").fetchone()
        taken = db.execute(f"SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE {indexes}").fetchall()  # noqa: S608 - above
        bare = kept.replace("ref TEXT PRIMARY KEY", "ref TEXT").replace("TEXT NOT NULL UNIQUE", "TEXT NOT NULL")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'verifications'", [bare])
        db.execute(f"DELETE FROM sqlite_schema WHERE {indexes}")  # noqa: S608 - above
        _count_up(db)
    with closing(beside_file(path)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(verifications)")]
        values = ", ".join({"ref": "'K-9'", "view_id": "'V-9'"}.get(column, column) for column in columns)
        db.execute(f"INSERT INTO verifications ({', '.join(columns)}) SELECT {values} FROM verifications")  # noqa: S608 - names from the schema
        db.execute(f"UPDATE verifications SET {APPROVED} WHERE ref = 'K-9'")  # noqa: S608 - above
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'verifications'", [kept])
        db.executemany("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", taken)
        _count_up(db)


@pytest.mark.slow
async def test_no_index_has_one_check_told_as_another(tmp_path: Path) -> None:
    """Each in turn leads from the one to the row of the other; rows and MACs are as the bot wrote them."""
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        await database.write(checks.move, "K-2", State.APPROVED, now=NOON)
        with closing(beside_file(path)) as db:
            indexes = "SELECT name FROM sqlite_schema WHERE tbl_name = 'verifications' AND sql LIKE 'CREATE INDEX%'"
            names = [name for (name,) in db.execute(indexes)]
        assert "verifications_by_time" in names
        misled = []
        for name in names:
            with closing(beside_file(path)) as db:
                exchange(db, "K-1", "K-2")
                with hidden(path, name):
                    exchange(db, "K-2", "K-1")
            for number, call in enumerate(TOLD):
                found = await database.read(call)
                misled += [(name, number) for one in found if one.ref == "K-1" and one.state == "approved"]
            with closing(beside_file(path)) as db:
                db.execute(f"REINDEX {name}")
        assert misled == []
        assert database.altered == set()


TOLD: list[Callable[[Transaction], Sequence[Any]]] = [
    lambda tx: checks.get_all(tx, ["K-1", "K-2"]),
    lambda tx: search.page(tx, SearchFilter(), size=5).checks,
    lambda tx: search.page(tx, SearchFilter(requester="U1"), size=5).checks,
    lambda tx: search.page(tx, SearchFilter(states=frozenset({State.APPROVED})), size=5).checks,
    lambda tx: exports.page(tx, exports.ExportRange(), None),
    lambda tx: exports.page(tx, exports.ExportRange(since=NOON, until=LATER), None),
    lambda tx: check_facts.settled(tx, NOON, LATER).facts,
    check_facts.still_open,
    check_facts.in_review,
]


def exchange(db: sqlite3.Connection, *refs: str) -> None:
    """The rows of two checks change places, with all that they say."""
    places = [db.execute("SELECT rowid FROM verifications WHERE ref = ?", [ref]).fetchone()[0] for ref in refs]
    for ref, place in ((refs[0], 1_000), (refs[1], places[0]), (refs[0], places[1])):
        db.execute("UPDATE verifications SET rowid = ? WHERE ref = ?", [place, ref])


@contextmanager
def hidden(path: Path, index: str) -> Iterator[None]:
    """Meanwhile SQLite does not know of this index, and leaves it as it is."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        kept = db.execute("SELECT * FROM sqlite_schema WHERE name = ?", [index]).fetchone()
        db.execute("DELETE FROM sqlite_schema WHERE name = ?", [index])
        _count_up(db)
        yield
        db.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", kept)
        _count_up(db)


LIKE_K_2 = "state, reason, verdict, verdict_outcome, verdict_why, decision, ended_at"
MOVES: Mapping[str, Sequence[str]] = {
    "no MAC": ["DELETE FROM check_macs WHERE ref = 'K-1'"],
    "the MAC of another": [
        "DELETE FROM check_macs WHERE ref = 'K-1'",
        "UPDATE check_macs SET ref = 'K-1' WHERE ref = 'K-2'",
    ],
    "the version before": ["UPDATE check_macs SET version = version - 1 WHERE ref = 'K-1'"],
    "the state of another": [
        (
            f"UPDATE verifications SET ({LIKE_K_2}) = (SELECT {LIKE_K_2} FROM verifications WHERE ref = 'K-2') "  # noqa: S608 - above
            "WHERE ref = 'K-1'"
        )
    ],
    "no decision": ["DELETE FROM decisions WHERE ref = 'K-1'"],
    "a decision more": [
        (
            "INSERT INTO decisions (ref, round, number, decision, reason, decided_by, override, at) "
            "SELECT ref, round, 2, 'approved', reason, 'U9', override, at FROM decisions WHERE ref = 'K-1'"
        )
    ],
    "the decisions of another": [
        "DELETE FROM decisions WHERE ref = 'K-1'",
        "UPDATE decisions SET ref = 'K-1' WHERE ref = 'K-2'",
    ],
    "the jobs of another": [
        "DELETE FROM attempts WHERE ref = 'K-1'",
        "UPDATE attempts SET ref = 'K-1' WHERE ref = 'K-2'",
    ],
    "the names of both exchanged": [
        f"UPDATE {table} SET ref = '{after}' WHERE ref = '{before}'"  # noqa: S608 - names from the code
        for table in (*(table.name for table in COVERED if not table.through_job), "check_macs", "audit")
        for before, after in (("K-1", "K-0"), ("K-2", "K-1"), ("K-0", "K-2"))
    ],
}
"""What makes K-1 look like K-2, which is approved, of rows and MACs that the bot itself has written."""


@pytest.mark.slow
@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.usefixtures("engine")
async def test_nothing_that_the_bot_wrote_of_one_check_passes_for_another(
    tmp_path: Path, move: str, *, is_running: bool
) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2", "K-3"):
            await database.write(fill, ref)
        await database.write(checks.move, "K-2", State.APPROVED, now=NOON)
        if is_running:
            run(path, MOVES[move])
            await nowhere_approved(database)
    if not is_running:
        run(path, MOVES[move])
    async with opened(path) as database:
        await nowhere_approved(database)


def run(path: Path, statements: Sequence[str]) -> None:
    with closing(beside(path)) as db, unguarded_trail(db):
        for statement in statements:
            db.execute(statement)


async def nowhere_approved(database: Database) -> None:
    assert (await database.read(checks.get, "K-1")).is_altered
    assert not (await database.read(checks.get, "K-3")).is_altered
    for call in TOLD:
        found = {one.ref: one.state for one in await database.read(call)}
        assert found.get("K-1") != "approved"
        assert found.get("K-3", State.IN_REVIEW) == State.IN_REVIEW


@pytest.mark.slow
async def test_an_index_of_the_outbox_sends_nothing_to_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        with closing(beside_file(path)) as db:
            db.execute("UPDATE posts SET lane = 'U0THIEF0001' WHERE ref = 'K-1'")
            with hidden(path, "posts_due"):
                db.execute("UPDATE posts SET lane = 'C1' WHERE ref = 'K-1'")
        assert await database.write(deliveries.claim_due, now=LATER, until=LATER, limit=10) == []
        assert not (await database.read(checks.get, "K-1")).is_altered


@pytest.mark.slow
async def test_no_index_finds_somebody_else_for_a_customer(tmp_path: Path) -> None:
    """Else their data would be erased, or reported to somebody whom it does not concern."""
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref, number in (("K-1", "00000000000"), ("K-2", "11111111111")):
            await database.write(fill, ref, number=number, reference=f"invented-{ref}")
        prints = "number_print, reference_print"
        with closing(beside_file(path)) as db:
            [kept] = db.execute(f"SELECT {prints} FROM verifications WHERE ref = 'K-2'")  # noqa: S608 - above
            put = f"UPDATE verifications SET ({prints}) = (?, ?) WHERE ref = 'K-2'"  # noqa: S608 - above
            db.execute(put, db.execute(f"SELECT {prints} FROM verifications WHERE ref = 'K-1'").fetchone())  # noqa: S608
            with hidden(path, "verifications_person"), hidden(path, "verifications_reference"):
                db.execute(put, kept)
        assert not (await database.read(checks.get, "K-2")).is_altered

        def found(tx: Transaction) -> list[list[str]]:
            number = blind_index.numbers(tx.sealer, "NG", "00000000000")
            reference = blind_index.references(tx.sealer, "invented-K-1")
            return [
                erasures.refs_by_number(tx, number),
                erasures.refs_by_reference(tx, reference),
                sorted(search.by_number(tx, "00000000000", ["NG"])),
                sorted(search.by_reference(tx, "invented-K-1")),
            ]

        assert await database.read(found) == [["K-1"]] * 4


async def test_no_index_finds_the_check_of_another_job(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    job = "0000000007"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        with closing(beside_file(path)) as db:
            put = "UPDATE attempts SET smile_job_id = ? WHERE ref = 'K-2'"
            db.execute(put, [job])
            with hidden(path, "attempts_smile_job"):
                db.execute(put, [None])
        assert not (await database.read(checks.get, "K-2")).is_altered
        assert await database.read(search.by_job, job) == set()


NO_TEXT = "CAST(x'FF41' AS TEXT)"
UNREADABLE = (
    "UPDATE verifications SET decision_reason = {} WHERE ref = 'K-1'",
    "UPDATE verifications SET ref = {} WHERE ref = 'K-1'",
    "UPDATE verifications SET asked_at = {} WHERE ref = 'K-1'",
    "UPDATE receipts SET code = {} WHERE id = 'R-K-1'",
    "UPDATE posts SET note = {} WHERE ref = 'K-1'",
    "UPDATE check_macs SET mac = {} WHERE ref = 'K-1'",
    "INSERT INTO check_macs (ref, version, mac) VALUES ({}, 1, 'x')",
)
NO_MOMENTS = [
    f"UPDATE {table.name} SET {column} = '0' WHERE ref = 'K-1'"  # noqa: S608 - names from the code
    for table in COVERED
    for column in table.left_out
    if column.endswith(("_at", "_until", "_since"))
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "put",
    [
        *(
            pytest.param(put.format(NO_TEXT), marks=pytest.mark.sqlite("a server takes UTF-8 alone"))
            for put in UNREADABLE
        ),
        *NO_MOMENTS,
    ],
)
@pytest.mark.usefixtures("engine")
async def test_no_value_stops_what_everybody_sees(tmp_path: Path, put: str) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        with closing(beside(path)) as db:
            db.execute(put)
        await everything(database)
        assert bool(database.altered) is ("FF41" in put)
        assert "K-2" not in database.altered
    async with opened(path) as database:
        await everything(database)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["x'00FF'", "'x'"])
@pytest.mark.parametrize(
    ("table", "column"),
    [("check_macs", "version"), ("check_macs", "mac"), ("check_macs", "rest_sha256"), ("facts", "settled_at")],
)
async def test_no_other_type_of_value_stops_what_everybody_sees(
    tmp_path: Path, table: str, column: str, value: str
) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        with closing(beside_file(path)) as db:
            # STRICT would not let it in. Afterwards the schema is as it was, for whoever compares.
            db.execute("PRAGMA writable_schema = ON")
            (kept,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", [table]).fetchone()
            rename = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
            db.execute(rename, [re.sub(r",?\s*STRICT", "", kept), table])
            _count_up(db)
            assert db.execute(f"UPDATE {table} SET {column} = {value} WHERE ref = 'K-1'").rowcount == 1  # noqa: S608 - above
            db.execute(rename, [kept, table])
            _count_up(db)
        await everything(database)
        assert database.altered == {"K-1"}
    async with opened(path) as database:
        await everything(database)


STRANGE = {
    "nothing": "NULL",
    "a blob": "x'00FF77'",
    "no UTF-8": NO_TEXT,
    "text that ends in the middle": "CAST(x'617070726F766564006F72206E6F74' AS TEXT)",
    "brackets and quotes": """'"],[null,"' || char(10) || 'decisions["x' """,
    "the largest number": "9223372036854775807",
    "the smallest number": "-9223372036854775808",
    "a fraction": "0.1",
    "no end": "9e999",
    "no number": "9e999 - 9e999",
    "a number as text": "'7'",
    "empty": "''",
}


@pytest.mark.endurance
@pytest.mark.parametrize("table", COVERED, ids=[table.name for table in COVERED])
async def test_no_value_of_any_type_in_any_column_passes_for_what_the_bot_wrote(
    tmp_path: Path, table: CoveredTable
) -> None:
    """STRICT would not let most of them in; the schema is as it was before anybody looks. A check for each column."""
    path = tmp_path / "kyc.db"
    of_check = "job_id IN (SELECT job_id FROM attempts WHERE ref = ?)" if table.through_job else "ref = ?"
    of_column = {column: f"K-{number}" for number, column in enumerate(table.columns, 10) if column != "ref"}
    async with opened(path) as database:
        for ref in ("K-1", "K-2", *of_column.values()):
            await database.write(fill, ref)
        with closing(beside_file(path)) as db:
            row = f"SELECT rowid FROM {table.name} WHERE {of_check}"  # noqa: S608 - names from the code
            rows = {column: int(db.execute(row, [ref]).fetchone()[0]) for column, ref in of_column.items()}
        before = stored(path, table, rows)
        put = f"UPDATE {table.name} SET {{}} = {{}} WHERE rowid = {{}}"  # noqa: S608 - names from the code
        seen, unnoticed = 0, []
        for name, value in STRANGE.items():
            run_lax(path, table.name, [put.format(column, value, row) for column, row in rows.items()])
            now = stored(path, table, rows)
            changed = {column for column in rows if now.get(column) != before[column]}
            shown = {column: await database.read(checks.get, of_column[column]) for column in sorted(changed)}
            unnoticed += [(column, name) for column, check in shown.items() if not check.is_altered]
            await everything(database)
            back = [put.format(column, before[column][0], row) for column, row in rows.items() if column in now]
            # Of a row whose number is another, its key is what has changed.
            back += [put.format(column, row, value) for column, row in rows.items() if column not in now]
            run_lax(path, table.name, back)
            seen += len(changed)
        assert unnoticed == []
        assert seen > 6 * len(of_column)
        assert database.altered == set(of_column.values())
        # Nothing but the changes made them so.
        for ref in of_column.values():
            assert not (await database.read(checks.get, ref)).is_altered, ref


def stored(path: Path, table: CoveredTable, rows: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """By column, of the row of its check: the value as SQL has it, its type and bytes; not of one that is gone."""
    with closing(beside_file(path)) as db:
        read_any_text(db)
        found = {}
        for column, row in rows.items():
            value = f"quote({column}), typeof({column}) || hex(CAST({column} AS BLOB))"
            found[column] = db.execute(f"SELECT {value} FROM {table.name} WHERE rowid = {row}").fetchone()  # noqa: S608 - names from the code
    return {column: value for column, value in found.items() if value is not None}


def run_lax(path: Path, table: str, statements: Sequence[str]) -> None:
    """As if the table were not STRICT. What even so cannot be is left out: a key of the table that is no number."""
    with closing(beside_file(path)) as db:
        db.execute("PRAGMA writable_schema = ON")
        (kept,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", [table]).fetchone()
        rename = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
        bare = re.sub(r"\)\s*STRICT", ")", re.sub(r"(?<!IS )NOT NULL", "", kept))
        db.execute(rename, [bare, table])
        _count_up(db)
        for statement in statements:
            with suppress(sqlite3.DatabaseError):
                db.execute(statement)
        db.execute(rename, [kept, table])
        _count_up(db)


async def everything(database: Database) -> None:
    assert (await database.read(checks.get, "K-2")).state is State.IN_REVIEW
    last, pages = await database.read(checks.examine_after, ""), 1
    while last:
        last, pages = await database.read(checks.examine_after, last), pages + 1
        assert pages < 5
    for call in (check_facts.still_open, check_facts.in_review, reviews.open_now, reviews.waiting):
        await database.read(call)
    await database.read(check_facts.settled, NOON - timedelta(days=9), LATER)
    after, pages = None, 0
    while lines := await database.read(exports.page, exports.ExportRange(), after):
        after, pages = lines[-1], pages + 1
        assert pages < 5
        for line in lines:
            json.dumps(params(line))
            with suppress(LookupError):  # the key itself was changed
                await database.read(checks.get, line.ref)
    await database.write(touch, "K-2")
    await database.write(attempts.claim_due, now=LATER, until=LATER, limit=10)


@pytest.mark.slow
@pytest.mark.parametrize("put", ["note = '{'", "kind = 'nonsense'", "created_at = '0'"])
@pytest.mark.usefixtures("engine")
async def test_no_post_keeps_the_others_of_its_conversation_waiting(tmp_path: Path, put: str) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        for key in ("first", "second"):
            await database.write(enqueue, key)
        with closing(beside(tmp_path / "kyc.db")) as db:
            db.execute(f"UPDATE posts SET {put} WHERE seq = 1")  # noqa: S608 - above
        found = []
        for _ in range(2):
            for post in await database.write(deliveries.claim_due, now=LATER, until=LATER, limit=10):
                found.append(post.id)
                await database.write(deliveries.done, post.id, channel="D1", ts="1.1", now=LATER)
        assert found[-1] == "alert:second"


def enqueue(tx: Transaction, key: str) -> None:
    outbox.enqueue(tx, PostKind.ALERT, key=key, destination="U0ADMIN0001", now=NOON, payload={"fault": key})


@pytest.mark.slow
@pytest.mark.parametrize("column", ["token_sealed", "upload_sealed"])
@pytest.mark.usefixtures("engine")
async def test_no_job_keeps_the_others_from_being_asked_about(tmp_path: Path, column: str) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        with closing(beside(tmp_path / "kyc.db")) as db:
            db.execute("UPDATE attempts SET ask_at = created_at")
            db.execute(f"UPDATE attempts SET {column} = ? WHERE ref = 'K-1'", [b"\0"])  # noqa: S608 - above
        due = await database.write(attempts.claim_due, now=LATER, until=LATER, limit=10)
        assert [attempt.ref for attempt in due] == ["K-2"]
