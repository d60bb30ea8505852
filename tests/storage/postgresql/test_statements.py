"""Every statement of storage runs on PostgreSQL: each function is called there, as `tests/storage/asked.py` calls it.

On a server that holds a file's checks, with the MACs of a writer, and with each parameter empty once: what PostgreSQL
refuses, and SQLite does not, fails here.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.domain.database_address import parse
from bot.errors import ConstraintFailed, DatabaseUnusable
from storage.engine.postgresql import move
from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.faults import StatementRefused
from storage.engine.postgresql.notes import PostgresqlNotes
from storage.engine.postgresql.places import FilePlace, ServerPlace
from storage.engine.postgresql.server import WITNESS, WRITER, Server
from storage.engine.postgresql.stop import Stop
from storage.engine.postgresql.translation import translated
from storage.engine.record_versions import RecordVersions
from storage.engine.sealing import Sealer
from storage.engine.sql import Parameters
from storage.engine.transaction import Transaction
from storage.engine.writer_macs import Alterations, WriterMacs
from tests import large_file
from tests.postgresql import Cluster
from tests.storage import asked
from tests.storage.asked import Statement
from tests.storage.test_plans import NOT_REACHED

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
OF_SQLITE: Mapping[str, str] = {
    "meta.py learn_figures": "for tables that `tables_to_learn` names: none on a server, which learns by itself",
}
"""What PostgreSQL is never asked, and would refuse."""
NOT_THERE: Mapping[str, str] = {
    "meta.py tables_to_learn": "which tables SQLite would learn of",
    "engine/touched.py _noted": "a server's triggers say what they have noted",
    "engine/touched.py forget_touched": "the same",
    "engine/touched.py take_sums_changed": "the same",
}
"""What the same calls ask SQLite alone."""


class Fault(Exception):
    """PostgreSQL does not take a statement; none of what a storage function may say of its rows."""

    def __init__(self, sent: Sequence[Statement], why: Exception) -> None:
        """Of the last one sent, or one just before it that nobody waited for."""
        last = sent[-1] if sent else Statement("", (), "nothing of storage's", 0, "")
        self.where = f"{last.file} {last.function}"
        super().__init__(f"{self.where} {last.line}: {why}: {last.sql}")


class NotingConnection(PostgresqlConnection):
    """Notes each statement of storage's that it sends."""

    sent: list[Statement] | None = None

    def _send(self, sql: str, parameters: Parameters) -> Any:
        if self.sent is not None and (statement := asked.statement_of(sql, parameters, sys._getframe(1))):
            self.sent.append(statement)
        try:
            return super()._send(sql, parameters)
        except ValueError as error:
            raise Fault([Statement(sql, parameters, "", 0, "")], error) from error


@dataclass(slots=True)
class Asking:
    """A writer on a filled database that never commits."""

    connection: NotingConnection
    macs: WriterMacs
    sealer: Sealer
    sent: list[Statement] = field(default_factory=list)
    refused: list[Fault] = field(default_factory=list)

    def each(self, call: Callable[[Transaction], object]) -> Sequence[Statement]:
        """The same, which goes on after what is refused."""
        try:
            return self.once(call)
        except Fault as fault:
            self.refused.append(fault)
            return ()

    def once(self, call: Callable[[Transaction], object]) -> Sequence[Statement]:
        """What one function asks, with the commit that would follow it. Raises what PostgreSQL refuses."""
        connection, sent = self.connection, list[Statement]()
        connection.begin()
        self.macs.begin_group()
        connection.sent = sent
        try:
            self._call(call)
            with suppress(*asked.EXPECTED):
                self.macs.require_intact()
                self.macs.make()
            connection.settle()
        except (StatementRefused, DatabaseUnusable) as error:
            raise Fault(sent, error) from error
        finally:
            connection.sent = None
            connection.roll_back()
        return sent

    def _call(self, call: Callable[[Transaction], object]) -> None:
        self.connection.savepoint()
        try:
            call(Transaction(self.connection, self.sealer, [], macs=self.macs))
            self.connection.settle()
        except ConstraintFailed:
            self.connection.return_to_savepoint()
        except DatabaseUnusable:
            raise
        except asked.EXPECTED:
            pass

    def prepare(self, statement: Statement) -> str | None:
        """Why the server does not take it with whatever parameters, each perhaps empty; None if it does."""
        self.connection.begin()
        try:
            text = translated(statement.sql)
            self.connection._send_prepared(text.text, (0,) * text.count, [None] * text.count)
            self.connection.settle()
        except ConstraintFailed:
            return None
        except (StatementRefused, DatabaseUnusable) as error:
            return str(error)
        finally:
            self.connection.roll_back()
        return None


@pytest.fixture(scope="module")
def asking(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """On a server, with all that was asked there."""
    path, name = tmp_path_factory.mktemp("statements") / "kyc.db", postgresql.database()
    sealer = Sealer.from_text([large_file.KEY])
    large_file.make(path, checks=300, open_checks=10)
    with closing(sqlite3.connect(path)) as lite:
        known = asked.known_in(lite)
    place = parse(postgresql.address(name))
    move.move(FilePlace(path), ServerPlace(place), sealer, now=NOON, on_progress=lambda *_: None)
    stop = Stop()
    server = Server(place, stop)
    writer, witness = (
        kind(lambda role=role: server.connect(role), stop)  # type: ignore[misc]
        for kind, role in ((NotingConnection, WRITER), (PostgresqlConnection, WITNESS))
    )
    assert isinstance(writer, NotingConnection)
    try:
        macs = WriterMacs(
            writer,
            witness,
            sealer,
            versions=RecordVersions(),
            found=Alterations(),
            notes=PostgresqlNotes(writer),
            others_write=True,
        )
        macs.begin()
        found = Asking(writer, macs, sealer)
        found.sent = list(asked.sent_by(known, found.each))
        yield found
    finally:
        writer.close()
        witness.close()
        postgresql.drop(name)


def test_every_statement_of_storage_runs_on_postgresql(asking: Asking) -> None:
    """And whatever SQLite is asked by the same calls is asked there: nothing is left out by chance."""
    assert [str(fault) for fault in asking.refused if fault.where not in OF_SQLITE] == []
    assert {fault.where for fault in asking.refused} == set(OF_SQLITE)
    assert asked.not_reached(asking.sent) == {*NOT_REACHED, *OF_SQLITE, *NOT_THERE}


def test_every_statement_of_storage_takes_parameters_that_are_empty(asking: Asking) -> None:
    each = {statement.sql: statement for statement in asking.sent}
    refused = [f"{one.file}:{one.line} {one.function}: {why}" for one in each.values() if (why := asking.prepare(one))]
    assert refused == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ref FROM verifications WHERE ref GLOB 'K*'",
        "SELECT IFNULL(ref, '') FROM verifications",
        "UPDATE meta SET value = name || 1 WHERE rowid = 1",
        "SELECT ref FROM verifications WHERE ref = :a AND state = ?",
    ],
)
def test_a_statement_of_sqlite_alone_is_found_out(asking: Asking, sql: str) -> None:
    with pytest.raises(Fault):
        asking.once(lambda tx: tx.rows(sql, a="K"))


def test_a_parameter_whose_type_nothing_tells_is_found_out(asking: Asking) -> None:
    statement = Statement("SELECT ref FROM verifications WHERE :ref IS NULL", {}, "checks.py", 1, "all")
    assert "IndeterminateDatatype" in (asking.prepare(statement) or "")
