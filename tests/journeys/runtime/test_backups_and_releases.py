"""Keeping: backups of a bot at work, going back to one, and releasing what waits for an operator."""

import asyncio
import json
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from storage.engine.sealing import Sealer
from tests.journeys.site import Ended, Site, kyc_bot, site
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, journey
from tests.patience import GIVE_UP_SECONDS
from tests.storage.older import before_prints

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

Hook = Callable[[], Awaitable[None]]


async def run(world: Site, *arguments: str) -> Ended:
    """The command line beside the bot, in words whatever happens."""
    ended = await kyc_bot(*arguments, environment=world.environment)
    assert "Traceback" not in ended.err
    return ended


async def assert_approved_once(world: Site) -> None:
    await world.wait_for_the_end()
    (result,) = world.replies()
    assert "Approved — face and ID number verified" in result
    assert len(world.roots()) == 1
    (job,) = world.smile_id.jobs.values()
    assert job.upload_count == 1


# Going back

_QUESTIONS = 20
"""More about one result than the bot asks while a backup is taken."""


def before_the_end(world: Site, hook: Hook) -> Hook:
    """The check may go on while the hook is at work, and on a busy machine end before it: every question about its
    result waits, by callback or by the clock, so that something newer than the backup is left.
    """
    take, waits = _waited_for(hook)
    world.smile_id.fail_next("job_status", *waits)
    return take


def _waited_for(hook: Hook) -> tuple[Hook, list[Fault]]:
    """The hook, and faults that wait until it has been called."""
    taken = asyncio.Event()

    async def take() -> None:
        await hook()
        taken.set()

    return take, [Fault.call(before=taken.wait)] * _QUESTIONS


def at_the_photo(world: Site, hook: Hook) -> None:
    """Nothing is recorded yet of what will be sent."""
    asked = 0
    hook = before_the_end(world, hook)

    def strike(method: str, _number: int) -> SlackFault | None:
        nonlocal asked
        asked += method == "files.info"
        # The first is the form's, which has no second to spare.
        return SlackFault.call(before=hook) if method == "files.info" and asked == 2 else None

    world.slack.fault = strike


def at_the_opening(world: Site, hook: Hook) -> None:
    world.slack.fail_next("chat.postMessage", SlackFault.call(after=before_the_end(world, hook)))


def before_the_upload(world: Site, hook: Hook) -> None:
    world.smile_id.fail_next("upload", Fault.call(before=before_the_end(world, hook)))


def after_the_upload(world: Site, hook: Hook) -> None:
    world.smile_id.fail_next("upload", Fault.call(after=before_the_end(world, hook)))


def after_the_zip(world: Site, hook: Hook) -> None:
    world.smile_id.fail_next("put", Fault.call(after=before_the_end(world, hook)))


def at_the_confirmation(world: Site, hook: Hook) -> None:
    # The next question comes after two seconds, and a backup may take longer.
    take, waits = _waited_for(hook)
    world.smile_id.fail_next("job_status", Fault.call(before=take), *waits)


def at_the_result(world: Site, hook: Hook) -> None:
    """The second message: it stands in Slack, and the bot does not know yet."""
    world.slack.fail_next("chat.postMessage", SlackFault.call(), SlackFault.call(after=hook))


@pytest.mark.parametrize(
    "moment",
    [
        at_the_photo,
        at_the_opening,
        before_the_upload,
        after_the_upload,
        after_the_zip,
        at_the_confirmation,
        at_the_result,
    ],
)
async def test_a_check_in_a_backup_goes_on_where_it_really_stands(moment: Callable[[Site, Hook], None]) -> None:
    """Backed up in the middle, ended, put back, started again: submitted once, told once."""
    async with site(KYC_POLL_AFTER="2s") as world:
        copy = world.folder / "middle.backup"
        taken: list[Ended] = []

        async def take() -> None:
            taken.append(await run(world, "backup", str(copy)))

        moment(world, take)
        await world.ask()
        await assert_approved_once(world)
        await world.wait_for(lambda: bool(taken))
        assert [ended.code for ended in taken] == [0], taken
        assert await world.stop() == 0

        refused = await run(world, "restore", str(copy))
        assert refused.code == 1
        assert "holds newer acts" in refused.err
        assert "--force" in refused.err
        restored = await run(world, "restore", "--force", str(copy))
        assert restored.code == 0, restored.err
        assert ".before-restore-" in restored.out
        await world.start()
        await assert_approved_once(world)
        ((state,),) = await asyncio.to_thread(rows, world.database, "SELECT state FROM verifications")
        assert state == "approved"


