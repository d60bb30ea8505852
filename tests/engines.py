"""The engine that a test's database is on: an SQLite file, or a database on the PostgreSQL server of this worker.

A test that asks for the fixture `engine` plays once on each, and names its database by a path all the same: on
PostgreSQL a path leads to a database of its own, which is there as long as the test. What only SQLite has is marked
with `pytest.mark.sqlite`, and says why.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import sqlite_utils

from bot.domain import database_address
from bot.domain.database_address import DatabaseAddress
from storage.engine import backup
from storage.engine.connection import sql_of
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from tests import fresh_file
from tests.postgresql import Cluster

if TYPE_CHECKING:
    import psycopg

Place = Path | DatabaseAddress


@dataclass(slots=True, eq=False)
class _Server:
    """Databases of one server. A test leaves its own to the next one, emptied: a new copy would take half a second."""

    cluster: Cluster
    names: dict[Path, str] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    first_rows: str = ""
    """Statements that put back what is in the database before anything is written."""
    shape: tuple[str, str] = ("", "")
    """The row by which a start knows the schema as its own, under the name of `meta`, before it is sealed."""

    def name_of(self, path: Path) -> str:
        if path not in self.names:
            self.names[path] = self.free.pop() if self.free else self.cluster.copy(self._prepare)
        return self.names[path]

    def release(self) -> None:
        for name in self.names.values():
            self._empty(name)
            self.free.append(name)
        self.names.clear()

    def _prepare(self, address: str) -> None:
        """Under no key yet, as a fresh file: a bot's first write says which one it is."""
        import psycopg
        from psycopg.sql import Literal

        from storage.engine.postgresql import schema

        sealer = Sealer([bytes(32)])
        with psycopg.connect(address, autocommit=True) as raw:
            schema.migrate(raw, migrate, sealer)
            [(name, sealed)] = raw.execute(
                "DELETE FROM meta WHERE value_sealed IS NOT NULL RETURNING name, value_sealed"
            )
            self.shape = name, sealer.open(sealed, place=f"meta.value:{name}")
            rows = [(table, row) for table in _tables(raw) for row in raw.execute(f"SELECT * FROM {table}")]  # noqa: S608 - names from the schema
            self.first_rows = "".join(
                f"INSERT INTO {table} VALUES ({', '.join(Literal(value).as_string(raw) for value in row)});"  # noqa: S608 - as above
                for table, row in rows
            )

    def _empty(self, name: str) -> None:
        import psycopg

        with psycopg.connect(self.cluster.by_socket(name), autocommit=True) as raw:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            raw.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {others}")  # noqa: S608 - above
            deletes = "".join(f"DELETE FROM {table};" for table in _tables(raw))  # noqa: S608 - names from the schema
            raw.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletes} {self.first_rows} COMMIT")


def _tables(raw: psycopg.Connection[Any]) -> list[str]:
    wanted = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::REGNAMESPACE"
    return [name for (name,) in raw.execute(wanted)]


_servers: list[_Server] = []
"""One, or none yet: a worker's."""
_server: _Server | None = None
_NUMBERED = re.compile(r"\s*INSERT INTO (audit|posts) \((?!.*\bseq\b)")
"""New rows that do not say which number they have."""
_COUNTED = """
    INSERT INTO check_counts (state, n) SELECT state, COUNT(*) FROM verifications GROUP BY state
    ON CONFLICT (state) DO UPDATE SET n = excluded.n
    """
_COUNTED_NONE = "UPDATE check_counts SET n = 0 WHERE state NOT IN (SELECT state FROM verifications)"
"""What triggers count as well, where somebody else than a superuser changes the rows."""


@contextmanager
def on(cluster: Cluster) -> Iterator[None]:
    """Meanwhile every path leads to a database of this server."""
    global _server  # noqa: PLW0603 - a test's helpers take paths, as they did before there was a server
    _server = next((one for one in _servers if one.cluster is cluster), None)
    if _server is None:
        _servers.append(_server := _Server(cluster))
    try:
        yield
        assert _server.names, "no path led to the server: it was played on SQLite once more, or on nothing"
    finally:
        _server.release()
        _server = None


def is_sqlite() -> bool:
    return _server is None


def place_of(path: Path) -> Place:
    """Where the database of this path is."""
    if _server is None:
        return path
    return database_address.parse(_server.cluster.address(_server.name_of(path)))


def knows(place: Place) -> bool:
    """Whether a path leads there: to a file, or to a database of the server that paths lead to."""
    if isinstance(place, Path):
        assert is_sqlite(), "a bot on a file, in a test of a server: whoever begins it passes a path on without `lay`"
        return True
    return _server is not None and place.name in _server.names.values()


def path_of(place: Place) -> Path:
    """By which path a test knows it."""
    if isinstance(place, Path):
        return place
    assert _server is not None
    (path,) = [path for path, name in _server.names.items() if name == place.name]
    return path


