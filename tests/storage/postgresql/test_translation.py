"""Statements of ours in PostgreSQL's spelling: what is changed, and above all what is not."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.engine.postgresql.translation import translated


def test_named_parameters_are_numbered_in_the_order_of_their_first_use() -> None:
    statement = translated("UPDATE t SET a = :a, b = :b WHERE a <> :a AND c = :c_1")

    assert statement.text == "UPDATE t SET a = $1, b = $2 WHERE a <> $1 AND c = $3"
    assert statement.arguments({"c_1": 3, "a": 1, "unused": 9, "b": 2}) == [1, 2, 3]


def test_question_marks_are_numbered_as_they_come() -> None:
    statement = translated("SELECT ? || ? WHERE x IN (?)")

    assert statement.text == "SELECT $1 || $2 WHERE x IN ($3)"
    assert statement.arguments(["a", "b", "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "kept",
    [
        "SELECT ':name', '?', 'it''s :here', '%'",
        'SELECT ":name" FROM "what?"',
        "SELECT 1 -- of :name ?\n",
        "SELECT 1 /* of :name ?\n 'CROSS JOIN */",
        "SELECT x::text, y :: bigint",
        r"SELECT 'a\'",
        "SELECT 7 % 2",
    ],
)
def test_texts_names_comments_and_casts_stay_as_they_are(kept: str) -> None:
    statement = translated(kept)

    assert (statement.text, statement.count) == (kept, 0)
    assert list(statement.arguments({"name": 1})) == []


def test_a_cast_behind_a_parameter_is_no_parameter() -> None:
    assert translated("SELECT :a::text").text == "SELECT $1::text"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("FROM a CROSS JOIN b ON b.x = a.x", "FROM a JOIN b ON b.x = a.x"),
        ("FROM a cross\n join b t ON t.x = a.x", "FROM a JOIN b t ON t.x = a.x"),
        ("FROM a CROSS JOIN b WHERE x", "FROM a CROSS JOIN b WHERE x"),
        ("FROM a CROSS JOIN b", "FROM a CROSS JOIN b"),
        ("FROM a CROSS JOIN b CROSS JOIN c ON c.x = b.x", "FROM a CROSS JOIN b JOIN c ON c.x = b.x"),
        ("FROM a CROSS JOIN b LEFT JOIN c ON c.x = b.x", "FROM a CROSS JOIN b LEFT JOIN c ON c.x = b.x"),
        (
            "FROM a CROSS JOIN (SELECT CAST(x AS INTEGER) FROM c JOIN d ON c.x = d.x) AS b ON b.x = a.x",
            "FROM a JOIN (SELECT CAST(x AS BIGINT) FROM c JOIN d ON c.x = d.x) AS b ON b.x = a.x",
        ),
        ("(SELECT 1 FROM a CROSS JOIN b) x JOIN c ON 1 = 1", "(SELECT 1 FROM a CROSS JOIN b) x JOIN c ON 1 = 1"),
        ("SELECT 'a CROSS JOIN b ON'", "SELECT 'a CROSS JOIN b ON'"),
    ],
)
def test_a_cross_join_with_a_condition_becomes_a_join(ours: str, theirs: str) -> None:
    assert translated(ours).text == theirs


def test_types_of_casts_are_as_wide_as_sqlites() -> None:
    assert translated("SELECT CAST(a AS INTEGER), cast(b as real), CAST(c AS TEXT)").text == (
        "SELECT CAST(a AS BIGINT), cast(b AS DOUBLE PRECISION), CAST(c AS TEXT)"
    )
    assert translated("SELECT a AS real, b AS integer FROM t").text == "SELECT a AS real, b AS integer FROM t"


@pytest.mark.parametrize("sql", ["SELECT :a", "SELECT ?"])
def test_a_parameter_that_is_missing_is_refused(sql: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        translated(sql).arguments({})
    with pytest.raises(ValueError, match="was given 2"):
        translated(sql).arguments(["a", "b"])


def test_names_and_question_marks_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="not both"):
        translated("SELECT :a, ?")


@pytest.mark.parametrize("sql", ["COMMIT", " begin", "-- so\nROLLBACK TO x", "release x", "SET ROLE x", "End"])
def test_statements_about_the_transaction_are_told_from_others(sql: str) -> None:
    assert translated(sql).is_of_transaction
    assert not translated("SELECT 1 AS commit").is_of_transaction


_PIECES = st.one_of(
    st.text(st.characters(exclude_characters="\0$", exclude_categories=["Cs"]), max_size=8).map(
        lambda text: "'" + text.replace("'", "''") + "'"
    ),
    st.sampled_from([":a", ":b", "NULL", "1", "/* :c ? ' */ 2", "-- :c ? '\n 3", '"x"']),
)


@given(st.lists(_PIECES, min_size=1, max_size=6))
def test_every_parameter_that_sqlite_finds_is_found_and_no_other(pieces: list[str]) -> None:
    sql = f"SELECT {', '.join(pieces)} FROM (SELECT 4 AS x)"  # noqa: S608 - made up, and run on an empty database
    values = {"a": "<a>", "b": "<b>"}
    statement = translated(sql)
    with closing(sqlite3.connect(":memory:")) as connection:
        # SQLite takes `:p1` for what PostgreSQL takes `$1` for.
        arguments = {f"p{number}": value for number, value in enumerate(statement.arguments(values), 1)}
        found = connection.execute(statement.text.replace("$", ":p"), arguments).fetchone()
        assert found == connection.execute(sql, values).fetchone()
    assert set(statement.names or ()) == {piece[1:] for piece in pieces if piece.startswith(":")}
