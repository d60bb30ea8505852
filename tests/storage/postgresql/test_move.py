"""From a file to a server, and back: all of it arrives, one of the two serves, and a kill changes neither."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from random import Random

import anyio
import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from bot.domain.database_address import parse
from bot.errors import DatabaseFault, DatabaseInUse, DatabaseMoved, WrongKey
from storage import audit
from storage.engine import moved
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.moved import MoveState
from storage.engine.postgresql import copying, move
from storage.engine.postgresql.copying import NotCarried
from storage.engine.postgresql.places import FilePlace, ServerPlace
from storage.engine.sealing import Sealer
from storage.engine.transaction import to_text
from tests.engines import beside
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster
from tests.storage.engine.test_macs import fill, opened, unguarded_trail
from tests.storage.postgresql.databases import connected

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
CHECKS = 12
KILLS = 4
"""For each way."""


@cache
def key() -> str:
    return Sealer.new_key()


@cache
def sealer() -> Sealer:
    return Sealer.from_text([key()])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with rows in every table of a check."""

    async def make(path: Path) -> None:
        async with opened(path, sealer()) as database:
            for number in range(CHECKS):
                await database.write(fill, f"K-{number}", number=f"{number:011d}")
            await database.write(audit.record, at=NOON, actor="U1", act="queue.shown", detail="3")

    path = tmp_path_factory.mktemp("filled") / "kyc.db"
    anyio.run(make, path)
    return path


@pytest.fixture
def file(filled: Path, tmp_path: Path) -> Path:
    shutil.copy(filled, tmp_path / "kyc.db")
    return tmp_path / "kyc.db"


@pytest.fixture
def address(empty_database: str) -> str:
    return empty_database


def server(address: str) -> ServerPlace:
    return ServerPlace(parse(address), silent_seconds=0.5)


def untold(_step: move.Step, _done: int, _total: int) -> None:
    """Nobody waits before a terminal."""


moving = partial(move.move, now=NOON, on_progress=untold)


def there(file: Path, address: str) -> move.Report | None:
    return moving(FilePlace(file), server(address), sealer())


def back(address: str, file: Path) -> move.Report | None:
    return moving(server(address), FilePlace(file), sealer())


def undo(old: FilePlace | ServerPlace, *, yes: bool = False) -> move.Lost | None:
    def place(name: str) -> FilePlace | ServerPlace:
        return server(name) if "://" in name else FilePlace(Path(name))

    return move.undo(old, place, sealer(), now=NOON, yes=yes)


def state_of_file(path: Path) -> MoveState | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as db:
        return moved.of_file(db)[0]


def state_of_server(address: str) -> MoveState | None:
    """None of one that holds nothing."""
    with connected(address) as raw:
        if raw.execute("SELECT to_regclass('applied_migrations')").fetchone() == (None,):
            return None
        [(state,)] = raw.execute("SELECT state FROM writer").fetchall()
        return MoveState(state)


def command(database: Path | str, *arguments: str) -> Result:
    environment = {"KYC_DATABASE": str(database), "KYC_ENCRYPTION_KEYS": key()}
    return CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)


# What arrives.


def test_everything_arrives_and_the_old_file_serves_no_longer(file: Path, address: str) -> None:
    report = there(file, address)
    assert report is not None
    assert report.verdict.is_sound
    assert report.verdict.checks == CHECKS
    assert (state_of_file(file), state_of_server(address)) == (MoveState.LEFT, MoveState.SERVING)
    with closing(sqlite3.connect(file)) as lite, connected(address) as raw:
        for table in copying.tables_of(lite):
            if table.name not in ("audit", "meta"):  # a line about the move, and the sum with it
                assert copying.of_file(lite, table, untold_rows) == copying.of_server(raw, table, untold_rows)
        acts = raw.execute("SELECT actor, act FROM audit ORDER BY seq DESC LIMIT 1").fetchall()
        assert acts == [("operator", move.MOVED)]


