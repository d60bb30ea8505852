"""Looks at the servers of an address without changing anything, for `kyc-bot check`.

What to make of it is up to `bot.runtime.doctor`. Nothing here tells a password, and no server's word is repeated but
the names that stand in the address anyway.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bot.domain.database_address import DatabaseAddress, Host
from storage.engine.postgresql.troubles import Trouble, trouble_of

_IN_ITS_WORDS = frozenset({Trouble.NOT_PROVEN, Trouble.UNKNOWN})
_PROBE = "kyc_bot.probe"
_FACTS = """
    SELECT
        current_setting('server_version_num')::int AS version,
        current_setting('server_encoding') AS encoding,
        pg_is_in_recovery() AS is_standby,
        current_setting('transaction_read_only') = 'on' AS is_read_only,
        current_setting('fsync') = 'on' AS fsync,
        current_setting('full_page_writes') = 'on' AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('synchronous_standby_names') AS synchronous_standby_names,
        current_user::text AS "user",
        current_schema()::text AS schema,
        COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
        (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls,
        (SELECT count(*) FROM pg_stat_replication) AS followers,
        (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary) AS slots,
        (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS waited_for,
        (SELECT count(*) FROM pg_stat_replication WHERE sync_state IS NULL) AS unseen,
        pg_backend_pid() AS process,
        extract(epoch FROM clock_timestamp())::float8 AS at
"""
_OTHERS_TABLES = """
    SELECT c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner FROM pg_class AS c
    WHERE c.relkind IN ('r', 'v', 'p') AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
    AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY c.relname LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What one server says of itself, and of what this user may do there."""

    host: Host
    version: int
    """150014 is 15.14."""
    encoding: str
    is_standby: bool
    is_read_only: bool
    """For this user, whatever the server is."""
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    """As it is in force for this user."""
    synchronous_standby_names: str
    user: str
    schema: str | None
    """Where tables are made; None where the search path leads nowhere."""
    may_create: bool
    is_superuser: bool
    tls: str | None
    """Its version; None for a connection in plain."""
    followers: int
    """Servers and tools that are fed with what is written."""
    slots: int
    """Promises to keep what is written for one of them."""
    waited_for: int
    """Followers that a commit waits for."""
    unseen: int
    """Followers of which this user is not told what they are."""
    ahead: timedelta
    """Of its clock, before this machine's."""
    foreign_table: tuple[str, str] | None = None
    """A table or view in the schema that belongs to another role, and to which."""
    has_pooler: bool = False
    """Another program stands between, which speaks for the server."""
    shares_sessions: bool = False
    """That program gives each transaction another session."""

    @property
    def takes_writes(self) -> bool:
        return not (self.is_standby or self.is_read_only)

    @property
    def waits(self) -> bool:
        """Whether a commit is confirmed only once a standby has it."""
        return bool(self.synchronous_standby_names.strip()) and self.synchronous_commit not in ("off", "local")

    @property
    def is_replicated(self) -> bool:
        return bool(self.followers or self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """A server that could not be asked."""

    host: Host
    trouble: Trouble
    said: str = ""
    """By libpq or the server, where its own words tell more."""


Connection = psycopg.AsyncConnection[dict[str, Any]]


async def examine(
    address: DatabaseAddress, host: Host, *, connect_seconds: float, now: Callable[[], datetime]
) -> Server | Unreached:
    """One server of several, whether it takes writes or not."""
    try:
        async with await _connect(address, host, connect_seconds) as connection:
            return await _look(connection, host, now, lambda: _connect(address, host, connect_seconds))
    except psycopg.Error as error:
        trouble = trouble_of(error)
        return Unreached(host=host, trouble=trouble, said=str(error) if trouble in _IN_ITS_WORDS else "")


async def _connect(address: DatabaseAddress, host: Host, seconds: float) -> Connection:
    conninfo: dict[str, Any] = {
        **address.conninfo,
        "connect_timeout": math.ceil(seconds),
        "host": host.name,
        "port": str(host.port),
        "target_session_attrs": "any",
        "application_name": "kyc-bot check",
        "client_encoding": "UTF8",
    }
    return await Connection.connect(**conninfo, autocommit=True, row_factory=dict_row, prepare_threshold=None)


async def _look(
    connection: Connection, host: Host, now: Callable[[], datetime], another: Callable[[], Awaitable[Connection]]
) -> Server:
    asked = now()
    facts = await _row(connection, _FACTS)
    between = asked + (now() - asked) / 2
    foreign = await (await connection.execute(_OTHERS_TABLES)).fetchone()
    process, at = facts.pop("process"), facts.pop("at")
    has_pooler = process != connection.info.backend_pid
    return Server(
        host=host,
        **facts,
        ahead=datetime.fromtimestamp(at, UTC) - between,
        foreign_table=(foreign["name"], foreign["owner"]) if foreign else None,
        has_pooler=has_pooler,
        shares_sessions=has_pooler and await _shares_sessions(connection, another),
    )


async def _shares_sessions(connection: Connection, another: Callable[[], Awaitable[Connection]]) -> bool:
    """Whether what was set on a connection is gone while somebody else works."""
    await connection.execute(f"SET {_PROBE} = 'on'")
    async with await another() as other, other.transaction():
        # Takes the session that ours has just left, if it was left.
        await other.execute("SELECT 1")
        found = await _row(connection, f"SELECT current_setting('{_PROBE}', true) AS probe")
    return bool(found["probe"] != "on")


async def _row(connection: Connection, sql: str) -> dict[str, Any]:
    row = await (await connection.execute(sql)).fetchone()
    assert row is not None
    return row
