"""Keyed prints: the upgrade from bare digests, killed at every step; what is recognised afterwards, under which key."""

import asyncio
import hashlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.results.trust_rules import Disposition, Source
from bot.errors import ConstraintFailed, WrongKey
from bot.submission import lifecycle
from storage import (
    attempts,
    blind_index,
    check_facts,
    checks,
    home_tabs,
    meta,
    preflight_holds,
    receipts,
)
from storage.engine import backup
from storage.engine.connection import connect
from storage.engine.database import Database, Transaction
from storage.engine.inspect import examine
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from storage.engine.upkeep import BATCH
from tests import engines
from tests.storage.older import before_prints

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
OLD, NEW = b"o" * 32, b"n" * 32
BEFORE, BOTH = Sealer([OLD]), Sealer([NEW, OLD])
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MESSAGES = 2 * BATCH + 1
"""Keyed in three batches."""
FILES = Path("/proc/self/fd")
MEMORY = 2
"""SQLite's number for it (sqlite.org/pragma.html, temp_store)."""
HEX = re.compile(rb"(?=([0-9a-f]{64}))")
"""Every place where a digest may begin, whatever stands before it."""


@asynccontextmanager
async def opened(path: Path, sealer: Sealer = BEFORE) -> AsyncIterator[Database]:
    database = await Database.open(
        engines.lay(path, sealer), sealer=sealer, migrate=migrate, busy_timeout=timedelta(milliseconds=50), readers=1
    )
    try:
        yield database
    finally:
        await database.close()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ask(tx: Transaction, ref: str, *, number: str, selfie: str) -> str:
    """A check with nine photos that was recorded as an attempt; gives its job id."""
    photos = [PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id=f"F{ref}")]
    photos += [PhotoRef(kind=PhotoKind.LIVENESS, position=n, file_id=f"F{ref}{n}") for n in range(8)]
    request = Request(
        requester="U0AMINA0001",
        team="T0ACME00001",
        channel="C0KYCREQ001",
        thread_ts=None,
        view_id=f"V{ref}",
        country="NG",
        id_type="BVN",
        id_info={"id_number": number},
        customer_reference="",
        photos=tuple(photos),
        consent_at=NOON,
    )
    lifecycle.accept(tx, request, ref=ref, now=NOON, budget=None)
    shas = [(photo, 1, sha256(f"{selfie}:{photo.kind}:{photo.position}")) for photo in photos]
    checks.photos_checked(tx, ref, shas, now=NOON)
    return attempts.record(tx, ref=ref, asked_at=NOON, now=NOON).job_id


def hear(tx: Transaction, job_id: str, said: str) -> tuple[str, bool]:
    message = receipts.Incoming(
        id=f"{job_id}:{said}:{tx.sealer.key_id}",
        job_id=job_id,
        source=Source.CALLBACK,
        code="0810",
        body_sha256=sha256(said),
        body={"said": said},
        fate=Disposition.COUNTED,
        at=NOON,
    )
    kept = receipts.keep(tx, message)
    return kept.id, kept.is_new


async def filled(path: Path, messages: int = 3) -> str:
    """A database with checks, messages and a Home tab, closed again; gives the job that the messages are about."""
    async with opened(path) as database:
        await database.write(meta.check_key)
        job_id = await database.write(ask, "K-0001", number="12345678901", selfie="ada")
        for n in range(30):
            await database.write(ask, f"K-1{n:03}", number=f"2222222{n:04}", selfie=str(n))
        await database.write(lambda tx: [hear(tx, job_id, str(n)) for n in range(messages)] and None)
        await database.write(home_tabs.opened, "U0AMINA0001", now=NOON)
    return job_id


@dataclass(frozen=True, slots=True)
class Older:
    """A database as the version before left it."""

    file: Path
    job_id: str
    """What the messages in it are about."""
    digests: frozenset[str]

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copy(self.file, folder / "kyc.db"))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Older:
    """Of some size, and made once."""
    file = tmp_path_factory.mktemp("older") / "kyc.db"
    job_id = anyio.run(filled, file, MESSAGES)
    return Older(file, job_id, frozenset(before_prints(file, BEFORE)))


def still_told(path: Path, digests: Collection[str]) -> dict[str, int]:
    """By file, how many of these digests stand in its bytes."""
    wanted = {digest.encode() for digest in digests}
    found = {file.name: len(wanted.intersection(HEX.findall(file.read_bytes()))) for file in files_of(path)}
    return {name: number for name, number in found.items() if number}


def files_of(path: Path) -> list[Path]:
    """The database's file, its log, and that log's index."""
    return sorted(path.parent.glob(f"{path.name}*"))


def copy_files(path: Path, folder: Path) -> None:
    folder.mkdir()
    for file in files_of(path):
        shutil.copy(file, folder)