def untold_rows(_more: int) -> None:
    """Nobody waits."""


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary",),
        ("backup", "copy.backup"),
        ("restore", "other.backup"),
        ("mark-restored",),
        ("rekey",),
        ("receipts", "list"),
        ("export", "--format", "csv", "--output", "out.csv"),
        ("audit", "verify"),
        ("purge", "--dry-run"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_command_works_on_what_was_moved_away(
    file: Path, address: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert command(file, "backup", "other.backup").exit_code == 0
    there(file, address)
    before = file.read_bytes()
    ended = command(file, *arguments)
    assert ended.exit_code == 1
    assert f"was moved away to {address}" in ended.stderr
    assert "--undo" in ended.stderr
    assert file.read_bytes() == before
    assert not Path("copy.backup").exists()


def test_an_older_version_takes_what_was_moved_for_a_newer_one(file: Path, address: str) -> None:
    there(file, address)
    with closing(sqlite3.connect(file)) as db:
        applied = {
            name for (name,) in db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'kyc-bot'")
        }
    assert moved.AWAY in applied


def test_a_round_trip_loses_nothing_and_adds_a_line_for_each_way(file: Path, address: str, tmp_path: Path) -> None:
    there(file, address)
    report = back(address, tmp_path / "new.db")
    assert report is not None
    assert report.verdict.is_sound
    assert (state_of_server(address), state_of_file(tmp_path / "new.db")) == (MoveState.LEFT, MoveState.SERVING)
    verified = command(tmp_path / "new.db", "audit", "verify")
    assert (verified.exit_code, f"{CHECKS} records" in verified.stdout) == (0, True)
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(tmp_path / "new.db")) as new:
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table in copying.tables_of(old):
            if table.name not in ("audit", "meta"):
                assert copying.of_file(old, table, untold_rows) == copying.of_file(new, table, untold_rows)
        lines = "SELECT seq, act, chain FROM audit ORDER BY seq"
        before = old.execute(lines).fetchall()
        assert new.execute(lines).fetchall()[: len(before)] == before
        assert [act for _seq, act, _chain in new.execute(lines).fetchall()[len(before) :]] == [move.MOVED] * 2


def test_the_new_file_is_its_owners_alone(file: Path, address: str, tmp_path: Path) -> None:
    there(file, address)
    back(address, tmp_path / "new.db")
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
    assert [path for path in tmp_path.iterdir() if "moving" in path.name] == []


async def write(where: Path | str, act: str) -> None:
    place = parse(where) if isinstance(where, str) else where
    database = await Database.open(place, sealer=sealer(), migrate=migrate)
    try:
        await database.write(audit.record, at=NOON + timedelta(hours=1), actor="U1", act=act, ref="K-1")
    finally:
        await database.close()


def test_a_record_that_was_altered_before_is_so_afterwards(file: Path, address: str) -> None:
    with closing(beside(file)) as db:
        db.execute("UPDATE verifications SET country = 'KE' WHERE ref = 'K-3'")
        db.execute("UPDATE facts SET why = CAST(x'ff41' AS TEXT) WHERE ref = 'K-4'")
        db.execute("UPDATE photos SET inside = CAST(x'41c328' AS TEXT) WHERE ref = 'K-5'")
        db.execute("DELETE FROM check_macs WHERE ref = 'K-6'")
        with unguarded_trail(db):
            db.execute("UPDATE audit SET actor = 'U9' WHERE seq = 3")
    report = there(file, address)
    assert report is not None
    assert report.verdict.altered >= {"K-3", "K-5", "K-6"}
    assert report.verdict.is_older
    assert [fault.kind.value for fault in report.verdict.faults] == ["changed"]


def test_what_postgresql_cannot_hold_is_told_and_nothing_is_moved(file: Path, address: str) -> None:
    with closing(beside(file)) as db:
        db.execute("UPDATE verifications SET channel = 'C1' || char(0) WHERE ref = 'K-2'")
    with pytest.raises(NotCarried, match=r"^verifications\.channel of K-2 holds a text with a NUL"):
        there(file, address)
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, None)


def test_a_row_that_no_check_lets_in_is_told_and_nothing_is_moved(file: Path, address: str) -> None:
    with closing(beside(file)) as db:
        db.execute("UPDATE attempts SET retry_flag = 7 WHERE ref = 'K-1'")
    with pytest.raises(NotCarried):
        there(file, address)
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, None)


# Who is kept out.


