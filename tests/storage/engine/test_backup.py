"""Backups on real files: what they hold, what is refused, and a crash at every instruction that counts."""

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import DatabaseFault, DatabaseInUse, DatabaseNewer, WrongKey
from bot.runtime.server import swept_behind
from storage import audit, meta
from storage.engine import backup
from storage.engine.database import Database
from storage.engine.inspect import Sweep, examine, require_whole
from storage.engine.lock import DatabaseLock
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file
from tests.patience import GIVE_UP_SECONDS
from tests.storage.engine.test_thief import run_lax

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
KEY = b"k" * 32
SEALER = Sealer([KEY])
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def act(path: Path, at: datetime, times: int = 1) -> None:
    """Have something recorded in a database, made if it is not there."""
    database = await Database.open(fresh_file.lay(path), sealer=SEALER, migrate=migrate)
    try:
        await database.write(meta.check_key)
        for _ in range(times):
            await database.write(audit.record, at=at, actor="U0AMINA0001", act="check.requested")
    finally:
        await database.close()


def names_in(folder: Path, pattern: str = "*") -> set[str]:
    return {file.name for file in folder.glob(pattern)}


def newest(path: Path) -> datetime | None:
    return backup.verify(path, SEALER).newest


@pytest.mark.slow
async def test_a_copy_holds_what_was_committed_and_stands_alone(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    database = await Database.open(path, sealer=SEALER, migrate=migrate)
    try:
        await database.write(meta.check_key)
        await database.write(audit.record, at=NOON, actor="U0AMINA0001", act="check.requested")
        assert backup.take(path, copy, SEALER) == backup.Contents(checks=0, newest=NOON)
    finally:
        await database.close()
    assert names_in(tmp_path) == {"kyc.db", "kyc.backup"}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.slow
async def test_a_copy_is_of_one_moment_whatever_is_written_meanwhile_and_tells_how_far_it_is(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON)
    with closing(sqlite3.connect(path)) as db, db:  # of somebody else: some steps long
        db.execute("CREATE TABLE x (i INTEGER, filling BLOB)")
        db.executemany("INSERT INTO x VALUES (?, randomblob(4000))", [(number,) for number in range(9_000)])
    told: list[tuple[backup.Step, int, int]] = []

    def tell(step: backup.Step, done: int, total: int) -> None:
        told.append((step, done, total))
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE x SET i = i + 1")

    backup.take(path, copy, SEALER, on_progress=tell)
    copied = [(done, total) for step, done, total in told if step is backup.Step.COPY]
    assert len(copied) > 3  # it did not begin anew
    assert [done for done, _total in copied] == sorted({done for done, _total in copied})
    assert copied[-1][0] == copied[-1][1]
    assert [step for step, _done, _total in told] == sorted(
        (step for step, _done, _total in told), key=list(backup.Step).index
    )
    assert [(done, total) for step, done, total in told if step is backup.Step.SEARCH] == [(0, 2), (1, 2)]
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT COUNT(*), MIN(i), MAX(i) FROM x").fetchone() == (9_000, 0, 8_999)


async def test_a_copy_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await act(path, NOON)
    for target in (path, tmp_path / "other.db"):
        # SQLite would replay a log that lies beside the copy into it.
        (tmp_path / "other.db-wal").touch()
        with pytest.raises(DatabaseFault, match="exists already"):
            backup.take(path, target, SEALER)
    assert newest(path) == NOON
    assert names_in(tmp_path) == {"kyc.db", "other.db-wal"}


async def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    await act(tmp_path / "kyc.db", NOON)
    with pytest.raises(DatabaseFault, match="cannot be written: No such file or directory"):
        backup.take(tmp_path / "kyc.db", tmp_path / "no" / "kyc.backup", SEALER)
    assert names_in(tmp_path) == {"kyc.db"}


async def test_a_copy_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    await act(tmp_path / "kyc.db", NOON)
    before = os.umask(0)
    try:
        backup.take(tmp_path / "kyc.db", tmp_path / "kyc.backup", SEALER)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "kyc.backup").stat().st_mode) == 0o600