def every_print(path: Path, sealer: Sealer) -> None:
    """Whatever was known by a bare digest is known by its print, and its SHA-256 opens beside it."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        bodies = db.execute("SELECT id, body_print, body_sha256_sealed FROM receipts").fetchall()
        files = db.execute(
            "SELECT ref || ':' || kind || ':' || position, file_print, file_sha256_sealed FROM photos"
        ).fetchall()
    for kind, rows in ((blind_index.BODY, bodies), (blind_index.FILE, files)):
        assert rows
        for row, print_, sealed in rows:
            bare = sealer.open(sealed, place=f"{kind.place}:{row}")
            assert print_ in sealer.fingerprints(bare, purpose=kind.purpose)
            assert bare not in print_
    assert {row: sealer.open(sealed, place=f"{blind_index.BODY.place}:{row}") for row, _print, sealed in bodies} == {
        row: sha256(row.split(":")[1]) for row, _print, _sealed in bodies
    }


def schema(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Columns, indexes with their columns, references and strictness of each table, whatever its SQL looks like."""
    found: dict[str, list[tuple[object, ...]]] = {}
    with closing(sqlite3.connect(path)) as db:
        for table, strict in db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall():
            found[f"{table} columns"] = db.execute("SELECT * FROM pragma_table_xinfo(?)", (table,)).fetchall()
            found[f"{table} keys"] = db.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,)).fetchall()
            indexes = db.execute(
                "SELECT name, [unique], origin, partial FROM pragma_index_list(?) ORDER BY name", (table,)
            )
            found[f"{table} indexes"] = [
                (*index, *db.execute("SELECT name FROM pragma_index_info(?)", (index[0],)).fetchall())
                for index in indexes.fetchall()
            ]
            found[f"{table} strict"] = [(strict,)]
    return found


# The upgrade


async def test_after_the_upgrade_no_old_digest_stands_in_the_file_or_its_log(older: Older, tmp_path: Path) -> None:
    path, digests = older.copy(tmp_path), older.digests
    assert len(digests) > MESSAGES + 30 * 9
    assert still_told(path, digests) == {"kyc.db": len(digests)}
    async with opened(path) as database:
        assert still_told(path, digests) == {}
        await database.read(lambda tx: tx.row("SELECT 1 FROM receipts"))
    assert still_told(path, digests) == {}
    every_print(path, BEFORE)
    assert not examine(path, BEFORE, patience=timedelta(seconds=5)).unfinished


async def test_what_a_killed_bot_left_in_the_log_goes_as_well(tmp_path: Path) -> None:
    path, away = tmp_path / "kyc.db", tmp_path / "away"
    await filled(path)
    digests = before_prints(path, BEFORE)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        # Written now, and the process killed: the digests stand in both.
        old.execute("UPDATE receipts SET code = '0811'")
        copy_files(path, away)
    assert set(still_told(away / "kyc.db", digests)) == {"kyc.db", "kyc.db-wal"}
    async with opened(away / "kyc.db"):
        assert still_told(away / "kyc.db", digests) == {}
    every_print(away / "kyc.db", BEFORE)


async def test_the_upgraded_schema_is_that_of_a_new_database(tmp_path: Path) -> None:
    """UNIQUE, references, indexes and STRICT stay, and nothing is left over."""
    upgraded, new = tmp_path / "upgraded.db", tmp_path / "new.db"
    await filled(upgraded)
    before_prints(upgraded, BEFORE)
    for path in (upgraded, new):
        async with opened(path):
            pass
    assert schema(upgraded) == schema(new)