def test_nothing_is_moved_to_where_a_database_is(file: Path, address: str, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "other.db")
    there(file, address)
    with pytest.raises(DatabaseFault, match="holds a database of the bot already"):
        there(tmp_path / "other.db", address)
    with pytest.raises(DatabaseFault, match="holds a database of the bot already"):
        back(address, tmp_path / "other.db")
    assert state_of_server(address) is MoveState.SERVING
    assert state_of_file(tmp_path / "other.db") is MoveState.SERVING


def test_nothing_leaves_under_another_key_or_from_where_nothing_is(file: Path, address: str, tmp_path: Path) -> None:
    other = Sealer.from_text([Sealer.new_key()])
    with pytest.raises(WrongKey):
        moving(FilePlace(file), server(address), other)
    with pytest.raises(DatabaseFault, match="holds no database"):
        back(address, tmp_path / "new.db")
    with pytest.raises(DatabaseFault, match="does not exist"):
        there(tmp_path / "none.db", address)
    there(file, address)
    with pytest.raises(WrongKey):
        moving(server(address), FilePlace(tmp_path / "new.db"), other)
    assert state_of_server(address) is MoveState.SERVING


def test_a_bot_that_works_on_the_file_is_in_the_way(file: Path, address: str) -> None:
    with FilePlace(file), pytest.raises(DatabaseInUse):
        there(file, address)


def test_nobody_writes_to_the_file_while_it_is_moved(file: Path, address: str) -> None:
    """Commands beside a bot take no lock of its own."""
    refused = list[str]()

    def try_to_write(_step: move.Step, _done: int, _total: int) -> None:
        with closing(sqlite3.connect(file, timeout=0)) as db:
            try:
                db.execute("INSERT INTO alerts VALUES ('a', 'x')")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    move.move(FilePlace(file), server(address), sealer(), now=NOON, on_progress=try_to_write)
    assert set(refused) == {"database is locked"}


def test_an_instance_that_lives_is_in_the_way_of_what_leaves_the_server(
    file: Path, address: str, tmp_path: Path
) -> None:
    there(file, address)
    ended = threading.Event()

    def beat() -> None:
        with connected(address) as raw:
            columns = "id, name, version, started_at, seen_at"
            raw.execute(f"INSERT INTO instances ({columns}) VALUES ('i', 'i', '1', 'x', '0')")  # noqa: S608 - names of the schema
            beats = 0
            while not ended.wait(0.02):
                raw.execute(
                    "UPDATE instances SET seen_at = %s", [to_text(NOON + timedelta(seconds=(beats := beats + 1)))]
                )

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        time.sleep(0.2)
        with pytest.raises(DatabaseInUse, match="stop all of them"):
            back(address, tmp_path / "new.db")
        with pytest.raises(DatabaseInUse, match="stop all of them"):
            undo(FilePlace(file), yes=True)
    finally:
        ended.set()
        thread.join()
    # One that was killed has not said so, but shows itself no more.
    assert back(address, tmp_path / "new.db") is not None


async def test_an_instance_that_still_runs_commits_nothing_to_what_has_left(
    file: Path, address: str, tmp_path: Path
) -> None:
    await anyio.to_thread.run_sync(there, file, address)
    database = await Database.open(parse(address), sealer=sealer(), migrate=migrate)
    try:
        await anyio.to_thread.run_sync(back, address, tmp_path / "new.db")
        with pytest.raises(DatabaseFault):
            await database.write(audit.record, at=NOON, actor="U1", act="queue.shown")
    finally:
        await database.close()


# Kills.


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", list(move.Step))
def test_broken_off_before_all_is_there_the_old_one_serves(file: Path, address: str, step: move.Step) -> None:
    def kill(at: move.Step, done: int, _total: int) -> None:
        if at is step and done:
            raise Killed

    with pytest.raises(Killed):
        move.move(FilePlace(file), server(address), sealer(), now=NOON, on_progress=kill)
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, None)
    assert there(file, address) is not None


@pytest.mark.parametrize("step", list(move.Step))
def test_broken_off_on_the_way_back_the_server_serves(
    file: Path, address: str, tmp_path: Path, step: move.Step
) -> None:
    def kill(at: move.Step, done: int, _total: int) -> None:
        if at is step and done:
            raise Killed

    there(file, address)
    with pytest.raises(Killed):
        move.move(server(address), FilePlace(tmp_path / "new.db"), sealer(), now=NOON, on_progress=kill)
    assert (state_of_server(address), state_of_file(tmp_path / "new.db")) == (MoveState.SERVING, None)
    assert back(address, tmp_path / "new.db") is not None


