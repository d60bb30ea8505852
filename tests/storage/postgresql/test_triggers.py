"""What the triggers do on PostgreSQL is what they do on SQLite."""

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ConstraintFailed
from storage.engine.connection import sql_of
from storage.engine.postgresql import touched
from storage.engine.postgresql.plain import PlainConnection
from storage.engine.sql import SqlConnection
from storage.engine.transaction import to_text
from tests.postgresql import Cluster
from tests.storage.postgresql.databases import connected, in_memory, prepare

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
Raw = psycopg.Connection[Any]

REFS, BATCHES = ("K-1", "K-2", "K-3"), ("B-1", "B-2")
DAYS = [to_text(NOON + timedelta(days=days, hours=hours)) for days in range(-5, 3) for hours in (0, 11, 12)]
STATES = st.sampled_from(["requested", "processing", "in_review", "approved", "rejected"])
COUNTED = ("check_counts", "batch_counts", "day_sums", "posts", "audit")

CHECK = {"country": "NG", "id_type": "NIN", "requester": "U1", "team": "T1", "channel": "C1"} | dict.fromkeys(
    ("consent_at", "consent_by", "consent_notice", "asked_at"), "x"
)
FACT = {"person": "P", "requester": "U1", "country": "NG", "id_type": "NIN", "state": "approved", "by_person": 0}

Statement = tuple[str, Mapping[str, object]]


@pytest.fixture
def raw(postgresql: Cluster) -> Iterator[Raw]:
    name = postgresql.copy(prepare)
    with connected(postgresql.address(name)) as connection:
        yield connection
    postgresql.drop(name)


@pytest.fixture
def lite() -> Iterator[sqlite3.Connection]:
    with in_memory() as connection:
        yield connection


def _insert(table: str, row: Mapping[str, object]) -> Statement:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})", row  # noqa: S608 - names of the schema


def _update(table: str, where: Mapping[str, object], row: Mapping[str, object]) -> Statement:
    columns = ", ".join(f"{column} = :{column}" for column in row)
    keys = " AND ".join(f"{column} = :at_{column}" for column in where)
    return f"UPDATE {table} SET {columns} WHERE {keys}", {  # noqa: S608 - names of the schema
        **row,
        **{f"at_{column}": value for column, value in where.items()},
    }


def _delete(table: str, where: Mapping[str, object]) -> Statement:
    keys = " AND ".join(f"{column} = :{column}" for column in where)
    return f"DELETE FROM {table} WHERE {keys}", where  # noqa: S608 - names of the schema


@st.composite
def of_checks(draw: st.DrawFn) -> Statement:
    ref, state = draw(st.sampled_from(REFS)), draw(STATES)
    columns: dict[str, object] = {
        "state": state,
        "reason": "smile_id" if state == "in_review" else None,
        "verdict_outcome": "approved" if state == "approved" else None,
        "decision": draw(st.sampled_from([None, "approved"])),
        "record_match": draw(st.sampled_from([None, "matches", "differs"])),
        "held": draw(st.sampled_from([None, "photos"])),
        "batch": draw(st.sampled_from([None, *BATCHES, "B-3"])),
        "batch_row": draw(st.integers(1, 3)),
        "round": draw(st.integers(1, 2)),
    }
    match draw(st.integers(0, 5)):
        case 0 | 1 | 2:
            return _insert("verifications", CHECK | {"ref": ref, "view_id": ref} | columns)
        case 3 | 4:
            chosen = draw(st.lists(st.sampled_from(sorted(columns)), min_size=1, unique=True))
            return _update("verifications", {"ref": ref}, {column: columns[column] for column in chosen})
        case _:
            return _delete("verifications", {"ref": ref})


@st.composite
def of_reviews(draw: st.DrawFn) -> Statement:
    key: dict[str, object] = {"ref": draw(st.sampled_from(REFS)), "round": draw(st.integers(1, 2))}
    state = draw(st.sampled_from(["open", "decided", "settled"]))
    columns: dict[str, object] = {"state": state, "closed_at": None if state == "open" else "x"}
    match draw(st.integers(0, 3)):
        case 0 | 1:
            return _insert("reviews", key | {"opened_at": "x"} | columns)
        case 2:
            return _update("reviews", key, columns)
        case _:
            return _delete("reviews", key)


