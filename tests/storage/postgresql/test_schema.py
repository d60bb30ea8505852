"""A database on PostgreSQL has what SQLite's migrations make, and holds the same."""

import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from random import Random
from typing import Any, NamedTuple

import psycopg
import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ConstraintFailed, DatabaseFault, DatabaseMoved, DatabaseNewer, WrongKey
from storage.engine import migrations
from storage.engine.migrations import migrate
from storage.engine.postgresql import schema, shape
from storage.engine.postgresql.plain import PlainConnection
from storage.engine.postgresql.reader import NotTranslated
from storage.engine.sealing import Sealer
from tests.postgresql import Cluster
from tests.storage.postgresql.databases import SEALER, connected, in_memory, prepare

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
TYPES = {"text": "TEXT", "bigint": "INTEGER", "double precision": "REAL", "bytea": "BLOB"}

Raw = psycopg.Connection[Any]


@pytest.fixture
def raw(postgresql: Cluster) -> Iterator[Raw]:
    """Connected to a database as the first start leaves it."""
    name = postgresql.copy(prepare)
    with connected(postgresql.address(name)) as connection:
        yield connection
    postgresql.drop(name)


@pytest.fixture
def empty(empty_database: str) -> Iterator[Raw]:
    with connected(empty_database) as connection:
        yield connection


@pytest.fixture
def lite() -> Iterator[sqlite3.Connection]:
    with in_memory() as connection:
        yield connection


# What the catalogs say, thing by thing.


def tables(lite: sqlite3.Connection) -> list[str]:
    sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB '[_s]*qlite_*'"
    return sorted(name for (name,) in lite.execute(sql))


