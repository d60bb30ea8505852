"""What operators type, where the database is on a PostgreSQL server: it does the same, or says what to do instead."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from bot.domain.database_address import parse
from bot.errors import DatabaseInUse
from bot.runtime import alone
from storage import instances, meta
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.postgresql import Cluster
from tests.storage.engine.test_macs import fill
from tests.storage.test_retention import end

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]

OLD, NEW = bytes(range(60, 76)) + bytes(range(3, 50, 3)), bytes(range(100, 116)) + bytes(range(5, 52, 3))
REF = "K-222222"


def written(*keys: bytes) -> str:
    return ",".join(base64.urlsafe_b64encode(key).decode() for key in keys)


def work(address: str, fn: Callable[[Database], object], sealer: Sealer | None = None) -> None:
    """As the bot does, whose instance this then is."""

    async def run() -> None:
        database = await Database.open(parse(address), sealer=sealer or Sealer([OLD]), migrate=migrate)
        try:
            await database.write(meta.begin)
            await fn(database)  # type: ignore[misc]
        finally:
            await database.close()

    asyncio.run(run())


def furnish(address: str) -> None:
    work(address, lambda database: database.write(fill, REF))


@pytest.fixture
def address(postgresql: Cluster) -> Iterator[str]:
    """Of a database with one check in it."""
    name = postgresql.copy(furnish)
    yield postgresql.address(name)
    postgresql.drop(name)


def run(address: str, *arguments: str, keys: str = written(OLD), answer: str | None = None) -> Result:
    environment = {"KYC_DATABASE": address, "KYC_ENCRYPTION_KEYS": keys}
    return CliRunner().invoke(main, list(arguments), env=environment, input=answer)


# What works


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("audit head", ":"),
        ("audit verify", "whole: "),
        ("receipts list", ""),
        ("summary", "KYC, "),
        ("export --format csv", REF),
        ("purge --dry-run", "kept: photos 30d"),
        ("hold --list", REF),
        ("proof key", "Ed25519 "),
    ],
)
def test_a_command_reads_a_server_as_it_reads_a_file(address: str, arguments: str, said: str) -> None:
    ran = run(address, *arguments.split())
    assert ran.exit_code == 0, ran.stderr
    assert said in ran.stdout


def test_whoever_is_to_be_forgotten_is_erased_on_a_server(address: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert run(address, "subject-report", "--ref", REF, "--output", str(report)).exit_code == 0
    assert '"backups": []' in report.read_text(encoding="utf-8")
    assert run(address, "unhold", "--ref", REF, "--yes").exit_code == 0
    ran = run(address, "erase", "--ref", REF, "--yes")
    assert "it has no result yet" in ran.stdout + ran.stderr
    assert "stays in" not in ran.stdout


def test_an_empty_database_is_said_to_be_so_and_a_foreign_one_is_not_touched(postgresql: Cluster) -> None:
    name = postgresql.database()
    ran = run(postgresql.address(name), "audit", "head")
    assert (ran.exit_code, "does not exist: start the bot once" in ran.stderr) == (1, True)
    assert postgresql.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=name) == "0"
    postgresql.sql("CREATE TABLE meta (name TEXT); GRANT ALL ON meta TO PUBLIC", database=name)
    ran = run(postgresql.address(name), "audit", "head")
    assert (ran.exit_code, "that of another program" in ran.stderr) == (1, True)
    postgresql.drop(name)


def test_another_key_opens_nothing_on_a_server_either(address: str) -> None:
    ran = run(address, "audit", "verify", keys=written(NEW))
    assert (ran.exit_code, "KYC_ENCRYPTION_KEYS does not hold" in ran.stderr) == (1, True)


# What does not


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_copies_of_a_server_are_its_operators(address: str, postgresql: Cluster, tmp_path: Path, command: str) -> None:
    (tmp_path / "some.backup").write_bytes(b"")
    target = tmp_path / ("new.backup" if command == "backup" else "some.backup")
    ran = run(address, command, str(target))
    assert ran.exit_code == 1
    assert "KYC_DATABASE is a PostgreSQL server, and this is for an SQLite file" in ran.stderr
    assert "pg_basebackup" in ran.stderr
    database = address.rpartition("/")[2]
    assert postgresql.sql("SELECT count(*) FROM audit WHERE act LIKE '%backup%'", database=database) == "0"


# What needs all instances to be stopped


@contextmanager
def an_instance(address: str, *, beats: bool) -> Iterator[None]:
    """One that has joined, and lives, or was killed."""
    stop = Event()

    async def live(database: Database) -> None:
        await database.write(instances.join, now=datetime.now(UTC))
        database.membership.joined = True
        joined.set()
        while beats and not await asyncio.to_thread(stop.wait, 0.2):
            await database.write(_nothing)

    joined = Event()
    thread = Thread(target=work, args=(address, live))
    thread.start()
    try:
        assert joined.wait(30)
        if not beats:
            thread.join()
        yield
    finally:
        stop.set()
        thread.join()


COMMANDS = [("mark-restored",), ("rekey",), ("rekey", "--forget-old")]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_living_instance_keeps_others_from_what_needs_it_stopped(address: str, arguments: tuple[str, ...]) -> None:
    with an_instance(address, beats=True):
        ran = run(address, *arguments)
    assert ran.exit_code == 1
    assert "waiting for 30 s whether these instances still live: " in ran.stderr
    assert "the database is in use by an instance of the bot: " in ran.stderr


def test_the_keys_of_a_server_are_renewed_and_the_old_one_let_go(address: str) -> None:
    assert run(address, "rekey", keys=written(NEW, OLD)).exit_code == 0
    ran = run(address, "rekey", "--forget-old", keys=written(NEW, OLD))
    assert ran.exit_code == 0, ran.stderr
    assert "the older keys are let go" in ran.stdout
    assert run(address, "audit", "verify", keys=written(NEW)).stdout.startswith("whole: ")
    assert run(address, "audit", "verify", keys=written(OLD)).exit_code == 1


def test_a_server_that_was_taken_back_is_told_so(address: str, postgresql: Cluster) -> None:
    for _twice in range(2):
        ran = run(address, "mark-restored")
        assert ran.exit_code == 0, ran.stderr
        assert "it knows what happened until 20" in ran.stdout
    assert run(address, "audit", "verify").stdout.startswith("whole: ")
    database = address.rpartition("/")[2]
    told = postgresql.sql("SELECT name FROM meta WHERE name LIKE 'restored%' ORDER BY name", database=database)
    assert told.split() == ["restored", "restored_at"]
    in_doubt = "SELECT count(*) FROM posts WHERE state = 'due' AND in_doubt_since IS NOT NULL"
    assert postgresql.sql(in_doubt, database=database) == "1"


def _nothing(_tx: Transaction) -> None:
    """A commit shows that its instance lives."""


def _other(tx: Transaction, *, at: datetime) -> None:
    tx.insert("instances", id="i-2", name="i-2", version="1", started_at=at, seen_at=at)


def test_a_server_that_was_taken_back_takes_over_who_was_erased_since(postgresql: Cluster) -> None:
    before = postgresql.database()
    work(postgresql.address(before), lambda database: database.write(end, REF))
    older = postgresql.database(copy_of=before)
    known = "SELECT count(*) FROM verifications WHERE applicant_sealed IS NOT NULL"
    run(postgresql.address(before), "erase", "--ref", REF, "--yes")
    assert [postgresql.sql(known, database=name) for name in (before, older)] == ["0", "1"]
    ran = run(postgresql.address(older), "mark-restored", "--erased-in", postgresql.address(before))
    assert (ran.exit_code, "erased again, as asked for since" in ran.stdout) == (0, True), ran.stderr
    assert postgresql.sql(known, database=older) == "0"
    assert run(postgresql.address(older), "audit", "verify").stdout.startswith("whole: ")
    for name in (before, older):
        postgresql.drop(name)


async def _no_rest(_seconds: float) -> None:
    """Time passes by itself."""


def test_an_instance_that_was_killed_is_ended_after_its_time(address: str) -> None:
    async def wait(database: Database) -> None:
        seen: list[str] = []
        await alone.require_alone(
            database,
            now=lambda: datetime.now(UTC),
            on_watch=lambda living: seen.extend(one.name for one in living),
            rest=_no_rest,
        )
        assert len(seen) == 1
        assert await database.read(instances.living) == []

    with an_instance(address, beats=False):
        work(address, wait)


def test_an_instance_that_comes_while_one_waits_is_found(address: str) -> None:
    async def wait(database: Database) -> None:
        later = datetime.now(UTC) + timedelta(seconds=1)

        async def another(_seconds: float) -> None:
            await database.write(
                lambda tx: tx.insert("instances", id="i-2", name="i-2", version="1", started_at=later, seen_at=later)
            )

        with pytest.raises(DatabaseInUse, match="i-2"):
            await alone.require_alone(database, now=lambda: datetime.now(UTC), rest=another)

    with an_instance(address, beats=False):
        work(address, wait)
