"""A plain psycopg connection for what is no storage function: definitions, COPY, and storage's own statements beside.

It waits for each answer. What serves people is `connection`, which does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import Diagnostic
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

from storage.engine.postgresql.faults import fault_of, lost
from storage.engine.postgresql.translation import translated
from storage.engine.postgresql.values import encoded, load_as_sqlite_does, row_class
from storage.engine.sql import Dialect, Later, Parameters, Row

_FINE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class PlainConnection:
    """Storage's statements (`SqlConnection`) on a connection that the caller begins and ends transactions on."""

    dialect = Dialect.POSTGRESQL

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw
        load_as_sqlite_does(raw)

    @property
    def in_transaction(self) -> bool:
        return self._raw.info.transaction_status is TransactionStatus.INTRANS

    def fetch(self, sql: str, parameters: Parameters = (), /) -> list[tuple[Any, ...]]:
        return self._rows(self._ask(sql, parameters), tuple)

    def fetch_later(self, sql: str, parameters: Parameters = (), /) -> Later[list[tuple[Any, ...]]]:
        rows = self.fetch(sql, parameters)
        return lambda: rows

    def fetch_rows(self, sql: str, parameters: Parameters = (), /) -> list[Row]:
        result = self._ask(sql, parameters)
        names = tuple((result.fname(at) or b"").decode() for at in range(result.nfields))
        return self._rows(result, row_class(names))

    def run(self, sql: str, parameters: Parameters = (), /) -> int:
        return self._ask(sql, parameters).command_tuples or 0

    def run_later(self, sql: str, parameters: Parameters = (), /) -> None:
        self._ask(sql, parameters)

    def run_for_each(self, sql: str, parameters: Iterable[Parameters], /) -> None:
        for one in parameters:
            self._ask(sql, one)

    def _ask(self, sql: str, parameters: Parameters) -> PGresult:
        statement = translated(sql)
        types, values = encoded(statement.arguments(parameters))
        with told():
            result = self._raw.pgconn.exec_params(
                statement.text.encode(), values, types, [Format.BINARY] * len(values), Format.BINARY
            )
        if result.status not in _FINE:
            raise fault_of(Diagnostic(result))
        return result

    def _rows(self, result: PGresult, make: Any) -> list[Any]:
        loader = Transformer(self._raw)
        loader.set_pgresult(result, format=Format.BINARY)
        return loader.load_rows(0, result.ntuples, make)


@contextmanager
def told() -> Iterator[None]:
    """Whatever psycopg raises, in our words. Raises DatabaseUnusable, ConstraintFailed, or StatementRefused."""
    try:
        yield
    except psycopg.Error as error:
        raise (fault_of(error.diag) if error.sqlstate else lost()) from error