@pytest.mark.slow
async def test_going_back_sets_the_old_database_aside(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON)
    backup.take(path, copy, SEALER)
    await act(path, NOON + timedelta(hours=1))
    now = NOON + timedelta(hours=2)
    with pytest.raises(DatabaseFault, match="holds newer acts"):
        backup.restore(copy, path, SEALER, now=now)
    assert newest(path) == NOON + timedelta(hours=1)
    aside = backup.restore(copy, path, SEALER, now=now, force=True)
    assert aside is not None
    assert newest(aside) == NOON + timedelta(hours=1)
    assert newest(path) == now
    assert newest(copy) == NOON
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_ino != aside.stat().st_ino
    assert names_in(tmp_path) == {"kyc.db", "kyc.db.lock", "kyc.backup", aside.name}


@pytest.mark.slow
async def test_a_log_that_a_killed_bot_left_goes_with_the_old_database(tmp_path: Path) -> None:
    path, copy, away = tmp_path / "kyc.db", tmp_path / "kyc.backup", tmp_path / "away"
    await act(path, NOON)
    backup.take(path, copy, SEALER)
    away.mkdir()
    database = await Database.open(path, sealer=SEALER, migrate=migrate)
    try:
        await database.write(audit.record, at=NOON + timedelta(hours=1), actor="U0AMINA0001", act="check.requested")
        for name in names_in(tmp_path, "kyc.db*"):
            shutil.copy(tmp_path / name, away)
    finally:
        await database.close()
    assert (away / "kyc.db-wal").stat().st_size > 0
    aside = backup.restore(copy, away / "kyc.db", SEALER, now=NOON + timedelta(hours=2), force=True)
    assert aside is not None
    assert newest(aside) == NOON + timedelta(hours=1)
    assert not (away / "kyc.db-wal").exists()
    assert newest(away / "kyc.db") == NOON + timedelta(hours=2)


@pytest.mark.slow
async def test_a_backup_is_put_where_no_database_is(tmp_path: Path) -> None:
    await act(tmp_path / "kyc.db", NOON)
    backup.take(tmp_path / "kyc.db", tmp_path / "kyc.backup", SEALER)
    assert backup.restore(tmp_path / "kyc.backup", tmp_path / "other.db", SEALER, now=NOON) is None
    assert newest(tmp_path / "other.db") == NOON


@pytest.mark.slow
async def test_what_is_no_sound_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON, times=200)
    backup.take(path, copy, SEALER)
    before = path.read_bytes()
    refused: dict[str, type[DatabaseFault]] = {}
    for name, spoil in (("empty", b""), ("text", b"not a database" * 400), ("half", copy.read_bytes()[: 4096 * 5])):
        (tmp_path / name).write_bytes(spoil)
        refused[name] = DatabaseFault
    spoiled = bytearray(copy.read_bytes())
    for page in range(2, len(spoiled) // 4096):
        spoiled[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (tmp_path / "spoiled").write_bytes(spoiled)
    refused |= {"spoiled": DatabaseFault, "nowhere": DatabaseFault, "kyc.db": DatabaseFault}
    for name, statement in (
        ("newer", "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('kyc-bot', 'm9999', '')"),
        ("orphan", "INSERT INTO photos (ref, kind, position, file_id) VALUES ('K-NOBODY', 'selfie', 0, 'F1')"),
    ):
        shutil.copy(copy, tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name)) as db, db:
            db.execute(statement)
    refused |= {"newer": DatabaseNewer, "orphan": DatabaseFault}
    with closing(sqlite3.connect(tmp_path / "stranger")) as db, db:
        db.execute("CREATE TABLE things (id)")
    refused["stranger"] = DatabaseFault
    for name, fault in refused.items():
        with pytest.raises(fault, match=name):
            backup.restore(tmp_path / name, path, SEALER, now=NOON, force=True)
    with pytest.raises(WrongKey, match="KYC_ENCRYPTION_KEYS"):
        backup.restore(copy, path, Sealer([b"o" * 32]), now=NOON, force=True)
    with DatabaseLock(path), pytest.raises(DatabaseInUse):
        backup.restore(copy, path, SEALER, now=NOON, force=True)
    assert path.read_bytes() == before
    assert names_in(tmp_path, "*before-restore*") == set()


def add_bytes_for_a_time(path: Path, table: str) -> None:
    """As somebody who writes the file: it would be the newest of all, and is none."""
    if table == "audit":
        line = "INSERT INTO audit (at, actor, act) VALUES (x'FF', 'U1', 'check.requested')"
    else:
        line = """
            INSERT INTO posts (id, kind, lane, due_at, created_at, state, done_at)
            VALUES ('alert:1', 'alert', 'U1', '2026', '2026', 'done', x'FF')
            """
    run_lax(path, table, [line])
    with closing(sqlite3.connect(path)) as db:
        column = "at" if table == "audit" else "done_at"
        assert db.execute(f"SELECT typeof(MAX({column})) FROM {table}").fetchone() == ("blob",)  # noqa: S608 - as above


@pytest.mark.slow
@pytest.mark.parametrize("table", ["audit", "posts"])
async def test_bytes_in_place_of_a_time_hide_no_newer_act_from_a_restore(tmp_path: Path, table: str) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON)
    backup.take(path, copy, SEALER)
    await act(path, NOON + timedelta(hours=1))
    add_bytes_for_a_time(path, table)
    with pytest.raises(DatabaseFault, match="newer acts"):
        backup.restore(copy, path, SEALER, now=NOON)


