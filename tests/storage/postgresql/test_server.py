"""How connections are opened: what they are set to, and what an operator hears where none comes about."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from time import monotonic
from typing import Any

import psycopg
import pytest

from bot.domain.database_address import Host, parse
from bot.errors import DatabaseFault, DatabaseUnusable
from storage.engine.postgresql.server import LONG_READER, READER, UPKEEP, WRITER, Role, Server
from storage.engine.postgresql.stop import Stop
from storage.engine.postgresql.touched import SETTING as NOTES
from tests.postgresql import Cluster
from tests.postgresql.cluster import GUARDED


@contextmanager
def connected(address: str, role: Role) -> Iterator[psycopg.Connection[Any]]:
    connection = Server(parse(address), Stop()).connect(role)
    try:
        yield connection
    finally:
        connection.close()


def told(address: str, *, password: str | None = None) -> str:
    place = replace(parse(address), password=password)
    with pytest.raises(DatabaseUnusable) as refused:
        Server(place, Stop()).connect(READER)
    assert refused.value.__cause__ is None
    return str(refused.value)


@pytest.mark.parametrize("role", [WRITER, READER, LONG_READER, UPKEEP])
def test_settings_are_ours_whatever_the_servers_are(empty_database: str, role: Role) -> None:
    with connected(empty_database, role) as connection:
        found = {name.lower(): value for name, value in connection.execute("SELECT name, setting FROM pg_settings")}
        [(found[NOTES],)] = connection.execute("SELECT current_setting(%s)", [NOTES]).fetchall()
        assert {name: found[name] for name in role.settings()} == role.settings()
        [(isolation, form, zone)] = connection.execute(
            "SELECT current_setting('transaction_isolation'), current_setting('client_encoding'), "
            "current_setting('TimeZone')"
        ).fetchall()
        assert (isolation, form, zone) == ("read committed", "UTF8", "UTC")


def test_a_holder_of_the_writer_row_is_cut_off_before_those_who_wait_give_up() -> None:
    assert 0 < WRITER.idle < WRITER.lock < WRITER.statement < WRITER.patience < 30


def test_a_schema_that_the_address_names_stays(postgresql: Cluster, empty_database: str) -> None:
    postgresql.sql("CREATE SCHEMA kyc AUTHORIZATION kyc", database=empty_database.rpartition("/")[2])
    with connected(f"{empty_database}?options=-csearch_path%3Dkyc", WRITER) as connection:
        assert connection.execute("SELECT current_schema()").fetchall() == [("kyc",)]


def test_where_nobody_listens_it_is_said_and_the_next_host_is_asked(postgresql: Cluster, empty_database: str) -> None:
    address = parse(empty_database)
    nobody = replace(address, hosts=(Host("127.0.0.1", 1),))
    with pytest.raises(DatabaseUnusable, match="no server listens there"):
        Server(nobody, Stop()).connect(READER)
    Server(replace(nobody, hosts=(*nobody.hosts, *address.hosts)), Stop()).connect(READER).close()


def test_a_host_that_is_frozen_is_waited_for_once(postgresql: Cluster, empty_database: str) -> None:
    """It takes the connection, and says nothing. Whoever was let in by the other one asks that first from then on."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        port = frozen.getsockname()[1]
        hosts = (Host("127.0.0.1", port), Host("127.0.0.1", postgresql.port))
        opening, times = Server(replace(parse(empty_database), hosts=hosts), Stop()), [monotonic()]
        for _connection in range(3):
            opening.connect(READER).close()
            times.append(monotonic())
    first, *others = (after - before for before, after in pairwise(times))
    assert first > 2
    assert max(others) < first / 2


def test_what_the_server_refuses_is_told_without_a_name_or_a_password(postgresql: Cluster) -> None:
    guarded = postgresql.address("postgres").replace("kyc@", f"{GUARDED}@")

    assert told(postgresql.address("nowhere")).endswith("there is no database of this name on the server")
    assert told(postgresql.address("postgres").replace("kyc@", "stranger@")).endswith("does not let this user in")
    assert told(guarded).endswith("does not take this password")
    wrong = told(guarded, password="a wrong one")
    assert wrong.endswith("does not take this password")
    assert "wrong one" not in wrong


def test_a_standby_is_no_server_to_write_to(postgresql: Cluster, empty_database: str) -> None:
    name = empty_database.rpartition("/")[2]
    postgresql.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert told(empty_database).endswith("the server takes no changes: it is a standby")


def test_a_database_of_another_encoding_is_refused(postgresql: Cluster) -> None:
    postgresql.sql(
        "CREATE DATABASE of_bytes OWNER kyc TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
    )
    try:
        with pytest.raises(DatabaseFault, match="SQL_ASCII"):
            Server(parse(postgresql.address("of_bytes")), Stop()).connect(READER)
    finally:
        postgresql.drop("of_bytes")
