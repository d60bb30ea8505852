"""One connection to a real server: values both ways, what failures mean, and how often it has to be waited for."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import partial
from threading import Thread
from time import monotonic
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ConstraintFailed, DatabaseUnusable
from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.faults import ConnectionLost, PlansOutdated, StatementRefused
from storage.engine.postgresql.stop import Stop
from tests.postgresql import Cluster

TABLE = 'CREATE TABLE kept (id BIGINT PRIMARY KEY, text TEXT COLLATE "C", bytes BYTEA, number DOUBLE PRECISION)'
INSERT = "INSERT INTO kept (id, text) VALUES (?, ?)"
IDS = "SELECT id FROM kept ORDER BY id"


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Opener:
    """Opens connections to one database, and closes them in the end."""

    def __init__(self, address: str) -> None:
        self.stop = Stop()
        self._address = address
        self._opened: list[PostgresqlConnection] = []

    def __call__(self, **options: Any) -> PostgresqlConnection:
        def connect() -> psycopg.Connection[Any]:
            raw = psycopg.connect(self._address, autocommit=True, gssencmode="disable")
            raw.execute("SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'notice'")
            return raw

        self._opened.append(PostgresqlConnection(connect, self.stop, **options))
        return self._opened[-1]

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


@pytest.fixture
def opener(empty_database: str) -> Iterator[Opener]:
    opener = Opener(empty_database)
    yield opener
    opener.close()


@pytest.fixture
def connection(opener: Opener) -> PostgresqlConnection:
    connection = opener()
    connection.execute(TABLE)
    return connection


def spent(connection: PostgresqlConnection, work: Callable[[], object]) -> int:
    """Round trips."""
    before = connection.round_trips
    work()
    return connection.round_trips - before


def test_rows_are_read_by_name_and_by_number(connection: PostgresqlConnection) -> None:
    [row] = connection.fetch_rows("SELECT 7 AS one, 'x' AS two, 8 AS one")

    assert (row["one"], row[1], len(row), [*row]) == (7, "x", 3, [7, "x", 8])
    assert row.keys() == ["one", "two", "one"]
    with pytest.raises(IndexError):
        row["three"]
    assert type(connection.fetch("SELECT 1")[0]) is tuple


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("text", "text"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (True, 1),
        (-(1 << 63), -(1 << 63)),
        (0.1, 0.1),
        (b"\0\xff", b"\0\xff"),
        (None, None),
        (datetime(2026, 11, 29, 12, 0, 0, 5, UTC), "2026-11-29T12:00:00.000005Z"),
        ("NUL: \0", "NUL: \ufffd"),
    ],
)
def test_a_value_comes_back_as_sqlite_would_give_it(
    connection: PostgresqlConnection, given: object, found: object
) -> None:
    assert connection.fetch("SELECT :value AS v", {"value": given}) == [(found,)]
    assert type(connection.fetch("SELECT ?", [given])[0][0]) is type(found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.binary(), st.floats(allow_nan=False)
)
def test_whatever_is_stored_is_found_as_it_was(
    connection: PostgresqlConnection, text: str, data: bytes, number: float
) -> None:
    connection.run("DELETE FROM kept")
    connection.run("INSERT INTO kept VALUES (1, ?, ?, ?)", (text, data, number))

    assert connection.fetch("SELECT text, bytes, number FROM kept") == [(text, data, number)]


def test_sums_means_truths_and_json_are_of_the_types_that_sqlite_has(connection: PostgresqlConnection) -> None:
    connection.run_for_each("INSERT INTO kept (id, number) VALUES (?, ?)", [(1, 0.5), (2, None)])

    sql = (
        "SELECT SUM(id), AVG(id), SUM(number), COUNT(*), id IN (1, 2), CAST('{\"a\": 1}' AS JSON) FROM kept GROUP BY 5"
    )
    [row] = connection.fetch(sql)
    assert row == (3, 1.5, 0.5, 2, 1, '{"a": 1}')
    assert [type(value) for value in row] == [int, float, float, int, int, str]


@pytest.mark.parametrize(("value", "error"), [(1 << 63, OverflowError), (object(), TypeError)])
def test_what_no_column_holds_is_refused_before_it_is_sent(
    connection: PostgresqlConnection, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        connection.run(INSERT, (value, "x"))
    assert connection.fetch(IDS) == []


def test_what_the_schema_refuses_is_told_without_the_value(connection: PostgresqlConnection) -> None:
    connection.run(INSERT, (4711, "secret"))

    with pytest.raises(ConstraintFailed, match=r"^UniqueViolation kept_pkey$"):
        connection.run(INSERT, (4711, "secret"))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM kept", '42703 UndefinedColumn: column "nothing" does not exist'),
        ("SELECT CAST(:value AS BIGINT)", "22P02 InvalidTextRepresentation"),
        ("SELECT 1 / 0", "22012 DivisionByZero"),
    ],
)
def test_a_faulty_statement_is_told_without_the_statement_and_its_values(
    connection: PostgresqlConnection, sql: str, said: str
) -> None:
    with pytest.raises(StatementRefused) as refused:
        connection.fetch(sql, {"value": "secret"})
    assert str(refused.value) == said
    assert refused.value.__cause__ is None


def test_a_statement_is_one_round_trip_from_its_first_use_on(connection: PostgresqlConnection) -> None:
    for number in range(3):
        assert spent(connection, partial(connection.run, INSERT, (number, "x"))) == 1


def test_savepoints_and_rows_without_an_answer_go_along_with_the_next_statement(
    connection: PostgresqlConnection,
) -> None:
    def work() -> None:
        connection.begin()
        for number in range(3):
            connection.savepoint()
            connection.run(INSERT, (number, "x"))
            connection.release_savepoint()
        connection.run_for_each(INSERT, [(number, "y") for number in range(3, 100)])
        connection.commit()

    assert spent(connection, work) == 3 + 1
    assert len(connection.fetch(IDS)) == 100


def test_rows_that_are_taken_later_are_as_they_were_at_their_place(connection: PostgresqlConnection) -> None:
    def work() -> None:
        early = connection.fetch_later("SELECT COUNT(*) FROM kept")
        connection.run(INSERT, (1, "x"))
        late = connection.fetch_later("SELECT COUNT(*) FROM kept")
        assert (late(), early()) == ([(1,)], [(0,)])

    assert spent(connection, work) == 2


def test_a_failure_takes_back_its_own_function_alone(connection: PostgresqlConnection) -> None:
    connection.begin()
    connection.savepoint()
    connection.run(INSERT, (1, "kept"))
    connection.release_savepoint()
    connection.savepoint()
    connection.run(INSERT, (2, "taken back"))
    with pytest.raises(ConstraintFailed):
        connection.run(INSERT, (1, "twice"))
    connection.return_to_savepoint()
    connection.savepoint()
    connection.run(INSERT, (3, "kept"))
    connection.release_savepoint()
    connection.commit()

    assert connection.fetch(IDS) == [(1,), (3,)]


def test_what_a_function_sent_without_waiting_fails_within_it(connection: PostgresqlConnection) -> None:
    connection.begin()
    connection.savepoint()
    connection.run_for_each(INSERT, [(1, "x"), (1, "y")])
    with pytest.raises(ConstraintFailed):
        connection.release_savepoint()
    connection.return_to_savepoint()
    connection.commit()

    assert connection.fetch(IDS) == []


def test_what_is_taken_back_may_fail_unheard(connection: PostgresqlConnection) -> None:
    connection.begin()
    connection.savepoint()
    connection.run_for_each(INSERT, [(1, "x"), (1, "y")])
    connection.return_to_savepoint()
    connection.run(INSERT, (2, "x"))
    connection.commit()

    assert connection.fetch(IDS) == [(2,)]


def test_a_transaction_in_which_something_failed_is_never_said_to_be_stored(connection: PostgresqlConnection) -> None:
    connection.begin()
    with pytest.raises(StatementRefused):
        connection.run("SELECT 1 / 0")
    with pytest.raises(RuntimeError, match="had failed"):
        connection.commit()


@pytest.mark.parametrize("sql", ["COMMIT", "ROLLBACK TO storage_function", "SAVEPOINT storage_function", "SET ROLE x"])
def test_a_watched_function_may_not_end_its_transaction(connection: PostgresqlConnection, sql: str) -> None:
    connection.begin()
    with connection.watch(), pytest.raises(RuntimeError, match="may not begin or end"):
        connection.run(sql)
    assert connection.in_transaction
    connection.run(INSERT, (1, "x"))
    assert connection.commit()


def test_a_reader_sees_one_moment_and_changes_nothing(opener: Opener, connection: PostgresqlConnection) -> None:
    reader = opener(reads_only=True)
    reader.begin_snapshot()
    assert reader.fetch(IDS) == []
    connection.run(INSERT, (1, "x"))

    assert reader.fetch(IDS) == []
    with pytest.raises(RuntimeError, match="only a function given to write"):
        reader.run(INSERT, (2, "x"))
    reader.roll_back()
    assert reader.fetch(IDS) == [(1,)]


def test_a_connection_that_the_server_ends_is_lost_and_is_opened_again(
    postgresql: Cluster, opener: Opener, connection: PostgresqlConnection
) -> None:
    postgresql.sql(f"SELECT pg_terminate_backend({connection.backend})")

    connection.begin()
    with pytest.raises(ConnectionLost, match="has ended the connection"):
        connection.fetch(IDS)
    assert connection.is_lost
    assert not connection.in_transaction
    with pytest.raises(ConnectionLost):
        connection.run(INSERT, (1, "x"))
    connection.roll_back()
    connection.reconnect()
    assert connection.fetch(IDS) == []


def test_a_statement_that_takes_too_long_is_no_fault_of_ours(connection: PostgresqlConnection) -> None:
    connection.execute("SET statement_timeout = 50")

    with pytest.raises(DatabaseUnusable, match="took too long"):
        connection.fetch("SELECT pg_sleep(60)")
    assert not connection.is_lost


def test_an_answer_that_does_not_come_is_not_waited_for_any_longer(opener: Opener) -> None:
    impatient = opener(patience=0.2)

    with pytest.raises(ConnectionLost, match="does not answer"):
        impatient.fetch("SELECT pg_sleep(60)")


def test_whoever_waits_gives_up_when_the_database_is_closed(opener: Opener, connection: PostgresqlConnection) -> None:
    began = monotonic()
    opener.stop.ask(grace=0)

    with pytest.raises(ConnectionLost, match="is being closed"):
        connection.fetch("SELECT pg_sleep(60)")
    assert monotonic() - began < 10


def test_other_threads_go_on_while_one_waits(connection: PostgresqlConnection) -> None:
    waiting = Thread(target=connection.fetch, args=["SELECT pg_sleep(0.5)"])
    waiting.start()
    turns = 0
    while waiting.is_alive():
        turns += 1
    waiting.join()

    assert turns > 1000


def test_a_schema_that_another_version_has_changed_costs_one_try(
    opener: Opener, connection: PostgresqlConnection
) -> None:
    sql = "SELECT * FROM kept"
    assert connection.fetch(sql) == []
    other = opener()
    other.execute("ALTER TABLE kept ADD COLUMN more TEXT")
    other.run("INSERT INTO kept (id, more) VALUES (1, 'new')")

    connection.begin()
    with pytest.raises(PlansOutdated):
        connection.fetch(sql)
    assert not connection.in_transaction
    connection.begin()
    [row] = connection.fetch_rows(sql)
    assert (row["id"], row["more"]) == (1, "new")


def test_so_does_a_statement_outside_of_a_transaction(opener: Opener, connection: PostgresqlConnection) -> None:
    connection.fetch("SELECT * FROM kept")
    opener().execute("ALTER TABLE kept ADD COLUMN more TEXT")

    with pytest.raises(PlansOutdated):
        connection.fetch("SELECT * FROM kept")
    assert connection.fetch("SELECT * FROM kept") == []


def test_much_goes_either_way_at_once(connection: PostgresqlConnection) -> None:
    large = "x" * 200_000
    connection.run_for_each(
        "INSERT INTO kept (id, text) VALUES (?, ?) RETURNING text", ((number, large) for number in range(200))
    )

    rows = connection.fetch("SELECT text FROM kept")
    assert len(rows) == 200
    assert {text for (text,) in rows} == {large}


def test_more_statements_than_are_kept_prepared_cost_no_failure(connection: PostgresqlConnection) -> None:
    for _round in range(2):
        connection.begin()
        for number in range(1_200):
            assert connection.fetch(f"SELECT {number}") == [(number,)]
        connection.commit()


def test_notices_are_heard_in_their_order_and_not_of_what_is_taken_back(connection: PostgresqlConnection) -> None:
    heard: list[tuple[str, str]] = []
    connection.on_notice = lambda code, text: heard.append((code, text))
    say = "DO $$ BEGIN RAISE NOTICE USING ERRCODE = 'KYC02', MESSAGE = '{}'; END $$"
    connection.begin()
    connection.run(say.format("one"))
    connection.savepoint()
    connection.run_for_each(say.format("taken back"), [()])
    connection.return_to_savepoint()
    connection.run(say.format("two"))
    connection.commit()

    assert heard == [("KYC02", "one"), ("KYC02", "two")]
