"""The proxy before a server: what arrives, when, and what became of a commit that was held."""

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster
from tests.postgresql.cluster import address, programs
from tests.postgresql.proxy import Proxy, proxy_to

pytestmark = pytest.mark.postgresql

LOST = "server closed the connection unexpectedly"


class Table:
    """One of its own, asked for by a client that comes through the proxy."""

    def __init__(self, server: Cluster, proxy: Proxy) -> None:
        self.proxy = proxy
        self.database = server.database()
        self._server = server
        server.sql("CREATE TABLE kept (n INTEGER); GRANT ALL ON kept TO PUBLIC", database=self.database)

    def client(self, statements: str) -> "subprocess.Popen[str]":
        # Without a first question whether all may be hidden, which libpq repeats where it is not answered.
        where = f"{address(self.database, self.proxy.port)}?sslmode=disable&gssencmode=disable"
        client = subprocess.Popen(
            [f"{programs()}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", where],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert client.stdin is not None
        client.stdin.write(statements)
        client.stdin.close()
        client.stdin = None
        return client

    def insert(self) -> "subprocess.Popen[str]":
        """In a transaction, behind one that only reads."""
        return self.client("BEGIN; SELECT 1; COMMIT;\nBEGIN;\nINSERT INTO kept VALUES (1);\nCOMMIT;\nSELECT 'done';\n")

    @property
    def rows(self) -> int:
        return int(self._server.sql("SELECT count(*) FROM kept", database=self.database))

    def wait_for_rows(self, count: int) -> None:
        until = time.monotonic() + GIVE_UP_SECONDS
        while self.rows != count:
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.fixture
def table(postgresql: Cluster) -> Iterator[Table]:
    with proxy_to(postgresql.port) as proxy:
        table = Table(postgresql, proxy)
        yield table
    postgresql.drop(table.database)


def ended(client: "subprocess.Popen[str]") -> tuple[str, str]:
    out, err = client.communicate(timeout=GIVE_UP_SECONDS)
    return out, err


def test_what_is_not_disturbed_arrives_and_its_commits_and_round_trips_are_counted(table: Table) -> None:
    out, err = ended(table.insert())
    assert out.splitlines()[-1] == "done", err
    assert (table.rows, table.proxy.commits) == (1, 1)
    # The introduction, and psql sends one statement at a time.
    assert table.proxy.round_trips == 1 + 7


def test_a_commit_that_is_held_and_dropped_was_none(table: Table) -> None:
    held = table.proxy.hold_commit()
    client = table.insert()
    held.wait()
    assert table.rows == 0
    held.drop()
    assert LOST in ended(client)[1]
    assert table.rows == 0


def test_a_commit_that_is_held_until_its_client_has_gone_is_stored_when_it_is_let_through(table: Table) -> None:
    held = table.proxy.hold_commit()
    client = table.insert()
    held.wait()
    held.cut()
    assert LOST in ended(client)[1]
    assert table.rows == 0
    held.let_through()
    table.wait_for_rows(1)


def test_a_commit_that_is_held_and_let_through_is_only_late(table: Table) -> None:
    held = table.proxy.hold_commit()
    client = table.insert()
    held.wait()
    with pytest.raises(subprocess.TimeoutExpired):
        client.wait(0.2)
    held.let_through()
    assert ended(client)[0].splitlines()[-1] == "done"


@pytest.mark.parametrize("is_dropped", [True, False])
def test_an_answer_that_is_held_belongs_to_a_commit_that_is_stored(table: Table, is_dropped: bool) -> None:
    held = table.proxy.hold_commit(answer=True)
    client = table.insert()
    held.wait()
    assert table.rows == 1
    assert client.poll() is None
    (held.drop if is_dropped else held.let_through)()
    out, err = ended(client)
    assert (LOST in err) == is_dropped
    assert ("done" in out) != is_dropped


def test_the_nth_commit_from_now_on_is_held_and_no_other(table: Table) -> None:
    ended(table.insert())
    held = table.proxy.hold_commit(2)
    assert "done" in ended(table.insert())[0]
    client = table.insert()
    held.wait()
    assert table.rows == 2
    held.let_through()
    ended(client)
    assert "done" in ended(table.insert())[0]


def test_connections_that_are_cut_break_and_others_are_refused_until_they_are_accepted(table: Table) -> None:
    client = table.client("SELECT pg_sleep(60);\n")
    time.sleep(0.2)
    table.proxy.refuse()
    table.proxy.cut()
    assert LOST in ended(client)[1]
    assert "Connection refused" in ended(table.insert())[1]
    table.proxy.accept()
    assert "done" in ended(table.insert())[0]


def test_what_is_stalled_flows_again(table: Table) -> None:
    table.proxy.stall()
    client = table.insert()
    with pytest.raises(subprocess.TimeoutExpired):
        client.wait(0.3)
    table.proxy.flow()
    assert "done" in ended(client)[0]


def test_connections_are_cut_although_they_are_stalled(table: Table) -> None:
    table.proxy.stall()
    client = table.insert()
    time.sleep(0.1)
    table.proxy.cut()
    assert LOST in ended(client)[1]


def test_latency_is_added_to_each_round_trip(table: Table) -> None:
    table.proxy.latency_seconds = 0.02
    began = time.monotonic()
    assert ended(table.client("SELECT 1;\n" * 20))[0].split() == ["1"] * 20
    assert time.monotonic() - began > 21 * 0.02
