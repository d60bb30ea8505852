"""How connections to the server are opened, and what each kind of them is set to.

The settings are ours, whatever the server's are: a stalled holder of the writer row is cut off, a statement that hangs
is given up, a machine that has vanished is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import psycopg

from bot.domain.database_address import DatabaseAddress, Host
from bot.errors import DatabaseFault, DatabaseUnusable
from storage.engine.postgresql.stop import Stop
from storage.engine.postgresql.touched import SETTING as NOTES
from storage.engine.postgresql.troubles import trouble_of

OLDEST = 14
"""Before it a server has no CREATE OR REPLACE TRIGGER, and its community mends no faults any more."""

_CONNECT_SECONDS = 3
"""For each host: of two the second is asked while somebody still waits for the first one's answer to a check."""
_NETWORK = {
    # A machine that has vanished is noticed in some ten seconds, whether something is under way or not.
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_BY_INDEXES: Mapping[str, str] = {
    # Our statements go along indexes (tests/storage/test_plans.py). Without figures of a young table the planner would
    # read through it, and keep the plan while it grows.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_ALL_OF_US: Mapping[str, str] = {
    "default_transaction_isolation": "read committed",
    "client_min_messages": "notice",
    "standard_conforming_strings": "on",
    "timezone": "UTC",
    # To compile a statement of a millisecond takes a hundred.
    "jit": "off",
    # The server notices as early that one of us has vanished.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a connection is for; seconds, 0 for as long as it takes."""

    name: str
    statement: float = 30
    """A statement may take."""
    idle: float = 60
    """We may be silent in the middle of a transaction."""
    lock: float = 12
    """A lock is waited for: longer than whoever holds the writer row may be silent."""
    by_indexes: bool = True
    """It finds rows, and goes through no table."""
    notes: bool = False
    """The triggers say which checks a statement touches."""

    @property
    def patience(self) -> float:
        """Seconds for an answer, from here: longer than the server takes to give a statement up by itself."""
        return self.statement + 5 if self.statement else float("inf")

    def settings(self) -> Mapping[str, str]:
        return {
            **_ALL_OF_US,
            **(_BY_INDEXES if self.by_indexes else {}),
            "statement_timeout": f"{self.statement * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{self.idle * 1000:.0f}",
            "lock_timeout": f"{self.lock * 1000:.0f}",
            NOTES: "on" if self.notes else "off",
        }


# A server that hangs and keeps its connections is missed as soon as their patience is over: all work waits for it.
WRITER: Final = Role(name="writer", statement=15, idle=10, notes=True)
WITNESS: Final = Role(name="witness", statement=15)
READER: Final = Role(name="reader")
LONG_READER: Final = Role(name="long reader", statement=600, idle=600, by_indexes=False)
LISTENER: Final = Role(name="listener")
UPKEEP: Final = Role(name="upkeep", statement=0, idle=0, lock=0, by_indexes=False)
"""Migrations, and whatever else goes through all that there is."""


class Server:
    """Opens connections to the database at an address, whichever of its hosts takes changes now."""

    def __init__(self, address: DatabaseAddress, stop: Stop) -> None:
        self._address = address
        self._stop = stop
        self._losses = count(1)
        self._last: Host | None = None
        """The host that let us in last."""
        self.epoch = 0
        """Counts how often the writer had to connect anew: whoever reads by an older connection may be looking at a
        server that has been replaced."""

    def replaced(self) -> None:
        """The writer has lost its connection."""
        self.epoch = next(self._losses)

    def connect(self, role: Role) -> psycopg.Connection[Any]:
        """One more connection, set up. Raises DatabaseUnusable, or DatabaseFault if the server is none for us."""
        connection = self._open(role)
        try:
            _require_ours(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self, role: Role) -> psycopg.Connection[Any]:
        """Host by host, so that a database that is being closed need not wait for all of them."""
        conninfo: dict[str, Any] = {
            "connect_timeout": _CONNECT_SECONDS,
            **self._address.conninfo,
            **_NETWORK,
            "application_name": f"kyc-bot {role.name}",
            "client_encoding": "UTF8",
        }
        # Not by SET: the server may fall silent after it has let us in, and only to connect has a time of its own.
        given = conninfo.get("options", "")
        conninfo["options"] = " ".join(
            [given, *(f"-c {name}={_escaped(value)}" for name, value in role.settings().items())]
        ).strip()
        troubles: list[str] = []
        # The last one first: of a host that is frozen nobody hears for as long as it may take to connect.
        for host in sorted(self._address.hosts, key=lambda host: host != self._last):
            if self._stop.is_asked and troubles:
                break
            try:
                connection = psycopg.connect(**conninfo | {"host": host.name, "port": host.port}, autocommit=True)
            except psycopg.Error as error:
                troubles.append(trouble_of(error))
                continue
            self._last = host
            return connection
        raise DatabaseUnusable(f"the database cannot be used: {'; '.join(dict.fromkeys(troubles))}")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _require_ours(connection: psycopg.Connection[Any]) -> None:
    if connection.info.server_version < OLDEST * 10_000:
        raise DatabaseFault(f"the database's server is older than PostgreSQL {OLDEST}")
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        raise DatabaseFault(f"the database has the encoding {encoding}: it must be created with UTF8")