def content(path: Path) -> bytes:
    """All that is stored, as far as it could be read in it: a file as it lies there, or all rows."""
    if _server is None:
        return path.read_bytes()
    with closing(beside(path)) as db:
        rows = [db.execute(f"SELECT CAST(t AS TEXT) FROM {table} t").fetchall() for table in kinds_of_columns()]  # noqa: S608 - names from the schema
    return repr(rows).encode()


def lay(path: Path, sealer: Sealer | None = None) -> Place:
    """The same; where there is none yet, it is as the bot's first start leaves it before anything is written.

    With the sealer of that bot, which then need not compare the whole schema: that takes a second.
    """
    if _server is None:
        fresh_file.lay(path)
    elif sealer is not None:
        import psycopg

        database = _server.name_of(path)
        name, text = _server.shape
        with psycopg.connect(_server.cluster.by_socket(database), autocommit=True) as raw:
            sql = "INSERT INTO meta (name, value_sealed) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            raw.execute(sql, [name, sealer.seal(text, place=f"meta.value:{name}")])
    return place_of(path)


def copy(path: Path, target: Path, sealer: Sealer) -> None:
    """Another database, under another path, with all that is in this one, which nobody has open."""
    if _server is None:
        backup.take(path, target, sealer)
    else:
        _server.names[target] = _server.cluster.database(copy_of=_server.name_of(path))


def saved(path: Path) -> Callable[[], None]:
    """Gives what puts the whole database back as it is now. Nobody may have it open, neither now nor then."""
    if _server is None:
        whole = path.read_bytes()

        def write() -> None:
            path.write_bytes(whole)

        return write
    server, name, kept = _server, _server.name_of(path), path.with_name(f"{path.name}.saved")
    server.names[kept] = server.cluster.database(copy_of=name)

    def put_back() -> None:
        server.cluster.drop(server.names[path])
        server.names[path] = server.cluster.database(copy_of=server.names[kept])

    return put_back


class Found(Protocol):
    """Rows as they come."""

    @property
    def rowcount(self) -> int: ...
    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


class Beside(Protocol):
    """Somebody else's connection to a database. Each statement is a transaction of its own."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Found: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object: ...
    def close(self) -> None: ...


def beside(path: Path) -> Beside:
    """Another program's, which minds no rule of the schema."""
    return beside_file(path) if _server is None else _Thief(_server.cluster.by_socket(_server.name_of(path)))


def beside_file(path: Path) -> sqlite3.Connection:
    """The same of an SQLite file, for what only SQLite has."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    return connection


def storage_of(db: Beside) -> SqlConnection:
    """The same connection, as storage takes one."""
    if isinstance(db, _Thief):
        return db.storage
    assert isinstance(db, sqlite3.Connection)
    return sql_of(db)


class _Thief:
    """On PostgreSQL: a superuser, whom no trigger, no reference and no CHECK stops, and who leaves the schema as it is.

    But for a new post or line of the trail, which gets its number by a trigger.
    """

    def __init__(self, conninfo: str) -> None:
        import psycopg

        self._raw = psycopg.connect(conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
        self._raw.execute("SET session_replication_role = replica")

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Found:
        cursor = self._run(sql, [parameters])
        return _Rows(cursor.fetchall() if cursor.description else (), cursor.rowcount)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        return self._run(sql, parameters)

    def _run(self, sql: str, parameters: Iterable[Sequence[Any]]) -> psycopg.Cursor[Any]:
        from storage.engine.postgresql.translation import translated

        is_numbered = _NUMBERED.match(sql) is not None
        of_ours = "WHERE relnamespace = current_schema()::REGNAMESPACE"
        checks = "SELECT COUNT(*) FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'c'"
        cursor = self._raw.cursor()
        with self._raw.transaction():
            if is_numbered:
                self._raw.execute("SET LOCAL session_replication_role = origin")
            self._raw.execute(f"UPDATE pg_class SET relchecks = 0 {of_ours}")  # noqa: S608 - above
            for one in parameters:
                cursor.execute(translated(sql).text, one)
            if "verifications" in sql:
                self._raw.execute(_COUNTED)
                self._raw.execute(_COUNTED_NONE)
            self._raw.execute(f"UPDATE pg_class SET relchecks = ({checks}) {of_ours}")  # noqa: S608 - above
        return cursor

    @property
    def storage(self) -> SqlConnection:
        """For what storage itself does, past every trigger."""
        from storage.engine.postgresql.plain import PlainConnection

        return PlainConnection(self._raw)

    def close(self) -> None:
        self._raw.close()


class _Rows:
    def __init__(self, rows: Sequence[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [*self._rows]

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


@cache
def kinds_of_columns() -> Mapping[str, Mapping[str, str]]:
    """By table, in order: what each column holds, by SQLite's name for it."""
    db = sqlite_utils.Database(memory=True, execute_plugins=False)
    try:
        migrate(db, Sealer([bytes(32)]))
        return {
            name: {column.name: column.type for column in db[name].columns}
            for name in db.table_names()
            if name[0] != "_"
        }
    finally:
        db.close()
