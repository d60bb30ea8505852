"""The servers of tests: what they keep, who is let in, and that none outlives its tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster, ServerFailed, cluster, require, watchdog
from tests.postgresql.cluster import GUARDED, PASSWORD, ROLE, SUPERUSER, programs

pytestmark = pytest.mark.postgresql

HOLDER = """
import time
from tests.postgresql import cluster
with cluster() as primary:
    standby = primary.standby()
    print(primary.data.parent, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def mine() -> Iterator[Cluster]:
    """A server that the test may kill."""
    with cluster() as running:
        yield running


def as_a_client(address: str, statement: str, **environment: str) -> str:
    """What psql says that comes by TCP, as the bot does."""
    require()
    ended = subprocess.run(
        [f"{programs()}/psql", "-X", "-q", "-A", "-t", "--no-password", "-d", address, "-c", statement],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_SECONDS,
    )
    return ended.stdout.strip() or ended.stderr.strip()


def test_a_killed_server_has_what_it_confirmed(mine: Cluster) -> None:
    database = mine.database()
    mine.sql("CREATE TABLE kept (n INTEGER); INSERT INTO kept VALUES (7)", database=database)
    mine.kill()
    assert not mine.is_up
    assert watchdog.processes_in(mine.data) == set()
    mine.start()
    assert mine.sql("SELECT n FROM kept", database=database) == "7"
    mine.restart()
    assert mine.sql("SELECT n FROM kept", database=database) == "7"


def test_a_standby_has_what_the_primary_confirmed_and_takes_over(mine: Cluster) -> None:
    standby = mine.standby()
    database = mine.database()
    both = mine.address(database, standby)
    mine.sql(f"CREATE TABLE kept (n INTEGER); GRANT ALL ON kept TO {ROLE}", database=database)
    for _ in range(20):
        assert as_a_client(both, "INSERT INTO kept VALUES (1)") == ""
    with pytest.raises(ServerFailed, match="read-only"):
        standby.sql("INSERT INTO kept VALUES (0)", database=database)
    mine.kill()
    standby.promote()
    assert as_a_client(both, "SELECT count(*) FROM kept") == "20"
    standby.sql("INSERT INTO kept VALUES (0)", database=database)
    again = standby.standby(instead_of=mine)
    standby.kill()
    again.promote()
    assert as_a_client(both, "SELECT count(*) FROM kept") == "21"


def test_a_commit_waits_for_the_standby(mine: Cluster) -> None:
    standby = mine.standby()
    standby.kill()
    where = f"host={mine.data.parent} port={mine.port} user={SUPERUSER} dbname=postgres"
    waiting = subprocess.Popen(
        [f"{programs()}/psql", "-X", "-q", "-d", where, "-c", "CREATE TABLE waited_for (n INTEGER)"]
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    standby.start()
    assert waiting.wait(GIVE_UP_SECONDS) == 0


def test_a_frozen_server_answers_once_it_is_thawed(mine: Cluster) -> None:
    mine.freeze()
    asking = subprocess.Popen(
        [f"{programs()}/psql", "-X", "-A", "-t", "-d", mine.address("postgres"), "-c", "SELECT 7"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        asking.wait(0.5)
    mine.thaw()
    said, _ = asking.communicate(timeout=GIVE_UP_SECONDS)
    assert said == "7\n"


def test_a_server_runs_as_an_ordinary_user_who_lets_in_whom_it_should(postgresql: Cluster) -> None:
    (pid, *_others) = watchdog.processes_in(postgresql.data)
    assert Path(f"/proc/{pid}").stat().st_uid != 0
    address = postgresql.address("postgres")
    assert as_a_client(address, "SELECT current_user") == ROLE
    assert as_a_client(address, "SHOW is_superuser") == "off"
    guarded = address.replace(ROLE, GUARDED)
    assert "no password supplied" in as_a_client(guarded, "SELECT current_user")
    assert as_a_client(guarded, "SELECT current_user", PGPASSWORD=PASSWORD) == GUARDED
    assert "no pg_hba.conf entry" in as_a_client(address.replace(ROLE, SUPERUSER), "SELECT 1")


def test_a_copy_has_what_was_prepared_once_and_shares_nothing(postgresql: Cluster) -> None:
    prepared = []

    def prepare(address: str) -> None:
        prepared.append(address)
        as_a_client(address, "CREATE TABLE kept (n INTEGER)")

    one, other = postgresql.copy(prepare), postgresql.copy(prepare)
    postgresql.sql("INSERT INTO kept VALUES (1)", database=one)
    assert postgresql.sql("SELECT count(*) FROM kept", database=other) == "0"
    assert len(prepared) == 1
    postgresql.drop(one)
    postgresql.drop(other)


def test_no_server_outlives_a_test_process_that_is_killed() -> None:
    require()
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        folder = Path(holder.stdout.readline().strip())
        assert len(watchdog.processes_in(folder)) > 4
        holder.send_signal(signal.SIGKILL)
    until = time.monotonic() + GIVE_UP_SECONDS
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not folder.exists()
    assert watchdog.processes_in(folder) == set()


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal, as the kernel knows."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def test_a_watchdog_that_is_told_to_end_ends_the_server_first(tmp_path: Path) -> None:
    folder = tmp_path / "servers"
    folder.mkdir()
    with (
        subprocess.Popen(["sleep", "600"], cwd=folder) as server,
        subprocess.Popen([sys.executable, "-I", "-S", watchdog.__file__, str(folder)], stdin=subprocess.PIPE) as dog,
    ):
        while not catches(dog.pid, signal.SIGTERM):  # told before, it would end as any Python does
            time.sleep(0.02)
        dog.terminate()
        assert server.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
    assert not folder.exists()