@pytest.mark.parametrize("moment", [before_the_upload, after_the_zip, at_the_result])
async def test_a_file_that_others_have_put_back_goes_on_where_it_really_stands(
    moment: Callable[[Site, Hook], None],
) -> None:
    """As Litestream does: no command of ours has put it there, so one tells the file."""
    async with site(KYC_POLL_AFTER="2s") as world:
        copy = world.folder / "middle.backup"
        taken: list[Ended] = []

        async def take() -> None:
            taken.append(await run(world, "backup", str(copy)))

        moment(world, take)
        await world.ask()
        await assert_approved_once(world)
        await world.wait_for(lambda: bool(taken))
        refused = await run(world, "mark-restored")
        assert (refused.code, "in use by process" in refused.err) == (1, True)
        assert await world.stop() == 0

        assert not world.database.with_name(f"{world.database.name}-wal").exists()
        copy.replace(world.database)
        for _twice in range(2):
            marked = await run(world, "mark-restored")
            assert marked.code == 0, marked.err
            assert "it knows what happened until 20" in marked.out
        await world.start()
        await assert_approved_once(world)
        acts = await asyncio.to_thread(rows, world.database, "SELECT actor FROM audit WHERE act = 'database.restored'")
        assert acts == [("operator",), ("operator",)]
        assert (await run(world, "audit", "verify")).code == 0


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return db.execute(sql).fetchall()


# Taking them


async def test_a_backup_beside_a_bot_at_work_is_whole_and_its_owners_alone() -> None:
    async with site() as world:
        copy = world.folder / "kyc.backup"
        await world.ask()
        ended = await run(world, "backup", str(copy))
        assert ended.code == 0, ended.err
        assert "whole, the key opens it, 1 checks" in ended.out
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        # That everything was copied is on record, in the copy too.
        for path in (world.database, copy):
            assert await asyncio.to_thread(rows, path, "SELECT actor FROM audit WHERE act = 'backup.asked'") == [
                ("operator",)
            ]
        again = await run(world, "backup", str(copy))
        assert again.code == 1
        assert "exists already" in again.err
        await assert_approved_once(world)
        assert {path.name for path in world.folder.iterdir() if ".backup" in path.name} == {"kyc.backup"}


async def test_nothing_is_put_back_under_a_running_bot() -> None:
    async with site() as world:
        copy = world.folder / "kyc.backup"
        assert (await run(world, "backup", str(copy))).code == 0
        refused = await run(world, "restore", "--force", str(copy))
        assert refused.code == 1
        assert world.process is not None
        assert f"in use by process {world.process.pid}" in refused.err
        await world.ask()
        await assert_approved_once(world)


async def test_a_damaged_database_keeps_the_bot_from_starting_until_a_backup_is_put_back() -> None:
    async with site() as world:
        await world.ask()
        await assert_approved_once(world)
        copy = world.folder / "kyc.backup"
        assert (await run(world, "backup", str(copy))).code == 0
        assert await world.stop() == 0
        await asyncio.to_thread(damage, world.database)
        refused = await run(world, "serve")
        assert refused.code == 1
        assert "is damaged" in refused.err
        assert "kyc-bot restore" in refused.err
        restored = await run(world, "restore", str(copy))
        assert restored.code == 0, restored.err
        await world.start()
        await world.wait_for(lambda: world.slack.socket_count == 1)
        await assert_approved_once(world)


def damage(database: Path) -> None:
    with database.open("r+b") as file:
        for page in range(2, database.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)


async def test_scheduled_backups_begin_soon_after_the_start() -> None:
    async with site(start=False) as world:
        folder = world.folder / "backups"
        world.environment["KYC_BACKUP_DIR"] = str(folder)
        await world.start()
        await world.wait_for(lambda: '"event": "backup.taken"' in world.log())
        (copy,) = folder.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert await world.stop() == 0
        restored = await run(world, "restore", str(copy))
        assert restored.code == 0, restored.err


async def test_a_backup_that_cannot_be_taken_is_told_to_admins_and_to_those_who_watch() -> None:
    async with site(start=False) as world:
        folder = world.folder / "backups"
        folder.write_text("in the way", encoding="utf-8")
        world.environment["KYC_BACKUP_DIR"] = str(folder)
        await world.start()
        await world.wait_for(lambda: bool(world.slack.direct_messages(ADMIN)))
        (told,) = [world.slack.plain(message) for message in world.slack.direct_messages(ADMIN)]
        assert "No backup could be taken" in told
        async with httpx.AsyncClient() as http:
            ready = await http.get(f"{world.admin}/readyz")
        assert ready.status_code == 200
        assert "cannot be used" in ready.json()["degraded"]["backup"]