def test_what_arrived_before_the_old_one_was_left_is_copied_once_more(file: Path, address: str) -> None:
    there(file, address)
    with connected(address) as raw, closing(sqlite3.connect(file)) as db, db:
        # As a kill leaves it between the two, and the old one has served since.
        raw.execute("UPDATE writer SET state = 'incoming'")
        moved.mark_file(db, MoveState.SERVING, None)
    anyio.run(write, file, "check.seen")
    with pytest.raises(DatabaseMoved, match="not finished"):
        anyio.run(write, address, "check.seen")
    assert there(file, address) is not None
    with connected(address) as raw:
        assert raw.execute("SELECT COUNT(*) FROM audit WHERE act = 'check.seen'").fetchone() == (1,)


def test_what_lacks_the_last_step_gets_it(file: Path, address: str, tmp_path: Path) -> None:
    there(file, address)
    with connected(address) as raw:
        raw.execute("UPDATE writer SET state = 'incoming'")
    assert there(file, address) is None
    assert state_of_server(address) is MoveState.SERVING
    assert there(file, address) is None
    new = tmp_path / "new.db"
    back(address, new)
    with closing(sqlite3.connect(new)) as db, db:
        _state, last = moved.of_file(db)
        moved.mark_file(db, MoveState.INCOMING, last)
    ended = command(new, "summary")
    assert (ended.exit_code, "not finished" in ended.stderr) == (1, True)
    assert back(address, new) is None
    assert state_of_file(new) is MoveState.SERVING


@pytest.mark.processes
def test_killed_at_any_moment_one_serves_or_the_new_one_is_whole(file: Path, address: str, tmp_path: Path) -> None:
    """By both ways, at moments over the whole of it."""
    random, new = Random(18), tmp_path / "new.db"
    environment = os.environ | {"KYC_ENCRYPTION_KEYS": key(), "PYTHONPATH": str(ROOT)}

    def run(source: Path | str, target: Path | str) -> subprocess.Popen[bytes]:
        arguments = ["-m", "bot", "migrate-database", "--to", str(target)]
        given = environment | {"KYC_DATABASE": str(source)}
        return subprocess.Popen(
            [sys.executable, *arguments], env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def until_moved(source: Path | str, target: Path | str, states: Callable[[], tuple[object, object]]) -> int:
        kills = 0
        while True:
            process = run(source, target)
            try:
                patience = random.uniform(0.5, 4) if kills < KILLS else GIVE_UP_SECONDS
                _out, said = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate(timeout=GIVE_UP_SECONDS)
                kills += 1
                _wait_until_nobody_is_connected(address)
                old, there_now = states()
                assert not (old is MoveState.SERVING and there_now is MoveState.SERVING)
                assert old is MoveState.SERVING or there_now in (MoveState.SERVING, MoveState.INCOMING)
            else:
                assert process.returncode == 0, said.decode()
                assert states() == (MoveState.LEFT, MoveState.SERVING)
                return kills

    kills = until_moved(file, address, lambda: (state_of_file(file), state_of_server(address)))
    kills += until_moved(address, new, lambda: (state_of_server(address), state_of_file(new)))
    assert kills > 0
    assert command(new, "audit", "verify").exit_code == 0


def _wait_until_nobody_is_connected(address: str) -> None:
    """The server notices after a moment that a client was killed."""
    others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until = time.monotonic() + GIVE_UP_SECONDS
    with connected(address) as raw:
        while raw.execute(others).fetchall():
            assert time.monotonic() < until
            time.sleep(0.01)


# The way back without what was written.


def test_a_move_is_taken_back(file: Path, address: str) -> None:
    there(file, address)
    assert undo(FilePlace(file)) == move.Lost(acts=0, checks=0)
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, MoveState.LEFT)
    anyio.run(write, file, "check.seen")
    with pytest.raises(DatabaseMoved, match=f"moved away to {file}"):
        anyio.run(write, address, "check.seen")
    assert command(file, "audit", "verify").exit_code == 0
    with pytest.raises(DatabaseFault, match="was not moved away"):
        undo(FilePlace(file))


