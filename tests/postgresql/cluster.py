"""Debian's PostgreSQL on the loopback: a server with databases for tests, its standby, and every way to lose one.

It runs as an ordinary user whoever runs the tests, commits to the disk as in earnest, and is set up as unlike what the
bot wants as an operator's may be: time zone, form of dates, isolation, order of letters.
"""

import itertools
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

import pytest

from bot.sandbox.demo import free_port
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import watchdog

OLDEST = 14
ROLE = "kyc"
"""Owns the databases, and is no superuser."""
GUARDED = "guarded"
PASSWORD = "opens nothing but a test"
"""Of the role `GUARDED`, which is let in by it alone and may do what `ROLE` may."""
SUPERUSER = "postgres"
"""Let in by the Unix socket alone: any user of the machine reaches the loopback."""
NEEDED = ("initdb", "pg_basebackup", "psql")
STATUS_LINE = 7
"""Of postmaster.pid, which pg_ctl waits for as well."""
POLL_SECONDS = 0.02

SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "wal_level": "replica",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that it goes with it
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "bytea_output": "escape",
    "default_transaction_isolation": "repeatable read",
}
"""In postgresql.conf, where `ALTER SYSTEM` overrules them."""

HBA = f"""\
local all all trust
local replication {SUPERUSER} trust
host all {GUARDED} 127.0.0.1/32 scram-sha-256
host all {ROLE} 127.0.0.1/32 trust
"""


class ServerFailed(Exception):
    """A server or a tool of PostgreSQL's did not do its part; with what it said."""


@cache
def programs() -> Path | None:
    """The folder of the newest server that is installed; None where there is none, or an older one than `OLDEST`."""
    places = [*map(Path, os.get_exec_path()), *Path("/usr/lib/postgresql").glob("*/bin")]
    # What lies in PATH may be links to some of them: the others are beside the server itself.
    found = {(place / "postgres").resolve().parent for place in places if (place / "postgres").exists()}
    whole = {_version(place): place for place in found if all((place / name).exists() for name in NEEDED)}
    newest = max(whole, default=0)
    return whole[newest] if newest >= OLDEST else None


def _version(place: Path) -> int:
    said = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


def why_not() -> str | None:
    """Why no server can be started here, if none can."""
    if sys.platform != "linux":
        return "servers are watched by Linux's /proc"
    return None if programs() else f"PostgreSQL {OLDEST} or newer is not installed: apt-get install postgresql"