def test_there_are_the_same_tables_and_few_of_its_own(lite: sqlite3.Connection, raw: Raw) -> None:
    found = {name for (name,) in raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert found == {*tables(lite), "applied_migrations", "groups", "writer"}
    assert len(tables(lite)) > 30


def test_each_column_has_the_type_the_default_and_the_necessity_of_its_like(lite: sqlite3.Connection, raw: Raw) -> None:
    sql = """
        SELECT c.relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), collname
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid AND relkind = 'r'
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum LEFT JOIN pg_collation l ON l.oid = attcollation
        WHERE relnamespace = 'public'::REGNAMESPACE AND attnum > 0
        """
    found = {
        (table, column): (TYPES.get(kind, kind), needed, default and default.removesuffix("::text"), collation)
        for table, column, kind, needed, default, collation in raw.execute(sql)
        if table in tables(lite)
    }
    wanted = {
        (table, column): (kind, bool(needed or key), default, "C" if kind == "TEXT" else None)
        for table in tables(lite)
        for _number, column, kind, needed, default, key in lite.execute(f"PRAGMA table_info({table})")
    }
    assert found == wanted


def test_the_same_columns_are_unique_and_refer_to_the_same(lite: sqlite3.Connection, raw: Raw) -> None:
    columns = "(SELECT array_agg(attname::TEXT ORDER BY n) FROM unnest({}) WITH ORDINALITY AS k (a, n) "
    columns += "JOIN pg_attribute ON attrelid = {} AND attnum = a)"
    sql = f"""
        SELECT conrelid::REGCLASS::TEXT, contype::TEXT, {columns.format("conkey", "conrelid")},
            confrelid::REGCLASS::TEXT, {columns.format("confkey", "confrelid")}, confupdtype::TEXT, confdeltype::TEXT
        FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND connamespace = 'public'::REGNAMESPACE
        """  # noqa: S608 - names of the schema
    found = {
        (table, kind, tuple(of), *((other, tuple(to), on_update, on_delete) if kind == "f" else ()))
        for table, kind, of, other, to, on_update, on_delete in raw.execute(sql.encode())
        if table in tables(lite)
    }
    assert found == set(_keys(lite))


def _keys(lite: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    for table in tables(lite):
        by_place = sorted(
            (key, column) for _, column, _, _, _, key in lite.execute(f"PRAGMA table_info({table})") if key
        )
        if by_place:
            yield table, "p", tuple(column for _place, column in by_place)
        for _, index, _, origin, _ in lite.execute(f"PRAGMA index_list({table})"):
            if origin == "u":
                yield table, "u", tuple(column for _, _, column in lite.execute(f"PRAGMA index_info({index})"))
        references: dict[int, list[tuple[str, str, str]]] = {}
        for number, _, other, column, to, on_update, on_delete, _ in lite.execute(f"PRAGMA foreign_key_list({table})"):
            assert (on_update, on_delete) == ("NO ACTION", "NO ACTION")
            references.setdefault(number, []).append((other, column, to))
        for pairs in references.values():
            yield table, "f", tuple(p[1] for p in pairs), pairs[0][0], tuple(p[2] for p in pairs), "a", "a"


def test_the_same_indexes_lead_to_rows(lite: sqlite3.Connection, raw: Raw) -> None:
    sql = """
        SELECT i.relname, t.relname, indisunique, indpred IS NOT NULL,
            (SELECT array_agg(pg_get_indexdef(indexrelid, n, FALSE) ORDER BY n) FROM generate_series(1, indnatts) AS n)
        FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
        WHERE i.relnamespace = 'public'::REGNAMESPACE
            AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
        """
    found = {
        (name, table, unique, partial, tuple(map(_plain, of))) for name, table, unique, partial, of in raw.execute(sql)
    }
    assert found == set(_indexes(lite))
    assert len(found) > 60


def _plain(column: str) -> str:
    return column if column.isidentifier() else "expression"


def _indexes(lite: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    for table in tables(lite):
        for _, index, unique, origin, partial in lite.execute(f"PRAGMA index_list({table})"):
            if origin == "c":
                of = tuple(column or "expression" for _, _, column in lite.execute(f"PRAGMA index_info({index})"))
                yield index, table, bool(unique), bool(partial), of


def test_there_are_the_same_views_with_the_same_columns(lite: sqlite3.Connection, raw: Raw) -> None:
    views = [name for (name,) in lite.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
    assert {name for (name,) in raw.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'")} == {*views}
    for view in views:
        told = raw.execute(f"SELECT * FROM {view}").description  # noqa: S608 - names of the schema
        assert told
        on_lite = lite.execute(f"SELECT * FROM {view}").description  # noqa: S608 - names of the schema
        assert [column.name for column in told] == [column[0] for column in on_lite]


def test_each_trigger_of_sqlite_has_its_like(lite: sqlite3.Connection, raw: Raw) -> None:
    sql = "SELECT tgname, tgrelid::REGCLASS::TEXT FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE 'noted%'"
    wanted = set(lite.execute("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger'"))
    keys = {table: [row for row in lite.execute(f"PRAGMA table_info({table})") if row[5]] for table in tables(lite)}
    numbered = {table for table, key in keys.items() if [row[2] for row in key] == ["INTEGER"]}
    assert {"audit", "posts", "review_notes"} < numbered
    beside = {*((f"{table}_numbered", table) for table in numbered), ("audit_kept_whole", "audit")}
    assert set(raw.execute(sql)) == wanted | beside
    assert len(wanted) > 10


# What the schema refuses.


class Column(NamedTuple):
    name: str
    kind: str
    is_needed: bool
    words: tuple[str, ...]
    """What its own check allows."""


class Tried(NamedTuple):
    """A table with a CHECK."""

    columns: list[Column]
    taken: list[dict[str, object]]
    """Some rows that SQLite takes, found by trying."""


@cache
def tried() -> Mapping[str, Tried]:
    dice, found = Random(1), dict[str, Tried]()
    with in_memory() as lite:
        lite.execute("PRAGMA foreign_keys = OFF")
        for table in tables(lite):
            if columns := _columns_of(lite, table):
                rolled = (_rolled(dice, columns) for _ in range(20_000))
                taken = islice((row for row in rolled if _is_taken(lite, table, row)), 20)
                found[table] = Tried(columns, list(taken))
    return found


def _columns_of(lite: sqlite3.Connection, table: str) -> list[Column]:
    """Of a table with a CHECK."""
    [(sql,)] = lite.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", [table])
    if "CHECK" not in sql:
        return []
    found = []
    for _, name, kind, needed, _, key in lite.execute(f"PRAGMA table_info({table})"):
        listed = re.search(rf"CHECK \({name} IN \(([^)]*)\)", sql)
        found.append(
            Column(name, kind, bool(needed or key), tuple(re.findall(r"'([^']*)'", listed[1])) if listed else ())
        )
    return found


def _rolled(dice: Random, columns: list[Column]) -> dict[str, object]:
    # Rows that are mostly empty pass more often: most checks are of pairs.
    odds = dice.random()
    return {c.name: _value(dice, c) if c.is_needed or dice.random() < odds else None for c in columns}


def _value(dice: Random, column: Column) -> object:
    match column.kind:
        case "TEXT":
            return dice.choice(column.words or ["", "a", "b"])
        case "INTEGER":
            return dice.randrange(2)
        case "REAL":
            return 0.5
        case _:
            return b"x"


def _is_taken(lite: sqlite3.Connection, table: str, row: Mapping[str, object]) -> bool:
    lite.execute("BEGIN")
    try:
        lite.execute(_insert(table, row), list(row.values()))
    except sqlite3.IntegrityError:
        return False
    finally:
        lite.execute("ROLLBACK")
    return True


def _insert(table: str, row: Mapping[str, object]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - names of the schema


@pytest.fixture
def without_references(raw: Raw) -> Raw:
    sql = "SELECT conrelid::REGCLASS::TEXT, conname FROM pg_constraint WHERE contype = 'f'"
    for table, name in raw.execute(sql).fetchall():
        raw.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    return raw


@st.composite
def changed_rows(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A row that SQLite takes, but for one or two values."""
    table = draw(st.sampled_from(sorted(tried())))
    columns, taken = tried()[table]
    row = draw(st.sampled_from(taken))
    words = st.sampled_from([word for column in columns for word in column.words] + ["", "a"])
    kinds = {"TEXT": words, "INTEGER": st.integers(-1, 8), "REAL": st.just(0.5), "BLOB": st.just(b"x")}
    changed = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=2, unique=True))
    return table, row | {column.name: draw(st.none() | kinds[column.kind]) for column in changed}


def test_each_table_with_a_check_has_rows_to_try() -> None:
    assert [table for table, of in tried().items() if len(of.taken) < 5] == []
    assert len(tried()) > 15


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(table_and_row=changed_rows())
def test_a_row_is_refused_by_both_or_by_none(
    lite: sqlite3.Connection, without_references: Raw, table_and_row: tuple[str, dict[str, object]]
) -> None:
    table, row = table_and_row
    lite.execute("PRAGMA foreign_keys = OFF")
    with without_references.transaction(force_rollback=True):
        try:
            PlainConnection(without_references).run(_insert(table, row), list(row.values()))
            is_taken = True
        except ConstraintFailed:
            is_taken = False
    assert is_taken == _is_taken(lite, table, row)


# Starts.


def test_first_starts_at_once_make_one_database(empty_database: str) -> None:
    began, faults = threading.Barrier(4), list[BaseException]()

    def start() -> None:
        try:
            with connected(empty_database) as raw:
                began.wait()
                schema.migrate(raw, migrate, SEALER)
                shape.require(raw, migrate, SEALER)
        except BaseException as fault:  # noqa: BLE001 - the test tells it
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with connected(empty_database) as raw:
        names = raw.execute("SELECT name FROM applied_migrations ORDER BY name").fetchall()
        assert names == [(name,) for name in sorted(migrations.known())]
        assert raw.execute("SELECT * FROM writer").fetchall() == [(1, "serving", None)]


def test_a_start_of_an_older_version_is_refused(raw: Raw) -> None:
    raw.execute("INSERT INTO applied_migrations VALUES ('m9999_later', 'x')")
    with pytest.raises(DatabaseNewer, match="m9999_later"):
        schema.migrate(raw, migrate, SEALER)


def test_a_start_with_another_key_is_refused_before_anything_is_changed(raw: Raw) -> None:
    schema.migrate(raw, migrate, SEALER)
    with pytest.raises(WrongKey):
        schema.migrate(raw, with_one_more, Sealer([b"o" * 32]), steps=STEPS)
    assert not schema.exists(raw, "later")


@pytest.mark.parametrize("table", ["verifications", "meta"])
def test_the_database_of_another_program_is_left_alone(empty: Raw, table: str) -> None:
    empty.execute(f"CREATE TABLE {table} (id INTEGER)".encode())
    with pytest.raises(DatabaseFault, match="another program"):
        schema.migrate(empty, migrate, SEALER)
    assert not schema.exists(empty, "writer")


@pytest.mark.parametrize("state", ["incoming", "left"])
def test_no_instance_starts_on_what_is_being_moved(raw: Raw, state: str) -> None:
    raw.execute("UPDATE writer SET state = %s", [state])
    with pytest.raises(DatabaseMoved):
        schema.migrate(raw, migrate, SEALER)


def test_a_database_with_another_encoding_is_refused(postgresql: Cluster) -> None:
    postgresql.sql(
        "CREATE DATABASE latin OWNER kyc TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
    )
    with connected(postgresql.address("latin")) as raw, pytest.raises(DatabaseFault, match="UTF8"):
        schema.migrate(raw, migrate, SEALER)
    postgresql.drop("latin")


def test_a_user_who_may_make_no_table_hears_what_to_grant(postgresql: Cluster, empty_database: str) -> None:
    database = empty_database.rpartition("/")[2].partition("?")[0]
    postgresql.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner", database=database)
    with connected(empty_database) as raw, pytest.raises(DatabaseFault, match="GRANT"):
        schema.migrate(raw, migrate, SEALER)


def test_a_killed_first_start_leaves_nothing_in_the_way_of_the_next(empty: Raw) -> None:
    schema.prepare(empty)  # and no further
    schema.migrate(empty, migrate, SEALER)
    shape.require(empty, migrate, SEALER)


# Later migrations.


def one_more(db: sqlite_utils.Database) -> None:
    """A migration of tomorrow."""
    for statement in (
        "CREATE TABLE later (ref TEXT PRIMARY KEY REFERENCES verifications (ref), n INTEGER NOT NULL) STRICT",
        "ALTER TABLE inbox ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1))",
        "CREATE INDEX inbox_told ON inbox (due_at) WHERE told = 1",
        "INSERT INTO meta (name, value) SELECT 'later', 'yes' WHERE NOT EXISTS (SELECT 1 FROM inbox)",
        "CREATE TRIGGER later_counted AFTER INSERT ON later BEGIN UPDATE inbox SET told = NEW.n > 3; END",
        "DROP VIEW record_messages",
        "CREATE VIEW record_messages AS SELECT job_id, code, fate IS NOT NULL AS is_told FROM receipts",
    ):
        db.execute(statement)


def with_one_more(db: sqlite_utils.Database, sealer: Sealer) -> None:
    migrate(db, sealer)
    one_more(db)
    noted = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('kyc-bot', ?, 'x')"
    db.execute(noted, [LATER.name])


LATER = migrations.Migration("m9999_later", one_more)
STEPS = [*migrations.ordered(), LATER]


def test_a_later_migration_makes_what_it_makes_of_a_new_database(raw: Raw) -> None:
    schema.migrate(raw, with_one_more, SEALER, steps=STEPS)
    assert raw.execute("SELECT value FROM meta WHERE name = 'later'").fetchone() == ("yes",)
    with raw.transaction():
        assert shape.digests(shape.of(raw)) == shape.made_here(raw, with_one_more)
    schema.migrate(raw, with_one_more, SEALER, steps=STEPS)
    shape.require(raw, with_one_more, SEALER)


def test_an_instance_of_the_version_before_lets_be_what_the_newer_one_made(raw: Raw) -> None:
    schema.migrate(raw, with_one_more, SEALER, steps=STEPS)
    shape.require(raw, migrate, SEALER)
    raw.execute("CREATE TRIGGER thief AFTER INSERT ON later FOR EACH ROW EXECUTE FUNCTION later_counted()")
    with pytest.raises(DatabaseFault, match="table later"):
        shape.require(raw, migrate, SEALER)


def test_a_migration_that_is_not_understood_changes_nothing(raw: Raw) -> None:
    def odd(db: sqlite_utils.Database) -> None:
        db.execute("ALTER TABLE inbox ADD COLUMN told TEXT")
        db.execute("UPDATE inbox SET told = typeof(ts)")

    steps = [*migrations.ordered(), migrations.Migration("m9999_odd", odd)]
    with pytest.raises(NotTranslated):
        schema.migrate(raw, migrate, SEALER, steps=steps)
    shape.require(raw, migrate, SEALER)


def test_what_somebody_has_changed_is_not_vouched_for_by_an_update(raw: Raw) -> None:
    raw.execute("ALTER TABLE verifications ALTER COLUMN decision SET DEFAULT 'approved'")
    with pytest.raises(DatabaseFault, match="table verifications"):
        schema.migrate(raw, with_one_more, SEALER, steps=STEPS)
    assert not schema.exists(raw, "later")
