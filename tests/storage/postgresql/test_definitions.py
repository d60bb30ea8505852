"""What a migration says in SQLite's words is said in PostgreSQL's, or refused."""

import re

import pytest

from storage.engine.postgresql.definitions import Stage, translated
from storage.engine.postgresql.reader import NotTranslated

NOT_UNDERSTOOD = (
    "CREATE TABLE t (a TEXT)",  # not STRICT: it would hold anything
    "CREATE TABLE t (a NUMERIC) STRICT",
    "CREATE TABLE t (a TEXT COLLATE nocase) STRICT",
    "CREATE TABLE t (a TEXT UNIQUE ON CONFLICT REPLACE) STRICT",
    "CREATE TABLE t (a TEXT REFERENCES b (id) ON DELETE CASCADE) STRICT",
    "CREATE TABLE t (a TEXT DEFAULT (datetime('now'))) STRICT",
    "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT) STRICT",
    "CREATE TABLE t (a INTEGER CHECK (a)) STRICT",
    "CREATE TABLE t (a INTEGER CHECK (NOT a)) STRICT",
    "CREATE TABLE t (a TEXT CHECK (a LIKE 'x%')) STRICT",
    "CREATE TABLE t (a TEXT CHECK (a GLOB 'x[^y]')) STRICT",
    "CREATE TABLE t (a TEXT CHECK (a IS 'x')) STRICT",
    "CREATE TABLE t (a TEXT CHECK (typeof(a) = 'text')) STRICT",
    "CREATE TABLE t (a INTEGER CHECK (max(a, 3) = 3)) STRICT",
    "CREATE TEMP TABLE t (a TEXT) STRICT",
    "ALTER TABLE t RENAME COLUMN a TO b",
    "ALTER TABLE t DROP COLUMN a",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'x'); END",
    "CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN DELETE FROM t; END",
    "CREATE TRIGGER g AFTER INSERT ON t WHEN NEW.a BEGIN DELETE FROM t; END",
    "INSERT OR REPLACE INTO t (a) VALUES (1)",
    "INSERT INTO t VALUES (1)",
    "REPLACE INTO t (a) VALUES (1)",
    "UPDATE t SET a = b'x'",
    "UPDATE t SET a = group_concat(b, '')",
    "UPDATE t SET a = rowid & 3",
    "DELETE FROM t WHERE date(a, '-1 days') < b",
    "DELETE FROM t; DELETE FROM u",
    "PRAGMA writable_schema = ON",
    "VACUUM",
    "",
)


@pytest.mark.parametrize("sql", NOT_UNDERSTOOD)
def test_what_postgresql_might_take_otherwise_is_refused(sql: str) -> None:
    with pytest.raises(NotTranslated):
        translated(sql)


@pytest.mark.parametrize(
    ("sqlite", "postgresql"),
    [
        ("UPDATE t SET a = b IS NULL", "UPDATE t SET a = CAST((b IS NULL) AS INTEGER)"),
        ("DELETE FROM t WHERE a = (b IS NULL)", "DELETE FROM t WHERE a = CAST((b IS NULL) AS INTEGER)"),
        ("DELETE FROM t WHERE (a IS NULL) = (b = 'x')", "DELETE FROM t WHERE (a IS NULL) = (b = 'x')"),
        ("DELETE FROM t WHERE a || b + 1 = c", "DELETE FROM t WHERE ((a || b) + 1) = c"),
        (
            "DELETE FROM t WHERE NOT a = b AND c = d OR e = 1",
            "DELETE FROM t WHERE ((NOT (a = b)) AND (c = d)) OR (e = 1)",
        ),
        ("DELETE FROM t WHERE a GLOB '[CG]?x*'", "DELETE FROM t WHERE a ~ '^[CG].x.*$'"),
        ("DELETE FROM t WHERE (a, b) NOT IN (SELECT c, d = 1 FROM u)",
         "DELETE FROM t WHERE (a, b) NOT IN (SELECT c, CAST((d = 1) AS INTEGER) FROM u)"),
        ("INSERT INTO t (a) VALUES ('it''s; --') ON CONFLICT (a) DO UPDATE SET n = n + excluded.n",
         "INSERT INTO t (a) VALUES ('it''s; --') ON CONFLICT (a) DO UPDATE SET n = t.n + excluded.n"),
        ("INSERT INTO t (n) SELECT SUM(x) FROM u -- why\n GROUP BY y",
         "INSERT INTO t (n) SELECT CAST(SUM(x) AS BIGINT) FROM u GROUP BY y"),
    ],
)  # fmt: skip
def test_a_change_of_rows_means_the_same(sqlite: str, postgresql: str) -> None:
    assert translated(sqlite).statements == [postgresql]


def test_a_table_compares_texts_by_their_bytes_and_refers_to_others_later() -> None:
    made = translated(
        "CREATE TABLE t (a TEXT PRIMARY KEY, b BLOB, c REAL NOT NULL DEFAULT 0, d TEXT REFERENCES u (id), "
        "FOREIGN KEY (a, d) REFERENCES v (x, y)) STRICT, WITHOUT ROWID"
    )
    columns = 'a TEXT COLLATE "C" PRIMARY KEY, b BYTEA, c DOUBLE PRECISION NOT NULL DEFAULT 0, d TEXT COLLATE "C"'
    assert made.by_stage == {
        Stage.TABLE: [f"CREATE TABLE t ({columns})"],
        Stage.REFERENCE: [
            "ALTER TABLE t ADD FOREIGN KEY (d) REFERENCES u (id)",
            "ALTER TABLE t ADD FOREIGN KEY (a, d) REFERENCES v (x, y)",
        ],
    }


def test_a_column_that_comes_later_brings_its_reference() -> None:
    assert translated("ALTER TABLE t ADD COLUMN b TEXT REFERENCES u (id) CHECK (b <> '')").statements == [
        "ALTER TABLE t ADD COLUMN b TEXT COLLATE \"C\" CHECK (b <> '')",
        "ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES u (id)",
    ]


def test_what_refuses_to_remove_rows_refuses_to_empty_the_table() -> None:
    made = translated("CREATE TRIGGER kept BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'never removed'); END")
    function, for_rows, for_all = made.statements
    assert re.search(r"RAISE EXCEPTION USING ERRCODE = '23000', MESSAGE = 'never removed'; RETURN OLD;", function)
    assert "BEFORE DELETE ON t FOR EACH ROW" in for_rows
    assert "BEFORE TRUNCATE ON t FOR EACH STATEMENT" in for_all


def test_a_trigger_goes_with_its_function() -> None:
    assert translated("DROP TRIGGER kept").statements == ["DROP FUNCTION kept() CASCADE"]