@st.composite
def of_facts(draw: st.DrawFn) -> Statement:
    key: dict[str, object] = {"ref": draw(st.sampled_from(REFS)), "round": draw(st.integers(1, 2))}
    settled = draw(st.none() | st.sampled_from([*DAYS, "no moment", "2026-02-31T12:00:00.000000Z"]))
    columns: dict[str, object] = {
        "asked_at": draw(st.sampled_from(DAYS)),
        "settled_at": settled,
        "ended_at": settled,
        "country": draw(st.sampled_from(["NG", "KE"])),
    }
    match draw(st.integers(0, 5)):
        case 0 | 1 | 2:
            return _insert("facts", key | FACT | columns)
        case 3 | 4:
            chosen = draw(st.sampled_from([["asked_at"], ["settled_at", "ended_at"], ["country"]]))
            return _update("facts", key, {column: columns[column] for column in chosen})
        case _:
            return _delete("facts", key)


@st.composite
def of_days(draw: st.DrawFn) -> Statement:
    begins = NOON + timedelta(days=draw(st.integers(-6, 3)))
    ends = begins + timedelta(days=draw(st.integers(1, 3)))
    row = {"begins": to_text(begins), "ends": to_text(ends), "mac": "m", "sums": "s"}
    return draw(st.sampled_from([_insert("day_sums", row), _delete("day_sums", {"begins": row["begins"]})]))


@st.composite
def of_numbered(draw: st.DrawFn) -> Statement:
    """Tables whose rows the database numbers."""
    at = draw(st.none() | st.integers(-3, 9))
    line = {"seq": at, "at": "x", "actor": "U1", "act": "a"}
    post = {
        "seq": at,
        "id": str(draw(st.integers(0, 9))),
        "kind": "k",
        "lane": "C1",
        "priority": 1,
        "note": "",
        "due_at": "x",
        "created_at": "x",
    }
    return draw(
        st.sampled_from(
            [
                _insert("audit", line),
                _insert("posts", post),
                _update("audit", {"seq": at}, {"chain": "h"}),
                _delete("audit", {"seq": at}),
                _delete("posts", {"seq": at}),
                ("INSERT INTO audit (at, actor, act) SELECT 'x', 'U2', id FROM posts ORDER BY id", {}),
            ]
        )
    )


STATEMENTS = st.lists(
    st.one_of(of_checks(), of_reviews(), of_facts(), of_days(), of_numbered()), min_size=5, max_size=40
)


def run(connection: SqlConnection, statements: list[Statement]) -> list[int | None]:
    """How many rows each has touched; None of what the schema refuses."""
    told = list[int | None]()
    for sql, parameters in statements:
        try:
            told.append(connection.run(sql, parameters))
        except ConstraintFailed:
            told.append(None)
    return told


def counted(connection: SqlConnection) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(connection.fetch(f"SELECT * FROM {table}"), key=repr) for table in COUNTED}  # noqa: S608 - names of the schema


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(statements=STATEMENTS)
def test_the_same_changes_leave_the_same_counts_sums_and_numbers(
    lite: sqlite3.Connection, raw: Raw, statements: list[Statement]
) -> None:
    batches: list[Statement] = [
        _insert(
            "batches",
            {
                "id": batch,
                "state": "done",
                "source": batch,
                "files": "{}",
                "consent_at": "x",
                "consent_by": "x",
                "requester": "U1",
                "team": "T1",
                "channel": "C1",
                "asked_at": "x",
            },
        )
        for batch in BATCHES
    ]
    on_lite, on_server = sql_of(lite), PlainConnection(raw)
    lite.execute("BEGIN")
    with raw.transaction(force_rollback=True):
        # Each statement by itself, as the savepoint of a storage function holds it.
        told = [run(on_lite, [one]) for one in [*batches, *statements]]
        assert [_within_a_savepoint(raw, on_server, one) for one in [*batches, *statements]] == told
        assert counted(on_server) == counted(on_lite)
    lite.execute("ROLLBACK")


def _within_a_savepoint(raw: Raw, connection: SqlConnection, statement: Statement) -> list[int | None]:
    try:
        with raw.transaction():
            return [connection.run(*statement)]
    except ConstraintFailed:
        return [None]


def test_a_number_that_was_rolled_back_is_given_again(raw: Raw) -> None:
    plain = PlainConnection(raw)
    line = "INSERT INTO audit (at, actor, act) VALUES ('x', 'U1', 'a') RETURNING seq"
    assert plain.fetch(line) == [(1,)]
    with raw.transaction(force_rollback=True):
        assert plain.fetch(line) == [(2,)]
    assert plain.fetch(line) == [(2,)]