def test_what_was_written_since_is_lost_only_by_a_clear_word(file: Path, address: str) -> None:
    there(file, address)
    anyio.run(write, address, "check.seen")
    ended = command(file, "migrate-database", "--undo")
    assert ended.exit_code == 1
    assert "1 lines of the trail, about 1 checks" in ended.stderr
    assert (state_of_file(file), state_of_server(address)) == (MoveState.LEFT, MoveState.SERVING)
    ended = command(file, "migrate-database", "--undo", "--yes")
    assert ended.exit_code == 0
    assert "lost are 1 lines" in ended.stderr
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, MoveState.LEFT)


def test_a_server_that_is_away_is_left_out_only_by_a_clear_word(file: Path, postgresql: Cluster) -> None:
    name = postgresql.database()
    there(file, postgresql.address(name))
    postgresql.drop(name)
    with pytest.raises(move.WrittenSince, match="cannot be told"):
        undo(FilePlace(file))
    assert undo(FilePlace(file), yes=True) is None
    assert state_of_file(file) is MoveState.SERVING


def test_what_was_taken_back_is_moved_once_more_to_the_same_server(file: Path, address: str) -> None:
    there(file, address)
    anyio.run(write, address, "check.lost")
    undo(FilePlace(file), yes=True)
    anyio.run(write, file, "check.seen")
    report = there(file, address)
    assert report is not None
    assert report.verdict.is_sound
    assert (state_of_file(file), state_of_server(address)) == (MoveState.LEFT, MoveState.SERVING)
    with connected(address) as raw:
        acts = {act for (act,) in raw.execute("SELECT act FROM audit").fetchall()}
    assert "check.seen" in acts
    assert "check.lost" not in acts


def test_what_was_moved_on_elsewhere_is_not_replaced(file: Path, address: str, tmp_path: Path) -> None:
    """It may still be what a move is taken back to."""
    there(file, address)
    back(address, tmp_path / "new.db")
    shutil.copy(tmp_path / "new.db", tmp_path / "other.db")
    with pytest.raises(DatabaseFault, match="emptied by DROP DATABASE"):
        there(tmp_path / "other.db", address)
    assert state_of_server(address) is MoveState.LEFT


def test_a_killed_undo_is_run_once_more(file: Path, address: str) -> None:
    there(file, address)
    with connected(address) as raw:
        raw.execute("UPDATE writer SET state = 'left'")
    assert undo(FilePlace(file)) == move.Lost(acts=0, checks=0)
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, MoveState.LEFT)


def test_moves_are_taken_back_in_their_order(file: Path, address: str, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    there(file, address)
    back(address, new)
    with pytest.raises(DatabaseMoved, match=f"moved on to {new}"):
        undo(FilePlace(file))
    anyio.run(write, new, "check.seen")
    with pytest.raises(move.WrittenSince, match="1 lines"):
        undo(server(address))
    undo(server(address), yes=True)
    assert (state_of_server(address), state_of_file(new)) == (MoveState.SERVING, MoveState.LEFT)
    undo(FilePlace(file))
    assert (state_of_file(file), state_of_server(address)) == (MoveState.SERVING, MoveState.LEFT)


def test_a_file_that_was_taken_elsewhere_is_not_forgotten(file: Path, address: str, tmp_path: Path) -> None:
    there(file, address)
    back(address, tmp_path / "new.db")
    (tmp_path / "new.db").rename(tmp_path / "renamed.db")
    with pytest.raises(move.WrittenSince, match="is there no more"):
        undo(server(address))
    assert undo(server(address), yes=True) is None


# The command.


def test_the_command_says_what_it_did_and_what_to_set(file: Path, address: str) -> None:
    ended = command(file, "migrate-database", "--to", address)
    assert ended.exit_code == 0
    assert f"{CHECKS} checks" in ended.stdout
    assert f"set KYC_DATABASE={address}" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "either --to PLACE or --undo"),
        (("--to", "x.db", "--undo"), "either --to PLACE or --undo"),
        (("--to", "x.db", "--yes"), "--yes is for --undo"),
        (("--to", "other.db"), "A file is moved to a server"),
        (("--to", "postgresql://kyc:secret@localhost/kyc"), "must not hold a password"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(file: Path, arguments: tuple[str, ...], says: str) -> None:
    ended = command(file, "migrate-database", *arguments)
    assert ended.exit_code == 2
    assert says in ended.stderr
    assert "secret" not in ended.output
