"""The lock that keeps a second bot from the same file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import DatabaseFault, DatabaseInUse
from storage.engine.lock import DatabaseLock
from tests.patience import GIVE_UP_SECONDS

ROOT = Path(__file__).parents[3]

HOLDER = """
import sys
from pathlib import Path
from storage.engine.lock import DatabaseLock

with DatabaseLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kyc.db"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it reads a line or dies."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_a_second_process_is_refused_and_told_who_holds_it(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(DatabaseInUse, match=f"in use by process {holder.pid}, which holds"):
        DatabaseLock(path).acquire()


@pytest.mark.slow
def test_the_lock_is_free_after_the_other_process_let_go(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.communicate("\n", timeout=GIVE_UP_SECONDS)
    with DatabaseLock(path):
        pass


@pytest.mark.slow
def test_the_lock_is_free_after_the_other_process_was_killed(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    with DatabaseLock(path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_second_lock_in_the_same_process_is_refused_and_the_first_unharmed(path: Path) -> None:
    with DatabaseLock(path) as lock:
        for another in (DatabaseLock(path), lock):
            with pytest.raises(DatabaseInUse, match=f"process {os.getpid()}"):
                another.acquire()
        with pytest.raises(DatabaseInUse):
            DatabaseLock(path).acquire()
    with DatabaseLock(path):
        pass


def test_two_names_of_one_file_share_the_lock(path: Path, tmp_path: Path) -> None:
    path.touch()
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with DatabaseLock(path), pytest.raises(DatabaseInUse):
        DatabaseLock(link).acquire()


def test_two_databases_do_not_share_it(tmp_path: Path) -> None:
    with DatabaseLock(tmp_path / "one.db"), DatabaseLock(tmp_path / "two.db"):
        pass


def test_letting_go_twice_is_harmless(path: Path) -> None:
    lock = DatabaseLock(path)
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()
    with DatabaseLock(path):
        pass


def test_the_lock_is_let_go_when_its_work_fails(path: Path) -> None:
    with pytest.raises(LookupError), DatabaseLock(path):
        raise LookupError
    with DatabaseLock(path):
        pass


def test_the_lock_file_is_the_owners_alone_and_stays(path: Path) -> None:
    before = os.umask(0)
    try:
        with DatabaseLock(path) as lock:
            assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert lock.path == path.with_name("kyc.db.lock")
    assert lock.path.read_text() == ""


def test_a_lock_that_cannot_be_opened_is_a_fault_of_the_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseFault, match="cannot be opened: No such file or directory"):
        DatabaseLock(tmp_path / "no" / "kyc.db").acquire()
