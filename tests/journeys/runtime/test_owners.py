"""Root works on the bot's files, and the bot can still open them; another user is refused before anything is made."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.journeys.site import Ended, Site, kyc_bot, site
from tests.users import BOT, OTHER, SUPERUSER, User, needs_root

pytestmark = [pytest.mark.anyio, pytest.mark.installation, needs_root]


@pytest.fixture
def folder() -> Iterator[Path]:
    """The bot's own, as systemd's StateDirectory makes it, where every user can reach it."""
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        inner = Path(outer) / "kyc-bot"
        inner.mkdir(mode=0o700)
        os.chown(inner, BOT.uid, BOT.gid)
        yield inner


@asynccontextmanager
async def a_bot(folder: Path) -> AsyncIterator[Site]:
    async with site(start=False, KYC_DATABASE=str(folder / "kyc.db")) as world:
        yield world


async def run(world: Site, user: User, *arguments: str | Path) -> Ended:
    ended = await kyc_bot(*map(str, arguments), environment=world.environment, command=user.command)
    assert "Traceback" not in ended.err
    return ended


async def start_as(world: Site, user: User) -> None:
    """`serve`, until it is let in by Slack."""
    world.command = user.command
    await world.start()
    await world.wait_for(lambda: world.slack.socket_count == 1)


async def leave_a_backup(world: Site) -> Path:
    """One of a database that has been used, and is at rest now."""
    await start_as(world, BOT)
    copy = world.database.with_name("kyc.backup")
    assert (await run(world, BOT, "backup", copy)).code == 0
    assert await world.stop() == 0
    return copy


def open_to_group(folder: Path, copy: Path) -> None:
    folder.chmod(0o770)
    copy.chmod(0o640)


def names(folder: Path, pattern: str = "*") -> set[str]:
    return {file.name for file in folder.glob(pattern)}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def foreign(folder: Path) -> list[str]:
    """What lies there and is not the bot's own."""
    return [each.name for each in sorted(folder.iterdir()) if not BOT.owns(each)]


async def test_after_a_restore_by_root_the_bot_starts(folder: Path) -> None:
    async with a_bot(folder) as world:
        await start_as(world, BOT)
        assert (await run(world, BOT, "backup", folder / "kyc.backup")).code == 0
        await world.kill()  # so that a log is left, which goes aside with the old database
        (folder / "kyc.db.lock").unlink()
        restored = await run(world, SUPERUSER, "restore", folder / "kyc.backup", "--force")
        assert restored.code == 0, restored
        assert names(folder, "kyc.db.before-restore-*")
        assert foreign(folder) == []
        await start_as(world, BOT)
        assert await world.stop() == 0


async def test_a_restore_by_root_into_an_empty_folder_is_the_folders_owners(folder: Path) -> None:
    async with a_bot(folder) as world:
        copy = await leave_a_backup(world)
        for name in names(folder, "kyc.db*"):
            (folder / name).unlink()
        assert (await run(world, SUPERUSER, "restore", copy)).code == 0
        assert foreign(folder) == []
        await start_as(world, BOT)
        assert await world.stop() == 0


async def test_what_a_first_start_by_root_makes_is_the_folders_owners(folder: Path) -> None:
    async with a_bot(folder) as world:
        world.environment["KYC_BACKUP_DIR"] = str(folder / "backups")
        await start_as(world, SUPERUSER)
        await world.wait_for(lambda: bool(names(folder / "backups", "*.backup")))
        assert names(folder) == {"kyc.db", "kyc.db-wal", "kyc.db-shm", "kyc.db.lock", "backups"}
        assert foreign(folder) == []
        assert foreign(folder / "backups") == []
        await world.kill()
        await start_as(world, BOT)
        assert await world.stop() == 0


