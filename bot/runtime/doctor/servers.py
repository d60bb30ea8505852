"""The servers of a database on PostgreSQL: whether the bot is let in, and what would be lost with one of them."""

import asyncio
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from bot.domain.database_address import DatabaseAddress, Host
from bot.runtime.clock import CLOCK_OK
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok
from storage.engine.postgresql.examine import Server, Unreached, examine
from storage.engine.postgresql.troubles import Trouble

OLDEST = 14
CLOCK_WRONG = timedelta(seconds=120)
_CHAPTER = "See *A site that stays up* in docs/operations.md."
_LOST = "the last checks, with what was paid for and told of them, is lost without a trace"

_SUBJECT, _RIGHTS, _FAILOVER = "database servers", "rights in the database", "failover of the database"
_CLOCK, _PASSWORD_FILE = "clock against the database", "password file (PGPASSFILE)"

_REMEDIES = {
    Trouble.SILENT: "Is it up, and does a firewall let its port through?",
    Trouble.NOBODY: "Is it up, and does it listen there (listen_addresses, port)?",
    Trouble.NAME: "Correct the name in KYC_DATABASE, or the name server.",
    Trouble.NO_WAY: "Look at this machine's network.",
    Trouble.PASSWORD: "Compare KYC_DATABASE_PASSWORD, or the line in the file of PGPASSFILE (mode 0600), with it.",
    Trouble.NOT_LET: "CREATE ROLE, and a line in the server's pg_hba.conf, let it in.",
    Trouble.NO_DATABASE: "CREATE DATABASE … OWNER … ENCODING 'UTF8' TEMPLATE template0 makes one.",
    Trouble.NOT_UP: "Run the check again in a moment.",
    Trouble.NOT_PROVEN: "Its certificate must name this host and come from the authority in sslrootcert.",
    Trouble.NO_ROOM: "Raise max_connections, or the limit of this user: an instance needs ten.",
}  # fmt: skip


async def probe(
    address: DatabaseAddress, limits: DoctorTimeouts, now: Callable[[], datetime]
) -> tuple[list[Finding], bool]:
    """Asks every server of the address, all at once; also whether one of them takes changes."""

    async def ask(host: Host) -> Server | Unreached:
        try:
            async with asyncio.timeout(limits.part):
                return await examine(address, host, connect_seconds=limits.connect, now=now)
        except TimeoutError:
            return Unreached(host=host, trouble=Trouble.SILENT)

    answers = await asyncio.gather(*map(ask, address.hosts))
    is_there = any(isinstance(one, Server) and one.takes_writes for one in answers)
    return [*_password_file(address), *about(address, answers)], is_there


def _password_file(address: DatabaseAddress) -> Iterator[Finding]:
    """libpq passes over a file that is missing or that others may read, and tells nobody but a terminal."""
    if address.password_file is None:
        return
    path = Path(address.password_file)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield fail(_PASSWORD_FILE, f"{path} cannot be looked at: {error.strerror}. Correct the name, or its owner.")
        return
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield fail(_PASSWORD_FILE, f"{path} may be read by others, so it is not used. Type chmod 600 {path}")


def about(address: DatabaseAddress, answers: Sequence[Server | Unreached]) -> Iterator[Finding]:
    """What there is to say of all of them together."""
    servers = [one for one in answers if isinstance(one, Server)]
    unreached = [one for one in answers if isinstance(one, Unreached)]
    writers = [one for one in servers if one.takes_writes]
    told = [*map(_called, servers), *(f"{one.host}: {one.trouble}" for one in unreached)]
    if len(writers) > 1:
        names = listed([str(one.host) for one in writers])
        yield fail(_SUBJECT, f"{names} all take changes, so there are several databases. Stop all but the right one.")
    elif not writers:
        yield fail(
            _SUBJECT, f"none takes changes. {'. '.join(told)}. {_remedy(unreached)} See KYC_DATABASE ({address})."
        )
    else:
        yield (
            ok(_SUBJECT, "; ".join(told))
            if not unreached
            else note(_SUBJECT, f"{'; '.join(told)}. {_remedy(unreached)}")
        )
    for writer in writers[:1]:
        yield from _fitness(writer)
        yield from _rights(writer)
        yield from _failover(writer, several=len(address.hosts) > 1)
        yield from _clock(writer)


def _called(server: Server) -> str:
    way = server.tls or "without TLS"
    does = "takes changes" if server.takes_writes else "is a standby" if server.is_standby else "is set to be read only"
    return f"{server.host} (PostgreSQL {_version(server)}, {way}) {does}"


