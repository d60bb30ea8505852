"""Databases of bots, read beside them by tests."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster, ServerFailed


class SqliteStore:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, sql: str) -> str:
        """One row, its columns separated by `|`."""
        return await asyncio.to_thread(self._read, sql)

    def _read(self, sql: str) -> str:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=GIVE_UP_SECONDS)) as db:
            return "|".join(map(str, db.execute(sql).fetchone()))


class PostgresqlStore:
    """One database on servers of which one takes writes: that one is read."""

    def __init__(self, database: str, servers: Sequence[Cluster]) -> None:
        self._database = database
        self._servers = servers

    async def read(self, sql: str) -> str:
        """One row, its columns separated by `|`. Raises ConnectionError where no server takes writes."""
        return await asyncio.to_thread(self._read, sql)

    def _read(self, sql: str) -> str:
        for server in self._servers:
            try:
                if server.is_up and server.sql("SELECT pg_is_in_recovery()") == "f":
                    return server.sql(sql, database=self._database)
            except ServerFailed:
                continue  # it is about to end, or has just begun
        raise ConnectionError("no server takes writes")
