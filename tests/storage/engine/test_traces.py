"""What SQLite leaves in pages that it has rearranged goes as well; beside a bot that is too large, it is told."""

import random
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.privacy.erasures import Traces
from storage.engine import traces
from storage.engine.lock import DatabaseLock

pytestmark = pytest.mark.slow

Rows = Sequence[str]


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for setting in ("journal_mode = WAL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def erase(path: Path, rows: Rows) -> None:
    with closing(connect(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany("DELETE FROM prints WHERE print = ?", [(row,) for row in rows])
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (traces.NOTE, rows[0]))
        connection.execute("COMMIT")


def erase_each(path: Path, rows: Rows) -> None:
    for row in rows:
        erase(path, [row])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of random prints whose pages were balanced many times, always in the same way."""
    path = tmp_path / "kyc.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)")
        connection.execute("CREATE TABLE prints (print TEXT PRIMARY KEY)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO prints VALUES (?)", [(row,) for row in ROWS])
        connection.execute("COMMIT")
    return path


ROWS: Rows = [random.Random(number).randbytes(32).hex() for number in range(3_000)]
ERASED = ROWS[::2]


def left(path: Path) -> int:
    """How many of the erased prints have a piece in file or log."""
    content = b"".join(file.read_bytes() for file in sorted(path.parent.glob("kyc.db*")))
    return sum(row[8:40].encode() in content for row in ERASED)


def is_noted(path: Path) -> bool:
    with closing(connect(path)) as connection:
        return bool(connection.execute("SELECT 1 FROM meta WHERE name = ?", [traces.NOTE]).fetchall())


def test_no_piece_of_what_was_erased_is_left(path: Path) -> None:
    erase(path, ERASED)
    assert left(path), "overwriting what is deleted is not enough"
    assert traces.clear(path) is Traces.NONE
    assert left(path) == 0
    assert not is_noted(path)
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM prints").fetchone() == (1_500,)


def test_a_file_from_which_nothing_was_erased_is_not_written_anew(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    assert traces.clear(path) is Traces.NONE
    assert path.read_bytes() == before


def test_a_large_file_waits_until_no_bot_works_on_it(path: Path) -> None:
    erase(path, ERASED)
    with DatabaseLock(path):
        assert traces.clear(path, at_once_bytes=0) is Traces.FILE
        assert is_noted(path)
    assert traces.clear(path, at_once_bytes=0) is Traces.NONE
    assert left(path) == 0


def test_a_file_that_somebody_writes_to_is_told_and_done_later(path: Path) -> None:
    erase(path, ERASED)
    with closing(connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert traces.clear(path, patience_seconds=0.01) is Traces.FILE
        other.execute("ROLLBACK")
        other.execute("BEGIN")
        other.execute("SELECT COUNT(*) FROM meta").fetchone()
        assert traces.clear(path, patience_seconds=0.01) is Traces.LOG
    assert traces.clear(path) is Traces.NONE
    assert left(path) == 0


def test_what_is_erased_while_the_file_is_written_anew_is_cleared_too(path: Path) -> None:
    with ThreadPoolExecutor(1) as other:
        erasing = other.submit(erase_each, path, ERASED[:100])
        while not erasing.done() or is_noted(path):
            traces.clear(path)
        erasing.result()
    assert left(path) == len(ERASED) - 100