def _version(server: Server) -> str:
    return f"{server.version // 10_000}.{server.version % 10_000}"


def _remedy(unreached: Sequence[Unreached]) -> str:
    if not unreached:
        return "Name the primary in KYC_DATABASE, or promote one."
    first = unreached[0]
    said = f"It was said: {' '.join(first.said.split())}." if first.said else ""
    return " ".join(filter(None, (_REMEDIES.get(first.trouble), said)))


def _fitness(server: Server) -> Iterator[Finding]:
    """Whether it can hold the database at all, and keep what it was given."""
    if server.version < OLDEST * 10_000:
        yield fail(_SUBJECT, f"PostgreSQL {_version(server)} is too old. The bot needs {OLDEST} or newer.")
    if server.encoding != "UTF8":
        remedy = "Make another one with ENCODING 'UTF8' TEMPLATE template0."
        yield fail(_SUBJECT, f"the database has the encoding {server.encoding}. {remedy}")
    for name, is_on in (("fsync", server.fsync), ("full_page_writes", server.full_page_writes)):
        if not is_on:
            yield fail(
                _SUBJECT, f"{name} is off: a crash may damage the database. Set {name} = on and reload the server."
            )
    if server.synchronous_commit == "off":
        yield fail(_SUBJECT, f"synchronous_commit is off: with a crash {_LOST}. Set it on for this user and database.")
    if server.shares_sessions:
        text = "a pooler gives each transaction another session. Set its pool_mode to session for this database."
        yield fail(_SUBJECT, f"{text} {_CHAPTER}")
    elif server.has_pooler:
        yield note(_SUBJECT, f"a pooler stands before it, and leaves sessions as they are. {_CHAPTER}")


def _rights(server: Server) -> Iterator[Finding]:
    user = server.user
    if server.schema is None:
        yield fail(
            _RIGHTS, f"no schema of {user}'s search_path exists. CREATE SCHEMA kyc AUTHORIZATION {user} makes one."
        )
    elif not server.may_create:
        remedy = f"GRANT CREATE ON SCHEMA {server.schema} TO {user}, or make {user} the owner of the database."
        yield fail(_RIGHTS, f"{user} may make no tables in the schema {server.schema}. {remedy}")
    elif server.foreign_table:
        table, owner = server.foreign_table
        remedy = f"Connect as {owner}, or REASSIGN OWNED BY {owner} TO {user}."
        yield fail(_RIGHTS, f"the table {table} belongs to {owner}: {user} could not bring it up to date. {remedy}")
    elif server.is_superuser:
        yield note(_RIGHTS, f"{user} is a superuser, which the bot does not need. Let it own its database alone.")
    else:
        yield ok(_RIGHTS, f"{user} may make tables in the schema {server.schema}")


def _failover(server: Server, *, several: bool) -> Iterator[Finding]:
    """Whether what is confirmed outlasts the server that has confirmed it."""
    names = server.synchronous_standby_names.strip()
    if not (several or server.is_replicated):
        text = "one server alone: while it is down nothing is stored, and with its disk goes what no backup has"
        yield note(_FAILOVER, f"{text}. {_CHAPTER}")
    elif not names:
        yield fail(
            _FAILOVER,
            f"commits wait for no standby: if one takes over, {_LOST}. In Patroni set synchronous_mode, else "
            f"synchronous_standby_names. {_CHAPTER}",
        )
    elif not server.waits:
        why = f"synchronous_commit is {server.synchronous_commit} for this user, so commits wait for no standby"
        yield fail(_FAILOVER, f"{why}: if one takes over, {_LOST}. Set it to on.")
    elif not (server.waited_for or server.unseen):
        yield fail(
            _FAILOVER, f"commits wait for a standby ({names}), and none of these follows: nothing can be stored."
        )
    else:
        seen = "" if server.waited_for else f"; GRANT pg_monitor TO {server.user} would show whether one follows"
        yield ok(_FAILOVER, f"commits wait for a standby ({names}){seen}")


def _clock(server: Server) -> Iterator[Finding]:
    apart = abs(server.ahead)
    if apart <= CLOCK_OK:
        yield ok(_CLOCK, f"{round(apart.total_seconds())} s apart")
        return
    direction = "ahead of" if server.ahead > timedelta(0) else "behind"
    text = f"the server's is {round(apart.total_seconds())} s {direction} this machine's. Keep NTP on at both."
    yield (fail if apart > CLOCK_WRONG else note)(_CLOCK, text)