@pytest.mark.slow
async def test_bytes_in_place_of_a_time_keep_nobody_from_saying_that_a_file_was_restored(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await act(path, NOON)
    add_bytes_for_a_time(path, "audit")
    assert backup.mark_restored(path, SEALER, now=NOON + timedelta(hours=1)) == NOON


@pytest.mark.slow
async def test_a_copy_that_the_keys_do_not_open_is_no_backup(tmp_path: Path) -> None:
    await act(tmp_path / "kyc.db", NOON)
    with pytest.raises(WrongKey):
        backup.take(tmp_path / "kyc.db", tmp_path / "kyc.backup", Sealer([b"o" * 32]))
    assert not (tmp_path / "kyc.backup").exists()


@pytest.mark.slow
async def test_a_damaged_database_is_set_aside_without_being_asked(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON)
    backup.take(path, copy, SEALER)
    path.write_bytes(b"not a database" * 400)
    with pytest.raises(DatabaseFault, match="kyc-bot restore"):
        require_whole(path, patience=timedelta(seconds=5))
    aside = backup.restore(copy, path, SEALER, now=NOON)
    assert aside is not None
    assert aside.read_bytes().startswith(b"not a database")
    require_whole(path, patience=timedelta(seconds=5))
    assert newest(path) == NOON


def damage(path: Path) -> None:
    """A page in the middle of the audit trail is written over."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.slow
async def test_damage_that_is_found_behind_the_start_stops_the_bot_and_the_next_start(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON)
    backup.take(path, copy, SEALER)
    stop = asyncio.Event()
    async with swept_behind(path, on_damage=stop.set):
        await asyncio.sleep(0)
    assert not stop.is_set()
    damage(path)
    with pytest.raises(DatabaseFault, match="kyc-bot restore"):
        async with swept_behind(path, on_damage=stop.set):
            await asyncio.wait_for(stop.wait(), GIVE_UP_SECONDS)
    # The next start has no patience, and looks to the end all the same.
    with pytest.raises(DatabaseFault, match="kyc-bot restore"):
        require_whole(path, patience=timedelta(0))
    backup.restore(copy, path, SEALER, now=NOON)
    assert require_whole(path, patience=timedelta(0))
    assert not path.with_name("kyc.db-damaged").exists()


async def test_a_file_that_cannot_be_searched_in_time_is_searched_behind_the_start_alone(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await act(path, NOON)
    assert require_whole(path, patience=timedelta(seconds=5))
    assert not require_whole(path, patience=timedelta(seconds=5), most_bytes=0)
    path.write_bytes(b"not a database" * 400)
    with pytest.raises(DatabaseFault, match="kyc-bot restore"):
        require_whole(path, patience=timedelta(seconds=5), most_bytes=0)


async def test_a_sweep_ends_when_the_bot_does(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await act(path, NOON)
    ended = Sweep(path)
    assert ended.run()
    ended.stop()  # nobody knows of its end yet
    stopped = Sweep(path)
    stopped.stop()
    assert not stopped.run()
    assert not path.with_name("kyc.db-damaged").exists()


def test_a_clock_that_was_ahead_does_not_put_backups_off(tmp_path: Path) -> None:
    database = tmp_path / "kyc.db"
    for at in (NOON - timedelta(hours=3), NOON + timedelta(hours=5)):
        (tmp_path / backup.scheduled_name(database, at)).touch()
    (tmp_path / backup.scheduled_name(tmp_path / "other.db", NOON)).touch()
    assert backup.newest_scheduled(tmp_path, database, now=NOON) == NOON - timedelta(hours=3)


def test_pieces_of_a_copy_that_was_broken_off_are_swept_up(tmp_path: Path) -> None:
    database = tmp_path / "kyc.db"
    piece = tmp_path / f".{backup.scheduled_name(database, NOON)}-x1y2z3"
    piece.touch()
    whole = tmp_path / backup.scheduled_name(database, NOON)
    whole.touch()
    assert backup.rotate(tmp_path, database, keep=1) == []
    assert (piece.exists(), whole.exists()) == (False, True)


# A crash in the middle

RESTORER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from bot.runtime.server import swept_behind
from storage.engine import backup
from storage.engine.sealing import Sealer

backup.restore(
    Path(sys.argv[1]), Path(sys.argv[2]), Sealer([b"k" * 32]), now=datetime(2026, 11, 22, 14, tzinfo=UTC), force=True
)
"""
CALLS = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat"


def may_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def restore_until(number: int, copy: Path, database: Path) -> int:
    """`restore` in a process that is killed at its n-th call that changes what lasts; gives the exit code."""
    ended = subprocess.run(
        [
            *("strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", os.devnull),
            *("-e", f"inject={CALLS}:signal=SIGKILL:when={number}"),
            *(sys.executable, "-c", RESTORER, str(copy), str(database)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    return ended.returncode


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.skipif(not may_trace(), reason="strace is not installed, or may not trace here")
async def test_a_crash_while_going_back_leaves_the_old_database_or_the_new_one(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "kyc.backup"
    await act(path, NOON)
    backup.take(path, copy, SEALER)
    await act(path, NOON + timedelta(hours=1))
    old, new = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    found: list[datetime | None] = []
    for number in range(1, 60):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(path, folder)
        code = restore_until(number, copy, folder / "kyc.db")
        found.append(newest(folder / "kyc.db"))
        assert found[-1] in (old, new), number
        if code == 0:
            break
        assert code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert found[0] == old
    assert found[-1] == new
    assert len(found) > 5
    assert found == sorted(found, key=str), "once new, always new"


async def test_without_patience_no_row_and_no_page_is_gone_through(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await act(path, NOON)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO check_macs (ref, version, mac) VALUES ('K-GONE', 1, 'invented')")
    patient, hasty = (examine(path, SEALER, patience=timedelta(seconds=seconds)) for seconds in (GIVE_UP_SECONDS, 0))
    assert (patient.swept, patient.altered, patient.older) == (True, 1, True)
    # Before a command: whether it is ours and up to date is known all the same.
    assert hasty == replace(patient, swept=False, altered=0, older=False)
    with pytest.raises(WrongKey):
        examine(path, Sealer([b"x" * 32]), patience=timedelta(0))


async def test_a_file_that_was_put_back_is_told_so_by_whoever_has_its_key_while_no_bot_runs(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    with pytest.raises(DatabaseFault, match="does not exist"):
        backup.mark_restored(path, SEALER, now=NOON)
    await act(path, NOON)
    later = NOON + timedelta(hours=1)
    with DatabaseLock(path), pytest.raises(DatabaseInUse):
        backup.mark_restored(path, SEALER, now=later)
    with pytest.raises(WrongKey):
        backup.mark_restored(path, Sealer([b"x" * 32]), now=later)
    assert newest(path) == NOON
    assert backup.mark_restored(path, SEALER, now=later) == NOON
    with closing(sqlite3.connect(path)) as db:
        told = dict(db.execute("SELECT name, value FROM meta WHERE name LIKE 'restored%'"))
    assert told == {"restored": "2026-11-22T12:00:00.000000Z", "restored_at": "2026-11-22T13:00:00.000000Z"}


async def test_nothing_is_in_doubt_where_nothing_has_happened(tmp_path: Path) -> None:
    await act(tmp_path / "kyc.db", NOON, times=0)
    assert backup.mark_restored(tmp_path / "kyc.db", SEALER, now=NOON) is None