async def test_the_oldest_scheduled_backups_go_and_nothing_else_does(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    own = folder / "kyc-before-the-audit.backup"
    own.write_text("an operator's own", encoding="utf-8")
    async with journey(tmp_path, KYC_BACKUP_DIR=str(folder), KYC_BACKUP_EVERY="6h", KYC_BACKUP_KEEP="3") as world:
        seen: list[set[Path]] = []
        for _day in range(5):
            await world.bot.backups.run()
            await world.bot.backups.run()
            seen.append(set(folder.iterdir()) - {own})
            world.clock.move(hours=7)
    assert [len(files) for files in seen] == [1, 2, 3, 3, 3]
    newest = [max(files) for files in seen]
    assert newest == sorted(set(newest))
    assert seen[-1] == set(newest[-3:])
    assert own.read_text(encoding="utf-8") == "an operator's own"


# Releasing


async def test_a_refused_message_is_listed_and_released_while_the_bot_runs() -> None:
    async with site() as world:
        await world.ask()
        await assert_approved_once(world)
        (job,) = world.smile_id.jobs.values()
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                job.callback_url, json={"ResultCode": "0811", "signature": "no", "timestamp": "no"}
            )
        assert answer.status_code == 401
        listed = await run(world, "receipts", "list")
        assert "not_trusted" in listed.out
        assert "0811" not in listed.out
        row = json.loads((await run(world, "receipts", "list", "--json")).out)
        assert set(row) == {"id", "kind", "ref", "why", "at"}
        assert row["kind"] == "receipt"

        def asked() -> int:
            return sum(request.call == "job_status" for request in world.smile_id.requests)

        # What the refusal itself brought about: a question at most once a minute.
        await asyncio.to_thread(forget_asking, world.database)
        before = asked()
        released = await run(world, "receipts", "release", row["id"])
        assert released.code == 0, released.err
        await world.smile_id.wait_for(lambda: asked() > before)
        assert (await run(world, "receipts", "list")).out == ""
        again = await run(world, "receipts", "release", row["id"])
        assert again.code == 1
        assert "receipts list" in again.err
        acts = await asyncio.to_thread(rows, world.database, "SELECT actor FROM audit WHERE act = 'receipt.released'")
        assert acts == [("operator",)]
        await assert_approved_once(world)


def forget_asking(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=GIVE_UP_SECONDS)) as db, db:
        db.execute("UPDATE attempts SET ask_at = NULL")


async def test_a_post_that_could_not_be_delivered_is_released_and_delivered_once() -> None:
    async with site(KYC_REVIEW_NOTIFY="all") as world:
        archived = SlackFault.error("is_archived")
        # After the request's own message the reviewers' notice comes first.
        world.slack.fail_next("chat.postMessage", SlackFault.call(), archived)
        await world.ask()
        await assert_approved_once(world)
        assert world.slack.messages(REVIEW_CHANNEL) == []
        row = json.loads((await run(world, "receipts", "list", "--json")).out)
        assert (row["kind"], row["why"]) == ("post", "is_archived")
        assert (await run(world, "receipts", "release", row["id"])).code == 0
        await world.wait_for(lambda: len(world.slack.messages(REVIEW_CHANNEL)) == 1)
        await world.wait_for_the_end()
        assert (await run(world, "receipts", "list")).out == ""
        assert len(world.slack.messages(REVIEW_CHANNEL)) == 1


async def test_what_waits_is_asked_of_a_database_that_is_there() -> None:
    async with site(start=False) as world:
        ended = await run(world, "receipts", "list")
        assert ended.code == 1
        assert "does not exist: start the bot once" in ended.err
        assert not world.database.exists()
        copied = await run(world, "backup", str(world.folder / "kyc.backup"))
        assert copied.code == 1
        assert "does not exist" in copied.err


async def test_a_database_from_before_an_update_is_left_to_the_next_start() -> None:
    """Commands that only look, or only release, bring nothing up to date."""
    async with site() as world:
        await world.ask()
        await assert_approved_once(world)
        assert await world.stop() == 0
        before_prints(world.database, Sealer.from_text([world.environment["KYC_ENCRYPTION_KEYS"]]))
        before = world.database.read_bytes()
        for command in (["export", "--format", "csv"], ["summary"], ["receipts", "list"], ["receipts", "release", "x"]):
            ended = await run(world, *command)
            assert (ended.code, ended.out) == (1, "")
            assert "is not up to date: start the bot once" in ended.err
        assert world.database.read_bytes() == before
        await world.start()
        assert "approved" in (await run(world, "export", "--format", "csv")).out
