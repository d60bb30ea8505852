"""Pages of checks: along whichever index they are read, they hold what a look at every row finds."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlite_utils

from bot.domain import database_address
from bot.domain.check.check import Check, Cursor, SearchFilter
from bot.domain.check.states import FINAL, State
from storage import exports, search
from storage.engine.connection import TrackedConnection
from storage.engine.database import Transaction, to_text
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from tests.postgresql import Cluster
from tests.raw_sqlite import raw

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("U0AMINA0001", "U0BELLO0002")
SEALER = Sealer([b"k" * 32])
ROWS = 160
SIZE = 7


def times(n: int) -> datetime:
    """Three checks are asked for at each moment."""
    return BEGAN + timedelta(minutes=n // 3)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def engine(request: pytest.FixtureRequest) -> str:
    """Plays each test once on either, on rows that all of them share."""
    return str(request.param)


@pytest.fixture(scope="module")
def tx(engine: str, request: pytest.FixtureRequest) -> Iterator[Transaction]:
    with in_memory() if engine == "sqlite" else on_a_server(request.getfixturevalue("postgresql")) as connection:
        tx = Transaction(connection, SEALER, None)
        fill(tx, random.Random(28))
        yield tx


@contextmanager
def in_memory() -> Iterator[SqlConnection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None, factory=TrackedConnection)) as connection:
        migrate(sqlite_utils.Database(connection), SEALER)
        connection.execute("BEGIN")
        yield connection


@contextmanager
def on_a_server(server: Cluster) -> Iterator[SqlConnection]:
    from storage.engine.postgresql.connection import PostgresqlConnection
    from storage.engine.postgresql.server import WRITER, Server
    from storage.engine.postgresql.stop import Stop
    from tests.storage.postgresql.databases import prepare

    name, stop = server.copy(prepare), Stop()
    opening = Server(database_address.parse(server.address(name)), stop)
    connection = PostgresqlConnection(lambda: opening.connect(WRITER), stop)
    try:
        connection.begin()
        yield connection
    finally:
        connection.close()
        server.drop(name)


def fill(tx: Transaction, rng: random.Random) -> None:
    for n in range(ROWS):
        state = rng.choice(list(State))
        is_decided = state is State.IN_REVIEW and rng.random() < 0.5
        tx.insert(
            "verifications",
            ref=f"K-{rng.randrange(10**9):09d}",
            state=state,
            reason="smile_id" if state is State.IN_REVIEW else None,
            verdict_outcome="approved" if state is State.APPROVED else None,
            decision="rejected" if is_decided else None,
            requester=rng.choice(PEOPLE),
            asked_at=times(n),
            ended_at=times(n) if state in FINAL or is_decided else None,
            view_id=f"V{n}",
            **dict.fromkeys(("country", "id_type", "team", "channel", "consent_by", "consent_notice"), "-"),
            consent_at=times(n),
        )
    for ref in tx.column("SELECT ref FROM verifications WHERE ref LIKE '%7'"):
        tx.insert("reviews", ref=ref, round=1, state="open", opened_at=BEGAN)


def looked_at_one_by_one(tx: Transaction, wanted: SearchFilter) -> list[str]:
    reviewed = set(tx.column("SELECT ref FROM reviews"))

    def is_wanted(row: dict[str, Any]) -> bool:
        is_among = wanted.states is None or State(row["state"]) in wanted.states
        if wanted.undecided:
            is_among = row["ref"] in reviewed or (is_among and row["decision"] is None)
        return (
            is_among
            and wanted.requester in (None, row["requester"])
            and (wanted.refs is None or row["ref"] in wanted.refs)
            and (wanted.since is None or row["asked_at"] >= to_text(wanted.since))
            and (wanted.until is None or row["asked_at"] < to_text(wanted.until))
        )

    rows = map(dict, tx.rows("SELECT * FROM verifications ORDER BY asked_at DESC, ref DESC"))
    return [row["ref"] for row in rows if is_wanted(row)]


def turned(tx: Transaction, wanted: SearchFilter, *, newer: bool) -> list[str]:
    """Every page from one end to the other, as somebody who turns them sees them."""
    seen: list[str] = []
    cursor = Cursor(asked_at=BEGAN, ref="", newer=True) if newer else None
    while shown := search.page(tx, wanted, size=SIZE, cursor=cursor).checks:
        seen = [*refs(shown), *seen] if newer else [*seen, *refs(shown)]
        end = shown[0] if newer else shown[-1]
        cursor = Cursor(asked_at=end.asked_at, ref=end.ref, newer=newer)
    return seen


def refs(checks: Sequence[Check]) -> list[str]:
    return [check.ref for check in checks]


def filters(tx: Transaction) -> Iterator[SearchFilter]:
    rng = random.Random(17)
    everybody = tx.column("SELECT ref FROM verifications")
    for _ in range(40):
        yield SearchFilter(
            requester=rng.choice((None, *PEOPLE, "U0NOBODY003")),
            states=rng.choice((None, frozenset(rng.sample(list(State), rng.randrange(4))))),
            since=rng.choice((None, times(rng.randrange(ROWS)))),
            until=rng.choice((None, times(rng.randrange(ROWS)))),
            undecided=rng.random() < 0.4,
            refs=rng.choice((None, None, rng.sample(everybody, 30))),
        )


@pytest.mark.slow
def test_every_filter_shows_what_a_look_at_every_row_finds(tx: Transaction) -> None:
    found = [(wanted, looked_at_one_by_one(tx, wanted)) for wanted in filters(tx)]
    assert sum(bool(rows) for _wanted, rows in found) > 15
    for wanted, rows in found:
        for newer in (False, True):
            assert turned(tx, wanted, newer=newer) == rows, wanted


@pytest.mark.sqlite("counts the steps of SQLite's machine")
@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("requester", [None, PEOPLE[0]])
def test_a_page_of_a_span_reads_nothing_of_the_pages_before_it(
    tx: Transaction, newer: bool, requester: str | None
) -> None:
    span = SearchFilter(requester=requester, since=BEGAN, until=times(2 * ROWS))
    far = Cursor(asked_at=times(ROWS - 20) if newer else times(20), ref="K-", newer=newer)
    everything = SearchFilter(requester=requester)
    assert steps(tx, span, far) <= steps(tx, everything, far) * 1.05


def steps(tx: Transaction, wanted: SearchFilter, cursor: Cursor) -> int:
    """Of SQLite's machine, for a page."""
    taken: list[None] = []
    raw(tx).set_progress_handler(lambda: taken.append(None), 1)
    try:
        assert len(search.page(tx, wanted, size=SIZE, cursor=cursor).checks) == SIZE
    finally:
        raw(tx).set_progress_handler(None, 1)
    return len(taken)


@pytest.mark.parametrize("since", [None, times(30)])
@pytest.mark.parametrize("until", [None, times(90)])
def test_an_export_holds_every_check_of_its_span_once(
    tx: Transaction, since: datetime | None, until: datetime | None
) -> None:
    wanted, read, last = exports.ExportRange(since=since, until=until), [], None
    while page := exports.page(tx, wanted, last):
        read += [line.ref for line in page]
        last = page[-1]
    assert read == list(reversed(looked_at_one_by_one(tx, SearchFilter(since=since, until=until))))
    assert exports.count(tx, wanted) == len(read)