async def test_a_backup_from_before_is_upgraded_like_the_database(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "old.backup"
    await filled(path)
    digests = before_prints(path, BEFORE)
    backup.take(path, copy, BEFORE)
    restored = tmp_path / "restored.db"
    assert backup.restore(copy, restored, BEFORE, now=NOON) is None
    assert still_told(restored, digests)
    async with opened(restored):
        assert still_told(restored, digests) == {}
    every_print(restored, BEFORE)


async def test_with_another_key_nothing_is_upgraded(tmp_path: Path) -> None:
    """Keyed under it, every print would be lost."""
    path = tmp_path / "kyc.db"
    await filled(path)
    before_prints(path, BEFORE)
    with closing(sqlite3.connect(path)) as db:
        before = list(db.iterdump())
    with pytest.raises(WrongKey, match="KYC_ENCRYPTION_KEYS"):
        async with opened(path, Sealer([NEW])):
            pass
    with closing(sqlite3.connect(path)) as db:
        assert list(db.iterdump()) == before
    async with opened(path, BOTH):
        pass
    every_print(path, BOTH)


@pytest.mark.skipif(not FILES.is_dir(), reason="this system does not tell which files a process has open")
def test_a_large_file_is_written_anew_beside_itself_and_not_in_memory(older: Older, tmp_path: Path) -> None:
    path = older.copy(tmp_path)
    open_files: set[str] = set()

    def note(statement: str) -> None:
        if statement.startswith("VACUUM"):
            db.conn.set_progress_handler(look_around, 1_000)

    def look_around() -> None:
        for file in FILES.iterdir():
            with suppress(OSError):  # the folder itself was open a moment ago
                open_files.add(str(file.readlink()))

    with closing(connect(path, busy_timeout=timedelta(seconds=1))) as db:
        db.execute("PRAGMA cache_size = 10")  # small beside the file, as it is beside a large one
        db.conn.set_trace_callback(note)
        migrate(db, BEFORE)
        assert db.execute("PRAGMA temp_store").fetchone() == (MEMORY,)
    assert [name for name in open_files if name.startswith(f"{tmp_path}/") and name.endswith("(deleted)")]


async def test_a_log_that_somebody_reads_is_emptied_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await filled(path)
    digests = before_prints(path, BEFORE)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM receipts").fetchone()
        async with opened(path):
            assert examine(path, BEFORE, patience=timedelta(seconds=5)).unfinished
            assert "kyc.db" in still_told(path, digests)
        reader.execute("ROLLBACK")
    async with opened(path):
        assert still_told(path, digests) == {}
    assert not examine(path, BEFORE, patience=timedelta(seconds=5)).unfinished


# Killed in the middle

UPGRADE = """
import os, signal, sys
import sqlite_utils
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from storage.engine.connection import connect
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer

path, beginning, number, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
seen = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def before(statement):
    global seen
    seen += statement.lstrip().startswith(beginning)
    if seen == number and statement.lstrip().startswith(beginning):
        db.conn.set_progress_handler(die, steps) if steps else die()

db = connect(path, busy_timeout=timedelta(seconds=1))
db.conn.set_trace_callback(before)
migrate(db, Sealer([b"o" * 32]))
"""


def upgrade_until(path: Path, beginning: str, number: int, steps: int) -> int:
    """Upgrade in a process that is killed at the n-th statement with this beginning, or some steps into it."""
    arguments = [sys.executable, "-c", UPGRADE, str(path), beginning, str(number), str(steps)]
    return subprocess.run(arguments, cwd=ROOT, check=False).returncode


@pytest.mark.processes
@pytest.mark.parametrize(
    ("beginning", "number", "steps"),
    [
        pytest.param("ALTER TABLE photos RENAME", 1, 0, id="while the columns are renamed"),
        pytest.param("UPDATE receipts", 1, 0, id="before the first row"),
        pytest.param("UPDATE receipts", BATCH + 7, 0, id="within the second batch"),
        pytest.param("COMMIT", 2, 0, id="before a batch is stored"),
        pytest.param("SELECT rowid, file_print", 1, 0, id="between the messages and the photos"),
        pytest.param("CREATE INDEX IF NOT EXISTS photos_selfie", 1, 0, id="before the index"),
        pytest.param("UPDATE meta", 1, 0, id="before the rows are known to be done"),
        pytest.param("VACUUM", 1, 0, id="before the file is written anew"),
        pytest.param("VACUUM", 1, 400, id="while the file is written anew"),
        pytest.param("UPDATE meta", 2, 0, id="before the file is known to be written anew"),
        pytest.param("PRAGMA wal_checkpoint", 1, 0, id="before the log is emptied"),
        pytest.param("DELETE FROM meta", 1, 0, id="before all is known to be done"),
    ],
)
async def test_an_upgrade_that_is_killed_goes_on_at_the_next_start(
    older: Older, tmp_path: Path, beginning: str, number: int, steps: int
) -> None:
    path = older.copy(tmp_path)
    assert await asyncio.to_thread(upgrade_until, path, beginning, number, steps) == -signal.SIGKILL
    seen = examine(path, BEFORE, patience=timedelta(seconds=5))
    assert bool(seen.pending) is not seen.unfinished, "one of both says that a start is due"
    async with opened(path) as database:
        assert still_told(path, older.digests) == {}
        # Heard before the upgrade, and still a repeat.
        for said in ("0", str(BATCH), str(MESSAGES - 1)):
            assert not (await database.write(hear, older.job_id, said))[1]
    every_print(path, BEFORE)
    assert files_of(path) == [path], "nothing is left beside it"


# What is recognised


@pytest.mark.usefixtures("engine")
async def test_a_repeat_is_a_repeat_under_every_key(tmp_path: Path) -> None:
    """Heard under the old key, under the new one, refused under either: each is kept once."""
    path = tmp_path / "kyc.db"
    job_id = await filled(path)

    def refuse(tx: Transaction, said: str) -> bool:
        return receipts.keep_refused(
            tx,
            receipt_id=f"{said}:{tx.sealer.key_id}",
            job_id=job_id,
            why="not_trusted",
            body=said,
            size=len(said),
            body_sha256=sha256(said),
            now=NOON,
        )

    async with opened(path) as database:
        assert await database.write(refuse, "forged")
        assert not await database.write(refuse, "forged")
    async with opened(path, BOTH) as database:
        assert await database.write(hear, job_id, "0") == (f"{job_id}:0:{BEFORE.key_id}", False)
        assert await database.write(hear, job_id, "new") == (f"{job_id}:new:{BOTH.key_id}", True)
        assert await database.write(hear, job_id, "new") == (f"{job_id}:new:{BOTH.key_id}", False)
        assert not await database.write(refuse, "forged")
        assert await database.write(refuse, "forged anew")
    # The keys in the other order, as somebody goes back: nothing is new.
    async with opened(path, Sealer([OLD, NEW])) as database:
        for said in ("0", "new"):
            assert not (await database.write(hear, job_id, said))[1]
        assert not await database.write(refuse, "forged anew")


@pytest.mark.usefixtures("engine")
async def test_the_schema_refuses_the_same_message_twice_under_one_key(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await filled(path)
    async with opened(path) as database:

        def twice(tx: Transaction) -> None:
            tx.run(
                """
                INSERT INTO receipts (id, job_id, source, code, body_print, fate, received_at)
                SELECT 'another', job_id, source, code, body_print, fate, received_at FROM receipts LIMIT 1
                """
            )

        with pytest.raises(ConstraintFailed):
            await database.write(twice)


@pytest.mark.usefixtures("engine")
async def test_a_selfie_is_recognised_and_its_number_known_under_every_key(tmp_path: Path) -> None:
    """The same number must not be called another one because a key was added between two checks."""
    path = tmp_path / "kyc.db"
    await filled(path)
    selfie = sha256("ada:selfie:0")
    async with opened(path, BOTH) as database:
        await database.write(ask, "K-0002", number="12345678901", selfie="ada")
        await database.write(ask, "K-0003", number="99999999999", selfie="ada")
        for ref, seen in (
            ("K-0002", [("K-0001", True), ("K-0003", False)]),
            ("K-0003", [("K-0001", False), ("K-0002", False)]),
        ):
            found = await database.read(preflight_holds.same_selfie, ref, selfie, since=NOON - timedelta(days=1))
            assert [(one.ref, one.has_same_number) for one in found] == seen
        assert await database.read(preflight_holds.same_selfie, "K-0002", sha256("none"), since=NOON) == []


@pytest.mark.usefixtures("engine")
async def test_the_figures_know_a_person_under_every_key(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await filled(path)

    def person(tx: Transaction, ref: str) -> str:
        check_facts.note(tx, ref, now=NOON)
        row = tx.row("SELECT person FROM facts WHERE ref = :ref", ref=ref)
        assert row is not None
        return str(row["person"])

    async with opened(path) as database:
        assert await database.write(person, "K-0001") == "K-0001"
    async with opened(path, BOTH) as database:
        await database.write(ask, "K-0002", number="123 4567 8901", selfie="ada")
        await database.write(ask, "K-0003", number="99999999999", selfie="ada")
        assert [await database.write(person, ref) for ref in ("K-0002", "K-0003")] == ["K-0001", "K-0003"]


@pytest.mark.usefixtures("engine")
async def test_a_print_is_made_anew_under_another_key_without_the_value(tmp_path: Path) -> None:
    """What a change of the keys needs: the SHA-256 lies sealed beside its print."""
    path = tmp_path / "kyc.db"
    job_id = await filled(path)

    def rekey(tx: Transaction) -> None:
        for row in tx.rows("SELECT id, body_sha256_sealed AS sealed FROM receipts"):
            bare = tx.sealer.open(row["sealed"], place=f"{blind_index.BODY.place}:{row['id']}")
            body_print, sealed = blind_index.make(tx.sealer, blind_index.BODY, bare, row=row["id"])
            tx.run(
                "UPDATE receipts SET body_print = :print, body_sha256_sealed = :sealed WHERE id = :id",
                print=body_print,
                sealed=sealed,
                id=row["id"],
            )

    async with opened(path, BOTH) as database:
        await database.write(rekey)
    with closing(engines.beside(path)) as db:
        for (print_,) in db.execute("SELECT body_print FROM receipts"):
            assert print_.startswith(f"{BOTH.key_id}:")
    async with opened(path, BOTH) as database:
        assert not (await database.write(hear, job_id, "1"))[1]