def test_nothing_empties_the_audit_trail(raw: Raw) -> None:
    raw.execute("INSERT INTO audit (at, actor, act) VALUES ('x', 'U1', 'a')")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        raw.execute("TRUNCATE audit")


@pytest.mark.parametrize(
    ("moment", "later"),
    [
        ("2026-12-30T23:59:59.999999Z", "2027-01-03"),
        ("2026-02-31T12:00:00.000000Z", "2026-03-07"),
        ("0000-01-01T00:00:00.000000Z", None),
        ("2026-13-01T00:00:00.000000Z", None),
        ("2026-11-29", None),
        ("x", None),
        (None, None),
    ],
)
def test_a_day_is_counted_from_a_moment_alone(raw: Raw, moment: str | None, later: str | None) -> None:
    assert raw.execute("SELECT day_after(%s::TEXT, 4)", [moment]).fetchone() == (later,)


@given(moments=st.tuples(*[st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))] * 2))  # noqa: DTZ001 - hypothesis puts the zone to it
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_views_tell_the_same_seconds(lite: sqlite3.Connection, raw: Raw, moments: tuple[datetime, datetime]) -> None:
    texts = [to_text(moment) for moment in moments]
    [(seconds,)] = lite.execute("SELECT (julianday(?) - julianday(?)) * 86400", texts)
    assert raw.execute("SELECT (julianday(%s) - julianday(%s)) * 86400", texts).fetchone() == (seconds,)


# What the bot's own session hears of its changes.


def heard(raw: Raw) -> list[tuple[str | None, str | None]]:
    told = list[tuple[str | None, str | None]]()
    raw.add_notice_handler(lambda diagnostic: told.append((diagnostic.sqlstate, diagnostic.message_primary)))
    return told


def test_the_session_that_asks_hears_which_checks_it_touches_and_nobody_else(raw: Raw) -> None:
    told, plain = heard(raw), PlainConnection(raw)
    check = _insert("verifications", CHECK | {"ref": "K-1", "view_id": "V1", "state": "requested"})
    with raw.transaction(force_rollback=True):
        plain.run(*check)
    assert told == []
    raw.execute(f"SET {touched.SETTING} = 'on'")
    attempt = {
        "job_id": "J1",
        "ref": "K-1",
        "number": 1,
        "user_id": "u",
        "step": "recorded",
        "token_print": "t",
        "token_sealed": b"t",
        "created_at": "x",
    }
    receipt = {
        "id": "R1",
        "job_id": "J1",
        "source": "callback",
        "code": "0810",
        "body_print": "p",
        "fate": "kept",
        "received_at": "x",
    }
    post = {"id": "P1", "kind": "k", "lane": "C1", "priority": 1, "note": "", "due_at": "x", "created_at": "x"}
    steps: list[tuple[Statement, list[tuple[str, str]]]] = [
        (check, [(touched.TOUCHED, "K-1")]),
        (("UPDATE verifications SET due_at = 'x', leased_until = 'x', tries = 1", {}), []),
        (("UPDATE verifications SET state = state", {}), [(touched.DECISIVE, "K-1")]),
        (("UPDATE verifications SET message_ts = 'x'", {}), [(touched.TOUCHED, "K-1")]),
        (_insert("attempts", attempt), [(touched.DECISIVE, "K-1")]),
        (("UPDATE attempts SET poll_at = 'x'", {}), []),
        (_insert("receipts", receipt), [(touched.TOUCHED, "K-1")]),
        (("DELETE FROM receipts", {}), [(touched.TOUCHED, "K-1")]),
        (_insert("posts", post), []),
        (_insert("posts", post | {"id": "P2", "ref": "K-1"}), [(touched.TOUCHED, "K-1")]),
        (_insert("audit", {"at": "x", "actor": "U1", "act": "a"}), [(touched.LINES, "")]),
        (
            _insert("audit", {"at": "x", "actor": "U1", "act": "a", "ref": "K-2"}),
            [(touched.LINES, ""), (touched.TOUCHED, "K-2")],
        ),
        (_insert("day_sums", {"begins": "a", "ends": "b", "making": "m"}), []),
        (("UPDATE day_sums SET making = NULL, mac = 'm', sums = 's'", {}), [(touched.SUMS, "")]),
        (("DELETE FROM day_sums", {}), [(touched.SUMS, "")]),
    ]  # fmt: skip
    for (sql, parameters), wanted in steps:
        told.clear()
        plain.run(sql, parameters)
        assert sorted(told) == sorted(wanted), sql