async def test_a_lock_that_root_once_left_is_given_back(folder: Path) -> None:
    async with a_bot(folder) as world:
        copy = await leave_a_backup(world)
        lock = folder / "kyc.db.lock"
        os.chown(lock, 0, 0)
        refused = await run(world, BOT, "serve")
        assert refused.code == 1
        assert f"({lock} belongs to root, and this is {BOT.uid}: as root, type chown {BOT.uid}: {lock})" in refused.err
        assert (await run(world, SUPERUSER, "restore", copy, "--force")).code == 0
        assert foreign(folder) == []


async def test_root_is_not_led_to_a_file_of_its_own_by_a_link_in_the_locks_place(folder: Path) -> None:
    """Who has taken over the bot's user would else have root give away, or empty, any file of the machine."""
    precious = folder.parent / "precious"
    precious.write_text("of root's")
    async with a_bot(folder) as world:
        for make in ("symlink_to", "hardlink_to"):
            getattr(folder / "kyc.db.lock", make)(precious)
            ended = await run(world, SUPERUSER, "restore", folder / "no.backup")
            assert ended.code == 1
            assert SUPERUSER.owns(precious)
            assert precious.read_text() == "of root's"
            (folder / "kyc.db.lock").unlink()


async def test_a_copy_by_root_belongs_where_it_lies(folder: Path) -> None:
    async with a_bot(folder) as world:
        await start_as(world, BOT)
        assert await world.stop() == 0
        assert (await run(world, SUPERUSER, "backup", folder / "kyc.backup")).code == 0
        assert (await run(world, SUPERUSER, "backup", folder.parent / "kyc.backup")).code == 0
        assert foreign(folder) == []
        assert SUPERUSER.owns(folder.parent / "kyc.backup")


async def test_a_copy_into_another_users_folder_is_refused_with_what_helps(folder: Path) -> None:
    """Not by giving that folder away, nor by a user who may not read the settings."""
    async with a_bot(folder) as world:
        await start_as(world, BOT)
        assert await world.stop() == 0
        target = folder.parent / "kyc.backup"
        refused = await run(world, BOT, "backup", target)
        why = "Permission denied; name a folder that this user may write to"
        assert (refused.code, refused.err.strip()) == (1, f"the copy {target} cannot be written: {why}")


async def test_the_bots_user_is_told_what_root_has_to_type_for_a_backup_folder(folder: Path) -> None:
    async with a_bot(folder) as world:
        backups = folder.parent / "backups"
        world.environment["KYC_BACKUP_DIR"] = str(backups)
        told = (await run(world, BOT, "check")).out
        assert f"If this is the bot's user, type as root install -d -o {BOT.uid} -m 700 {backups}; if not," in told
        backups.mkdir()
        assert f"type as root chown {BOT.uid}: {backups}; if not," in (await run(world, BOT, "check")).out


@pytest.mark.parametrize("command", ["serve", "restore"])
async def test_another_user_is_refused_before_anything_is_made(folder: Path, command: str) -> None:
    """In the bot's group, whose folder it may write to: a lock of theirs would keep the bot from starting."""
    async with a_bot(folder) as world:
        copy = await leave_a_backup(world)
        open_to_group(folder, copy)
        (folder / "kyc.db.lock").unlink()
        before = contents(folder)
        arguments = ["restore", copy, "--force"] if command == "restore" else [command]
        refused = await run(world, OTHER, *arguments)
        assert refused.code == 1
        assert f"the bot's own user {BOT.uid} could not open it: run this as {BOT.uid} or as root" in refused.err
        assert contents(folder) == before
        await start_as(world, BOT)
        assert await world.stop() == 0


async def test_a_database_that_is_roots_is_named_so_with_what_to_type(folder: Path) -> None:
    async with a_bot(folder) as world:
        await start_as(world, BOT)
        assert await world.stop() == 0
        database = folder / "kyc.db"
        os.chown(database, 0, 0)
        for command in ("serve", "check"):
            refused = await run(world, BOT, command)
            assert refused.code == 1
            assert f"{database} belongs to root, and this is {BOT.uid}: as root, type chown {BOT.uid}: {database}" in (
                refused.out + refused.err
            )
        os.chown(database, BOT.uid, BOT.gid)
        await start_as(world, BOT)
        assert await world.stop() == 0