def require() -> None:
    """Skip the test where there is no server. With NEEDS_POSTGRESQL, where there must be one, it fails."""
    if reason := why_not():
        if os.environ.get("NEEDS_POSTGRESQL"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def cluster(settings: Mapping[str, str] | None = None) -> Iterator["Cluster"]:
    """A server that runs, with further settings of postgresql.conf. At the end all is gone, its standbys too."""
    require()
    with _place() as place:
        first = Cluster(place, "primary")
        place.run("initdb", *_locale(place.programs), "-D", str(first.data), "-U", SUPERUSER, "--no-sync")
        lines = [f"{name} = '{value}'\n" for name, value in {**SETTINGS, **(settings or {})}.items()]
        with (first.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(lines)
        (first.data / "pg_hba.conf").write_text(HBA, encoding="utf-8")
        first.start()
        first.sql(f"CREATE ROLE {ROLE} LOGIN; CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}' IN ROLE {ROLE}")
        yield first


def _locale(place: Path) -> Sequence[str]:
    """Letters in the order of a language, as on most servers, where ours are compared byte by byte."""
    rules = ("--locale-provider=icu", "--icu-locale=en") if _version(place) >= 15 else ()
    return ("--encoding=UTF8", "--locale=C.UTF-8", *rules, "--wal-segsize=4", "--auth=trust")


class Cluster:
    """One server with its data: what PostgreSQL calls a cluster. Calls wait; an event loop makes them in a thread."""

    def __init__(self, place: "_Place", name: str, port: int | None = None) -> None:
        self._place = place
        self._name = name
        self._numbers = itertools.count(1)
        self._prepared: dict[Callable[[str], None], str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()
        self.data = place.folder / name
        self.log = place.folder / f"{name}.log"

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def address(self, database: str, *others: "Cluster") -> str:
        """As libpq takes it, for `ROLE`. With others, whichever of them takes writes is meant."""
        return address(database, self.port, *(other.port for other in others))

    def by_socket(self, database: str) -> str:
        """As libpq takes it, for the superuser."""
        return f"host={self._place.folder} port={self.port} user={SUPERUSER} dbname={database}"

    def sql(self, statements: str, *, database: str = "postgres") -> str:
        """Run them as the superuser; gives rows as psql prints them, columns separated by `|`. Raises ServerFailed."""
        options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        where = ("-h", str(self._place.folder), "-p", str(self.port), "-U", SUPERUSER, "-d", database)
        return self._place.run("psql", *options, *where, said=statements).strip()

    def database(self, *, copy_of: str | None = None) -> str:
        """The name of a new one, which is empty or a copy of another that nobody is connected to."""
        name = f"{self._name}_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {copy_of or 'template0'}")
        return name

    def copy(self, prepare: Callable[[str], None]) -> str:
        """The name of a new copy of what `prepare`, called once with an address, has made of an empty database."""
        if prepare not in self._prepared:
            name = self.database()
            prepare(self.address(name))
            self._prepared[prepare] = name
        return self.database(copy_of=self._prepared[prepare])

    def drop(self, database: str) -> None:
        """Whoever is connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def start(self) -> None:
        """Returns once it takes connections. Raises ServerFailed."""
        assert not self.is_up, "it runs already"
        folder = str(self._place.folder)
        where = (
            "-c",
            f"port={self.port}",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={folder}",
        )
        with self.log.open("ab") as log:
            self._process = self._place.begin("postgres", "-D", str(self.data), *where, log=log)
        self._wait_for(lambda: self._status() in ("ready", "standby"), "it did not start")

    def stop(self) -> None:
        """As by its service's `stop`: connections are ended, and all is written down."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(GIVE_UP_SECONDS)

    def restart(self) -> None:
        """As its service's `restart`, or from what a kill has left."""
        if self.is_up:
            self.stop()
        self.start()

    def kill(self) -> None:
        """All its processes at one moment; dead when this returns."""
        assert self._process is not None
        watchdog.kill_all(self.data)
        self._process.wait(GIVE_UP_SECONDS)

    def freeze(self) -> None:
        """Nothing of it runs until `thaw`; connections stay open, and whoever waits for an answer waits."""
        watchdog.signal_all(self.data, signal.SIGSTOP)

    def thaw(self) -> None:
        watchdog.signal_all(self.data, signal.SIGCONT)

    def standby(self, *, instead_of: "Cluster | None" = None) -> "Cluster":
        """A second server with the same data. From now on a commit here is confirmed once it is there, on its disk.

        It may take the place of one that is dead, and be found where that one was.
        """
        name = f"standby{len(list(self._place.folder.glob('standby*.log'))) + 1}"
        other = Cluster(self._place, name, instead_of.port if instead_of else None)
        here = f"host={self._place.folder} port={self.port} user={SUPERUSER} application_name={name}"
        what = ("--write-recovery-conf", "--create-slot", f"--slot={name}", "--checkpoint=fast", "--no-sync")
        self._place.run("pg_basebackup", "-D", str(other.data), "-d", here, *what)
        other.start()
        self.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'; SELECT pg_reload_conf()")
        following = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync'"
        self._wait_for(lambda: self.sql(following) == name, f"{name} does not follow")
        return other

    def wait_for_none(self) -> None:
        """From now on no commit waits for a standby."""
        self.sql("ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()")
        self._wait_for(lambda: self.sql("SHOW synchronous_standby_names") == "", "commits wait for a standby")

    def leave_behind(self, standby: "Cluster") -> None:
        """The standby has all that is stored by now, and hears of nothing that comes."""
        has_all = f"SELECT pg_last_wal_replay_lsn() >= '{self.sql('SELECT pg_current_wal_lsn()')}'"
        self._wait_for(lambda: standby.sql(has_all) == "t", "its standby does not follow")
        standby.sql("ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()")
        self._wait_for(lambda: self.sql("SELECT COUNT(*) FROM pg_stat_replication") == "0", "its standby follows")

    def promote(self) -> None:
        """A standby becomes the primary: it takes writes when this returns."""
        self.sql("SELECT pg_promote(true, 60)")

    def _status(self) -> str:
        """Of the running server's own file; a killed one has left another."""
        assert self._process is not None
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ""
        is_ours = len(lines) > STATUS_LINE and lines[0] == str(self._process.pid)
        return lines[STATUS_LINE].strip() if is_ours else ""

    def _wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + GIVE_UP_SECONDS
        while not condition():
            if not self.is_up or time.monotonic() > until:
                said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise ServerFailed(f"{self._name}: {otherwise}: {said}")
            time.sleep(POLL_SECONDS)


def address(database: str, *ports: int) -> str:
    """Of a database on the loopback, for `ROLE`. With several ports, whichever server there takes writes is meant."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    which = "?target_session_attrs=read-write" if len(ports) > 1 else ""
    return f"postgresql://{ROLE}@{hosts}/{database}{which}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A folder that servers share, and as whom they run there."""

    programs: Path
    folder: Path
    user: int | None
    group: int | None
    """None: whoever runs the tests."""
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, program: str, *arguments: str, said: str = "") -> str:
        """A tool of PostgreSQL's, to its end. Raises ServerFailed."""
        ended = subprocess.run(
            [str(self.programs / program), *arguments],
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIVE_UP_SECONDS,
            cwd=self.folder,
            env=self._environment,
            user=self.user,
            group=self.group,
            extra_groups=self._groups,
        )
        if ended.returncode != 0:
            raise ServerFailed(f"{program}: {ended.stderr.strip()}")
        return ended.stdout

    def begin(self, program: str, *arguments: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(self.programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=self.folder,
            env=self._environment,
            user=self.user,
            group=self.group,
            extra_groups=self._groups,
        )
        self.begun.append(process)
        return process

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return kept | {"LC_ALL": "C.UTF-8"}

    @property
    def _groups(self) -> list[int] | None:
        return None if self.user is None else []


@contextmanager
def _place() -> Iterator[_Place]:
    """Beside pytest's folders, which nobody else may enter, and whose names are too long for a Unix socket."""
    here = programs()
    assert here is not None
    folder = Path(tempfile.mkdtemp(prefix="kyc-pg-"))
    user, group = _ordinary_user() if os.geteuid() == 0 else (None, None)
    if user is not None and group is not None:
        os.chown(folder, user, group)
    dog = subprocess.Popen(
        [sys.executable, "-I", "-S", watchdog.__file__, str(folder)],
        stdin=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    place = _Place(programs=here, folder=folder, user=user, group=group)
    try:
        yield place
    finally:
        dog.communicate()  # closes the pipe
        for process in place.begun:
            process.wait()


def _ordinary_user() -> tuple[int, int]:
    """PostgreSQL refuses to run as root."""
    try:
        found = pwd.getpwnam("postgres")
    except KeyError:
        found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid
